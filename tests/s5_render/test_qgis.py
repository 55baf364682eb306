"""The written GeoPackage and project say what the plan says, and fall into no known trap."""

from __future__ import annotations

import json
import math
import os
import re
import sqlite3
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np
import pytest

import geopandas as gpd
import pyogrio
import shapely

from pipeline.contracts.provenance import PROJECT, Paths, sha256
from pipeline.contracts.text import Text
from pipeline.s5_render._qgis_ground import fit, project_bounds, window
from pipeline.s5_render._qgis_project import project
from pipeline.s5_render._qgis_style import map_tip
from pipeline.s5_render._qgis_xml import map_layer_id, reference_system
from pipeline.s5_render.plan import AtlasPlan, LayerPlan
from pipeline.s5_render.qgis import write_package

HOSTILE = "<script>alert('x')</script> \"q\" ]]> &amp; [% 1+1 %] \x0b; DROP TABLE village;--"


class Package(NamedTuple):
    """A written package, read back."""

    plan: AtlasPlan
    gpkg: Path
    qgz: Path
    root: Element

    def layer(self, name: str) -> Element:
        found = self.root.find(f"projectlayers/maplayer[id='{map_layer_id(name)}']")
        assert found is not None
        return found


def write(plan: AtlasPlan, folder: Path) -> Package:
    gpkg, qgz = folder / "atlas.gpkg", folder / "atlas.qgz"
    write_package(plan, gpkg, qgz)
    with zipfile.ZipFile(qgz) as archive:
        text = archive.read("atlas.qgs")
    return Package(plan, gpkg, qgz, ElementTree.fromstring(text))


def draw(plan: AtlasPlan) -> Package:
    """Return the project alone, where the GeoPackage does not matter."""
    root = ElementTree.fromstring(project(plan, "atlas.gpkg"))
    return Package(plan, Path("atlas.gpkg"), Path("atlas.qgz"), root)


@pytest.fixture(scope="module")
def package(toy_plan: AtlasPlan, tmp_path_factory: pytest.TempPathFactory) -> Package:
    return write(toy_plan, tmp_path_factory.mktemp("qgis"))


@pytest.fixture
def base(package: Package) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{package.gpkg}?mode=ro", uri=True)) as connection:
        connection.create_function("sqrt", 1, lambda x: None if x is None else math.sqrt(x))
        yield connection


def rules(renderer: Element) -> list[Element]:
    """Return the rules that draw, without those that only explain sizes in the legend."""
    return [rule for rule in renderer.findall("rules/rule") if rule.get("filter") != "FALSE"]


def properties_of(symbol: Element | None) -> dict[str, str]:
    assert symbol is not None
    return {str(prop.get("k")): str(prop.get("v")) for prop in symbol.findall("layer/prop")}


def hex_colour(code: str) -> str:
    red, green, blue, alpha = (int(part) for part in code.split(","))
    assert alpha == 255
    return f"#{red:02x}{green:02x}{blue:02x}"


def kinds(plan: AtlasPlan, *geometries: str) -> list[LayerPlan]:
    found = [layer for layer in plan.layers if layer.geometry in geometries]
    assert found
    return found


# GeoPackage


def test_geopackage_holds_every_drawn_table_and_nothing_empty(
    package: Package, base: sqlite3.Connection
) -> None:
    wanted = {layer.table for layer in package.plan.layers}
    assert {str(name) for name, _ in pyogrio.list_layers(package.gpkg)} == wanted | {"layer_styles"}
    for table in wanted:
        (count,) = base.execute(f'SELECT count(*) FROM "{table}"').fetchone()
        assert count == len(package.plan.tables[table]) > 0
    types = dict(base.execute("SELECT table_name, geometry_type_name FROM gpkg_geometry_columns"))
    points = {layer.table for layer in kinds(package.plan, "symbols")}
    assert types == {t: "POINT" if t in points else "MULTIPOLYGON" for t in wanted}


def test_geometries_are_of_one_kind_in_the_projected_crs(package: Package) -> None:
    for table in {layer.table for layer in package.plan.layers}:
        frame = pyogrio.read_dataframe(package.gpkg, layer=table)
        assert frame.crs == package.plan.crs
        assert frame.geom_type.nunique() == 1
        drawn = package.plan.tables[table].to_crs(package.plan.crs)
        assert np.allclose(frame.total_bounds, drawn.total_bounds, atol=1e-6)


