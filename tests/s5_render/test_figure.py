"""Figures: what the plan says is what is drawn, in both languages, the same bytes every time."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text as Label

import shapely
import shapely.affinity

from pipeline.contracts.provenance import PROJECT, Paths
from pipeline.contracts.text import LANGUAGES, Language, Text, same, t
from pipeline.s5_render.figure import WIDTH_MM, Drawer, printable, wrap
from pipeline.s5_render.plan import AtlasPlan, LayerPlan

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def drawer(toy_plan: AtlasPlan) -> Drawer:
    return Drawer(toy_plan)


@pytest.fixture(scope="module")
def figures(drawer: Drawer) -> dict[tuple[str, Language], Figure]:
    """Every layer in both languages, drawn once."""
    return {
        (layer.id, language): drawer.figure(layer.id, language)
        for layer in drawer.plan.layers
        for language in LANGUAGES
    }


def _by_gid(figure: Figure, gid: str) -> list[Any]:
    return figure.findobj(lambda artist: artist.get_gid() == gid)


def _words(figure: Figure, gid: str) -> list[str]:
    return [artist.get_text() for artist in _by_gid(figure, gid)]


def _joined(figure: Figure, gid: str) -> str:
    return " ".join(_words(figure, gid))


def _first(plan: AtlasPlan, geometry: str, **more: bool) -> LayerPlan:
    return next(
        layer
        for layer in plan.layers
        if layer.geometry == geometry
        and all((getattr(layer, name) is not None) == wanted for name, wanted in more.items())
    )


def _with_layer(plan: AtlasPlan, layer: LayerPlan, **tables: Any) -> AtlasPlan:
    layers = tuple(layer if one.id == layer.id else one for one in plan.layers)
    return replace(plan, layers=layers, tables={**plan.tables, **tables})


def _texts(figure: Figure) -> Iterator[tuple[Label, Any]]:
    FigureCanvasAgg(figure).draw()  # the scale bar writes its text only now
    for label in figure.findobj(Label):
        if label.get_text() and label.get_visible() and label.get_gid() != "halo":
            yield label, label.get_window_extent()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_layer_draws_what_the_plan_says(
    toy_plan: AtlasPlan, figures: dict[tuple[str, Language], Figure], language: Language
) -> None:
    plan = toy_plan
    for layer in plan.layers:
        figure = figures[layer.id, language]
        assert figure.get_size_inches()[0] * 25.4 == pytest.approx(WIDTH_MM)
        assert _joined(figure, "title") == layer.title[language]
        assert layer.caption[language] in _joined(figure, "caption")
        assert _joined(figure, "footer") == plan.footer[language]
        entries = [*layer.classes, *([layer.hollow] if layer.hollow else [])]
        assert _joined(figure, "legend-label") == " ".join(one.label[language] for one in entries)
        assert _words(figure, "legend-count") == [
            t("legend.count", n=one.count)[language] for one in entries
        ]
        for one in entries:
            (swatch,) = _by_gid(figure, f"legend-{one.key}")
            if layer.geometry == "outline":
                assert swatch.get_color() == one.colour
            elif layer.geometry == "symbols" and (one.is_missing or one.is_hollow):
                assert to_hex(swatch.get_facecolor()) == plan.style.paper
                assert to_hex(swatch.get_edgecolor()) == one.colour
            else:
                assert to_hex(swatch.get_facecolor()) == one.colour


def test_choropleth_fills_as_many_units_as_the_legend_counts(drawer: Drawer) -> None:
    plan = drawer.plan
    layer = _first(plan, "choropleth")
    everything = Drawer(replace(plan, focus=plan.bounds))
    figure = everything.figure(layer.id, "en")
    for one in layer.classes:
        (drawn,) = _by_gid(figure, f"map-{one.key}")
        assert isinstance(drawn, PathCollection)
        assert len(drawn.get_paths()) == one.count
        assert {to_hex(colour) for colour in drawn.get_facecolors()} == {one.colour}


def test_symbols_have_the_sizes_and_colours_of_the_plan(
    toy_plan: AtlasPlan, figures: dict[tuple[str, Language], Figure]
) -> None:
    for layer in toy_plan.layers:
        if layer.geometry != "symbols":
            continue
        figure = figures[layer.id, "id"]
        (drawn,) = _by_gid(figure, "map-symbols")
        order = np.argsort(-layer.diameter_mm, kind="stable")
        diameter = np.sqrt(drawn.get_sizes()) * 25.4 / 72
        table = toy_plan.tables[layer.table]
        known = table[layer.value].notna() if layer.value else np.ones(len(table), dtype=bool)
        known = np.asarray(known, dtype=bool)[order]
        factor = diameter[known] / layer.diameter_mm[order][known]
        assert np.ptp(factor) < 1e-9
        assert diameter[~known] == pytest.approx(layer.diameter_mm[order][~known])
        colours = [layer.classes[i].colour for i in layer.class_of[order]]
        shown = np.where(known[:, None], drawn.get_facecolors(), drawn.get_edgecolors())
        assert [to_hex(colour) for colour in shown] == colours
        circles = sorted(2 * circle.get_radius() for circle in _by_gid(figure, "legend-size"))
        assert circles == pytest.approx([size.diameter_mm * factor[0] for size in layer.sizes])
        assert sorted(_words(figure, "legend-size-label")) == sorted(
            size.label["id"] for size in layer.sizes
        )


def test_all_features_with_data_lie_on_the_map(toy_plan: AtlasPlan) -> None:
    west, south, east, north = toy_plan.focus
    corner = (west, south, west + (east - west) / 20, south + (north - south) / 20)
    drawer = Drawer(replace(toy_plan, focus=corner))
    for geometry in ("choropleth", "symbols"):
        layer = _first(toy_plan, geometry)
        frame = _by_gid(drawer.figure(layer.id, "id"), "map")[0]
        (left, right), (low, high) = frame.get_xlim(), frame.get_ylim()
        table = toy_plan.tables[layer.table].to_crs(toy_plan.crs)
        if layer.geometry == "choropleth":
            table = table[table[layer.value].notna()]
        x0, y0, x1, y1 = table.total_bounds
        assert left < x0
        assert x1 < right
        assert low < y0
        assert y1 < high


def test_a_metre_is_as_long_in_both_directions(
    figures: dict[tuple[str, Language], Figure],
) -> None:
    for figure in figures.values():
        axes = _by_gid(figure, "map")[0]
        width, height = axes.get_window_extent().size
        x, y = np.diff(axes.get_xlim())[0], np.diff(axes.get_ylim())[0]
        assert x / width == pytest.approx(y / height, rel=1e-9)


def test_the_three_files_are_what_they_say(drawer: Drawer) -> None:
    layer = _first(drawer.plan, "choropleth")
    files = drawer.draw(layer.id, "id")
    assert set(files) == {"png", "svg", "pdf"}
    assert files["png"].startswith(b"\x89PNG")
    assert b"Matplotlib" not in files["png"]
    assert b"matplotlib" not in files["svg"].lower().replace(b"matplotlib.org", b"")[:2000]
    assert re.search(rb'id="map-', files["svg"])
    tree = ElementTree.fromstring(files["svg"])
    words = ["".join(node.itertext()) for node in tree.iter(f"{SVG}text")]
    shown = " ".join(words)
    assert layer.title["id"] in words
    for one in layer.classes:
        assert one.label["id"] in shown
        assert one.colour.encode() in files["svg"]
    named = drawer.plan.tables[layer.table]
    named = named[named[layer.value].notna()][layer.title_field]
    for name in named:
        assert any(part in shown for part in (name, name.split(" ")[0]))
    assert b"/FontFile2" in files["pdf"]
    assert b"/CIDFontType2" in files["pdf"] or b"/TrueType" in files["pdf"]
    assert b"/Type3" not in files["pdf"]
    assert b"CreationDate" not in files["pdf"]


def test_nothing_leaves_the_page_and_names_do_not_overlap(
    figures: dict[tuple[str, Language], Figure],
) -> None:
    for figure in figures.values():
        width, height = figure.bbox.size
        names = []
        for label, box in _texts(figure):
            assert 0 <= box.x0 <= box.x1 <= width, label
            assert 0 <= box.y0 <= box.y1 <= height, label
            if label.get_gid() in ("name", "district-name"):
                names.append((label, box))
        for i, (one, box) in enumerate(names):
            for other, its in names[:i]:
                side_by_side = box.x0 >= its.x1 or its.x0 >= box.x1
                assert side_by_side or box.y0 >= its.y1 - 2 or its.y0 >= box.y1 - 2, (one, other)


def test_hostile_names_are_printed_as_they_are(toy_plan: AtlasPlan) -> None:
    layer = _first(toy_plan, "choropleth")
    table = toy_plan.tables[layer.table].copy()
    rows = table.index[table[layer.value].notna()][:3]
    hostile = ["$x_$", "<b>&amp;", "Sangat " + "panjang" * 40]
    table.loc[rows, layer.title_field] = hostile[: len(rows)]
    named = replace(layer, title=same("$\\frac$ <script>"), note=same("word" * 100))
    drawer = Drawer(_with_layer(toy_plan, named, **{layer.table: table}))
    tree = ElementTree.fromstring(drawer.draw(layer.id, "en")["svg"])
    words = ["".join(node.itertext()) for node in tree.iter(f"{SVG}text")]
    assert "$\\frac$ <script>" in words
    assert "$x_$" in words
    assert "<b>&amp;" in words
    figure = drawer.figure(layer.id, "en")
    assert all(box.x1 <= figure.bbox.width for _, box in _texts(figure))


def test_signs_the_font_lacks_are_replaced() -> None:
    assert printable("Desa \U0001f9f5\u200b batik") == "Desa \ufffd\ufffd batik"


def test_wrap_keeps_every_sign() -> None:
    text = "satu dua " + "tiga" * 30
    lines = wrap(text, 20, 7)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert len(lines) > 3


def test_a_layer_without_any_value_is_still_drawn(toy_plan: AtlasPlan) -> None:
    fill = _first(toy_plan, "choropleth")
    table = toy_plan.tables[fill.table].copy()
    table[fill.value] = table[fill.value].astype("Float64")
    table[fill.value] = None
    missing = next(one for one in fill.classes if one.is_missing)
    emptied = replace(
        fill,
        classes=(replace(missing, count=len(table)),),
        class_of=np.zeros(len(table), dtype=np.int64),
    )
    figure = Drawer(_with_layer(toy_plan, emptied, **{fill.table: table})).figure(fill.id, "id")
    assert _words(figure, "name") == []
    assert _words(figure, "legend-label")

    dots = _first(toy_plan, "symbols", value=True)
    table = toy_plan.tables[dots.table].copy()
    table[dots.value] = table[dots.value].astype("Float64")
    table[dots.value] = None
    emptied = replace(dots, sizes=(), diameter_mm=np.full(len(table), dots.missing_mm))
    figure = Drawer(_with_layer(toy_plan, emptied, **{dots.table: table})).figure(dots.id, "id")
    (drawn,) = _by_gid(figure, "map-symbols")
    assert {to_hex(colour) for colour in drawn.get_facecolors()} == {toy_plan.style.paper}
    assert not _by_gid(figure, "legend-size")


def test_names_without_room_are_counted_in_the_caption(toy_plan: AtlasPlan) -> None:
    dots = _first(toy_plan, "symbols", value=True)
    table = toy_plan.tables[dots.table]
    many = table.iloc[np.zeros(60, dtype=int)].reset_index(drop=True)
    many[dots.title_field] = [f"Sentra nomor {number}" for number in range(60)]
    crowded = replace(
        dots,
        class_of=np.zeros(60, dtype=np.int64),
        diameter_mm=np.full(60, dots.missing_mm),
        sizes=(),
    )
    figure = Drawer(_with_layer(toy_plan, crowded, **{dots.table: many})).figure(dots.id, "en")
    shown = len(_words(figure, "name"))
    assert 0 < shown < 60
    assert t("figure.unnamed", n=60 - shown)["en"] in _joined(figure, "caption")


def test_names_do_not_hide_small_units(toy_plan: AtlasPlan) -> None:
    """Where units are much smaller than their names, names stand beside them, with lines."""
    fill = _first(toy_plan, "choropleth")
    table = toy_plan.tables[fill.table].to_crs(toy_plan.crs)
    west, south, east, north = table.total_bounds
    middle = shapely.Point((west + east) / 2, (south + north) / 2)
    size = (east - west) / 60
    places = [
        shapely.affinity.translate(middle, 1.6 * size * (i % 4), 1.6 * size * (i // 4))
        for i in range(len(table))
    ]
    small = table.set_geometry(shapely.buffer(places, size, cap_style="square"), crs=toy_plan.crs)
    plan = _with_layer(toy_plan, fill, **{fill.table: small.to_crs("EPSG:4326")})
    figure = Drawer(plan).figure(fill.id, "id")
    (frame,) = _by_gid(figure, "map")
    shapes = small.geometry[small[fill.value].notna()].to_numpy()
    ground = frame.transData.inverted()
    names = 0
    for label, extent in _texts(figure):
        if label.get_gid() == "name":
            (x0, y0), (x1, y1) = ground.transform(extent.get_points())
            hidden = shapely.area(shapely.intersection(shapes, shapely.box(x0, y0, x1, y1)))
            assert (hidden < 0.3 * shapely.area(shapes)).all(), label.get_text()
            names += 1
    assert names == len(shapes)
    assert _by_gid(figure, "leader")


def test_village_borders_are_shown_where_the_map_opens_with_their_names(
    toy_plan: AtlasPlan,
) -> None:
    layer = next(
        one for one in toy_plan.layers if one.geometry == "outline" and one.table == "village"
    )
    district = toy_plan.tables["district"].iloc[0]
    plan = replace(toy_plan, focus=tuple(district.geometry.bounds))
    figure = Drawer(plan).figure(layer.id, "id")
    village = toy_plan.tables["village"]
    inside = village["district_code"] == district["district_code"]
    named = {word for name in village.loc[inside, "village_name"] for word in name.split(" ")}
    outside = {word for name in village.loc[~inside, "village_name"] for word in name.split(" ")}
    shown = {word for name in _words(figure, "name") for word in name.split(" ")}
    assert shown & named
    assert not shown & (outside - named)
    assert _by_gid(figure, "locator-frame")


def test_every_line_that_is_drawn_stands_in_the_legend(
    toy_plan: AtlasPlan, figures: dict[tuple[str, Language], Figure]
) -> None:
    said = t("figure.border.village")["id"]
    for layer in toy_plan.layers:
        figure = figures[layer.id, "id"]
        is_drawn = bool(_by_gid(figure, "villages"))
        is_drawn |= layer.geometry == "choropleth" and layer.key == "village_code"
        words = " ".join(text.get_text() for text, _ in _texts(figure))
        assert (said in words) == is_drawn, layer.id


def test_a_district_is_named_once_where_a_symbol_stands_for_it(toy_plan: AtlasPlan) -> None:
    dots = _first(toy_plan, "symbols")
    table = toy_plan.tables[dots.table].copy()
    district = toy_plan.tables["district"]["district_name"].iloc[0]
    table.loc[table.index[0], [dots.title_field, "village_name"]] = [district, None]
    figure = Drawer(_with_layer(toy_plan, dots, **{dots.table: table})).figure(dots.id, "id")
    assert district.upper() not in _words(figure, "district-name")
    table.loc[table.index[0], "village_name"] = "Desa"
    figure = Drawer(_with_layer(toy_plan, dots, **{dots.table: table})).figure(dots.id, "id")
    assert district.upper() in _words(figure, "district-name")


def test_approximate_boundaries_are_said_on_the_figure(toy_plan: AtlasPlan) -> None:
    said: Text = t("footer.boundaries.approximate")
    drawer = Drawer(replace(toy_plan, footer=said))
    assert said["en"] in _joined(drawer.figure(toy_plan.layers[0].id, "en"), "footer")


def test_settings_of_others_stay_and_do_not_matter(drawer: Drawer) -> None:
    layer = _first(drawer.plan, "outline").id
    expected = drawer.draw(layer, "en")
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9, "svg.fonttype": "path"}):
        before = dict(matplotlib.rcParams)
        assert drawer.draw(layer, "en") == expected
        assert dict(matplotlib.rcParams) == before


_SCRIPT = """
import hashlib, json, sys
from pathlib import Path
from pipeline.contracts.provenance import Paths
from pipeline.s5_render.load import load_plan
from pipeline.s5_render.figure import Drawer
paths = Paths(areas=Path(sys.argv[1]), layers=Path(sys.argv[2]), outputs=Path(sys.argv[3]))
drawer = Drawer(load_plan(paths, sys.argv[4], "internal"))
for layer in sys.argv[5:]:
    for kind, content in drawer.draw(layer, "id").items():
        print(layer, kind, hashlib.sha256(content).hexdigest())
assert "matplotlib.pyplot" not in sys.modules
"""


def test_another_process_writes_the_same_bytes(
    drawer: Drawer, toy_release: tuple[Paths, str], tmp_path: Path
) -> None:
    paths, area = toy_release
    layers = [_first(drawer.plan, kind).id for kind in ("choropleth", "symbols")]
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            _SCRIPT,
            *(str(folder) for folder in (paths.areas, paths.layers, paths.outputs)),
            area,
            *layers,
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    here = [
        f"{layer} {kind} {hashlib.sha256(content).hexdigest()}"
        for layer in layers
        for kind, content in drawer.draw(layer, "id").items()
    ]
    assert done.stdout.split("\n")[:-1] == here
