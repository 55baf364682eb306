"""How QGIS draws, labels and describes one layer of the plan: the inside of a QML style."""

from __future__ import annotations

import html
from xml.etree.ElementTree import Element

from pipeline.contracts.text import Language, number_text, t
from pipeline.s5_render._qgis_ground import a4_scale
from pipeline.s5_render._qgis_xml import (
    QGIS_VERSION,
    circle,
    clean,
    colour,
    column,
    document,
    field_name,
    fill,
    fixed_uuid,
    inert,
    literal,
    map_layer_id,
    node,
    number,
    option_map,
    options,
    properties,
)
from pipeline.s5_render.plan import UNCATEGORISED, AtlasPlan, ClassPlan, FieldPlan, LayerPlan

OUTLINE_MM = {"village": 0.12, "district": 0.35, "regency": 0.6}
"""Line width by table: the larger the unit, the stronger its border."""

_LABEL_SCALES = {
    "village": (1, 75_000),
    "district": (20_000, 300_000),
    "regency": (150_000, 600_000),
}
_NAMED = 150_000
_ALWAYS_NAMED = 25_000
_MOST_TESTED = 200
_FALSE = "FALSE"


def class_label(item: ClassPlan, language: Language) -> str:
    """Return a class's legend text with its count, such as ``22–31 (n = 4)``."""
    count = t("legend.count", n=number_text(item.count, 0))
    return f"{item.label[language]} ({count[language]})"


def class_filter(layer: LayerPlan, item: ClassPlan) -> str:
    """Return the expression that is true for the features of a class, and for no others."""
    if item.category is not None:
        return f"{column(str(layer.category))} = {literal(item.category)}"
    if item.key == UNCATEGORISED:
        return f"{column(str(layer.category))} IS NULL"
    if item.is_missing:
        return f"{column(str(layer.value))} IS NULL"
    if item.lower is None or item.upper is None:
        return ""
    value = column(str(layer.value))
    above = ">=" if item.key == layer.classes[0].key else ">"
    return f"{value} {above} {number(item.lower)} AND {value} <= {number(item.upper)}"


def with_unit(layer: LayerPlan, language: Language) -> str:
    """Return a layer's title with the unit of its value, unless the title says it."""
    title, unit = layer.title[language], layer.unit and layer.unit[language]
    return f"{title} ({unit})" if unit and unit.lower() not in title.lower() else title


def alias(field: FieldPlan, language: Language) -> str:
    """Return a column's label with its unit, unless the label says it.

    Examples
    --------
    >>> from pipeline.s5_render.plan import field_plan
    >>> alias(field_plan("area_km2"), "en"), alias(field_plan("firms_count"), "en")
    ('Area (km²)', 'Firms')
    """
    label, unit = field.label[language], field.unit and field.unit[language]
    return f"{label} ({unit})" if unit and unit.lower() not in label.lower() else label


# Renderer


def renderer(plan: AtlasPlan, layer: LayerPlan) -> Element:
    """Return the renderer: one rule a class, the same limits and colours as the plan."""
    if layer.geometry == "outline":
        return _outline(layer)
    rules: list[Element] = []
    symbols: list[Element] = []
    for item in layer.classes:
        rules.append(_rule(layer, item.key, class_label(item, plan.language), str(len(symbols))))
        rules[-1].set("filter", class_filter(layer, item))
        name = str(len(symbols))
        symbols.append(
            fill(name, item.colour, plan.style.line)
            if layer.geometry == "choropleth"
            else _proportional(name, plan, layer, item)
        )
    if layer.geometry == "symbols":
        _legend_of_sizes(plan, layer, rules, symbols)
    root = node(
        "renderer-v2",
        {
            "type": "RuleRenderer",
            "symbollevels": 0,
            "forceraster": 0,
            "referencescale": -1,
            "enableorderby": bool(layer.sizes),
        },
        node("rules", {"key": fixed_uuid(layer.id, "rules")}, *rules),
        node("symbols", {}, *symbols),
    )
    if layer.sizes:
        # Small circles are drawn over large ones, or they could not be seen.
        clause = node("orderByClause", {"asc": 0, "nullsFirst": 0}, text=column(str(layer.value)))
        root.append(node("orderby", {}, clause))
    return root