def test_columns_keep_names_types_and_missing_values(
    package: Package, base: sqlite3.Connection
) -> None:
    columns = {name: kind for _, name, kind, *_ in base.execute("PRAGMA table_info(village)")}
    assert {"village_code", "village_name", "firms_count", "workers_count"} <= set(columns)
    assert columns["firms_count"] in ("INTEGER", "MEDIUMINT")
    assert columns["area_km2"] == "REAL"
    wanted = package.plan.tables["village"]
    rows = dict(base.execute("SELECT village_code, firms_count FROM village"))
    expected = wanted.set_index("village_code")["firms_count"]
    assert {k: v for k, v in rows.items() if v is not None} == expected.dropna().to_dict()
    missing = {code for code, value in rows.items() if value is None}
    assert missing == set(expected.index[expected.isna()])
    assert missing


def test_geopackage_is_of_version_1_3_and_leaves_no_journal(package: Package) -> None:
    header = package.gpkg.read_bytes()[:100]
    assert header[68:72] == b"GPKG"
    assert struct.unpack(">I", header[60:64]) == (10300,)
    assert header[18:20] == b"\x01\x01"  # rollback journal; 2 would be write-ahead logging
    assert [path.name for path in package.gpkg.parent.iterdir() if "atlas.gpkg-" in path.name] == []


def test_description_carries_caption_and_footer(package: Package, base: sqlite3.Connection) -> None:
    texts = dict(base.execute("SELECT table_name, description FROM gpkg_contents"))
    for layer in package.plan.layers:
        assert layer.caption["id"] in texts[layer.table]
        assert package.plan.footer["id"] in texts[layer.table]


def test_a_style_for_each_layer_and_one_default_a_table(
    package: Package, base: sqlite3.Connection
) -> None:
    rows = base.execute(
        "SELECT f_table_name, styleName, f_table_schema, f_geometry_column, useAsDefault,"
        " update_time, styleQML FROM layer_styles ORDER BY id"
    ).fetchall()
    assert len(rows) == len(package.plan.layers)
    first: dict[str, str] = {}
    for layer in package.plan.layers:
        first.setdefault(layer.table, layer.title["id"])
    assert {row[0]: row[1] for row in rows if row[4]} == first
    assert sum(row[4] for row in rows) == len(first)
    assert {row[2] for row in rows} == {""}
    assert {row[3] for row in rows} == {"geom"}
    assert {row[5] for row in rows} == {"2024-01-01T00:00:00.000Z"}
    qml = {row[1]: ElementTree.fromstring(row[6]) for row in rows}
    for layer in package.plan.layers:
        own = qml[layer.title["id"]].find("renderer-v2")
        project = package.layer(layer.id).find("renderer-v2")
        assert own is not None
        assert project is not None
        assert ElementTree.canonicalize(
            ElementTree.tostring(own), strip_text=True
        ) == ElementTree.canonicalize(ElementTree.tostring(project), strip_text=True)


def test_a_column_called_fid_gets_another_name_everywhere(
    toy_plan: AtlasPlan, tmp_path: Path
) -> None:
    frame = toy_plan.tables["facility"].rename(columns={"name": "fid"})
    layer = toy_plan.layer("facilities")
    fields = tuple(replace(f, name="fid") if f.name == "name" else f for f in layer.fields)
    plan = replace(
        toy_plan,
        tables={**toy_plan.tables, "facility": frame},
        layers=tuple(
            replace(other, fields=fields) if other.id == layer.id else other
            for other in toy_plan.layers
        ),
    )
    written = write(plan, tmp_path)
    with closing(sqlite3.connect(written.gpkg)) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(facility)")]
        names = {row[0] for row in connection.execute('SELECT "fid_" FROM facility')}
    assert columns.count("fid") == 1
    assert names == set(frame["fid"])
    assert written.layer("facilities").findtext("previewExpression") == '"fid_"'
    aliases = {alias.get("field") for alias in written.layer("facilities").iter("alias")}
    assert "fid_" in aliases
    assert "fid" not in aliases


def test_settings_of_the_process_are_left_as_they_were(toy_plan: AtlasPlan, tmp_path: Path) -> None:
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2001-01-01T00:00:00.000Z"})
    try:
        write(toy_plan, tmp_path)
        assert pyogrio.get_gdal_config_option("OGR_CURRENT_DATE") == "2001-01-01T00:00:00.000Z"
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})
    assert pyogrio.get_gdal_config_option("OGR_SQLITE_JOURNAL") is None


# Project file


