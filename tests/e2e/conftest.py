"""Fixtures of the end-to-end tests: a real study area after stages 1 to 4, and its plan."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.contracts.provenance import PROJECT, Paths

if TYPE_CHECKING:
    from pipeline.s5_render.plan import AtlasPlan

AREA = "pekalongan"


def require(is_there: bool, what: str) -> None:
    """Skip where a user lacks a program; where everything is to be tested, fail."""
    if is_there:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing; .ci/run installs it")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session")
def release(
    tmp_path_factory: pytest.TempPathFactory, run_stages: Callable[..., list[bool]]
) -> tuple[Paths, str]:
    """Return the folders and the name of a real area after stages 1 to 4 (read only).

    Approximate boundaries, or the polygons in the folder ATLAS_TEST_BOUNDARIES.
    """
    folder = os.environ.get("ATLAS_TEST_BOUNDARIES")
    boundaries = str(Path(folder) / f"villages_{AREA}.gpkg") if folder else "approximate"
    paths = Paths(layers=PROJECT / "layers", outputs=tmp_path_factory.mktemp("outputs"))
    run_stages(paths, AREA, boundaries)
    return paths, AREA


@pytest.fixture(scope="session")
def plan(release: tuple[Paths, str]) -> AtlasPlan:
    """Return the plan of the real area."""
    from pipeline.s5_render.load import load_plan

    paths, area = release
    return load_plan(paths, area, "internal")
