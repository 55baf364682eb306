"""Join counts: which categories meet more often than chance, over the map and around a unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.contracts.errors import InvalidArgument, UndefinedStatistic
from pipeline.stats._global import pair_variance
from pipeline.stats._lattice import (
    LocalCounts,
    deviates,
    family_q,
    isolate_warnings,
    require_order,
    require_values,
    require_weights,
)
from pipeline.stats._permute import shuffled
from pipeline.stats.inference import (
    ExactP,
    Floats,
    Ints,
    adjust,
    arrangements,
    draw_warnings,
    hypergeometric_p,
    mid_p_from_counts,
    p_from_counts,
    require_rng,
    seed_of,
    spawn,
)
from pipeline.stats.weights import W

Fdr = Literal["bh", "by"]
Pair = tuple[Any, Any]
# Above this many labels looked up the compiled loop takes over.
_SMALL = 30_000_000


class Joins(dict[Pair, float]):
    """Figures by unordered pair of categories: ``joins["a", "b"]`` equals ``joins["b", "a"]``.

    Examples
    --------
    >>> Joins({("a", "b"): 3.0})["b", "a"]
    3.0
    """

    def __missing__(self, pair: Pair) -> float:
        if pair[::-1] in self.keys():
            return self[pair[::-1]]
        raise KeyError(pair)


@dataclass(frozen=True, eq=False)
class JoinCounts:
    """Joins between categories and how they compare with chance.

    Parameters
    ----------
    categories : tuple
        The categories in their order.
    counts, expected, variance, z, p_two_sided, p_permutation, p_mid, q : Joins
        By unordered pair; the pair (a, a) stands for joins within a. `p_mid` is the mid-p of the
        permutation test, because counts are discrete.
    unlike, unlike_expected, unlike_variance, unlike_z, unlike_p_permutation : float
        All joins between different categories together.
    family : int
        Number of pairs `q` is adjusted for.
    fdr : str
        "bh" or "by".
    n, isolates : int
        Units, and how many of them have no neighbour.
    null, permutations, seed, warnings
        As in :class:`~pipeline.stats.autocorrelation.GlobalResult`.
    """

    categories: tuple[Any, ...]
    counts: Joins
    expected: Joins
    variance: Joins
    z: Joins
    p_two_sided: Joins
    p_permutation: Joins
    p_mid: Joins
    q: Joins
    unlike: float
    unlike_expected: float
    unlike_variance: float
    unlike_z: float
    unlike_p_permutation: float
    family: int
    fdr: str
    n: int
    isolates: int
    null: str
    permutations: int
    seed: str | None
    warnings: tuple[str, ...]


def _falling(count: float, terms: int) -> float:
    """Count (count - 1) ... with `terms` factors."""
    return float(np.prod(count - np.arange(terms)))


def _ratio(part: float, n: int, terms: int) -> float:
    """Share of `part` among ordered draws of `terms` distinct units; 0 where there are none."""
    whole = _falling(n, terms)
    return part / whole if whole > 0 else 0.0


def _moments(sizes: Ints, w: W) -> tuple[Floats, Floats, float, float]:
    """Exact mean and variance of all pairs' joins, (c, c) each, and of unlike joins."""
    n, c = w.n, sizes.size
    s0 = w.constants[0]
    down = np.array([[_falling(size, terms) for terms in range(5)] for size in sizes.tolist()])
    expected, variance = np.zeros((c, c)), np.zeros((c, c))
    for a in range(c):
        for b in range(a, c):
            if a == b:
                mean, shared, disjoint = (_ratio(down[a, t], n, t) for t in (2, 3, 4))
            else:
                mean = _ratio(2 * down[a, 1] * down[b, 1], n, 2)
                shared = _ratio(down[a, 1] * down[b, 2] + down[a, 2] * down[b, 1], n, 3)
                disjoint = _ratio(4 * down[a, 2] * down[b, 2], n, 4)
            expected[a, b] = s0 * mean / 2
            variance[a, b] = pair_variance(w.constants, mean, mean, shared, disjoint) / 4
    alike = _ratio(down[:, 2].sum(), n, 2)
    others = (n - sizes) * (n - sizes - 1)
    shared = _ratio(float((sizes * others).sum()), n, 3)
    both = down[:, 4].sum() + down[:, 2].sum() ** 2 - (down[:, 2] ** 2).sum()
    disjoint = 1 - 2 * alike + _ratio(both, n, 4)
    unlike = pair_variance(w.constants, 1 - alike, 1 - alike, shared, disjoint) / 4
    return expected, variance, s0 * (1 - alike) / 2, unlike


