"""Secrets: what counts as one, and what is printed instead.

A value is hidden when its name says that it is a secret (the words that the SageMaker SDK v3 looks
for, and a few more), or when it looks like a well-known kind of credential whatever its name is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from mlberth._typing import typing

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
_SHORTEST = 6
_SHORTEST_PART = 6
"""Fewer characters of a secret's beginning or end give nothing away."""
_LOST, _MAX_LOST = "\N{REPLACEMENT CHARACTER}", 3
"""What stands for the bytes of a character that a cut has left, and how many of them there can be."""
_JSON = ("{", "[")


def is_secret_name(name: str) -> bool:
    """Return whether a variable or hyperparameter of this name holds a secret."""
    if name in _NO_SECRETS:
        return False
    letters = "".join(letter for letter in name.lower() if "a" <= letter <= "z")
    if not any(hint in letters for hint in _HINTS):
        return False
    words = [word.lower() for word in re.findall(_WORD, name)]
    if any(part in letters for part in _SECRET_PARTS) or not _SECRET_WORDS.isdisjoint(words):
        return True
    return words[-1:] == ["key"] or words[-2:] == ["key", "id"]


def masked(name: str, value: typing.Any) -> typing.Any:
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


def masked_mapping(mapping: Mapping[str, typing.Any]) -> dict[str, typing.Any]:
    """Return a copy of a mapping that may be printed."""
    return {name: masked(str(name), value) for name, value in mapping.items()}


def masked_text(
    text: str, secrets: Iterable[str] = (), *, cut_before: bool = False, cut_after: bool = False
) -> str:
    """Hide in running text what looks like a credential, and each of `secrets` in every form that it takes.

    Give it a text whole, and take it apart afterwards. With `cut_before` something is missing before the
    text, so that it may begin inside a secret; with `cut_after` it may end inside one.
    """
    spans = [match.span() for match in re.finditer(_CREDENTIAL, text)]
    known = _known_forms(frozenset(secrets))
    for form in known:
        # Far faster than one pattern of them all: most texts hold none.
        at = text.find(form)
        while at >= 0:
            spans.append((at, at + len(form)))
            at = text.find(form, at + len(form))
    if cut_before:
        spans.append(_end_at_the_beginning(text, known))
    if cut_after:
        spans.append(_beginning_at_the_end(text, known))
    return _without(text, spans)


def masked_output(output: bytes, cuts: Sequence[int], secrets: Iterable[str]) -> str:
    """Return what a program has written, secrets hidden; at `cuts` something is missing."""
    secrets, at, parts = frozenset(secrets), 0, []
    for end in [*cuts, None]:
        part = output[at:end].decode(errors="replace")
        before, after = at in cuts, end is not None
        parts.append(masked_text(part, secrets, cut_before=before, cut_after=after))
        at = end or 0
    # Two parts of a secret that are too short to be known may stand side by side.
    return masked_text("".join(parts), secrets) if cuts else "".join(parts)


@lru_cache(maxsize=8)
def _known_forms(secrets: frozenset[str]) -> list[str]:
    if not secrets:
        return []
    from mlberth.secret_forms import forms

    return forms(secrets)


def _end_at_the_beginning(text: str, known: Iterable[str]) -> tuple[int, int]:
    """Return where a text begins with the end of a secret, as far as the longest reaches."""
    start = len(text[:_MAX_LOST]) - len(text[:_MAX_LOST].lstrip(_LOST))
    first, longest = text[start : start + _SHORTEST_PART], 0
    for form in known:
        at = form.find(first, max(1, len(form) - (len(text) - start)))
        while len(first) == _SHORTEST_PART and at >= 0 and len(form) - at > longest:
            if text.startswith(form[at:], start):
                longest = len(form) - at
            at = form.find(first, at + 1)
    return (0, start + longest) if longest else (0, 0)


def _beginning_at_the_end(text: str, known: Iterable[str]) -> tuple[int, int]:
    """Return where a text ends with the beginning of a secret, as far as the longest reaches."""
    end = len(text) - len(text[-_MAX_LOST:]) + len(text[-_MAX_LOST:].rstrip(_LOST))
    last, longest = text[max(0, end - _SHORTEST_PART) : end], 0
    for form in known:
        at = form.rfind(last, 0, -1)
        while len(last) == _SHORTEST_PART and at >= 0 and at + _SHORTEST_PART > longest:
            if text.endswith(form[: at + _SHORTEST_PART], 0, end):
                longest = at + _SHORTEST_PART
            at = form.rfind(last, 0, at + _SHORTEST_PART - 1)
    return (end - longest, len(text)) if longest else (0, 0)


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    """Return a text with a mask instead of each span; spans that overlap have one."""
    parts, at = [], 0
    merged: list[list[int]] = []
    for start, end in sorted(spans):
        if end > start and merged and start < merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        elif end > start:
            merged.append([start, end])
    for start, end in merged:
        parts += [text[at:start], MASK]
        at = end
    return "".join([*parts, text[at:]])


def secret_values(mapping: Mapping[str, typing.Any]) -> set[str]:
    """Return the values that stand under secret names at any depth, for hiding them in text.

    JSON in a text counts as what it holds. Values of fewer than six characters are left out: hiding every
    "1" would destroy the text.
    """
    found: set[str] = set()
    pending: list[tuple[bool, typing.Any]] = [(False, mapping)]
    while pending:
        secret, value = pending.pop()
        if secret:
            found.add(str(value))
        if isinstance(value, str) and value[:1] in _JSON:
            value = _decoded(value)
        if isinstance(value, Mapping):
            pending += [(secret or is_secret_name(str(name)), inner) for name, inner in value.items()]
        elif isinstance(value, list | tuple):
            pending += [(secret, inner) for inner in value]
    return {value for value in found if len(value) >= _SHORTEST}


def _decoded(text: str) -> typing.Any:
    import json

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
