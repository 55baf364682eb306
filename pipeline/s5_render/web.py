"""Draw the plan as the web atlas: one HTML file that opens from disk and asks nothing of the net.

folium builds the page around its map; Leaflet, our script and style, and one block of data stand
inside the file. Geometry is written once a table; layers refer to its rows by position.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment
from markupsafe import Markup
from numpy.typing import NDArray

import folium
import geopandas as gpd
import shapely
from branca.element import Figure
from folium.template import Template
from pyproj import CRS

from pipeline.contracts.crs import GEOGRAPHIC
from pipeline.contracts.text import Text, catalogue
from pipeline.s5_render.plan import AtlasPlan, ClassPlan, FieldPlan, LayerPlan

PX_PER_MM = 96 / 25.4
"""CSS pixels in a millimetre."""

TOLERANCE_M = 4.0
"""Simplification of borders: below one pixel at the closest zoom."""

STEP = 100_000
"""Coordinates are written as whole steps of 1e-5 degrees, about 1 m."""

LINE_PX = {"village": 0.7, "district": 1.3, "regency": 2.4}
"""Width of an outline by its table: the larger the unit, the stronger."""

ASSETS = files("pipeline.s5_render") / "assets" / "web"


class _AtlasMap(folium.Map):
    """folium's map without folium's frame: our page has its own, and loads nothing."""

    default_js: list[tuple[str, str]] = []  # noqa: RUF012 - folium's own attribute
    default_css: list[tuple[str, str]] = []  # noqa: RUF012
    _template = Template(
        """
        {% macro html(this, kwargs) %}<div id={{ this.get_name()|tojson }}></div>{% endmacro %}
        {% macro script(this, kwargs) %}
        startAtlas(L.map({{ this.get_name()|tojson }}, {
            center: {{ this.location|tojson }},
            ...{{ this.options|tojavascript }},
            zoomAnimation: !matchMedia("(prefers-reduced-motion: reduce)").matches
        }));
        {% endmacro %}
        """
    )


class _Page(Figure):
    """The page around the map.

    Parameters
    ----------
    parts : mapping
        What ``page.html.j2`` names besides the map.
    """

    def __init__(self, parts: Mapping[str, Any]) -> None:
        super().__init__()
        self._parts = parts

    def render(self, **kwargs: Any) -> str:
        """Return the page; its scripts are the only ones the browser may run."""
        for child in self._children.values():
            child.render(**kwargs)
        template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
            (ASSETS / "page.html.j2").read_text(encoding="utf-8")
        )
        start = self.script.render().strip()
        scripts = [*self._parts["scripts"], start]
        return template.render(
            **{name: part for name, part in self._parts.items() if name != "scripts"},
            policy=_policy(scripts),
            map=Markup(self.html.render().strip()),
            scripts=[Markup(script) for script in scripts],
        )


def atlas_html(plan: AtlasPlan) -> str:
    """Return the web atlas: one file, offline, Indonesian and English.

    Parameters
    ----------
    plan : AtlasPlan
        Everything that is drawn. Columns whose role is ``hidden`` in every layer are not written.

    Returns
    -------
    str
        HTML; the same plan gives the same text.
    """
    west, south, east, north = plan.focus
    page = _Page(
        {
            "language": plan.language,
            "title": plan.title[plan.language],
            "footer": plan.footer[plan.language],
            "has_focus": plan.focus != plan.bounds,
            "ui": {key: text[plan.language] for key, text in _ui().items()},
            "style": plan.style,
            "css": Markup(_leaflet_css() + _asset("atlas.css")),
            "data": Markup(_json(_data(plan))),
            "scripts": [_leaflet_js(), _asset("atlas.js")],
        }
    )
    atlas = _AtlasMap(
        location=[(south + north) / 2, (west + east) / 2],
        tiles=None,
        zoom_start=10,
        zoom_control=False,
        prefer_canvas=True,
        attribution_control=False,
        zoom_snap=0.25,
        max_zoom=16,
    )
    atlas._name, atlas._id = "map", "atlas"
    page.add_child(atlas)
    return page.render()


def _ui() -> dict[str, Text]:
    return {key: text for key, text in catalogue().items() if key.startswith(("ui.", "legend."))}


@cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


@cache
def _leaflet_js() -> str:
    text = (_leaflet() / "leaflet.js").read_text(encoding="utf-8").replace("\r\n", "\n")
    return re.sub(r"\n//# sourceMappingURL=.*", "", text)


@cache
def _leaflet_css() -> str:
    """Return Leaflet's style with its images inside and without its rule for Internet Explorer."""
    text = (_leaflet() / "leaflet.css").read_text(encoding="utf-8").replace("\r\n", "\n")

    def inline(found: re.Match[str]) -> str:
        image = (_leaflet() / found[1]).read_bytes()
        return f"url(data:image/png;base64,{base64.b64encode(image).decode()})"

    text = re.sub(r"url\((images/[^)]*)\)", inline, text)
    return re.sub(r"[^{}]*\{[^{}]*#default#VML[^{}]*\}", "", text)


