"""One declaration, three targets: the written files show the same breaks, colours and counts."""

from __future__ import annotations

import json
import re
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from pipeline.contracts.layer import load_layers
from pipeline.contracts.provenance import PROJECT, Paths

_SVG = "{http://www.w3.org/2000/svg}"
LAYERS = ("firms", "production_centres", "clusters")


class Entry(NamedTuple):
    """A legend entry as a reader sees it."""

    label: str
    colour: str
    count: int
    is_hollow: bool


def in_web(folder: Path, layer: str) -> list[Entry]:
    text = (folder / "atlas.html").read_text(encoding="utf-8")
    (block,) = re.findall(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', text, re.S)
    (found,) = [item for item in json.loads(block)["layers"] if item["id"] == layer]
    return [
        Entry(c["label"]["id"], c["colour"], c["count"], c["is_hollow"]) for c in found["classes"]
    ]


def in_qgis(folder: Path, layer: str) -> list[Entry]:
    with zipfile.ZipFile(folder / "atlas.qgz") as archive:
        root = ElementTree.fromstring(archive.read("atlas.qgs"))
    (renderer,) = [
        item.find("renderer-v2")
        for item in root.findall("projectlayers/maplayer")
        if item.findtext("id", "").startswith(f"{layer}_") or layer in item.findtext("id", "")
    ]
    return entries_of(renderer)


def in_geopackage(folder: Path, layer: str) -> list[Entry]:
    with closing(sqlite3.connect(folder / "atlas.gpkg")) as base:
        styles = base.execute("SELECT styleName, styleQML FROM layer_styles").fetchall()
    title = load_layers(PROJECT / "layers").layers[layer].title
    (qml,) = [text for name, text in styles if name == title.id]
    return entries_of(ElementTree.fromstring(qml).find("renderer-v2"))


def entries_of(renderer: ElementTree.Element | None) -> list[Entry]:
    assert renderer is not None
    symbols = {symbol.get("name"): symbol for symbol in renderer.findall("symbols/symbol")}
    entries = []
    for rule in renderer.findall("rules/rule"):
        match = re.fullmatch(r"(.*) \(n = ([\d.]+)\)", rule.get("label", ""))
        if match is None or rule.get("filter") == "FALSE":
            continue
        symbol = symbols[rule.get("symbol")]
        colours = {prop.get("k"): prop.get("v") for prop in symbol.findall("layer/prop")}
        is_hollow = str(colours["color"]).endswith(",0")
        shown = str(colours["outline_color" if is_hollow else "color"])
        red, green, blue, _ = (int(part) for part in shown.split(","))
        count = int(match[2].replace(".", ""))
        entries.append(Entry(match[1], f"#{red:02x}{green:02x}{blue:02x}", count, is_hollow))
    return entries


def in_figure(folder: Path, layer: str) -> list[Entry]:
    root = ElementTree.parse(folder / "figures" / f"{layer}.svg").getroot()
    groups = [(group.get("id", ""), group) for group in root.iter(f"{_SVG}g")]
    swatches = [
        re.search(r"fill: (#[0-9a-f]{6}).*stroke: (#[0-9a-f]{6})", str(path.get("style")))
        for name, group in groups
        if re.fullmatch(r"legend-(class_\d+|missing|all|batik|konveksi|canting|weaving)", name)
        for path in group.iter(f"{_SVG}path")
    ]
    labels = " ".join(
        "".join(group.itertext()).strip() for name, group in groups if name == "legend-label"
    )
    counts = [
        int(re.sub(r"\D", "", "".join(group.itertext())))
        for name, group in groups
        if name == "legend-count"
    ]
    paper = load_layers(PROJECT / "layers").palettes.paper
    return [
        Entry(labels, swatch[2 if swatch[1] == paper else 1], count, swatch[1] == paper)
        for swatch, count in zip(swatches, counts, strict=True)
        if swatch
    ]


@pytest.mark.parametrize("layer", LAYERS)
def test_legend_is_the_same_in_web_project_geopackage_and_figure(
    toy_products: tuple[Paths, str], layer: str
) -> None:
    paths, area = toy_products
    folder = paths.product(area)
    web = in_web(folder, layer)
    assert web
    assert in_qgis(folder, layer)[: len(web)] == web
    assert in_geopackage(folder, layer)[: len(web)] == web
    figure = in_figure(folder, layer)[: len(web)]
    assert [item[1:] for item in figure] == [item[1:] for item in web]
    words = figure[0].label
    assert words.startswith(" ".join(item.label for item in web))


def test_counts_of_a_choropleth_are_the_geopackages(toy_products: tuple[Paths, str]) -> None:
    paths, area = toy_products
    folder = paths.product(area)
    with closing(sqlite3.connect(folder / "atlas.gpkg")) as base:
        values = [row[0] for row in base.execute('SELECT "firms_count" FROM "village"')]
    entries = in_web(folder, "firms")
    assert sum(entry.count for entry in entries) == len(values)
    assert entries[-1].count == values.count(None)
