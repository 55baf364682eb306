"""Real QGIS opens a moved copy of the package and draws what the plan says."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.contracts.text import Text
from pipeline.s5_render.plan import AtlasPlan, LayerPlan
from pipeline.s5_render.qgis import write_package
from tests.e2e.conftest import AREA, AREAS, require

pytestmark = pytest.mark.e2e

PYTHON = "/usr/bin/python3"
CHECK = Path(__file__).with_name("qgis_check.py")
HOSTILE = "<script>alert('x')</script> \"q\" ]]> &amp; [% 1+1 %]"


@cache
def has_qgis() -> bool:
    try:
        done = subprocess.run([PYTHON, "-c", "import qgis.core"], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def look(plan: AtlasPlan, folder: Path) -> dict[str, Any]:
    """Write the package, move it, let QGIS open it; return what QGIS says."""
    require(has_qgis(), "QGIS (Debian package python3-qgis)")
    made, moved = folder / "made", folder / "moved elsewhere"
    made.mkdir()
    write_package(plan, made / "atlas.gpkg", made / "atlas.qgz")
    shutil.move(made, moved)
    done = subprocess.run(
        [PYTHON, str(CHECK), str(moved / "atlas.qgz"), str(folder / "pictures")],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def report(plan: AtlasPlan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return look(plan, tmp_path_factory.mktemp("qgis"))


def seen(report: dict[str, Any], layer: LayerPlan) -> dict[str, Any]:
    return dict(report["layers"][f"atlas_layer_{layer.id}"])


def test_project_opens_without_a_word_of_warning(report: dict[str, Any], plan: AtlasPlan) -> None:
    assert report["is_read"]
    assert not report["error"]
    assert report["messages"] == []
    assert report["crs"] == plan.crs.to_string() == "EPSG:32749"
    assert report["title"] == plan.title["id"]
    assert report["metadata"][0] == plan.title["id"]
    assert report["variables"]["atlas_area"] == plan.area


def test_every_layer_is_valid_in_its_group_and_visible_as_planned(
    report: dict[str, Any], plan: AtlasPlan
) -> None:
    groups = {name: group.title["id"] for group in plan.groups for name in group.layers}
    wanted = [f"atlas_layer_{name}" for name in plan.drawing_order[::-1]]
    assert report["order"] == wanted
    for layer in plan.layers:
        found = seen(report, layer)
        assert found["is_valid"]
        assert found["provider"] == "ogr"
        assert found["crs"] == "EPSG:32749"
        assert "moved elsewhere" in found["source"]
        assert found["features"] == len(plan.tables[layer.table])
        assert found["group"] == [groups[layer.id]]
        assert found["is_visible"] is layer.is_visible
        assert found["name"] == layer.title["id"]
        assert found["rights"] == [plan.footer["id"]]


def test_classes_colours_labels_and_counts_equal_the_plan(
    report: dict[str, Any], plan: AtlasPlan
) -> None:
    for layer in plan.layers:
        found = seen(report, layer)
        if layer.geometry == "outline":
            assert found["renderer"] == "singleSymbol"
            assert found["classes"][0]["colour"] == layer.classes[0].colour
            continue
        assert found["renderer"] == "RuleRenderer"
        drawn = [item for item in found["classes"] if not item["is_legend_only"]]
        assert [
            (
                item["label"],
                item["colour"] if item["is_filled"] else item["line"],
                item["is_filled"],
                item["count"],
            )
            for item in drawn
        ] == [
            (f"{item.label['id']} (n = {item.count})", item.colour, not item.is_hollow, item.count)
            for item in layer.classes
        ]


def test_symbols_have_the_size_of_the_plan_and_are_hollow_without_a_value(
    report: dict[str, Any], plan: AtlasPlan
) -> None:
    for layer in plan.layers:
        if layer.geometry != "symbols":
            continue
        found = seen(report, layer)["symbols"]
        table = plan.tables[layer.table]
        for key, diameter in zip(table[layer.key], layer.diameter_mm, strict=True):
            assert found[key][0] == pytest.approx(diameter)
        if layer.value:
            hollow = {key for key, (_, fill) in found.items() if fill.startswith("#00")}
            assert hollow == set(table.loc[table[layer.value].isna(), layer.key])


def test_every_layer_draws_its_colours(report: dict[str, Any], plan: AtlasPlan) -> None:
    """A layer drawn alone shows each class's colour, not a blank sheet."""
    for layer in plan.layers:
        drawn = seen(report, layer)["colours"]
        background = max(drawn.values())
        assert sum(drawn.values()) > background * 1.001
        if layer.geometry == "choropleth":
            for item in layer.classes:
                assert drawn.get(item.colour, 0) > 0, (layer.id, item.key)
    opening = report["opening"]
    for name in ("firms", "clusters"):
        for item in plan.layer(name).classes:
            assert opening.get(item.colour, 0) > 0


