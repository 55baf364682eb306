"""Geocode any table that has a column of addresses: same rows, same columns, the answer beside.

CSV is read, geocoded and written in parts, so that memory does not grow with the rows; workbooks
and geographic files are read whole.
"""

from __future__ import annotations

import csv
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TextIO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

import geopandas as gpd
import pyogrio

from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.provenance import atomic
from pipeline.s2_geocode import files
from pipeline.s2_geocode.gazetteer import Gazetteer
from pipeline.s2_geocode.match import geocode_addresses

ADDED = (
    "village_code",
    "village",
    "district",
    "regency",
    "precision",
    "score",
    "method",
    "evidence",
    "candidates",
)
"""Columns the answer is written in."""

PART = 20_000
"""Rows geocoded at a time."""

_FROM_MATCH = {"village": "village_name", "district": "district_name", "regency": "regency_name"}
_TEXT = (".csv", ".tsv", ".txt")
_GEOGRAPHIC = (".gpkg", ".geojson", ".json", ".shp")
_OUTPUTS = (".csv", ".xlsx", ".gpkg", ".parquet")
_SHEET_ROWS = 1_048_576
_SHEET_CELL = 32_767
_EVERY_S = 10.0

Rows = list[list[Any]]


@dataclass(frozen=True)
class Done:
    """What :func:`geocode_file` did.

    Parameters
    ----------
    rows : int
        Rows read, which are the rows written.
    by_precision : mapping of str to int
        Rows by precision.
    seconds : float
        Time it took.
    renamed : mapping of str to str
        Columns of the input that bore the name of an answer, and their new names.
    """

    rows: int
    by_precision: Mapping[str, int]
    seconds: float
    renamed: Mapping[str, str]


@dataclass
class _Source:
    """A table that is read: its columns, its rows, geometries where it has them."""

    columns: list[str]
    rows: Iterator[list[Any]]
    where: str
    geometry: gpd.GeoSeries | None = None
    kinds: Sequence[str] = ()  # of the columns: whole, real or text; all text if not given
    share: Callable[[], float | None] = lambda: None  # of the file that was read


class _Sink(Protocol):
    """A file that is written part by part."""

    def add(self, rows: Rows) -> None: ...

    def close(self) -> None: ...


def geocode_file(
    in_path: Path,
    out_path: Path,
    gazetteer: Gazetteer,
    column: str = "raw_address",
    district: str | None = None,
    regency: str | None = None,
    say: Callable[[str], None] | None = None,
) -> Done:
    r"""Geocode the addresses of a table and write it with the answers.

    Parameters
    ----------
    in_path : Path
        csv, tsv, txt, xlsx, xlsm, xls, xlsb, ods, gpkg, geojson, shp or parquet; the first sheet
        with rows or the first layer.
    out_path : Path
        csv, xlsx, gpkg or parquet, by its extension. It is complete or not there at all.
    gazetteer : Gazetteer
        Names of the area.
    column : str
        Column of the addresses.
    district, regency : str, optional
        Columns of the kecamatan and of the Kota or Kabupaten.
    say : callable, optional
        Called with a line of progress after each part; see :func:`progress`.

    Returns
    -------
    Done

    Raises
    ------
    InputError
        No such file or column, a file that cannot be read, an output that is the input, of unknown
        kind or too small for the rows.

    Notes
    -----
    A column of the input named like an answer is kept as ``<name>_input``. In csv, text a
    spreadsheet would run as a formula gets a leading apostrophe. A geographic input keeps its
    geometry in gpkg and parquet.

    Examples
    --------
    >>> import tempfile
    >>> from pipeline.s2_geocode.gazetteer import ALIAS_COLUMNS, OLD_NAME_COLUMNS, VILLAGE_COLUMNS
    >>> village = pd.DataFrame(
    ...     [["1.1.1", "Sukamaju", "1.1", "Mekar", "1", "Kota Mekar"]],
    ...     columns=list(VILLAGE_COLUMNS),
    ... )
    >>> nothing = [pd.DataFrame(columns=list(one)) for one in (OLD_NAME_COLUMNS, ALIAS_COLUMNS)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     firms, placed = Path(folder) / "firms.csv", Path(folder) / "placed.csv"
    ...     _ = firms.write_text("id,raw_address\n1,Ds. Soekamadjoe\n")
    ...     done = geocode_file(firms, placed, Gazetteer.from_tables(village, *nothing))
    ...     done.rows, placed.read_text().splitlines()[1].split(",")[2:4]
    (1, ['1.1.1', 'Sukamaju'])
    """
    start = time.perf_counter()
    _check_paths(in_path, out_path)
    counts: Counter[str] = Counter()
    with ExitStack() as stack:
        source = _open(in_path, stack)
        further = {"district": district, "regency": regency}
        at = _position(source, column)
        columns = {key: _position(source, one) for key, one in further.items() if one}
        names, renamed = _free_names(source.columns, out_path.suffix.lower())
        temporary = stack.enter_context(atomic(out_path))
        with closing(_sink(temporary, out_path, [*names, *ADDED], source)) as sink:
            while rows := list(islice(source.rows, PART)):
                answer = geocode_addresses(
                    gazetteer,
                    [_address(row[at]) for row in rows],
                    **{key: [_address(row[one]) for row in rows] for key, one in columns.items()},
                )
                counts.update(answer["precision"])
                added = answer[[_FROM_MATCH.get(one, one) for one in ADDED]]
                more = added.itertuples(index=False, name=None)
                sink.add([[*row, *cells] for row, cells in zip(rows, more, strict=True)])
                if say:
                    say(_line(counts.total(), time.perf_counter() - start, source.share()))
    if say:
        say("")
    took = time.perf_counter() - start
    return Done(counts.total(), dict(sorted(counts.items())), took, renamed)


