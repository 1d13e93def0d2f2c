"""Secrets in text, in the forms that programs write them in."""

from __future__ import annotations

import base64
import json
import shlex
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlberth.masking import MASK, masked_output, masked_text, secret_values
from mlberth.secret_forms import SHORTEST, forms

KEY = (
    "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B/AQ+EFAASCBK==\n"
    "short\nc29tZSBtb3JlIG9mIHRoZSBrZXkK\n-----END KEY-----\n"
)
# No form of such a text is in what stands around it.
SECRETS = st.text(
    st.characters(codec="utf-8", exclude_characters="xyz*", exclude_categories=["Cs"]),
    min_size=6,
    max_size=40,
).filter(lambda text: len(text.strip()) >= SHORTEST and len(set(text)) > 3)
WRITERS: list[Callable[[str], str]] = [
    str,
    str.strip,
    repr,
    ascii,
    json.dumps,
    lambda text: json.dumps(text, ensure_ascii=False),
    lambda text: json.dumps(text).replace("/", "\\/"),
    lambda text: repr({"password": text, "more": "it's"}),
    lambda text: repr(f'it\'s "{text}"'),
    lambda text: repr(repr(text)),
    lambda text: json.dumps({"message": repr({"password": text})}),
    lambda text: json.dumps(json.dumps([text])),
    lambda text: str(KeyError(text)),
    lambda text: repr(text.encode()),
    shlex.quote,
    urllib.parse.quote,
    urllib.parse.quote_plus,
    lambda text: urllib.parse.quote(text, safe=""),
    lambda text: urllib.parse.urlencode({"password": text}),
    lambda text: urllib.parse.quote(text, safe="!$&'()*+,;=:@/"),
    lambda text: base64.b64encode(text.encode()).decode(),
    lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
]


@pytest.mark.parametrize("number", range(len(WRITERS)))
@settings(deadline=None)
@given(secret=SECRETS)
def test_no_way_to_write_it_shows_a_secret(number: int, secret: str) -> None:
    """Whatever a library makes of a value, it is hidden; what stands around it is not."""
    written = WRITERS[number](secret)
    masked = masked_text(f"xyz {written} xyz", {secret})
    assert masked.startswith("xyz")
    assert masked.endswith("xyz")
    assert MASK in masked
    for form in forms({secret}):
        assert form not in masked


def test_quotation_mark_behind_a_backslash() -> None:
    """Both are escaped in a text that holds the other mark as well."""
    secret = "00\\'0\x1b"
    assert masked_text(repr(f'it\'s "{secret}"'), {secret}) == repr('it\'s "***"')


@settings(deadline=None)
@given(SECRETS, st.binary(max_size=5), st.binary(max_size=5), st.booleans())
def test_base64_of_more_hides_its_part(secret: str, before: bytes, after: bytes, urlsafe: bool) -> None:
    """A value inside of what is encoded, as in `user:password`, is hidden wherever it begins."""
    encode = base64.urlsafe_b64encode if urlsafe else base64.b64encode
    masked = masked_text(encode(before + secret.encode() + after).decode(), {secret})
    shown = masked.replace(MASK, "")
    assert MASK in masked
    # What is left is what stands around it, and the bits that it shares a character with.
    assert len(shown) <= len(base64.b64encode(before)) + len(base64.b64encode(after)) + 4


@settings(deadline=None)
@given(SECRETS, st.integers(0, 60), st.sampled_from(WRITERS))
@example("00000123", 7, str)
@example("01234567", 8, str)
def test_secret_that_a_cut_goes_through(secret: str, cut: int, write: Callable[[str], str]) -> None:
    """Neither the end of a secret at the beginning of a piece nor its beginning at the end is shown."""
    written = write(secret)
    text = f"xyz {written} xyz".encode()
    kept = text[cut:]
    assert_no_part(masked_output(kept, (0,), {secret}), secret)
    # The head of a text and its tail, with something missing between them.
    assert_no_part(masked_output(text[:cut] + text[cut + 1 :], (cut,), {secret}), secret)
    assert_no_part(masked_output(text[:cut] + kept, (cut,), {secret}), secret)


