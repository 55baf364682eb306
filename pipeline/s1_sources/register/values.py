"""Cells to values: numbers, yes and no.

Each function takes a column and returns values beside the faults found, by row of the column;
what can be read in two ways is a fault that shows both readings, never a guess. Distinct texts
are read once, so that the cost follows the variety of a column, not its length.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.s1_sources.register.grid import Cells

T = TypeVar("T")

NOTHING = frozenset(
    ("-", "--", "---", "–", "—", "n/a", "na", "null", "none", "nan", "?", ".", "tidak ada data",
     "tidak diketahui", "tdk diketahui", "belum ada data", "tidak tahu", "no data", "unknown")
)  # fmt: skip
"""Words that say a figure is missing (which is not zero)."""


class Issue(NamedTuple):
    """A fault of one row: what was expected, and what to do about it."""

    row: int
    expected: str
    hint: str = ""
    severity: str = "error"


@dataclass
class Read:
    """Values of a column beside its faults.

    Parameters
    ----------
    values : numpy.ndarray of float64
        NaN where empty or faulty.
    issues : list of Issue
    detail : list of str
        What was found about the column's way of writing, for the person who checks it.
    """

    values: np.ndarray
    issues: list[Issue] = field(default_factory=list)
    detail: list[str] = field(default_factory=list)


def each(text: pa.Array, read: Callable[[str], T]) -> tuple[np.ndarray, list[T]]:
    """Read each distinct text once.

    Returns
    -------
    codes : numpy.ndarray of int
        For each row the position of its reading; -1 where the cell is empty.
    readings : list
    """
    encoded = pc.dictionary_encode(text)
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, [read(one) for one in encoded.dictionary.to_pylist()]


def positions(mask: np.ndarray) -> list[int]:
    """Return where a mask is true.

    Examples
    --------
    >>> positions(np.array([False, True]))
    [1]
    """
    return [int(one) for one in np.flatnonzero(mask)]


def rows_by_code(codes: np.ndarray) -> Callable[[int], np.ndarray]:
    """Return a function that gives the rows of a code."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]

    def rows(code: int) -> np.ndarray:
        return order[np.searchsorted(ordered, code) : np.searchsorted(ordered, code, "right")]

    return rows


def spread(codes: np.ndarray, values: Sequence[Any], empty: Any = "") -> np.ndarray:
    """Return the value of each row from those of the distinct texts; `empty` where it is empty."""
    table = np.array([*values, empty], dtype=object)
    return table[codes]


_GROUP = re.compile(r"[1-9]\d{0,2}([.,])\d{3}", re.ASCII)
_GROUPS = re.compile(r"[1-9]\d{0,2}([.,])\d{3}(?:\1\d{3})+", re.ASCII)
_FULL = re.compile(r"[1-9]\d{0,2}(?:([.,])\d{3})+(?!\1)[.,]\d+", re.ASCII)
_SPACED = re.compile(r"[1-9]\d{0,2}(?:[ \u00a0\u202f']\d{3})+", re.ASCII)
_DECIMAL = re.compile(r"\d+([.,])\d+", re.ASCII)
_WORDS = re.compile(r"\s*(?:orang|org|pekerja|karyawan|unit|persons?|workers?)\.?$", re.IGNORECASE)


class _Form(NamedTuple):
    """How a number is written: its kind, the sign in question, and what it says."""

    kind: str
    sign: str = ""
    plain: str = ""


def _form(text: str) -> _Form:
    body = text.removeprefix("+")
    sign = "-" if body.startswith(("-", "−")) else ""
    body = body.lstrip("-−").strip()
    if re.fullmatch(r"[0-9]+", body):
        return _Form("long" if len(body) > 3 else "plain", "", sign + body)
    if _SPACED.fullmatch(body):
        return _Form("plain", "", sign + re.sub(r"\D", "", body))
    if match := _GROUP.fullmatch(body):
        return _Form("one group", match[1], sign + body)
    if match := _GROUPS.fullmatch(body):
        return _Form("groups", match[1], sign + body)
    if match := _FULL.fullmatch(body):
        return _Form("groups", match[1], sign + body)
    if match := _DECIMAL.fullmatch(body):
        return _Form("decimal", match[1], sign + body)
    return _Form("none")


