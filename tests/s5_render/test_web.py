"""The written web atlas, read back: what the plan says stands in it, and nothing else gets in."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import shapely

from pipeline.contracts.provenance import PROJECT, Paths
from pipeline.contracts.text import Text, catalogue
from pipeline.s5_render import web

if TYPE_CHECKING:
    from pipeline.s5_render.plan import AtlasPlan

HOSTILE = "</script><img src=x onerror=alert(1)>\u2028<!-- {{ 7*7 }} {% endraw %} & \"'"


class Page(HTMLParser):
    """Tags with their attributes, and the text of each script, style and title."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": [], "title": []}
        self._inside: str | None = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in self.texts:
            self._inside = tag
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[self._inside][-1] += data

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def data(self) -> dict[str, Any]:
        (position,) = [
            i
            for i, attributes in enumerate(self.attributes("script"))
            if attributes.get("type") == "application/json"
        ]
        return json.loads(self.texts["script"][position])


@pytest.fixture(scope="module")
def html(toy_plan: AtlasPlan) -> str:
    return web.atlas_html(toy_plan)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def rings(parts: list[list[list[int]]]) -> shapely.MultiPolygon:
    """Decode polygons as the script does."""
    decoded = [
        [np.cumsum(np.array(ring).reshape(-1, 2), axis=0) / 1e5 for ring in part] for part in parts
    ]
    return shapely.MultiPolygon([(part[0], part[1:]) for part in decoded])


def test_classes_colours_labels_and_counts_are_the_plans(page: Page, toy_plan: AtlasPlan) -> None:
    written = {layer["id"]: layer for layer in page.data["layers"]}
    assert list(written) == [layer.id for layer in toy_plan.layers]
    for layer in toy_plan.layers:
        item = written[layer.id]
        assert [
            (c["key"], c["label"], c["colour"], c["count"], c["lower"], c["upper"], c["category"])
            for c in item["classes"]
        ] == [
            (c.key, c.label.both(), c.colour, c.count, c.lower, c.upper, c.category)
            for c in layer.classes
        ]
        assert item["class_of"] == layer.class_of.tolist()
        assert item["diameter_px"] == pytest.approx(layer.diameter_mm * 3.7795, abs=0.01)
        assert [size["label"] for size in item["sizes"]] == [
            size.label.both() for size in layer.sizes
        ]
        assert (item["hollow"] or {}).get("label") == (
            layer.hollow.label.both() if layer.hollow else None
        )
        for name in ("title", "note", "caption"):
            assert item[name] == getattr(layer, name).both()
        assert item["unit"] == (layer.unit.both() if layer.unit else None)
        assert item["is_visible"] == layer.is_visible
    assert [(g["id"], g["layers"]) for g in page.data["groups"]] == [
        (group.id, list(group.layers)) for group in toy_plan.groups
    ]
    assert page.data["order"] == list(toy_plan.drawing_order)
    assert page.data["footer"] == toy_plan.footer.both()


def test_counts_are_those_of_the_rows(page: Page) -> None:
    for layer in page.data["layers"]:
        found = np.bincount(
            [c for c in layer["class_of"] if c >= 0], minlength=len(layer["classes"])
        )
        assert found.tolist() == [item["count"] for item in layer["classes"]]


def test_language_and_title(html: str, page: Page, toy_plan: AtlasPlan) -> None:
    assert html.startswith("<!DOCTYPE html>")
    assert page.attributes("html") == [{"lang": toy_plan.language}]
    assert page.texts["title"] == [toy_plan.title[toy_plan.language]]


def test_nothing_is_loaded(page: Page) -> None:
    loading = {"link", "img", "iframe", "object", "embed", "base", "audio", "video", "source"}
    assert not loading & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert "src" not in attributes
        assert attributes.get("href", "#").startswith("#")
        assert not [name for name in attributes if name.startswith("on")]
    for style in page.texts["style"]:
        assert "@import" not in style
        assert not re.findall(r"url\((?!data:)[^)]*\)", style)
    assert not any("sourceMappingURL" in script for script in page.texts["script"])
    for word in ("jquery", "bootstrap", "fontawesome", "cdn."):
        assert not any(word in script.lower() for script in page.texts["script"])


def test_policy_lets_only_our_scripts_run(page: Page) -> None:
    (policy,) = [
        str(meta["content"])
        for meta in page.attributes("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'")
    scripts = [
        text
        for attributes, text in zip(page.attributes("script"), page.texts["script"], strict=True)
        if "type" not in attributes
    ]
    hashes = [
        "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for text in scripts
    ]
    assert re.findall(r"'sha256-[^']*'", policy) == hashes
    assert "unsafe-inline" not in policy.split("style-src")[0]


def test_hostile_text_stays_text(page: Page, toy_plan: AtlasPlan) -> None:
    village = toy_plan.tables["village"].copy()
    village.loc[village.index[0], "village_name"] = HOSTILE
    text = Text(id=HOSTILE, en=HOSTILE)
    hostile = replace(
        toy_plan,
        tables={**toy_plan.tables, "village": village},
        title=text,
        footer=text,
        sources=dict.fromkeys(toy_plan.sources, HOSTILE),
    )
    html = web.atlas_html(hostile)
    found = Page(html)
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in page.tags]
    assert found.texts["title"] == [HOSTILE]
    assert found.data["tables"]["village"]["columns"]["village_name"][0] == HOSTILE
    assert found.data["footer"]["en"] == HOSTILE
    assert set(found.data["sources"].values()) == {HOSTILE}
    assert "</script><img" not in html
    block = html.split('id="atlas-data">')[1].split("</script>")[0]
    assert not set("<>&\u2028\u2029") & set(block)


