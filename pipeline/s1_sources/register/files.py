"""Any file of a register to a grid of cells, within limits; nothing is interpreted here.

A file is looked at before it is read: what it is by its first bytes, how large it is unpacked,
how far its cells reach. Cells are kept by column, as text and, where the file stores numbers, as
numbers, so that a million rows stay within a few hundred megabytes.
"""

from __future__ import annotations

import csv
import datetime as dt
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import python_calamine as calamine

import geopandas as gpd
import pyogrio
import shapely

from pipeline.contracts.crs import to_geographic
from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.register import RegisterSettings

MAX_BYTES = 2**30
MAX_UNPACKED = 2 * 2**30
MAX_RATIO = 250
"""Most a part of a zip may grow by; honest sheets grow 5 to 50 times, bombs 1,000 times."""
SMALL_PART = 2**24
"""A part that unpacks to less than this may grow by more: blank rows compress well."""
MAX_ROWS = 2_000_000
MAX_COLUMNS = 512
MAX_CELLS = 60_000_000
"""Most cells of the rectangle a sheet's cells span; one stray cell at the far end makes it huge."""
MAX_LINE = 2**24
CHUNK_ROWS = 50_000
CHUNK_BYTES = 2**20
SHOWN = 5

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


_ZIP, _OLE, _SQLITE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"SQLite format 3\0"
_SHP, _PDF = b"\x00\x00\x27\x0a", b"%PDF"
_WANTED = {
    ".xlsx": "an Excel workbook", ".xlsm": "an Excel workbook", ".ods": "an OpenDocument sheet",
    ".csv": "comma-separated text", ".tsv": "tab-separated text", ".txt": "delimited text",
    ".gpkg": "a GeoPackage", ".geojson": "GeoJSON", ".json": "GeoJSON", ".shp": "a Shapefile",
}  # fmt: skip
_TEXT = (".csv", ".tsv", ".txt")


def _what_it_is(file: Path, where: str) -> tuple[str, str]:
    """Return suffixes a file may have by its first bytes, and what it is in words."""
    with file.open("rb") as handle:
        start = handle.read(4096)
    if start.startswith(_ZIP):
        with _zip(file, where) as archive:
            names = archive.namelist()
        if any(name.startswith("xl/") for name in names):
            return ".xlsx .xlsm", "an Excel workbook"
        if "content.xml" in names:
            return ".ods", "an OpenDocument sheet"
        return "", "a zip archive"
    if start.startswith(_OLE):
        return "", "an old or password-protected Office file"
    for magic, suffix, words in (
        (_SQLITE, ".gpkg", "a GeoPackage"),
        (_SHP, ".shp", "a Shapefile"),
        (_PDF, "", "a PDF document"),
    ):
        if start.startswith(magic):
            return suffix, words
    opening = start.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    if opening.startswith(b"{"):
        return ".geojson .json", "GeoJSON"
    if opening.startswith((b"<!doctype html", b"<html", b"<table", b"<?xml", b"<meta")):
        return "", "a web page or XML, perhaps exported under another name"
    return ".csv .tsv .txt", "plain text, such as csv"


def open_file(file: Path, settings: RegisterSettings, where: str) -> Source:
    """Look at a file and return it ready to be read.

    Parameters
    ----------
    file : Path
        xlsx, xlsm, ods, csv, tsv, txt, gpkg, geojson or shp.
    settings : RegisterSettings
        ``encoding`` and ``delimiter`` of a text file.
    where : str
        How messages name the file.

    Raises
    ------
    InputError
        No such file, an empty one, one that is too large or grows too large when unpacked, one
        that is not what its name says, a damaged or password-protected one.
    """
    if not file.is_file():
        raise InputError(Fault(where, "a register", "no such file"))
    suffix = file.suffix.lower()
    size = file.stat().st_size
    if suffix not in _WANTED:
        hint = "Open it in Excel or LibreOffice and save it as xlsx" if suffix == ".xls" else None
        raise InputError(
            Fault(where, f"one of {', '.join(_WANTED)}", suffix or "no extension", hint=hint)
        )
    if size == 0:
        raise InputError(Fault(where, _WANTED[suffix], "an empty file"))
    if size > MAX_BYTES:
        raise InputError(Fault(where, f"at most {MAX_BYTES // 2**20} MB", f"{size // 2**20} MB"))
    suffixes, words = _what_it_is(file, where)
    if suffix not in suffixes.split():
        raise InputError(_not_what_it_says(file, where, suffix, suffixes, words))
    if suffix in _TEXT:
        return TextFile(file, settings, where)
    if suffix in (".xlsx", ".xlsm", ".ods"):
        return Workbook(file, where)
    return VectorFile(file, where)


