"""Text from outside in lines of a log: it can neither end its line and forge another, nor move a cursor."""

from __future__ import annotations

_INDENT = "    "
# Controls of ASCII and of Latin-1, and what else some readers take for the end of a line.
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]
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