def test_project_archive_has_one_member_without_a_clock(package: Package) -> None:
    with zipfile.ZipFile(package.qgz) as archive:
        (member,) = archive.infolist()
        text = archive.read(member).decode()
    assert member.filename == "atlas.qgs"
    assert member.date_time == (1980, 1, 1, 0, 0, 0)
    assert member.compress_type == zipfile.ZIP_DEFLATED
    assert "saveUser" not in text
    assert "saveDateTime" not in text
    assert str(PROJECT) not in text
    assert str(package.gpkg.parent) not in text


def test_sources_are_relative_to_the_project(
    package: Package, toy_plan: AtlasPlan, tmp_path: Path
) -> None:
    for layer in package.plan.layers:
        wanted = f"./atlas.gpkg|layername={layer.table}"
        assert package.layer(layer.id).findtext("datasource") == wanted
    named = {element.get("source") for element in package.root.iter() if element.get("source")}
    assert {name.partition("|")[0] for name in named if name} == {"./atlas.gpkg"}
    assert package.root.findtext("properties/Paths/Absolute") == "false"
    gpkg, qgz = tmp_path / "a.gpkg", tmp_path / "a.qgz"
    write_package(toy_plan, gpkg, qgz, gpkg_name="other.gpkg")
    with zipfile.ZipFile(qgz) as archive:
        text = archive.read("atlas.qgs").decode()
    assert "./other.gpkg|layername=village" in text
    assert "atlas.gpkg" not in text


def test_layer_ids_are_long_and_unique(package: Package) -> None:
    ids = [str(element.text) for element in package.root.findall("projectlayers/maplayer/id")]
    assert ids == [map_layer_id(layer.id) for layer in package.plan.layers]
    assert all(len(name) > 10 for name in ids)
    assert len(set(ids)) == len(ids)


def test_every_crs_is_written_in_full(package: Package) -> None:
    assert package.root.findtext("properties/SpatialRefSys/ProjectionsEnabled") == "1"
    systems = list(package.root.iter("spatialrefsys"))
    assert len(systems) > len(package.plan.layers)
    for system in systems:
        assert system.findtext("authid") == package.plan.crs.to_string()
        assert str(system.findtext("wkt")).startswith("PROJCRS[")
        assert str(system.findtext("proj4")).startswith("+proj=utm +zone=49 +south")
    assert package.root.find("projectCrs/spatialrefsys") is not None
    for layer in package.root.iter("maplayer"):
        assert layer.find("srs/spatialrefsys") is not None


def test_a_crs_without_a_code_is_told_by_its_wkt() -> None:
    from pyproj import CRS

    system = reference_system(CRS.from_proj4("+proj=laea +lat_0=-7 +lon_0=110 +ellps=bessel"))
    assert not system.findtext("authid")
    assert "LONGUNIT" in str(system.findtext("wkt")) or "PROJCRS" in str(system.findtext("wkt"))
    assert system.findtext("projectionacronym") == "laea"


def test_symbol_layers_have_options_and_props(package: Package) -> None:
    layers = list(package.root.iterfind(".//symbol/layer"))
    assert layers
    for layer in layers:
        options = {o.get("name"): o.get("value") for o in layer.findall("Option/Option")}
        props = {p.get("k"): p.get("v") for p in layer.findall("prop")}
        assert options == props
        assert props


def test_groups_order_and_visibility(package: Package) -> None:
    plan = package.plan
    tree = package.root.find("layer-tree-group")
    assert tree is not None
    groups = tree.findall("layer-tree-group")
    assert [group.get("name") for group in groups] == [group.title["id"] for group in plan.groups]
    for group, wanted in zip(groups, plan.groups, strict=True):
        entries = group.findall("layer-tree-layer")
        assert [entry.get("id") for entry in entries] == [map_layer_id(n) for n in wanted.layers]
        for entry, name in zip(entries, wanted.layers, strict=True):
            assert (entry.get("checked") == "Qt::Checked") is plan.layer(name).is_visible
            assert entry.get("name") == plan.layer(name).title["id"]
    order = tree.find("custom-order")
    assert order is not None
    assert order.get("enabled") == "1"
    drawn = [item.text for item in order]
    assert drawn == [map_layer_id(name) for name in plan.drawing_order[::-1]]


