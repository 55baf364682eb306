"""Every committed area: it reads, its hashes are true, its figures are the published ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import shapely

from pipeline.contracts.area import list_areas, load_area
from pipeline.contracts.crs import projected
from pipeline.contracts.provenance import PROJECT, Paths, read_manifest, read_table, sha256
from pipeline.contracts.reading import read_csv
from pipeline.s1_sources.approximate import approximate_villages
from pipeline.s1_sources.boundaries import coverage, read_polygons
from pipeline.s1_sources.published import read_area

AREAS = PROJECT / "areas"
CITY, REGENCY = "33.75", "33.26"
Run = Callable[..., list[bool]]


@pytest.mark.parametrize("name", list_areas(AREAS))
def test_area_reads_without_fault(name: str) -> None:
    area = load_area(AREAS, name)
    tables = read_area(AREAS / name, area)
    assert len(tables["gazetteer"]) > 0


@pytest.mark.parametrize("name", list_areas(AREAS))
def test_hashes_are_true_and_every_table_is_used(name: str) -> None:
    area = load_area(AREAS, name)
    sources = read_csv(AREAS / name / "sources.csv", "sources")
    listed = sources[sources["kind"] == "table"].set_index("file")["sha256"]
    assert {file: sha256(AREAS / name / file) for file in listed.index} == listed.to_dict()
    assert {path.stem for path in (AREAS / name / "tables").glob("*.csv")} == set(area.tables)
    boundaries = sources[sources["kind"] == "boundary"]
    assert boundaries["sha256"].notna().all()


@pytest.fixture(scope="module")
def pekalongan(tmp_path_factory: pytest.TempPathFactory, run_stages: Run) -> tuple[Paths, str]:
    """Return Pekalongan after stages 1 to 4, drawn with approximate cells."""
    paths = Paths(outputs=tmp_path_factory.mktemp("pekalongan"))
    run_stages(paths, "pekalongan", "approximate")
    return paths, "pekalongan"


VILLAGES = {
    "Medono": "Medono",
    "Sapuro": "Sapuro Kebulen",
    "Bendan": "Bendan Kergon",
    "Pasir": "Pasirkratonkramat",
    "Pringlangu": "Pringrejo",
    "Tirto": "Tirto",
    "Kauman": "Kauman",
    "Banyurip Ageng": "Banyurip",
    "Banyurip Alit": "Banyurip",
    "Buaran": "Buaran Kradenan",
    "Jenggot": "Jenggot",
    "Krapyak Kidul": "Krapyak",
    "Krapyak Lor": "Krapyak",
}


def test_pekalongan_clusters_lie_in_their_present_villages(pekalongan: tuple[Paths, str]) -> None:
    cluster = read_table(*pekalongan, "geocode", "cluster")
    found = dict(zip(cluster["cluster_name"], cluster["village_name"], strict=True))
    assert found == VILLAGES
    assert cluster["regency_code"].eq(CITY).all()
    assert cluster["precision"].eq("village").all()


def test_pekalongan_sums_are_those_of_table_1(pekalongan: tuple[Paths, str]) -> None:
    cluster = read_table(*pekalongan, "geocode", "cluster")
    assert len(cluster) == 13
    assert (cluster["firms_count"].sum(), cluster["workers_count"].sum()) == (674, 6224)
    district = read_table(*pekalongan, "release/internal", "district")
    known = district[district["firms_count"].notna()]
    assert {
        row.district_name: (row.firms_count, row.workers_count) for row in known.itertuples()
    } == {
        "Pekalongan Barat": (290, 3209),
        "Pekalongan Timur": (30, 434),
        "Pekalongan Selatan": (311, 1914),
        "Pekalongan Utara": (43, 667),
    }
    regency = read_table(*pekalongan, "release/internal", "regency").set_index("regency_code")
    assert regency.loc[CITY, ["firms_count", "workers_count"]].tolist() == [674, 6224]
    assert regency.loc[REGENCY, ["firms_count", "workers_count"]].isna().all()


def test_pekalongan_villages_and_names(pekalongan: tuple[Paths, str]) -> None:
    village = read_table(*pekalongan, "release/internal", "village")
    assert len(village) == 312
    assert village["regency_code"].value_counts().to_dict() == {REGENCY: 285, CITY: 27}
    assert village["boundary_kind"].eq("approximate").all()
    assert village["firms_count"].notna().sum() == len(set(VILLAGES.values()))
    assert not village["firms_count"].eq(0).any()
    neighbours = read_table(*pekalongan, "sources", "neighbours")
    assert len(neighbours) == 889
    old = read_table(*pekalongan, "sources", "old_names")
    city = old[old["village_code"].str[:5] == CITY]
    assert (city["old_name"].nunique(), city["village_code"].nunique()) == (47, 27)


def test_pekalongan_published_totals_are_facts(pekalongan: tuple[Paths, str]) -> None:
    facts = read_table(*pekalongan, "release/internal", "facts")
    assert set(facts["value"].dropna()) >= {634, 9944, 645, 860, 9992, 12446, 632, 546, 1050}
    totals = facts[facts["topic"].isin(["city_total", "regency_total"])]
    assert set(totals["value"].dropna()) >= {634, 9944, 645, 860, 9992, 12446, 632, 1050}
    assert facts["source_ids"].notna().all()
    comparison = read_table(*pekalongan, "release/internal", "comparison")
    computed = comparison[comparison["status"] == "computed"]
    assert sorted(computed["value"]) == [674, 6224]
    assert {634, 9944} <= set(comparison[comparison["status"] == "published"]["value"])


def test_pekalongan_contradiction_of_table_and_text_is_kept(
    pekalongan: tuple[Paths, str],
) -> None:
    told = read_table(*pekalongan, "release/internal", "contradictions")
    first = told[told["contradiction_id"] == 1].iloc[0]
    assert "674 firms and 6224 workers" in first["claim_a"]
    assert "634 firms and 9944 workers" in first["claim_b"]


def test_pekalongan_rows_add_up(pekalongan: tuple[Paths, str]) -> None:
    for stage in ("sources", "geocode", "analyse", "release/internal"):
        for counted in read_manifest(*pekalongan, stage)["rows"].values():
            assert counted["in"] == counted["out"] + sum(counted["dropped"].values())


# With real polygons


@pytest.fixture(scope="module")
def polygons() -> Path:
    named = os.environ.get("ATLAS_TEST_BOUNDARIES")
    if not named:
        pytest.skip("ATLAS_TEST_BOUNDARIES names no folder with the villages of Pekalongan")
    return Path(named)


@pytest.fixture(scope="module")
def sql_files(polygons: Path) -> str:
    raw = polygons / "raw"
    return ",".join(str(raw / f"wilayah_boundaries_kel_{code}.sql") for code in (CITY, REGENCY))


def test_upstream_files_make_the_published_areas(
    sql_files: str, tmp_path: Path, run_stages: Run
) -> None:
    paths = Paths(outputs=tmp_path)
    run_stages(paths, "pekalongan", sql_files)
    village = read_table(paths, "pekalongan", "sources", "village").to_crs("EPSG:32749")
    assert len(village) == 312
    assert village["boundary_kind"].eq("published").all()
    assert village.geometry.is_valid.all()
    area = (village.area / 1e6).groupby(village["regency_code"]).sum()
    assert area[CITY] == pytest.approx(46.08, rel=0.01)
    assert area[REGENCY] == pytest.approx(892.58, rel=0.01)
    cluster = read_table(paths, "pekalongan", "geocode", "cluster")
    assert dict(zip(cluster["cluster_name"], cluster["village_name"], strict=True)) == VILLAGES
    shapes = village.set_index("village_code").geometry
    points = cluster.to_crs("EPSG:32749")
    assert all(
        shapes[code].contains(point)
        for code, point in zip(points["village_code"], points.geometry, strict=True)
    )


def test_cleaned_polygons_are_a_coverage_near_the_upstream_ones(polygons: Path) -> None:
    crs = projected("EPSG:32749", "test")
    upstream = read_polygons(polygons / "villages_pekalongan.gpkg")
    cleaned = coverage(upstream, crs)
    assert shapely.coverage_is_valid(cleaned.geometry.to_numpy())
    before = upstream.to_crs(crs)
    overlap = cleaned.intersection(before).area / cleaned.union(before).area
    assert overlap.min() > 0.98
    gazetteer = read_csv(AREAS / "pekalongan" / "gazetteer.csv", "gazetteer")
    area = cleaned.set_index("village_code").area / 1e6
    listed = gazetteer.set_index("village_code")["area_km2"].astype(float)
    assert (area / listed - 1).abs().max() < 0.01


def test_approximate_cells_overlap_the_villages_by_three_fifths(polygons: Path) -> None:
    crs = projected("EPSG:32749", "test")
    real = read_polygons(polygons / "villages_pekalongan.gpkg").set_index("village_code")
    gazetteer = read_csv(AREAS / "pekalongan" / "gazetteer.csv", "gazetteer")
    cells = approximate_villages(gazetteer, crs).set_index("village_code").geometry
    shapes = real.geometry.to_crs(crs).loc[cells.index].make_valid()
    overlap = pd.Series(cells.intersection(shapes).area / cells.union(shapes).area)
    assert overlap.mean() == pytest.approx(0.60, abs=0.01)
