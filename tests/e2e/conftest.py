"""Fixtures of the end-to-end tests: real study areas after stages 1 to 4, and their plans."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.contracts.provenance import PROJECT, Paths

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from pipeline.s5_render.load import Release
    from pipeline.s5_render.plan import AtlasPlan

AREA = "pekalongan"
AREAS = sorted(path.parent.name for path in (PROJECT / "areas").glob("*/area.yaml"))

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PATIENCE_MS = 15_000
"""Nothing here waits for a time, only for what is to happen, and on a slow machine that takes."""


def require(is_there: bool, what: str) -> None:
    """Skip where a user lacks a program; where everything is to be tested, fail."""
    if is_there:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing; .ci/run installs it")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return Chromium; every test opens its own pages in it."""
    programs = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in programs if (path := shutil.which(name))), None)
    require(found is not None, f"Chromium (looked for {', '.join(programs)})")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def release_of(
    tmp_path_factory: pytest.TempPathFactory, run_stages: Callable[..., list[bool]]
) -> Callable[[str], Release]:
    """Return a function that gives the release of a real area, made once (read only).

    Polygons from ``villages_<area>.gpkg`` in the folder ATLAS_TEST_BOUNDARIES, where there is
    one; otherwise approximate boundaries.
    """
    from pipeline.s5_render.load import read_release

    paths = Paths(layers=PROJECT / "layers", outputs=tmp_path_factory.mktemp("outputs"))
    folder = os.environ.get("ATLAS_TEST_BOUNDARIES", "")

    @cache
    def make(area: str) -> Release:
        polygons = Path(folder) / f"villages_{area}.gpkg"
        is_given = bool(folder) and polygons.is_file()
        run_stages(paths, area, str(polygons) if is_given else "approximate")
        return read_release(paths, area, "internal")

    return make


@pytest.fixture(scope="session")
def plan_of(release_of: Callable[[str], Release]) -> Callable[[str], AtlasPlan]:
    """Return a function that gives the plan of a real area."""
    return lambda area: release_of(area).plan


@pytest.fixture(scope="session")
def plan(plan_of: Callable[[str], AtlasPlan]) -> AtlasPlan:
    """Return the plan of the area most tests look at."""
    return plan_of(AREA)
