"""Hold files and frames against their schema; report every fault at once, where it stands."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pa

from pipeline.contracts.columns import COLUMNS, Column
from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.tables import DTYPES, TABLES, Rule, Table


def empty(name: str) -> pd.DataFrame:
    """Return the table `name` without rows, columns typed.

    Examples
    --------
    >>> empty("clusters").shape
    (0, 11)
    """
    return pd.DataFrame(
        {
            rule.column: pd.Series(dtype=DTYPES[COLUMNS[rule.column].kind])
            for rule in TABLES[name].rules
        }
    )


def read_csv(path: Path, name: str, where: str | None = None) -> pd.DataFrame:
    """Read a committed table strictly: plain digits, UTF-8, exactly the columns declared.

    Parameters
    ----------
    path : Path
        The CSV file.
    name : str
        Name of the table in :data:`TABLES`.
    where : str, optional
        How messages name the file; the path if not given.

    Returns
    -------
    pandas.DataFrame
        Typed columns (string, Int64, Float64, boolean); empty cells are missing.

    Raises
    ------
    InputError
        Every fault of the file: columns missing, unknown or given twice, cells that are not what
        the schema asks for (with the likely cause, such as a thousands separator), keys given
        twice.
    """
    where = where or str(path)
    table = TABLES[name]
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            rows = list(csv.reader(handle, strict=True))
    except FileNotFoundError as error:
        raise InputError(Fault(where, f"the table {name}", "no such file")) from error
    except UnicodeDecodeError as error:
        raise InputError(
            Fault(where, "UTF-8 text", "other bytes", hint="Save it as 'CSV UTF-8'")
        ) from error
    except csv.Error as error:
        raise InputError(Fault(where, "comma-separated values", str(error))) from error
    if not rows:
        raise InputError(Fault(where, f"columns {', '.join(table.columns)}", "an empty file"))
    header_faults = _header_faults(rows[0], table, where)
    if header_faults:
        raise InputError(header_faults)
    faults: list[Fault] = []
    body = []
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(rows[0]):
            faults.append(
                Fault(
                    where,
                    f"{len(rows[0])} cells",
                    f"{len(row)}",
                    row=number,
                    hint="A comma inside a text needs quotes around the text",
                )
            )
        else:
            body.append((number, dict(zip(rows[0], row, strict=True))))
    parsed: dict[str, list[Any]] = {rule.column: [] for rule in table.rules}
    keys: list[tuple[int, tuple[Any, ...]]] = []
    for number, cells in body:
        wrong = set()
        for rule in table.rules:
            value, fault = _parse(cells[rule.column], rule, where, number)
            parsed[rule.column].append(value)
            if fault:
                faults.append(fault)
                wrong.add(rule.column)
        if wrong.isdisjoint(table.key):
            keys.append((number, tuple(parsed[column][-1] for column in table.key)))
    faults += _key_faults(keys, table, where)
    if faults:
        raise InputError(faults)
    return pd.DataFrame(
        {
            rule.column: pd.Series(parsed[rule.column], dtype=DTYPES[COLUMNS[rule.column].kind])
            for rule in table.rules
        }
    )


def _header_faults(header: Sequence[str], table: Table, where: str) -> list[Fault]:
    faults = [
        Fault(where, f"a column {column!r}", f"columns {', '.join(header)}", row=1)
        for column in table.columns
        if column not in header
    ]
    faults += [
        Fault(
            where,
            f"only the columns {', '.join(table.columns)}",
            f"unknown column {column!r}",
            row=1,
        )
        for column in header
        if column not in table.columns
    ]
    faults += [
        Fault(where, "each column once", f"{column!r} {times} times", row=1)
        for column, times in Counter(header).items()
        if times > 1
    ]
    return faults


_THOUSANDS = re.compile(r"\d{1,3}([.,]\d{3})+")


def _parse(cell: str, rule: Rule, where: str, row: int) -> tuple[Any, Fault | None]:
    spec: Column = COLUMNS[rule.column]
    text = cell.strip()

    def bad(hint: str | None = None) -> tuple[Any, Fault]:
        return pd.NA, Fault(
            where,
            rule.expected(),
            repr(cell) if text else "an empty cell",
            row=row,
            column=rule.column,
            hint=hint,
        )

    if not text:
        return (pd.NA, None) if rule.nullable else bad()
    if spec.kind == "text":
        if rule.pattern and not re.fullmatch(rule.pattern, text, re.ASCII):
            return bad()
        if rule.choices and text not in rule.choices:
            return bad()
        return text, None
    if spec.kind == "flag":
        return (text == "true", None) if text in ("true", "false") else bad()
    if spec.kind == "whole":
        if not re.fullmatch(r"-?[0-9]+", text):
            plain = re.sub(r"[.,]", "", text)
            hint = (
                f"If a thousand is meant, write {plain}; committed tables hold plain digits"
                if _THOUSANDS.fullmatch(text)
                else None
            )
            return bad(hint)
        number: float = int(text)
    else:
        if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", text):
            return bad("Write the decimal with a point" if "," in text else None)
        number = float(text)
    low = rule.low if rule.low is not None else float("-inf")
    high = rule.high if rule.high is not None else float("inf")
    return (number, None) if low <= number <= high else bad()


def _key_faults(
    keys: Iterable[tuple[int, tuple[Any, ...]]], table: Table, where: str
) -> list[Fault]:
    """Return a fault for every key that an earlier row has; `keys` are row numbers and keys."""
    first: dict[tuple[Any, ...], int] = {}
    faults = []
    for row, key in keys:
        if key in first:
            faults.append(
                Fault(
                    where,
                    f"each {' + '.join(table.key)} once",
                    f"{' + '.join(map(str, key))} again (first in row {first[key]})",
                    row=row,
                    column=table.key[0],
                )
            )
        first.setdefault(key, row)
    return faults


def schema(name: str) -> pa.DataFrameSchema:
    """Return the pandera schema of table `name`: strict columns in order, types and ranges.

    Examples
    --------
    >>> list(schema("neighbours").columns)
    ['village_code_a', 'village_code_b', 'shared_border_m']
    """
    table = TABLES[name]
    return pa.DataFrameSchema(
        {rule.column: _pandera_column(rule) for rule in table.rules}, strict=True, ordered=True
    )


def _pandera_column(rule: Rule) -> pa.Column:
    kind = COLUMNS[rule.column].kind
    checks: list[pa.Check] = []
    if rule.pattern:
        checks.append(pa.Check.str_matches(f"^(?:{rule.pattern})$"))
    if rule.choices:
        checks.append(pa.Check.isin(rule.choices))
    if rule.low is not None:
        checks.append(pa.Check.ge(rule.low))
    if rule.high is not None:
        checks.append(pa.Check.le(rule.high))
    dtype = None if kind == "geometry" else DTYPES[kind]
    return pa.Column(dtype, checks=checks, nullable=rule.nullable)


def check(frame: pd.DataFrame, name: str, where: str | None = None) -> pd.DataFrame:
    """Return `frame` if it is a valid table `name`, columns in the declared order.

    Parameters
    ----------
    frame : pandas.DataFrame or geopandas.GeoDataFrame
        The table.
    name : str
        Name in :data:`TABLES`.
    where : str, optional
        How messages name the table.

    Raises
    ------
    InputError
        Every breach of the schema, and keys given twice.

    Examples
    --------
    >>> check(empty("clusters"), "clusters").empty
    True
    """
    table = TABLES[name]
    where = where or f"table {name}"
    missing = [column for column in table.columns if column not in frame]
    unknown = [str(column) for column in frame if column not in table.columns]
    if missing or unknown:
        raise InputError(
            Fault(
                where,
                f"columns {', '.join(table.columns)}",
                f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}",
            )
        )
    ordered = frame[table.columns]
    if ordered.empty and _has_dtypes(ordered):
        return ordered  # nothing in it can be wrong
    keys = ordered[list(table.key)].itertuples(index=False, name=None)
    faults = _key_faults(enumerate(keys, start=1), table, where)
    try:
        # Messages give positions, whatever index the frame has.
        schema(name).validate(ordered.reset_index(drop=True), lazy=True)
    except pa.errors.SchemaErrors as error:
        faults = [*_schema_faults(error.failure_cases, table, where), *faults]
    if faults:
        raise InputError(faults)
    return ordered


def _has_dtypes(frame: pd.DataFrame) -> bool:
    kinds = {str(name): COLUMNS[str(name)].kind for name in frame.columns}
    return all(
        kind == "geometry" or frame[name].dtype == DTYPES[kind] for name, kind in kinds.items()
    )


def _schema_faults(cases: pd.DataFrame, table: Table, where: str) -> Iterable[Fault]:
    rules = {rule.column: rule for rule in table.rules}
    for case in cases.to_dict("records"):
        column = str(case["column"])
        rule = rules.get(column)
        row = int(case["index"]) + 1 if isinstance(case["index"], int) else None
        expected = rule.expected() if rule else str(case["check"])
        yield Fault(where, expected, repr(case["failure_case"]), row=row, column=column)