def progress(stream: TextIO, clock: Callable[[], float] = time.monotonic) -> Callable[[str], None]:
    """Return a function that shows lines of progress, each in the place of the last.

    Parameters
    ----------
    stream : text stream
        Where to write. To a file or pipe a line goes every ten seconds at most.
    clock : callable
        Time in seconds.

    Examples
    --------
    >>> import sys
    >>> say = progress(sys.stdout)
    >>> say("20,000 rows")
    20,000 rows
    >>> say("40,000 rows")
    """
    shown: list[float] = []

    def say(line: str) -> None:
        if stream.isatty():
            print(f"\r\x1b[K{line}" if line else "\n", end="", file=stream, flush=True)
        elif line and (not shown or clock() - shown[-1] >= _EVERY_S):
            shown[:] = [clock()]
            print(line, file=stream, flush=True)

    return say


def _line(rows: int, seconds: float, share: float | None) -> str:
    read = "" if share is None else f"{share:4.0%} read, "
    return f"{read}{rows:,} rows, {rows / max(seconds, 1e-9):,.0f} rows/s"


# Reading


def _check_paths(in_path: Path, out_path: Path) -> None:
    faults = []
    if not in_path.is_file():
        faults.append(Fault(str(in_path), "a table", "no such file"))
    elif out_path.exists() and out_path.samefile(in_path):
        faults.append(Fault(str(out_path), "another file than the input", "the input itself"))
    if out_path.suffix.lower() not in _OUTPUTS:
        faults.append(
            Fault(
                str(out_path),
                f"an output that ends in {', '.join(_OUTPUTS)}",
                out_path.suffix or "no extension",
            )
        )
    if faults:
        raise InputError(faults)


def _open(path: Path, stack: ExitStack) -> _Source:
    """Open a table for reading by its extension."""
    suffix = path.suffix.lower()
    if suffix in _TEXT:
        return _open_csv(path, stack)
    if suffix in files.SHEETS:
        return _open_workbook(path)
    if suffix in (*_GEOGRAPHIC, ".parquet"):
        return _open_frame(path)
    known = ", ".join((*_TEXT, *files.SHEETS, *_GEOGRAPHIC, ".parquet"))
    raise InputError(Fault(str(path), f"a table that ends in {known}", suffix or "no extension"))


def _open_csv(path: Path, stack: ExitStack) -> _Source:
    handle = stack.enter_context(files.open_text(path))
    size = max(path.stat().st_size, 1)
    numbered = files.iterate_csv(handle, str(path))
    _, header = next(numbered)
    width = len(header)

    def rows() -> Iterator[list[Any]]:
        for number, row in numbered:
            if len(row) > width:
                if any(cell.strip() for cell in row[width:]):
                    raise InputError(
                        Fault(
                            str(path),
                            f"{width} cells",
                            f"{len(row)}",
                            row=number,
                            hint="A delimiter inside a text needs quotes around the text",
                        )
                    )
                row = row[:width]
            yield row + [""] * (width - len(row))

    def share() -> float:
        return min(handle.buffer.tell() / size, 1.0)  # type: ignore[attr-defined]

    return _Source([name.strip() for name in header], rows(), str(path), share=share)


