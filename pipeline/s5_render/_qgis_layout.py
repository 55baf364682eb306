"""Print layouts: A4 for every layer that has a figure, A3 for the layers the project opens with."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from pipeline.contracts.text import t
from pipeline.s5_render._qgis_ground import fit, project_bounds, shown_bounds, window
from pipeline.s5_render._qgis_style import with_unit
from pipeline.s5_render._qgis_xml import (
    clean,
    colour,
    extent,
    fill,
    fixed_uuid,
    inert,
    line,
    map_layer_id,
    node,
    number,
    option_map,
    options,
    properties,
    rgb,
    source,
)
from pipeline.s5_render.plan import AtlasPlan, LayerPlan

Box = tuple[float, float, float, float]
"""Left, top, width, height on the page, millimetres."""

_PAGE, _MAP, _LABEL, _LEGEND, _POLYGON, _SCALE_BAR = 65638, 65639, 65641, 65642, 65644, 65646
_MARGIN = 10.0
_GAP = 4.0


@dataclass(frozen=True)
class _Sheet:
    """One layout: its name, page, the layers it draws (top first) and what it says."""

    name: str
    key: str
    width: float
    height: float
    side: float
    font: float
    layers: tuple[LayerPlan, ...]
    title: str
    note: str
    caption: str


def layouts(plan: AtlasPlan, gpkg_name: str) -> Element:
    """Return all print layouts."""
    language = plan.language
    sheets = []
    visible = tuple(layer for layer in _drawn(plan) if layer.is_visible)
    if visible:
        first = [layer for layer in visible if layer.geometry != "outline"]
        sheets.append(
            _Sheet(
                name=f"A3 – {plan.title[language]}",
                key="a3",
                width=420.0,
                height=297.0,
                side=92.0,
                font=1.25,
                layers=visible,
                title=plan.title[language],
                note="; ".join(layer.title[language] for layer in first or visible),
                caption="\n".join(
                    f"{layer.title[language]}: {layer.caption[language]}" for layer in first
                ),
            )
        )
    names = {sheet.name for sheet in sheets}
    for layer in plan.layers:
        if not layer.has_figure:
            continue
        name = f"A4 – {layer.title[language]}"
        name = f"{name} ({layer.id})" if name in names else name
        names.add(name)
        sheets.append(
            _Sheet(
                name=name,
                key=f"a4/{layer.id}",
                width=297.0,
                height=210.0,
                side=70.0,
                font=1.0,
                layers=with_outlines(plan, layer),
                title=layer.title[language],
                note=layer.note[language],
                caption=layer.caption[language],
            )
        )
    return node("Layouts", {}, *(_layout(plan, sheet, gpkg_name) for sheet in sheets))


def _drawn(plan: AtlasPlan) -> list[LayerPlan]:
    """Return the layers in drawing order, top first."""
    return [plan.layer(name) for name in plan.drawing_order[::-1]]


def with_outlines(plan: AtlasPlan, layer: LayerPlan) -> tuple[LayerPlan, ...]:
    """Return what a layer's own layout draws, top first: the layer and the borders around it.

    A choropleth draws the borders of its own units; finer ones would only cover it.
    """

    def belongs(other: LayerPlan) -> bool:
        if other.id == layer.id:
            return True
        if other.geometry != "outline" or layer.table == other.table == "village":
            return False
        return layer.geometry == "symbols" or len(plan.tables[other.table]) <= len(
            plan.tables[layer.table]
        )

    return tuple(other for other in _drawn(plan) if belongs(other))


def _layout(plan: AtlasPlan, sheet: _Sheet, gpkg_name: str) -> Element:
    font, language = sheet.font, plan.language
    inner = sheet.width - 2 * _MARGIN
    caption = f"{sheet.caption}\n{plan.footer[language]}"
    note_height = 1.1 * _text_height(sheet.note, inner, 8.5 * font)
    top = 8 + 9 * font + note_height + _GAP / 2
    strip = _text_height(caption, inner, 7 * font)
    bottom = sheet.height - _MARGIN + 3 - strip - _GAP / 2
    frame = (_MARGIN, top, inner - sheet.side - _GAP, bottom - top)
    left = _MARGIN + frame[2] + _GAP
    foot = 15 * font
    small_height = 50 * font
    small = (left, bottom - foot - small_height, sheet.side, small_height)
    focus = window(plan, frame[2], frame[3], shown_bounds(plan, sheet.layers))
    whole = fit(project_bounds(plan, plan.bounds), small[2], small[3])
    borders = [layer for layer in plan.layers if layer.geometry == "outline"] or sheet.layers
    coarsest = min(borders, key=lambda layer: len(plan.tables[layer.table]))
    per_segment = _scale_step((focus[2] - focus[0]) / frame[2] * (sheet.side - 22) / 1000)
    items = [
        _label(plan, sheet, "title", (_MARGIN, 8, inner, 9 * font), sheet.title, 15, is_bold=True),
        _label(plan, sheet, "note", (_MARGIN, 8 + 9 * font, inner, note_height), sheet.note, 8.5),
        _map(plan, sheet, "map", frame, focus, sheet.layers, gpkg_name),
        _legend(plan, sheet, (left, top - 1, sheet.side, 70 * font), gpkg_name),
        _label(
            plan,
            sheet,
            "inset",
            (left, small[1] - 5 * font, sheet.side, 5 * font),
            t("figure.inset")[language],
            7.5,
        ),
        _map(plan, sheet, "inset map", small, whole, [coarsest], gpkg_name, shows="map"),
        *_north(plan, sheet, left + 1, bottom - foot + 3),
        _scale_bar(plan, sheet, (left + 12 * font, bottom - 11 * font, 50, 11 * font), per_segment),
        _label(plan, sheet, "caption", (_MARGIN, bottom + _GAP / 2, inner, strip), caption, 7),
    ]
    return node(
        "Layout",
        {"name": sheet.name, "units": "mm", "printResolution": 300, "worldFileMap": ""},
        node("Snapper", {"tolerance": 5, "snapToGrid": 0, "snapToGuides": 1, "snapToItems": 1}),
        node("PageCollection", {}, _page(sheet)),
        *items[::-1],
        node("Atlas", {"enabled": 0, "coverageLayer": "", "hideCoverage": 0}),
    )


def _text_height(text: str, width: float, points: float) -> float:
    """Return the height text needs, millimetres, in a typeface of wide letters."""
    per_line = int(width / (0.207 * points))
    rows = sum(max(1, math.ceil(len(part) / per_line)) for part in text.splitlines())
    return rows * 0.486 * points


def _scale_step(room_km: float) -> float:
    """Return the longest round length of which two fit, kilometres.

    Examples
    --------
    >>> _scale_step(5.0), _scale_step(0.9)
    (2.0, 0.2)
    """
    power = 10.0 ** math.floor(math.log10(room_km / 2))
    return max(step * power for step in (1, 2, 5) if step * power <= room_km / 2)


# Items


def _item(
    sheet: _Sheet,
    name: str,
    kind: int,
    box: Box,
    order: int,
    attributes: dict[str, object],
    *children: Element,
) -> Element:
    left, top, width, height = (round(value, 3) for value in box)
    place = f"{number(left)},{number(top)},mm"
    identity = fixed_uuid("layout", sheet.key, name)
    common: dict[str, object] = {
        "type": kind,
        "id": name,
        "uuid": identity,
        "templateUuid": identity,
        "position": place,
        "positionOnPage": place,
        "size": f"{number(width)},{number(height)},mm",
        "referencePoint": 0,
        "itemRotation": 0,
        "zValue": order,
        "visibility": 1,
        "opacity": 1,
        "blendMode": 0,
        "positionLock": "false",
        "excludeFromExports": 0,
        "groupUuid": "",
        "frame": "false",
        "background": "false",
        "frameJoinStyle": "miter",
        "outlineWidthM": "0.3,mm",
    }
    return node(
        "LayoutItem",
        common | attributes,
        rgb("FrameColor", "#8c857a"),
        rgb("BackgroundColor", "#ffffff"),
        node("LayoutObject", {}, properties("dataDefinedProperties")),
        *children,
    )


def _page(sheet: _Sheet) -> Element:
    box = (0.0, 0.0, sheet.width, sheet.height)
    return _item(sheet, "page", _PAGE, box, 0, {"background": "true"}, fill("", "#ffffff", None))


def _label(
    plan: AtlasPlan,
    sheet: _Sheet,
    name: str,
    box: Box,
    text: str,
    points: float,
    is_bold: bool = False,
    is_centred: bool = False,
) -> Element:
    attributes: dict[str, object] = {
        "labelText": inert(clean(text)),
        "htmlState": 0,
        "halign": 4 if is_centred else 1,
        "valign": 32,
        "marginX": 0,
        "marginY": 0,
    }
    return _item(
        sheet,
        name,
        _LABEL,
        box,
        10,
        attributes,
        _font("LabelFont", points * sheet.font, is_bold),
        rgb("FontColor", plan.style.ink),
    )


def _font(tag: str, points: float, is_bold: bool = False) -> Element:
    """Return a font of the sans-serif family every system has under some name."""
    weight = 75 if is_bold else 50
    description = f"Arial,{number(round(points, 2))},-1,5,{weight},0,0,0,0,0"
    return node(tag, {"description": description, "style": ""})


def _layer_reference(layer: LayerPlan, plan: AtlasPlan, gpkg_name: str) -> dict[str, object]:
    return {
        "name": layer.title[plan.language],
        "source": source(layer.table, gpkg_name),
    }


def _map(
    plan: AtlasPlan,
    sheet: _Sheet,
    name: str,
    box: Box,
    bounds: tuple[float, float, float, float],
    layers: Sequence[LayerPlan],
    gpkg_name: str,
    shows: str | None = None,
) -> Element:
    """Return a map locked to its own layers; `shows` is the map whose extent it marks."""
    drawn = [
        node(
            "Layer",
            {**_layer_reference(layer, plan, gpkg_name), "provider": "ogr"},
            text=map_layer_id(layer.id),
        )
        for layer in layers
    ]
    item = _item(
        sheet,
        name,
        _MAP,
        box,
        1,
        {
            "keepLayerSet": "true",
            "followPreset": "false",
            "followPresetName": "",
            "mapRotation": 0,
            "mapFlags": 0,
            "drawCanvasItems": "true",
            "labelMargin": "1,mm",
            "isTemporal": 0,
            "frame": "true",
            "background": "true",
            "outlineWidthM": "0.2,mm",
        },
        extent("Extent", bounds),
        node("LayerSet", {}, *drawn),
    )
    found = item.find("BackgroundColor")
    if found is not None:
        item.remove(found)
    item.append(rgb("BackgroundColor", plan.style.paper))
    if shows:
        item.append(
            node(
                "ComposerMapOverview",
                {
                    "name": "extent",
                    "show": 1,
                    "uuid": fixed_uuid("layout", sheet.key, name, "overview"),
                    "position": 3,
                    "frameMap": fixed_uuid("layout", sheet.key, shows),
                    "blendMode": 0,
                    "inverted": 0,
                    "centered": 0,
                },
                fill("", None, "#d55e00", 0.6),
            )
        )
    item.append(node("AtlasMap", {"atlasDriven": 0, "scalingMode": 2, "margin": 0.1}))
    return item


def _legend(plan: AtlasPlan, sheet: _Sheet, box: Box, gpkg_name: str) -> Element:
    entries = [
        node(
            "layer-tree-layer",
            {
                "id": map_layer_id(layer.id),
                **_layer_reference(layer, plan, gpkg_name),
                "providerKey": "ogr",
                "checked": "Qt::Checked",
                "expanded": 1,
                "legend_exp": "",
                "legend_split_behavior": 0,
                "patch_size": "-1,-1",
            },
            node("customproperties", {}, option_map(*options(_heading(plan, layer)))),
        )
        for layer in sorted(sheet.layers, key=lambda layer: layer.geometry == "outline")
    ]
    styles: list[tuple[str, float, bool, dict[str, object]]] = [
        ("title", 10, True, {"marginBottom": 2}),
        ("group", 9, True, {"marginTop": 2}),
        ("subgroup", 8.5, True, {"marginTop": 2.5, "marginBottom": 1}),
        ("symbol", 8, False, {"marginTop": 1.2}),
        ("symbolLabel", 8, False, {"marginLeft": 2, "marginTop": 1.2}),
    ]
    return _item(
        sheet,
        "legend",
        _LEGEND,
        box,
        5,
        {
            "title": "",
            "map_uuid": fixed_uuid("layout", sheet.key, "map"),
            "resizeToContents": 1,
            "legendFilterByAtlas": 0,
            "columnCount": 1,
            "splitLayer": 0,
            "equalColumnWidth": 0,
            "columnSpace": 2,
            "boxSpace": 0,
            "lineSpacing": 1,
            "symbolWidth": 6 * sheet.font,
            "symbolHeight": 3.6 * sheet.font,
            "minSymbolSize": 0,
            "maxSymbolSize": 0,
            "symbolAlignment": 1,
            "titleAlignment": 1,
            "wrapChar": "\n",
            "fontColor": plan.style.ink,
            "rasterBorder": 0,
            "rasterBorderWidth": 0,
            "rasterBorderColor": "0,0,0,255",
            "wmsLegendWidth": 50,
            "wmsLegendHeight": 25,
        },
        node(
            "styles",
            {},
            *(
                node(
                    "style",
                    {"name": name, "indent": 0, "alignment": 1, **margins},
                    _font("styleFont", points * sheet.font, is_bold),
                )
                for name, points, is_bold, margins in styles
            ),
        ),
        node("layer-tree-group", {}, *entries),
    )


def _heading(plan: AtlasPlan, layer: LayerPlan) -> dict[str, str]:
    """Return what heads a layer in the legend: nothing where its only class says the same."""
    if layer.geometry == "outline":
        return {}
    if len(layer.classes) == 1:
        return {"legend/title-style": "hidden"}
    title = layer.title[plan.language] if layer.sizes else with_unit(layer, plan.language)
    return {
        "legend/title-label": "\n".join(textwrap.wrap(title, 36)),
        "legend/title-style": "subgroup",
    }


def _north(plan: AtlasPlan, sheet: _Sheet, left: float, top: float) -> list[Element]:
    """Return an arrow to grid north: letter and two halves, one dark and one light."""
    font, ink = sheet.font, plan.style.ink
    width, height = 6.0 * font, 8.0 * font
    half, notch = width / 2, height * 0.72
    halves = (
        ("north west", ink, [(half, 0.0), (half, notch), (0.0, height)], left),
        ("north east", "#ffffff", [(0.0, 0.0), (half, height), (0.0, notch)], left + half),
    )
    items = [
        _item(
            sheet,
            name,
            _POLYGON,
            (x, top + 4 * font, half, height),
            8,
            {},
            fill("", inside, ink, 0.2),
            node("nodes", {}, *(node("node", {"x": nx, "y": ny}) for nx, ny in nodes)),
        )
        for name, inside, nodes, x in halves
    ]
    letter = t("figure.grid_north")[plan.language]
    box = (left - 2, top - 0.5, width + 4, 4.5 * font)
    return [*items, _label(plan, sheet, "north", box, letter, 9, is_bold=True, is_centred=True)]


def _scale_bar(plan: AtlasPlan, sheet: _Sheet, box: Box, step_km: float) -> Element:
    ink = plan.style.ink
    decimals = max(0, -math.floor(math.log10(step_km)))
    separators = (",", ".") if plan.language == "id" else (".", ",")
    return _item(
        sheet,
        "scale bar",
        _SCALE_BAR,
        box,
        8,
        {
            "style": "Single Box",
            "mapUuid": fixed_uuid("layout", sheet.key, "map"),
            "unitType": "km",
            "unitLabel": "km",
            "numMapUnitsPerScaleBarUnit": 1,
            "numUnitsPerSegment": step_km,
            "numSegments": 2,
            "numSegmentsLeft": 0,
            "segmentSizeMode": 0,
            "segmentMillimeters": 50,
            "minBarWidth": 30,
            "maxBarWidth": 150,
            "height": 1.8 * sheet.font,
            "numSubdivisions": 1,
            "subdivisionsHeight": 1.5,
            "labelBarSpace": 1,
            "boxContentSpace": 1,
            "labelVerticalPlacement": 0,
            "labelHorizontalPlacement": 0,
            "alignment": 0,
            "outlineWidth": 0.2,
            "lineJoinStyle": "miter",
            "lineCapStyle": "square",
        },
        node(
            "text-style",
            {
                "fontSize": 7.5 * sheet.font,
                "fontSizeUnit": "Point",
                "fontWeight": 50,
                "textColor": colour(ink),
                "textOpacity": 1,
            },
        ),
        node(
            "numericFormat",
            {"id": "basic"},
            option_map(
                *options({"decimals": str(decimals), "rounding_type": "0"}, "int"),
                *options({"decimal_separator": separators[0]}, "QChar"),
                *options({"thousand_separator": separators[1]}, "QChar"),
                *options(
                    {
                        "show_plus": "false",
                        "show_thousand_separator": "true",
                        "show_trailing_zeros": "false",
                    },
                    "bool",
                ),
            ),
        ),
        rgb("strokeColor", ink),
        rgb("fillColor", ink),
        rgb("fillColor2", "#ffffff"),
        *(
            node(tag, {}, line("", ink, 0.2))
            for tag in ("lineSymbol", "divisionLineSymbol", "subdivisionLineSymbol")
        ),
        node("fillSymbol1", {}, fill("", ink, None)),
        node("fillSymbol2", {}, fill("", "#ffffff", None)),
    )
