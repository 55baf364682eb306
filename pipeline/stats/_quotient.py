"""Colocation quotients, global and local."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.contracts.errors import InvalidArgument, TooFewUnits, UndefinedStatistic
from pipeline.stats._labels import Labels, Table, labellings, lazily, null_in_words
from pipeline.stats._pairs import MAX_PAIRS, Events, close_pairs, label_sums, read_points
from pipeline.stats.inference import (
    Floats,
    Ints,
    adjust,
    draw_warnings,
    hypergeometric_law,
    mid_p_from_counts,
    p_from_counts,
    stream,
)
from pipeline.stats.weights import nearest


@dataclass(frozen=True)
class Neighbours:
    """Directed links of every point to its neighbours, in rows; weights of a row sum to 1."""

    offsets: Ints
    targets: Ints
    weight: Floats | None  # None: every point has the same number of equal neighbours

    @property
    def degree(self) -> Ints:
        """Number of neighbours of each point."""
        return np.diff(self.offsets)


def _require_k(k: Any, n: int) -> int:
    if isinstance(k, bool) or int(k) != k or k < 1:
        raise InvalidArgument(f"k: expected a whole number >= 1, found {k!r}")
    if k >= n:
        raise TooFewUnits(f"k: expected fewer neighbours than the {n - 1} other points, found {k}")
    return int(k)


def _require_positive(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not np.isfinite(number) or number <= 0:
        raise InvalidArgument(
            f"{name}: expected a positive number in the unit of xy, found {value!r}"
        )
    return number


def _neighbours(
    xy: Floats,
    k: Any,
    radius: float | None,
    kernel: str,
    bandwidth: float | None,
    ties: str,
    rng: np.random.Generator | None,
) -> tuple[Neighbours, list[str]]:
    """Find neighbours and their weights; points come in spatial order."""
    n = len(xy)
    if kernel not in ("uniform", "gaussian"):
        raise InvalidArgument(f"kernel: expected 'uniform' or 'gaussian', found {kernel!r}")
    if ties not in ("raise", "random"):
        raise InvalidArgument(f"ties: expected 'raise' or 'random', found {ties!r}")
    if bandwidth is not None:
        if kernel != "gaussian":
            raise InvalidArgument("bandwidth: expected only with kernel='gaussian'")
        bandwidth = _require_positive(bandwidth, "bandwidth")
    notes: list[str] = []
    scale: Floats | float
    if radius is None:
        size = _require_k(k, n)
        targets, distances, tied = nearest(xy, size, ties, rng)
        if tied.size:
            notes.append(
                f"{tied.size} of {n} points had tied k-th neighbours, chosen at random once"
            )
        offsets = np.arange(n + 1, dtype=np.int64) * size
        target, distance = targets.ravel(), distances.ravel()
        scale = np.repeat(distances.max(axis=1), size)
    else:
        reach = _require_positive(radius, "radius")
        first, second, _ = close_pairs(xy, np.array([reach]))
        source = np.concatenate([first, second]).astype(np.int64)
        other = np.concatenate([second, first]).astype(np.int64)
        order = np.lexsort((other, source))
        source, target = source[order], other[order]
        offsets = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=n))])
        distance = np.hypot(*(xy[source] - xy[target]).T)
        scale = reach
        alone = int((np.diff(offsets) == 0).sum())
        if alone == n:
            raise UndefinedStatistic(
                f"radius: expected some points within {reach:g} of another, found none"
            )
        if alone:
            notes.append(f"{alone} of {n} points have no neighbour within {reach:g}: left out")
    if kernel == "uniform" and radius is None:
        return Neighbours(offsets, target, None), notes
    degree = np.diff(offsets)
    source = np.repeat(np.arange(n), degree)
    if kernel == "uniform":
        weight = np.ones(target.size)
    else:
        spread = np.broadcast_to(scale if bandwidth is None else bandwidth, distance.shape)
        # Neighbours that all coincide with the point have bandwidth 0 and count alike
        ratio = np.divide(distance, spread, out=np.zeros_like(distance), where=spread > 0)
        closest = np.full(n, np.inf)
        np.minimum.at(closest, source, ratio)
        # Relative to the nearest neighbour: far ones must not underflow to 0 / 0
        weight = np.exp(-0.5 * (ratio**2 - closest[source] ** 2))
    total = np.bincount(source, weights=weight, minlength=n)
    return Neighbours(offsets, target, weight / total[source]), notes


@dataclass(frozen=True)
class Quotient:
    """Global colocation quotients of all ordered pairs of labels.

    Parameters
    ----------
    labels : tuple of hashable, length m
    table : Table
        ``table[a, b]``: how often neighbours of a hold b, over the share of b among all others.
        1 means as under random labelling, above 1 attraction of a to b.
    p, q : Table
        Two-sided permutation p, and q over all m * m pairs; NaN without permutations.
    p_mid : Table
        Mid-p of the same test: with equal weights counts are discrete.
    null_mean : Table
        Mean of the quotient over the random labellings; NaN without permutations. Labels that
        share firms have a null value other than 1.
    expected : Table
        The same mean computed exactly: 1, or 1 - n_ab / (n_a n_b) where firms hold both labels
        (the unstratified null).
    count : Table
        Weighted number of links a to b.
    n : int
    members : dict
        Points holding each label.
    neighbours : str
        Which neighbours were used, in words.
    null : str
    permutations : int
    seed : str or None
    family : int
        Number of tests behind q.
    warnings : tuple of str
    """

    labels: tuple[Any, ...]
    table: Table
    p: Table
    q: Table
    p_mid: Table
    null_mean: Table
    expected: Table
    count: Table
    n: int
    members: dict[Any, int]
    neighbours: str
    null: str
    permutations: int
    seed: str | None
    family: int
    warnings: tuple[str, ...]


def _in_words(k: Any, radius: float | None, kernel: str, bandwidth: float | None) -> str:
    who = f"{k} nearest others" if radius is None else f"all others within {radius:g}"
    if kernel == "uniform":
        return f"{who}, equal weights"
    width = "distance of the k-th" if radius is None else "radius"
    return f"{who}, Gaussian weights with bandwidth {bandwidth or width}"


def quotient(
    xy: ArrayLike,
    labels: Any,
    k: int = 1,
    permutations: int = 999,
    rng: np.random.Generator | None = None,
    *,
    radius: float | None = None,
    kernel: Literal["uniform", "gaussian"] = "uniform",
    bandwidth: float | None = None,
    ties: Literal["raise", "random"] = "raise",
    strata: Any = None,
    names: Sequence[Hashable] | None = None,
    fdr: Literal["bh", "by"] = "bh",
    workers: int = 1,
) -> Quotient:
    r"""Colocation quotient of every ordered pair of labels.

    .. math:: CLQ_{a \to b} = \frac{\sum_{i \in a} \sum_j w_{ij} 1[j \in b] \,/\, N_a}
                                   {(N_b - 1[a = b]) / (N - 1)}

    with weights :math:`w_{ij}` of the neighbours j of i that sum to 1. A point is never its own
    neighbour. :math:`N_a` counts points that have neighbours. The measure is directional: a to b
    is not b to a.

    Parameters
    ----------
    xy : array_like of float, shape (n, 2)
        Points in a projected CRS, metres.
    labels : sequence of hashable, sequence of sets, or array of bool of shape (n, m)
        One label a point, or a set of labels a point.
    k : int
        Number of nearest neighbours, if no `radius` is given.
    permutations : int
        Random labellings; 0 for none.
    rng : numpy.random.Generator, optional
        Needed for permutations and random ties.
    radius : float, optional
        Take all points within this distance instead of the k nearest. Points without any are
        left out.
    kernel : {"uniform", "gaussian"}
        Weights of the neighbours: equal, or exp(-d^2 / 2h^2).
    bandwidth : float, optional
        h of the Gaussian kernel; if missing the distance of the k-th neighbour, or `radius`.
    ties : {"raise", "random"}
        What to do where the k-th neighbour is not unique (coincident firms, lattices). Random
        ties are broken once and hold for the observed and every random labelling.
    strata : sequence of hashable, length n, optional
        Labels are permuted within strata only (firm size class, match level).
    names : sequence of hashable, optional
        Names of the columns of a membership matrix.
    fdr : {"bh", "by"}
        How q is computed over the family of all ordered pairs.
    workers : int
        Threads; the result does not depend on it.

    Returns
    -------
    Quotient

    Raises
    ------
    InvalidArgument
        Not finite, wrong shapes, tied neighbours with ties="raise", permutations without rng.
    TooFewUnits
        k not below n, or too few arrangements for p = 0.05.
    UndefinedStatistic
        One label only, or no point has a neighbour within `radius`.

    Notes
    -----
    Null: random labelling of whole label sets over all points. A quotient above 1 says that b is
    over-represented next to a *given where the firms are*; it does not say why, and it cannot
    tell attraction from a common cause.

    References
    ----------
    Leslie, T. F. & Kronenfeld, B. J. (2011). The colocation quotient. Geographical Analysis
    43:306-326. Wang, F., Hu, Y., Wang, S. & Li, X. (2017). Local indicator of colocation
    quotient with a statistical significance test. The Professional Geographer 69:22-31.

    Examples
    --------
    >>> xy = [[0, 0], [1, 0], [10, 0], [11.5, 0], [20, 0], [22, 0]]
    >>> r = quotient(xy, ["dye", "wax", "dye", "wax", "dye", "wax"], permutations=0)
    >>> float(r.table["dye", "wax"]), float(r.table["dye", "dye"])
    (1.6666666666666667, 0.0)
    """
    reach = 0.0 if radius is None else _require_positive(radius, "radius")
    points, read, layers, _ = read_points(xy, labels, names, strata, reach)
    rng, seed = stream(rng, permutations, needed=ties == "random")
    links, notes = _neighbours(points, k, radius, kernel, bandwidth, ties, rng)
    draws = labellings(read.codes, layers, permutations, rng)
    if links.targets.size > MAX_PAIRS:
        raise InvalidArgument(
            f"k: expected at most {MAX_PAIRS:,} links, found {links.targets.size:,}"
        )
    first = np.repeat(np.arange(len(points), dtype=np.uint32), links.degree)
    starts = np.array([0, links.targets.size], dtype=np.int64)
    events = Events(first, links.targets.astype(np.uint32), starts, links.weight)
    count = label_sums(events, draws, read.sets, read.sets, workers)[:, 0]
    if links.weight is None:
        count /= float(links.degree[0])
    focal = _focal_points(draws.total, links, read, draws)
    share = (read.counts[None, :] - np.eye(len(read.names))) / (read.n - 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = count / focal[:, :, None] / share
    table = value[0]
    shape = table.shape
    nothing = np.full(shape, np.nan)
    p, q, middle, mean, family = nothing, nothing, nothing, nothing, 0
    if permutations:
        slack = 1e-9 * np.maximum(np.abs(table), 1e-300)
        simulated = value[1:]
        defined = np.isfinite(table) & np.isfinite(simulated).all(axis=0)
        tails = (simulated >= table - slack).sum(axis=0), (simulated <= table + slack).sum(axis=0)
        p = np.where(defined, p_from_counts(*tails, permutations), np.nan)
        middle = np.where(defined, mid_p_from_counts(*tails, permutations), np.nan)
        q, family = adjust(p, fdr)
        mean = np.where(defined, np.where(defined, simulated, 0.0).mean(axis=0), np.nan)
    lonely = [name for name, size in zip(read.names, read.counts, strict=True) if size == 1]
    if lonely:
        notes.append(f"one point only holds {lonely!r:.80}: its quotient to itself is undefined")
    counts = read.counts.astype(np.float64)
    shared = read.shared - np.diag(read.counts)
    expected = 1.0 - shared / np.outer(counts, counts)
    expected[~np.isfinite(table)] = np.nan
    wrap = lambda values: Table(read.names, values)  # noqa: E731
    return Quotient(
        labels=read.names,
        table=wrap(table),
        p=wrap(p),
        q=wrap(q),
        p_mid=wrap(middle),
        null_mean=wrap(mean),
        expected=wrap(expected),
        count=wrap(count[0]),
        n=read.n,
        members=dict(zip(read.names, read.counts.tolist(), strict=True)),
        neighbours=_in_words(k, radius, kernel, bandwidth),
        null=null_in_words(strata),
        permutations=permutations,
        seed=seed,
        family=family,
        warnings=tuple(notes + draw_warnings(permutations, family)),
    )


def _focal_points(total: int, links: Neighbours, read: Labels, draws: Any) -> Floats:
    """Points of each label that have neighbours, for every labelling, shape (total, m)."""
    linked = links.degree > 0
    if linked.all():
        return np.broadcast_to(read.counts.astype(np.float64), (total, len(read.names)))
    out = np.empty((total, len(read.names)))
    for begin, end in draws.blocks(64):
        for r, codes in enumerate(draws.block(begin, end)):
            out[begin + r] = np.bincount(codes[linked], minlength=len(read.sets)) @ read.sets
    return out


@dataclass(frozen=True)
class LocalQuotient:
    """Local colocation quotient of each point of a label with respect to another.

    Parameters
    ----------
    value : array of float, shape (n,)
        NaN for points that do not hold `a` or have no neighbours.
    p, q : array of float, shape (n,)
        Two-sided p and q over the points tested.
    p_mid : array of float, shape (n,)
        Mid-p (half the probability of the observed value), for exact tests; else NaN.
    a, b : hashable
    n : int
    tested : int
        Family size behind q.
    method : {"exact", "permutation"}
    neighbours, null : str
    permutations : int
    seed : str or None
    warnings : tuple of str
    """

    value: Floats
    p: Floats
    q: Floats
    p_mid: Floats
    a: Any
    b: Any
    n: int
    tested: int
    method: str
    neighbours: str
    null: str
    permutations: int
    seed: str | None
    warnings: tuple[str, ...]


def _tails(found: Ints, taken: Ints, marked: Ints, others: Ints) -> tuple[Floats, Floats, Floats]:
    """P(X >= found), P(X <= found) and P(X = found).

    X is a sum of independent hypergeometric numbers, one a stratum (column): marked units among
    those taken of the others. Equal rows are computed once.
    """
    strata = taken.shape[1]
    rows, back = np.unique(
        np.column_stack([found, taken, marked, others]), axis=0, return_inverse=True
    )
    tails = np.empty((3, len(rows)))
    for r, row in enumerate(rows.tolist()):
        least, mass = 0, np.ones(1)
        for s in range(1, strata + 1):
            start, law = hypergeometric_law(row[s + 2 * strata], row[s + strata], row[s])
            least, mass = least + start, np.convolve(mass, law)
        at = row[0] - least
        tails[:, r] = mass[at:].sum(), mass[: at + 1].sum(), mass[at]
    upper, lower, point = tails[:, back.reshape(-1)]
    return upper, lower, point


@lazily
def _conditional(focal, offsets, targets, weight, member, rows, observed, larger, smaller):  # type: ignore[no-untyped-def]
    """Count draws at least as large and as small with the focal point's own label fixed."""
    for f in range(focal.size):
        i = focal[f]
        for r in range(rows.shape[0]):
            row = rows[r]
            total = 0.0
            for e in range(offsets[i], offsets[i + 1]):
                source = row[targets[e]]
                # Swapping i's own label back leaves a uniform shuffle of the others
                if source == i:
                    source = row[i]
                if member[source]:
                    total += weight[e]
            slack = 1e-9
            if total >= observed[f] - slack:
                larger[f] += 1
            if total <= observed[f] + slack:
                smaller[f] += 1


