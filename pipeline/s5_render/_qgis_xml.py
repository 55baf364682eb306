"""The pieces every QGIS document is made of: nodes, options, symbols, CRS, expressions.

Documents are built as trees, so that text of any source is escaped by the serialiser and never
becomes markup.
"""

from __future__ import annotations

import re
import uuid
import warnings
from collections.abc import Iterable, Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from pyproj import CRS

QGIS_VERSION = "3.22.0-Białowieża"
"""The oldest QGIS the files are written for; later ones convert what they read."""

GPKG_NAME = "atlas.gpkg"
_NAMESPACE = uuid.UUID("6d1f2a1e-2f5b-5b0e-9d0a-7c0d6f3a9b11")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """Drop the characters no XML document may hold (control characters of broken registers).

    Examples
    --------
    >>> clean("Pasar" + chr(11) + " Setono")
    'Pasar Setono'
    """
    return _NOT_XML.sub("", text)


def node(
    tag: str, attributes: Mapping[str, object] | None = None, *children: Element, text: object = ""
) -> Element:
    """Return an element; numbers are printed shortest, booleans as 1 and 0.

    Examples
    --------
    >>> ElementTree.tostring(node("rule", {"label": 'a "<b>"', "checkstate": True})).decode()
    '<rule label="a &quot;&lt;b&gt;&quot;" checkstate="1" />'
    """
    element = Element(tag, {name: _plain(value) for name, value in (attributes or {}).items()})
    element.extend(children)
    if text != "":
        element.text = _plain(text)
    return element


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        return number(value)
    return clean(str(value))


def number(value: float) -> str:
    """Print a number so that reading it gives the same number.

    Examples
    --------
    >>> number(31.0), number(2.6)
    ('31', '2.6')
    """
    return str(int(value)) if value == int(value) else repr(float(value))


def document(root: Element) -> str:
    """Return a QGIS document as text."""
    ElementTree.indent(root, " ")
    body = ElementTree.tostring(root, encoding="unicode")
    return f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{body}\n"


def fixed_uuid(*parts: str) -> str:
    """Return an identifier in QGIS's form that is the same for the same parts.

    Examples
    --------
    >>> fixed_uuid("firms", "class_1") == fixed_uuid("firms", "class_1")
    True
    """
    return f"{{{uuid.uuid5(_NAMESPACE, '/'.join(parts))}}}"


def map_layer_id(layer: str) -> str:
    """Return the project-wide id of a layer; QGIS cuts ids of ten characters or fewer.

    Examples
    --------
    >>> map_layer_id("firms")
    'atlas_layer_firms'
    """
    return f"atlas_layer_{layer}"


def source(table: str, gpkg_name: str) -> str:
    """Return the data source of a table beside the project, relative to it.

    Examples
    --------
    >>> source("village", "atlas.gpkg")
    './atlas.gpkg|layername=village'
    """
    return f"./{gpkg_name}|layername={table}"


# Expressions


def field_name(name: str) -> str:
    """Return what a column is called in the GeoPackage, which keeps two names for itself.

    Examples
    --------
    >>> field_name("firms_count"), field_name("FID")
    ('firms_count', 'FID_')
    """
    return f"{name}_" if name.lower() in ("fid", "geom") else name