def test_hidden_columns_are_not_written(page: Page, toy_plan: AtlasPlan) -> None:
    for name, table in page.data["tables"].items():
        layers = [layer for layer in toy_plan.layers if layer.table == name]
        shown = {
            field.name for layer in layers for field in layer.fields if field.role != "hidden"
        } | {column for layer in layers for column in (layer.value, layer.category) if column}
        assert set(table["columns"]) == shown
    cluster = page.data["tables"]["cluster"]["columns"]
    assert "cluster_name" in cluster
    assert not {"evidence", "candidates", "score"} & set(cluster)
    for layer in page.data["layers"]:
        fields = {field.name: field.role for field in toy_plan.layer(layer["id"]).fields}
        assert layer["popup"] == [name for name, role in fields.items() if role == "popup"]


def test_cells_are_the_tables(page: Page, toy_plan: AtlasPlan) -> None:
    village = toy_plan.tables["village"]
    columns = page.data["tables"]["village"]["columns"]
    assert columns["village_name"] == village["village_name"].tolist()
    workers = village["workers_count"].astype(object).where(village["workers_count"].notna(), None)
    assert columns["workers_count"] == workers.tolist()
    assert None in columns["workers_count"]
    decimals = page.data["fields"]["area_km2"]["decimals"]
    assert columns["area_km2"] == [round(float(value), decimals) for value in village["area_km2"]]
    assert page.data["fields"]["year"]["kind"] == "text"
    years = toy_plan.tables["cluster"]["year"].dropna()
    written = [year for year in page.data["tables"]["cluster"]["columns"]["year"] if year]
    assert written == [str(year) for year in years]


def test_every_named_source_is_cited(page: Page, toy_plan: AtlasPlan) -> None:
    named = {
        part.strip()
        for table in page.data["tables"].values()
        for cell in table["columns"].get("source_ids", [])
        if cell
        for part in cell.split(";")
    }
    assert named
    assert page.data["sources"] == {name: toy_plan.sources[name] for name in named}


def test_interface_speaks_both_languages(page: Page) -> None:
    assert page.data["ui"] == {
        key: text.both() for key, text in catalogue().items() if key.startswith(("ui.", "legend."))
    }
    script = web._asset("atlas.js")
    used = set(re.findall(r'words\("([a-z_.]+)"', script))
    for name in (attributes.get("data-t") for _, attributes in page.tags):
        used |= {name} if name else set()
    assert used <= set(page.data["ui"])
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", script)


def test_geometry_is_written_once_and_true(page: Page, toy_plan: AtlasPlan) -> None:
    for name, table in page.data["tables"].items():
        shapes = toy_plan.tables[name].geometry
        if "points" in table:
            places = shapely.get_coordinates(shapes.to_numpy())
            assert np.array(table["points"]) / 1e5 == pytest.approx(places, abs=6e-6)
            continue
        metres = shapes.to_crs(toy_plan.crs)
        drawn = shapes.__class__([rings(parts) for parts in table["rings"]], crs=4326)
        again = drawn.to_crs(toy_plan.crs)
        assert again.is_valid.all()
        share = again.intersection(metres).area / again.union(metres).area
        assert share.min() > 0.99
        assert all(
            shape.contains(shapely.Point(np.array(at) / 1e5))
            for shape, at in zip(drawn, table["labels"], strict=True)
        )


def test_neighbours_keep_a_common_border(toy_plan: AtlasPlan) -> None:
    """Simplifying each village for itself would open gaps; a coverage stays one."""
    village = toy_plan.tables["village"]
    drawn = [rings(parts) for parts in web._geometry(village, toy_plan.crs)["rings"]]
    was = shapely.coverage_is_valid(village.geometry.to_crs(toy_plan.crs).to_numpy())
    assert shapely.coverage_is_valid(np.array(drawn)) == was


def test_cells_that_leave_gaps_are_drawn_too(toy_plan: AtlasPlan) -> None:
    village = toy_plan.tables["village"].to_crs(toy_plan.crs)
    cells = village.set_geometry(village.centroid.buffer(400)).to_crs(4326)
    overlapping = cells.set_geometry(cells.geometry.where(cells.index != 1, cells.geometry.iloc[0]))
    for frame in (cells, overlapping):
        drawn = [rings(parts) for parts in web._geometry(frame, toy_plan.crs)["rings"]]
        assert all(shapely.is_valid(drawn))
        assert [shape.area for shape in drawn] == pytest.approx(
            shapely.area(frame.geometry).tolist(), rel=0.05
        )


def test_holes_and_parts_survive(toy_plan: AtlasPlan) -> None:
    hole = shapely.box(0, 0, 3, 3).difference(shapely.box(1, 1, 2, 2))
    both = shapely.MultiPolygon([hole, shapely.box(5, 0, 6, 1)])
    assert rings(web._polygons(both)).equals(both)


def test_a_page_is_small(html: str) -> None:
    assert len(html.encode()) < 400_000


def test_same_bytes_in_another_process(toy_release: tuple[Paths, str], html: str) -> None:
    paths, area = toy_release
    code = (
        "import hashlib, sys; from pathlib import Path\n"
        "from pipeline.contracts.provenance import Paths\n"
        "from pipeline.s5_render.load import load_plan\n"
        "from pipeline.s5_render.web import atlas_html\n"
        "areas, layers, outputs, area = sys.argv[1:]\n"
        "plan = load_plan(Paths(Path(areas), Path(layers), Path(outputs)), area, 'internal')\n"
        "print(hashlib.sha256(atlas_html(plan).encode()).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, (paths.areas, paths.layers, paths.outputs)), area],
        env={**os.environ, "PYTHONHASHSEED": "20240101"},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == hashlib.sha256(html.encode()).hexdigest()