def _open_workbook(path: Path) -> _Source:
    for rows in files.read_sheets(path).values():
        first = next((at for at, row in enumerate(rows) if not _is_blank(row)), None)
        if first is None:
            continue
        header = [files.cell_text(cell).strip() for cell in rows[first]]
        body = rows[first + 1 :]
        while body and _is_blank(body[-1]):
            body.pop()
        cells = [[None if cell == "" else cell for cell in row] for row in body]
        # A workbook knows one kind of number.
        cells = [[_whole(cell) for cell in row] for row in cells]
        return _Source(header, iter(cells), str(path), kinds=_kinds(cells, len(header)))
    raise InputError(Fault(str(path), "a sheet with a header and rows", "only empty sheets"))


def _is_blank(row: Sequence[Any]) -> bool:
    return not any(files.cell_text(cell).strip() for cell in row)


def _whole(cell: Any) -> Any:
    is_whole = isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53
    return int(cell) if is_whole else cell


def _open_frame(path: Path) -> _Source:
    try:
        if path.suffix.lower() == ".parquet":
            schema = pq.read_schema(path)
            is_geographic = b"geo" in (schema.metadata or {})
            frame = gpd.read_parquet(path) if is_geographic else pq.read_table(path).to_pandas()
        else:
            frame = pyogrio.read_dataframe(path)
    except Exception as error:  # the readers raise many kinds
        raise InputError(
            Fault(str(path), "a table", str(error).partition("\n")[0] or type(error).__name__)
        ) from error
    geometry = None
    if isinstance(frame, gpd.GeoDataFrame):
        geometry = frame.geometry
        frame = pd.DataFrame(frame.drop(columns=geometry.name))
    table = frame.astype("object").where(frame.notna(), None)
    cells = [list(row) for row in table.itertuples(index=False, name=None)]
    columns = [str(name) for name in frame.columns]
    return _Source(columns, iter(cells), str(path), geometry, kinds=_kinds(cells, len(columns)))


def _kinds(rows: Rows, width: int) -> list[str]:
    """Return for each column whether it holds whole numbers, numbers, or else text."""
    kinds = []
    for at in range(width):
        found = {type(row[at]) for row in rows if row[at] is not None}
        kinds.append(
            "whole" if found == {int} else "real" if found and found <= {int, float} else "text"
        )
    return kinds


def _position(source: _Source, column: str) -> int:
    times = source.columns.count(column)
    if times == 1:
        return source.columns.index(column)
    raise InputError(
        Fault(
            source.where,
            f"one column {column!r}",
            f"{times} of that name; the columns are {', '.join(source.columns)}"
            if times
            else f"the columns {', '.join(source.columns)}",
        )
    )


def _address(cell: Any) -> str | None:
    text = files.cell_text(cell)
    return text if text.strip() else None


def _free_names(columns: Sequence[str], suffix: str) -> tuple[list[str], dict[str, str]]:
    """Return names for the input's columns beside the answers, and which were changed."""
    is_strict = suffix in (".gpkg", ".parquet")  # formats that want each name once
    taken = set(ADDED) | ({"fid", "geom", "geometry"} if is_strict else set())
    names: list[str] = []
    renamed = {}
    for at, name in enumerate(columns, start=1):
        free = name or (f"column_{at}" if is_strict else "")
        if free.lower() in taken:
            stem, number = f"{free}_input", 2
            free = stem
            while free.lower() in taken or free in columns:
                free, number = f"{stem}_{number}", number + 1
        if free != name:
            renamed[name] = free
        names.append(free)
        if is_strict or free in ADDED:
            taken.add(free.lower())
    return names, renamed


# Writing


def _sink(temporary: Path, out_path: Path, columns: list[str], source: _Source) -> _Sink:
    """Return the writer for an output by its extension."""
    suffix = out_path.suffix.lower()
    if suffix == ".csv":
        return _Csv(temporary, columns)
    if suffix == ".xlsx":
        return _Workbook(temporary, columns, str(out_path))
    kinds = [*source.kinds, *("real" if one == "score" else "text" for one in ADDED)]
    if not source.kinds:
        kinds = ["text"] * len(source.columns) + kinds
    if suffix == ".gpkg":
        return _GeoPackage(temporary, columns, kinds, source.geometry, out_path.stem)
    return _Parquet(temporary, columns, kinds, source.geometry)


class _Csv:
    def __init__(self, path: Path, columns: list[str]) -> None:
        self._handle = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._handle, lineterminator="\n")
        self._writer.writerow(map(_safe, columns))

    def add(self, rows: Rows) -> None:
        self._writer.writerows([[_safe(files.cell_text(cell)) for cell in row] for row in rows])

    def close(self) -> None:
        self._handle.close()


