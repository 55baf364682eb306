"""Approximate village cells from centroids and areas, for drawing where polygons are not at hand.

A power diagram gives every village the points nearest to it by *power distance*
``|x - c|^2 - w`` with ``w = A / (2 pi)``; each cell is cut by a disc of radius
``1.2 sqrt(A / pi)``. The mean intersection over union with the real villages of the first study
area was measured as 0.60: good enough to show where a village lies, not what its border is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import geopandas as gpd
import shapely
from pyproj import CRS

from pipeline.contracts.crs import GEOGRAPHIC

DISC_RADIUS = 1.2
_CORNERS = 48


def power_cells(xy: NDArray[np.float64], area_m2: NDArray[np.float64]) -> list[shapely.Polygon]:
    """Return the power cell of each site, cut by its disc.

    Parameters
    ----------
    xy : (n, 2) array of float
        Sites, metres.
    area_m2 : (n,) array of float
        Area each site stands for.

    Returns
    -------
    list of shapely.Polygon
        One convex cell a site; cells do not overlap.

    References
    ----------
    Aurenhammer, F. (1987). Power diagrams: properties, algorithms and applications. SIAM Journal
    on Computing 16:78-96.

    Examples
    --------
    >>> left, right = power_cells(np.array([[0.0, 0.0], [10.0, 0.0]]), np.array([100.0, 100.0]))
    >>> round(left.bounds[2], 6), round(right.bounds[0], 6)
    (5.0, 5.0)
    """
    weight = area_m2 / (2 * np.pi)
    radius = DISC_RADIUS * np.sqrt(area_m2 / np.pi)
    angle = np.arange(_CORNERS) * 2 * np.pi / _CORNERS
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    cells = []
    for site in range(len(xy)):
        corners = xy[site] + radius[site] * circle
        to_others = xy - xy[site]
        distance2 = (to_others**2).sum(axis=1)
        # The bisector with j meets the disc only if it is nearer than the radius.
        with np.errstate(divide="ignore", invalid="ignore"):
            offset = (distance2 + weight[site] - weight) / (2 * np.sqrt(distance2))
        for other in np.flatnonzero((distance2 > 0) & (offset < radius[site])):
            limit = (distance2[other] + weight[site] - weight[other]) / 2
            corners = _clip(corners, xy[site], to_others[other], limit)
        cells.append(shapely.Polygon(corners))
    return cells


def _clip(
    corners: NDArray[np.float64],
    origin: NDArray[np.float64],
    normal: NDArray[np.float64],
    limit: float,
) -> NDArray[np.float64]:
    """Keep the part of a convex polygon where ``(x - origin) . normal <= limit``."""
    if len(corners) == 0:
        return corners
    side = (corners - origin) @ normal - limit
    kept = []
    for i in range(len(corners)):
        j = (i + 1) % len(corners)
        if side[i] <= 0:
            kept.append(corners[i])
        if (side[i] < 0) != (side[j] < 0) and side[i] != side[j]:
            kept.append(corners[i] + (corners[j] - corners[i]) * side[i] / (side[i] - side[j]))
    return np.array(kept).reshape(-1, 2)


def approximate_villages(gazetteer: gpd.GeoDataFrame, crs: CRS) -> gpd.GeoDataFrame:
    """Return approximate cells of the villages of a gazetteer, in the projected `crs`.

    Parameters
    ----------
    gazetteer : pandas.DataFrame
        ``village_code``, ``longitude_deg``, ``latitude_deg``, ``area_km2``.
    crs : pyproj.CRS
        Projected CRS in metres.
    """
    points = gpd.GeoSeries(
        gpd.points_from_xy(
            gazetteer["longitude_deg"].astype(float), gazetteer["latitude_deg"].astype(float)
        ),
        crs=GEOGRAPHIC,
    ).to_crs(crs)
    xy = np.column_stack([points.x, points.y])
    cells = power_cells(xy, gazetteer["area_km2"].to_numpy(dtype=float) * 1e6)
    return gpd.GeoDataFrame(
        {"village_code": gazetteer["village_code"].to_numpy()}, geometry=cells, crs=crs
    )