def test_classes_colours_labels_and_counts_equal_the_plan(
    package: Package, base: sqlite3.Connection
) -> None:
    """The filters are plain SQL, so SQLite counts what QGIS will draw."""
    for layer in kinds(package.plan, "choropleth", "symbols"):
        renderer = package.layer(layer.id).find("renderer-v2")
        assert renderer is not None
        drawn = rules(renderer)
        assert len(drawn) == len(layer.classes)
        class_of = dict(
            zip(package.plan.tables[layer.table][layer.key], layer.class_of, strict=True)
        )
        for i, (rule, item) in enumerate(zip(drawn, layer.classes, strict=True)):
            symbol = renderer.find(f"symbols/symbol[@name='{rule.get('symbol')}']")
            look = properties_of(symbol)
            is_ring = look["color"].endswith(",0")
            assert is_ring == item.is_hollow
            shown = look["outline_color" if is_ring else "color"]
            assert hex_colour(shown) == item.colour
            assert rule.get("label") == f"{item.label['id']} (n = {item.count})"
            found = base.execute(
                f'SELECT "{layer.key}" FROM "{layer.table}" WHERE {rule.get("filter") or "1"}'
            ).fetchall()
            assert len(found) == item.count
            assert {key for (key,) in found} == {k for k, c in class_of.items() if c == i}


def test_english_plans_are_written_in_english(toy_plan: AtlasPlan) -> None:
    written = draw(replace(toy_plan, language="en"))
    assert written.root.findtext("title") == toy_plan.title.en
    rule = rules(written.layer("firms").find("renderer-v2"))[-1]  # type: ignore[arg-type]
    assert rule.get("label") == "no published figure (n = 6)"
    separators = [
        option.get("value")
        for option in written.root.iter("Option")
        if option.get("name") == "decimal_separator"
    ]
    assert set(separators) == {"."}


def test_symbol_sizes_equal_the_plan(package: Package, base: sqlite3.Connection) -> None:
    sized = [layer for layer in kinds(package.plan, "symbols") if layer.sizes]
    assert sized
    for layer in sized:
        renderer = package.layer(layer.id).find("renderer-v2")
        assert renderer is not None
        value = f'"{layer.value}"'
        expressions = {
            name: {
                option.findtext(".") or str(option.get("value"))
                for held in renderer.iterfind(".//data_defined_properties//Option")
                if held.get("name") == name
                for option in held
                if option.get("name") == "expression"
            }
            for name in ("size", "fillColor", "outlineColor")
        }
        (size,) = expressions["size"]
        # SQLite divides whole numbers as whole numbers, QGIS does not.
        sql = size.replace(value, f"({value} * 1.0)")
        rows = dict(base.execute(f'SELECT "{layer.key}", {sql} FROM "{layer.table}"'))
        keys = package.plan.tables[layer.table][layer.key]
        wanted = dict(zip(keys, layer.diameter_mm, strict=True))
        assert rows == pytest.approx(wanted)
        for part in expressions["fillColor"]:
            assert part.startswith(f"if({value} IS NULL, '")
            assert ",0', '" in part  # hollow where no value is published
        colours = {properties_of(symbol)["scale_method"] for symbol in renderer.iter("symbol")}
        assert colours == {"diameter"}


def test_legend_explains_rings_and_sizes_without_drawing(package: Package) -> None:
    layer = package.plan.layer("production_centres")
    renderer = package.layer(layer.id).find("renderer-v2")
    assert renderer is not None
    assert layer.hollow is not None
    extra = [rule for rule in renderer.iterfind(".//rule") if rule.get("filter") == "FALSE"]
    labels = [str(rule.get("label")) for rule in extra]
    assert labels[0] == f"{layer.hollow.label['id']} (n = {layer.hollow.count})"
    assert labels[2:] == [size.label["id"] for size in layer.sizes]
    for rule, size in zip(extra[2:], layer.sizes, strict=True):
        symbol = renderer.find(f"symbols/symbol[@name='{rule.get('symbol')}']")
        assert float(properties_of(symbol)["size"]) == pytest.approx(size.diameter_mm, abs=1e-4)


def test_outlines_have_the_colour_of_the_plan_and_grow_with_the_unit(package: Package) -> None:
    widths = {}
    for layer in kinds(package.plan, "outline"):
        symbol = package.layer(layer.id).find("renderer-v2/symbols/symbol")
        values = properties_of(symbol)
        assert hex_colour(values["outline_color"]) == layer.classes[0].colour
        assert values["style"] == "no"
        widths[layer.table] = float(values["outline_width"])
    assert widths["village"] < widths["district"] < widths["regency"]