def _safe(text: str) -> str:
    # A cell that was made harmless before stays as it is.
    return text if text.startswith("'") else files.neutral(text)


class _Workbook:
    def __init__(self, path: Path, columns: list[str], where: str) -> None:
        self._book = xlsxwriter.Workbook(
            path,
            {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False},
        )
        self._book.set_properties({"created": datetime(1980, 1, 1)})
        self._sheet = self._book.add_worksheet("geocoded")
        self._sheet.freeze_panes(1, 0)
        self._where = where
        self._row = 0
        self.add([columns])

    def add(self, rows: Rows) -> None:
        if self._row + len(rows) > _SHEET_ROWS:
            raise InputError(
                Fault(self._where, f"at most {_SHEET_ROWS - 1:,} rows in a sheet", "more",
                      hint="Write csv, gpkg or parquet")
            )  # fmt: skip
        for row in rows:
            for at, cell in enumerate(row):
                if cell is None or cell == "":
                    continue
                if isinstance(cell, bool):
                    self._sheet.write_boolean(self._row, at, cell)
                elif isinstance(cell, int | float):
                    self._sheet.write_number(self._row, at, cell)
                else:
                    self._text(at, files.cell_text(cell))
            self._row += 1

    def _text(self, at: int, text: str) -> None:
        if len(text) > _SHEET_CELL:
            raise InputError(
                Fault(self._where, f"cells of at most {_SHEET_CELL:,} characters",
                      f"{len(text):,}", row=self._row + 1, hint="Write csv, gpkg or parquet")
            )  # fmt: skip
        self._sheet.write_string(self._row, at, text)

    def close(self) -> None:
        self._book.close()


def _typed(rows: Rows, columns: list[str], kinds: list[str]) -> pd.DataFrame:
    """Return rows as a table of typed columns."""
    types = {"whole": "Int64", "real": "Float64", "text": "string"}
    series = {}
    for at, (name, kind) in enumerate(zip(columns, kinds, strict=True)):
        cells = [row[at] for row in rows]
        if kind == "text":
            cells = [None if cell is None else files.cell_text(cell) for cell in cells]
        series[name] = pd.Series(cells, dtype=types[kind])
    return pd.DataFrame(series)


class _GeoPackage:
    def __init__(
        self,
        path: Path,
        columns: list[str],
        kinds: list[str],
        geometry: gpd.GeoSeries | None,
        layer: str,
    ) -> None:
        self._path, self._columns, self._kinds = path, columns, kinds
        self._geometry, self._layer, self._row = geometry, layer, 0

    def add(self, rows: Rows) -> None:
        table = _typed(rows, self._columns, self._kinds)
        if self._geometry is not None:
            shapes = self._geometry.iloc[self._row : self._row + len(rows)]
            table = gpd.GeoDataFrame(table, geometry=shapes.to_numpy(), crs=self._geometry.crs)
        pyogrio.write_dataframe(
            table,
            self._path,
            layer=self._layer,
            driver="GPKG",
            append=self._path.exists(),
            **({} if self._geometry is None else {"geometry_type": "Unknown"}),
        )
        self._row += len(rows)

    def close(self) -> None:
        if not self._path.exists():
            self.add([])


class _Parquet:
    def __init__(
        self,
        path: Path,
        columns: list[str],
        kinds: list[str],
        geometry: gpd.GeoSeries | None,
    ) -> None:
        types = {"whole": pa.int64(), "real": pa.float64(), "text": pa.string()}
        fields = [pa.field(name, types[kind]) for name, kind in zip(columns, kinds, strict=True)]
        metadata = None
        if geometry is not None:
            fields.append(pa.field("geometry", pa.binary()))
            about = {"encoding": "WKB", "geometry_types": []}
            if geometry.crs is not None:
                about["crs"] = geometry.crs.to_json_dict()
            geo = {"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": about}}
            metadata = {"geo": json.dumps(geo)}
        self._schema = pa.schema(fields, metadata=metadata)
        self._columns, self._kinds, self._geometry, self._row = columns, kinds, geometry, 0
        self._writer = pq.ParquetWriter(path, self._schema)

    def add(self, rows: Rows) -> None:
        table = _typed(rows, self._columns, self._kinds)
        if self._geometry is not None:
            shapes = self._geometry.iloc[self._row : self._row + len(rows)]
            table["geometry"] = pd.Series(shapes.to_wkb().to_numpy(), dtype="object")
        self._writer.write_table(
            pa.Table.from_pandas(table, schema=self._schema, preserve_index=False)
        )
        self._row += len(rows)

    def close(self) -> None:
        self._writer.close()