def _not_what_it_says(file: Path, where: str, suffix: str, suffixes: str, words: str) -> Fault:
    if words.startswith("an old") and suffix in (".xlsx", ".xlsm", ".ods"):
        with file.open("rb") as handle:
            is_locked = "EncryptedPackage".encode("utf-16-le") in handle.read(MAX_LINE)
        if is_locked:
            return Fault(
                where,
                "a workbook without a password",
                "a password-protected one",
                hint="Open it, remove the password (File > Info > Protect Workbook) and save it",
            )
    better = suffixes.split()[0] if suffixes else ""
    hint = f"Rename it to {file.stem}{better}" if better else "Save it as xlsx or csv"
    return Fault(where, f"{_WANTED[suffix]}, as its name says", words, hint=hint)


def _zip(file: Path, where: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise InputError(_damaged(where, error)) from error


def _damaged(where: str, error: Exception) -> Fault:
    return Fault(
        where,
        "a whole workbook",
        f"a truncated or damaged one ({error})",
        hint="Copy or download it again",
    )


# --- text files ---------------------------------------------------------------------------------


class TextFile:
    """A csv file: encoding and delimiter found out or declared, then read in one pass."""

    def __init__(self, file: Path, settings: RegisterSettings, where: str) -> None:
        self.file, self.where = file, where
        self.sheets: tuple[str, ...] = ()
        self.encoding = _encoding(file, settings, where)
        self.delimiter = settings.delimiter or self._delimiter()

    def _records(self, handle: Iterable[str], delimiter: str) -> Iterator[list[str]]:
        return csv.reader(handle, delimiter=delimiter, strict=True)

    def _delimiter(self) -> str:
        with self.file.open(encoding=self.encoding, newline="") as handle:
            lines = list(islice(handle, 300))
        if lines and (named := re.fullmatch(r"sep=(.)\s*", lines[0])):
            return named[1]
        best, delimiter = (0.0, 0), ","
        for candidate in (",", ";", "\t", "|"):
            try:
                widths = [len(row) for row in self._records(lines, candidate) if row]
            except csv.Error:
                # The sample may end inside quotes; the last record is not needed to tell.
                widths = [line.count(candidate) + 1 for line in lines]
            width, times = Counter(widths).most_common(1)[0] if widths else (1, 0)
            score = (times / max(len(widths), 1), width)
            if width > 1 and score > best:
                best, delimiter = score, candidate
        return delimiter

    def load(self, sheet: str | None, limit: int | None = None) -> Grid:
        """Return the file as a grid; rows are records, as a spreadsheet would show them."""
        builder = _Builder(self.where, None)
        lengths: list[np.ndarray] = []
        with self.file.open(encoding=self.encoding, newline="") as handle:
            reader = csv.reader(handle, delimiter=self.delimiter, strict=True)
            try:
                while chunk := list(islice(reader, min(CHUNK_ROWS, limit or CHUNK_ROWS))):
                    if builder.rows == 0 and chunk[0] and chunk[0][0].startswith("sep="):
                        chunk[0] = []
                    lengths.append(np.fromiter(map(len, chunk), dtype=np.int32, count=len(chunk)))
                    builder.add(chunk)
                    if limit is not None:
                        break
            except csv.Error as error:
                raise InputError(self._csv_fault(error, reader.line_num)) from error
        encoding = "UTF-8" if self.encoding == "utf-8-sig" else "Windows-1252"
        shown = {"\t": "tab"}.get(self.delimiter, self.delimiter)
        return builder.grid(
            lengths=np.concatenate(lengths) if lengths else np.zeros(0, np.int32),
            notes={"format": "csv", "encoding": encoding, "delimiter": shown},
        )

    def _csv_fault(self, error: csv.Error, line: int) -> Fault:
        if "field larger" in str(error):
            return Fault(
                self.where,
                "cells of at most 131,072 characters",
                "a longer one",
                row=line,
                hint="A quote that is never closed makes everything after it one cell",
            )
        return Fault(
            self.where,
            "delimited text",
            str(error),
            row=line,
            hint='A quote inside a quoted cell is written twice: "Batik ""Sari"""',
        )


def _encoding(file: Path, settings: RegisterSettings, where: str) -> str:
    """Return how to decode a text file; refuse NULs, UTF-16 and mixed encodings, by line."""
    with file.open("rb") as handle:
        start = handle.read(4)
        if start.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise InputError(
                Fault(where, "UTF-8 text", "UTF-16 text", hint="Save it as 'CSV UTF-8'")
            )
        handle.seek(0)
        nul: list[int] = []
        utf8: list[int] = []
        other: list[int] = []
        undefined: list[int] = []
        for number, line in enumerate(handle, start=1):
            if len(line) > MAX_LINE:
                raise InputError(
                    Fault(
                        where,
                        f"lines of at most {MAX_LINE // 2**20} MB",
                        "a longer one",
                        row=number,
                    )
                )
            if b"\0" in line:
                nul.append(number)
            if line.isascii():
                continue
            try:
                line.decode("utf-8-sig")
                utf8.append(number)
            except UnicodeDecodeError:
                other.append(number)
                try:
                    line.decode("cp1252")
                except UnicodeDecodeError:
                    undefined.append(number)
    faults = []
    if nul:
        faults.append(
            Fault(
                where,
                "text",
                f"NUL bytes in {_lines(nul)}",
                row=nul[0],
                hint="The file is damaged or is not text; export it again",
            )
        )
    declared = settings.encoding
    if other and declared == "utf-8":
        faults.append(
            Fault(where, "UTF-8 text, as declared", f"other bytes in {_lines(other)}", row=other[0])
        )
    elif other and utf8 and declared is None:
        faults.append(
            Fault(
                where,
                "one encoding",
                f"UTF-8 in {_lines(utf8)} and another encoding in {_lines(other)}",
                row=other[0],
                hint="Open the file, mend these lines and save it as 'CSV UTF-8'",
            )
        )
    elif undefined and declared != "utf-8":
        faults.append(
            Fault(
                where,
                "UTF-8 or Windows-1252 text",
                f"bytes of neither in {_lines(undefined)}",
                row=undefined[0],
                hint="Save it as 'CSV UTF-8'",
            )
        )
    if faults:
        raise InputError(faults)
    return "cp1252" if other or declared == "cp1252" else "utf-8-sig"


def _lines(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:SHOWN]))
    more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
    return f"line{'s' if len(numbers) > 1 else ''} {shown}{more}"


