"""Relative and absolute measures of firms' distances: Marcon-Puech M and m, Duranton-Overman."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.contracts.errors import InvalidArgument, UndefinedStatistic
from pipeline.stats._curves import Curve, require_radii, with_envelope
from pipeline.stats._labels import Labels, labellings, lazily, null_in_words
from pipeline.stats._pairs import close_pairs, read_points
from pipeline.stats.inference import Floats, Ints, require_points, require_vector, stream

Null = Literal["labelling", "location"]

_FINE = 100  # grid steps a bandwidth for K_d: linear binning then errs below 2e-5 of the peak
_TAIL = 8.0  # bandwidths after which a Gaussian kernel is nothing


@dataclass(frozen=True)
class _Firms:
    """Checked input, points in spatial order; only labels a and b are kept."""

    xy: Floats
    labels: Labels
    size: Floats
    weighted: bool
    strata: Ints
    radii: Floats
    a: Hashable
    b: Hashable
    in_a: NDArray[np.bool_]
    in_b: NDArray[np.bool_]


def _read(
    xy: ArrayLike,
    labels: Any,
    a: Hashable,
    b: Hashable,
    radii: ArrayLike,
    sizes: ArrayLike | None,
    strata: Any,
    names: Sequence[Hashable] | None,
    reach: float = 0.0,
) -> _Firms:
    distances = require_radii(radii)
    n = len(require_points(xy))
    size = np.ones(n) if sizes is None else require_vector(sizes, "sizes", n)
    if (size <= 0).any():
        i = int(np.argmin(size))
        raise InvalidArgument(f"sizes: expected positive sizes, found {size[i]} at position {i}")
    reach += float(distances[-1])
    points, read, layers, order = read_points(xy, labels, names, strata, reach, size)
    read = read.only(list(dict.fromkeys([a, b])))
    if a == b and read.counts[0] < 2:
        raise UndefinedStatistic(f"a: expected at least 2 points holding {a!r}, found 1")
    members = read.members
    return _Firms(
        points,
        read,
        np.ascontiguousarray(size[order]),
        sizes is not None,
        layers,
        distances,
        a,
        b,
        members[:, read.position(a)],
        members[:, read.position(b)],
    )


@lazily
def _ratios(offsets, targets, bins, weight, size, centre, other, in_all, value):  # type: ignore[no-untyped-def]
    """Sum over centres of (weight of label b) / (weight of all), and the global ratio, by bin.

    Links of a centre come by bin; with cumulative sums (M) they are added up over bins.
    """
    radii = value.size
    total = 0.0
    b_total = 0.0
    for i in range(size.size):
        total += size[i]
        if other[i]:
            b_total += size[i]
    top = np.zeros(radii)
    below = np.zeros(radii)
    for i in range(size.size):
        if not centre[i]:
            continue
        globally = (b_total - (size[i] if other[i] else 0.0)) / (total - size[i])
        e = offsets[i]
        marked = 0.0
        everyone = 0.0
        for r in range(radii):
            if not in_all:
                marked = 0.0
                everyone = 0.0
            while e < offsets[i + 1] and bins[e] == r:
                w = weight[e] * size[targets[e]]
                everyone += w
                if other[targets[e]]:
                    marked += w
                e += 1
            if everyone > 0.0:
                top[r] += marked / everyone
                below[r] += globally
    for r in range(radii):
        value[r] = top[r] / below[r] if below[r] > 0.0 else np.nan


def _by_centre(
    first: NDArray[Any], second: NDArray[Any], bins: Ints, weight: Floats, n: int
) -> tuple[Ints, Ints, Ints, Floats]:
    """Both directions of every pair, by centre and then by bin."""
    source = np.concatenate([first, second]).astype(np.int64)
    other = np.concatenate([second, first]).astype(np.int64)
    when = np.concatenate([bins, bins])
    order = np.lexsort((when, source))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=n))])
    return offsets, other[order], when[order], np.concatenate([weight, weight])[order]


def _of_pair(
    statistic: str,
    at: _Firms,
    expected: Floats,
    permutations: int,
    rng: np.random.Generator | None,
    null: str,
    strata: Any,
    level: float,
    compute: Callable[[Floats, NDArray[np.bool_], NDArray[np.bool_]], Floats],
    bandwidth: float = float("nan"),
) -> Curve:
    """Make the curve with its null; `compute` gives it for the sizes and labels of the sites."""
    if null not in ("labelling", "location"):
        raise InvalidArgument(f"null: expected 'labelling' or 'location', found {null!r}")
    rng, seed = stream(rng, permutations)
    # Permuting indices instead of codes moves sizes along where the null asks for it
    draws = labellings(np.arange(at.labels.n, dtype=np.uint32), at.strata, permutations, rng)
    values = np.empty((draws.total, at.radii.size))
    for begin, end in draws.blocks(64):
        for r, row in enumerate(draws.block(begin, end)):
            size = at.size[row] if null == "location" else at.size
            values[begin + r] = compute(size, at.in_a[row], at.in_b[row])
    within = "" if strata is None else " within strata"
    words = {
        "labelling": null_in_words(strata) + "; sizes stay where they are",
        "location": "random location: firms with their labels and sizes are permuted over all "
        f"sites{within}",
    }
    return with_envelope(
        statistic, at.labels, at.a, at.b, at.radii, values, expected, level=level,
        null=words[null], seed=seed, notes=[], bandwidth=bandwidth, weighted=at.weighted,
    )  # fmt: skip


def _ratio_curve(
    at: _Firms, links: tuple[Ints, Ints, Ints, Floats], cumulative: bool
) -> Callable[[Floats, NDArray[np.bool_], NDArray[np.bool_]], Floats]:
    """M or m of any sizes and labels over the same links."""

    def compute(size: Floats, in_a: NDArray[np.bool_], in_b: NDArray[np.bool_]) -> Floats:
        value = np.empty(at.radii.size)
        _ratios(*links, size, in_a, in_b, cumulative, value)
        return value

    return compute


def m_function(
    xy: ArrayLike,
    labels: Any,
    a: Hashable,
    b: Hashable,
    radii: ArrayLike,
    sizes: ArrayLike | None = None,
    permutations: int = 0,
    rng: np.random.Generator | None = None,
    *,
    null: Null = "labelling",
    strata: Any = None,
    level: float = 0.05,
    names: Sequence[Hashable] | None = None,
) -> Curve:
    r"""Marcon-Puech M: share of b round firms of a, relative to its share everywhere.

    .. math:: M_{ab}(r) = \left. \sum_{i \in a}
        \frac{\sum_{j \in b, j \ne i} 1[d_{ij} \le r] w_j}{\sum_{j \ne i} 1[d_{ij} \le r] w_j}
        \right/ \sum_{i \in a} \frac{W_b - 1[i \in b] w_i}{W - w_i}

    Centres without any neighbour within r are left out of both sums. 1 is the benchmark at every
    distance; no window and no edge correction are needed, because a is compared with all firms.

    Parameters
    ----------
    xy : array_like of float, shape (n, 2)
        All firms in a projected CRS, metres: those of other labels are the benchmark.
    labels : sequence of hashable, sequence of sets, or array of bool of shape (n, m)
    a, b : hashable
        Labels; a == b gives intra-industry M.
    radii : array_like of float
        Increasing distances.
    sizes : array_like of float, shape (n,), optional
        Workers w of each firm, > 0; every firm counts 1 if missing.
    permutations : int
    rng : numpy.random.Generator, optional
    null : {"labelling", "location"}
        Permute label sets with sizes kept in place, or labels and sizes together over the sites.
    strata : sequence of hashable, length n, optional
    level : float
        Error of the global envelope.
    names : sequence of hashable, optional

    Returns
    -------
    Curve

    Raises
    ------
    InvalidArgument
        Not finite, wrong shapes, radii unsorted, sizes not positive, permutations without rng.
    TooFewUnits, UndefinedStatistic
        Too few arrangements; one label only.

    References
    ----------
    Marcon, E. & Puech, F. (2010). Measures of the geographic concentration of industries:
    improving distance-based methods. Journal of Economic Geography 10:745-762.
    Marcon, E. & Puech, F. (2017). A typology of distance-based measures of spatial
    concentration. Regional Science and Urban Economics 62:56-67.

    Examples
    --------
    >>> xy = [[0, 0], [1, 0], [10, 0], [11, 0]]
    >>> m = m_function(xy, ["dye", "wax", "dye", "mark"], "dye", "wax", [2.0])
    >>> m.observed.tolist()
    [1.5]
    """
    at = _read(xy, labels, a, b, radii, sizes, strata, names)
    first, second, starts = close_pairs(at.xy, at.radii)
    bins = np.repeat(np.arange(at.radii.size), np.diff(starts))
    links = _by_centre(first, second, bins, np.ones(bins.size), at.labels.n)
    return _of_pair(
        "M", at, np.ones(at.radii.size), permutations, rng, null, strata, level,
        _ratio_curve(at, links, cumulative=True),
    )  # fmt: skip


def m_density(
    xy: ArrayLike,
    labels: Any,
    a: Hashable,
    b: Hashable,
    radii: ArrayLike,
    sizes: ArrayLike | None = None,
    permutations: int = 0,
    rng: np.random.Generator | None = None,
    *,
    bandwidth: float | None = None,
    null: Null = "labelling",
    strata: Any = None,
    level: float = 0.05,
    names: Sequence[Hashable] | None = None,
) -> Curve:
    r"""Lang-Marcon-Puech m: as M, but at distance r and not up to it.

    .. math:: m_{ab}(r) = \left. \sum_{i \in a}
        \frac{\sum_{j \in b, j \ne i} \kappa((r - d_{ij}) / h)\, w_j}
             {\sum_{j \ne i} \kappa((r - d_{ij}) / h)\, w_j}
        \right/ \sum_{i \in a} \frac{W_b - 1[i \in b] w_i}{W - w_i}

    with a Gaussian kernel, cut off after 5 bandwidths h. Centres without a neighbour there are
    left out of both sums.

    Parameters
    ----------
    xy, labels, a, b, radii, sizes, permutations, rng, null, strata, level, names
        As in :func:`m_function`.
    bandwidth : float, optional
        h in the unit of xy; if missing Silverman's rule on the distances between a and b.

    Returns
    -------
    Curve

    Raises
    ------
    InvalidArgument, TooFewUnits, UndefinedStatistic
        As :func:`m_function`.

    References
    ----------
    Lang, G., Marcon, E. & Puech, F. (2020). Distance-based measures of spatial concentration:
    introducing a relative density function. The Annals of Regional Science 64:243-265.

    Examples
    --------
    >>> xy = [[0, 0], [1, 0], [10, 0], [11, 0]]
    >>> m = m_density(xy, ["dye", "wax", "dye", "mark"], "dye", "wax", [1.0], bandwidth=0.2)
    >>> m.observed.tolist()
    [1.5]
    """
    at = _read(xy, labels, a, b, radii, sizes, strata, names)
    width = _bandwidth(at, bandwidth)
    at = _read(xy, labels, a, b, radii, sizes, strata, names, reach=5.0 * width)
    first, second, _ = close_pairs(at.xy, np.array([at.radii[-1] + 5.0 * width]))
    distance = np.hypot(*(at.xy[first] - at.xy[second]).T)
    pair, bins, weight = [], [], []
    for r, radius in enumerate(at.radii):
        near = np.flatnonzero(np.abs(distance - radius) <= 5.0 * width)
        pair.append(near)
        bins.append(np.full(near.size, r))
        weight.append(np.exp(-0.5 * ((radius - distance[near]) / width) ** 2))
    chosen = np.concatenate(pair)
    links = _by_centre(
        first[chosen], second[chosen], np.concatenate(bins), np.concatenate(weight), at.labels.n
    )
    return _of_pair(
        "m", at, np.ones(at.radii.size), permutations, rng, null, strata, level,
        _ratio_curve(at, links, cumulative=False), width,
    )  # fmt: skip


def _pair_distances(left: Floats, right: Floats, same: bool) -> Floats:
    delta = left[:, None, :] - right[None, :, :]
    distance = np.sqrt((delta**2).sum(axis=2))
    return distance[np.triu_indices(len(left), 1)] if same else distance.ravel()


def _bandwidth(at: _Firms, bandwidth: float | None) -> float:
    """Return the bandwidth given, or Silverman's rule on distances between a and b."""
    if bandwidth is not None:
        width = float(bandwidth)
        if not np.isfinite(width) or width <= 0:
            raise InvalidArgument(f"bandwidth: expected a positive number, found {bandwidth!r}")
        return width
    same = at.a == at.b
    left, right = at.xy[at.in_a], at.xy[at.in_b]
    # An even sample of the points is enough for the spread, n^(-1/5) counts all pairs
    most = 2000
    pairs = len(left) * (len(left) - 1) / 2 if same else len(left) * len(right)
    some = _pair_distances(
        left[np.linspace(0, len(left) - 1, min(len(left), most)).astype(np.int64)],
        right[np.linspace(0, len(right) - 1, min(len(right), most)).astype(np.int64)],
        same,
    )
    quartiles = np.quantile(some, [0.25, 0.75])
    spread = some.std(ddof=1) if some.size > 1 else 0.0
    iqr = float(quartiles[1] - quartiles[0]) / 1.34
    scale = min(spread, iqr) if iqr > 0 else spread
    if scale <= 0:
        raise UndefinedStatistic(
            "bandwidth: expected distances that differ, so that a bandwidth can be found; give one"
        )
    return float(0.9 * scale * pairs**-0.2)


