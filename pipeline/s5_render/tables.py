"""Every released table as CSV and as one workbook: the numbers behind the maps."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd
import xlsxwriter

import geopandas as gpd

from pipeline.contracts.columns import COLUMNS
from pipeline.contracts.text import Language, t

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_EPOCH = datetime(1980, 1, 1)
_WIDEST = 60


def flat(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table without geometry (points become longitude and latitude), safe to open.

    Text cells that a spreadsheet would run as a formula get a leading apostrophe.

    Parameters
    ----------
    frame : pandas.DataFrame or geopandas.GeoDataFrame
        A released table, EPSG:4326.

    Examples
    --------
    >>> flat(pd.DataFrame({"note": pd.Series(["=1+1", "fine"], dtype="string")}))["note"].tolist()
    ["'=1+1", 'fine']
    """
    table = pd.DataFrame(frame.drop(columns="geometry")) if "geometry" in frame else frame.copy()
    is_points = isinstance(frame, gpd.GeoDataFrame) and (frame.geom_type.dropna() == "Point").all()
    if is_points and "longitude_deg" not in table:
        table["longitude_deg"] = frame.geometry.x.round(5)
        table["latitude_deg"] = frame.geometry.y.round(5)
    for name in table.columns:
        column = COLUMNS.get(str(name))
        if column is not None and column.kind == "text":
            text = table[name].astype("string")
            table[name] = text.where(~text.str.startswith(_FORMULA, na=False), "'" + text)
        elif column is not None and column.kind == "real":
            table[name] = table[name].astype("Float64").round(max(column.decimals, 4))
    return table


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """Return a table as CSV: UTF-8 with a byte-order mark, so that Excel reads it right."""
    text = flat(frame).to_csv(index=False, lineterminator="\n")
    return text.encode("utf-8-sig")


def workbook(
    tables: Mapping[str, pd.DataFrame],
    about: Mapping[str, str],
    language: Language,
    moment: datetime | None,
) -> bytes:
    """Return one workbook: a sheet on the data, one a table, and the dictionary of columns.

    Parameters
    ----------
    tables : mapping
        Released tables by name.
    about : mapping of str to str
        Lines of the first sheet.
    language : {"id", "en"}
        Language of labels.
    moment : datetime or None
        Time the file carries; a fixed one if None, so that the bytes are the same.
    """
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(
        buffer, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    book.set_properties({"created": (moment or _EPOCH).replace(tzinfo=None)})
    bold = book.add_format({"bold": True, "bottom": 1})
    rows = [[key, value] for key, value in about.items()]
    _sheet(book, "about", [["", ""], *rows], bold)
    for name, frame in tables.items():
        table = flat(frame)
        body = table.astype("object").where(table.notna(), None).to_numpy().tolist()
        _sheet(book, name[:31], [list(map(str, table.columns)), *body], bold)
    used = sorted({str(name) for frame in tables.values() for name in flat(frame).columns})
    dictionary: list[list[Any]] = [
        [
            name,
            COLUMNS[name].label[language],
            unit[language] if (unit := COLUMNS[name].unit_text) else "",
            COLUMNS[name].meaning,
        ]
        for name in used
        if name in COLUMNS
    ]
    header = [t(f"tables.{key}")[language] for key in ("column", "label", "unit", "meaning")]
    _sheet(book, "columns", [header, *dictionary], bold)
    book.close()
    return buffer.getvalue()


def _sheet(book: Any, name: str, rows: list[list[Any]], bold: Any) -> None:
    sheet = book.add_worksheet(name)
    sheet.freeze_panes(1, 0)
    for number, row in enumerate(rows):
        for position, value in enumerate(row):
            style = bold if number == 0 else None
            if isinstance(value, str):
                sheet.write_string(number, position, value, style)
            elif isinstance(value, bool):
                sheet.write_boolean(number, position, value, style)
            elif value is not None:
                sheet.write_number(number, position, value, style)
    for position in range(len(rows[0])):
        longest = max(len(str(row[position] or "")) for row in rows)
        sheet.set_column(position, position, min(max(longest + 1, 8), _WIDEST))
