"""Expressions of metric math, as trees: `IF(errors / invocations > 0.01, 1, 0)`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<text>\"[^\"]*\"|'[^']*')|(?P<sign>\|\||&&|[=!<>]=|[-+*/^<>()\[\],]))"
)
_STRENGTH = {
    sign: strength
    for strength, signs in {
        1: ("||", "OR"),
        2: ("&&", "AND"),
        3: ("==", "!=", "<", ">", "<=", ">="),
        4: ("+", "-"),
        5: ("*", "/"),
        7: ("^",),
    }.items()
    for sign in signs
}
_NEGATION = 6
_DEEPEST = 40
"""How deep brackets and calls may nest."""


class ExpressionError(Exception):
    """An expression that is not valid; the message is for people."""


@dataclass(frozen=True)
class Number:
    """A number."""

    value: float


@dataclass(frozen=True)
class Text:
    """A text in quotes."""

    value: str


@dataclass(frozen=True)
class Name:
    """The id of another query, or a word like REPEAT."""

    name: str


@dataclass(frozen=True)
class Array:
    """Several time series: `[m1, m2]`."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class Call:
    """A function of something."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Binary:
    """Two values and the operator between them."""

    operator: str
    left: Node
    right: Node


Node = Number | Text | Name | Array | Call | Binary


def parse(text: str) -> Node:
    """Return the tree of an expression. Raises ExpressionError."""
    parser = _Parser(text)
    tree = parser.expression(0, 0)
    parser.expect("")
    return tree


def nodes(tree: Node) -> Iterator[Node]:
    """Yield a tree and all that is in it."""
    yield tree
    if isinstance(tree, Array):
        children = tree.items
    elif isinstance(tree, Call):
        children = tree.arguments
    else:
        children = (tree.left, tree.right) if isinstance(tree, Binary) else ()
    for child in children:
        yield from nodes(child)


class _Parser:
    """Reads an expression from left to right; an operator takes those that bind more strongly first."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0

    @property
    def _next(self) -> str:
        return self._tokens[self._at][1]

    def expect(self, sign: str) -> None:
        """Pass over a sign; "" is the end."""
        if self._next != sign or self._tokens[self._at][0] == "text":
            found = self._next or "the end"
            raise ExpressionError(f"Found {found} in {self._text!r}; expected {sign or 'the end'}.")
        self._at += 1

    def expression(self, weakest: int, depth: int) -> Node:
        """Read operands and the operators between them that bind more strongly than `weakest`."""
        if depth > _DEEPEST:
            raise ExpressionError(f"The expression is nested more than {_DEEPEST} deep.")
        left = self._operand(depth)
        while (strength := _STRENGTH.get(self._next, 0)) > weakest:
            operator = self._next
            self._at += 1
            left = Binary(operator, left, self.expression(strength, depth + 1))
        return left

    def _operand(self, depth: int) -> Node:
        kind, word = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            return Number(float(word))
        if kind == "text":
            return Text(word[1:-1])
        if kind == "name" and word not in _STRENGTH:
            if self._next != "(":
                return Name(word)
            self._at += 1
            return Call(word.upper(), self._items(")", depth))
        return self._bracket(word, depth)

    def _bracket(self, sign: str, depth: int) -> Node:
        if sign == "-":
            return Binary("-", Number(0.0), self.expression(_NEGATION, depth + 1))
        if sign == "[":
            return Array(self._items("]", depth))
        if sign == "(":
            inner = self.expression(0, depth + 1)
            self.expect(")")
            return inner
        raise ExpressionError(f"Found {sign or 'the end'} in {self._text!r}; expected a value.")

    def _items(self, end: str, depth: int) -> tuple[Node, ...]:
        found: list[Node] = []
        while self._next != end:
            if found:
                self.expect(",")
            found.append(self.expression(0, depth + 1))
        self._at += 1
        return tuple(found)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            raise ExpressionError(f"Found {text[at:].strip()[0]!r} in the expression {text!r}.")
        at = found.end()
        yield found.lastgroup or "", found[found.lastgroup or 0]
    yield "end", ""