def _tables(
    codes: Ints, c: int, w: W, permutations: int, rng: np.random.Generator | None
) -> tuple[Floats, Floats]:
    """Count joins (c, c) of the labels as they are, and (permutations, c, c) shuffled."""
    first, second, weights = w.pairs
    weights = weights / 2.0

    def count(columns: Ints) -> Floats:
        draws = columns.shape[1]
        key = columns[first]
        key *= c
        key += columns[second]
        key += np.arange(draws) * (c * c)
        every = np.repeat(weights, draws)
        table = np.bincount(key.ravel(), every, draws * c * c)
        return table.astype(np.float64, copy=False).reshape(-1, c, c)

    observed = count(codes[:, None])[0]
    if not permutations:
        return observed, np.empty((0, c, c))
    assert rng is not None
    if permutations * first.size > _SMALL:
        return observed, _compiled_tables(codes, c, w, permutations, rng)
    longest = max(codes.size, first.size)
    parts = [count(part) for part in shuffled(codes, permutations, longest, rng)]
    return observed, np.concatenate(parts)


def _compiled_tables(
    codes: Ints, c: int, w: W, permutations: int, rng: np.random.Generator
) -> Floats:
    """Count as above for large problems."""
    order, pairs = w.walk
    first, second = pairs.tocoo().coords
    seeds = spawn(rng, 1)[0].integers(0, 2**64, size=(permutations, 4), dtype=np.uint64)
    out = np.zeros((permutations, c * c))
    from pipeline.stats import _kernels

    _kernels.shuffled_joins(codes[order], c, first, second, pairs.data / 2.0, seeds, out)
    return out.reshape(-1, c, c)


def _folded(table: Floats) -> Floats:
    """Gather joins of unordered pairs in the upper triangle of the last two axes."""
    return np.triu(table + np.swapaxes(table, -1, -2)) * (1 - np.eye(table.shape[-1]) / 2)


