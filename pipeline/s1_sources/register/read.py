"""A firm register, as messy as people keep them, to the typed table ``register``.

Nothing is lost in silence: every row becomes a firm or a rejected row with its reason, every
column is told, every fault of the file is reported at once. Personal data are dropped here.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.reading import empty
from pipeline.contracts.register import RegisterSettings, load_settings
from pipeline.s1_sources.register.files import open_file
from pipeline.s1_sources.register.grid import Grid, Source
from pipeline.s1_sources.register.headers import (
    SEARCHED_ROWS,
    HeaderRows,
    find_header,
    named_header,
)
from pipeline.s1_sources.register.problems import (
    Problems,
    problem_lines,
    table_lines,
)
from pipeline.s1_sources.register.reader import UNDERSTOOD, Reader, Register


def split_name(register: Path | str) -> tuple[Path, str | None]:
    """Part ``file.xlsx#Sheet`` into file and sheet; a file that is called so goes first.

    Examples
    --------
    >>> split_name("no such firms.xlsx#Data 2016")[1]
    'Data 2016'
    """
    path = Path(register)
    if path.exists() or "#" not in path.name:
        return path, None
    name, _, sheet = path.name.rpartition("#")
    return path.with_name(name), sheet


def read_register(
    register: Path | str, *, assumed_crs: str | None = None, status: str = "register"
) -> Register:
    """Read and check a firm register; whatever is wrong with it stands in ``problems``.

    Parameters
    ----------
    register : Path or str
        xlsx, xlsm, ods, csv, tsv, txt, gpkg, geojson or shp; ``file#sheet`` names a sheet or
        layer. Settings lie beside it (:mod:`pipeline.contracts.register`).
    assumed_crs : str, optional
        CRS taken, with a warning, for coordinates that can only be UTM metres and whose CRS is
        declared nowhere: the area's own.
    status : str
        ``status`` of every firm.

    Returns
    -------
    Register
        Also for a file that cannot be read at all: it then has no rows, and problems that say
        why.
    """
    file, sheet = split_name(register)
    where = str(file)
    settings, settings_path = RegisterSettings(), None
    try:
        settings, settings_path = load_settings(file)
        source = open_file(file, settings, where)
        grid, header = _choose(source, sheet or settings.sheet, settings, where)
    except InputError as error:
        problems = Problems(where)
        problems.add_faults(error.faults)
        return _unreadable(where, sheet, settings, settings_path, problems)
    reader = Reader(where, grid, header, settings, assumed_crs)
    return reader.register(status, settings_path)


def _unreadable(
    where: str,
    sheet: str | None,
    settings: RegisterSettings,
    settings_path: Path | None,
    problems: Problems,
) -> Register:
    return Register(
        where, sheet, settings, settings_path, 0, empty("register"), empty("register_rejected"),
        problems.frame(), pd.DataFrame(columns=list(UNDERSTOOD), dtype="string"), (),
        pd.DataFrame({"firm_id": pd.Series(dtype="string")}),
    )  # fmt: skip


def _choose(
    source: Source, named: str | None, settings: RegisterSettings, where: str
) -> tuple[Grid, HeaderRows]:
    """Return the sheet that holds the firms: the named one, or the only one that looks so."""
    if named is not None:
        if named not in source.sheets:
            raise InputError(
                Fault(
                    where,
                    f"a sheet {named!r}",
                    f"sheets {', '.join(map(repr, source.sheets))}" if source.sheets else "none",
                )
            )
        grid = source.load(named)
        return grid, _header_of(grid, settings, where)
    if len(source.sheets) < 2:
        grid = source.load(None)
        return grid, _header_of(grid, settings, where)
    fitting = {}
    for sheet in source.sheets:
        head = source.load(sheet, SEARCHED_ROWS + 2)
        header = _look_for_header(head, settings)
        if header is not None and (settings.header_row is None or _knows(header)):
            fitting[sheet] = head.rows > header.first_data_row
    filled = [sheet for sheet, has_rows in fitting.items() if has_rows] or list(fitting)
    if len(filled) != 1:
        shown = ", ".join(map(repr, filled or source.sheets))
        raise InputError(
            Fault(
                where,
                "one sheet that looks like a register",
                f"{len(filled)} of {len(source.sheets)}: {shown}"
                if filled
                else f"none of {len(source.sheets)}: {shown}",
                hint=f"Name it: REGISTER='{Path(where).name}#{(filled or source.sheets)[0]}', or "
                "'sheet: ...' in the settings beside the register",
            )
        )
    grid = source.load(filled[0])
    return grid, _header_of(grid, settings, where)


def _knows(header: HeaderRows) -> bool:
    return any(one.kind == "field" for one in header.headers)


def _look_for_header(grid: Grid, settings: RegisterSettings) -> HeaderRows | None:
    if grid.header is not None:
        return named_header(grid.header, settings, has_points=grid.points is not None)
    last = max(SEARCHED_ROWS, (settings.header_row or 0) + 2)
    spans = {(top, left): right for top, left, _, right in grid.merged if right > left}
    return find_header(grid.head(last), settings, spans, grid.head_numeric(last))


def _header_of(grid: Grid, settings: RegisterSettings, where: str) -> HeaderRows:
    found = _look_for_header(grid, settings)
    if found is not None:
        return found
    if grid.rows == 0 and grid.header is None:
        raise InputError(
            Fault(where, "a header and a row for each firm", "an empty sheet", sheet=grid.name)
        )
    shown = grid.header or next((row for row in grid.head(SEARCHED_ROWS) if any(row)), [])
    cells = ", ".join(repr(cell) for cell in shown[:8] if cell)
    raise InputError(
        Fault(
            where,
            "a header with columns such as Nama Usaha, Alamat, Desa/Kelurahan, Jenis Usaha",
            cells or "empty cells",
            sheet=grid.name,
            hint="Name the header's row and columns in the settings beside the register "
            "('header_row: 3', 'columns: {firm_name: ...}'), or start from 'make template'",
        )
    )


def check_register(
    register: Path | str, *, assumed_crs: str | None = None
) -> tuple[list[str], pd.DataFrame, bool]:
    """Read a register only to say what was understood and what is wrong with it.

    Parameters
    ----------
    register, assumed_crs
        As :func:`read_register`.

    Returns
    -------
    lines : list of str
        What to print: the columns as understood, the rows counted, the problems.
    problems : pandas.DataFrame
        All of them, as in :class:`Register`.
    has_errors : bool
        Whether one of them is an error (exit code 2).
    """
    found = read_register(register, assumed_crs=assumed_crs)
    return register_lines(found), found.problems, found.has_errors


def register_lines(register: Register) -> list[str]:
    """Return what was understood of a register, as lines to print."""
    place = register.file if register.sheet is None else f"{register.file}, sheet {register.sheet}"
    how = ", ".join(f"{name} {value}" for name, value in register.notes.items())
    lines = [f"{place}{f' ({how})' if how else ''}"]
    if register.settings_path is not None:
        lines.append(f"settings: {register.settings_path}")
    if len(register.understood):
        rows = register.understood.fillna("").to_numpy().tolist()
        lines += ["", *table_lines([list(UNDERSTOOD), *rows]), ""]
        counts = register.rejected["reason"].value_counts(sort=False)
        told = "".join(f", {times:,} {reason}" for reason, times in counts.items())
        lines.append(
            f"{register.rows:,} rows: {len(register.firms):,} firms, "
            f"{len(register.rejected):,} not firms{f' ({told[2:]})' if told else ''}"
        )
    lines += [
        f"  {one['column']}: {one['what']} ({one['rows']:,} rows)" for one in register.conversions
    ]
    return [*lines, "", *problem_lines(register.problems)]