def test_missing_class_is_drawn_in_the_colour_for_missing(package: Package) -> None:
    layers = kinds(package.plan, "choropleth")
    incomplete = [layer for layer in layers if layer.classes[-1].is_missing]
    assert len(incomplete) > 3
    for layer in incomplete:
        renderer = package.layer(layer.id).find("renderer-v2")
        assert renderer is not None
        last = rules(renderer)[-1]
        assert last.get("filter") == f'"{layer.value}" IS NULL'
        symbol = renderer.find(f"symbols/symbol[@name='{last.get('symbol')}']")
        assert hex_colour(properties_of(symbol)["color"]) == package.plan.style.missing


def test_fields_have_aliases_value_maps_and_a_name(package: Package) -> None:
    layer = package.plan.layer("clusters")
    element = package.layer("clusters")
    aliases = {str(a.get("field")): a.get("name") for a in element.iter("alias")}
    assert aliases["firms_count"] == "Unit usaha"
    assert aliases["workers_count"] == "Tenaga kerja (orang)"
    assert list(aliases) == [field.name for field in layer.fields]
    widgets = {
        str(field.get("name")): field.find("editWidget")
        for field in element.findall("fieldConfiguration/field")
    }
    status = widgets["status"]
    assert status is not None
    assert status.get("type") == "ValueMap"
    pairs = {o.get("name"): o.get("value") for o in status.iterfind(".//Option[@type='QString']")}
    assert pairs["terbit"] == "published"
    hidden = widgets["evidence"]
    assert hidden is not None
    assert hidden.get("type") == "Hidden"
    assert element.findtext("previewExpression") == '"cluster_name"'


def test_layers_and_project_describe_themselves(package: Package) -> None:
    plan = package.plan
    for layer in plan.layers:
        about = package.layer(layer.id).find("resourceMetadata")
        assert about is not None
        assert about.findtext("title") == layer.title["id"]
        assert about.findtext("abstract") == f"{layer.note['id']} {layer.caption['id']}"
        assert about.findtext("rights") == plan.footer["id"]
    assert package.root.findtext("projectMetadata/title") == plan.title["id"]
    assert package.root.findtext("projectMetadata/creation") == "2024-01-01T00:00:00"
    names = [v.text for v in package.root.iterfind("properties/Variables/variableNames/value")]
    values = [v.text for v in package.root.iterfind("properties/Variables/variableValues/value")]
    variables = dict(zip(names, values, strict=True))
    assert variables["atlas_area"] == plan.area
    assert variables["atlas_build"] == plan.build
    assert variables["atlas_version"] == plan.version
    assert json.loads(str(variables["atlas_sources"])) == dict(plan.sources)


def test_view_opens_on_the_focus(package: Package) -> None:
    view = package.root.find("ProjectViewSettings/DefaultViewExtent")
    assert view is not None
    xmin, ymin, xmax, ymax = (float(str(view.get(k))) for k in ("xmin", "ymin", "xmax", "ymax"))
    left, low, right, high = project_bounds(package.plan, package.plan.focus)
    assert xmin < left < right < xmax
    assert ymin < low < high < ymax
    canvas = package.root.find("mapcanvas/extent")
    assert canvas is not None
    assert float(str(canvas.findtext("xmin"))) == xmin


def show_of(layer: ElementTree.Element) -> str:
    """Return the expression that says which features are named; empty for all."""
    found = layer.find("labeling//Option[@name='Show']")
    options = [] if found is None else found
    return "".join(str(o.get("value")) for o in options if o.get("name") == "expression")


def test_labels_name_a_place_once(package: Package) -> None:
    def shown(name: str) -> str:
        return show_of(package.layer(name))

    assert "'atlas_layer_clusters'" in shown("firms")
    assert "'atlas_layer_firms'" in shown("villages")
    assert "'atlas_layer_clusters'" in shown("production_centres")
    clusters = package.plan.tables["cluster"]
    twice = clusters.assign(cluster_name="Melati", village_name=None, district_name="Timur")
    plan = replace(package.plan, tables={**package.plan.tables, "cluster": twice})
    expression = show_of(draw(plan).layer("clusters"))
    first, *others = twice["cluster_id"]
    assert first not in expression
    assert all(f"'{key}'" in expression for key in others)
    # Symbols that stand for a district carry its name; they do not name its villages.
    assert "'atlas_layer_clusters'" not in show_of(draw(plan).layer("villages"))
    assert "'atlas_layer_clusters'" not in show_of(draw(plan).layer("districts"))
    district = package.plan.tables["district"]["district_name"].iloc[0]
    whole = replace(plan, tables={**plan.tables, "cluster": twice.assign(cluster_name=district)})
    expression = show_of(draw(whole).layer("districts"))
    assert f"IN ('{district}')" in expression
    assert "'atlas_layer_clusters'" in expression


