"""Tell the rows of a register that are firms from those that are not, and why not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.s1_sources.register.grid import Grid
from pipeline.s1_sources.register.headers import IDENTIFYING, Header, HeaderRows

EMPTY = "empty row"
TOTAL = "total row"
HEADER_AGAIN = "header repeated"
COLUMN_NUMBERS = "numbers of the columns"
NOTE = "note or heading"
NO_FIRM = "nothing that identifies a firm"

_TOTAL_START = r"(?i)^\W*(?:sub[\s-]?|grand[\s-]?)?(?:total|jumlah|jml)\b"
_TOTAL_WHOLE = re.compile(
    r"\W*(?:sub|grand)?[\s-]*(?:total|jumlah|jml)(?:\s+(?:sub|umum|keseluruhan|seluruhnya|seluruh|"
    r"total|besar|akhir|semua|unit usaha|ikm|umkm|usaha|tenaga kerja))*\W*",
    re.IGNORECASE,
)
_TOTAL_OF = re.compile(
    r"\W*(?:(?:sub|grand)[\s-]*)?(?:jumlah|jml|total\s+(?:kecamatan|kec|kelurahan|kel|desa|kabupaten|"
    r"kab|kota|unit|seluruh|ikm|industri|pengrajin|tenaga|usaha))\b",
    re.IGNORECASE,
)
_NOTE = re.compile(
    r"\W*(?:sumber|catatan|keterangan|ket|note|notes|source|dibuat|diketahui|mengetahui|ttd|nip|"
    r"kepala|dinas|\*|tanggal|dicetak|halaman|page|data per|per tanggal)\b|\s*\*",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"\s*(?:[ivx]+\.|[a-z]\.|\d+\.)?\s*(?:kecamatan|kec|kelurahan|kel|desa|kabupaten|kab|kota|sentra|"
    r"wilayah|klaster|dusun)\b",
    re.IGNORECASE,
)


def text_rows(grid: Grid, position: int, first: int) -> pa.Array:
    """Return the text of a column below the header."""
    return grid.columns[position].text.slice(first)


def reasons(grid: Grid, header: HeaderRows) -> np.ndarray:
    """Return for each row below the header why it is no firm; None for a firm.

    Returns
    -------
    numpy.ndarray of object, shape (rows below the header,)
    """
    first = header.first_data_row
    filled = grid.filled()[first:]
    found = np.full(len(filled), None, dtype=object)
    found[filled == 0] = EMPTY
    if grid.header is None:
        _repeated_headers(grid, header, filled, found)
        _totals(grid, header, found)
        _notes(grid, header, filled, found)
    _unidentified(grid, header, found)
    if grid.points is not None:
        # A feature with a point is a place, whatever its fields say.
        placed = ~np.isnan(grid.points[first:, 0])
        found[placed & np.isin(found, [EMPTY, NO_FIRM])] = None
    return found


def _repeated_headers(
    grid: Grid, header: HeaderRows, filled: np.ndarray, found: np.ndarray
) -> None:
    first = header.first_data_row
    same = np.zeros(len(found), dtype=int)
    named = [one for one in header.headers if one.text]
    for one in named:
        lines = {part.casefold() for part in (one.text, *one.text.split(" / "))}
        lowered = pc.utf8_lower(text_rows(grid, one.position, first))
        same += _mask(pc.is_in(lowered, pa.array(sorted(lines), pa.string())))
    found[(same >= 2) & (same * 2 >= filled) & (found == None)] = HEADER_AGAIN  # noqa: E711
    # "(1) (2) (3)" below the header; only there, for ids may count as well.
    if len(found) and found[0] is None and filled[0] >= 3:
        cells = [text_rows(grid, one.position, first).slice(0, 1).to_pylist()[0] for one in named]
        digits = [re.sub(r"[()\s.]", "", cell) for cell in cells if cell]
        if all(re.fullmatch(r"\d{1,2}[a-z]?", one) for one in digits) and digits[0] == "1":
            values = [int(re.sub(r"\D", "", one)) for one in digits]
            if values == sorted(values) and values[-1] <= len(header.headers):
                found[0] = COLUMN_NUMBERS


def _totals(grid: Grid, header: HeaderRows, found: np.ndarray) -> None:
    first = header.first_data_row
    suspects: dict[int, list[int]] = {}
    for position in range(len(grid.columns)):
        hits = _mask(pc.match_substring_regex(text_rows(grid, position, first), _TOTAL_START))
        for hit in np.flatnonzero(hits):
            suspects.setdefault(int(hit), []).append(position)
    for row, positions in suspects.items():
        if found[row] is None and _is_total(_cells(grid, first + row), positions):
            found[row] = TOTAL


def _is_total(cells: Mapping[int, str], positions: Sequence[int]) -> bool:
    """Tell "Jumlah" and "Jumlah Kecamatan X 27" from a firm called "Total Batik"."""
    position = positions[0]
    others = [text for where, text in cells.items() if where != position]
    # Sums stand beside a total, words beside a firm.
    has_words = any(re.search(r"[^\W\d_]{3}", text) for text in others)
    if _TOTAL_WHOLE.fullmatch(cells[position]):
        return not has_words or position == min(cells)
    return bool(_TOTAL_OF.match(cells[position])) and not has_words


def _notes(grid: Grid, header: HeaderRows, filled: np.ndarray, found: np.ndarray) -> None:
    first = header.first_data_row
    identifying = {one.position for one in header.headers if _identifies(one)}
    numbering = {one.position for one in header.headers if one.name == "running number"}
    broken = {row for row, _ in grid.broken}
    for row in map(int, np.flatnonzero((filled <= 2) & (found == None))):  # noqa: E711
        cells = _cells(grid, first + row)
        words = {where: text for where, text in cells.items() if where not in numbering}
        if len(words) > 1 or first + row in broken:
            continue
        position, text = next(iter((words or cells).items()))
        is_text = bool(re.search(r"[^\W\d_]", text))
        if is_text and (_NOTE.match(text) or _HEADING.match(text) or position not in identifying):
            found[row] = NOTE


def _unidentified(grid: Grid, header: HeaderRows, found: np.ndarray) -> None:
    first = header.first_data_row
    has_identity = np.zeros(len(found), bool)
    for one in header.headers:
        if _identifies(one):
            has_identity |= _mask(text_rows(grid, one.position, first).is_valid())
    for row, position in grid.broken:
        if first <= row < first + len(found) and _identifies_at(header, position):
            has_identity[row - first] = True
    found[~has_identity & (found == None)] = NO_FIRM  # noqa: E711


def _identifies(header: Header) -> bool:
    return header.kind == "field" and header.name in IDENTIFYING


def _identifies_at(header: HeaderRows, position: int) -> bool:
    return position < len(header.headers) and _identifies(header.headers[position])


def _cells(grid: Grid, row: int) -> dict[int, str]:
    """Return the cells of a row that hold something, by column."""
    values = ((position, one.text[row].as_py()) for position, one in enumerate(grid.columns))
    return {position: text for position, text in values if text is not None}


def _mask(array: pa.Array) -> np.ndarray:
    return pc.fill_null(array, False).to_numpy(zero_copy_only=False)
