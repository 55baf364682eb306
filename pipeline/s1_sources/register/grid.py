"""Cells of a sheet, kept by column.

Text and, where the file stores numbers, numbers: a million rows stay within a few hundred
megabytes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contracts.errors import Fault, InputError

MAX_ROWS = 2_000_000
MAX_COLUMNS = 512
CHUNK_ROWS = 50_000

Range = tuple[int, int, int, int]
"""Top, left, bottom and right of merged cells, 0 for the first row and column."""


@dataclass(frozen=True)
class Cells:
    """One column of a sheet.

    Parameters
    ----------
    text : pyarrow.Array of string
        Cells as text, without spaces at the ends; null where empty.
    numbers : numpy.ndarray of float64, optional
        Cells that the file stores as numbers, NaN elsewhere; None if there are none.
    """

    text: pa.Array
    numbers: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> Cells:
        """Return the cells of some rows."""
        numbers = None if self.numbers is None else self.numbers[rows]
        return Cells(self.text.take(pa.array(rows)), numbers)


@dataclass(frozen=True)
class Grid:
    """One sheet as cells.

    Parameters
    ----------
    name : str or None
        Sheet or layer; None for a file that has none.
    rows : int
        Rows down to the last one that holds anything.
    columns : tuple of Cells
        From left to right, each of `rows` cells.
    header : tuple of str or None
        Names of the columns where the file keeps them apart from its rows (vector files).
    merged : tuple of Range
        Merged cells.
    broken : mapping of (row, column) to str
        Cells without a value: error cells ("#REF!") and formulas that were never computed.
    lengths : numpy.ndarray or None
        Cells of each row of a text file.
    points : numpy.ndarray of float64, shape (rows, 2), or None
        Longitude and latitude of a vector file's points (EPSG:4326), NaN where there is none.
    notes : mapping
        How the file was read: format, encoding, delimiter.
    """

    name: str | None
    rows: int
    columns: tuple[Cells, ...]
    header: tuple[str, ...] | None = None
    merged: tuple[Range, ...] = ()
    broken: Mapping[tuple[int, int], str] = field(default_factory=dict)
    lengths: np.ndarray | None = None
    points: np.ndarray | None = None
    notes: Mapping[str, str] = field(default_factory=dict)

    def head(self, rows: int) -> list[list[str]]:
        """Return the first rows as text, "" where a cell is empty."""
        columns = [one.text.slice(0, rows).to_pylist() for one in self.columns]
        return [[cell or "" for cell in row] for row in zip(*columns, strict=True)]

    def head_numeric(self, rows: int) -> list[list[bool]]:
        """Tell which cells of the first rows the file stores as numbers."""
        count = min(rows, self.rows)
        masks = [
            np.zeros(count, bool) if one.numbers is None else ~np.isnan(one.numbers[:count])
            for one in self.columns
        ]
        return [[bool(mask[row]) for mask in masks] for row in range(count)]

    def filled(self) -> np.ndarray:
        """Return the number of cells of each row that hold something."""
        count = np.zeros(self.rows, dtype=np.int32)
        for one in self.columns:
            count += one.text.is_valid().to_numpy(zero_copy_only=False)
        for row, _ in self.broken:
            if row < self.rows:
                count[row] += 1
        return count


class Source(Protocol):
    """A file that has been looked at and can be read sheet by sheet."""

    sheets: tuple[str, ...]

    def load(self, sheet: str | None, limit: int | None = None) -> Grid:
        """Return a sheet, or its first `limit` rows."""


class Builder:
    """Gathers rows chunk by chunk into columns."""

    def __init__(self, where: str, name: str | None, left: int = 0) -> None:
        self.where, self.name, self.left = where, name, left
        self.rows = 0
        self.texts: list[list[pa.Array]] = []
        self.numbers: list[dict[int, np.ndarray]] = []
        self.starts: list[int] = []

    def add(self, chunk: Sequence[Sequence[object]]) -> None:
        """Add rows; they may be of different lengths."""
        # Rows are turned into columns; a short row ends in empty cells.
        columns = list(zip_longest(*chunk, fillvalue=None))
        if len(columns) > MAX_COLUMNS:
            raise InputError(
                Fault(
                    self.where,
                    f"at most {MAX_COLUMNS} columns",
                    f"{len(columns)}",
                    sheet=self.name,
                )
            )
        while len(self.texts) < len(columns):
            self.texts.append([pa.nulls(self.rows, pa.string())] if self.rows else [])
            self.numbers.append({})
        for position, texts in enumerate(self.texts):
            if position < len(columns):
                text, numbers = column_cells(columns[position])
                texts.append(text)
                if numbers is not None:
                    self.numbers[position][self.rows] = numbers
            else:
                texts.append(pa.nulls(len(chunk), pa.string()))
        self.rows += len(chunk)
        if self.rows > MAX_ROWS:
            raise InputError(
                Fault(self.where, f"at most {MAX_ROWS:,} rows", "more", sheet=self.name)
            )

    def add_empty(self, count: int) -> None:
        """Add rows that hold nothing."""
        for texts in self.texts if count > 0 else ():
            texts.append(pa.nulls(count, pa.string()))
        self.rows += max(count, 0)

    def grid(self, **more: Any) -> Grid:
        """Return what was gathered, down to the last row that holds something."""
        columns = [Cells(pa.array([None] * self.rows, pa.string()))] * self.left
        for texts, numbers in zip(self.texts, self.numbers, strict=True):
            stored = None
            if numbers:
                stored = np.full(self.rows, np.nan)
                for start, values in numbers.items():
                    stored[start : start + len(values)] = values
            columns.append(Cells(pa.chunked_array(texts, pa.string()).combine_chunks(), stored))
        return trimmed(Grid(self.name, self.rows, tuple(columns), **more))


def trimmed(grid: Grid) -> Grid:
    """Leave out the empty rows below the last row that holds something."""
    holding = np.flatnonzero(grid.filled())
    rows = int(holding[-1]) + 1 if len(holding) else 0
    if grid.points is not None:
        rows = grid.rows
    columns = tuple(
        Cells(one.text.slice(0, rows), None if one.numbers is None else one.numbers[:rows])
        for one in grid.columns
    )
    lengths = None if grid.lengths is None else grid.lengths[:rows]
    return Grid(
        grid.name, rows, columns, grid.header, grid.merged, grid.broken, lengths, grid.points,
        grid.notes,
    )  # fmt: skip


def column_cells(cells: Sequence[object]) -> tuple[pa.Array, np.ndarray | None]:
    """Return cells as text and, where there are any, as numbers."""
    kinds = set(map(type, cells))
    if kinds <= {str, type(None)}:
        return _tidy(pa.array(cells, pa.string())), None
    text = pa.array(
        (_other_text(one) if type(one) not in (float, int) else None for one in cells),
        pa.string(),
        size=len(cells),
    )
    if not kinds & {float, int}:
        return _tidy(text), None
    numbers = np.fromiter(
        (one if type(one) in (float, int) else np.nan for one in cells),
        dtype=np.float64,
        count=len(cells),
    )
    return pc.coalesce(_tidy(text), number_texts(numbers)), numbers


def _other_text(cell: object) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, dt.datetime | dt.date | dt.time):
        return cell.isoformat()
    return str(cell)


def number_texts(numbers: np.ndarray) -> pa.Array:
    """Return stored numbers as text, without a decimal point where they are whole.

    Examples
    --------
    >>> number_texts(np.array([1468.0, 12.5, np.nan])).to_pylist()
    ['1468', '12.5', None]
    """
    is_whole = (np.abs(numbers) < 1e17) & (numbers == np.round(numbers))
    whole = pc.cast(pa.array(np.where(is_whole, numbers, 0).astype(np.int64)), pa.string())
    text = pc.cast(pa.array(numbers, from_pandas=True), pa.string())
    return pc.if_else(pa.array(is_whole), whole, text)


def _tidy(text: pa.Array) -> pa.Array:
    """Return text without spaces at its ends; nothing but spaces is empty."""
    text = pc.utf8_trim(text, " \t\r\n\f\v\u00a0\u200b\ufeff")
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
