"""Read and write loose tables of any origin: CSV as spreadsheets save it, and workbooks.

CSV: the delimiter is found, UTF-8 with or without a byte-order mark and UTF-16 are told apart, and
a byte that is no UTF-8 is read as Windows-1252, so that a file put together from both is read
right. Cells a spreadsheet would run as a formula get a leading apostrophe on writing.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import python_calamine

from pipeline.contracts.errors import Fault, InputError

MAX_CELL = 16 * 2**20
"""Characters a CSV cell may have."""

MAX_UNPACKED = 2 * 2**30
"""Bytes a workbook may unpack to."""

MAX_RATIO = 200
"""Times a large workbook may grow when unpacked; beyond it the file is taken for a zip bomb."""

SHEETS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
"""Extensions of workbooks."""

_SAMPLE = 64 * 2**10
_DELIMITERS = ",;\t|"
_NO_SIGN = "\x1f"
_LINES = 30
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)*([eE][+-]?\d+)?")
_PROTECTED = bytes.fromhex("d0cf11e0a1b11ae1")


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    """Decode the bytes that are no UTF-8 as Windows-1252, those it leaves out as Latin-1."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    text = "".join(
        bytes([one]).decode("cp1252" if one not in b"\x81\x8d\x8f\x90\x9d" else "latin-1")
        for one in wrong
    )
    return text, error.end


codecs.register_error("windows-1252", _as_windows)


def neutral(text: str) -> str:
    """Make a cell harmless to open: what a spreadsheet would run gets a leading apostrophe.

    Plain numbers such as -6.89 are left alone. :func:`restored` is the way back.

    Examples
    --------
    >>> neutral("=HYPERLINK(1)"), neutral("-6.89"), neutral("'=1"), neutral("Batik")
    ("'=HYPERLINK(1)", '-6.89', "''=1", 'Batik')
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def restored(text: str) -> str:
    """Take back what :func:`neutral` added.

    Examples
    --------
    >>> restored("'=HYPERLINK(1)"), restored("''=1"), restored("'quoted'")
    ('=HYPERLINK(1)', "'=1", "'quoted'")
    """
    return text[1:] if _GUARDED.match(text) else text


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    r"""Return rows as CSV with LF line ends, every cell made harmless; None is an empty cell.

    Examples
    --------
    >>> csv_text([["name"], ["=1+1"]])
    "name\n'=1+1\n"
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerows(["" if cell is None else neutral(str(cell)) for cell in row] for row in rows)
    return buffer.getvalue()


@contextmanager
def _long_cells() -> Iterator[None]:
    """Let the csv module read cells up to the limit of this module."""
    before = csv.field_size_limit(MAX_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def open_text(path: Path) -> IO[str]:
    """Open a text file in the encoding it has.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    InputError
        No such file, or a folder.
    """
    try:
        with path.open("rb") as handle:
            head = handle.read(4)
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise InputError(Fault(str(path), "a file", found)) from error
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return path.open(encoding="utf-16", newline="")
    return path.open(encoding="utf-8-sig", errors="windows-1252", newline="")


def delimiter(sample: str) -> str:
    r"""Return the sign that parts the cells of a CSV: the one most rows agree on.

    Parameters
    ----------
    sample : str
        Beginning of the text.

    Returns
    -------
    str
        Comma, semicolon, tab or bar; where the header has none of them, a sign no text has, so
        that a single column of addresses may hold commas without quotes.

    Examples
    --------
    >>> delimiter("nama;alamat, lengkap\nA;Jl. B, Kel. C, Kec. D\n")
    ';'
    >>> delimiter("alamat\nJl. B, Kel. C\n") == delimiter("alamat\n")
    True
    """
    lines = sample.lstrip("\r\n").splitlines()[:_LINES]
    best, best_score = _NO_SIGN, (0.0, 1)
    for sign in _DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=sign) if row]
        except csv.Error:
            continue
        if widths and widths[0] > 1:
            # A row may break off with the sample or be shorter; the header's width is the measure.
            score = (sum(one == widths[0] for one in widths) / len(widths), widths[0])
            if score > best_score:
                best, best_score = sign, score
    return best


