"""Production: amount, unit and period from the cell, its columns, the header or the settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.s1_sources.register.grid import Cells
from pipeline.s1_sources.register.headers import LINKS, PERIODS, UNITS
from pipeline.s1_sources.register.values import (
    NOTHING,
    Issue,
    each,
    numbers,
    rows_by_code,
    spread,
)

KODI_PIECES = 20

_AMOUNT = re.compile(r"^([-+−±]?\s*\d[\d.,\u00a0']*(?: \d{3}(?!\d))*)\s*(.*)$", re.DOTALL)


class _Stated(NamedTuple):
    """An amount as its cell states it; `strange` holds words that were not understood."""

    amount: str | None
    unit: str
    times: float
    period: str
    strange: str


def stated(text: str) -> _Stated:
    """Part a production cell into amount, unit and period.

    Examples
    --------
    >>> stated("12,5 kodi/bulan")
    _Stated(amount='12,5', unit='kodi', times=1, period='month', strange='')
    >>> stated("3 lusin per minggu")[1:4]
    ('potong', 12, 'week')
    """
    if text.casefold() in NOTHING:
        return _Stated(None, "", 1, "", "")
    match = _AMOUNT.match(text)
    amount, rest = (match[1].rstrip(".,"), match[2]) if match else (None, text)
    return _Stated(amount, *unit_words(rest))


def unit_words(text: str) -> tuple[str, float, str, str]:
    """Return unit, how many of it the word stands for, period, and what was not understood.

    Examples
    --------
    >>> unit_words("kodi / bln"), unit_words("ekor")[3]
    (('kodi', 1, 'month', ''), 'ekor')
    """
    words = [word for word in re.findall(r"[^\W_]+", text.casefold()) if word not in LINKS]
    units = [UNITS[word] for word in words if word in UNITS]
    periods = [PERIODS[word] for word in words if word in PERIODS]
    strange = [word for word in words if word not in UNITS and word not in PERIODS]
    # "lembar kain" and "potong (pcs)" name one unit twice; two units or periods are too many.
    if len(set(units)) > 1 or len(set(periods)) > 1:
        strange = words
    unit, times = units[0] if units else ("", 1.0)
    return unit, times, (periods[0] if periods else ""), " ".join(strange)


@dataclass
class Production:
    """Production of each row: as stated, and a year's worth in pieces or metres.

    Parameters
    ----------
    amount, pieces_year, m_year : numpy.ndarray of float64
        NaN where not stated.
    unit, period : numpy.ndarray of object
        Codes of the contract, None where not stated.
    issues : list of (str, Issue)
        The field whose cell is at fault, and the fault.
    detail : list of str
    converted : mapping of str to int
        Rows by conversion applied.
    """

    amount: np.ndarray
    unit: np.ndarray
    period: np.ndarray
    pieces_year: np.ndarray
    m_year: np.ndarray
    issues: list[tuple[str, Issue]]
    detail: list[str]
    converted: Mapping[str, int]


def production(
    cells: Cells,
    unit_cells: Cells | None,
    period_cells: Cells | None,
    header: tuple[str, str],
    default: tuple[str, str],
    days: int,
    weeks: int,
    thousands: str | None = None,
) -> Production:
    """Read production and bring it to a year: a kodi is 20 pieces, a year 12 months.

    Parameters
    ----------
    cells : Cells
        Amounts, perhaps with unit and period in the cell ("20 kodi/bulan").
    unit_cells, period_cells : Cells, optional
        Columns of the unit and the period; a unit cell may hold both.
    header : (str, str)
        Unit and period that stand in the header, "" if none.
    default : (str, str)
        Unit and period from the settings, used where nothing else states them.
    days, weeks : int
        Working days and weeks a year.
    thousands : str, optional
        As in :func:`numbers`.

    Returns
    -------
    Production
        The cell's own words go before the columns, these before the header, the settings last; a
        cell and a column that state different units are a fault.
    """
    size = len(cells.text)
    codes, parts = each(cells.text, stated)
    amounts = pa.array([part.amount for part in parts] or [None], pa.string())
    written = amounts.take(pa.array(codes, mask=codes < 0))
    read = numbers(Cells(written, cells.numbers), thousands, what="an amount")
    issues = [("production_amount", issue) for issue in read.issues]
    rows_of = rows_by_code(codes)
    for code, part in enumerate(parts):
        if part.strange or (part.amount is None and (part.unit or part.period)):
            for row in rows_of(code):
                issues.append(("production_amount", Issue(int(row), _UNITS_WANTED, _hint(part))))
                read.values[row] = np.nan
    unit = spread(codes, [part.unit for part in parts])
    times = spread(codes, [part.times for part in parts], 1.0).astype(float)
    period = spread(codes, [part.period for part in parts])
    for name, column in (("production_unit", unit_cells), ("production_period", period_cells)):
        if column is not None:
            unit, times, period, found = _beside(name, column, unit, times, period)
            issues += found
    for here_unit, here_period in (header, default):
        unit = np.where((unit == "") & (here_unit != ""), here_unit, unit)
        period = np.where((period == "") & (here_period != ""), here_period, period)
    amount = read.values * times
    known = ~np.isnan(amount)
    for name, stated_as, choices in (
        ("production_unit", unit, "kodi, potong, lembar or meter"),
        ("production_period", period, "hari, minggu, bulan or tahun"),
    ):
        issues += [
            (name, Issue(int(row), choices, _UNSTATED, "warning"))
            for row in np.flatnonzero(known & (stated_as == ""))
        ]
    a_year = np.zeros(size)
    for name, count in (("day", days), ("week", weeks), ("month", 12), ("year", 1)):
        a_year[period == name] = count
    a_year[a_year == 0] = np.nan
    is_cloth = unit == "meter"
    is_pieces = (unit != "") & ~is_cloth
    pieces = np.where(unit == "kodi", KODI_PIECES, 1.0)
    return Production(
        amount,
        _codes(unit, known),
        _codes(period, known),
        np.where(is_pieces, amount * pieces * a_year, np.nan),
        np.where(is_cloth, amount * a_year, np.nan),
        issues,
        read.detail,
        _conversions(known, unit, times, period, days, weeks),
    )


_UNITS_WANTED = "an amount, a unit (kodi, potong, lembar, meter) and a period (hari, bulan, ...)"
_UNSTATED = (
    "Without it no yearly figure can be made; state it in the cell, in a column, in the header or "
    "in the settings beside the register"
)


def _hint(part: _Stated) -> str:
    if "rp" in part.strange.split() or "rupiah" in part.strange.split():
        return "Money is no amount of production"
    return f"Not understood: {part.strange}" if part.strange else "The amount is missing"


def _codes(stated_as: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return units or periods where an amount is known, None elsewhere."""
    kept = stated_as.astype(object)
    kept[~known | (kept == "")] = None
    return kept