def test_what_a_layout_is_about_is_named_at_its_scale(toy_plan: AtlasPlan) -> None:
    """Also in an area so large that its layouts are drawn at a small scale."""
    west, south, east, north = toy_plan.bounds
    x, y = (west + east) / 2, (south + north) / 2
    plan = replace(
        toy_plan,
        bounds=(x + 9 * (west - x), y + 9 * (south - y), x + 9 * (east - x), y + 9 * (north - y)),
        focus=(x + 9 * (west - x), y + 9 * (south - y), x + 9 * (east - x), y + 9 * (north - y)),
        tables={
            name: table.set_geometry(table.geometry.scale(9, 9, origin=(x, y)))
            for name, table in toy_plan.tables.items()
        },
    )
    written = draw(plan)
    for name in ("clusters", "firms"):
        title = plan.layer(name).title["id"]
        main = written.root.find(f"Layouts/Layout[@name='A4 – {title}']/LayoutItem[@id='map']")
        settings = written.layer(name).find("labeling/settings/rendering")
        assert main is not None
        assert settings is not None
        ground = main.find("Extent")
        assert ground is not None
        metres = float(str(ground.get("xmax"))) - float(str(ground.get("xmin")))
        scale = 1000 * metres / float(str(main.get("size")).split(",")[0])
        assert scale > 150_000
        assert float(str(settings.get("scaleMax"))) >= scale


def test_a_layout_shows_everything_its_layer_has(toy_plan: AtlasPlan) -> None:
    """Also where that lies outside the focus, which alone would cut it off."""
    cluster = toy_plan.tables["cluster"]
    x, y = cluster.geometry.iloc[0].coords[0]
    plan = replace(toy_plan, focus=(x - 0.002, y - 0.002, x + 0.002, y + 0.002))
    written = draw(plan)
    for title, layer in [(one.title["id"], one) for one in plan.layers if one.has_figure]:
        if layer.geometry == "outline":
            continue
        (main,) = written.root.findall(
            f"Layouts/Layout[@name='A4 – {title}']/LayoutItem[@id='map']/Extent"
        )
        table = plan.tables[layer.table].to_crs(plan.crs)
        if layer.geometry == "choropleth":
            table = table[table[layer.value].notna()]
        left, low, right, high = table.total_bounds
        assert float(str(main.get("xmin"))) < left
        assert float(str(main.get("ymin"))) < low
        assert right < float(str(main.get("xmax")))
        assert high < float(str(main.get("ymax")))


def test_labels_have_scales(package: Package) -> None:
    for layer in package.plan.layers:
        settings = package.layer(layer.id).find("labeling/settings/rendering")
        if settings is not None:
            assert settings.get("scaleVisibility") == "1"
            assert float(str(settings.get("scaleMax"))) > float(str(settings.get("scaleMin")))


# Print layouts


def test_a_layout_for_each_figure_and_one_for_the_whole(package: Package) -> None:
    plan = package.plan
    found = package.root.findall("Layouts/Layout")
    figures = [layer for layer in plan.layers if layer.has_figure]
    assert [layout.get("name") for layout in found] == [
        f"A3 – {plan.title['id']}",
        *(f"A4 – {layer.title['id']}" for layer in figures),
    ]
    pages = [layout.find("PageCollection/LayoutItem") for layout in found]
    assert [page.get("size") for page in pages if page is not None] == [
        "420,297,mm",
        *["297,210,mm"] * len(figures),
    ]


def test_layouts_draw_and_explain_their_own_layers(package: Package) -> None:
    figures = [layer for layer in package.plan.layers if layer.has_figure]
    outlines = {map_layer_id(layer.id) for layer in kinds(package.plan, "outline")}
    for layout, layer in zip(package.root.findall("Layouts/Layout")[1:], figures, strict=True):
        main = layout.find("LayoutItem[@id='map']")
        legend = layout.find("LayoutItem[@id='legend']")
        assert main is not None
        assert legend is not None
        assert main.get("keepLayerSet") == "true"
        drawn = [str(element.text) for element in main.findall("LayerSet/Layer")]
        assert map_layer_id(layer.id) in drawn
        assert set(drawn) - outlines <= {map_layer_id(layer.id)}
        listed = [element.get("id") for element in legend.iter("layer-tree-layer")]
        assert sorted(str(name) for name in listed) == sorted(drawn)
        assert legend.get("map_uuid") == main.get("uuid")
        bar = layout.find("LayoutItem[@id='scale bar']")
        assert bar is not None
        assert bar.get("mapUuid") == main.get("uuid")
        assert bar.get("unitType") == "km"
        texts = [str(item.get("labelText")) for item in layout.findall("LayoutItem")]
        assert layer.title["id"] in texts
        assert any(
            layer.caption["id"] in text and package.plan.footer["id"] in text for text in texts
        )