def assert_no_part(masked: str, secret: str) -> None:
    """Fail where a text holds as much of a secret as would give it away: eight characters in a row."""
    assert not [secret[at : at + 8] for at in range(len(secret) - 7) if secret[at : at + 8] in masked]


def test_lines_of_a_secret_are_secrets() -> None:
    """A key that is printed line by line, indented or in a list, is hidden but for its short lines."""
    for text in (KEY, KEY.replace("\n", "\r\n"), repr(KEY.splitlines()), json.dumps(KEY.split("\n"))):
        masked = masked_text(text, {KEY})
        assert [line for line in KEY.split("\n") if len(line) >= 8 and line in masked] == []
    assert masked_text("short", {KEY}) == "short"
    indented = "\n".join(f"    {line}" for line in KEY.splitlines())
    assert masked_text(indented, {KEY}).split() == [MASK, MASK, "short", MASK, MASK]
    wrapped = base64.encodebytes(KEY.encode() * 2).decode()
    assert masked_text(wrapped, {KEY * 2}).replace(MASK, "").strip() == ""


def test_overlapping_secrets_leave_no_end() -> None:
    """Where one begins inside another, both are hidden whole; one that stands beside another too."""
    assert masked_text("-abcdefghi-", {"abcdef", "defghi"}) == f"-{MASK}-"
    assert masked_text("-abcdefghi-", {"abcdef", "abcdefghi"}) == f"-{MASK}-"
    assert masked_text("abcdefabcdef", {"abcdef"}) == MASK * 2


@pytest.mark.parametrize("short", ["", "1", "true", "12345", "     "])
def test_short_values_hide_nothing(short: str) -> None:
    """A text is not torn by a value of fewer than six characters, nor by one of its forms."""
    assert secret_values({"password": short}) == set()
    text = f"epoch 1 of 12345 is true, {short!r}, {base64.b64encode(short.encode()).decode()}"
    assert masked_text(text, {short}) == text


def test_bytes_that_are_no_text() -> None:
    """A variable may hold any bytes; a program's output shows them as we read it."""
    secret = b"caf\xe9-secret-\xff".decode(errors="surrogateescape")
    said = masked_output(b"it is caf\xe9-secret-\xff!", (), {secret})
    assert said == f"it is {MASK}!"


@pytest.mark.parametrize(
    "mapping",
    [
        {"stores": [[{"password": "hunter22"}], 1]},
        {"stores": [[[({"a": {"password": "hunter22"}},)]]]},
        {"password": ["hunter22", 1]},
        {"credentials": {"user": {"word": "hunter22"}}},
        {"config": '{"db": [[{"password": "hunter22"}]]}'},
        {"credentials": '{"word": "hunter22"}'},
    ],
)
def test_values_are_found_at_any_depth(mapping: dict[str, Any]) -> None:
    """Maps in lists of lists are walked, and so are what stands below a secret name and JSON in a text."""
    assert "hunter22" in secret_values(mapping)


def test_depth_has_no_end() -> None:
    """As deep as JSON can be, it is walked."""
    nested: Any = {"password": "hunter22"}
    for _ in range(100_000):
        nested = [nested]
    assert secret_values({"deep": nested}) == {"hunter22"}
    assert secret_values({"config": "[" * 100_000}) == set()


@pytest.mark.parametrize(
    "text",
    [
        "a" * 65_000,
        ("a" * 31 + "b") * 2_000,
        "-----BEGIN " * 6_000,
        "abc\n" * 16_000,
        "%61" * 21_000,
        "\\n" * 32_000,
        "x y z " * 11_000,
    ],
    ids=range(7),
)
def test_long_text_and_many_secrets_take_little_time(text: str) -> None:
    """Time grows with the text and with the secrets, and not with their product's square."""
    keys = {f"-----BEGIN {number} {'a' * 40}\n" + f"{number}{'a' * 60}\n" * 30 for number in range(20)}
    secrets = keys | {"a" * 30_000, "a" * 30_000 + "b", "a" * 31, "ab" * 20, "a" * 6}
    began = time.process_time()
    for cuts in ((), (0,), (30_000,)):
        masked_output(text.encode(), cuts, secrets)
    assert time.process_time() - began < 10