def _beside(
    name: str, column: Cells, unit: np.ndarray, times: np.ndarray, period: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[tuple[str, Issue]]]:
    """Add what a column of units or periods says; it may not contradict the amount's own cell."""
    codes, words = each(
        column.text, lambda text: ("", 1.0, "", "") if text in NOTHING else unit_words(text)
    )
    issues: list[tuple[str, Issue]] = []
    rows_of = rows_by_code(codes)
    for code, (_, _, _, strange) in enumerate(words):
        if strange:
            wanted = "kodi, potong, lembar or meter, perhaps with hari, minggu, bulan or tahun"
            issues += [(name, Issue(int(row), wanted)) for row in rows_of(code)]
    own_unit = spread(codes, [one[0] for one in words])
    own_times = spread(codes, [one[1] for one in words], 1.0).astype(float)
    own_period = spread(codes, [one[2] for one in words])
    for stated_as, own in ((unit, own_unit), (period, own_period)):
        clash = (stated_as != "") & (own != "") & (stated_as != own)
        issues += [
            (name, Issue(int(row), f"{stated_as[row]}, as the amount's cell or its unit says"))
            for row in np.flatnonzero(clash)
        ]
    times = np.where((unit == "") & (own_unit != ""), own_times, times)
    unit = np.where(unit == "", own_unit, unit)
    period = np.where(period == "", own_period, period)
    return unit, times, period, issues


def _conversions(
    known: np.ndarray,
    unit: np.ndarray,
    times: np.ndarray,
    period: np.ndarray,
    days: int,
    weeks: int,
) -> Mapping[str, int]:
    dated = known & (period != "") & (unit != "")
    counted = {
        f"kodi to pieces: a kodi is {KODI_PIECES}": dated & (unit == "kodi"),
        "a lembar counts as a piece": dated & (unit == "lembar"),
        "dozens (lusin) to pieces: a dozen is 12": known & (times == 12),
        "gross to pieces: a gross is 144": known & (times == 144),
        f"a day to a year: {days} working days": dated & (period == "day"),
        f"a week to a year: {weeks} working weeks": dated & (period == "week"),
        "a month to a year: 12 months": dated & (period == "month"),
    }
    return {text: int(mask.sum()) for text, mask in counted.items() if mask.any()}
