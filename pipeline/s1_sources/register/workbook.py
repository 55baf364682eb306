"""Workbooks (xlsx, xlsm, ods), held against limits before they are read.

A workbook is a zip: it may be cut off, grow a thousandfold when unpacked, or hold one stray cell
at the far end of a sheet. All parts are gone through once, in pieces, before the library that
reads cells sees the file; what it does not tell (error cells, formulas never computed) is noted.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

import python_calamine as calamine

from pipeline.contracts.errors import Fault, InputError
from pipeline.s1_sources.register.grid import CHUNK_ROWS, Builder, Grid, Range

MAX_UNPACKED = 2 * 2**30
MAX_RATIO = 250
"""Most a part of a zip may grow by; honest sheets grow 5 to 50 times, bombs 1,000 times."""
SMALL_PART = 2**24
"""A part that unpacks to less than this may grow by more: blank rows compress well."""
MAX_CELLS = 60_000_000
"""Most cells of the rectangle a sheet's cells span; one stray cell at the far end makes it huge."""
CHUNK_BYTES = 2**20


_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    ElementTree.ParseError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)
"""What reading a damaged zip or the XML in it may raise."""


def open_zip(file: Path, where: str) -> zipfile.ZipFile:
    """Open a zip archive.

    Raises
    ------
    InputError
        It is cut off or damaged.
    """
    try:
        return zipfile.ZipFile(file)
    except _UNREADABLE as error:
        raise InputError(damaged(where, error)) from error


def damaged(where: str, error: Exception) -> Fault:
    """Return the fault of a workbook that cannot be read to its end."""
    return Fault(
        where,
        "a whole workbook",
        f"a truncated or damaged one ({error})",
        hint="Copy or download it again",
    )


_ROW = re.compile(rb"<(?:\w+:)?row[ >]")
# The short patterns begin with plain bytes, for which a search is several times faster.
_ROW_NUMBER = re.compile(rb'row r="(\d+)"')
_ANY_CELL = re.compile(rb'c r="([A-Z]+)')
_FILLED_CELL = re.compile(rb'<(?:\w+:)?c (?:[^>]*? )?r="([A-Z]+)\d+"(?:[^>]*[^/>])?>')
_ERROR_CELL = re.compile(
    rb'<(?:\w+:)?c ([^>]*\bt="e"(?:[^>]*[^/>])?)>(?:(?!</?(?:\w+:)?c[ >]).)*?<(?:\w+:)?v>([^<]*)<',
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
        with open_zip(file, where) as archive:
            self._check_parts(archive)
            try:
                self._scan(archive)
            except InputError:
                raise
            except _UNREADABLE as error:
                raise InputError(damaged(where, error)) from error
        try:
            self.book = calamine.CalamineWorkbook.from_path(file)
        except (calamine.CalamineError, OSError) as error:
            raise InputError(self._refused(error)) from error
        kinds = (calamine.SheetTypeEnum.WorkSheet,)
        self.sheets = tuple(sheet.name for sheet in self.book.sheets_metadata if sheet.typ in kinds)
        if not self.sheets:
            raise InputError(Fault(where, "a sheet", "a workbook without one"))

    def _refused(self, error: Exception) -> Fault:
        if isinstance(error, calamine.PasswordError):
            return Fault(
                self.where,
                "a workbook without a password",
                "a password-protected one",
                hint="Open it, remove the password and save it",
            )
        return damaged(self.where, error)

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
        builder = Builder(self.where, name, left)
        while chunk := list(islice(rows, min(CHUNK_ROWS, limit or CHUNK_ROWS))):
            builder.add(chunk)
            if limit is not None:
                break
        broken = self.broken.get(name, {})
        if limit is None and broken:
            # Rows of nothing but cells without a value are rows all the same.
            last = max(row for row, _ in broken)
            builder.add_empty(last + 1 - builder.rows)
        merged = [
            (top, first, bottom, last)
            for (top, first), (bottom, last) in (read.merged_cell_ranges or ())
        ]
        return builder.grid(
            merged=tuple(merged or self.spanned.get(name, ())),
            broken=broken,
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
