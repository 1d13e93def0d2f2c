"""Secrets: what counts as one, and what is printed in its place.

A value is hidden when its name says that it is a secret (the words that the SageMaker SDK v3 looks
for, and a few more), or when it looks like a well-known kind of credential whatever its name is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from mlberth._typing import Any

MASK = "***"

# Patterns are text until they are needed: `re` compiles each once, and that is slow.
_SECRET_PARTS = ("secret", "passw", "passphrase", "credential", "apikey", "accesskey", "authtoken")
# Whole words, so that `max_tokens`, `tokenizer`, `monkey` and `key_column` stay readable.
_SECRET_WORDS = frozenset({"token", "private", "cred", "creds", "pwd", "auth", "authorization"})
# The shell's working directories: masking them would tear holes into every path.
_NO_SECRETS = frozenset({"PWD", "OLDPWD"})
_HINTS = ("secret", "pass", "cred", "key", "token", "private", "pwd", "auth")
"""Every secret name has one of these, and few others do."""
_WORD = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+"
_CREDENTIAL = (
    r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"  # AWS access key ids
    r"|\bhf_[A-Za-z0-9]{10,}"  # Hugging Face
    r"|\bgh[pousr]_[A-Za-z0-9]{16,}|\bgithub_pat_\w{16,}"  # GitHub
    r"|\bsk-[A-Za-z0-9_-]{16,}"  # OpenAI and Anthropic
    r"|\bxox[abposr]-[A-Za-z0-9-]{10,}"  # Slack
    # JSON web tokens. What they are made of is looked at once, where it begins, however often it holds `eyJ`.
    r"|(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-])"
    r"(?:[A-Za-z0-9_-]*?-)?eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # user and password in a URL
)
_SHORTEST = 4


def is_secret_name(name: str) -> bool:
    """Tell whether a variable or hyperparameter of this name holds a secret."""
    if name in _NO_SECRETS:
        return False
    letters = "".join(letter for letter in name.lower() if "a" <= letter <= "z")
    if not any(hint in letters for hint in _HINTS):
        return False
    words = [word.lower() for word in re.findall(_WORD, name)]
    if any(part in letters for part in _SECRET_PARTS) or not _SECRET_WORDS.isdisjoint(words):
        return True
    return words[-1:] == ["key"] or words[-2:] == ["key", "id"]


def masked(name: str, value: Any) -> Any:
    """Return `value` as it may be printed under `name`; containers are masked inside."""
    if is_secret_name(name):
        return MASK
    if isinstance(value, str):
        return masked_text(value)
    if isinstance(value, Mapping):
        return masked_mapping(value)
    if isinstance(value, list | tuple):
        return [masked("", item) for item in value]
    return value


def masked_mapping(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a mapping that may be printed."""
    return {name: masked(str(name), value) for name, value in mapping.items()}


def masked_text(text: str, secrets: Iterable[str] = ()) -> str:
    """Hide in running text what looks like a credential, and each of `secrets` word for word."""
    # The longest first, so that a secret that holds another is hidden whole.
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return re.sub(_CREDENTIAL, MASK, text)


def secret_values(mapping: Mapping[str, Any]) -> set[str]:
    """Return the values that stand under secret names at any depth, for hiding them in text.

    Values of fewer than four characters are left out: hiding every "1" would destroy the text.
    """
    found: set[str] = set()
    for name, value in mapping.items():
        if is_secret_name(str(name)):
            found.add(str(value))
        elif isinstance(value, Mapping):
            found |= secret_values(value)
        elif isinstance(value, list):
            found = found.union(*(secret_values(item) for item in value if isinstance(item, Mapping)))
    return {value for value in found if len(value) >= _SHORTEST}