def test_items_of_a_layout_stay_inside_the_page(package: Package) -> None:
    for layout in package.root.findall("Layouts/Layout"):
        page = layout.find("PageCollection/LayoutItem")
        assert page is not None
        width, height = (float(v) for v in str(page.get("size")).split(",")[:2])
        for item in layout.findall("LayoutItem"):
            x, y = (float(v) for v in str(item.get("position")).split(",")[:2])
            wide, high = (float(v) for v in str(item.get("size")).split(",")[:2])
            assert 5 <= x < x + wide <= width - 5
            assert 5 <= y < y + high <= height - 5


def test_window_shows_the_focus_and_prefers_where_there_is_land(toy_plan: AtlasPlan) -> None:
    frame = toy_plan.tables["village"]
    assert isinstance(frame, gpd.GeoDataFrame)
    west, south, east, north = frame.total_bounds
    # The focus is the eastern edge of the land: the spare room must go to the west.
    edge = (east - (east - west) / 10, south, east, north)
    plan = replace(toy_plan, focus=edge)
    plain = fit(project_bounds(plan, edge), 300, 100)
    shown = window(plan, 300, 100)
    focus = project_bounds(plan, edge)
    assert shown[0] < plain[0]
    assert shown[0] < focus[0] < focus[2] < shown[2]
    assert shown[2] - shown[0] == pytest.approx(plain[2] - plain[0])


def test_layouts_with_one_title_get_different_names(toy_plan: AtlasPlan) -> None:
    same_title = Text(id="Peta", en="Map")
    plan = replace(toy_plan, layers=tuple(replace(x, title=same_title) for x in toy_plan.layers))
    written = draw(plan)
    names = [layout.get("name") for layout in written.root.findall("Layouts/Layout")]
    assert len(names) == len(set(names)) > 2


def test_areas_with_layers_hidden_at_first_have_no_overall_layout(toy_plan: AtlasPlan) -> None:
    hidden = tuple(replace(layer, is_visible=False) for layer in toy_plan.layers)
    written = draw(replace(toy_plan, layers=hidden))
    names = [str(layout.get("name")) for layout in written.root.findall("Layouts/Layout")]
    assert not [name for name in names if name.startswith("A3")]


# Hostile text, determinism


@pytest.fixture
def hostile_plan(toy_plan: AtlasPlan) -> AtlasPlan:
    return make_hostile(toy_plan)


def make_hostile(plan: AtlasPlan) -> AtlasPlan:
    text = Text(id=HOSTILE, en=HOSTILE)
    tables = {}
    for name, frame in plan.tables.items():
        changed = frame.copy()
        for column in ("village_name", "cluster_name", "centre_name", "name", "note"):
            if column in changed:
                changed[column] = changed[column].where(changed[column].isna(), HOSTILE)
        tables[name] = changed
    layers = []
    for layer in plan.layers:
        classes = tuple(replace(item, label=text) for item in layer.classes)
        layers.append(replace(layer, title=text, note=text, caption=text, classes=classes))
    groups = tuple(replace(group, title=text) for group in plan.groups)
    return replace(
        plan,
        title=text,
        footer=text,
        tables=tables,
        layers=tuple(layers),
        groups=groups,
        sources={"x": HOSTILE},
    )


def test_hostile_text_stays_text(hostile_plan: AtlasPlan, tmp_path: Path) -> None:
    written = write(hostile_plan, tmp_path)  # parses
    readable = HOSTILE.replace("\x0b", "")
    assert written.root.findtext("title") == readable
    assert not list(written.root.iter("script"))
    layout_texts = [str(item.get("labelText")) for item in written.root.iter("LayoutItem")]
    assert readable.replace("[%", "[ %") in layout_texts
    assert not [text for text in layout_texts if "[%" in text]
    with closing(sqlite3.connect(written.gpkg)) as connection:
        names = {name for (name,) in connection.execute("SELECT village_name FROM village")}
        styles = connection.execute("SELECT styleName, styleQML FROM layer_styles").fetchall()
    assert names == {readable}
    assert len(styles) == len(hostile_plan.layers)
    for name, qml in styles:
        assert name == readable
        assert not list(ElementTree.fromstring(qml).iter("script"))