def _plain(text: str, thousands: str) -> float:
    """Return a number written with this thousands sign (and the other one for decimals)."""
    kept = text.replace(thousands, "") if thousands else text
    return float(kept.replace(",", "."))


_NAMES = {"point": ".", "comma": ",", "none": ""}
_OTHER = {".": ",", ",": "."}


def numbers(
    cells: Cells, thousands: str | None = None, whole: bool = False, what: str = "a number"
) -> Read:
    """Read a column of numbers as Indonesian and English registers write them.

    Parameters
    ----------
    cells : Cells
        The column.
    thousands : {"point", "comma", "none"}, optional
        Declared thousands sign. Without it "1.468" is a thousand only if everything in the column
        that holds a point or comma agrees, and no number above 999 is written without one;
        otherwise it is a fault that shows both readings.
    whole : bool
        Whether only whole numbers are allowed.
    what : str
        What is expected, for messages.

    Examples
    --------
    >>> numbers(Cells(pa.array(["1.468", "12", "2.000.000"]))).values.tolist()
    [1468.0, 12.0, 2000000.0]
    >>> print(numbers(Cells(pa.array(["1.468", "12.5"]))).issues[0].hint)
    It may be 1468 or 1.468 ...
    """
    text = cells.text
    is_stored = np.zeros(len(text), bool) if cells.numbers is None else ~np.isnan(cells.numbers)
    written = pc.if_else(pa.array(is_stored), pa.scalar(None, pa.string()), text)
    codes, forms = each(written, _written)
    result = Read(np.full(len(text), np.nan))
    rows_of = rows_by_code(codes)
    sign, is_open = _thousands_sign(forms, thousands)
    missing = 0
    for code, (form, original) in enumerate(forms):
        rows = rows_of(code)
        if form.kind == "missing":
            missing += len(rows)
            continue
        value, hint = _value(form, original, sign, is_open, thousands)
        if value is None:
            expected = f"{what} that can be read in one way only" if hint else what
            expected += "" if hint or form.kind != "none" else ", in digits"
            result.issues += [Issue(int(row), expected, hint) for row in rows]
        else:
            result.values[rows] = value
    if cells.numbers is not None:
        result.values[is_stored] = cells.numbers[is_stored]
        _doubt_stored(cells, is_stored, whole, result)
    _bounds(result, whole, what)
    result.detail += _told(forms, sign, thousands, missing)
    return result


def _written(text: str) -> tuple[_Form, str]:
    if text.casefold() in NOTHING:
        return _Form("missing"), text
    return _form(_WORDS.sub("", text)), text


def _thousands_sign(
    forms: Sequence[tuple[_Form, str]], declared: str | None
) -> tuple[str | None, bool]:
    """Return the column's thousands sign (None if it does not show), and if it is in doubt."""
    if declared is not None:
        return _NAMES[declared], False
    single = {form.sign for form, _ in forms if form.kind == "one group"}
    grouped = {form.sign for form, _ in forms if form.kind == "groups"}
    decimal = {form.sign for form, _ in forms if form.kind == "decimal"}
    is_long = any(form.kind == "long" for form, _ in forms)
    signs = single | grouped | {_OTHER[one] for one in decimal}
    if len(signs) > 1 or (single and is_long):
        return None, True
    return next(iter(signs), None), False


def _value(
    form: _Form, original: str, sign: str | None, is_open: bool, declared: str | None
) -> tuple[float | None, str]:
    """Return the value of a form, or None and what it may mean."""
    if form.kind == "none":
        return None, ""
    if form.kind in ("plain", "long"):
        return float(form.plain), ""
    if form.kind == "one group":
        grouped, decimal = _plain(form.plain, form.sign), _plain(form.plain, "")
        if is_open:
            return None, (
                f"It may be {grouped:.0f} or {decimal:g} (the column writes numbers in more than "
                "one way): declare 'thousands: point' or 'thousands: comma' in the settings "
                "beside the register, or write plain digits"
            )
        return (grouped if form.sign == sign else decimal), ""
    if form.kind == "groups":
        if declared is not None and form.sign != sign:
            return None, (
                f"It has thousands parted by {form.sign!r}, which the settings declare otherwise"
            )
        return _plain(form.plain, form.sign), ""
    if declared in ("point", "comma") and form.sign == sign:
        return None, f"It has {form.sign!r} where the settings declare a thousands sign"
    return _plain(form.plain, ""), ""


