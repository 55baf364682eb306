from __future__ import annotations

import pytest

import geopandas as gpd
from pyproj import CRS
from shapely import Point

from pipeline.contracts.crs import projected, require_inside, to_geographic
from pipeline.contracts.errors import InputError


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("EPSG:4326", "EPSG:4326 (WGS 84)"),
        ("EPSG:2263", "EPSG:2263 (NAD83 / New York Long Island (ftUS))"),
        ("EPSG:999999", "'EPSG:999999'"),
        ("UTM 49S", "'UTM 49S'"),
    ],
)
def test_only_projected_crs_in_metres(code: str, found: str) -> None:
    with pytest.raises(InputError) as caught:
        projected(code, "area.yaml")
    assert str(caught.value) == (
        "area.yaml, column crs: expected a projected CRS in metres such as EPSG:32749, "
        f"found {found}"
    )


@pytest.mark.parametrize(
    ("longitude", "latitude", "better"),
    [(105.5, -6.5, "EPSG:32748"), (119.4, -5.1, "EPSG:32750"), (98.7, 3.6, "EPSG:32647")],
)
def test_another_zone_names_the_right_one(longitude: float, latitude: float, better: str) -> None:
    with pytest.raises(InputError, match=f"{better} is the UTM zone of this area"):
        require_inside(CRS.from_epsg(32749), longitude, latitude, "area.yaml")


def test_the_zone_itself_passes() -> None:
    require_inside(CRS.from_epsg(32749), 110.2, -7.2, "area.yaml")


def test_a_crs_without_area_of_use_passes() -> None:
    require_inside(CRS.from_proj4("+proj=utm +zone=49 +south +units=m"), 0, 0, "area.yaml")


def test_frames_without_crs_are_refused() -> None:
    with pytest.raises(InputError, match=r"^points.gpkg: expected a layer that states its CRS"):
        to_geographic(gpd.GeoDataFrame(geometry=[Point(1, 1)]), "points.gpkg")


def test_frames_are_transformed() -> None:
    frame = gpd.GeoDataFrame(geometry=[Point(500_000, 10_000_000)], crs="EPSG:32749")
    point = to_geographic(frame, "points.gpkg").geometry.iloc[0]
    assert (point.x, point.y) == pytest.approx((111.0, 0.0), abs=1e-9)