def test_map_tips_escape_values_and_words(hostile_plan: AtlasPlan) -> None:
    layer = hostile_plan.layer("clusters")
    tip = map_tip(hostile_plan, layer)
    assert "<script>" not in tip
    assert "&lt;script&gt;" in tip
    # Only our own expressions run: no text brings one of its own.
    assert "[% 1+1 %]" not in tip
    for expression in re.findall(r"\[%(.*?)%\]", tip, flags=re.DOTALL):
        assert "map('&', '&amp;', '<', '&lt;', '>', '&gt;')" in expression


def test_category_values_are_quoted(toy_plan: AtlasPlan) -> None:
    layer = toy_plan.layer("facilities")
    first = layer.classes[0]
    name = 'd\'Art \\ "x"'
    frame = toy_plan.tables["facility"].copy()
    frame.loc[frame["activity"] == first.category, "activity"] = name
    classes = (replace(first, category=name), *layer.classes[1:])
    plan = replace(
        toy_plan,
        tables={**toy_plan.tables, "facility": frame},
        layers=tuple(
            replace(other, classes=classes) if other.id == layer.id else other
            for other in toy_plan.layers
        ),
    )
    renderer = draw(plan).layer("facilities").find("renderer-v2")
    assert renderer is not None
    assert rules(renderer)[0].get("filter") == "\"activity\" = 'd''Art \\\\ \"x\"'"


def test_undated_plans_carry_a_fixed_time(toy_plan: AtlasPlan, tmp_path: Path) -> None:
    written = write(replace(toy_plan, moment=None), tmp_path)
    with closing(sqlite3.connect(written.gpkg)) as connection:
        times = {t for (t,) in connection.execute("SELECT last_change FROM gpkg_contents")}
        times |= {t for (t,) in connection.execute("SELECT update_time FROM layer_styles")}
    assert times == {"1980-01-01T00:00:00.000Z"}
    assert written.root.find("projectMetadata/creation") is None


def test_dated_plans_carry_their_time_alone(package: Package, base: sqlite3.Connection) -> None:
    assert package.plan.moment == datetime(2024, 1, 1, tzinfo=UTC)
    times = {t for (t,) in base.execute("SELECT last_change FROM gpkg_contents")}
    assert times == {"2024-01-01T00:00:00.000Z"}
    assert package.gpkg.read_bytes().find(b"2026-") == -1


_WRITE = """
import sys
from pathlib import Path
from pipeline.contracts.provenance import Paths
from pipeline.s5_render.load import load_plan
from pipeline.s5_render.qgis import write_package
areas, layers, outputs, area, folder = sys.argv[1:]
plan = load_plan(Paths(Path(areas), Path(layers), Path(outputs)), area, "internal")
write_package(plan, Path(folder) / "atlas.gpkg", Path(folder) / "atlas.qgz")
"""


def test_same_plan_same_bytes_in_any_process_and_folder(
    package: Package, toy_release: tuple[Paths, str], tmp_path: Path
) -> None:
    paths, area = toy_release
    wanted = (sha256(package.gpkg), sha256(package.qgz))
    subprocess.run(
        [
            *(sys.executable, "-c", _WRITE),
            *map(str, (paths.areas, paths.layers, paths.outputs, area, tmp_path)),
        ],
        check=True,
        cwd=PROJECT,
        env={**os.environ, "PYTHONHASHSEED": "1"},
    )
    assert (sha256(tmp_path / "atlas.gpkg"), sha256(tmp_path / "atlas.qgz")) == wanted


def test_writing_twice_over_old_files_gives_the_same_bytes(
    package: Package, toy_plan: AtlasPlan
) -> None:
    before = (sha256(package.gpkg), sha256(package.qgz))
    write_package(toy_plan, package.gpkg, package.qgz)
    assert (sha256(package.gpkg), sha256(package.qgz)) == before


def test_plans_draw_points_where_the_geopackage_has_them(package: Package) -> None:
    written = pyogrio.read_dataframe(package.gpkg, layer="cluster")
    drawn = package.plan.tables["cluster"].to_crs(package.plan.crs)
    ours = shapely.get_coordinates(written.geometry.to_numpy())
    assert np.allclose(ours, shapely.get_coordinates(drawn.geometry.to_numpy()), atol=1e-6)
    assert written["is_offset"].sum() == drawn["is_offset"].sum()