def join_counts(
    labels: ArrayLike,
    w: W,
    permutations: int = 0,
    rng: np.random.Generator | None = None,
    *,
    fdr: Fdr = "bh",
) -> JoinCounts:
    r"""Count joins within and between two or more categories, against chance.

    .. math:: J_{ab} = \frac12 \sum_{ij} w_{ij} \, [\{x_i, x_j\} = \{a, b\}]

    which for binary symmetric weights is the number of neighbouring pairs.

    Parameters
    ----------
    labels : array_like, shape (n,)
        Category of each unit, none missing; a Series must carry the ids of `w`.
    w : W
        Spatial weights, usually binary.
    permutations : int
        Draws of the permutation test beside the exact moments; 0 for none.
    rng : numpy.random.Generator, optional
        Needed when ``permutations > 0``.
    fdr : {"bh", "by"}
        Adjustment over all unordered pairs of categories.

    Returns
    -------
    JoinCounts
        Moments are exact when the numbers of units in each category are kept (non-free
        sampling).

    Raises
    ------
    InvalidArgument
        Labels missing, of another length or order than `w`, or in over 1,000 categories.
    UndefinedStatistic
        One category only, or weights without a link.

    References
    ----------
    Cliff, A. D. & Ord, J. K. (1981), Spatial Processes, ch. 1-2.

    Examples
    --------
    >>> from pipeline.stats import weights
    >>> path = weights.from_pairs(5, [0, 1, 2, 3], [1, 2, 3, 4], both_ways=True)
    >>> join_counts(["a", "a", "b", "b", "b"], path, permutations=0).counts
    {('a', 'a'): 1.0, ('a', 'b'): 1.0, ('b', 'b'): 2.0}
    """
    require_weights(w)
    require_order(labels, w, "labels")
    rng = require_rng(rng, permutations)
    categories, codes = _categories(labels, w.n)
    c = len(categories)
    sizes = np.bincount(codes, minlength=c)
    seed = seed_of(rng) if permutations else None
    observed, simulated = _tables(codes, c, w, permutations, rng)
    observed, simulated = _folded(observed), _folded(simulated)
    expected, variance, unlike_expected, unlike_variance = _moments(sizes, w)
    variance = np.where(variance > 1e-12 * (1 + expected**2), variance, 0.0)
    z, p = deviates(observed, expected, variance)
    apart = np.triu(np.ones((c, c), dtype=bool), k=1)
    unlike = float(observed[apart].sum())
    unlike_z = deviates(np.array(unlike), np.array(unlike_expected), np.array(unlike_variance))[0]
    p_permutation = p_mid = np.full((c, c), np.nan)
    unlike_p = float("nan")
    if permutations:
        tails = _tails(observed, simulated)
        p_permutation = p_from_counts(*tails, permutations)
        p_mid = mid_p_from_counts(*tails, permutations)
        tails = _tails(np.array(unlike), simulated[:, apart].sum(axis=1))
        unlike_p = float(p_from_counts(*tails, permutations))
    whole = np.triu_indices(c)
    q = np.full((c, c), np.nan)
    q[whole], family = adjust((p_permutation if permutations else p)[whole], fdr)

    def by_pair(table: Floats) -> Joins:
        return Joins(
            {
                (categories[a], categories[b]): float(table[a, b])
                for a, b in zip(*(axis.tolist() for axis in whole), strict=True)
            }
        )

    warnings = isolate_warnings(w)
    if w.n < 40 and arrangements(codes) < 40:
        warnings.append(
            f"the labels have only {arrangements(codes):.0f} arrangements: no two-sided p can "
            "reach 0.05"
        )
    return JoinCounts(
        categories=categories,
        counts=by_pair(observed),
        expected=by_pair(expected),
        variance=by_pair(variance),
        z=by_pair(z),
        p_two_sided=by_pair(p),
        p_permutation=by_pair(p_permutation),
        p_mid=by_pair(p_mid),
        q=by_pair(q),
        unlike=unlike,
        unlike_expected=unlike_expected,
        unlike_variance=unlike_variance,
        unlike_z=float(unlike_z),
        unlike_p_permutation=unlike_p,
        family=family,
        fdr=fdr,
        n=w.n,
        isolates=int(w.isolates.size),
        null="every assignment of the labels to the units is equally likely",
        permutations=permutations,
        seed=seed,
        warnings=(*warnings, *draw_warnings(permutations, family)),
    )


def _tails(observed: Floats, simulated: Floats) -> tuple[Ints, Ints]:
    """Draws at least as large, and at least as small, as observed."""
    blur = 1e-9 * (1.0 + np.abs(observed))
    return (simulated >= observed - blur).sum(axis=0), (simulated <= observed + blur).sum(axis=0)


