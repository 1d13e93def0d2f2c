"""What counts as a secret."""

from __future__ import annotations

import time

import pytest

from mlberth.masking import is_secret_name, masked, masked_mapping, masked_text, secret_values


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "DB_PASSWORD",
        "api_key",
        "API-KEY",
        "apikey",
        "SM_HP_TOKEN",
        "hf_token",
        "HuggingFaceToken",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "credentials",
        "client-secret",
        "private_key",
        "mysecretvalue",
        "key",
        "SM_HP_KEY",
    ],
)
def test_secret_name(name: str) -> None:
    """Names that say secret, password, token, key or credential hide their values."""
    assert is_secret_name(name)
    assert masked(name, "x") == "***"


@pytest.mark.parametrize(
    "name",
    ["max_tokens", "tokenizer", "monkey", "key_column", "keyword", "epochs", "author", "secretion"[:4]],
)
def test_plain_name(name: str) -> None:
    """Names of ordinary settings stay readable."""
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("AKIAIOSFODNN7EXAMPLE", "***"),
        ("hf_abcdefghijklmnop", "***"),
        ("ghp_0123456789abcdefghij", "***"),
        ("https://user:pass@host/simple", "https://***@host/simple"),
        ("https://aws:tok/en@host/", "https://aws:tok/en@host/"),
        ("plain", "plain"),
    ],
)
def test_values_that_look_like_credentials(text: str, shown: str) -> None:
    """A well-known kind of credential is hidden whatever its name is."""
    assert masked("value", text) == shown


def test_containers_are_masked_inside() -> None:
    """Nested maps and lists keep their shape and lose their secrets."""
    value = {"opts": {"password": "p", "n": 1}, "list": ["AKIAIOSFODNN7EXAMPLE", 2]}
    assert masked_mapping(value) == {"opts": {"password": "***", "n": 1}, "list": ["***", 2]}


def test_known_secrets_are_hidden_in_text() -> None:
    """A secret's value is hidden wherever it turns up; short values are not worth it."""
    nested = {"db": {"password": "hunter2"}, "stores": [{"auth_token": "token-1"}, 3]}
    mapping = {"token": "abcdef", "password": "1", "name": "bert", "PWD": "/home/me", **nested}
    secrets = secret_values(mapping)
    assert secrets == {"abcdef", "hunter2", "token-1"}
    assert masked_text("no abcdef for bert", secrets) == "no *** for bert"


@pytest.mark.parametrize("before", ["", "Bearer ", "token-", "(", "a.b.", "eyJ-", "x.aaaaaaaa."])
def test_web_token_is_hidden_wherever_it_stands(before: str) -> None:
    """Its parts are told by what is in them and between them, whatever is before the first."""
    text = masked_text(f"{before}eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl, and more")
    assert "eyJ" not in text
    assert text.endswith("***, and more")


@pytest.mark.parametrize("text", ["eyJ-", "eyJaaaaaaaa-", "://a:", "AKIA-"])
def test_long_text_is_masked_at_once(text: str) -> None:
    """What begins like a credential again and again takes time in proportion to its length alone."""
    began = time.process_time()
    assert masked_text(text * 100_000) == text * 100_000
    assert time.process_time() - began < 20
