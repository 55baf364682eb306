"""The report: every section that has rows, both languages, sources, nothing live from a name."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from pipeline.contracts.text import Text
from pipeline.s5_render.index import index_html
from pipeline.s5_render.load import Release, read_release
from pipeline.s5_render.plan import field_plan
from pipeline.s5_render.report import cell, report_html

if TYPE_CHECKING:
    from pipeline.contracts.provenance import Paths


@pytest.fixture(scope="module")
def release(toy_release: tuple[Paths, str]) -> Release:
    return read_release(*toy_release, "internal")


def html_of(release: Release) -> str:
    drawn = [layer.id for layer in release.plan.layers if layer.has_figure]
    return report_html(release.plan, release.about, release.tables, drawn)


class _Tags(HTMLParser):
    """Collects ids, link targets and unclosed tags."""

    VOID = ("meta", "img", "link", "br", "hr", "input")

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.images: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "a":
            self.links.append(str(given["href"]))
        if tag == "img":
            self.images.append(str(given["src"]))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_report_is_well_formed_and_its_links_resolve(release: Release) -> None:
    tags = _Tags()
    tags.feed(html_of(release))
    assert tags.open == []
    assert len(set(tags.ids)) == len(tags.ids)
    assert {link.removeprefix("#") for link in tags.links} <= set(tags.ids)
    drawn = [layer.id for layer in release.plan.layers if layer.has_figure]
    assert release.plan.language == "id"
    assert tags.images == [f"figures/{part}{name}.png" for name in drawn for part in ("", "en/")]


def test_contradictions_sources_and_counts_are_in_it(release: Release) -> None:
    text = html_of(release)
    for row in release.tables["contradictions"].to_dict("records"):
        assert row["claim_a"] in text
    citations = release.tables["sources"].set_index("source_id")["citation"]
    assert citations["toy_study"] in text
    assert str(release.tables["cluster"]["firms_count"].iloc[0]) in text


def test_figures_are_those_of_the_language_that_is_read(release: Release) -> None:
    (layer, *_) = [layer for layer in release.plan.layers if layer.has_figure]
    for language, folder in (("id", "figures/"), ("en", "figures/en/")):
        picture = f'<img lang="{language}" src="{folder}{layer.id}.png"'
        assert f'{picture} alt="{layer.title[language]}"' in html_of(release)
    english = replace(release, plan=replace(release.plan, language="en"))
    assert f'<img lang="en" src="figures/{layer.id}.png"' in html_of(english)
    assert f'<img lang="id" src="figures/id/{layer.id}.png"' in html_of(english)
    # What is no finding is drawn in one language, and shown to readers of both.
    marked = replace(release, plan=replace(release.plan, watermark=Text(id="Coba", en="Trial")))
    assert f'<img src="figures/{layer.id}.png"' in html_of(marked)
    assert "figures/en/" not in html_of(marked)


def test_index_links_what_was_made_and_counts_no_clusters_that_are_not_there() -> None:
    area = {"folder": "a b", "title": Text(id="Atlas", en="An atlas"), "build": "internal"}
    html = index_html([{**area, "clusters": 3, "files": ["atlas.html", "atlas.qgz"]}])
    assert '<a href="a%20b/atlas.html">Atlas</a>' in html
    assert "3 published clusters" in html
    html = index_html([{**area, "clusters": 0, "files": ["report.html"]}])
    assert "published clusters" not in html
    assert "INTERNAL" in html


def test_both_languages_are_there(release: Release) -> None:
    text = html_of(release)
    for layer in release.plan.layers:
        if layer.has_figure:
            assert f'<span lang="id">{layer.title.id}</span>' in text
            assert f'<span lang="en">{layer.title.en}</span>' in text


def test_hostile_names_stay_text(release: Release) -> None:
    clusters = release.tables["cluster"].copy()
    clusters.loc[0, "cluster_name"] = "</table><script>alert(1)</script>"
    hostile = Release(release.plan, {**release.tables, "cluster": clusters}, release.about)
    text = html_of(hostile)
    assert "<script>alert" not in text
    assert len(re.findall(r"<script", text)) == 1


@pytest.mark.parametrize(
    ("value", "name", "expected"),
    [
        (1468, "workers_count", "1.468"),
        (0.107, "value", "0,107"),
        (9944.0, "value", "9.944"),
        (None, "workers_count", "–"),
        ("village", "precision", "desa/kelurahan"),
        (2017, "year", "2017"),
        (True, "is_score_published", "ya"),
    ],
)
def test_cells_read_as_people_do(value: object, name: str, expected: str) -> None:
    assert cell(value, field_plan(name), {}).id == expected


def test_source_ids_become_citations() -> None:
    text = cell("a; b", field_plan("source_ids"), {"a": "Alpha 2020"})
    assert text.en == "Alpha 2020; b"
