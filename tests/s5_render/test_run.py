"""Products: made once, made again only when stale, never half, the same bytes anywhere."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from pipeline.contracts.errors import InputError, OutputError
from pipeline.contracts.provenance import PROJECT, Paths, sha256
from pipeline.s5_render.run import PRODUCTS, run, summary


def hashes(folder: Path) -> dict[str, str]:
    """Return the hash of every file that is a product."""
    return {
        path.relative_to(folder).as_posix(): sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".boundaries-tried"
    }


def test_manifest_names_every_product_with_its_hash(toy_products: tuple[Paths, str]) -> None:
    paths, area = toy_products
    folder = paths.product(area)
    manifest = json.loads((folder / "manifest.json").read_text())
    listed = {
        name: value
        for item in manifest["products"].values()
        for name, value in item["files"].items()
    }
    for name, value in listed.items():
        assert sha256(folder / name) == value
    on_disk = {name for name in hashes(folder) if not name.startswith("stages/")}
    for_the_keeper = {"register_problems.csv", "review.csv", "review.xlsx"}
    assert on_disk == set(listed) | {"manifest.json"} | for_the_keeper
    for name in (
        "atlas.html",
        "atlas.gpkg",
        "atlas.qgz",
        "report.html",
        "tables.xlsx",
        "tables/village.csv",
        "figures/firms.svg",
        "figures/en/firms.pdf",
    ):
        assert name in listed
    assert manifest["rows"]["sources"]["village"]["in"] == 12
    assert set(manifest["inputs"]) >= {"area.yaml", "clusters.csv", "boundaries/villages.geojson"}


def test_nothing_is_made_again_when_nothing_changed(toy_copy: tuple[Paths, str]) -> None:
    assert run(*toy_copy) == []


def test_a_layer_file_redraws_its_figures_the_atlas_the_project_and_the_report(
    toy_copy: tuple[Paths, str],
) -> None:
    paths, area = toy_copy
    layer = paths.layers / "firms.yaml"
    text = layer.read_text().replace('en: "Batik firms (production units)"', 'en: "Other title"')
    assert text != layer.read_text()
    layer.write_text(text)
    assert run(paths, area) == ["web atlas", "QGIS package", "figure firms", "report"]
    assert b"Other title" in (paths.product(area) / "figures/en/firms.svg").read_bytes()


def test_a_deleted_or_altered_product_is_made_again(toy_copy: tuple[Paths, str]) -> None:
    paths, area = toy_copy
    folder = paths.product(area)
    before = hashes(folder)
    (folder / "figures" / "districts.png").unlink()
    (folder / "report.html").write_text("altered")
    assert run(paths, area) == ["figure districts", "report"]
    assert hashes(folder) == before


def test_a_layer_that_is_gone_takes_its_figures_with_it(toy_copy: tuple[Paths, str]) -> None:
    paths, area = toy_copy
    (paths.layers / "production_centres.yaml").unlink()
    order = paths.layers / "atlas.yaml"
    spec = yaml.safe_load(order.read_text())
    spec["groups"][0]["layers"].remove("production_centres")
    order.write_text(yaml.safe_dump(spec))
    run(paths, area)
    assert not (paths.product(area) / "figures" / "production_centres.png").exists()


def test_one_product_alone_leaves_the_others(toy_copy: tuple[Paths, str]) -> None:
    paths, area = toy_copy
    folder = paths.product(area)
    for name in ("atlas.html", "report.html"):
        (folder / name).unlink()
    assert run(paths, area, only=["web"]) == ["web atlas"]
    assert not (folder / "report.html").exists()
    assert run(paths, area) == ["report"]


def test_unknown_product_is_refused(toy_copy: tuple[Paths, str]) -> None:
    with pytest.raises(InputError, match="expected one of web, qgis"):
        run(*toy_copy, only=["poster"])


@pytest.mark.parametrize("errno_name", ["ENOSPC", "EROFS", "EACCES"])
def test_a_product_that_cannot_be_written_leaves_the_last_good_one(
    toy_copy: tuple[Paths, str], monkeypatch: pytest.MonkeyPatch, errno_name: str
) -> None:
    import errno

    paths, area = toy_copy
    folder = paths.product(area)
    (paths.layers / "palettes.yaml").write_text(
        (paths.layers / "palettes.yaml").read_text().replace("#e6e2da", "#e6e2db")
    )
    before = hashes(folder)
    code = getattr(errno, errno_name)

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(OutputError, match="last good file is untouched"):
        run(paths, area)
    assert hashes(folder) == before


def test_a_geopackage_that_is_open_elsewhere_is_not_replaced(
    toy_copy: tuple[Paths, str],
) -> None:
    paths, area = toy_copy
    gpkg = paths.product(area) / "atlas.gpkg"
    before = gpkg.read_bytes()
    with closing(sqlite3.connect(gpkg)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("UPDATE gpkg_contents SET description = 'edited'")
        other.commit()
        opened = gpkg.read_bytes()
        palettes = paths.layers / "palettes.yaml"
        palettes.write_text(palettes.read_text().replace("#e6e2da", "#e6e2db"))
        with pytest.raises(OutputError, match="Close the project in QGIS"):
            run(paths, area, only=["qgis"])
        assert gpkg.read_bytes() == opened
    assert len(before) == len(opened)
    assert run(paths, area, only=["qgis"]) == ["QGIS package"]


def test_summary_names_clusters_with_their_villages_and_products(
    toy_products: tuple[Paths, str],
) -> None:
    text = "\n".join(summary(*toy_products))
    assert "Kenanga Lor -> Kenanga" in text
    assert "Segara -> not placed in a village" in text
    assert "atlas.html" in text
    assert "tables/: " in text


def test_same_inputs_same_bytes_in_another_folder_and_process(
    toy_products: tuple[Paths, str], toy_register: Path, tmp_path: Path
) -> None:
    paths, area = toy_products
    command = [
        sys.executable, "-m", "pipeline", "maps", "--area", area,
        "--areas-folder", str(paths.areas), "--layers-folder", str(paths.layers),
        "--outputs-folder", str(tmp_path / "elsewhere"), "--register", str(toy_register),
    ]  # fmt: skip
    environment = os.environ | {"PYTHONHASHSEED": "4711"}
    done = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert hashes(tmp_path / "elsewhere" / area) == hashes(paths.product(area))
    assert set(PRODUCTS) == {"web", "qgis", "figures", "tables", "report"}
