"""Report and index in real Chromium: readable on a narrow screen, in both languages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.s5_render.index import index_html
from pipeline.s5_render.report import report_html
from tests.e2e.conftest import AREAS, PATIENCE_MS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from pipeline.s5_render.load import Release

pytestmark = pytest.mark.e2e


def opened(browser: Browser, path: Path, html: str) -> Page:
    path.write_text(html, encoding="utf-8")
    page = browser.new_page(viewport={"width": 360, "height": 740}, offline=True)
    page.set_default_timeout(PATIENCE_MS)
    page.goto(path.as_uri())
    return page


@pytest.mark.parametrize("area", AREAS)
def test_report_on_a_narrow_screen(
    browser: Browser, release_of: Callable[[str], Release], tmp_path: Path, area: str
) -> None:
    release = release_of(area)
    drawn = [layer.id for layer in release.plan.layers if layer.has_figure]
    html = report_html(release.plan, release.about, release.tables, drawn, release.charts)
    page = opened(browser, tmp_path / "report.html", html)
    for _ in ("id", "en"):
        language = page.get_attribute("html", "lang")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        shown = page.locator("figure img:visible")
        assert shown.count() == len(drawn) + len(release.charts)
        assert set(shown.evaluate_all("all => all.map(one => one.lang)")) == {language}
        # A cell with a long text is wider than a word.
        long = page.locator("td.long").evaluate_all("all => all.map(one => one.offsetWidth)")
        assert min(long, default=200) >= 200
        page.click("#language")
    page.close()


def test_index_on_a_narrow_screen(
    browser: Browser, release_of: Callable[[str], Release], tmp_path: Path
) -> None:
    made = [
        {
            "folder": area,
            "title": release_of(area).plan.title,
            "build": "internal",
            "clusters": 12,
            "files": ["atlas.html", "report.html", "atlas.qgz", "tables.xlsx", "manifest.json"],
        }
        for area in AREAS
    ]
    page = opened(browser, tmp_path / "index.html", index_html(made))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator("a").count() == 6 * len(AREAS)
    page.close()
