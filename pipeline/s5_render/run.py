"""Stage 5: draw the plan in every target. The only file here that writes.

A product is made again only if its recipe changed (the release, its layer files, the code) or
one of its files is not as it was written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.contracts.errors import Fault, InputError, OutputError
from pipeline.contracts.provenance import (
    Paths,
    atomic,
    code_digest,
    digest,
    environment,
    read_manifest,
    sha256,
    write_bytes,
    write_json,
    write_text,
)
from pipeline.s5_render import load
from pipeline.s5_render.studio import Easel, Studio

PRODUCTS = ("web", "qgis", "figures", "tables", "report")


@dataclass(frozen=True)
class Product:
    """Files made together: their names under the area's folder, their recipe, their maker."""

    name: str
    target: str
    recipe: str
    make: Callable[[Path], Iterable[str]]
    drawing: str | None = None
    """Layer or chart the files are drawn from."""


def run(
    paths: Paths,
    area: str,
    build: str = "internal",
    only: Iterable[str] = PRODUCTS,
    say: Callable[[str], None] = lambda text: None,
) -> list[str]:
    """Make every product that is not as it should be; return the names of those made.

    Parameters
    ----------
    paths : Paths
    area, build : str
    only : iterable of str
        Targets among :data:`PRODUCTS`.
    say : callable
        Told the name of each product before it is made.

    Raises
    ------
    InputError
        Unknown target, missing release, a layer that does not fit.
    OutputError
        A product cannot be written.
    """
    wanted = tuple(only)
    unknown = [target for target in wanted if target not in PRODUCTS]
    if unknown:
        raise InputError(Fault("product", f"one of {', '.join(PRODUCTS)}", ", ".join(unknown)))
    folder = paths.product(area)
    release = load.read_release(paths, area, build)
    known = _known(folder)
    records: dict[str, Any] = {}
    stale = []
    with Studio(Easel(release.plan, release.charts)) as studio:
        for product in _products(paths, area, build, release, studio):
            before = known.get(product.name)
            if product.target in wanted and not _stands(folder, product, before):
                stale.append(product)
            elif before:
                records[product.name] = before
        studio.begin([product.drawing for product in stale if product.drawing])
        for product in stale:
            say(product.name)
            files = list(product.make(folder))
            hashes = {name: sha256(folder / name) for name in files}
            records[product.name] = {"recipe": product.recipe, "files": hashes}
    _remove_stale(folder, known, records)
    _write_manifest(paths, area, build, records)
    return [product.name for product in stale]


def _known(folder: Path) -> dict[str, Any]:
    try:
        products = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["products"]
    except (OSError, ValueError, KeyError):
        return {}
    return dict(products)


def _stands(folder: Path, product: Product, before: Mapping[str, Any] | None) -> bool:
    """Return whether a product was made by the same recipe and its files are still those."""
    return (
        before is not None
        and before["recipe"] == product.recipe
        and all(
            (path := folder / name).is_file() and sha256(path) == wanted
            for name, wanted in before["files"].items()
        )
    )


def _remove_stale(folder: Path, known: Mapping[str, Any], records: Mapping[str, Any]) -> None:
    """Delete files of an earlier run that no product of this one has (a layer that is gone)."""
    kept = {name for record in records.values() for name in record["files"]}
    for record in known.values():
        for name in record["files"]:
            if name not in kept:
                (folder / name).unlink(missing_ok=True)


