"""The QGIS project: layers with their styles, groups, variables, view and print layouts."""

from __future__ import annotations

import json
from xml.etree.ElementTree import Element

from pipeline.contracts.text import t
from pipeline.s5_render._qgis_ground import project_bounds, window
from pipeline.s5_render._qgis_layout import layouts
from pipeline.s5_render._qgis_style import layer_attributes, style_nodes
from pipeline.s5_render._qgis_xml import (
    QGIS_VERSION,
    colour,
    document,
    extent,
    extent_nodes,
    map_layer_id,
    node,
    reference_system,
    source,
)
from pipeline.s5_render.plan import AtlasPlan, LayerPlan


def project(plan: AtlasPlan, gpkg_name: str) -> str:
    """Return the project as text: the same plan gives the same text.

    Parameters
    ----------
    plan : AtlasPlan
    gpkg_name : str
        Name of the GeoPackage that lies beside the project.
    """
    language = plan.language
    order = [map_layer_id(name) for name in plan.drawing_order[::-1]]
    focus = window(plan, 16, 10)
    whole = project_bounds(plan, plan.bounds)
    # No time and no user name: the same plan makes the same file.
    attributes = {"version": QGIS_VERSION, "projectname": plan.title[language]}
    root = node(
        "qgis",
        attributes,
        node("homePath", {"path": ""}),
        node("title", text=plan.title[language]),
        node("autotransaction", {"active": 0}),
        node("evaluateDefaultValues", {"active": 0}),
        node("trust", {"active": 0}),
        node("projectCrs", {}, reference_system(plan.crs)),
        _tree(plan, gpkg_name, order),
        node("relations"),
        node(
            "mapcanvas",
            {"name": "theMapCanvas", "annotationsVisible": 1},
            node("units", text="meters"),
            extent_nodes("extent", focus),
            node("rotation", text=0),
            node("destinationsrs", {}, reference_system(plan.crs)),
            node("rendermaptile", text=0),
        ),
        node("projectlayers", {}, *(_layer(plan, layer, gpkg_name) for layer in plan.layers)),
        node("layerorder", {}, *(node("layer", {"id": name}) for name in order)),
        _properties(plan),
        node("visibility-presets"),
        node("transformContext"),
        _metadata(plan),
        node("Annotations"),
        layouts(plan, gpkg_name),
        node(
            "ProjectViewSettings",
            {"UseProjectScales": 0, "rotation": 0},
            node("Scales"),
            extent("DefaultViewExtent", focus, reference_system(plan.crs)),
            extent("PresetFullExtent", whole, reference_system(plan.crs)),
        ),
    )
    return document(root)


def _tree(plan: AtlasPlan, gpkg_name: str, order: list[str]) -> Element:
    """Return groups and layers as the panel lists them, and the order they are drawn in."""
    groups = [
        node(
            "layer-tree-group",
            {"name": group.title[plan.language], "checked": "Qt::Checked", "expanded": 1},
            *(_entry(plan, plan.layer(name), gpkg_name) for name in group.layers),
        )
        for group in plan.groups
    ]
    items = [node("item", text=name) for name in order]
    return node("layer-tree-group", {}, *groups, node("custom-order", {"enabled": 1}, *items))


def _entry(plan: AtlasPlan, layer: LayerPlan, gpkg_name: str) -> Element:
    return node(
        "layer-tree-layer",
        {
            "id": map_layer_id(layer.id),
            "name": layer.title[plan.language],
            "source": source(layer.table, gpkg_name),
            "providerKey": "ogr",
            "checked": "Qt::Checked" if layer.is_visible else "Qt::Unchecked",
            "expanded": layer.is_visible and layer.geometry != "outline",
            "legend_exp": "",
            "legend_split_behavior": 0,
            "patch_size": "-1,-1",
        },
    )


def _layer(plan: AtlasPlan, layer: LayerPlan, gpkg_name: str) -> Element:
    language = plan.language
    is_point = layer.geometry == "symbols"
    xmin, ymin, xmax, ymax = (float(value) for value in plan.tables[layer.table].total_bounds)
    caption = layer.caption[language]
    abstract = f"{layer.note[language]} {caption}"
    return node(
        "maplayer",
        layer_attributes(plan, layer)
        | {
            "type": "vector",
            "geometry": "Point" if is_point else "Polygon",
            "wkbType": "Point" if is_point else "MultiPolygon",
            "refreshOnNotifyEnabled": 0,
            "autoRefreshEnabled": 0,
            "autoRefreshTime": 0,
        },
        extent_nodes("extent", project_bounds(plan, (xmin, ymin, xmax, ymax))),
        node("id", text=map_layer_id(layer.id)),
        node("datasource", text=source(layer.table, gpkg_name)),
        node("shortname", text=layer.id),
        node("title", text=layer.title[language]),
        node("abstract", text=abstract),
        node("keywordList", {}, node("value", text=plan.area)),
        node("attribution", {"href": ""}, text=caption),
        node("layername", text=layer.title[language]),
        node("srs", {}, reference_system(plan.crs)),
        node(
            "resourceMetadata",
            {},
            node("identifier", text=f"{plan.area}/{plan.build}/{layer.id}"),
            node("language", text=language),
            node("type", text="dataset"),
            node("title", text=layer.title[language]),
            node("abstract", text=abstract),
            node("rights", text=plan.footer[language]),
            node("crs", {}, reference_system(plan.crs)),
            node("extent"),
        ),
        node("provider", {"encoding": "UTF-8"}, text="ogr"),
        node("flags", {}, *(node(name, text=1) for name in ("Identifiable", "Searchable"))),
        *style_nodes(plan, layer),
    )


def _properties(plan: AtlasPlan) -> Element:
    red, green, blue, _ = colour(plan.style.paper).split(",")
    variables = {
        "atlas_area": plan.area,
        "atlas_build": plan.build,
        "atlas_footer": plan.footer[plan.language],
        "atlas_sources": json.dumps(dict(plan.sources), ensure_ascii=False, sort_keys=True),
        "atlas_version": plan.version,
    }

    def values(tag: str, texts: list[str]) -> Element:
        return node(tag, {"type": "QStringList"}, *(node("value", text=text) for text in texts))

    def typed(tag: str, kind: str, text: object) -> Element:
        return node(tag, {"type": kind}, text=text)

    return node(
        "properties",
        {},
        node(
            "Gui",
            {},
            typed("CanvasColorRedPart", "int", red),
            typed("CanvasColorGreenPart", "int", green),
            typed("CanvasColorBluePart", "int", blue),
        ),
        node(
            "Measurement",
            {},
            typed("DistanceUnits", "QString", "meters"),
            typed("AreaUnits", "QString", "km2"),
        ),
        node("Paths", {}, typed("Absolute", "bool", "false")),
        node("SpatialRefSys", {}, typed("ProjectionsEnabled", "int", 1)),
        node(
            "Variables",
            {},
            values("variableNames", list(variables)),
            values("variableValues", list(variables.values())),
        ),
    )


def _metadata(plan: AtlasPlan) -> Element:
    language = plan.language
    shown = "; ".join(layer.title[language] for layer in plan.layers)
    created = [node("creation", text=f"{plan.moment:%Y-%m-%dT%H:%M:%S}")] if plan.moment else []
    return node(
        "projectMetadata",
        {},
        node("identifier", text=f"{plan.area}/{plan.build}"),
        node("language", text=language),
        node("type", text="dataset"),
        node("title", text=plan.title[language]),
        node("abstract", text=f"{t('ui.layers')[language]}: {shown}. {plan.footer[language]}."),
        node("author"),
        *created,
    )
