"""Fixtures of the end-to-end tests: real study areas after stages 1 to 4, and their plans."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.contracts.provenance import PROJECT, Paths

if TYPE_CHECKING:
    from pipeline.s5_render.plan import AtlasPlan

AREA = "pekalongan"
AREAS = sorted(path.parent.name for path in (PROJECT / "areas").glob("*/area.yaml"))


def require(is_there: bool, what: str) -> None:
    """Skip where a user lacks a program; where everything is to be tested, fail."""
    if is_there:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing; .ci/run installs it")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session")
def plan_of(
    tmp_path_factory: pytest.TempPathFactory, run_stages: Callable[..., list[bool]]
) -> Callable[[str], AtlasPlan]:
    """Return a function that gives the plan of a real area, made once (read only).

    Polygons from ``villages_<area>.gpkg`` in the folder ATLAS_TEST_BOUNDARIES, where there is
    one; otherwise approximate boundaries.
    """
    from pipeline.s5_render.load import load_plan

    paths = Paths(layers=PROJECT / "layers", outputs=tmp_path_factory.mktemp("outputs"))
    folder = os.environ.get("ATLAS_TEST_BOUNDARIES", "")

    @cache
    def make(area: str) -> AtlasPlan:
        polygons = Path(folder) / f"villages_{area}.gpkg"
        is_given = bool(folder) and polygons.is_file()
        run_stages(paths, area, str(polygons) if is_given else "approximate")
        return load_plan(paths, area, "internal")

    return make


@pytest.fixture(scope="session")
def plan(plan_of: Callable[[str], AtlasPlan]) -> AtlasPlan:
    """Return the plan of the area most tests look at."""
    return plan_of(AREA)
