"""Cross-K, cross-L and cross pair correlation with edge corrections and envelopes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.contracts.errors import InvalidArgument, UndefinedStatistic
from pipeline.stats._curves import Curve, require_radii, with_envelope
from pipeline.stats._labels import Labels, Table, labellings, null_in_words, read_labels
from pipeline.stats._pairs import (
    Events,
    cell_size,
    close_pairs,
    label_sums,
    read_points,
    spatial_order,
)
from pipeline.stats._window import Window
from pipeline.stats.inference import Floats, Ints, adjust, require_points, stream

Correction = Literal["none", "border", "translate", "isotropic"]
Null = Literal["labelling", "shift"]

_MAX_CURVES = 500_000_000  # values kept for the envelopes: 4 GB
_SHIFT = (
    "random shift: the points of a are moved together by a random vector on the torus of the "
    "rectangular window, so each pattern keeps its own structure"
)


@dataclass(frozen=True)
class Curves:
    """Curves of all ordered pairs of labels: ``curves[a, b]`` is a :class:`Curve`.

    Parameters
    ----------
    labels : tuple of hashable, length m
    radii : array of float, shape (radii,)
    observed : array of float, shape (m, m, radii)
    p_global, q : Table
        One p for each curve; q over the family of all m * m of them.
    family : int
    n : int
    null : str
    permutations : int
    seed : str or None
    warnings : tuple of str
    """

    labels: tuple[Any, ...]
    radii: Floats
    observed: Floats
    p_global: Table
    q: Table
    family: int
    n: int
    null: str
    permutations: int
    seed: str | None
    warnings: tuple[str, ...]
    _curves: Table

    def __getitem__(self, key: tuple[Any, Any]) -> Curve:
        return self._curves[key]


@dataclass(frozen=True)
class _Pattern:
    """Checked input, points in spatial order."""

    xy: Floats
    labels: Labels
    strata: Ints
    radii: Floats
    window: Window
    correction: str
    reach: float  # largest distance at which pairs are needed

    @property
    def n(self) -> int:
        return self.labels.n


def _read(
    xy: ArrayLike,
    labels: Any,
    only: Sequence[Hashable] | None,
    radii: ArrayLike,
    window: Any,
    correction: str,
    strata: Any,
    names: Sequence[Hashable] | None,
    margin: float = 0.0,
) -> _Pattern:
    if correction not in ("none", "border", "translate", "isotropic"):
        raise InvalidArgument(
            "correction: expected 'none', 'border', 'translate' or 'isotropic', found "
            f"{correction!r}"
        )
    frame = Window(window)
    distances = require_radii(radii, frame.diameter)
    reach = float(distances[-1]) + margin
    points, read, layers, order = read_points(xy, labels, names, strata, reach)
    if only is not None:
        read = read.only(list(dict.fromkeys(only)))
    frame.require_inside(points, order)
    return _Pattern(points, read, layers, distances, frame, correction, reach)


def _edge_bins(edge: Floats, radii: Floats) -> Ints:
    """Count the radii r <= edge distance of each point: where it stops to be a centre."""
    return np.searchsorted(radii, edge, side="right")


def _weighted_pairs(
    at: _Pattern, radii: Floats, notes: list[str]
) -> tuple[NDArray[np.uint32], NDArray[np.uint32], Ints, Floats | None, Floats]:
    """Links, bin starts, edge weights and distances; both directions only for isotropic."""
    first, second, starts = close_pairs(at.xy, radii)
    delta = at.xy[second] - at.xy[first]
    distance = np.hypot(delta[:, 0], delta[:, 1])
    if at.correction == "translate":
        weight, error = at.window.translation_weights(delta)
        if error > 0:
            notes.append(
                "translation weights of this window are interpolated, with a mean relative error "
                f"of {error:.0e}"
            )
        return first, second, starts, weight, distance
    if at.correction == "isotropic":
        edge = at.window.edge_distance(at.xy)
        bins = np.repeat(np.arange(radii.size), np.diff(starts))
        order = np.argsort(np.concatenate([bins, bins]), kind="stable")
        centre = np.concatenate([first, second])[order]
        other = np.concatenate([second, first])[order]
        both = np.concatenate([distance, distance])[order]
        weight = at.window.isotropic_weights(at.xy[centre], both, edge[centre])
        return centre, other, 2 * starts, weight, both
    return first, second, starts, None, distance


def _k_numerators(
    at: _Pattern, draws: Any, left: Any, right: Any, workers: int, notes: list[str]
) -> Floats:
    """Sum corrected pairs within each radius, shape (labellings, radii, a, b)."""
    if at.correction == "border":
        return _border_numerators(at, draws, left, right, workers)
    first, second, starts, weight, _ = _weighted_pairs(at, at.radii, notes)
    events = Events(first, second, starts, weight, symmetric=at.correction != "isotropic")
    return np.cumsum(label_sums(events, draws, left, right, workers), axis=1)


def _border_numerators(at: _Pattern, draws: Any, left: Any, right: Any, workers: int) -> Floats:
    """Pairs that enter at their distance and leave at their centre's edge distance."""
    first, second, starts = close_pairs(at.xy, at.radii)
    bins = np.repeat(np.arange(at.radii.size), np.diff(starts))
    centre, other = np.concatenate([first, second]), np.concatenate([second, first])
    enter = np.concatenate([bins, bins])
    leave = _edge_bins(at.window.edge_distance(at.xy), at.radii)[centre]
    counts = []
    for when in (enter, leave):
        kept = np.flatnonzero((leave > enter) & (when < at.radii.size))
        order = kept[np.argsort(when[kept], kind="stable")]
        sizes = np.bincount(when[order], minlength=at.radii.size)
        events = Events(centre[order], other[order], np.concatenate([[0], np.cumsum(sizes)]))
        counts.append(label_sums(events, draws, left, right, workers))
    return np.cumsum(counts[0] - counts[1], axis=1)


