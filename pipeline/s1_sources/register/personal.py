"""Phone numbers compared and forgotten; personal numbers taken out of running text."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_SEVERAL = re.compile(r"[/,;&|\n]|\bdan\b|\batau\b|\bor\b")
_NO_DIGITS = re.compile(r"\D")


def phone_numbers(text: str) -> tuple[str, ...]:
    """Return the phone numbers of a cell in one form (62...), for comparing only.

    Examples
    --------
    >>> phone_numbers("0812-3456-789 / +62 285 421234")
    ('628123456789', '62285421234')
    >>> phone_numbers("8123456789"), phone_numbers("-"), phone_numbers("000000000")
    (('628123456789',), (), ())
    """
    found = []
    parts = _SEVERAL.split(text) if _SEVERAL.search(text) else (text,)
    for part in parts:
        digits = part if part.isdecimal() else _NO_DIGITS.sub("", part)
        digits = digits.removeprefix("00")
        local = digits.removeprefix("62") if digits.startswith("62") else digits
        local = local.lstrip("0")
        if 7 <= len(local) <= 13 and len(set(local)) > 2:
            found.append(f"62{local}")
    return tuple(dict.fromkeys(found))


_PERSONAL = (
    ("an e-mail address", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    ("a tax number", re.compile(r"(?<!\d)\d{2}\.\d{3}\.\d{3}\.\d-\d{3}\.\d{3}(?!\d)")),
    ("an identity number", re.compile(r"(?<!\d)\d{16}(?!\d)")),
    (
        "a phone number",
        re.compile(
            r"(?<![\d.])(?:(?:\+?62[\s.-]?|0)8\d{1,2}(?:[\s.-]?\d{3,4}){2,3}"
            r"|\(?(?:\+?62[\s-]?|0)[2-9]\d{1,2}\)?[\s-][2-9]\d{2}[\s-]?\d{2,5}"
            r"|(?:\+62|0)\d{8,12})(?![\d.]?\d)"
        ),
    ),
)
REMOVED = "[...]"
_MAY_BE_PERSONAL = r"@|\d[\d\s.()-]{6,}\d"


def without_personal(text: str) -> tuple[str, tuple[str, ...]]:
    """Return a running text without phone, identity and tax numbers and e-mail addresses.

    Examples
    --------
    >>> without_personal("Jl. Melati 12, HP 0812 3456 7890")
    ('Jl. Melati 12, HP [...]', ('a phone number',))
    """
    found = []
    for name, pattern in _PERSONAL:
        text, times = pattern.subn(REMOVED, text)
        if times:
            found.append(name)
    return text, tuple(found)


def scrub(text: pa.Array) -> tuple[pa.Array, list[tuple[int, str]]]:
    """Take personal numbers out of a column of running text; say in which rows and what."""
    suspect = pc.fill_null(pc.match_substring_regex(text, _MAY_BE_PERSONAL), False)
    rows = np.flatnonzero(suspect.to_numpy(zero_copy_only=False))
    if not len(rows):
        return text, []
    values = text.to_pylist()
    told = []
    for row in map(int, rows):
        values[row], found = without_personal(values[row])
        told += [(row, name) for name in found]
    return pa.array(values, pa.string()), told