def _categories(labels: ArrayLike, n: int) -> tuple[tuple[Any, ...], Ints]:
    """Categories in order and the code of each unit."""
    array = np.asarray(labels)
    if array.shape != (n,):
        raise InvalidArgument(f"labels: expected {n} labels (one per unit), found {array.shape}")
    missing = array != array
    if array.dtype == object:
        missing = missing | np.array([label is None for label in array])
    if missing.any():
        raise InvalidArgument(
            f"labels: expected a label for every unit, found none at position "
            f"{int(np.flatnonzero(missing)[0])}. Drop units without one"
        )
    try:
        found, codes = np.unique(array, return_inverse=True)
    except TypeError as error:
        raise InvalidArgument("labels: expected labels of one kind, found mixed types") from error
    if found.size < 2:
        raise UndefinedStatistic(f"labels: expected two or more categories, found {found.tolist()}")
    if found.size > 1000:
        raise InvalidArgument(
            f"labels: expected categories, at most 1,000 of them, found {found.size}"
        )
    return tuple(found.tolist()), codes.astype(np.int64)


def _marks(values: ArrayLike, w: W, name: str) -> NDArray[np.bool_]:
    """Return the marks 0 or 1 of each unit."""
    array = require_values(values, w, name)
    if not np.isin(array, (0.0, 1.0)).all():
        wrong = array[~np.isin(array, (0.0, 1.0))][0]
        raise InvalidArgument(f"{name}: expected marks 0 or 1, found {wrong:g}")
    return array == 1.0


def _local(
    name: str, focal: NDArray[np.bool_], event: NDArray[np.bool_], w: W, null: str, fdr: Fdr
) -> LocalCounts:
    """Events among the neighbours of each focal unit, hypergeometric under the null."""
    if np.isnan(w.row_value).any():
        raise InvalidArgument(
            "w: expected equal weights for all neighbours of a unit, because joins are counted. "
            "Use w.binary()"
        )
    total = int(event.sum())
    if not focal.any() or total in (0, w.n):
        raise UndefinedStatistic(
            f"marks: expected some units with and some without the event, found {total} of {w.n} "
            f"and {int(focal.sum())} focal units"
        )
    k = w.cardinalities
    linked = k > 0
    tested = focal & linked
    count = np.rint(w.binary().lag(event)).astype(np.int64)
    marked = total - event.astype(np.int64)
    others = w.n - 1
    share = marked / others
    expected = np.where(tested, k * share, np.nan)
    variance = np.where(tested, k * share * (1 - share) * (others - k) / max(others - 1, 1), np.nan)
    found = hypergeometric_p(count[tested], others, marked[tested], k[tested])
    parts = []
    for part in (found.upper, found.lower, found.two_sided, found.mid):
        spread = np.full(w.n, np.nan)
        spread[tested] = part
        parts.append(spread)
    exact = ExactP(*parts)
    q, family = family_q(exact.two_sided, fdr)
    return LocalCounts(
        name=name,
        statistic=np.where(linked, np.where(focal, count, 0), np.nan),
        expected=expected,
        variance=variance,
        exact=exact,
        q=q,
        family=family,
        fdr=fdr,
        n=w.n,
        isolates=w.isolates,
        null=null,
        warnings=tuple(isolate_warnings(w)),
    )


def local_join_counts(x: ArrayLike, w: W, *, fdr: Fdr = "bh") -> LocalCounts:
    r"""Find marked units with many (or few) marked neighbours (local join counts).

    .. math:: J_i = x_i \sum_j [w_{ij} > 0] \, x_j

    Under the null the count is hypergeometric: k_i neighbours out of the n - 1 others, of which
    all marked ones but the unit itself are marked. So p is exact and needs no permutations.

    Parameters
    ----------
    x : array_like of 0 and 1, shape (n,)
        Marks; a Series must carry the ids of `w`.
    w : W
        Spatial weights, equal within each row.
    fdr : {"bh", "by"}
        Adjustment that gives `q`, over all marked units with neighbours.

    Returns
    -------
    LocalCounts
        Counts of shape (n,): 0 for unmarked units, NaN for isolates; no p for either.

    Raises
    ------
    InvalidArgument
        Marks other than 0 and 1, or not in step with `w`; unequal weights in a row.
    UndefinedStatistic
        All or no units marked, or weights without a link.

    References
    ----------
    Anselin, L. & Li, X. (2019), Journal of Geographical Systems 21:189-210.

    Examples
    --------
    >>> from pipeline.stats import weights
    >>> path = weights.from_pairs(5, [0, 1, 2, 3], [1, 2, 3, 4], both_ways=True)
    >>> r = local_join_counts([1, 1, 1, 0, 0], path)
    >>> r.statistic.tolist(), r.exact.upper.round(3).tolist()
    ([1.0, 2.0, 1.0, 0.0, 0.0], [0.5, 0.167, 0.833, nan, nan])
    """
    marks = _marks(x, w, "x")
    return _local(
        "local join count",
        marks,
        marks,
        w,
        "the unit stays marked; the other marks are spread over all other units at random",
        fdr,
    )


