"""The study window: what is inside, how far the edge is, and corrections for what it hides."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import shapely

from pipeline.contracts.errors import InvalidArgument
from pipeline.stats._labels import lazily

Floats = NDArray[np.float64]

MAX_WEIGHT = 100.0  # as spatstat: a pair never counts more than a hundred times
_COVARIANCE_ERROR = 1e-4
_EXACT_WORK = 500_000_000  # pairs of edges: a few seconds
_LONGEST_TABLE = 65


@dataclass(frozen=True)
class Window:
    """A polygon (or several, with holes) in the same projected CRS as the points.

    Parameters
    ----------
    shape : shapely.Polygon or shapely.MultiPolygon
    """

    shape: Any
    area: float = field(init=False)

    def __post_init__(self) -> None:
        shape = self.shape
        if not isinstance(shape, (shapely.Polygon, shapely.MultiPolygon)):
            raise InvalidArgument(
                f"window: expected a shapely Polygon or MultiPolygon, found {type(shape).__name__}"
            )
        if shape.is_empty or not shape.is_valid or not np.isfinite(shape.area) or shape.area <= 0:
            raise InvalidArgument(
                f"window: expected a valid polygon with an area, found "
                f"{shapely.is_valid_reason(shape)} (area {shape.area}). Try shapely.make_valid"
            )
        object.__setattr__(self, "area", float(shape.area))

    @functools.cached_property
    def diameter(self) -> float:
        """Longest distance between two points of the window."""
        corners = shapely.get_coordinates(shapely.convex_hull(self.shape))
        return float(max(np.hypot(*(corners - corner).T).max() for corner in corners))

    @functools.cached_property
    def rectangle(self) -> tuple[float, float, float, float] | None:
        """Bounds when the window is an axis-parallel rectangle, else None."""
        bounds = shapely.bounds(self.shape)
        same = bool(np.isclose(shapely.box(*bounds).area, self.area, rtol=1e-12, atol=0))
        return tuple(map(float, bounds)) if same else None  # type: ignore[return-value]

    @functools.cached_property
    def segments(self) -> tuple[Floats, Floats]:
        """Starts and ends of the boundary segments, shape (segments, 2) each."""
        rings = shapely.get_rings(shapely.get_parts(self.shape))
        points, ring = shapely.get_coordinates(rings, return_index=True)
        joined = ring[1:] == ring[:-1]
        return points[:-1][joined], points[1:][joined]

    def require_inside(self, xy: Floats, rows: NDArray[np.int64] | None = None) -> None:
        """Refuse points outside (on the boundary is inside); `rows` are their rows as given."""
        outside = np.flatnonzero(~self.contains(xy))
        if outside.size:
            row = outside[0] if rows is None else rows[outside].min()
            raise InvalidArgument(
                f"xy: expected every point inside the window, found {outside.size} outside, the "
                f"first at row {row}. Drop them or widen the "
                "window, and check that both use the same CRS"
            )

    def contains(self, xy: Floats) -> NDArray[np.bool_]:
        """Tell which points are inside or on the boundary (within a billionth of its size)."""
        shapely.prepare(self.shape)
        inside = np.asarray(shapely.intersects_xy(self.shape, xy[:, 0], xy[:, 1]))
        doubtful = np.flatnonzero(~inside)
        if doubtful.size:
            gap = shapely.distance(shapely.points(xy[doubtful]), self.shape)
            inside[doubtful] = gap <= 1e-9 * self.diameter
        return inside

    def edge_distance(self, xy: Floats) -> Floats:
        """Distance from each point to the boundary."""
        if self.rectangle is not None:
            west, south, east, north = self.rectangle
            x, y = xy[:, 0], xy[:, 1]
            return np.maximum(0.0, np.minimum.reduce([x - west, east - x, y - south, north - y]))
        return np.asarray(shapely.distance(shapely.points(xy), shapely.boundary(self.shape)))

    def random_points(self, n: int, rng: np.random.Generator) -> Floats:
        """Draw `n` points at random in the window, shape (n, 2)."""
        west, south, east, north = shapely.bounds(self.shape)
        found = np.empty((0, 2))
        while len(found) < n:
            draw = rng.random((2 * (n - len(found)) + 16, 2))
            draw = draw * [east - west, north - south] + [west, south]
            if self.rectangle is None:
                draw = draw[shapely.intersects_xy(self.shape, draw[:, 0], draw[:, 1])]
            found = np.concatenate([found, draw])
        return found[:n]

    def translation_weights(self, delta: Floats) -> tuple[Floats, float]:
        r"""Return the translation correction :math:`|W| / |W \cap (W + h)|` of displacements h.

        Closed form for a rectangle and exact for a polygon, as long as edges squared times pairs
        is moderate. Beyond that a spline over lengths and directions of exact values is refined
        until its mean error at 200 of the displacements is below 1e-4.

        Returns
        -------
        weights : array of float, shape (pairs,)
        error : float
            Mean relative error of interpolated weights; 0 where the weights are exact.
        """
        if self.rectangle is not None:
            west, south, east, north = self.rectangle
            wide, high = east - west, north - south
            left = np.maximum(0.0, (wide - np.abs(delta[:, 0])) * (high - np.abs(delta[:, 1])))
            covariance, error = left, 0.0
        elif len(delta) * len(self.segments[0]) ** 2 <= _EXACT_WORK or len(delta) <= 2000:
            covariance, error = self._covariance(delta), 0.0
        else:
            covariance, error = self._interpolated(delta)
        with np.errstate(divide="ignore"):
            return np.clip(self.area / covariance, 1.0, MAX_WEIGHT), error

    def _covariance(self, delta: Floats) -> Floats:
        """Area shared with the window moved by each displacement, exactly."""
        oriented = shapely.orient_polygons(self.shape)
        middle = shapely.get_coordinates(shapely.centroid(self.shape))
        low, high = (part - middle for part in Window(oriented).segments)
        out = np.empty(len(delta))
        _shared_area(low, high, np.ascontiguousarray(delta), out)
        return out

    def _interpolated(self, delta: Floats) -> tuple[Floats, float]:
        """Set covariance from a spline over lengths and directions, and its mean error."""
        from scipy.interpolate import RectBivariateSpline  # seldom needed, slow to import

        length = np.hypot(delta[:, 0], delta[:, 1])
        angle = np.mod(np.arctan2(delta[:, 1], delta[:, 0]), np.pi)  # the covariance is even
        check = np.linspace(0, len(delta) - 1, 200).astype(np.int64)
        exact = self._covariance(delta[check])
        lengths, angles = 17, 48
        while True:
            r = np.linspace(0.0, float(length.max()), lengths)
            theta = np.linspace(0.0, np.pi, angles, endpoint=False)
            grid_r, grid_t = (part.ravel() for part in np.meshgrid(r, theta, indexing="ij"))
            grid = np.column_stack([grid_r * np.cos(grid_t), grid_r * np.sin(grid_t)])
            table = self._covariance(grid).reshape(lengths, angles)
            pad = 4  # the direction is periodic
            around = np.concatenate([theta[-pad:] - np.pi, theta, theta[:pad] + np.pi])
            table = np.concatenate([table[:, -pad:], table, table[:, :pad]], axis=1)
            spline = RectBivariateSpline(r, around, table, kx=3, ky=3)
            shared = np.maximum(spline.ev(length, angle), 0.0)
            gap = np.abs(shared[check] - exact) / np.maximum(exact, 1e-9 * self.area)
            error = float(gap.mean())
            if error <= _COVARIANCE_ERROR or lengths >= _LONGEST_TABLE:
                return shared, error
            lengths, angles = 2 * lengths - 1, 2 * angles

    def isotropic_weights(self, centre: Floats, radius: Floats, edge: Floats) -> Floats:
        """Ripley's correction: one over the share of the circle that lies in the window.

        Parameters
        ----------
        centre : array of float, shape (links, 2)
        radius : array of float, shape (links,)
            Distance to the other point of the link, which lies on the circle and in the window.
        edge : array of float, shape (links,)
            Distance of the centre to the boundary.
        """
        weights = np.ones(radius.size)
        cut = np.flatnonzero((radius > edge) & (radius > 0))
        if cut.size:
            share = np.empty(cut.size)
            low, high = self.segments
            _arc_share(np.ascontiguousarray(centre[cut]), radius[cut], low, high, share)
            with np.errstate(divide="ignore"):
                weights[cut] = np.clip(1.0 / share, 1.0, MAX_WEIGHT)
        return weights


@lazily
def _shared_area(low, high, delta, out):  # type: ignore[no-untyped-def]
    """Area of a polygon and its moved copy, as a sum over pairs of edges.

    A polygon is the signed sum of the strips below its edges, so the intersection of two is the
    signed sum over pairs of edges of the integral of the lower one: no crossings to construct and
    no degenerate cases.
    """
    edges = low.shape[0]
    for k in range(out.size):
        dx, dy = delta[k, 0], delta[k, 1]
        total = 0.0
        for e in range(edges):
            sign = 1.0 if high[e, 0] > low[e, 0] else -1.0
            left, left_y = low[e, 0], low[e, 1]
            right, right_y = high[e, 0], high[e, 1]
            if sign < 0:
                left, right, left_y, right_y = right, left, right_y, left_y
            if right <= left:
                continue
            slope = (right_y - left_y) / (right - left)
            for f in range(edges):
                other = 1.0 if high[f, 0] > low[f, 0] else -1.0
                first = (low[f, 0] if other > 0 else high[f, 0]) + dx
                last = (high[f, 0] if other > 0 else low[f, 0]) + dx
                begin, end = max(left, first), min(right, last)
                if begin >= end:
                    continue
                first_y = (low[f, 1] if other > 0 else high[f, 1]) + dy
                last_y = (high[f, 1] if other > 0 else low[f, 1]) + dy
                tilt = (last_y - first_y) / (last - first)
                y0 = left_y + slope * (begin - left)
                y1 = left_y + slope * (end - left)
                gap0 = y0 - (first_y + tilt * (begin - first))
                gap1 = y1 - (first_y + tilt * (end - first))
                mean = 0.5 * (y0 + y1)
                if gap0 > 0.0 and gap1 > 0.0:
                    mean -= 0.5 * (gap0 + gap1)
                elif gap0 > 0.0:
                    mean -= 0.5 * gap0 * gap0 / (gap0 - gap1)
                elif gap1 > 0.0:
                    mean -= 0.5 * gap1 * gap1 / (gap1 - gap0)
                total += sign * other * mean * (end - begin)
        out[k] = max(total, 0.0)


@lazily
def _arc_share(centre, radius, low, high, share):  # type: ignore[no-untyped-def]
    """Share of each circle inside the window, from its exact crossings with the boundary."""
    segments = low.shape[0]
    angles = np.empty(2 * segments + 1)
    for q in range(radius.size):
        cx, cy, r = centre[q, 0], centre[q, 1], radius[q]
        crossings = 0
        for s in range(segments):
            x0, y0 = low[s, 0] - cx, low[s, 1] - cy
            dx, dy = high[s, 0] - low[s, 0], high[s, 1] - low[s, 1]
            a = dx * dx + dy * dy
            b = x0 * dx + y0 * dy
            disc = b * b - a * (x0 * x0 + y0 * y0 - r * r)
            if a > 0.0 and disc > 0.0:
                root = np.sqrt(disc)
                for sign in (-1.0, 1.0):
                    t = (-b + sign * root) / a
                    if 0.0 <= t <= 1.0:
                        angle = np.arctan2(y0 + t * dy, x0 + t * dx)
                        place = crossings
                        while place > 0 and angles[place - 1] > angle:
                            angles[place] = angles[place - 1]
                            place -= 1
                        angles[place] = angle
                        crossings += 1
        if crossings == 0:
            share[q] = 1.0
            continue
        inside = 0.0
        for c in range(crossings):
            begin = angles[c]
            end = angles[c + 1] if c + 1 < crossings else angles[0] + 2.0 * np.pi
            if end <= begin:
                continue
            middle = 0.5 * (begin + end)
            px, py = cx + r * np.cos(middle), cy + r * np.sin(middle)
            odd = False
            for s in range(segments):
                y0, y1 = low[s, 1], high[s, 1]
                if (y0 > py) != (y1 > py):
                    at = low[s, 0] + (py - y0) / (y1 - y0) * (high[s, 0] - low[s, 0])
                    if px < at:
                        odd = not odd
            if odd:
                inside += end - begin
        share[q] = inside / (2.0 * np.pi)