def _outline(layer: LayerPlan) -> Element:
    width = OUTLINE_MM.get(layer.table, OUTLINE_MM["district"])
    return node(
        "renderer-v2",
        {
            "type": "singleSymbol",
            "symbollevels": 0,
            "forceraster": 0,
            "referencescale": -1,
            "enableorderby": 0,
        },
        node("symbols", {}, fill("0", None, layer.classes[0].colour, width)),
        node("rotation"),
        node("sizescale"),
    )


def _rule(layer: LayerPlan, key: str, label: str, symbol: str | None) -> Element:
    attributes = {"key": fixed_uuid(layer.id, key), "label": label}
    return node("rule", attributes | ({"symbol": symbol} if symbol is not None else {}))


def _proportional(name: str, plan: AtlasPlan, layer: LayerPlan, item: ClassPlan) -> Element:
    """Return a circle whose area is proportional to the value, a ring where there is none."""
    static_mm = layer.missing_mm or 2.0
    if item.is_hollow:
        return circle(name, static_mm, None, item.colour, 0.5)
    if layer.value is None or not layer.max_value or layer.max_mm is None:
        return circle(name, static_mm, item.colour, plan.style.paper)
    value = column(layer.value)
    size = (
        f"coalesce({number(layer.max_mm)} * sqrt({value} / {number(layer.max_value)}), "
        f"{number(static_mm)})"
    )

    def unless_missing(shown: str, missing: str) -> str:
        return f"if({value} IS NULL, {literal(missing)}, {literal(shown)})"

    return circle(
        name,
        max(static_mm, layer.max_mm / 3),
        item.colour,
        plan.style.paper,
        expressions={
            "size": size,
            "fillColor": unless_missing(colour(item.colour), colour(plan.style.paper, 0)),
            "outlineColor": unless_missing(colour(plan.style.paper), colour(item.colour)),
            "outlineWidth": f"if({value} IS NULL, 0.5, 0.25)",
        },
    )


def _legend_of_sizes(
    plan: AtlasPlan, layer: LayerPlan, rules: list[Element], symbols: list[Element]
) -> None:
    """Add rules that draw nothing on the map and explain rings and sizes in every legend."""
    language = plan.language

    def shown(key: str, label: str, ring: Element) -> Element:
        rule = _rule(layer, key, label, str(len(symbols)))
        rule.set("filter", _FALSE)
        ring.set("name", str(len(symbols)))
        symbols.append(ring)
        return rule

    if layer.hollow:
        ring = circle("", layer.missing_mm or 2.0, None, layer.hollow.colour, 0.5)
        rules.append(shown("hollow", class_label(layer.hollow, language), ring))
    if layer.sizes:
        by = next(field for field in layer.fields if field.name == layer.value)
        heading = _rule(
            layer, "sizes", f"{t('legend.size')[language]}: {alias(by, language)}", None
        )
        heading.set("filter", _FALSE)
        heading.extend(
            shown(
                f"size_{number(size.value)}",
                size.label[language],
                circle("", size.diameter_mm, None, plan.style.ink, 0.3),
            )
            for size in layer.sizes
        )
        rules.append(heading)


# Labels


