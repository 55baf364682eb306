from __future__ import annotations

import json

import pandas as pd
import pytest

import geopandas as gpd
from shapely import Point

from pipeline.contracts.provenance import Paths, read_manifest, read_table
from pipeline.contracts.tables import ACTIVITIES, TABLES
from pipeline.s4_release.assemble import CENTRES, FACILITIES, centres, facilities, unit_table

Release = tuple[Paths, str]
STAGE = "release/internal"


def test_every_activity_is_a_centre_or_a_facility() -> None:
    assert sorted([*CENTRES, *FACILITIES]) == sorted(ACTIVITIES)


def test_centres_of_the_invented_area(toy_release: Release) -> None:
    centre = read_table(*toy_release, STAGE, "centre").set_index("centre_id")
    named = ["konveksi-melati", "canting-anggrek-2018", "weaving-pinggir", "batik-kelapa",
             "konveksi-karang"]  # fmt: skip
    clusters = read_table(*toy_release, "geocode", "cluster")["cluster_id"].tolist()
    assert list(centre.index) == [*clusters, *named]
    assert centre.loc[named, "firms_count"].isna().all()
    assert centre.loc[clusters, "activity"].eq("batik").all()
    assert centre.loc["canting-anggrek-2018", ["count", "count_unit"]].tolist() == [7, "makers"]
    assert centre.loc["weaving-pinggir", ["centre_name", "precision"]].tolist() == [
        "Pinggir",
        "district",
    ]
    assert int(centre["firms_count"].sum()) == 100


def test_places_not_drawn_again_are_counted_with_their_reason(toy_release: Release) -> None:
    assert read_manifest(*toy_release, STAGE)["rows"]["centre"] == {
        "in": 15,
        "out": 13,
        "dropped": {
            "a cluster with published counts stands there": 1,
            "an earlier row names the same place and activity": 1,
        },
    }


def test_facilities_of_the_invented_area(toy_release: Release) -> None:
    facility = read_table(*toy_release, STAGE, "facility").set_index("place_id")
    assert facility["name"].to_dict() == {
        "market-dahlia": 'Pasar "Dahlia" & <Co>',
        "wastewater-kenanga": "Kenanga",
        "landmark-cempaka": "Tugu Cempaka",
        "landmark-afar": "Tugu Jauh",
        "support-kelapa": "Rumah Batik O'Karang",
        "supply-anggrek": "Anggrek",
    }
    places = read_table(*toy_release, "geocode", "place")
    assert len(facility) + int(places["activity"].isin(CENTRES).sum()) == len(places)


def test_units_carry_their_sums(toy_release: Release) -> None:
    village = read_table(*toy_release, STAGE, "village").set_index("village_code")
    totals = read_table(*toy_release, "analyse", "village_total").set_index("village_code")
    pd.testing.assert_frame_equal(
        pd.DataFrame(village[totals.columns]), totals.loc[village.index], check_like=True
    )
    assert village.crs.to_epsg() == 4326
    assert village.loc["99.02.01.2003"].geometry.geom_type == "MultiPolygon"
    assert len(village.loc["99.02.01.2003"].geometry.geoms) == 2


def test_the_release_holds_no_row_more_than_the_stages(toy_release: Release) -> None:
    for table in ("facts", "contradictions", "sources", "stakeholders", "specialisations"):
        passed = read_table(*toy_release, STAGE, table)
        pd.testing.assert_frame_equal(passed, read_table(*toy_release, "sources", table))
    assert read_table(*toy_release, STAGE, "specialisations").empty


def test_about_says_what_it_is(toy_release: Release) -> None:
    paths, area = toy_release
    about = json.loads((paths.stage(area, STAGE) / "about.json").read_text(encoding="utf-8"))
    assert about["build"] == "internal"
    assert about["area"]["name"] == "toy"
    assert about["timestamp"] == "2024-01-01T00:00:00+00:00"
    assert about["rows"]["sources"]["clusters"] == {"in": 8, "out": 8, "dropped": {}}
    assert set(about["notes"]) == set(about["rows"]) == {"sources", "geocode", "analyse"}
    assert "boundaries/villages.geojson" in about["inputs"]


def test_totals_may_come_in_any_order_but_not_twice() -> None:
    units = gpd.GeoDataFrame(
        {"village_code": ["a", "b"]}, geometry=[Point(0, 0), Point(1, 1)], crs=4326
    )
    sums = pd.DataFrame({"village_code": ["b", "a"], "firms_count": [2, 1]})
    joined = unit_table(units, sums, "village_code")
    assert joined["firms_count"].tolist() == [1, 2]
    assert joined.geometry.iloc[1].equals(Point(1, 1))
    with pytest.raises(pd.errors.MergeError):
        unit_table(units, pd.concat([sums, sums]), "village_code")


def placed(release: Release, name: str) -> gpd.GeoDataFrame:
    return read_table(*release, "geocode", name)


def test_without_clusters_every_named_centre_is_drawn_once(toy_release: Release) -> None:
    table, dropped = centres(placed(toy_release, "cluster").iloc[:0], placed(toy_release, "place"))
    assert table["centre_id"].tolist()[0] == "batik-melati"
    assert dropped == {"an earlier row names the same place and activity": 1}
    assert len(table) == 6


def test_without_places_there_are_only_clusters(toy_release: Release) -> None:
    none = placed(toy_release, "place").iloc[:0]
    table, dropped = centres(placed(toy_release, "cluster"), none)
    assert len(table) == 8
    assert dropped == {}
    assert facilities(none).empty


def test_columns_are_those_declared(toy_release: Release) -> None:
    for name in ("centre", "facility", "comparison"):
        found = list(read_table(*toy_release, STAGE, name).columns)
        assert found == TABLES[name].columns
