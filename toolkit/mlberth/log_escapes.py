"""Text from outside in lines of a log: it can neither end its line and forge another, nor move a cursor."""

from __future__ import annotations

from collections.abc import Mapping

_INDENT = "    "
# Controls of ASCII and of Latin-1, what else some readers take for the end of a line, what turns the
# direction in which a line is shown, and halves of characters, which no encoding takes.
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]
_CONTROLS += [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xD800, 0xE000)]
_ESCAPES = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _CONTROLS}
_ESCAPES |= {ord("\t"): "\t", ord("\r"): "\\r", ord("\n"): "\n" + _INDENT}


def indented(text: str) -> str:
    """Return a text without control characters; the lines after its first are indented."""
    return text.rstrip("\n").translate(_ESCAPES)


def encodable(text: str) -> str:
    """Return a text that UTF-8 takes: a variable and a file's name can hold bytes that are none."""
    return text.encode(errors="backslashreplace").decode()


def one_line(text: str) -> str:
    """Return a text that stays on one line of a log and moves no cursor."""
    return text.translate(_ESCAPES).replace("\n" + _INDENT, "\\n")


def json_line(entry: Mapping[str, object]) -> str:
    """Return an object as JSON of printable ASCII."""
    import json

    # JSON leaves one control of ASCII as it is.
    return json.dumps(entry).replace("\x7f", "\\u007f")
