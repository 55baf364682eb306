"""Nearest-neighbour index of Clark and Evans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from pipeline.contracts.errors import InvalidArgument, TooFewUnits
from pipeline.stats._window import Window
from pipeline.stats.inference import (
    Floats,
    draw_warnings,
    p_from_counts,
    p_from_z,
    require_points,
    stream,
)


@dataclass(frozen=True)
class NearestNeighbourIndex:
    """Clark-Evans index R of a point pattern.

    Parameters
    ----------
    index : float
        R: below 1 clustered, 1 random, above 1 regular.
    mean_distance, expected_distance : float
        Mean distance to the nearest neighbour, and its value under complete spatial randomness,
        both as corrected, in the unit of xy.
    z, p_normal : float
        Normal test of the uncorrected mean distance; NaN with a correction.
    p : float
        Two-sided Monte-Carlo p under complete spatial randomness in the window; NaN without
        simulations.
    correction : str
    n : int
    coincident : int
        Points at distance 0 from another.
    area : float
    null : str
    permutations : int
        Simulated patterns.
    seed : str or None
    warnings : tuple of str
    """

    index: float
    mean_distance: float
    expected_distance: float
    z: float
    p_normal: float
    p: float
    correction: str
    n: int
    coincident: int
    area: float
    null: str
    permutations: int
    seed: str | None
    warnings: tuple[str, ...]


def _kaplan_meier_mean(distance: Floats, edge: Floats) -> float:
    """Mean of the nearest-neighbour distance, those beyond the edge distance being censored.

    Where the largest observation is censored the curve does not reach 1, and the mean is of the
    distribution up to there.
    """
    seen = np.minimum(distance, edge)
    event = distance <= edge
    order = np.argsort(seen, kind="stable")
    seen, event = seen[order], event[order]
    times, first = np.unique(seen, return_index=True)
    at_risk = seen.size - first
    deaths = np.add.reduceat(event.astype(np.float64), first)
    survival = np.cumprod(1.0 - deaths / at_risk)
    mass = -np.diff(np.concatenate([[1.0], survival]))
    total = mass.sum()
    return float((mass * times).sum() / total) if total > 0 else float("nan")


def _index(xy: Floats, window: Window, correction: str) -> tuple[float, float, Floats]:
    from scipy.spatial import cKDTree  # slow to import

    distance = cKDTree(xy).query(xy, k=2)[0][:, 1]
    n = len(xy)
    expected = 0.5 * np.sqrt(window.area / n)
    if correction == "donnelly":
        expected += (0.0514 + 0.0412 / np.sqrt(n)) * window.shape.length / n
    if correction == "cdf":
        mean = _kaplan_meier_mean(distance, window.edge_distance(xy))
    else:
        mean = float(distance.mean())
    return mean, float(expected), distance


def clark_evans(
    xy: ArrayLike,
    window: Any,
    correction: Literal["none", "donnelly", "cdf"] = "cdf",
    permutations: int = 0,
    rng: np.random.Generator | None = None,
) -> NearestNeighbourIndex:
    r"""Nearest-neighbour index of Clark and Evans, with edge handling.

    .. math:: R = \frac{\bar d}{0.5 / \sqrt{n / |W|}}

    Parameters
    ----------
    xy : array_like of float, shape (n, 2)
        Points in a projected CRS, metres.
    window : shapely.Polygon or shapely.MultiPolygon
        Study window, same CRS. R depends on it: a loose window makes any pattern look clustered.
    correction : {"none", "donnelly", "cdf"}
        none is biased upwards (points near the edge lose their nearest neighbours). donnelly
        adds :math:`(0.0514 + 0.0412 / \sqrt n) P / n` to the expected distance (rectangles).
        cdf takes the mean of the Kaplan-Meier estimate of the nearest-neighbour distance
        distribution, with distances censored by the edge.
    permutations : int
        Simulated random patterns for the p-value; 0 for none.
    rng : numpy.random.Generator, optional
        Needed with permutations.

    Returns
    -------
    NearestNeighbourIndex

    Raises
    ------
    InvalidArgument
        Not finite, wrong shape, points outside the window, unknown correction, Donnelly in a
        window that is not an axis-parallel rectangle, permutations without rng.
    TooFewUnits
        Fewer than 2 points.

    Notes
    -----
    Null: complete spatial randomness of n points in the window. Published studies often use the
    bounding box of the points as window and no correction; with firms on roads and in villages R
    then says mainly that people live in villages. It sees the nearest neighbour only.

    References
    ----------
    Clark, P. J. & Evans, F. C. (1954). Distance to nearest neighbor as a measure of spatial
    relationships in populations. Ecology 35:445-453. Donnelly, K. (1978). Simulations to
    determine the variance and edge-effect of total nearest neighbour distance. In: Simulation
    Methods in Archaeology, Cambridge University Press. Baddeley, A. & Gill, R. D. (1997).
    Kaplan-Meier estimators of distance distributions. Annals of Statistics 25:263-292.

    Examples
    --------
    >>> import shapely
    >>> r = clark_evans([[1, 1], [3, 1], [1, 3], [3, 3]], shapely.box(0, 0, 4, 4), "none")
    >>> r.index
    2.0
    """
    points = require_points(xy)
    n = len(points)
    if n < 2:
        raise TooFewUnits(f"xy: expected at least 2 points, found {n}")
    if correction not in ("none", "donnelly", "cdf"):
        raise InvalidArgument(
            f"correction: expected 'none', 'donnelly' or 'cdf', found {correction!r}"
        )
    frame = Window(window)
    frame.require_inside(points)
    if correction == "donnelly" and frame.rectangle is None:
        raise InvalidArgument(
            "correction: Donnelly's constants hold for axis-parallel rectangles; expected 'cdf' "
            "or 'none' for another window"
        )
    rng, seed = stream(rng, permutations)
    mean, expected, distance = _index(points, frame, correction)
    index = mean / expected
    z = p_normal = p = float("nan")
    if correction == "none":
        error = np.sqrt((4.0 - np.pi) / (4.0 * np.pi * (n / frame.area) * n))
        z = float((mean - expected) / error)
        p_normal = float(p_from_z(z))
    coincident = int((distance == 0).sum())
    notes = []
    if coincident:
        notes.append(f"{coincident} of {n} points coincide with another and have distance 0")
    if correction == "none":
        notes.append("no edge correction: the index is biased upwards; prefer p to p_normal")
    if permutations:
        assert rng is not None
        simulated = np.array([_simulated(n, frame, correction, rng) for _ in range(permutations)])
        usable = simulated[np.isfinite(simulated)]
        p = float(p_from_counts((usable >= index).sum(), (usable <= index).sum(), usable.size))
    return NearestNeighbourIndex(
        index=index,
        mean_distance=mean,
        expected_distance=expected,
        z=z,
        p_normal=p_normal,
        p=p,
        correction=correction,
        n=n,
        coincident=coincident,
        area=frame.area,
        null="complete spatial randomness: as many points, independent and uniform in the window",
        permutations=permutations,
        seed=seed,
        warnings=tuple(notes + draw_warnings(permutations)),
    )


def _simulated(n: int, window: Window, correction: str, rng: np.random.Generator) -> float:
    mean, expected, _ = _index(window.random_points(n, rng), window, correction)
    return mean / expected