def labeling(plan: AtlasPlan, layer: LayerPlan) -> Element | None:
    """Return the labels of a layer, or None.

    A name is written once: a layer leaves its names out while a layer above names the same places,
    and of several symbols of one name in one district the first carries it.
    """
    scales = _LABEL_SCALES.get(layer.table)
    if layer.geometry == "symbols" or (layer.geometry == "choropleth" and layer.table == "village"):
        # What a map is about is named wherever its own layout shows it.
        scales = (1, max(_NAMED, round(1.2 * a4_scale(plan, layer))))
    elif scales is None or layer.geometry == "choropleth":
        return None
    name = column(layer.title_field)
    if layer.geometry == "choropleth":
        name = f"CASE WHEN {column(str(layer.value))} IS NOT NULL THEN {name} END"
    others, repeated = _naming(plan, layer), _repeated(plan, layer)
    shows = []
    if others:
        drawn = ", ".join(literal(map_layer_id(other)) for other in others)
        shows.append(f"NOT array_intersect(@map_layer_ids, array({drawn}))")
        if layer.geometry == "outline":
            shows = [f"@map_scale <= {_ALWAYS_NAMED} OR {shows[0]}"]
    if repeated:
        keys = ", ".join(literal(key) for key in repeated)
        shows.append(f"{column(layer.key)} NOT IN ({keys})")
    show = " AND ".join([*shows, *_named_by_symbols(plan, layer)])
    settings = node(
        "settings",
        {"calloutType": "simple"},
        _text_style(plan, layer, name),
        node("text-format", {"multilineAlign": 3, "autoWrapLength": 0, "wrapChar": ""}),
        _placement(layer),
        node(
            "rendering",
            {
                "scaleVisibility": True,
                "scaleMin": scales[0],
                "scaleMax": float(scales[1]),
                "drawLabels": True,
                "displayAll": False,
                "obstacle": layer.geometry == "symbols",
                "obstacleFactor": 2,
                "obstacleType": 1,
                "upsidedownLabels": 0,
                "labelPerPart": False,
                "maxNumLabels": 2000,
                "zIndex": 0,
            },
        ),
        properties("dd_properties", {"Show": show} if show else None),
    )
    return node("labeling", {"type": "simple"}, settings)


def _naming(plan: AtlasPlan, layer: LayerPlan) -> list[str]:
    """Return the layers whose names stand in for this one's while they are drawn."""
    if layer.geometry == "symbols":
        above = plan.layers[: plan.layers.index(layer)]
        keys = set(plan.tables[layer.table][layer.key])
        return [
            other.id
            for other in above
            if other.geometry == "symbols" and keys & set(plan.tables[other.table][other.key])
        ]
    if layer.table != "village":
        return []
    above = plan.layers if layer.geometry == "outline" else plan.layers[: plan.layers.index(layer)]
    return [
        other.id
        for other in above
        if _names_villages(plan, other)
        or (other.geometry == "choropleth" and other.table == layer.table)
    ]


def _names_villages(plan: AtlasPlan, layer: LayerPlan) -> bool:
    """Tell whether symbols stand in villages, not for whole districts."""
    table = plan.tables[layer.table]
    is_symbols = layer.geometry == "symbols"
    return is_symbols and "village_name" in table and bool(table["village_name"].notna().any())


def _named_by_symbols(plan: AtlasPlan, layer: LayerPlan) -> list[str]:
    """Return conditions that leave out the districts symbols stand for while those are drawn."""
    if layer.geometry != "outline" or layer.table != "district":
        return []
    name, districts = column(layer.title_field), set(plan.tables["district"][layer.title_field])
    conditions = []
    for other in plan.layers:
        if other.geometry != "symbols" or _names_villages(plan, other):
            continue
        named = sorted(districts & set(plan.tables[other.table][other.title_field]))
        if named:
            listed = ", ".join(literal(one) for one in named)
            drawn = f"array_contains(@map_layer_ids, {literal(map_layer_id(other.id))})"
            conditions.append(f"NOT ({drawn} AND {name} IN ({listed}))")
    return conditions


def _repeated(plan: AtlasPlan, layer: LayerPlan) -> list[str]:
    """Return the keys of symbols whose name another one of their district carries."""
    table = plan.tables[layer.table]
    if layer.geometry != "symbols" or len(table) > _MOST_TESTED:
        return []
    place = [layer.title_field, *(["district_name"] if "district_name" in table else [])]
    return [str(key) for key in table.loc[table.duplicated(list(dict.fromkeys(place))), layer.key]]


