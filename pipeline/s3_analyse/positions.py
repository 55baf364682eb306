"""Where firms may be: fixed where their place is known, drawn inside their village where not.

A firm with coordinates or a street stays where it is. A firm known only to its village may be
anywhere in it: many draws, made once and shared by every statistic, carry that through.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import geopandas as gpd
import shapely

from pipeline.contracts.errors import InvalidArgument, UndefinedStatistic

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FIXED = ("gps", "street")
_SURE = 0.95


@dataclass(frozen=True, eq=False)
class Positions:
    """Drawn places of n firms.

    Parameters
    ----------
    firm_id : array of str, shape (n,)
        The firms that can be placed, sorted.
    xy : array of float, shape (draws, n, 2)
        Metres, in the projected CRS; one draw where nothing had to be drawn.
    is_fixed : array of bool, shape (n,)
        Whether the firm's own place is known.
    radius_m : array of float, shape (n,)
        How well the place is known: 0 where it is, else the radius of a circle with the
        village's area.
    smallest_m : float
        Smallest distance anything can be said about: the places of 95 % of the firms are known at
        least this well.
    left_out : int
        Firms known to a district only, or not at all.
    """

    firm_id: NDArray[np.str_]
    xy: Floats
    is_fixed: Bools
    radius_m: Floats
    smallest_m: float
    left_out: int

    @property
    def draws(self) -> int:
        """Number of draws."""
        return int(self.xy.shape[0])


def draw_positions(
    firms: gpd.GeoDataFrame,
    villages: gpd.GeoDataFrame,
    crs: str,
    rng: np.random.Generator,
    draws: int = 199,
) -> Positions:
    r"""Draw places for the firms known only to their village, uniformly inside its polygon.

    Parameters
    ----------
    firms : geopandas.GeoDataFrame
        Table ``firm``: ``firm_id``, ``precision``, ``village_code``, geometry (EPSG:4326).
    villages : geopandas.GeoDataFrame
        Table ``village``: ``village_code``, ``boundary_kind``, polygons (EPSG:4326).
    crs : str
        Projected CRS in metres.
    rng : numpy.random.Generator
        A village draws from a child of its own, so that neither the order of the rows nor another
        village's firms move its firms.
    draws : int
        Number of draws, >= 1. One is made if no firm needs any.

    Returns
    -------
    Positions
        Firms of precision ``district`` or ``none`` are left out and counted.

    Raises
    ------
    UndefinedStatistic
        No firm can be placed, or a firm would have to be drawn in an approximate cell, which is
        not where the village is.
    InvalidArgument
        Fewer than one draw; a firm in a village that `villages` does not have or whose polygon is
        empty.

    Notes
    -----
    The radius of a village is :math:`\sqrt{A / \pi}`.

    Examples
    --------
    >>> villages = gpd.GeoDataFrame({"village_code": ["v"], "boundary_kind": ["published"]},
    ...     geometry=[shapely.box(109.60, -6.91, 109.61, -6.90)], crs=4326)
    >>> firms = gpd.GeoDataFrame(
    ...     {"firm_id": ["a", "b"], "precision": ["gps", "village"], "village_code": ["v", "v"]},
    ...     geometry=gpd.points_from_xy([109.601, 109.605], [-6.901, -6.905]), crs=4326)
    >>> found = draw_positions(firms, villages, "EPSG:32749", np.random.default_rng(1), 3)
    >>> found.xy.shape, found.is_fixed.tolist(), found.radius_m.round(0).tolist()
    ((3, 2, 2), [True, False], [0.0, 624.0])
    """
    if draws < 1:
        raise InvalidArgument(f"draws: expected at least 1, found {draws}")
    placed = firms[firms["precision"].isin((*FIXED, "village"))]
    placed = placed.sort_values("firm_id", kind="stable")
    if placed.empty:
        raise UndefinedStatistic(
            "firms: expected at least one placed in a village or by coordinates, found none"
        )
    is_fixed = placed["precision"].isin(FIXED).to_numpy(dtype=bool)
    points = placed.geometry.to_crs(crs)
    here = np.column_stack([points.x, points.y])
    xy = np.repeat(here[None], 1 if is_fixed.all() else draws, axis=0)
    radius = np.zeros(len(placed))
    if not is_fixed.all():
        if (villages["boundary_kind"] != "published").any():
            raise UndefinedStatistic(
                "villages: expected published polygons, found approximate cells. "
                f"{int((~is_fixed).sum())} firms are known only to their village and cannot be "
                "placed inside it; fetch the boundaries or name a file with BOUNDARIES="
            )
        code = placed["village_code"].astype(str).to_numpy()
        known = villages.set_index(villages["village_code"].astype(str)).geometry.to_crs(crs)
        codes = sorted(set(code[~is_fixed]))
        lost = [one for one in codes if one not in known.index or known[one].area == 0]
        if lost:
            raise InvalidArgument(
                f"firms: expected villages with a polygon, found {', '.join(lost[:5])} "
                f"({len(lost)} in all)"
            )
        # One child a village of the area, so that a village draws alike whoever else is there
        streams = dict(zip(sorted(known.index), rng.spawn(len(known)), strict=True))
        for one in codes:
            rows = np.flatnonzero((code == one) & ~is_fixed)
            inside = _uniform(known[one], rows.size * draws, streams[one])
            xy[:, rows] = inside.reshape(rows.size, draws, 2).swapaxes(0, 1)
            radius[rows] = np.sqrt(known[one].area / np.pi)
    return Positions(
        firm_id=placed["firm_id"].to_numpy(dtype=np.str_),
        xy=xy,
        is_fixed=is_fixed,
        radius_m=radius,
        smallest_m=float(np.quantile(radius, _SURE, method="inverted_cdf")),
        left_out=len(firms) - len(placed),
    )


def _uniform(polygon: shapely.Geometry, n: int, rng: np.random.Generator) -> Floats:
    """Return n uniform points of a polygon, by rejection from its bounding box."""
    shapely.prepare(polygon)
    west, south, east, north = polygon.bounds
    part = polygon.area / ((east - west) * (north - south))
    found = np.empty((0, 2))
    while len(found) < n:
        some = int((n - len(found)) / part * 1.1) + 16
        tried = rng.random((some, 2)) * (east - west, north - south) + (west, south)
        found = np.concatenate([found, tried[shapely.contains_xy(polygon, tried)]])
    return found[:n]
