"""Charts: the numbers drawn are the table's, in both languages, on the page, the same bytes."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pipeline.contracts.chart import ChartSpec, load_charts
from pipeline.contracts.errors import InputError
from pipeline.contracts.layer import load_layers
from pipeline.contracts.provenance import PROJECT, Paths
from pipeline.contracts.text import LANGUAGES, Language, same
from pipeline.s5_render import chart as chart_module
from pipeline.s5_render._page import WIDTH_MM
from pipeline.s5_render.chart import chart_figure, draw_chart
from pipeline.s5_render.chart_plan import ChartPlan, chart_footer, plan_charts
from pipeline.s5_render.load import Release, read_release
from pipeline.s5_render.report import report_html
from pipeline.s5_render.run import run

SPECS = {spec.id: spec for spec in load_charts(PROJECT / "layers" / "charts")}
STYLE = load_layers(PROJECT / "layers").palettes
HEAD, FOOTER = same("An atlas"), same("A footer")
MM = 25.4


@pytest.fixture(scope="module")
def release(toy_release: tuple[Paths, str]) -> Release:
    return read_release(*toy_release, "internal")


@pytest.fixture(scope="module")
def tables(release: Release) -> Mapping[str, pd.DataFrame]:
    return release.tables


def plan(spec: ChartSpec, tables: Mapping[str, pd.DataFrame]) -> ChartPlan:
    (made,) = plan_charts([spec], tables, {"toy_study": "Nobody (2021)"}, STYLE)
    return made


def figure(chart: ChartPlan, language: Language = "en") -> Figure:
    return chart_figure(chart, HEAD, FOOTER, STYLE, language)


def words(drawn: Figure, gid: str) -> list[str]:
    return [text.get_text() for text in drawn.findobj(lambda one: one.get_gid() == gid)]


def boxes(drawn: Figure, gid: str = "bar") -> list[Rectangle]:
    return [one for one in drawn.findobj(Rectangle) if one.get_gid() == gid]


def changed(tables: Mapping[str, pd.DataFrame], name: str, frame: pd.DataFrame) -> dict[str, Any]:
    return {**tables, name: frame}


def test_all_five_charts_are_made_of_the_invented_area(release: Release) -> None:
    assert [chart.id for chart in release.charts] == list(SPECS)


def test_bars_are_as_long_as_the_shares(tables: Mapping[str, pd.DataFrame]) -> None:
    chart = plan(SPECS["respondent_characteristics"], tables)
    drawn = figure(chart)
    assert words(drawn, "panel") == ["Age (years)", "Main constraint"]
    assert words(drawn, "value") == [
        "25% (1)", "50% (3)", "70%* (3)", "50% (3)",
        "100% (4)", "50% (3)", "–", "50% (3)",
    ]  # fmt: skip
    full = boxes(drawn, "track")[0].get_width()
    lengths = [box.get_width() / full * 100 for box in boxes(drawn) if box.get_width() != 4]
    assert lengths == pytest.approx([25, 50, 70, 50, 100, 50, 50])
    assert words(drawn, "key") == ["micro (n = 4)", "small (n = 6)"]
    assert words(drawn, "remark") == [
        "Mean: micro 31.5; small 29.0; all 30.0",
        "* >=30, micro: printed 70, recomputed 75",
    ]
    assert "n = 10" in chart.caption.en


def test_totals_are_not_drawn(tables: Mapping[str, pd.DataFrame]) -> None:
    chart = plan(SPECS["respondent_characteristics"], tables)
    assert [len(row.cells) for panel in chart.panels for row in panel.rows] == [2, 2, 2, 2]
    everything = plan(SPECS["respondent_characteristics"].model_copy(update={"totals": ()}), tables)
    assert [len(row.cells) for panel in everything.panels for row in panel.rows] == [3, 3, 3, 3]


def test_bases_that_differ_are_not_given_as_one(tables: Mapping[str, pd.DataFrame]) -> None:
    frame = tables["crosstabs"]
    frame = frame[~((frame["category"] == "pasar") & (frame["group"] == "kecil"))]
    chart = plan(SPECS["respondent_characteristics"], changed(tables, "crosstabs", frame))
    assert words(figure(chart), "key") == ["micro", "small"]
    assert "n =" not in chart.caption.en


def test_class_limits_stand_where_they_belong(tables: Mapping[str, pd.DataFrame]) -> None:
    drawn = figure(plan(SPECS["score_classes"], tables))
    assert words(drawn, "rebuilt") == ["2", "4", "6", "8"]
    assert words(drawn, "printed") == ["printed 4", "printed 6.5 ≠ 6.0"]
    assert words(drawn, "label") == ["low", "n = 2", "moderate", "n = 1", "high", "n = 1"]
    bars = [box for box in boxes(drawn) if box.get_width() > 4]
    edges = [bars[0].get_x(), *(box.get_x() + box.get_width() for box in bars)]
    scale = (edges[-1] - edges[0]) / 6
    assert edges == pytest.approx([edges[0] + scale * (limit - 2) for limit in (2, 4, 6, 8)])
    limits = drawn.findobj(lambda one: one.get_gid() == "printed")
    assert [text.get_position()[0] for text in limits] == pytest.approx(
        [edges[0] + scale * (limit - 2) for limit in (4, 6.5)]
    )
    colours = [text.get_color() for text in limits]
    assert colours == [STYLE.ink, chart_module.ALARM]
    assert len(drawn.findobj(lambda one: one.get_gid() == "diamond")) == 2  # legend and limit


def test_without_counts_or_printed_limits_neither_is_shown(
    tables: Mapping[str, pd.DataFrame],
) -> None:
    frame = tables["score_class"].copy()
    for column in ("printed_upper", "is_agreeing", "respondents_count"):
        frame[column] = pd.Series(pd.NA, index=frame.index, dtype=frame[column].dtype)
    drawn = figure(plan(SPECS["score_classes"], changed(tables, "score_class", frame)))
    assert words(drawn, "printed") == []
    assert words(drawn, "label") == ["low", "moderate", "high"]
    assert words(drawn, "key") == ["rebuilt limit (below)"]


def test_matrix_prints_the_sources_words_and_counts(tables: Mapping[str, pd.DataFrame]) -> None:
    chart = plan(SPECS["linkage_matrix"], tables)
    drawn = figure(chart)
    assert words(drawn, "panel") == [
        "Horizontal linkages, as the source reports",
        "Horizontal linkages, counted from the survey",
        "Vertical linkages, as the source reports",
        "Vertical linkages, counted from the survey",
    ]
    assert words(drawn, "value") == [
        "yes", "yes", "no", "–",  # horizontal: baru marketing, materials; lama
        "3 / 2",
        "no", "yes", "yes", "–",
        "1 / 1",
    ]  # fmt: skip
    assert words(drawn, "key") == [
        "not broken down by category in the source",
        "one firm only",
        "ties / firms; the darker, the more ties",
    ]
    assert len(boxes(drawn, "hatch")) == 2  # legend and one cell
    assert len(boxes(drawn, "hatch-back")) == 2
    assert words(drawn, "detail") == ["lower", "pembeli; pemasok", "pembeli"]
    counted = [cell for row in chart.panels[1].rows for cell in row.cells if cell]
    fewer = [cell for row in chart.panels[3].rows for cell in row.cells if cell]
    assert counted[0].colour == STYLE.palettes["soga"].colours[-1]
    assert fewer[0].colour == STYLE.palettes["soga"].colours[2]  # a third of the most


def test_dots_stand_at_the_logarithm_of_the_value(tables: Mapping[str, pd.DataFrame]) -> None:
    chart = plan(SPECS["published_totals"], tables)
    drawn = figure(chart)
    frame = tables["comparison"]
    shown = frame[frame["unit"].isin(["units", "persons"])]
    cells = [c for panel in chart.panels for row in panel.rows for c in row.cells if c]
    assert sorted(cell.value for cell in cells) == sorted(shown["value"])
    assert len(words(drawn, "source")) >= len(shown)
    ticks = {
        text.get_text(): text.get_position()[0]
        for text in drawn.findobj(lambda one: one.get_gid() == "tick")
    }
    step = ticks["200"] - ticks["100"]
    dots = [
        one.get_xdata()[0]
        for gid in ("dot", "ring")
        for one in drawn.findobj(lambda artist, gid=gid: artist.get_gid() == gid)
    ]
    value = next(cell.value for cell in cells if cell.label.en == "52")
    assert value == 52
    wanted = ticks["100"] + step * math.log2(0.52)
    assert any(abs(x - wanted) < 1e-6 for x in dots)
    kinds = {cell.mark for cell in cells}
    assert kinds == {"dot", "ring"}


def test_one_figure_is_no_comparison(tables: Mapping[str, pd.DataFrame]) -> None:
    frame = tables["comparison"]
    one = changed(tables, "comparison", frame[frame["unit"] == "units"].head(1))
    assert plan_charts([SPECS["published_totals"]], one, {}, STYLE) == []


def test_a_linear_axis_starts_at_zero(tables: Mapping[str, pd.DataFrame]) -> None:
    spec = SPECS["published_totals"].model_copy(update={"axis": "linear"})
    ticks = words(figure(plan(spec, tables)), "tick")
    assert ticks.count("0") == 2  # a ruler for firms, one for workers
    assert words(figure(plan(spec, tables)), "panel") == ["Firms", "Workers"]


def test_shares_add_up_or_say_so(tables: Mapping[str, pd.DataFrame]) -> None:
    chart = plan(SPECS["cluster_roles"], tables)
    drawn = figure(chart, "id")
    assert words(drawn, "value") == ["60,0%", "39,5%", "tidak tahu: 0,5%", "50,0%", "40,0%",
                                     "tidak tahu: –"]  # fmt: skip
    assert words(drawn, "remark") == ["Dahlia: persen berjumlah 90,0"]
    assert "n tidak dinyatakan sumber" in chart.caption.id
    widths = [box.get_width() for box in boxes(drawn) if box.get_width() != 4]
    assert [w / widths[0] * 60 for w in widths] == pytest.approx([60, 39.5, 0.5, 50, 40])


def test_more_groups_than_colours_are_refused(tables: Mapping[str, pd.DataFrame]) -> None:
    facts = tables["facts"]
    rows = facts[facts["topic"] == "cluster_role"].copy()
    rows["category"] = [f"answer {number}" for number in range(len(rows))]
    with pytest.raises(InputError, match=r"at most 5 groups, the colours of survey, found 8"):
        plan(SPECS["cluster_roles"], changed(tables, "facts", rows))


def test_a_table_that_was_not_released_is_told(tables: Mapping[str, pd.DataFrame]) -> None:
    fewer = {
        name: frame for name, frame in tables.items() if name not in ("linkage", "crosstab_check")
    }
    with pytest.raises(InputError) as caught:
        plan_charts(SPECS.values(), fewer, {}, STYLE)
    assert [(fault.where, fault.column, fault.found) for fault in caught.value.faults] == [
        ("layers/charts/respondent_characteristics.yaml", "check", "'crosstab_check'"),
        ("layers/charts/linkage_matrix.yaml", "table", "'linkage'"),
    ]


@pytest.mark.parametrize("name", SPECS)
def test_a_chart_without_rows_is_left_out(name: str, tables: Mapping[str, pd.DataFrame]) -> None:
    bare = changed(tables, SPECS[name].table, tables[SPECS[name].table].head(0))
    assert plan_charts([SPECS[name]], bare, {}, STYLE) == []


HOSTILE = "$\\frac{x}$ <script>&\x07 " + "long" * 40


def hostile(tables: Mapping[str, pd.DataFrame], name: str) -> dict[str, pd.DataFrame]:
    """Return tables with one hostile word in every text column a chart prints."""
    spec = SPECS[name]
    frame = tables[spec.table].copy()
    kept = {"unit", "status", *spec.where}
    rows = frame.index if not spec.where else frame.index[
        pd.concat([frame[c].isin(v) for c, v in spec.where.items()], axis=1).all(axis=1)
    ]  # fmt: skip
    for role, column in spec.columns.items():
        if frame[column].dtype == "string" and column not in kept and role != "table":
            frame.loc[rows[-1], column] = HOSTILE
    return changed(tables, spec.table, frame)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("is_hostile", [False, True])
@pytest.mark.parametrize("name", SPECS)
def test_nothing_leaves_the_page(
    name: str, is_hostile: bool, language: Language, tables: Mapping[str, pd.DataFrame]
) -> None:
    chart = plan(SPECS[name], hostile(tables, name) if is_hostile else tables)
    drawn = figure(chart, language)
    canvas = FigureCanvasAgg(drawn)
    canvas.draw()
    page = drawn.bbox
    assert drawn.get_size_inches()[0] * MM == pytest.approx(WIDTH_MM)
    assert drawn.get_size_inches()[1] * MM < 600
    texts = [text for text in drawn.axes[0].texts if text.get_text()]
    for text in texts:
        extent = text.get_window_extent(canvas.get_renderer())
        assert page.x0 <= extent.x0, text.get_text()
        assert extent.x1 <= page.x1, text.get_text()
        assert page.y0 <= extent.y0, text.get_text()
        assert extent.y1 <= page.y1, text.get_text()
    for box in drawn.findobj(Rectangle):
        extent = box.get_window_extent(canvas.get_renderer())
        assert extent.x0 >= page.x0 - 1
        assert extent.x1 <= page.x1 + 1
    if is_hostile:
        together = "".join(text.get_text() for text in texts).replace(" ", "")
        assert "$\\frac{x}$" in together
        assert "\x07" not in together


@pytest.mark.parametrize("name", SPECS)
def test_both_languages(name: str, tables: Mapping[str, pd.DataFrame]) -> None:
    chart = plan(SPECS[name], tables)
    assert chart.title.id != chart.title.en
    assert chart.caption.id != chart.caption.en
    for language in LANGUAGES:
        drawn = figure(chart, language)
        assert " ".join(words(drawn, "title")) == chart.title[language]
        assert " ".join(words(drawn, "caption")) == chart.caption[language]


def test_text_stays_text(tables: Mapping[str, pd.DataFrame]) -> None:
    chart = plan(SPECS["score_classes"], tables)
    files = draw_chart(chart, HEAD, FOOTER, STYLE, "en")
    svg = files["svg"].decode()
    for text in ("AN ATLAS", "A footer", "Score classes", "printed 6.5 ≠ 6.0"):
        assert f">{text}</text>" in svg
    assert files["pdf"].startswith(b"%PDF")
    assert files["png"].startswith(b"\x89PNG")


def test_numbers_are_printed_as_each_language_does(tables: Mapping[str, pd.DataFrame]) -> None:
    chart = plan(SPECS["score_classes"], tables)
    assert words(figure(chart, "id"), "printed")[1] == "tercetak 6,5 ≠ 6,0"
    assert words(figure(chart, "en"), "printed")[1] == "printed 6.5 ≠ 6.0"


def test_the_footer_says_build_version_and_date(release: Release) -> None:
    footer = chart_footer(release.plan)
    assert footer.en.startswith("INTERNAL: not passed through disclosure control. Version ")
    assert footer.en.endswith(", 2024-01-01")
    undated = chart_footer(replace(release.plan, moment=None))
    assert undated.id.endswith("tanpa tanggal")


def test_the_chart_module_draws_plans_and_imports_no_other_target() -> None:
    text = Path(chart_module.__file__).read_text(encoding="utf-8")
    for name in ("figure", "web", "qgis", "report", "tables", "plan", "load"):
        assert f"pipeline.s5_render.{name} " not in text
    assert "pyplot" not in text
    assert "pandas" not in text


_SCRIPT = """
import hashlib, json, sys
from pathlib import Path
from pipeline.contracts.provenance import Paths
from pipeline.s5_render.load import read_release
from pipeline.s5_render.chart import draw_chart
from pipeline.s5_render.chart_plan import chart_footer
areas, layers, outputs = map(Path, sys.argv[1:])
release = read_release(Paths(areas, layers, outputs), "toy", "internal")
print(json.dumps({
    f"{chart.id}.{kind}": hashlib.sha256(content).hexdigest()
    for chart in release.charts[-2:]
    for kind, content in draw_chart(
        chart, release.plan.title, chart_footer(release.plan), release.plan.style, "id"
    ).items()
}))
"""


def test_another_process_writes_the_same_bytes(
    release: Release, toy_release: tuple[Paths, str], tmp_path: Path
) -> None:
    paths, _ = toy_release
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(paths.areas), str(paths.layers), str(paths.outputs)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONHASHSEED": "99", "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    footer = chart_footer(release.plan)
    here = {
        f"{chart.id}.{kind}": hashlib.sha256(content).hexdigest()
        for chart in release.charts[-2:]
        for kind, content in draw_chart(
            chart, release.plan.title, footer, release.plan.style, "id"
        ).items()
    }
    assert json.loads(done.stdout) == here
    assert len(here) == 6


def test_report_shows_charts_after_the_maps(release: Release) -> None:
    drawn = [layer.id for layer in release.plan.layers if layer.has_figure]
    arguments = (release.plan, release.about, release.tables, drawn)
    html = report_html(*arguments, release.charts)
    places = [html.index(f'src="figures/{chart.id}.png"') for chart in release.charts]
    assert places == sorted(places)
    assert html.index(f'src="figures/{drawn[-1]}.png"') < html.index('<h2 id="charts">') < places[0]
    for chart in release.charts:
        assert f'<span lang="en">{chart.caption.en}</span>' in html
    assert 'id="charts"' not in report_html(*arguments)


def test_charts_are_products_made_again_when_their_file_changes(
    toy_copy: tuple[Paths, str],
) -> None:
    paths, area = toy_copy
    charts = paths.layers / "charts"
    charts.mkdir()
    shutil.copy(PROJECT / "layers" / "charts" / "cluster_roles.yaml", charts)
    shutil.copy(PROJECT / "layers" / "charts" / "score_classes.yaml", charts)
    (charts / "order.yaml").write_text("charts: [score_classes, cluster_roles]\n")
    made = run(paths, area, only=["figures", "report"])
    assert made == ["figure score_classes", "figure cluster_roles", "report"]
    folder = paths.product(area)
    for name in ("figures/score_classes.svg", "figures/en/cluster_roles.pdf"):
        assert (folder / name).is_file()
    assert run(paths, area) == []
    path = charts / "cluster_roles.yaml"
    path.write_text(path.read_text().replace("en: do not know}", "en: unsure}"))
    assert run(paths, area) == ["figure cluster_roles", "report"]
    assert b"unsure" in (folder / "figures/en/cluster_roles.svg").read_bytes()
    listed = json.loads((folder / "manifest.json").read_text())["layers"]
    assert "charts/cluster_roles.yaml" in listed
    path.unlink()
    (charts / "order.yaml").write_text("charts: [score_classes]\n")
    assert run(paths, area) == ["report"]
    assert not (folder / "figures" / "cluster_roles.png").exists()
