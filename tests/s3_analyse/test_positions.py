"""Places of firms: fixed, drawn inside the village, or refused."""

from __future__ import annotations

import numpy as np
import pytest

import geopandas as gpd
import shapely

from pipeline.contracts.errors import InvalidArgument, UndefinedStatistic
from pipeline.s3_analyse.positions import Positions, draw_positions

CRS = "EPSG:32749"
WEST, SOUTH = 350_000.0, 9_230_000.0
SQUARE = shapely.box(WEST, SOUTH, WEST + 1000, SOUTH + 1000)
# An L: three quarters of a square of 2 km beside the first
ANGLE = shapely.box(WEST + 1000, SOUTH, WEST + 3000, SOUTH + 2000).difference(
    shapely.box(WEST + 2000, SOUTH + 1000, WEST + 3000, SOUTH + 2000)
)


def villages(kind: str = "published") -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"village_code": ["A", "B"], "boundary_kind": kind}, geometry=[SQUARE, ANGLE], crs=CRS
    ).to_crs(4326)


def firms(precisions: list[str], codes: list[str]) -> gpd.GeoDataFrame:
    n = len(precisions)
    at = [shapely.Point(WEST + 100 * i, SOUTH + 50) for i in range(n)]
    return gpd.GeoDataFrame(
        {
            "firm_id": [f"F{i}" for i in range(n)],
            "precision": precisions,
            "village_code": codes,
        },
        geometry=at,
        crs=CRS,
    ).to_crs(4326)


def draw(table: gpd.GeoDataFrame, draws: int = 50, kind: str = "published") -> Positions:
    return draw_positions(table, villages(kind), CRS, np.random.default_rng(3), draws)


def test_known_places_stay_and_drawn_ones_lie_in_their_village() -> None:
    found = draw(firms(["gps", "village", "street", "village"], ["A", "A", "B", "B"]))
    assert found.is_fixed.tolist() == [True, False, True, False]
    assert np.abs(found.xy[:, [0, 2]] - [[[WEST, SOUTH + 50], [WEST + 200, SOUTH + 50]]]).max() < (
        0.01
    )
    for firm, polygon in ((1, SQUARE), (3, ANGLE)):
        assert shapely.contains_xy(polygon.buffer(0.01), found.xy[:, firm]).all()
        assert np.ptp(found.xy[:, firm], axis=0).min() > 100


def test_the_radius_is_that_of_a_circle_of_the_villages_area() -> None:
    found = draw(firms(["gps", "village", "village"], ["A", "A", "B"]))
    assert found.radius_m == pytest.approx([0.0, 564.19, 977.21], abs=0.1)
    assert found.smallest_m == pytest.approx(977.21, abs=0.1)
    # 19 of 20 firms have coordinates: 95 % of places are exact
    assert draw(firms(["gps"] * 19 + ["village"], ["A"] * 20)).smallest_m == 0.0


def test_draws_are_uniform() -> None:
    """Each of the three squares of the L gets a third of the points."""
    found = draw(firms(["village"], ["B"]), draws=6000).xy[:, 0] - (WEST + 1000, SOUTH)
    east, north = (found > 1000).T
    shares = np.array([(~east & ~north).mean(), (east & ~north).mean(), (~east & north).mean()])
    assert np.abs(shares - 1 / 3).max() < 4 * np.sqrt(2 / 9 / 6000)
    inside = found % 1000
    assert np.abs(inside.mean(axis=0) - 500).max() < 4 * 1000 / np.sqrt(12 * 6000)


def test_neither_order_nor_other_villages_move_a_firm() -> None:
    table = firms(["village", "village", "gps", "village"], ["A", "B", "A", "B"])
    whole, turned = draw(table), draw(table.iloc[::-1])
    assert (whole.xy == turned.xy).all()
    assert whole.firm_id.tolist() == turned.firm_id.tolist()
    assert (draw(table.iloc[[1, 3]]).xy == whole.xy[:, [1, 3]]).all()


def test_one_draw_where_nothing_is_drawn_even_with_approximate_cells() -> None:
    found = draw(firms(["gps", "street"], ["A", "B"]), kind="approximate")
    assert found.draws == 1
    assert found.smallest_m == 0.0


def test_firms_without_a_village_are_counted_as_left_out() -> None:
    assert draw(firms(["gps", "district", "none"], ["A", "A", "A"])).left_out == 2


def test_approximate_cells_are_refused() -> None:
    with pytest.raises(UndefinedStatistic, match="approximate cells"):
        draw(firms(["gps", "village"], ["A", "A"]), kind="approximate")


@pytest.mark.parametrize(
    ("table", "draws", "message"),
    [
        (firms(["gps"], ["A"]), 0, "at least 1"),
        (firms(["village"], ["Z"]), 9, "found Z"),
        (firms(["none"], ["A"]), 9, "found none"),
    ],
)
def test_what_cannot_be_drawn_is_said(table: gpd.GeoDataFrame, draws: int, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        draw(table, draws)
