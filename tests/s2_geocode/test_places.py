"""Published rows of the invented area to units and points."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

import geopandas as gpd
import shapely
from pyproj import CRS

from pipeline.contracts.area import Decision
from pipeline.contracts.errors import InputError
from pipeline.contracts.provenance import Paths, read_table
from pipeline.s2_geocode.gazetteer import Gazetteer
from pipeline.s2_geocode.places import inner_points, locate

UTM = CRS.from_epsg(32749)
Locate = Callable[..., gpd.GeoDataFrame]


@pytest.fixture(scope="module")
def place(toy_release: tuple[Paths, str]) -> Locate:
    """Return a function that locates rows (place, district, regency, longitude, latitude)."""
    paths, area = toy_release
    village, district, old, aliases = (
        read_table(paths, area, "sources", name)
        for name in ("village", "district", "old_names", "aliases")
    )
    gazetteer = Gazetteer.from_tables(pd.DataFrame(village.drop(columns="geometry")), old, aliases)

    def one(
        *rows: tuple[object, ...], kind: str = "published", decisions: object = None
    ) -> gpd.GeoDataFrame:
        columns = ["place_name", "district_name", "regency_name", "longitude_deg", "latitude_deg"]
        table = pd.DataFrame([(*row, None, None)[:5] for row in rows], columns=columns)
        table.insert(0, "place_id", [f"row-{i}" for i in range(len(rows))])
        units = village.assign(boundary_kind=kind)
        return locate(table, gazetteer, units, district, UTM, "t.csv", decisions)  # type: ignore[arg-type]

    return one


def test_clusters_of_the_invented_area(toy_release: tuple[Paths, str]) -> None:
    paths, area = toy_release
    cluster = read_table(paths, area, "geocode", "cluster").set_index("cluster_id")
    assert cluster["village_code"].fillna("").to_dict() == {
        "toy-melati": "99.01.01.1001",
        "toy-kenanga-lor": "99.01.01.1002",
        "toy-kenanga-kidul": "99.01.01.1002",
        "toy-dahlia": "99.01.02.1003",
        "toy-sumber-timur": "99.01.02.1002",
        "toy-sumber-pinggir": "99.02.01.2001",
        "toy-pandan": "99.02.01.2002",
        "toy-segara": "",
    }
    assert cluster["method"].value_counts().to_dict() == {
        "exact": 5,
        "old_name": 2,
        "district_only": 1,
    }
    assert cluster.loc["toy-segara", ["district_code", "regency_code", "precision"]].tolist() == [
        "99.02.02",
        "99.02",
        "district",
    ]
    assert cluster["precision"].drop("toy-segara").eq("village").all()
    assert cluster["score"].between(0, 1).all()
    assert cluster["status"].eq("published").all()


def test_points_lie_inside_their_unit(toy_release: tuple[Paths, str]) -> None:
    paths, area = toy_release
    village = read_table(paths, area, "sources", "village").set_index("village_code").geometry
    district = read_table(paths, area, "sources", "district").set_index("district_code").geometry
    for name in ("cluster", "place"):
        for row in read_table(paths, area, "geocode", name).itertuples():
            if pd.isna(row.district_code):
                assert row.Index == 10  # the landmark far away
            elif pd.isna(row.village_code):
                assert district[row.district_code].contains(row.geometry)
            else:
                assert village[row.village_code].contains(row.geometry)


def test_rows_in_one_village_share_their_point(toy_release: tuple[Paths, str]) -> None:
    paths, area = toy_release
    cluster = read_table(paths, area, "geocode", "cluster").set_index("cluster_id").geometry
    assert cluster["toy-kenanga-lor"].equals(cluster["toy-kenanga-kidul"])


def test_the_inner_point_of_a_square_is_its_centre() -> None:
    units = gpd.GeoDataFrame(
        {"code": ["a"]},
        geometry=gpd.GeoSeries([shapely.box(410_000, 9_200_000, 411_000, 9_201_000)], crs=UTM),
    ).to_crs(4326)
    (point,) = gpd.GeoSeries([inner_points(units, "code", UTM)["a"]], crs=4326).to_crs(UTM)
    assert point.distance(shapely.Point(410_500, 9_200_500)) < 10


def test_coordinates_are_joined_to_published_polygons_only(place: Locate) -> None:
    row = (None, None, None, 110.191606, -7.214140)
    inside = place(row).iloc[0]
    assert (inside["village_name"], inside["precision"], inside["method"]) == (
        "Cempaka",
        "gps",
        "coordinates",
    )
    assert (inside.geometry.x, inside.geometry.y) == (110.191606, -7.21414)
    drawn = place(row, kind="approximate").iloc[0]
    assert drawn["village_code"] is pd.NA
    assert "boundaries approximate" in drawn["evidence"]


def test_same_name_is_told_apart_by_kecamatan_or_left_open(place: Locate) -> None:
    located = place(
        ("Sumber", "Kartala Timur", "Kota Kartala"),
        ("Sumber", "Pinggir", "Kabupaten Kartala"),
        ("Sumber", None, None),
    )
    assert located["village_code"].tolist() == ["99.01.02.1002", "99.02.01.2001", pd.NA]
    open_row = located.iloc[2]
    assert (open_row["method"], open_row["precision"]) == ("ambiguous", "none")
    assert set(open_row["candidates"].split(";")) == {"99.01.02.1002", "99.02.01.2001"}
    assert open_row.geometry is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            ("Xyzzy", "Pinggir", "Kabupaten Kartala"),
            "t.csv, row 2, column place_name: expected a village or kecamatan of the area, under "
            "its present or a former name, found 'Xyzzy'. "
            "Correct the name, or add it to aliases.csv or old_names.csv",
        ),
        (
            (None, "Xyzzy", None),
            "t.csv, row 2, column district_name: expected a village or kecamatan of the area, "
            "under its present or a former name, found 'Xyzzy'. "
            "Correct the name, or add it to aliases.csv or old_names.csv",
        ),
        (
            ("Melati", "Kartala Timur", "Kota Kartala"),
            "t.csv, row 2, column district_name: expected the kecamatan of Melati, which is "
            "Kartala Barat, found 'Kartala Timur'. If the source prints it so, keep the row and "
            "decide in area.yaml under 'decisions'; otherwise correct it",
        ),
        (
            ("Melati", "Pinggir", "Kabupaten Kartala"),
            "t.csv, row 2, column district_name: expected the kecamatan of Melati, which is "
            "Kartala Barat, found 'Pinggir'. If the source prints it so, keep the row and "
            "decide in area.yaml under 'decisions'; otherwise correct it",
        ),
        (
            ("Melati", "Nowhere", "Kota Kartala"),
            "t.csv, row 2, column district_name: expected the kecamatan of Melati, which is "
            "Kartala Barat, found 'Nowhere'. If the source prints it so, keep the row and "
            "decide in area.yaml under 'decisions'; otherwise correct it",
        ),
    ],
)
def test_rows_that_cannot_be_right(place: Locate, row: tuple[object, ...], message: str) -> None:
    with pytest.raises(InputError) as caught:
        place(row)
    assert str(caught.value) == message


def test_faults_of_all_rows_at_once(place: Locate) -> None:
    with pytest.raises(InputError) as caught:
        place(
            ("Xyzzy", "Pinggir", None),
            ("Melati", "Kartala Barat", None),
            ("Melati", "Segara", None),
        )
    assert [fault.row for fault in caught.value.faults] == [2, 4]


def decision(**changed: str) -> Decision:
    given = {
        "table": "places",
        "id": "row-0",
        "village_code": "99.01.01.1001",
        "because": "the source contradicts itself",
    }
    return Decision(**(given | changed))


def test_a_decision_stands_above_the_row(place: Locate) -> None:
    row = place(("Melati", "Segara", None), decisions={"row-0": decision()}).iloc[0]
    assert (row["village_name"], row["method"], row["precision"]) == (
        "Melati",
        "decision",
        "village",
    )
    assert row["evidence"] == "decided by a person: the source contradicts itself"


@pytest.mark.parametrize(
    ("key", "changed", "message"),
    [
        ("row-9", {}, "area.yaml, column decisions.id: expected an identifier of table places"),
        (
            "row-0",
            {"village_code": "99.01.01.1009"},
            "area.yaml, column decisions.village_code: expected a village of the gazetteer",
        ),
    ],
)
def test_decisions_about_nothing(
    place: Locate, key: str, changed: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        place(("Melati", "Kartala Barat", None), decisions={key: decision(**changed)})
    assert str(caught.value).startswith(message)


def test_an_empty_table_stays_typed(place: Locate) -> None:
    located = place()
    assert located.empty
    assert located.crs.to_epsg() == 4326
    assert str(located["score"].dtype) == "Float64"
