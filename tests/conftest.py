"""Fixtures of the whole test set: the invented area, run once through stages 1 to 4."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from pipeline.contracts.provenance import PROJECT, Paths

if TYPE_CHECKING:
    from pipeline.s5_render.plan import AtlasPlan

AREAS = Path(__file__).parent / "areas"
TOY_REGISTER = Path(__file__).parent / "registers" / "toy.csv"

# The same examples in every run, no time limit on a busy machine, no files in the checkout.
os.environ.setdefault(
    "HYPOTHESIS_STORAGE_DIRECTORY", str(Path(tempfile.gettempdir()) / "atlas-hypothesis")
)
settings.register_profile("atlas", derandomize=True, deadline=None, database=None)
settings.load_profile("atlas")


def _run_stages(
    paths: Paths, area: str, boundaries: str | None = None, register: Path | None = None
) -> list[bool]:
    import pipeline.s1_sources.run
    import pipeline.s2_geocode.run
    import pipeline.s3_analyse.run
    import pipeline.s4_release.run

    return [
        pipeline.s1_sources.run.run(paths, area, boundaries, register),
        pipeline.s2_geocode.run.run(paths, area, register),
        pipeline.s3_analyse.run.run(paths, area),
        pipeline.s4_release.run.run(paths, area),
    ]


@pytest.fixture(scope="session", autouse=True)
def _fixed_moment() -> Iterator[None]:
    """Products carry this time instead of the commit's, so that expected files stay true."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1704067200")  # 2024-01-01
        yield


@pytest.fixture(scope="session")
def run_stages() -> Callable[..., list[bool]]:
    """Return a function that runs stages 1 to 4 and tells for each whether it ran."""
    return _run_stages


@pytest.fixture(scope="session")
def toy_register() -> Path:
    """Return the register of the invented area."""
    return TOY_REGISTER


@pytest.fixture(scope="session")
def toy_release(tmp_path_factory: pytest.TempPathFactory) -> tuple[Paths, str]:
    """Return the folders and the name of the invented area after stages 1 to 4 (read only)."""
    paths = Paths(
        areas=AREAS, layers=PROJECT / "layers", outputs=tmp_path_factory.mktemp("outputs")
    )
    _run_stages(paths, "toy", register=TOY_REGISTER)
    return paths, "toy"


@pytest.fixture(scope="session")
def toy_plan(toy_release: tuple[Paths, str]) -> AtlasPlan:
    """Return the plan of the invented area drawn with the project's own layers."""
    from pipeline.s5_render.load import load_plan

    paths, area = toy_release
    return load_plan(paths, area, "internal")
