"""Each stage alone: the tables in ``<stage>/data`` in, the tables in ``<stage>/expected`` out.

``data/<upstream stage>/<table>.csv`` is what earlier stages hand over; a table that is not there
has no rows. Stage 1 reads the invented area itself. ``expected/rows.csv`` names every table the
stage writes with rows: one more or one less is a failure. To write expected files anew after a
meant change, run with ``ATLAS_UPDATE_EXPECTED=1`` and read the difference before committing.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pandas as pd
import pytest

import geopandas as gpd
import shapely

from pipeline.contracts.columns import COLUMNS
from pipeline.contracts.dictionary import COMMITTED
from pipeline.contracts.provenance import (
    PROJECT,
    Paths,
    StageRecord,
    read_manifest,
    read_table,
    sha256,
)
from pipeline.contracts.tables import DTYPES, TABLES

HERE = Path(__file__).parent
REGISTER = HERE.parent / "registers" / "toy.csv"
UPSTREAM = {
    "sources": (),
    "geocode": ("sources",),
    "analyse": ("sources", "geocode"),
    "release": ("sources", "geocode", "analyse"),
}
COMPARED = {
    "sources": {
        "village": "village",
        "district": "district",
        "regency": "regency",
        "register": "register",
    },
    "geocode": {"cluster": "cluster", "place": "place", "firm": "firm"},
    "analyse": {
        "village_total": "village_total",
        "district_total": "district_total",
        "regency_total": "regency_total",
        "comparison": "comparison",
        "village_firms": "village_firms",
        "district_firms": "district_firms",
    },
    "release": {
        "centre": "centre",
        "facility": "facility",
        "district": "released_district",
        "firm_point": "firm_point",
        "register_district": "register_district",
    },
}
"""Tables compared cell by cell, with the name of their schema."""


def read(path: Path, schema: str) -> pd.DataFrame:
    """Return a typed table from CSV; geometry is WKT in EPSG:4326, empty cells are missing."""
    raw = pd.read_csv(path, dtype="string")
    frame = pd.DataFrame(index=raw.index)
    for column in TABLES[schema].columns:
        kind = COLUMNS[column].kind
        if kind == "geometry":
            shapes = [None if pd.isna(text) else shapely.from_wkt(text) for text in raw[column]]
            return gpd.GeoDataFrame(frame, geometry=shapes, crs="EPSG:4326")
        cells = raw[column].map({"True": True, "False": False}) if kind == "flag" else raw[column]
        frame[column] = cells if kind == "text" else cells.astype(DTYPES[kind])
    return frame


def write(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as :func:`read` reads it."""
    text = pd.DataFrame(frame).copy()
    if "geometry" in text:
        text["geometry"] = [
            None if shape is None else shapely.to_wkt(shape, rounding_precision=7)
            for shape in frame.geometry
        ]
    path.parent.mkdir(parents=True, exist_ok=True)
    text.to_csv(path, index=False, lineterminator="\n", float_format="%.6f")


def hand_over(record: StageRecord, name: str) -> None:
    """Write the table `name` without rows; it is made from its schema and needs no check."""
    columns = [one for one in TABLES[name].columns if COLUMNS[one].kind != "geometry"]
    frame = pd.DataFrame({one: pd.Series(dtype=DTYPES[COLUMNS[one].kind]) for one in columns})
    if len(columns) < len(TABLES[name].columns):
        frame = gpd.GeoDataFrame(frame, geometry=gpd.GeoSeries([], crs="EPSG:4326"))
    path = record.folder / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(path, index=False)
    record.outputs[path.name] = sha256(path)


def prepare(paths: Paths, stage: str) -> None:
    """Hand over what the earlier stages would."""
    for upstream in UPSTREAM[stage]:
        # The tables may come from a register; no file of it is named, so there are no decisions.
        record = StageRecord(paths, "toy", upstream, parameters={"register": None})
        folder = HERE / stage / "data" / upstream
        for name in TABLES:
            if name.startswith("released_") or (upstream != "sources" and name in COMMITTED):
                continue
            path = folder / f"{name}.csv"
            if path.is_file():
                record.write(name, read(path, name))
            else:
                hand_over(record, name)
        record.finish()


def agree(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Fail unless two tables hold the same cells; coordinates may differ by 0.1 m."""
    assert list(found.columns) == list(expected.columns)
    if "geometry" in expected:
        for one, other in zip(found.geometry, expected.geometry, strict=True):
            assert (one is None) == (other is None)
            if one is not None:
                assert one.normalize().equals_exact(other.normalize(), tolerance=1e-6)
        found = found.drop(columns="geometry")
        expected = expected.drop(columns="geometry")
    pd.testing.assert_frame_equal(
        pd.DataFrame(found), pd.DataFrame(expected), check_dtype=False, rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("stage", UPSTREAM)
def test_stage(stage: str, tmp_path: Path) -> None:
    number = list(UPSTREAM).index(stage) + 1
    run = importlib.import_module(f"pipeline.s{number}_{stage}.run").run
    paths = Paths(areas=HERE.parent / "areas", layers=PROJECT / "layers", outputs=tmp_path)
    prepare(paths, stage)
    register = {"register_file": REGISTER} if stage == "sources" else {}
    assert run(paths, "toy", **register)
    folder = "release/internal" if stage == "release" else stage
    names = sorted(
        Path(name).stem
        for name in read_manifest(paths, "toy", folder)["outputs"]
        if name.endswith(".parquet")
    )
    lengths = [len(read_table(paths, "toy", folder, name)) for name in names]
    rows = pd.DataFrame({"table": names, "rows": lengths})
    rows = rows[rows["rows"] > 0].reset_index(drop=True)
    expected = HERE / stage / "expected"
    if os.environ.get("ATLAS_UPDATE_EXPECTED"):
        expected.mkdir(parents=True, exist_ok=True)
        rows.to_csv(expected / "rows.csv", index=False, lineterminator="\n")
        for name in COMPARED[stage]:
            write(expected / f"{name}.csv", read_table(paths, "toy", folder, name))
    pd.testing.assert_frame_equal(rows, pd.read_csv(expected / "rows.csv"), check_dtype=False)
    files = {path.name for path in paths.stage("toy", folder).rglob("*") if path.is_file()}
    extra = {"about.json"} if stage == "release" else set()
    assert files == {f"{name}.parquet" for name in names} | {"manifest.json"} | extra
    for name, schema in COMPARED[stage].items():
        agree(read_table(paths, "toy", folder, name), read(expected / f"{name}.csv", schema))


def test_no_case_holds_a_file_that_is_not_read() -> None:
    for stage, upstream in UPSTREAM.items():
        for path in (HERE / stage).rglob("*"):
            if path.is_file():
                parts = path.relative_to(HERE / stage).parts
                if parts[0] == "expected":
                    assert path.stem in {*COMPARED[stage], "rows"}
                else:
                    assert parts[:2] in {("data", one) for one in upstream}
                    assert path.stem in TABLES