def test_fields_have_aliases_and_readable_tips(report: dict[str, Any], plan: AtlasPlan) -> None:
    for layer in plan.layers:
        found = seen(report, layer)
        assert found["display"] == f'"{layer.title_field}"'
        for field in layer.fields:
            assert found["aliases"][field.name].startswith(field.label["id"])
        first = plan.tables[layer.table].iloc[0]
        assert found["tip"].startswith(f"<b>{first[layer.title_field]}</b>")
        assert "[%" not in found["tip"]
    clusters = seen(report, plan.layer("clusters"))
    assert clusters["widgets"]["status"] == "ValueMap"
    assert "Wijaya et al. 2021" in clusters["tip"]
    assert "142 orang" in clusters["tip"]
    assert clusters["fields"]["firms_count"] == "Integer64"


def test_geopackage_alone_opens_styled(report: dict[str, Any], plan: AtlasPlan) -> None:
    for layer in plan.layers:
        first = next(other for other in plan.layers if other.table == layer.table)
        wanted = "singleSymbol" if first.geometry == "outline" else "RuleRenderer"
        assert seen(report, layer)["default_style"] == wanted


def test_layouts_export_with_map_and_legend(report: dict[str, Any], plan: AtlasPlan) -> None:
    figures = [layer for layer in plan.layers if layer.has_figure]
    layouts = report["layouts"]
    by_name = {layout["name"]: layout for layout in layouts}
    assert len(by_name) == len(layouts) == len(figures) + 1
    for layout in layouts:
        assert layout["is_exported"] == [True, True]
        assert min(layout["bytes"]) > 20_000
        assert layout["keeps_layers"]
        assert sorted(layout["layers"]) == sorted(layout["legend"])
        width, height = layout["page"]
        boxes = layout["boxes"]
        for name, (x, y, wide, high) in boxes.items():
            if name != "page":
                assert x >= 5, (layout["name"], name)
                assert y >= 5, (layout["name"], name)
                assert x + wide <= width - 5, (layout["name"], name)
                assert y + high <= height - 5, (layout["name"], name)
        # The legend grows with its entries; it must not reach the small map below it.
        legend, inset = boxes["legend"], boxes["inset"]
        assert legend[1] + legend[3] <= inset[1], layout["name"]
        bar, small = boxes["scale bar"], boxes["inset map"]
        assert 15 < bar[2] <= small[2]
    for layer in figures:
        layout = by_name[f"A4 – {layer.title['id']}"]
        assert f"atlas_layer_{layer.id}" in layout["layers"]
        for item in layer.classes:
            if layer.geometry == "choropleth":
                assert layout["colours"].get(item.colour, 0) > 0, (layer.id, item.key)


def test_view_shows_the_focus(report: dict[str, Any], plan: AtlasPlan) -> None:
    from pipeline.s5_render._qgis_ground import project_bounds

    xmin, ymin, xmax, ymax = report["view"]
    left, low, right, high = project_bounds(plan, plan.focus)
    assert np.all(np.array([xmin, ymin]) < [left, low])
    assert np.all(np.array([right, high]) < [xmax, ymax])


@pytest.mark.parametrize("area", [area for area in AREAS if area != AREA])
def test_every_area_opens_and_prints(
    plan_of: Callable[[str], AtlasPlan], tmp_path: Path, area: str
) -> None:
    plan = plan_of(area)
    found = look(plan, tmp_path)
    assert found["messages"] == []
    assert not found["error"]
    assert found["crs"] == plan.crs.to_string()
    assert [layer["name"] for layer in found["layers"].values()] == [
        layer.title["id"] for layer in plan.layers
    ]
    for layer in plan.layers:
        there = seen(found, layer)
        assert there["is_valid"]
        assert there["features"] == len(plan.tables[layer.table])
        if layer.geometry != "outline":
            for item in layer.classes:
                assert there["colours"].get(item.colour, 0) > 0, (layer.id, item.key)
    assert any(layer.is_visible and layer.geometry != "outline" for layer in plan.layers)
    for layout in found["layouts"]:
        assert layout["is_exported"] == [True, True]
        legend, inset = layout["boxes"]["legend"], layout["boxes"]["inset"]
        assert legend[1] + legend[3] <= inset[1], layout["name"]


def test_hostile_names_stay_text_in_qgis(toy_plan: AtlasPlan, tmp_path: Path) -> None:
    text = Text(id=HOSTILE, en=HOSTILE)
    layer = replace(toy_plan.layer("clusters"), title=text, note=text, caption=text)
    frame = toy_plan.tables["cluster"].copy()
    frame["cluster_name"] = HOSTILE
    plan = replace(
        toy_plan,
        layers=(layer,),
        groups=(replace(toy_plan.groups[0], layers=("clusters",)),),
        tables={**toy_plan.tables, "cluster": frame},
    )
    found = look(plan, tmp_path)
    assert found["messages"] == []
    clusters = seen(found, layer)
    assert clusters["is_valid"]
    assert clusters["name"] == HOSTILE
    assert "<script>" not in clusters["tip"]
    assert "&lt;script&gt;" in clusters["tip"]
    assert all(layout["is_exported"] == [True, True] for layout in found["layouts"])
