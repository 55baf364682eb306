"""The committed tables of an area: read, typed, held against each other and against sources.csv."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.contracts.area import AreaConfig
from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.provenance import sha256
from pipeline.contracts.reading import empty, read_csv
from pipeline.contracts.tables import AREA_TABLES

BASE_TABLES = ("gazetteer", "neighbours", "old_names", "aliases")


def area_files(folder: Path, area: AreaConfig) -> dict[str, Path]:
    """Return the committed files of an area: table name to path.

    Raises
    ------
    InputError
        The area names a table that is not one of :data:`AREA_TABLES`.
    """
    unknown = [name for name in area.tables if name not in AREA_TABLES]
    if unknown:
        wanted = f"tables among {', '.join(AREA_TABLES)}"
        where = str(folder / "area.yaml")
        raise InputError(Fault(where, wanted, repr(name), column="tables") for name in unknown)
    files = {name: folder / f"{name}.csv" for name in BASE_TABLES}
    return files | {name: folder / "tables" / f"{name}.csv" for name in area.tables}


def read_area(folder: Path, area: AreaConfig) -> dict[str, pd.DataFrame]:
    """Read every committed table of an area; all faults of all files at once.

    Parameters
    ----------
    folder : Path
        The area folder.
    area : AreaConfig
        Its configuration.

    Returns
    -------
    dict of str to pandas.DataFrame
        ``sources``, the base tables and every table of :data:`AREA_TABLES` (without rows where
        the area does not have it).

    Raises
    ------
    InputError
        Faults inside a file, an unknown table, sources named but not listed, a file whose hash is
        not the listed one, codes that are not in the gazetteer.
    """
    faults: list[Fault] = []
    tables = {name: empty(name) for name in AREA_TABLES}
    paths = {"sources": folder / "sources.csv"} | area_files(folder, area)
    for name, path in paths.items():
        try:
            tables[name] = read_csv(path, name)
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(faults)
    faults += _source_faults(folder, area, tables)
    faults += _code_faults(folder, area, tables)
    if faults:
        raise InputError(faults)
    return tables


def _source_faults(folder: Path, area: AreaConfig, tables: dict[str, pd.DataFrame]) -> list[Fault]:
    where = str(folder / "sources.csv")
    sources = tables["sources"].set_index("source_id")
    faults = []
    for name, path in area_files(folder, area).items():
        relative = path.relative_to(folder).as_posix()
        listed = sources[(sources["kind"] == "table") & (sources["file"] == relative)]
        if len(listed) != 1:
            faults.append(
                Fault(
                    where,
                    f"one row of kind 'table' for {relative}",
                    f"{len(listed)}",
                    hint="Run 'make seal AREA=...' after checking the file",
                )
            )
        elif (found := sha256(path)) != str(listed["sha256"].iloc[0]):
            faults.append(
                Fault(
                    str(path),
                    f"SHA-256 {str(listed['sha256'].iloc[0])[:12]}... of sources.csv",
                    f"{found[:12]}...",
                    hint="If the change is meant, run 'make seal AREA=...' and commit both",
                )
            )
        if "source_ids" not in tables[name]:
            continue
        for row, cell in enumerate(tables[name]["source_ids"], start=2):
            unknown = [one for one in split_ids(cell) if one not in sources.index]
            if unknown:
                faults.append(
                    Fault(
                        str(path),
                        "ids of sources.csv",
                        ", ".join(unknown),
                        row=row,
                        column="source_ids",
                    )
                )
    pinned = set(sources.index[sources["sha256"].notna()])
    faults += [
        Fault(
            where,
            f"a row {item.source_id!r} with its SHA-256",
            "none",
            hint="area.yaml names it under boundaries.files",
        )
        for item in area.boundaries.files
        if item.source_id not in pinned
    ]
    return faults


def split_ids(cell: object) -> list[str]:
    """Return the identifiers of a ``source_ids`` cell.

    Examples
    --------
    >>> split_ids("wijaya2021; astuti2016")
    ['wijaya2021', 'astuti2016']
    """
    return [] if pd.isna(cell) else [part.strip() for part in str(cell).split(";") if part.strip()]  # type: ignore[call-overload]


def _code_faults(folder: Path, area: AreaConfig, tables: dict[str, pd.DataFrame]) -> list[Fault]:
    gazetteer = tables["gazetteer"]
    known = set(gazetteer["village_code"])
    regencies = {regency.code: regency.name for regency in area.regencies}
    where = str(folder / "gazetteer.csv")
    faults = [
        Fault(where, f"villages of {', '.join(regencies)}", code, row=row, column="village_code")
        for row, code in enumerate(gazetteer["village_code"], start=2)
        if code[:5] not in regencies
    ]
    faults += [
        Fault(
            where,
            f"{regencies[code[:5]]!r} for {code[:5]}",
            repr(name),
            row=row,
            column="regency_name",
        )
        for row, (code, name) in enumerate(
            zip(gazetteer["village_code"], gazetteer["regency_name"], strict=True), start=2
        )
        if code[:5] in regencies and name != regencies[code[:5]]
    ]
    names = gazetteer.groupby(gazetteer["village_code"].str[:8])["district_name"].unique()
    faults += [
        Fault(
            where, f"one name for district {code}", ", ".join(sorted(found)), column="district_name"
        )
        for code, found in names.items()
        if len(found) > 1
    ]
    for name, columns in (
        ("neighbours", ("village_code_a", "village_code_b")),
        ("old_names", ("village_code",)),
    ):
        for column in columns:
            faults += [
                Fault(
                    str(folder / f"{name}.csv"),
                    "a village of the gazetteer",
                    code,
                    row=row,
                    column=column,
                )
                for row, code in enumerate(tables[name][column], start=2)
                if code not in known
            ]
    pairs = tables["neighbours"]
    faults += [
        Fault(
            str(folder / "neighbours.csv"),
            "village_code_a before village_code_b",
            f"{a}, {b}",
            row=row,
        )
        for row, (a, b) in enumerate(
            zip(pairs["village_code_a"], pairs["village_code_b"], strict=True), start=2
        )
        if a >= b
    ]
    return faults


def villages(gazetteer: pd.DataFrame) -> pd.DataFrame:
    """Return the attribute part of the village table: kind and codes read from the code.

    The first digit of the last part of a Kemendagri code is 1 for a kelurahan, 2 for a desa.
    """
    code = gazetteer["village_code"]
    frame = gazetteer[
        ["village_code", "village_name", "district_name", "regency_name", "area_km2"]
    ].copy()
    frame["village_kind"] = pd.Series(
        np.where(code.str[9] == "1", "kelurahan", "desa"), dtype="string"
    )
    frame["district_code"] = code.str[:8]
    frame["regency_code"] = code.str[:5]
    return frame