@lazily
def _histogram(x, y, size, left, right, same, scale, bins):  # type: ignore[no-untyped-def]
    """Spread the weight of every pair over its two nearest grid distances."""
    top = bins.size - 1
    total = 0.0
    for s in range(left.size):
        i = left[s]
        for t in range(s + 1 if same else 0, right.size):
            j = right[t]
            if i == j:
                continue
            dx = x[i] - x[j]
            dy = y[i] - y[j]
            w = size[i] * size[j]
            total += w
            place = np.sqrt(dx * dx + dy * dy) * scale
            cell = int(min(place, top + 1.0))
            if cell < top:
                part = place - cell
                bins[cell] += w * (1.0 - part)
                bins[cell + 1] += w * part
    return total


def duranton_overman(
    xy: ArrayLike,
    labels: Any,
    a: Hashable,
    b: Hashable,
    radii: ArrayLike,
    sizes: ArrayLike | None = None,
    permutations: int = 0,
    rng: np.random.Generator | None = None,
    *,
    bandwidth: float | None = None,
    null: Null = "location",
    strata: Any = None,
    level: float = 0.05,
    names: Sequence[Hashable] | None = None,
) -> Curve:
    r"""Duranton-Overman K-density of the distances between firms of a and of b.

    .. math:: \hat K_d(r) = \frac{\sum_i \sum_{j \ne i} w_i w_j
        [\varphi((r - d_{ij}) / h) + \varphi((r + d_{ij}) / h)]}{h \sum_i \sum_{j \ne i} w_i w_j}
        \qquad (i \in a, j \in b)

    with the Gaussian density; the second term reflects at 0, so no mass is lost below it.
    Distances are put on a grid of h/100 by linear binning, whose error is below 2e-5 of the peak.

    Parameters
    ----------
    xy, labels, a, b, radii, sizes, permutations, rng, strata, level, names
        As in :func:`m_function`.
    bandwidth : float, optional
        h in the unit of xy; if missing Silverman's rule (0.9 A n^(-1/5)) on the observed
        distances. The same h serves the observed and the simulated curves.
    null : {"location", "labelling"}
        Firms with their sizes are drawn onto all sites (Duranton & Overman), or labels are
        permuted with sizes kept in place; the same without sizes.

    Returns
    -------
    Curve
        `expected` is the curve for all n points.

    Raises
    ------
    InvalidArgument, TooFewUnits, UndefinedStatistic
        As :func:`m_function`; all distances equal and no bandwidth given.

    Notes
    -----
    A density in bilateral distances: it says at which distances pairs of firms are over- or
    under-represented against the sites of all firms. Since it sums to one, much at short
    distances means little at long ones: localisation and dispersion are not independent readings.

    References
    ----------
    Duranton, G. & Overman, H. G. (2005). Testing for localization using micro-geographic data.
    Review of Economic Studies 72:1077-1106.

    Examples
    --------
    >>> xy = [[0, 0], [1, 0], [0, 1], [5, 5]]
    >>> k = duranton_overman(xy, ["dye", "dye", "wax", "wax"], "dye", "dye", [1.0], bandwidth=0.5)
    >>> k.observed.round(3).tolist()
    [0.798]
    """
    at = _read(xy, labels, a, b, radii, sizes, strata, names)
    width = _bandwidth(at, bandwidth)
    step = width / _FINE
    cells = int(np.ceil((at.radii[-1] + _TAIL * width) / step)) + 2
    grid = np.arange(cells) * step
    smooth = np.exp(-0.5 * ((at.radii[None, :] - grid[:, None]) / width) ** 2)
    smooth += np.exp(-0.5 * ((at.radii[None, :] + grid[:, None]) / width) ** 2)
    smooth /= width * np.sqrt(2.0 * np.pi)
    same = at.a == at.b
    if not same and (at.in_a & at.in_b).sum() == 1 == (at.in_a | at.in_b).sum():
        raise UndefinedStatistic("labels: a and b are one and the same single point")
    x, y = np.ascontiguousarray(at.xy[:, 0]), np.ascontiguousarray(at.xy[:, 1])

    def density(size: Floats, left: Ints, right: Ints, same: bool) -> Floats:
        bins = np.zeros(cells)
        total = _histogram(x, y, size, left, right, same, 1.0 / step, bins)
        return bins @ smooth / total

    def compute(size: Floats, in_a: NDArray[np.bool_], in_b: NDArray[np.bool_]) -> Floats:
        return density(size, np.flatnonzero(in_a), np.flatnonzero(in_b), same)

    everyone = np.arange(at.labels.n)
    return _of_pair(
        "K_d", at, density(at.size, everyone, everyone, True), permutations, rng, null, strata,
        level, compute, width,
    )  # fmt: skip