def _text_style(plan: AtlasPlan, layer: LayerPlan, name: str) -> Element:
    size, weight, spacing, capitals, ink = 8.0, 63, 0.0, 0, plan.style.ink
    if layer.geometry == "outline":
        size, weight, spacing, capitals = {
            "village": (7.0, 50, 0.0, 0),
            "district": (7.5, 75, 1.0, 1),
        }.get(layer.table, (10.0, 75, 1.5, 1))
        ink = plan.style.strong_line
    # No font is named: the one of the user's own QGIS is always there.
    return node(
        "text-style",
        {
            "fieldName": name,
            "isExpression": True,
            "fontSize": size,
            "fontSizeUnit": "Point",
            "fontWeight": weight,
            "fontItalic": False,
            "fontLetterSpacing": spacing,
            "capitalization": capitals,
            "multilineHeight": 1,
            "textColor": colour(ink),
            "textOpacity": 1,
            "namedStyle": "",
        },
        node(
            "text-buffer",
            {
                "bufferDraw": True,
                "bufferSize": 0.8,
                "bufferSizeUnits": "MM",
                "bufferColor": colour(plan.style.paper),
                "bufferOpacity": 0.9,
                "bufferNoFill": True,
                "bufferJoinStyle": 128,
            },
        ),
    )


def _placement(layer: LayerPlan) -> Element:
    common = {"distUnits": "MM", "offsetUnits": "MM", "quadOffset": 4, "polygonPlacementFlags": 2}
    if layer.geometry == "symbols":
        # Around the point in the cartographer's order, measured from the circle's edge.
        around = {
            "placement": 6,
            "predefinedPositionOrder": "TR,TL,BR,BL,R,L,TSR,BSR",
            "offsetType": 1,
            "dist": 0.4,
            "priority": 9,
        }
        return node("placement", common | around)
    priority = {"village": 3, "district": 7}.get(layer.table, 8)
    return node("placement", common | {"placement": 4, "centroidInside": 1, "priority": priority})


# Fields and map tips


def fields(plan: AtlasPlan, layer: LayerPlan) -> list[Element]:
    """Return widgets, aliases, table columns, display name and map tip of a layer."""
    language = plan.language
    shown = [field for field in layer.fields if field.role != "hidden"]
    hidden = [field for field in layer.fields if field.role == "hidden"]
    columns = [
        node("column", {"type": "field", "name": field_name(field.name), "hidden": field in hidden})
        for field in [*shown, *hidden]
    ]
    return [
        node(
            "fieldConfiguration",
            {},
            *(
                node(
                    "field",
                    {"name": field_name(field.name), "configurationFlags": "None"},
                    _widget(field, language),
                )
                for field in layer.fields
            ),
        ),
        node(
            "aliases",
            {},
            *(
                node(
                    "alias",
                    {"field": field_name(field.name), "name": alias(field, language), "index": i},
                )
                for i, field in enumerate(layer.fields, start=1)  # 0 is the fid
            ),
        ),
        node("attributetableconfig", {"sortOrder": 0}, node("columns", {}, *columns)),
        node("previewExpression", text=column(layer.title_field)),
        node("mapTip", text=map_tip(plan, layer)),
    ]


def _widget(field: FieldPlan, language: Language) -> Element:
    if field.role == "hidden":
        return _edit_widget("Hidden", node("Option"))
    if field.values:
        pairs = [
            option_map(*options({text[language]: code})) for code, text in field.values.items()
        ]
        return _edit_widget(
            "ValueMap", option_map(node("Option", {"name": "map", "type": "List"}, *pairs))
        )
    return _edit_widget("TextEdit", node("Option"))


def _edit_widget(kind: str, config: Element) -> Element:
    return node("editWidget", {"type": kind}, node("config", {}, config))


