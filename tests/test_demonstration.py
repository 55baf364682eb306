"""The demonstration: the whole chain on an invented register, marked as such everywhere."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipeline.contracts.provenance import DEMONSTRATION, Paths, read_table
from pipeline.contracts.text import LANGUAGES, t
from pipeline.s1_sources.run import demonstration_register
from pipeline.s5_render.load import Release, read_release

AREA = "pekalongan"
MARK = t("edition.demonstration")


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory, run_stages: Callable[..., list[bool]]) -> Paths:
    paths = Paths(outputs=tmp_path_factory.mktemp("outputs"), edition=DEMONSTRATION)
    from pipeline.s1_sources.run import run as sources
    from pipeline.s2_geocode.run import run as geocode
    from pipeline.s3_analyse.run import run as analyse
    from pipeline.s4_release.run import run as release

    assert sources(paths, AREA, "approximate")
    assert geocode(paths, AREA, demonstration_register(paths, AREA))
    assert analyse(paths, AREA)
    assert release(paths, AREA)
    return paths


@pytest.fixture(scope="module")
def release(paths: Paths) -> Release:
    return read_release(paths, AREA, "internal")


def test_it_has_a_folder_of_its_own(paths: Paths) -> None:
    made = {path.relative_to(paths.outputs).parts[:2] for path in paths.outputs.rglob("*.parquet")}
    assert made == {(AREA, DEMONSTRATION)}


def test_nothing_published_stands_beside_the_invented(release: Release) -> None:
    for name, frame in release.tables.items():
        if "status" in frame and len(frame):
            assert set(frame["status"].dropna()) <= {"synthetic", "computed"}, name
    for name in ("cluster", "centre", "facts", "comparison", "stakeholders", "contradictions"):
        assert release.tables[name].empty
    assert release.tables["village"]["firms_count"].isna().all()


def test_the_sums_are_the_published_ones(paths: Paths, release: Release) -> None:
    firm = read_table(paths, AREA, "geocode", "firm")
    published = pd.read_csv(paths.areas / AREA / "tables" / "clusters.csv")
    district = release.tables["register_district"].set_index("district_name")
    assert district["firms_count"].sum() == firm["district_code"].notna().sum()
    placed = release.tables["register_village"]["firms_count"].sum()
    assert placed == firm["village_code"].notna().sum()
    assert len(firm) > published["firms_count"].sum()
    # Every row is placed in a village, only in a kecamatan, or asked about.
    asked = pd.read_csv(paths.product(AREA) / "review.csv", dtype="string")
    in_review = firm["firm_id"].isin(set(asked["firm_id"]))
    is_outside = firm["method"] == "outside"
    assert (firm["village_code"].notna() | in_review | is_outside).all()


def test_every_layer_says_so(release: Release) -> None:
    plan = release.plan
    assert plan.watermark == MARK
    assert {"register_points", "register_firms", "register_districts"} <= {
        layer.id for layer in plan.layers
    }
    for language in LANGUAGES:
        assert plan.title[language].startswith(MARK[language])
        assert t("edition.demonstration.about")[language] in plan.footer[language]
        for layer in plan.layers:
            assert MARK[language] in layer.title[language]
            assert layer.caption[language].startswith(MARK[language])


def test_the_web_atlas_the_project_the_figures_and_the_report_say_so(
    release: Release, tmp_path: Path
) -> None:
    from pipeline.s5_render.figure import Drawer
    from pipeline.s5_render.qgis import write_package
    from pipeline.s5_render.report import report_html
    from pipeline.s5_render.web import atlas_html

    plan = release.plan
    html = atlas_html(plan)
    assert html.count(MARK.id) > 2 * len(plan.layers)
    figure = Drawer(plan).figure("register_firms", "en")
    words = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert any(text.startswith(MARK.en) for text in words)
    assert MARK.en in words  # across the map itself
    write_package(plan, tmp_path / "atlas.gpkg", tmp_path / "atlas.qgz")
    with zipfile.ZipFile(tmp_path / "atlas.qgz") as archive:
        project = archive.read("atlas.qgs").decode()
    for layout in project.split("<Layout ")[1:]:
        assert MARK.id in layout
    report = report_html(plan, release.about, release.tables, [], ())
    assert t("report.assumptions").en in report
    assert t("report.specialisation_summary").en in report
    assert t("refusal.too few firms of the specialisation").id in report
    lines = release.tables["demonstration_notes"]
    assert len(lines) > 20
    assert lines["text_en"].str.contains("assumed").sum() > 10


def test_no_machine_path_in_its_manifests(paths: Paths) -> None:
    for path in paths.product(AREA).rglob("*.json"):
        text = path.read_text(encoding="utf-8")
        json.loads(text)
        assert str(paths.outputs) not in text
