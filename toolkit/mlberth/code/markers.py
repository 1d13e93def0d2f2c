"""Environment markers, as in `pywin32; sys_platform == 'win32'`: whether a text is one.

Source: the grammar of dependency specifiers (PEP 508), as the `packaging` library reads it.
"""

from __future__ import annotations

import re

_VARIABLES = (
    "python_version|python_full_version|os[._]name|sys[._]platform|platform_release|platform_system"
    "|platform[._]version|platform[._]machine|platform[._]python_implementation|python_implementation"
    "|implementation_name|implementation_version|extras|extra|dependency_groups"
)
_TOKEN = re.compile(
    rf"""[ \t]*(?:
    (?P<value> '[^']*' | "[^"]*" | \b(?:{_VARIABLES})\b )
    | (?P<operator> === | == | ~= | != | <= | >= | < | > | \bin\b | \bnot[ \t]+in\b )
    | (?P<join> \b(?:and|or)\b )
    | (?P<open> \( )
    | (?P<close> \) )
    )""",
    re.VERBOSE,
)
# What may follow what, brackets aside: an item is a value, an operator and a value.
_START, _VALUE, _OPERATOR, _ITEM = "a value or (", "an operator", "a value", "and, or, ) or the end"
_NEXT = {
    (_START, "open"): _START,
    (_START, "value"): _VALUE,
    (_VALUE, "operator"): _OPERATOR,
    (_OPERATOR, "value"): _ITEM,
    (_ITEM, "join"): _START,
    (_ITEM, "close"): _ITEM,
}


def is_marker(text: str) -> bool:
    """Return whether a text is an environment marker."""
    text = text.strip(" \t")
    at, depth, expected = 0, 0, _START
    while at < len(text):
        token = _TOKEN.match(text, at)
        if not token or (expected, token.lastgroup) not in _NEXT:
            return False
        depth += {"open": 1, "close": -1}.get(str(token.lastgroup), 0)
        if depth < 0:
            return False
        expected, at = _NEXT[expected, str(token.lastgroup)], token.end()
    return expected == _ITEM and depth == 0