def map_tip(plan: AtlasPlan, layer: LayerPlan) -> str:
    """Return the HTML shown over a feature: its name, each field, caption.

    Values are put in by QGIS, so their escaping is part of the expression.
    """
    language = plan.language
    rows = [_tip_row(field, language) for field in layer.fields if field.role == "popup"]
    title = _escaped(f"coalesce(to_string({column(layer.title_field)}), '')")
    caption = html.escape(inert(clean(layer.caption[language])))
    return (
        f"<b>[% {title} %]</b>"
        f'<table cellpadding="1">{"".join(rows)}</table>'
        f"<small>{caption}</small>"
    )


def _tip_row(field: FieldPlan, language: Language) -> str:
    """Return a table row; text that is not there is left out, a missing number is a dash."""
    label = html.escape(inert(field.label[language]))
    value = _escaped(_shown_value(field, language))
    missing = "''" if field.kind == "text" else literal(f"<tr><td>{label}</td><td>–</td></tr>")
    cell = f"{literal(f'<tr><td>{label}</td><td>')} || {value} || '</td></tr>'"
    return f"[% CASE WHEN {column(field.name)} IS NULL THEN {missing} ELSE {cell} END %]"


def _shown_value(field: FieldPlan, language: Language) -> str:
    """Return the expression that prints a field's value as the web atlas does."""
    name = column(field.name)
    if field.name == "source_ids":
        # The project holds the citations once, as JSON: ids become readable sources.
        cited = "coalesce(map_get(json_to_map(@atlas_sources), @element), @element)"
        return f"array_to_string(array_foreach(string_to_array({name}, '; '), {cited}), '; ')"
    if field.values:
        words = ", ".join(
            f"{literal(code)}, {literal(text[language])}" for code, text in field.values.items()
        )
        code = f"if({name}, 'true', 'false')" if field.kind == "flag" else name
        return f"coalesce(map_get(map({words}), {code}), to_string({name}))"
    if field.kind in ("whole", "real") and not field.is_year:
        text = f"format_number({name}, {field.decimals}, {literal(language)})"
        return f"{text} || {literal(' ' + field.unit[language])}" if field.unit else text
    return f"to_string({name})"


def _escaped(expression: str) -> str:
    """Return the expression with the three characters that are markup replaced."""
    return f"replace({expression}, map('&', '&amp;', '<', '&lt;', '>', '&gt;'))"


# The style


def style_nodes(plan: AtlasPlan, layer: LayerPlan) -> list[Element]:
    """Return everything a style holds, for the QML and for the project's own layer."""
    labels = labeling(plan, layer)
    return [
        renderer(plan, layer),
        *([labels] if labels is not None else []),
        node("blendMode", text=0),
        node("featureBlendMode", text=0),
        node("layerOpacity", text=1),
        node("legend", {"type": "default-vector", "showLabelLegend": 0}),
        *fields(plan, layer),
    ]


def layer_attributes(plan: AtlasPlan, layer: LayerPlan) -> dict[str, object]:
    """Return the attributes style and project layer share."""
    return {
        "styleCategories": "AllStyleCategories",
        "labelsEnabled": labeling(plan, layer) is not None,
        "hasScaleBasedVisibilityFlag": 0,
        "simplifyDrawingHints": int(layer.geometry != "symbols"),
        "simplifyDrawingTol": 1,
        "simplifyAlgorithm": 0,
        "simplifyLocal": 1,
        "simplifyMaxScale": 1,
        "symbologyReferenceScale": -1,
        "minScale": 100000000,
        "maxScale": 0,
        "readOnly": 0,
    }


def qml(plan: AtlasPlan, layer: LayerPlan) -> str:
    """Return a layer's style as a QML document."""
    attributes = {"version": QGIS_VERSION} | layer_attributes(plan, layer)
    geometry = 0 if layer.geometry == "symbols" else 2
    nodes = [*style_nodes(plan, layer), node("layerGeometryType", text=geometry)]
    return document(node("qgis", attributes, *nodes))
