"""The GeoPackage: a table for each one the plan draws, and a style for each layer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pandas as pd

import geopandas as gpd
import pyogrio

from pipeline.s5_render._qgis_style import qml
from pipeline.s5_render._qgis_xml import clean, field_name
from pipeline.s5_render.plan import AtlasPlan, LayerPlan

_UNDATED = "1980-01-01T00:00:00.000Z"
_STYLES = """
CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    f_table_catalog TEXT(256),
    f_table_schema TEXT(256),
    f_table_name TEXT(256),
    f_geometry_column TEXT(256),
    styleName TEXT(256),
    styleQML TEXT,
    styleSLD TEXT,
    useAsDefault BOOLEAN,
    description TEXT,
    owner TEXT(30),
    ui TEXT(30),
    update_time DATETIME
)
"""


def drawn_tables(plan: AtlasPlan) -> dict[str, list[LayerPlan]]:
    """Return the tables that layers are drawn from, each with its layers, in the plan's order."""
    tables: dict[str, list[LayerPlan]] = {}
    for layer in plan.layers:
        tables.setdefault(layer.table, []).append(layer)
    return tables


def write_geopackage(plan: AtlasPlan, path: Path) -> None:
    """Write tables, descriptions and styles; the same plan gives the same bytes."""
    path.unlink(missing_ok=True)
    moment = f"{plan.moment:%Y-%m-%dT%H:%M:%S}.000Z" if plan.moment else _UNDATED
    tables = drawn_tables(plan)
    with _options({"OGR_CURRENT_DATE": moment, "OGR_SQLITE_JOURNAL": "DELETE"}):
        for name, layers in tables.items():
            _write_table(plan, name, layers, path)
    with closing(sqlite3.connect(path)) as base:
        base.execute("PRAGMA journal_mode = DELETE")
        with base:
            _write_styles(plan, tables, moment, base)
        base.execute("VACUUM")


@contextmanager
def _options(wanted: Mapping[str, str]) -> Iterator[None]:
    """Set GDAL options for a while: they belong to the whole process."""
    before = {name: pyogrio.get_gdal_config_option(name) for name in wanted}
    pyogrio.set_gdal_config_options(dict(wanted))
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options(before)


def _write_table(plan: AtlasPlan, name: str, layers: list[LayerPlan], path: Path) -> None:
    language = plan.language
    frame = plain_columns(plan.tables[name]).to_crs(plan.crs)
    frame = frame.rename_geometry("geom")
    notes = [f"{layer.title[language]}: {layer.caption[language]}" for layer in layers]
    pyogrio.write_dataframe(
        frame,
        path,
        layer=name,
        driver="GPKG",
        append=path.exists(),
        geometry_type="Point" if layers[0].geometry == "symbols" else "MultiPolygon",
        promote_to_multi=layers[0].geometry != "symbols",
        nan_as_null=True,
        dataset_options={} if path.exists() else {"VERSION": "1.3"},
        layer_options={
            "FID": "fid",
            "GEOMETRY_NAME": "geom",
            "IDENTIFIER": name,
            "DESCRIPTION": clean("\n".join([*notes, plan.footer[language]])),
            "SPATIAL_INDEX": "YES",
        },
    )


def plain_columns(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Rename a column the GeoPackage keeps for itself and drop characters no XML may hold.

    Examples
    --------
    >>> list(plain_columns(gpd.GeoDataFrame({"fid": ["a"]}, geometry=[None])).columns)
    ['fid_', 'geometry']
    """
    geometry = frame.geometry.name
    frame = frame.rename(columns={n: field_name(n) for n in frame.columns if n != geometry})
    for name in frame.columns:
        if name != geometry and pd.api.types.is_string_dtype(frame[name]):
            frame[name] = frame[name].map(clean, na_action="ignore")
    return frame


def _write_styles(
    plan: AtlasPlan,
    tables: Mapping[str, list[LayerPlan]],
    moment: str,
    base: sqlite3.Connection,
) -> None:
    """Write a style for each layer; the first of a table is what QGIS opens it with."""
    language = plan.language
    base.execute(_STYLES)
    base.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change)"
        " VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?)",
        (moment,),
    )
    count = 0
    for name, layers in tables.items():
        for i, layer in enumerate(layers):
            count += 1
            values = (
                name,
                clean(layer.title[language]),
                qml(plan, layer),
                not i,
                clean(layer.note[language]),
                moment,
            )
            base.execute(
                "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name,"
                " f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description,"
                " owner, ui, update_time) VALUES ('', '', ?, 'geom', ?, ?, '', ?, ?, '', '', ?)",
                values,
            )
    base.execute("INSERT INTO gpkg_ogr_contents VALUES ('layer_styles', ?)", (count,))