def _leaflet() -> Any:
    return files("xstatic.pkg.leaflet") / "data"


def _policy(scripts: list[str]) -> str:
    """Return a content security policy: these scripts, inline style and images, nothing else."""
    hashes = (
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts
    )
    allowed = " ".join(f"'sha256-{value}'" for value in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _json(value: Any) -> str:
    """Write JSON that can stand inside HTML: no character in it means anything to a parser."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _data(plan: AtlasPlan) -> dict[str, Any]:
    """Return what the script draws; see ``atlas.js`` for how it is read."""
    drawn = {layer.table for layer in plan.layers}
    shown = {
        name: _shown([layer for layer in plan.layers if layer.table == name])
        for name in plan.tables
        if name in drawn
    }
    fields = {
        field.name: _field(field)
        for layer in plan.layers
        for field in layer.fields
        if field.name in shown[layer.table]
    }
    tables = {
        name: {
            "columns": {
                column: _cells(plan.tables[name][column], fields[column]) for column in columns
            },
            **_geometry(plan.tables[name], plan.crs),
        }
        for name, columns in shown.items()
    }
    return {
        "language": plan.language,
        "title": plan.title.both(),
        "footer": plan.footer.both(),
        "bounds": plan.bounds,
        "focus": plan.focus,
        "style": {
            name: getattr(plan.style, name)
            for name in ("missing", "line", "strong_line", "ink", "paper")
        },
        "ui": {key: text.both() for key, text in _ui().items()},
        "sources": _cited(plan, tables),
        "groups": [
            {"id": group.id, "title": group.title.both(), "layers": group.layers}
            for group in plan.groups
        ],
        "order": plan.drawing_order,
        "fields": fields,
        "tables": tables,
        "layers": [_layer(layer, shown[layer.table]) for layer in plan.layers],
    }


def _shown(layers: list[LayerPlan]) -> list[str]:
    """Return the columns some layer of one table shows: nothing hidden leaves the house."""
    return list(
        dict.fromkeys(
            field.name
            for layer in layers
            for field in layer.fields
            if field.role != "hidden" or field.name in (layer.value, layer.category)
        )
    )


def _field(field: FieldPlan) -> dict[str, Any]:
    return {
        "label": field.label.both(),
        "unit": field.unit.both() if field.unit else None,
        "kind": "text" if field.is_year else field.kind,
        "decimals": field.decimals,
        "values": {code: text.both() for code, text in field.values.items()},
    }


def _cells(column: pd.Series, field: Mapping[str, Any]) -> list[Any]:
    """Return a column as JSON takes it, numbers rounded to the decimals they are printed with."""
    if field["kind"] in ("whole", "real"):
        places = int(field["decimals"])
        return [None if pd.isna(cell) else _plain(round(float(cell), places)) for cell in column]
    if field["kind"] == "flag":
        return [None if pd.isna(cell) else str(bool(cell)).lower() for cell in column]
    return [None if pd.isna(cell) else str(cell) for cell in column]


def _plain(value: float) -> int | float:
    return int(value) if value.is_integer() else value


def _class(item: ClassPlan) -> dict[str, Any]:
    return {
        "key": item.key,
        "label": item.label.both(),
        "colour": item.colour,
        "count": item.count,
        "lower": item.lower,
        "upper": item.upper,
        "category": item.category,
        "is_missing": item.is_missing,
        "is_hollow": item.is_hollow,
    }


def _layer(layer: LayerPlan, columns: list[str]) -> dict[str, Any]:
    roles = [(field.name, field.role) for field in layer.fields if field.role != "hidden"]
    return {
        "id": layer.id,
        "title": layer.title.both(),
        "note": layer.note.both(),
        "geometry": layer.geometry,
        "table": layer.table,
        "value": layer.value,
        "category": layer.category,
        "unit": layer.unit.both() if layer.unit else None,
        "classes": [_class(item) for item in layer.classes],
        "class_of": layer.class_of.tolist(),
        "diameter_px": [_px(value) for value in layer.diameter_mm],
        "sizes": [
            {"value": size.value, "label": size.label.both(), "px": _px(size.diameter_mm)}
            for size in layer.sizes
        ],
        "hollow": _class(layer.hollow) if layer.hollow else None,
        "hollow_px": _px(layer.missing_mm) if layer.missing_mm else None,
        "line_px": LINE_PX.get(layer.table, 1.0),
        "name": layer.title_field,
        "popup": [name for name, role in roles if role == "popup" and name in columns],
        "caption": layer.caption.both(),
        "is_visible": layer.is_visible,
    }


def _px(millimetres: float) -> float:
    return round(float(millimetres) * PX_PER_MM, 2)


def _cited(plan: AtlasPlan, tables: Mapping[str, Any]) -> dict[str, str]:
    """Return the citations of the sources that some written row names."""
    named = {
        part.strip()
        for table in tables.values()
        for cell in table["columns"].get("source_ids", [])
        if cell
        for part in cell.split(";")
    }
    return {name: text for name, text in plan.sources.items() if name in named}


def _geometry(frame: gpd.GeoDataFrame, crs: CRS) -> dict[str, Any]:
    """Return the places of a table: points, or rings of differences with a place for the name."""
    if (frame.geom_type == "Point").all():
        return {"points": _steps(shapely.get_coordinates(frame.geometry.to_numpy())).tolist()}
    metres = frame.geometry.to_crs(crs).to_numpy()
    if shapely.coverage_is_valid(metres):
        simple = shapely.coverage_simplify(metres, TOLERANCE_M)
    else:  # approximate cells leave gaps: each is simplified for itself
        simple = shapely.simplify(metres, TOLERANCE_M)
    inner = shapely.point_on_surface(simple)
    degrees = gpd.GeoSeries(simple, crs=crs).to_crs(GEOGRAPHIC)
    names = gpd.GeoSeries(inner, crs=crs).to_crs(GEOGRAPHIC)
    return {
        "rings": [_polygons(shape) for shape in degrees],
        "labels": _steps(shapely.get_coordinates(names.to_numpy())).tolist(),
    }


def _polygons(shape: shapely.Geometry) -> list[list[list[int]]]:
    """Return polygons of rings; a ring is x, y, then differences, its closing point left out."""
    return [
        [_differences(_steps(shapely.get_coordinates(ring))) for ring in _rings(part)]
        for part in shapely.get_parts(shape)
    ]


def _rings(part: shapely.Geometry) -> list[shapely.Geometry]:
    return [part.exterior, *part.interiors]


def _steps(degrees: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.rint(degrees * STEP).astype(np.int64)


def _differences(steps: NDArray[np.int64]) -> list[int]:
    open_ring = steps[:-1]
    moves = np.diff(open_ring, axis=0)
    kept = moves[(moves != 0).any(axis=1)]
    return [int(value) for value in np.vstack([open_ring[:1], kept]).ravel()]
