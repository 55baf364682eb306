"""The invented area drawn once in every target, with one layer of each kind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from pipeline.contracts.provenance import PROJECT, Paths

KINDS = ("clusters", "production_centres", "firms", "districts")
"""Proportional symbols, symbols by category, a choropleth, an outline."""


def few_layers(folder: Path) -> Path:
    """Write the project's layer files of :data:`KINDS` into `folder`, with their own order."""
    folder.mkdir()
    for name in (*KINDS, "palettes"):
        shutil.copy(PROJECT / "layers" / f"{name}.yaml", folder)
    atlas = yaml.safe_load((PROJECT / "layers" / "atlas.yaml").read_text(encoding="utf-8"))
    for group in atlas["groups"]:
        group["layers"] = [name for name in group["layers"] if name in KINDS]
    atlas["groups"] = [group for group in atlas["groups"] if group["layers"]]
    (folder / "atlas.yaml").write_text(yaml.safe_dump(atlas), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def toy_products(
    toy_release: tuple[Paths, str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Paths, str]:
    """Return the folders and the name of the invented area with every product (read only)."""
    from pipeline.s5_render.run import run

    paths, area = toy_release
    folder = tmp_path_factory.mktemp("drawn")
    shutil.copytree(paths.outputs, folder / "outputs")
    layers = few_layers(folder / "layers")
    drawn = Paths(areas=paths.areas, layers=layers, outputs=folder / "outputs")
    run(drawn, area)
    return drawn, area


@pytest.fixture
def toy_copy(toy_products: tuple[Paths, str], tmp_path: Path) -> tuple[Paths, str]:
    """Return a copy of everything that a test may change: layers and products."""
    paths, area = toy_products
    copy = Paths(areas=paths.areas, layers=tmp_path / "layers", outputs=tmp_path / "outputs")
    shutil.copytree(paths.layers, copy.layers)
    shutil.copytree(paths.outputs, copy.outputs)
    return copy, area