def iterate_csv(handle: IO[str], where: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of an open CSV with their numbers as a spreadsheet counts, blank lines not.

    Parameters
    ----------
    handle : text file
        At its start.
    where : str
        How messages name the file.

    Yields
    ------
    (int, list of str)
        The header first.

    Raises
    ------
    InputError
        The file is empty, or not CSV.
    """
    sample = handle.read(_SAMPLE)
    if not sample.strip("\r\n \t\0"):
        raise InputError(Fault(where, "a header and rows", "an empty file"))
    if sample.count("\0") > len(sample) // 4 or sample.startswith(("PK\x03\x04", "%PDF")):
        raise InputError(
            Fault(where, "text separated by commas", "binary data", hint="Is the extension right?")
        )
    handle.seek(0)
    rows = csv.reader(handle, delimiter=delimiter(sample))
    for number in itertools.count(1):
        try:
            with _long_cells():
                row = next(rows, None)
        except csv.Error as error:
            raise InputError(Fault(where, "separated values", str(error), row=number)) from error
        if row is None:
            return
        if row:
            yield number, row


def read_csv(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Read a CSV this project wrote, perhaps saved again by a spreadsheet.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    header : list of str
    rows : list of (int, list of str)
        Row number as a spreadsheet counts, and cells as they were before :func:`neutral`; short
        rows are filled up with empty cells.

    Raises
    ------
    InputError
        No such file, or not CSV.
    """
    with open_text(path) as handle:
        found = [
            (number, [restored(cell) for cell in row])
            for number, row in iterate_csv(handle, str(path))
        ]
    header = [name.strip() for name in found[0][1]]
    return header, [(number, row + [""] * (len(header) - len(row))) for number, row in found[1:]]


def require_sound(path: Path) -> None:
    """Refuse a workbook that is protected, broken, or unpacks beyond all measure.

    Parameters
    ----------
    path : Path
        A workbook.

    Raises
    ------
    InputError
        With what is wrong and what to do.
    """
    where = str(path)
    try:
        with path.open("rb") as handle:
            head = handle.read(8)
    except OSError as error:
        raise InputError(
            Fault(where, "a workbook", (error.strerror or str(error)).lower())
        ) from error
    if not head:
        raise InputError(Fault(where, "a workbook", "an empty file"))
    if path.suffix.lower() == ".xls":
        return
    if head.startswith(_PROTECTED):
        raise InputError(
            Fault(
                where,
                "a workbook that can be opened",
                "one that is protected by a password, or of the old xls form",
                hint="Save it without a password as xlsx",
            )
        )
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(one.file_size for one in archive.infolist())
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(
            Fault(where, "a workbook", "a broken file or another kind of file",
                  hint="Open it in a spreadsheet program and save it again")
        ) from error  # fmt: skip
    ratio = unpacked / max(path.stat().st_size, 1)
    if unpacked > MAX_UNPACKED or (unpacked > 100 * 2**20 and ratio > MAX_RATIO):
        raise InputError(
            Fault(where, f"a workbook of at most {MAX_UNPACKED >> 30} GB",
                  f"{unpacked >> 20} MB when unpacked", hint="Save the rows as CSV")
        )  # fmt: skip


def read_sheets(path: Path) -> dict[str, list[list[Any]]]:
    """Return the cells of every sheet of a workbook, by the sheet's name.

    Parameters
    ----------
    path : Path
        An xlsx, xlsm, xlsb, xls or ods file.

    Returns
    -------
    dict of str to list of list
        Values as the workbook holds them; an empty cell is the empty string. Rows start at the
        first row of the sheet.

    Raises
    ------
    InputError
        As :func:`require_sound`, or a workbook that cannot be read.
    """
    require_sound(path)
    try:
        book = python_calamine.load_workbook(str(path))
        return {
            name: book.get_sheet_by_name(name).to_python(skip_empty_area=False)
            for name in book.sheet_names
        }
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # the reader's panics are no Exception
        raise InputError(
            Fault(str(path), "a workbook", str(error) or type(error).__name__,
                  hint="Open it in a spreadsheet program and save it again")
        ) from error  # fmt: skip


def cell_text(cell: Any) -> str:
    """Return a workbook's cell as text; whole numbers without a decimal point.

    Examples
    --------
    >>> cell_text(3375011002.0), cell_text("a"), cell_text(None), cell_text(0.5)
    ('3375011002', 'a', '', '0.5')
    """
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    return str(cell)