def local_join_counts_bivariate(
    x: ArrayLike, y: ArrayLike, w: W, *, fdr: Fdr = "bh"
) -> LocalCounts:
    r"""Count y alone at the neighbours of units with x alone (bivariate local join counts).

    .. math:: J_i = x_i (1 - y_i) \sum_j [w_{ij} > 0] \, y_j (1 - x_j)

    The marks x and y of a unit move together under the null, so units that hold both stay so;
    where x and y never meet in a unit this is the statistic of Anselin & Li.

    Parameters
    ----------
    x, y : array_like of 0 and 1, shape (n,)
        Marks at the unit, and at its neighbours.
    w, fdr
        As in :func:`local_join_counts`.

    Returns
    -------
    LocalCounts
        The family are the units with x alone that have neighbours.

    Raises
    ------
    InvalidArgument, UndefinedStatistic
        As in :func:`local_join_counts`.

    References
    ----------
    Anselin, L. & Li, X. (2019), Journal of Geographical Systems 21:189-210.

    Examples
    --------
    >>> from pipeline.stats import weights
    >>> path = weights.from_pairs(5, [0, 1, 2, 3], [1, 2, 3, 4], both_ways=True)
    >>> local_join_counts_bivariate([1, 0, 0, 0, 0], [0, 1, 0, 1, 0], path).exact.upper[:1]
    array([0.5])
    """
    first, second = _marks(x, w, "x"), _marks(y, w, "y")
    return _local(
        "bivariate local join count",
        first & ~second,
        second & ~first,
        w,
        "the unit keeps its marks; the pairs of marks (x, y) of all other units change places",
        fdr,
    )


def local_join_counts_colocated(
    x: ArrayLike, y: ArrayLike, w: W, *, fdr: Fdr = "bh"
) -> LocalCounts:
    r"""Count neighbours that hold x and y around units that do (co-located local join counts).

    .. math:: J_i = x_i y_i \sum_j [w_{ij} > 0] \, x_j y_j

    Under the null the marks (x, y) of a unit move together: how often x and y share a unit is
    given, not tested.

    Parameters
    ----------
    x, y : array_like of 0 and 1, shape (n,)
        Two marks of each unit.
    w, fdr
        As in :func:`local_join_counts`.

    Returns
    -------
    LocalCounts
        The family are the units with both marks that have neighbours.

    Raises
    ------
    InvalidArgument, UndefinedStatistic
        As in :func:`local_join_counts`.

    References
    ----------
    Anselin, L. & Li, X. (2019), Journal of Geographical Systems 21:189-210.

    Examples
    --------
    >>> from pipeline.stats import weights
    >>> path = weights.from_pairs(5, [0, 1, 2, 3], [1, 2, 3, 4], both_ways=True)
    >>> local_join_counts_colocated([1, 1, 0, 0, 0], [1, 1, 1, 0, 0], path).exact.upper[:2]
    array([0.25, 0.5 ])
    """
    both = _marks(x, w, "x") & _marks(y, w, "y")
    return _local(
        "co-located local join count",
        both,
        both,
        w,
        "the unit keeps its marks; the pairs of marks (x, y) of all other units change places",
        fdr,
    )