def _centres(at: _Pattern, draws: Any, left: Any) -> Floats:
    """Points of each left label at least r from the edge, shape (labellings, radii, a)."""
    stop = _edge_bins(at.window.edge_distance(at.xy), at.radii)
    kinds, bins = len(left), at.radii.size + 1
    out = np.empty((draws.total, at.radii.size, left.shape[1]))
    for begin, end in draws.blocks(64):
        for r, codes in enumerate(draws.block(begin, end)):
            cells = np.bincount(stop * kinds + codes, minlength=kinds * bins).reshape(bins, kinds)
            # still centres at radius index k: those that stop after it
            out[begin + r] = np.cumsum(cells[::-1], axis=0)[::-1][1:] @ left
    return out


def _scale(at: _Pattern, left: Any, right: Any, sums: Floats, draws: Any) -> Floats:
    """Turn sums of pairs into K: area over the number of pairs, or by centres for border."""
    sizes = np.bincount(at.labels.codes, minlength=len(at.labels.sets)).astype(np.float64)
    n_left, n_right = sizes @ left, sizes @ right
    same = np.array([[bool((x == y).all()) for y in right.T] for x in left.T])
    if at.correction == "border":
        centres = _centres(at, draws, left)
        with np.errstate(divide="ignore", invalid="ignore"):
            k = sums / centres[..., None] * (at.window.area / n_right)
        return np.where(np.isfinite(k), k, np.nan)
    pairs = n_left[:, None] * n_right[None, :] - same * n_left[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(pairs > 0, sums * (at.window.area / pairs), np.nan)


def _k_curves(
    at: _Pattern, draws: Any, left: Any, right: Any, notes: list[str], workers: int
) -> Floats:
    """K of every labelling, shape (labellings, radii, a, b)."""
    sums = _k_numerators(at, draws, left, right, workers, notes)
    return _scale(at, left, right, sums, draws)


def _guard(at: _Pattern, curves: int, permutations: int) -> None:
    values = (permutations + 1) * at.radii.size * curves
    if values > _MAX_CURVES:
        raise InvalidArgument(
            f"permutations x radii x pairs of labels: expected at most {_MAX_CURVES:,} values to "
            f"keep, found {values:,}. Use fewer radii or labels"
        )


def _sides(at: _Pattern, a: Hashable, b: Hashable) -> tuple[Any, Any]:
    if (size := int(at.labels.counts[at.labels.position(a)])) < 2 and a == b:
        raise UndefinedStatistic(f"a: expected at least 2 points holding {a!r}, found {size}")
    left = at.labels.sets[:, [at.labels.position(a)]]
    right = left if a == b else at.labels.sets[:, [at.labels.position(b)]]
    return left, right


def _shifted(
    at: _Pattern,
    a: Hashable,
    b: Hashable,
    permutations: int,
    rng: np.random.Generator | None,
    compute: Callable[[_Pattern], Floats],
) -> Floats:
    """Curves of the observed pattern and of random torus shifts of the points of a."""
    bounds = at.window.rectangle
    if bounds is None:
        raise InvalidArgument(
            "null: expected 'labelling', or a window that is an axis-parallel rectangle; random "
            "shifts need a torus"
        )
    members = at.labels.members
    in_a, in_b = members[:, at.labels.position(a)], members[:, at.labels.position(b)]
    if a == b or (in_a & in_b).any():
        raise InvalidArgument("null: random shifts need two labels that share no point")
    curves = [compute(at)]
    low, size = np.array(bounds[:2]), np.array(bounds[2:]) - np.array(bounds[:2])
    kept = np.flatnonzero(in_a | in_b)
    for _ in range(permutations):
        assert rng is not None
        xy = at.xy.copy()
        xy[in_a] = low + np.mod(xy[in_a] - low + rng.random(2) * size, size)
        order = kept[spatial_order(xy[kept], cell_size(xy[kept], at.reach))]
        moved = replace(at, xy=xy[order], labels=at.labels.take(order), strata=at.strata[order])
        curves.append(compute(moved))
    return np.array(curves)


def _of_pair(
    statistic: str,
    at: _Pattern,
    a: Hashable,
    b: Hashable,
    expected: Floats,
    permutations: int,
    rng: np.random.Generator | None,
    null: str,
    strata: Any,
    level: float,
    compute: Callable[[_Pattern, Any, Any, Any, list[str]], Floats],
    bandwidth: float = float("nan"),
) -> Curve:
    """Make the curve from a to b with its null; `compute` gives (labellings, radii, a, b)."""
    left, right = _sides(at, a, b)
    _guard(at, 1, permutations)
    rng, seed = stream(rng, permutations)
    notes: list[str] = []
    if null == "labelling":
        draws = labellings(at.labels.codes, at.strata, permutations, rng)
        values = compute(at, draws, left, right, notes)[:, :, 0, 0]
    elif null == "shift":

        def moved_curve(moved: _Pattern) -> Floats:
            alone = labellings(moved.labels.codes, moved.strata, 0, None)
            return compute(moved, alone, left, right, notes)[0, :, 0, 0]

        values = _shifted(at, a, b, permutations, rng, moved_curve)
    else:
        raise InvalidArgument(f"null: expected 'labelling' or 'shift', found {null!r}")
    return with_envelope(
        statistic, at.labels, a, b, at.radii, values, expected, level=level,
        null=null_in_words(strata) if null == "labelling" else _SHIFT,
        seed=seed, notes=notes, correction=at.correction, bandwidth=bandwidth,
    )  # fmt: skip


def cross_k(
    xy: ArrayLike,
    labels: Any,
    a: Hashable,
    b: Hashable,
    radii: ArrayLike,
    window: Any,
    correction: Correction = "none",
    permutations: int = 0,
    rng: np.random.Generator | None = None,
    *,
    null: Null = "labelling",
    strata: Any = None,
    level: float = 0.05,
    names: Sequence[Hashable] | None = None,
    workers: int = 1,
) -> Curve:
    r"""Ripley's cross-K from label a to label b, with a global envelope.

    .. math:: K_{ab}(r) = \frac{|W|}{n_a n_b} \sum_{i \in a} \sum_{j \in b, j \ne i}
                          1[d_{ij} \le r]\, e_{ij}

    With a == b the number of pairs is :math:`n_a (n_a - 1)`. Edge corrections :math:`e_{ij}`:
    none (1), translate (:math:`|W| / |W \cap (W + x_j - x_i)|`), isotropic (one over the share
    of the circle round i through j in W); border counts only centres at least r from the edge,
    :math:`K_{ab}(r) = |W| / n_b` times their mean number of neighbours. Weights stop at 100.

    Parameters
    ----------
    xy : array_like of float, shape (n, 2)
        Points in a projected CRS, metres; all inside `window`. Coincident points are pairs at
        distance 0.
    labels : sequence of hashable, sequence of sets, or array of bool of shape (n, m)
    a, b : hashable
        Labels; a == b gives Ripley's K of that label.
    radii : array_like of float
        Increasing, may start at 0, at most the longest distance in the window.
    window : shapely.Polygon or shapely.MultiPolygon
        Where points could have been observed, same CRS.
    correction : {"none", "border", "translate", "isotropic"}
    permutations : int
        Simulations of the null; 0 for none.
    rng : numpy.random.Generator, optional
        Needed with permutations.
    null : {"labelling", "shift"}
        Random labelling of all points (whole label sets), or random torus shift of the points of
        a against those of b (independence of two patterns; rectangular windows only).
    strata : sequence of hashable, length n, optional
        Random labelling within strata only.
    level : float
        Error of the global envelope.
    names : sequence of hashable, optional
        Names of the columns of a membership matrix.
    workers : int
        Threads; the result does not depend on it.

    Returns
    -------
    Curve

    Raises
    ------
    InvalidArgument
        Not finite, wrong shapes, radii unsorted or beyond the window, points outside the window,
        unknown correction or label, permutations without rng.
    TooFewUnits
        Too few points, arrangements or permutations.
    UndefinedStatistic
        One label only.

    Notes
    -----
    Agrees with ``Kcross`` and ``Kest`` of spatstat. Random labelling asks whether labels are
    spread over the given points without regard to distance; `expected` (pi r^2) is *not* its
    mean when the points themselves are clustered: compare with `null_mean`.

    References
    ----------
    Ripley, B. D. (1977). Modelling spatial patterns. JRSS B 39:172-192. Ohser, J. (1983). On
    estimators for the reduced second moment measure of point processes. Statistics 14:63-71.
    Baddeley, A., Rubak, E. & Turner, R. (2015). Spatial Point Patterns, ch. 7 and 14.

    Examples
    --------
    >>> import shapely
    >>> xy = [[1, 1], [1, 2], [3, 3], [3, 1]]
    >>> w = shapely.box(0, 0, 4, 4)
    >>> k = cross_k(xy, ["dye", "wax", "dye", "wax"], "dye", "wax", [0, 1, 2], w)
    >>> k.observed.tolist()
    [0.0, 4.0, 12.0]
    """
    at = _read(xy, labels, [a, b], radii, window, correction, strata, names)
    return _of_pair(
        "K", at, a, b, np.pi * at.radii**2, permutations, rng, null, strata, level,
        lambda on, draws, left, right, notes: _k_curves(on, draws, left, right, notes, workers),
    )  # fmt: skip


def cross_l(
    xy: ArrayLike,
    labels: Any,
    a: Hashable,
    b: Hashable,
    radii: ArrayLike,
    window: Any,
    correction: Correction = "none",
    permutations: int = 0,
    rng: np.random.Generator | None = None,
    *,
    null: Null = "labelling",
    strata: Any = None,
    level: float = 0.05,
    names: Sequence[Hashable] | None = None,
    workers: int = 1,
) -> Curve:
    r"""Cross-L, :math:`L_{ab}(r) = \sqrt{K_{ab}(r) / \pi}`, of spread nearly free of r.

    Parameters, errors and null as :func:`cross_k`; `expected` is r. Because the root keeps
    order, the global p is that of K.

    References
    ----------
    Besag, J. (1977). Comment on "Modelling spatial patterns". JRSS B 39:193-195.

    Examples
    --------
    >>> import shapely
    >>> xy = [[1, 1], [1, 2], [3, 3], [3, 1]]
    >>> l = cross_l(xy, ["dye", "wax", "dye", "wax"], "dye", "wax", [1, 2], shapely.box(0, 0, 4, 4))
    >>> l.observed.round(3).tolist()
    [1.128, 1.954]
    """
    at = _read(xy, labels, [a, b], radii, window, correction, strata, names)
    return _of_pair(
        "L", at, a, b, at.radii, permutations, rng, null, strata, level,
        lambda on, draws, left, right, notes: np.sqrt(
            _k_curves(on, draws, left, right, notes, workers) / np.pi
        ),
    )  # fmt: skip


def cross_k_all(
    xy: ArrayLike,
    labels: Any,
    radii: ArrayLike,
    window: Any,
    correction: Correction = "none",
    permutations: int = 0,
    rng: np.random.Generator | None = None,
    *,
    strata: Any = None,
    level: float = 0.05,
    names: Sequence[Hashable] | None = None,
    fdr: Literal["bh", "by"] = "bh",
    workers: int = 1,
) -> Curves:
    """Cross-K of all ordered pairs of labels from the same random labellings.

    Parameters, errors and null as :func:`cross_k`; `fdr` chooses how q is computed over the
    family of all pairs.

    Returns
    -------
    Curves
        ``curves[a, b]`` is what :func:`cross_k` gives for that pair.

    Examples
    --------
    >>> import shapely
    >>> xy = [[1, 1], [1, 2], [3, 3], [3, 1]]
    >>> k = cross_k_all(xy, ["dye", "wax", "dye", "wax"], [1, 2], shapely.box(0, 0, 4, 4))
    >>> k["wax", "dye"].observed.tolist()
    [4.0, 12.0]
    """
    at = _read(xy, labels, None, radii, window, correction, strata, names)
    names_ = at.labels.names
    m = len(names_)
    _guard(at, m * m, permutations)
    rng, seed = stream(rng, permutations)
    notes: list[str] = []
    draws = labellings(at.labels.codes, at.strata, permutations, rng)
    values = _k_curves(at, draws, at.labels.sets, at.labels.sets, notes, workers)
    words = null_in_words(strata)
    expected = np.pi * at.radii**2
    curves = np.empty((m, m), dtype=object)
    for i, a in enumerate(names_):
        for j, b in enumerate(names_):
            curves[i, j] = with_envelope(
                "K", at.labels, a, b, at.radii, values[:, :, i, j], expected, level=level,
                null=words, seed=seed, notes=notes, correction=at.correction,
            )  # fmt: skip
    p = np.array([[curve.p_global for curve in row] for row in curves])
    q, family = adjust(p, fdr)
    return Curves(
        labels=names_,
        radii=at.radii,
        observed=np.moveaxis(values[0], 0, 2).copy(),
        p_global=Table(names_, p),
        q=Table(names_, q),
        family=family,
        n=at.n,
        null=words,
        permutations=permutations,
        seed=seed,
        warnings=tuple(notes),
        _curves=Table(names_, curves),
    )


def _pcf_curves(
    at: _Pattern, draws: Any, left: Any, right: Any, notes: list[str],
    workers: int, width: float, divisor: str,
) -> Floats:  # fmt: skip
    """Kernel estimate of the pair correlation, shape (labellings, radii, a, b)."""
    first, second, _, weight, distance = _weighted_pairs(at, np.array([at.reach]), notes)
    order = np.argsort(distance, kind="stable")
    sorted_distance = distance[order]
    begin = np.searchsorted(sorted_distance, at.radii - width, side="right")
    end = np.searchsorted(sorted_distance, at.radii + width, side="left")
    sizes = end - begin
    total = int(sizes.sum())
    chosen = order[np.repeat(begin - np.cumsum(sizes) + sizes, sizes) + np.arange(total)]
    r = np.repeat(at.radii, sizes)
    d = distance[chosen]
    density = 0.75 / width * (1.0 - ((r - d) / width) ** 2)
    if weight is not None:
        density *= weight[chosen]
    over = r if divisor == "r" else d
    # A pair at distance 0 has no density per unit area; r = 0 itself is NaN below
    density = np.divide(density, over, out=np.zeros(total), where=over > 0) / (2.0 * np.pi)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    events = Events(
        first[chosen], second[chosen], starts, density, symmetric=at.correction != "isotropic"
    )
    values = _scale(at, left, right, label_sums(events, draws, left, right, workers), draws)
    if divisor == "r":
        values[:, at.radii == 0] = np.nan
    return values


def cross_pcf(
    xy: ArrayLike,
    labels: Any,
    a: Hashable,
    b: Hashable,
    radii: ArrayLike,
    window: Any,
    correction: Literal["none", "translate", "isotropic"] = "translate",
    permutations: int = 0,
    rng: np.random.Generator | None = None,
    *,
    bandwidth: float | None = None,
    divisor: Literal["r", "d"] = "r",
    null: Null = "labelling",
    strata: Any = None,
    level: float = 0.05,
    names: Sequence[Hashable] | None = None,
    workers: int = 1,
) -> Curve:
    r"""Cross pair correlation function: how dense b is at distance r from a, 1 if independent.

    .. math:: g_{ab}(r) = \frac{|W|}{2 \pi r\, n_a n_b} \sum_{i \in a} \sum_{j \in b, j \ne i}
                          \kappa_h(r - d_{ij})\, e_{ij}

    with the Epanechnikov kernel of half-width h. Unlike K it does not accumulate: what happens
    at one distance does not show at all larger ones.

    Parameters
    ----------
    xy, labels, a, b, radii, window, permutations, rng, null, strata, level, names, workers
        As in :func:`cross_k`.
    correction : {"none", "translate", "isotropic"}
    bandwidth : float, optional
        Half-width h of the kernel in the unit of xy; if missing Stoyan's
        :math:`0.15 / \sqrt{n_b / |W|}`.
    divisor : {"r", "d"}
        Divide by r, or by the distance of each pair (less biased near 0).

    Returns
    -------
    Curve
        NaN at r = 0 with divisor "r".

    Raises
    ------
    InvalidArgument, TooFewUnits, UndefinedStatistic
        As :func:`cross_k`; border correction, or a bandwidth that is not positive.

    References
    ----------
    Stoyan, D. & Stoyan, H. (1994). Fractals, Random Shapes and Point Fields. Wiley.

    Examples
    --------
    >>> import shapely
    >>> xy = [[1, 1], [1, 2], [3, 3], [3, 1]]
    >>> g = cross_pcf(xy, ["dye", "wax", "dye", "wax"], "dye", "wax", [1, 1.5],
    ...               shapely.box(0, 0, 4, 4), "none", bandwidth=0.5)
    >>> g.observed.round(3).tolist()
    [0.955, 0.0]
    """
    if correction == "border":
        raise InvalidArgument("correction: expected 'none', 'translate' or 'isotropic' for the pcf")
    if divisor not in ("r", "d"):
        raise InvalidArgument(f"divisor: expected 'r' or 'd', found {divisor!r}")
    frame = Window(window)
    points = require_points(xy)
    read = read_labels(labels, len(points), names)
    n_b = int(read.counts[read.position(b)])
    width = 0.15 / np.sqrt(n_b / frame.area) if bandwidth is None else float(bandwidth)
    if not np.isfinite(width) or width <= 0:
        raise InvalidArgument(f"bandwidth: expected a positive number, found {bandwidth!r}")
    at = _read(points, labels, [a, b], radii, window, correction, strata, names, margin=width)
    return _of_pair(
        "g", at, a, b, np.ones(at.radii.size), permutations, rng, null, strata, level,
        lambda on, draws, left, right, notes: _pcf_curves(
            on, draws, left, right, notes, workers, width, divisor
        ),
        width,
    )  # fmt: skip