def column(name: str) -> str:
    """Return a column reference of a QGIS expression.

    Examples
    --------
    >>> column("firms_count")
    '"firms_count"'
    """
    return '"' + field_name(name).replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a string of a QGIS expression.

    Examples
    --------
    >>> literal("d'Art")
    "'d''Art'"
    """
    return "'" + clean(text).replace("\\", "\\\\").replace("'", "''") + "'"


def inert(text: str) -> str:
    """Return text QGIS does not evaluate: ``[% … %]`` in labels and tips runs as an expression.

    Examples
    --------
    >>> inert("[% @user_account_name %]")
    '[ % @user_account_name %]'
    """
    return text.replace("[%", "[ %")


# Options and symbols


def options(values: Mapping[str, str], kind: str = "QString") -> list[Element]:
    """Return named options of one type."""
    return [
        node("Option", {"name": name, "type": kind, "value": value})
        for name, value in values.items()
    ]


def option_map(*children: Element, name: str | None = None) -> Element:
    """Return an option that holds others."""
    return node("Option", {**({"name": name} if name else {}), "type": "Map"}, *children)


def properties(tag: str, expressions: Mapping[str, str] | None = None) -> Element:
    """Return a set of data-defined properties, one expression each."""
    defined = [
        option_map(
            node("Option", {"name": "active", "type": "bool", "value": "true"}),
            node("Option", {"name": "expression", "type": "QString", "value": expression}),
            node("Option", {"name": "type", "type": "int", "value": 3}),
            name=name,
        )
        for name, expression in (expressions or {}).items()
    ]
    held = option_map(*defined, name="properties") if defined else _no_properties()
    return node(
        tag,
        {},
        option_map(*options({"name": ""}), held, *options({"type": "collection"})),
    )


def _no_properties() -> Element:
    return node("Option", {"name": "properties"})


def colour(code: str, alpha: int = 255) -> str:
    """Return a colour as QGIS writes it.

    Examples
    --------
    >>> colour("#e6e2da")
    '230,226,218,255'
    """
    red, green, blue = (int(code[i : i + 2], 16) for i in (1, 3, 5))
    return f"{red},{green},{blue},{alpha}"


def rgb(tag: str, code: str) -> Element:
    """Return a colour as layout items hold it."""
    red, green, blue, alpha = colour(code).split(",")
    return node(tag, {"red": red, "green": green, "blue": blue, "alpha": alpha})


def symbol(
    name: str,
    kind: str,
    layer_class: str,
    values: Mapping[str, str],
    expressions: Mapping[str, str] | None = None,
) -> Element:
    """Return a symbol of one layer, its values both as ``Option`` (3.22 on) and as ``prop``."""
    layer = node(
        "layer",
        {"class": layer_class, "enabled": True, "locked": False, "pass": 0},
        option_map(*options(values)),
        *(node("prop", {"k": key, "v": value}) for key, value in values.items()),
        properties("data_defined_properties", expressions),
    )
    return node(
        "symbol",
        {"name": name, "type": kind, "alpha": 1, "clip_to_extent": 1, "force_rhr": 0},
        properties("data_defined_properties"),
        layer,
    )


def fill(name: str, fill_code: str | None, line_code: str | None, line_mm: float = 0.1) -> Element:
    """Return a fill symbol; no fill or no outline where the colour is None."""
    return symbol(
        name,
        "fill",
        "SimpleFill",
        {
            "border_width_map_unit_scale": "3x:0,0,0,0,0,0",
            "color": colour(fill_code) if fill_code else "255,255,255,0",
            "joinstyle": "round",
            "offset": "0,0",
            "offset_map_unit_scale": "3x:0,0,0,0,0,0",
            "offset_unit": "MM",
            "outline_color": colour(line_code) if line_code else "255,255,255,0",
            "outline_style": "solid" if line_code else "no",
            "outline_width": number(line_mm),
            "outline_width_unit": "MM",
            "style": "solid" if fill_code else "no",
        },
    )


def line(name: str, code: str, width_mm: float) -> Element:
    """Return a line symbol."""
    return symbol(
        name,
        "line",
        "SimpleLine",
        {
            "capstyle": "flat",
            "joinstyle": "miter",
            "line_color": colour(code),
            "line_style": "solid",
            "line_width": number(width_mm),
            "line_width_unit": "MM",
            "offset": "0",
            "offset_unit": "MM",
        },
    )


def circle(
    name: str,
    diameter_mm: float,
    fill_code: str | None,
    line_code: str,
    line_mm: float = 0.25,
    expressions: Mapping[str, str] | None = None,
) -> Element:
    """Return a round marker; a ring where the fill is None."""
    return symbol(
        name,
        "marker",
        "SimpleMarker",
        {
            "angle": "0",
            "cap_style": "square",
            "color": colour(fill_code) if fill_code else "255,255,255,0",
            "horizontal_anchor_point": "1",
            "joinstyle": "round",
            "name": "circle",
            "offset": "0,0",
            "offset_map_unit_scale": "3x:0,0,0,0,0,0",
            "offset_unit": "MM",
            "outline_color": colour(line_code),
            "outline_style": "solid",
            "outline_width": number(line_mm),
            "outline_width_map_unit_scale": "3x:0,0,0,0,0,0",
            "outline_width_unit": "MM",
            "scale_method": "diameter",
            "size": number(round(diameter_mm, 4)),
            "size_map_unit_scale": "3x:0,0,0,0,0,0",
            "size_unit": "MM",
            "vertical_anchor_point": "1",
        },
        expressions,
    )


def reference_system(crs: CRS) -> Element:
    """Return a CRS in full: QGIS finds it by its code, else by WKT, else by the PROJ string."""
    with warnings.catch_warnings():
        # The PROJ string says less than the WKT beside it; that is what the warning is about.
        warnings.simplefilter("ignore", UserWarning)
        proj4 = crs.to_proj4()
    authority = crs.to_authority()
    ellipsoid = crs.ellipsoid.to_json_dict().get("id") if crs.ellipsoid else None
    texts: Iterable[tuple[str, object]] = (
        ("wkt", crs.to_wkt()),
        ("proj4", proj4.replace(" +type=crs", "")),
        ("srsid", 0),
        ("srid", authority[1] if authority else 0),
        ("authid", ":".join(authority) if authority else ""),
        ("description", crs.name),
        ("projectionacronym", _projection(proj4)),
        ("ellipsoidacronym", f"{ellipsoid['authority']}:{ellipsoid['code']}" if ellipsoid else ""),
        ("geographicflag", "true" if crs.is_geographic else "false"),
    )
    return node("spatialrefsys", {}, *(node(tag, text=text) for tag, text in texts))


def _projection(proj4: str) -> str:
    found = re.search(r"\+proj=(\S+)", proj4)
    return found[1] if found else ""


def extent(tag: str, bounds: tuple[float, float, float, float], *children: Element) -> Element:
    """Return a rectangle by its limits as attributes."""
    xmin, ymin, xmax, ymax = (round(value, 3) for value in bounds)
    return node(tag, {"xmin": xmin, "ymin": ymin, "xmax": xmax, "ymax": ymax}, *children)


def extent_nodes(
    tag: str, bounds: tuple[float, float, float, float], *children: Element
) -> Element:
    """Return a rectangle by its limits as elements."""
    xmin, ymin, xmax, ymax = (round(value, 3) for value in bounds)
    limits = {"xmin": xmin, "ymin": ymin, "xmax": xmax, "ymax": ymax}
    return node(tag, {}, *(node(name, text=value) for name, value in limits.items()), *children)