# --- cells --------------------------------------------------------------------------------------


class _Builder:
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
                text, numbers = _column(columns[position])
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


def _column(cells: Sequence[object]) -> tuple[pa.Array, np.ndarray | None]:
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


# --- workbooks ----------------------------------------------------------------------------------

_ROW = re.compile(rb"<(?:\w+:)?row[ >]")
# The short patterns begin with plain bytes, for which a search is several times faster.
_ROW_NUMBER = re.compile(rb'row r="(\d+)"')
_ANY_CELL = re.compile(rb'c r="([A-Z]+)')
_FILLED_CELL = re.compile(rb'<(?:\w+:)?c (?:[^>]*? )?r="([A-Z]+)\d+"(?:[^>]*[^/>])?>')
_ERROR_CELL = re.compile(
    rb'<(?:\w+:)?c ([^>]*\bt="e"[^>]*[^/>])>(?:(?!</?(?:\w+:)?c[ >]).)*?<(?:\w+:)?v>([^<]*)<',
    re.DOTALL,
)
_FORMULA_ONLY = re.compile(
    rb"<(?:\w+:)?c ([^>]*[^/>])>\s*<(?:\w+:)?f(?:\s[^>]*)?(?:/>|>[^<]*</(?:\w+:)?f>)\s*"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
_REFERENCE = re.compile(rb'\br="([A-Z]+)(\d+)"')
_TEXT_RESULT = re.compile(rb'\bt="str"')
NO_VALUE = "a formula without a stored value"


class Workbook:
    """An xlsx, xlsm or ods file, held against the limits before it is read."""

    def __init__(self, file: Path, where: str) -> None:
        self.file, self.where = file, where
        self.broken: dict[str, dict[tuple[int, int], str]] = {}
        self.spanned: dict[str, list[Range]] = {}
        self.is_ods = file.suffix.lower() == ".ods"
        with _zip(file, where) as archive:
            self._check_parts(archive)
            try:
                self._scan(archive)
            except (
                zipfile.BadZipFile,
                ElementTree.ParseError,
                EOFError,
                KeyError,
                NotImplementedError,
                OSError,
                RuntimeError,
            ) as error:
                raise InputError(_damaged(where, error)) from error
        try:
            self.book = calamine.CalamineWorkbook.from_path(file)
        except (calamine.CalamineError, OSError) as error:
            raise InputError(self._refused(error)) from error
        kinds = (calamine.SheetTypeEnum.WorkSheet,)
        self.sheets = tuple(sheet.name for sheet in self.book.sheets_metadata if sheet.typ in kinds)

    def _refused(self, error: Exception) -> Fault:
        if isinstance(error, calamine.PasswordError):
            return Fault(
                self.where,
                "a workbook without a password",
                "a password-protected one",
                hint="Open it, remove the password and save it",
            )
        return _damaged(self.where, error)

    def _check_parts(self, archive: zipfile.ZipFile) -> None:
        parts = archive.infolist()
        total = sum(part.file_size for part in parts)
        for part in parts:
            if part.flag_bits & 1:
                raise InputError(self._refused(calamine.PasswordError()))
            grown = part.file_size / max(part.compress_size, 1)
            if part.file_size > SMALL_PART and grown > MAX_RATIO:
                raise InputError(
                    Fault(
                        self.where,
                        f"parts that unpack to at most {MAX_RATIO} times their size",
                        f"{part.filename!r}, {grown:,.0f} times ({part.file_size:,} bytes)",
                        hint="This is no honest workbook (a zip bomb)",
                    )
                )
        if total > MAX_UNPACKED:
            raise InputError(
                Fault(
                    self.where,
                    f"at most {MAX_UNPACKED // 2**20:,} MB unpacked",
                    f"{total // 2**20:,} MB",
                    hint="Save the sheet as csv",
                )
            )

    def _scan(self, archive: zipfile.ZipFile) -> None:
        """Read every part once: its checksum must hold, its cells must not reach too far."""
        names = {} if self.is_ods else _sheet_parts(archive)
        for part in archive.infolist():
            if part.filename in names:
                self._scan_sheet(archive, part, names[part.filename])
                continue
            with archive.open(part) as handle:
                if self.is_ods and part.filename == "content.xml":
                    self._scan_ods(handle)
                else:
                    while handle.read(CHUNK_BYTES):
                        pass

    def _scan_sheet(self, archive: zipfile.ZipFile, part: zipfile.ZipInfo, sheet: str) -> None:
        """Find cells without a value, and refuse cells that reach too far."""
        broken = self.broken.setdefault(sheet, {})
        with archive.open(part) as handle:
            rows, columns = _reach(_pieces(handle, self.where), _ANY_CELL, broken)
        if rows * columns > MAX_CELLS or not columns:
            # Formatted cells may reach further than those that hold something.
            with archive.open(part) as handle:
                rows, columns = _reach(_pieces(handle, self.where), _FILLED_CELL, {})
        if rows * columns > MAX_CELLS:
            raise InputError(
                Fault(
                    self.where,
                    f"cells within a rectangle of {MAX_CELLS:,}",
                    f"{columns:,} columns and {rows:,} rows",
                    sheet=sheet,
                    hint="Delete the stray cell at the far end, or save the firms alone as csv",
                )
            )

    def _scan_ods(self, handle: Any) -> None:
        """Walk through an OpenDocument sheet: merged cells, errors, repeated cells."""
        walker = _OdsWalker(self.where)
        for event, element in ElementTree.iterparse(handle, events=("start", "end")):
            walker.step(event, element)
        self.broken, self.spanned = walker.broken, walker.spanned

    def load(self, sheet: str | None, limit: int | None = None) -> Grid:
        """Return a sheet as a grid; its first row is the sheet's row 1."""
        name = sheet if sheet is not None else self.sheets[0]
        try:
            read = self.book.get_sheet_by_name(name)
        except calamine.CalamineError as error:
            raise InputError(self._refused(error)) from error
        rows = read.iter_rows()
        left = read.start[1] if read.start else 0
        builder = _Builder(self.where, name, left)
        while chunk := list(islice(rows, min(CHUNK_ROWS, limit or CHUNK_ROWS))):
            builder.add(chunk)
            if limit is not None:
                break
        merged = [
            (top, first, bottom, last)
            for (top, first), (bottom, last) in (read.merged_cell_ranges or ())
        ]
        return builder.grid(
            merged=tuple(merged or self.spanned.get(name, ())),
            broken=self.broken.get(name, {}),
            notes={"format": self.file.suffix.lower().lstrip(".")},
        )


def _reach(
    pieces: Iterable[bytes], cell: re.Pattern[bytes], broken: dict[tuple[int, int], str]
) -> tuple[int, int]:
    """Return how many rows and columns the cells of a sheet span; note those without a value."""
    letters: set[bytes] = set()
    last_row = rows = 0
    for piece in pieces:
        letters.update(cell.findall(piece))
        last_row = max(last_row, *map(int, _ROW_NUMBER.findall(piece)), 0)
        rows += piece.count(b"row ")
        if b't="e"' in piece:
            for match in _ERROR_CELL.finditer(piece):
                if (place := _place(match[1])) is not None:
                    broken[place] = match[2].decode("utf-8", "replace")
        if b"<f" in piece or b":f" in piece:
            for match in _FORMULA_ONLY.finditer(piece):
                if not _TEXT_RESULT.search(match[1]) and (place := _place(match[1])) is not None:
                    broken[place] = NO_VALUE
    columns = [_column_number(one) for one in letters]
    return max(last_row, rows), max(columns) - min(columns) + 1 if columns else 0


def _pieces(handle: Any, where: str) -> Iterator[bytes]:
    """Yield the XML of a sheet in pieces that end where a row begins."""
    rest = b""
    while chunk := handle.read(CHUNK_BYTES):
        rest += chunk
        start = _last_row_start(rest)
        if start > 0:
            yield rest[:start]
            rest = rest[start:]
        elif len(rest) > 64 * CHUNK_BYTES:
            raise InputError(Fault(where, "rows of at most 64 MB", "a longer one"))
    yield rest


def _last_row_start(text: bytes) -> int:
    """Return where the last row begins, -1 if none does."""
    end = len(text)
    while (found := text.rfind(b"row", 0, end)) > 0:
        start = text.rfind(b"<", 0, found)
        if start >= 0 and _ROW.match(text, start):
            return start
        end = found
    return -1


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1


def _place(attributes: bytes) -> tuple[int, int] | None:
    match = _REFERENCE.search(attributes)
    return (int(match[2]) - 1, _column_number(match[1])) if match else None


def _sheet_parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return the name of the sheet in each part of an xlsx file."""
    with archive.open("xl/workbook.xml") as handle:
        book = ElementTree.parse(handle).getroot()
    with archive.open("xl/_rels/workbook.xml.rels") as handle:
        relations = ElementTree.parse(handle).getroot()
    targets = {one.get("Id"): str(one.get("Target")) for one in relations}
    found = {}
    for element in book.iter():
        if element.tag.endswith("}sheet"):
            identifier = next((v for k, v in element.attrib.items() if k.endswith("}id")), None)
            target = targets.get(identifier, "")
            part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
            found[str(PurePosixPath(part))] = str(element.get("name"))
    return found


_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_CALC = "{urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0}"
_CELL_TAGS = (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell")
MOST_REPEATED = 1000
"""Most often a cell that holds something, or a row of such cells, may be repeated."""


class _OdsWalker:
    """Follows rows and columns of an OpenDocument sheet."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.sheet = ""
        self.row = self.column = 0
        self.is_filled = False
        self.broken: dict[str, dict[tuple[int, int], str]] = {}
        self.spanned: dict[str, list[Range]] = {}

    def step(self, event: str, element: ElementTree.Element) -> None:
        """Take one event of the parser."""
        if event == "start":
            if element.tag == f"{_TABLE}table":
                self.sheet = str(element.get(f"{_TABLE}name"))
                self.row = 0
            elif element.tag == f"{_TABLE}table-row":
                self.column, self.is_filled = 0, False
        elif element.tag in _CELL_TAGS:
            self._cell(element)
        elif element.tag == f"{_TABLE}table-row":
            times = int(element.get(f"{_TABLE}number-rows-repeated", "1"))
            if self.is_filled and times > MOST_REPEATED:
                self._refuse(f"a row repeated {times:,} times")
            self.row += times
            element.clear()

    def _cell(self, element: ElementTree.Element) -> None:
        times = int(element.get(f"{_TABLE}number-columns-repeated", "1"))
        kind = element.get(f"{_OFFICE}value-type")
        formula = element.get(f"{_TABLE}formula")
        if kind is not None:
            self.is_filled = True
            if times > MOST_REPEATED:
                self._refuse(f"a cell repeated {times:,} times")
        place = (self.row, self.column)
        if element.get(f"{_CALC}value-type") == "error":
            self.broken.setdefault(self.sheet, {})[place] = "".join(element.itertext()).strip()
        elif formula is not None and kind is None:
            self.broken.setdefault(self.sheet, {})[place] = NO_VALUE
        down = int(element.get(f"{_TABLE}number-rows-spanned", "1"))
        right = int(element.get(f"{_TABLE}number-columns-spanned", "1"))
        if down > 1 or right > 1:
            self.spanned.setdefault(self.sheet, []).append(
                (self.row, self.column, self.row + down - 1, self.column + right - 1)
            )
        self.column += times

    def _refuse(self, found: str) -> None:
        raise InputError(
            Fault(
                self.where,
                f"cells repeated at most {MOST_REPEATED:,} times",
                found,
                sheet=self.sheet,
                row=self.row + 1,
            )
        )


# --- vector files -------------------------------------------------------------------------------


class VectorFile:
    """A GeoPackage, GeoJSON or Shapefile of points; features count from 1."""

    def __init__(self, file: Path, where: str) -> None:
        self.file, self.where = file, where
        try:
            self.sheets = tuple(str(row[0]) for row in pyogrio.list_layers(file))
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
            raise InputError(self._refused(error)) from error

    def _refused(self, error: Exception) -> Fault:
        found = str(error).partition(";")[0]
        return Fault(self.where, "a readable GeoPackage, GeoJSON or Shapefile", found)

    def load(self, sheet: str | None, limit: int | None = None) -> Grid:
        """Return a layer as a grid: its fields are the header, its points are coordinates."""
        name = sheet if sheet is not None else self.sheets[0]
        try:
            count = pyogrio.read_info(self.file, layer=name, force_feature_count=True)["features"]
            if count > MAX_ROWS:
                raise InputError(Fault(self.where, f"at most {MAX_ROWS:,} rows", f"{count:,}"))
            read = pyogrio.read_dataframe(self.file, layer=name, max_features=limit)
        except (
            pyogrio.errors.DataSourceError,
            pyogrio.errors.DataLayerError,
            UnicodeDecodeError,
        ) as error:
            raise InputError(self._refused(error)) from error
        is_spatial = isinstance(read, gpd.GeoDataFrame)
        table = read.drop(columns=read.geometry.name) if is_spatial else read
        points = self._points(read, name) if is_spatial else None
        columns = tuple(_frame_cells(table[one]) for one in table)
        grid = Grid(
            name,
            len(table),
            columns,
            header=tuple(map(str, table.columns)),
            points=points,
            notes={"format": self.file.suffix.lower().lstrip(".")},
        )
        return trimmed(grid)

    def _points(self, frame: gpd.GeoDataFrame, name: str) -> np.ndarray:
        """Return longitude and latitude of each feature."""
        shapes = frame.geometry.to_numpy()
        kinds = shapely.get_type_id(shapes)
        # A multipoint of one point is a point: many exports promote all geometries.
        single = (kinds == 4) & (shapely.get_num_geometries(shapes) == 1)
        shapes = np.where(single, shapely.get_geometry(shapes, 0), shapes)
        is_point = shapely.get_type_id(shapes) == 0
        is_other = ~is_point & (shapely.get_type_id(shapes) != -1) & ~shapely.is_empty(shapes)
        if is_other.any():
            row = int(np.flatnonzero(is_other)[0])
            kind = str(shapes[row].geom_type)
            raise InputError(
                Fault(
                    self.where,
                    "points",
                    f"{int(is_other.sum())} other geometries, such as a {kind}",
                    sheet=name,
                    row=row + 1,
                    hint="Make points of them first (QGIS: Vector > Geometry Tools > Centroids)",
                )
            )
        found = np.full((len(shapes), 2), np.nan)
        usable = is_point & ~shapely.is_empty(shapes)
        if usable.any():
            series = gpd.GeoSeries(shapes[usable], crs=frame.crs)
            placed = to_geographic(gpd.GeoDataFrame(geometry=series), self.where)
            found[usable] = shapely.get_coordinates(placed.geometry.to_numpy())
        return found


def _frame_cells(series: pd.Series) -> Cells:
    if pd.api.types.is_bool_dtype(series) or not pd.api.types.is_numeric_dtype(series):
        values = series.astype("object").where(series.notna(), None).to_list()
        text, numbers = _column([one.item() if hasattr(one, "item") else one for one in values])
        return Cells(text, numbers)
    numbers = series.to_numpy(dtype=np.float64, na_value=np.nan)
    return Cells(*_column([None if np.isnan(one) else float(one) for one in numbers]))
