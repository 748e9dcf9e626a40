"""Cells of CSV and TSV files that a spreadsheet would run as formulas.

The rule: a cell that begins with = + - @ (or their full-width forms), TAB, CR, LF or NUL, and is
not a plain signed number such as -1.5, is written with one ' before it. So is a cell that begins
with such a cell after one or more ': otherwise a reader could not tell the ' that was added from
one that was there. Reading takes one ' away where writing would have put one. What is written
and read again is thus what it was: "=1" as "'=1" and "'=1" as "''=1", while "it's", "'tis" and
"'-5" are left alone both ways.
"""

import re

_RISKY = frozenset("=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20")
_SIGNED_NUMBER = re.compile(r"[+-]\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?", re.ASCII)


def _is_formula(cell: str) -> bool:
    bare = cell.lstrip("'")
    return bare[:1] in _RISKY and bool(bare) and not _SIGNED_NUMBER.fullmatch(bare)


def escape(cell: str) -> str:
    """`cell` as it can stand in a file that a spreadsheet opens."""
    return f"'{cell}" if _is_formula(cell) else cell


def unescape(cell: str) -> str:
    """What `escape` was given; a cell that it would have left alone stays."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell[1:]) else cell