def _products(
    paths: Paths, area: str, build: str, release: load.Release, studio: Studio
) -> list[Product]:
    plan = release.plan
    stage = read_manifest(paths, area, f"release/{build}")
    common = {
        "release": stage["outputs"],
        "code": code_digest("render"),
        "palettes": sha256(paths.layers / "palettes.yaml"),
    }
    layer_hash = {layer.id: sha256(paths.layers / f"{layer.id}.yaml") for layer in plan.layers}
    order = sha256(paths.layers / "atlas.yaml")
    whole = digest([common, layer_hash, order])
    chart_hash = {
        chart.id: sha256(paths.layers / "charts" / f"{chart.id}.yaml") for chart in release.charts
    }
    drawn = [layer.id for layer in plan.layers if layer.has_figure]

    def web(folder: Path) -> list[str]:
        from pipeline.s5_render.web import atlas_html

        write_text(folder / "atlas.html", atlas_html(plan))
        return ["atlas.html"]

    def qgis(folder: Path) -> list[str]:
        from pipeline.s5_render.qgis import write_package

        _require_closed(folder / "atlas.gpkg")
        with atomic(folder / "atlas.gpkg") as gpkg, atomic(folder / "atlas.qgz") as qgz:
            write_package(plan, gpkg, qgz)
        return ["atlas.gpkg", "atlas.qgz"]

    def tables(folder: Path) -> list[str]:
        from pipeline.s5_render.tables import csv_bytes, workbook

        names = []
        filled = {name: frame for name, frame in release.tables.items() if len(frame)}
        for name, frame in filled.items():
            write_bytes(folder / "tables" / f"{name}.csv", csv_bytes(frame))
            names.append(f"tables/{name}.csv")
        about = {"": plan.title[plan.language], " ": plan.footer[plan.language]}
        write_bytes(folder / "tables.xlsx", workbook(filled, about, plan.language, plan.moment))
        return [*names, "tables.xlsx"]

    def report(folder: Path) -> list[str]:
        from pipeline.s5_render.report import report_html

        html = report_html(plan, release.about, release.tables, drawn, release.charts)
        write_text(folder / "report.html", html)
        return ["report.html"]

    def figure(name: str, recipe: str) -> Product:
        """One product a layer or chart, so that touching its file redraws only its figures."""

        def make(folder: Path) -> list[str]:
            files = studio.draw(name)
            for path, content in files.items():
                write_bytes(folder / path, content)
            return list(files)

        return Product(f"figure {name}", "figures", recipe, make, drawing=name)

    return [
        Product("tables", "tables", digest([common, plan.language]), tables),
        Product("web atlas", "web", whole, web),
        Product("QGIS package", "qgis", whole, qgis),
        *(figure(layer, digest([common, layer_hash[layer]])) for layer in drawn),
        *(
            figure(chart, digest([common, plan.language, chart_hash[chart]]))
            for chart in chart_hash
        ),
        Product("report", "report", digest([whole, list(chart_hash.items())]), report),
    ]


def _require_closed(gpkg: Path) -> None:
    """Refuse to replace a GeoPackage that another program has open.

    An open GeoPackage has a write-ahead log beside it; SQLite would replay that log into the new
    file and spoil it.
    """
    log = gpkg.with_name(f"{gpkg.name}-wal")
    if log.is_file() and log.stat().st_size > 0:
        raise OutputError(
            f"{gpkg}: expected a file no other program has open, found its log {log.name}. "
            "Close the project in QGIS and run again; the last good file is untouched"
        )


def _write_manifest(paths: Paths, area: str, build: str, records: Mapping[str, Any]) -> None:
    """Write the record of the whole run: what went in, what was done, what came out."""
    stages = ("sources", "geocode", "analyse", f"release/{build}")
    manifests = {stage: read_manifest(paths, area, stage) for stage in stages}
    about = load.read_about(paths, area, build)
    write_json(
        paths.product(area) / "manifest.json",
        {
            "area": area,
            "build": build,
            "timestamp": about["timestamp"],
            "environment": environment(),
            "seed": about["area"]["seed"],
            "parameters": about["area"],
            "inputs": manifests["sources"]["recipe"]["inputs"],
            "layers": {
                path.relative_to(paths.layers).as_posix(): sha256(path)
                for path in sorted(paths.layers.rglob("*.yaml"))
            },
            "rows": {stage: manifest["rows"] for stage, manifest in manifests.items()},
            "notes": {stage: manifest["notes"] for stage, manifest in manifests.items()},
            "products": dict(sorted(records.items())),
        },
    )


def summary(paths: Paths, area: str, build: str = "internal") -> list[str]:
    """Return lines for the end of a run: clusters with their villages, and every product."""
    clusters = load.read_released(paths, area, build, "cluster")
    lines = [f"{len(clusters)} clusters"]
    for row in clusters.to_dict("records"):
        is_placed = not pd.isna(row["village_name"])
        place = row["village_name"] if is_placed else "not placed in a village"
        lines.append(f"  {row['cluster_name']} -> {place}, {row['district_name']}")
    firms = load.read_released(paths, area, build, "firm")
    if len(firms):
        counts = firms["precision"].value_counts()
        places = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        lines.append(f"{len(firms):,} firms of the register, by precision: {places}")
        if (paths.product(area) / "review.csv").is_file():
            lines.append("  open questions in review.csv and review.xlsx: answer one, run again")
    folder = paths.product(area)
    files = [name for record in _known(folder).values() for name in record["files"]]
    first = [
        name
        for name in ("atlas.html", "atlas.qgz", "atlas.gpkg", "report.html", "tables.xlsx")
        if name in files
    ]
    lines.append(f"products in {_shown(folder)}")
    lines += [f"  {name} ({(folder / name).stat().st_size / 1e6:.2f} MB)" for name in first]
    for place in ("figures", "figures/en", "figures/id", "tables"):
        inside = [name for name in files if str(Path(name).parent) == place]
        if inside:
            stems = sorted({Path(name).stem for name in inside})
            kinds = sorted({Path(name).suffix.lstrip(".") for name in inside})
            lines.append(f"  {place}/: {', '.join(stems)} ({', '.join(kinds)})")
    lines.append("  manifest.json")
    lines.append(f"look first at {_shown(folder / 'atlas.html')}")
    return lines


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
