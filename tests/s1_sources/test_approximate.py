from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import shapely
from pyproj import CRS

from pipeline.s1_sources.approximate import DISC_RADIUS, approximate_villages, power_cells


def test_a_lone_site_has_its_disc() -> None:
    (cell,) = power_cells(np.array([[5.0, 5.0]]), np.array([np.pi]))
    # A 48-gon in the disc of radius 1.2: area n/2 r^2 sin(2 pi / n).
    assert cell.area == pytest.approx(24 * 1.44 * np.sin(2 * np.pi / 48))
    assert cell.centroid.coords[0] == pytest.approx((5, 5))


def test_the_border_of_unequal_sites_by_hand() -> None:
    # On the line between sites at 0 and 10 the border is x = (100 + w1 - w2) / 20.
    areas = np.array([100.0, 40.0])
    weight = areas / (2 * np.pi)
    border = (100 + weight[0] - weight[1]) / 20
    left, right = power_cells(np.array([[0.0, 0.0], [10.0, 0.0]]), areas)
    assert left.bounds[2] == pytest.approx(border)
    assert right.bounds[2] == pytest.approx(10 + DISC_RADIUS * np.sqrt(40 / np.pi))
    assert left.intersection(right).area == pytest.approx(0, abs=1e-9)


def test_a_square_grid_gives_back_its_squares() -> None:
    x, y = np.meshgrid(np.arange(3.0), np.arange(3.0))
    cells = power_cells(np.column_stack([x.ravel(), y.ravel()]), np.ones(9))
    # The disc (radius 0.677) cuts the corners of the unit square (0.707 away) a little.
    assert cells[4].area == pytest.approx(1, abs=0.01)
    assert cells[4].bounds == pytest.approx((0.5, 0.5, 1.5, 1.5))


sites = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 60)),
    min_size=1,
    max_size=12,
    unique_by=lambda site: site[:2],
)


def arrays(drawn: list[tuple[int, int, int]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    table = np.array(drawn, dtype=float)
    return table[:, :2], table[:, 2]


@settings(max_examples=30)
@given(sites)
def test_cells_are_disjoint_and_inside_their_disc(drawn: list[tuple[int, int, int]]) -> None:
    xy, areas = arrays(drawn)
    cells = power_cells(xy, areas)
    tree = shapely.STRtree(cells)
    for i, j in tree.query(cells, predicate="intersects").T:
        if i < j:
            assert cells[i].intersection(cells[j]).area < 1e-9
    for cell, centre, area in zip(cells, xy, areas, strict=True):
        corners = shapely.get_coordinates(cell)
        distance = np.hypot(*(corners - centre).T)
        assert (distance <= DISC_RADIUS * np.sqrt(area / np.pi) + 1e-9).all()


@settings(max_examples=30)
@given(sites)
def test_equal_areas_keep_their_site_inside(drawn: list[tuple[int, int, int]]) -> None:
    xy, _ = arrays(drawn)
    for cell, centre in zip(power_cells(xy, np.full(len(xy), 9.0)), xy, strict=True):
        assert cell.is_valid
        assert cell.contains(shapely.Point(centre))


@settings(max_examples=30)
@given(sites, st.permutations(range(12)))
def test_the_order_of_sites_does_not_matter(
    drawn: list[tuple[int, int, int]], order: list[int]
) -> None:
    xy, areas = arrays(drawn)
    shuffled = np.array([i for i in order if i < len(xy)])
    cells = power_cells(xy, areas)
    again = power_cells(xy[shuffled], areas[shuffled])
    for new, old in enumerate(shuffled):
        assert again[new].symmetric_difference(cells[old]).area < 1e-9


def test_villages_are_drawn_in_the_projected_crs() -> None:
    gazetteer = pd.DataFrame(
        {
            "village_code": ["99.01.01.1001", "99.01.01.1002"],
            "longitude_deg": [110.189353, 110.198410],
            "latitude_deg": [-7.205087, -7.205103],
            "area_km2": [1.0, 1.0],
        }
    )
    cells = approximate_villages(gazetteer, CRS.from_epsg(32749))
    assert cells["village_code"].tolist() == gazetteer["village_code"].tolist()
    assert cells.crs.to_epsg() == 32749
    # Centres of neighbouring cells of the 1 km grid: the border is the grid line.
    assert cells.geometry.iloc[0].bounds[2] == pytest.approx(411_000, abs=0.2)