def _doubt_stored(cells: Cells, is_stored: np.ndarray, whole: bool, result: Read) -> None:
    """Tell of stored numbers such as 1.468, which a spreadsheet makes of a typed thousand."""
    assert cells.numbers is not None
    stored = np.where(is_stored, cells.numbers, 0.0)
    has_three = (
        (stored != np.round(stored))
        & (stored >= 1)
        & (stored < 1000)
        & np.isclose(stored * 1000, np.round(stored * 1000), rtol=0, atol=1e-6)
        & ~np.isclose(stored * 100, np.round(stored * 100), rtol=0, atol=1e-6)
    )
    for row in np.flatnonzero(has_three):
        hint = (
            f"The file stores {stored[row]:g}; if {stored[row] * 1000:.0f} was typed with a "
            "thousands sign, type it again without"
        )
        if whole:
            result.issues.append(Issue(int(row), "a whole number", hint))
            result.values[row] = np.nan
        else:
            result.issues.append(Issue(int(row), "a number", hint, "warning"))


def _bounds(result: Read, whole: bool, what: str) -> None:
    with np.errstate(invalid="ignore"):
        below = result.values < 0
        broken = whole & (result.values != np.round(result.values)) & ~np.isnan(result.values)
        huge = np.abs(result.values) > 1e12
    for mask, expected in (
        (below, f"{what}, not below 0"),
        (broken & ~below, f"{what} without a fraction"),
        (huge & ~below & ~broken, f"{what}, not above 1,000,000,000,000"),
    ):
        result.issues += [Issue(int(row), expected) for row in np.flatnonzero(mask)]
        result.values[mask] = np.nan


def _told(
    forms: Sequence[tuple[_Form, str]], sign: str | None, declared: str | None, missing: int
) -> list[str]:
    told = []
    shown = next((text for form, text in forms if form.kind in ("one group", "groups")), None)
    if shown is not None and sign:
        name = {".": "a point", ",": "a comma"}[sign]
        told.append(
            f"thousands parted by {name} "
            f"({'declared' if declared else f'the whole column agrees, such as {shown}'})"
        )
    decimals = {form.sign for form, _ in forms if form.kind == "decimal"}
    told += [f"decimals after {'a comma' if one == ',' else 'a point'}" for one in sorted(decimals)]
    if missing:
        told.append(f"{missing} cells such as '-' read as no figure")
    return told


_YES = frozenset(["ya", "y", "yes", "true", "1", "v", "√", "✓", "✔", "setuju", "bersedia",
                  "boleh", "iya", "benar", "ok", "ada"])  # fmt: skip
_NO = frozenset(["tidak", "t", "tdk", "no", "n", "false", "0", "tidak setuju", "tidak bersedia",
                 "tidak boleh", "bukan", "salah", "belum"]) | NOTHING  # fmt: skip


def flags(cells: Cells) -> Read:
    """Read yes and no; an empty cell is no, for consent is never assumed.

    Examples
    --------
    >>> flags(Cells(pa.array(["Ya", "tidak", None, "mungkin"]))).values.tolist()
    [1.0, 0.0, 0.0, 0.0]
    """
    codes, read = each(cells.text, lambda text: _flag(text.strip(" .").casefold()))
    values = np.array([*(bool(one) for one in read), False], dtype=float)[codes]
    rows_of = rows_by_code(codes)
    issues = [
        Issue(int(row), "ya or tidak (yes or no)")
        for code, one in enumerate(read)
        if one is None
        for row in rows_of(code)
    ]
    return Read(values, issues)


def _flag(text: str) -> bool | None:
    return True if text in _YES else False if text in _NO else None