def local_quotient(
    xy: ArrayLike,
    labels: Any,
    a: Hashable,
    b: Hashable,
    k: int = 1,
    permutations: int = 0,
    rng: np.random.Generator | None = None,
    *,
    radius: float | None = None,
    kernel: Literal["uniform", "gaussian"] = "uniform",
    bandwidth: float | None = None,
    ties: Literal["raise", "random"] = "raise",
    strata: Any = None,
    names: Sequence[Hashable] | None = None,
    fdr: Literal["bh", "by"] = "bh",
) -> LocalQuotient:
    r"""Local colocation quotient of every point of label a with respect to label b.

    .. math:: LCLQ_i = \frac{\sum_j w_{ij} 1[j \in b]}{(N_b - 1[a = b]) / (N - 1)}
       \qquad (i \in a, \sum_j w_{ij} = 1)

    With equal weights the p-value is exact without any permutation: with the point's own label
    fixed and the labels of all others permuted, the number of neighbours holding b is
    hypergeometric (within strata a sum of independent hypergeometric numbers). With a Gaussian
    kernel the same null is sampled.

    Parameters
    ----------
    xy, labels, k, radius, kernel, bandwidth, ties, strata, names, fdr
        As in :func:`quotient`.
    a, b : hashable
        Labels: quotients are given at the points of `a`.
    permutations : int
        Draws for the Gaussian kernel (0: no p); not used for equal weights.
    rng : numpy.random.Generator, optional
        Needed for permutations and random ties.

    Returns
    -------
    LocalQuotient
        In the order of `xy`.

    Raises
    ------
    InvalidArgument, TooFewUnits, UndefinedStatistic
        As :func:`quotient`; `b` undefined when a == b and one point holds it.

    References
    ----------
    Wang, F., Hu, Y., Wang, S. & Li, X. (2017). Local indicator of colocation quotient with a
    statistical significance test. The Professional Geographer 69:22-31.

    Examples
    --------
    >>> xy = [[0, 0], [1, 0], [10, 0], [11.5, 0], [20, 0], [22, 0]]
    >>> r = local_quotient(xy, ["dye", "wax", "dye", "wax", "dye", "dye"], "dye", "wax")
    >>> r.value.tolist(), r.p.round(2).tolist()
    ([2.5, nan, 2.5, nan, 0.0, 0.0], [0.8, nan, 0.8, nan, 1.0, 1.0])
    """
    reach = 0.0 if radius is None else _require_positive(radius, "radius")
    points, read, layers, order = read_points(xy, labels, names, strata, reach)
    exact = kernel == "uniform"
    rng, seed = stream(rng, 0 if exact else permutations, needed=ties == "random")
    at_a, at_b = read.position(a), read.position(b)
    links, notes = _neighbours(points, k, radius, kernel, bandwidth, ties, rng)
    n = read.n
    members = read.members
    in_a, in_b = members[:, at_a], members[:, at_b]
    base = (int(in_b.sum()) - (at_a == at_b)) / (n - 1.0)
    if base == 0:
        raise UndefinedStatistic(
            f"b: expected at least 2 points holding {b!r} when a == b, found 1"
        )
    focal = np.flatnonzero(in_a & (links.degree > 0))
    source = np.repeat(np.arange(n), links.degree)
    weight = np.full(source.size, 1.0 / links.degree[0]) if links.weight is None else links.weight
    hits = np.bincount(source, weights=weight * in_b[links.targets], minlength=n)[focal]
    nothing = np.full(focal.size, np.nan)
    p, middle = nothing, nothing
    if exact:
        upper, lower, point = _exact_tails(links, in_b, layers, focal, source)
        p = np.minimum(1.0, 2.0 * np.minimum(upper, lower))
        middle = np.minimum(1.0, 2.0 * (np.minimum(upper, lower) - 0.5 * point))
    elif permutations:
        rows = labellings(np.arange(n, dtype=np.uint32), layers, permutations, rng)
        larger, smaller = np.zeros((2, focal.size), dtype=np.int64)
        for begin, end in rows.blocks(64):
            block = rows.block(begin, end)[(1 if begin == 0 else 0) :]
            _conditional(
                focal, links.offsets, links.targets, weight, in_b, block, hits, larger, smaller
            )
        p = p_from_counts(larger, smaller, permutations)
    q, tested = adjust(p, fdr)

    def spread(part: Floats) -> Floats:
        out = np.full(n, np.nan)
        out[order[focal]] = part
        return out

    return LocalQuotient(
        value=spread(hits / base),
        p=spread(p),
        q=spread(q),
        p_mid=spread(middle),
        a=a,
        b=b,
        n=n,
        tested=tested,
        method="exact" if exact else "permutation",
        neighbours=_in_words(k, radius, kernel, bandwidth),
        null=null_in_words(strata) + "; the focal point's own labels are fixed",
        permutations=0 if exact else permutations,
        seed=seed,
        warnings=tuple(notes + ([] if exact else draw_warnings(permutations, tested))),
    )


def _exact_tails(
    links: Neighbours, in_b: NDArray[np.bool_], layers: Ints, focal: Ints, source: Ints
) -> tuple[Floats, Floats, Floats]:
    n = in_b.size
    strata = int(layers.max()) + 1
    found = np.bincount(source, weights=in_b[links.targets], minlength=n).astype(np.int64)[focal]
    cells = source * strata + layers[links.targets]
    taken = np.bincount(cells, minlength=n * strata).reshape(n, strata)[focal]
    own = np.arange(strata)[None, :] == layers[focal][:, None]
    holders = np.bincount(layers[in_b], minlength=strata) - own * in_b[focal][:, None]
    others = np.bincount(layers, minlength=strata) - own
    # A stratum where no neighbour lies adds nothing: blank it so that equal cases fall together
    holders, others = np.where(taken > 0, holders, 0), np.where(taken > 0, others, 0)
    return _tails(found, taken, holders, others)
