"""Who neighbours whom: one compressed-sparse structure and the ways to build it.

A :class:`W` holds directed links from a focal unit to its neighbours. Units without links are
isolates: they stay in, are listed in :attr:`W.isolates`, and get NaN from every local statistic.
A unit is never its own neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.contracts.errors import InvalidArgument
from pipeline.stats.inference import Floats, Ints, is_whole, require_points

if TYPE_CHECKING:
    from scipy import sparse as sp

    from libpysal.graph import Graph

# Beyond this a neighbour list no longer fits a usual machine (12 bytes a link).
MOST_LINKS = 1_000_000_000
# Loading scipy.sparse or scipy.spatial takes 0.3 s. With fewer links, or units, numpy alone has
# added up the links, or made a table of all distances, before that.
_FEW_LINKS = 100_000
_FEW_UNITS = 1_000
# Candidates held at once while ties or kernels are resolved (about 24 bytes each).
_BALL_CHUNK = 4_000_000

Kernel = Literal["uniform", "triangular", "epanechnikov", "biweight", "gaussian"]


@dataclass(frozen=True, eq=False)
class W:
    """Spatial weights of `n` units in compressed rows; build them with the functions below.

    Parameters
    ----------
    indptr : array of int, shape (n + 1,)
        Links of unit ``i`` are ``indices[indptr[i]:indptr[i + 1]]``.
    indices : array of int, shape (links,)
        Neighbours, ascending within a row, never the unit itself.
    values : array of float, shape (links,)
        Positive weights.
    ids : array, shape (n,), optional
        Name of each unit; then a Series passed as `y` must carry the same index.

    Examples
    --------
    >>> w = from_pairs(4, [0, 1, 1, 2], [1, 0, 2, 1])
    >>> w
    W(n=4, links=4, isolates=1)
    >>> w.isolates.tolist(), w.cardinalities.tolist()
    ([3], [1, 2, 1, 0])
    """

    indptr: NDArray[Any]
    indices: NDArray[Any]
    values: Floats
    ids: NDArray[Any] | None = None

    def __repr__(self) -> str:
        return f"W(n={self.n}, links={self.links}, isolates={self.isolates.size})"

    @property
    def n(self) -> int:
        """Number of units."""
        return self.indptr.size - 1

    @property
    def links(self) -> int:
        """Number of directed links."""
        return self.indices.size

    @cached_property
    def sparse(self) -> sp.csr_array:
        """The weights as a scipy array of shape (n, n), sharing memory."""
        from scipy import sparse as sp

        return sp.csr_array((self.values, self.indices, self.indptr), shape=(self.n, self.n))

    @cached_property
    def cardinalities(self) -> Ints:
        """Number of neighbours of each unit, shape (n,)."""
        return np.diff(self.indptr).astype(np.int64)

    @cached_property
    def isolates(self) -> Ints:
        """Positions of the units without a neighbour."""
        return np.flatnonzero(self.cardinalities == 0)

    @cached_property
    def focal(self) -> Ints:
        """Unit that each link starts from, shape (links,)."""
        return np.repeat(np.arange(self.n), self.cardinalities)

    def totals(self, terms: Floats) -> Floats:
        """Return the sum of a term a link over the links of each unit, shape (n,)."""
        linked = np.flatnonzero(self.cardinalities)
        sums = np.zeros(self.n)
        sums[linked] = np.add.reduceat(terms, self.indptr[linked])
        return sums

    def received(self, x: Floats) -> Floats:
        """Return the weighted sum of `x` over the units that each unit is a neighbour of."""
        sums = np.bincount(self.indices, self.values * x[self.focal], self.n)
        return sums.astype(np.float64, copy=False)

    @cached_property
    def row_sums(self) -> Floats:
        """Sum of the weights of each unit, shape (n,)."""
        if self.is_binary:
            return self.cardinalities.astype(np.float64)
        return self.totals(self.values)

    @cached_property
    def degrees(self) -> Floats:
        """Sum of the weights of each unit's links in both directions, shape (n,)."""
        return self.row_sums + self.received(np.ones(self.n))

    @cached_property
    def row_squares(self) -> Floats:
        """Sum of the squared weights of each unit, shape (n,)."""
        if self.is_binary:
            return self.cardinalities.astype(np.float64)
        even = self.row_value
        squares = even * even * self.cardinalities
        rest = np.isnan(even)
        if rest.any():
            squares[rest] = self.totals(self.values**2)[rest]
        return squares

    @cached_property
    def row_value(self) -> Floats:
        """Weight shared by all links of a unit; NaN where they differ, 0 for isolates."""
        value = np.zeros(self.n)
        linked = self.cardinalities > 0
        if not self.links:
            return value
        first = self.values[np.minimum(self.indptr[:-1], self.links - 1)]
        value[linked] = first[linked]
        if (self.values == self.values[0]).all():
            return value
        starts = self.indptr[:-1][linked]
        low = np.minimum.reduceat(self.values, starts)
        high = np.maximum.reduceat(self.values, starts)
        value[linked] = np.where(high - low <= 1e-14 * high, low, np.nan)
        return value

    @cached_property
    def is_binary(self) -> bool:
        """Whether every link weighs one."""
        return bool((self.values == 1.0).all())

    @cached_property
    def is_row_standardised(self) -> bool:
        """Whether the weights of every unit with neighbours sum to one."""
        linked = self.cardinalities > 0
        return bool(np.allclose(self.row_sums[linked], 1.0, rtol=0, atol=1e-12))

    @cached_property
    def pairs(self) -> tuple[Ints, Ints, Floats]:
        """Units (first < second) of each linked pair, and the weights of both directions added."""
        if self.links > _FEW_LINKS:
            from scipy import sparse as sp

            above = sp.triu(self.sparse + self.sparse.T.tocsr(), k=1, format="coo")
            return above.row, above.col, above.data
        first = np.minimum(self.focal, self.indices)
        key = first * self.n + np.maximum(self.focal, self.indices)
        order = np.argsort(key)
        key = key[order]
        starts = np.flatnonzero(np.diff(key, prepend=-1))
        weights = np.add.reduceat(self.values[order], starts)
        return *np.divmod(key[starts], self.n), weights

    @cached_property
    def walk(self) -> tuple[Ints, sp.csr_array]:
        """Order that keeps linked units near each other, and the pairs above the diagonal in it.

        Long vectors are gathered several times faster in this order (reverse Cuthill-McKee).
        """
        from scipy import sparse as sp
        from scipy.sparse.csgraph import reverse_cuthill_mckee

        first, second, weights = self.pairs
        above = sp.coo_array((weights, (first, second)), shape=(self.n, self.n)).tocsr()
        both = (above + above.T.tocsr()).tocsr()
        order = reverse_cuthill_mckee(sp.csr_matrix(both), symmetric_mode=True)
        return order, sp.triu(both[order][:, order], k=1, format="csr")

    @cached_property
    def is_symmetric(self) -> bool:
        """Whether every link has its mirror image with the same weight."""
        return bool(np.isclose(abs(self.sparse - self.sparse.T.tocsr()).max(), 0.0, atol=1e-12))

    @cached_property
    def constants(self) -> tuple[float, float, float]:
        r"""The sums :math:`S_0, S_1, S_2` of Cliff & Ord (1981, p. 19).

        :math:`S_0 = \sum w_{ij}`, :math:`S_1 = \frac12 \sum (w_{ij} + w_{ji})^2`,
        :math:`S_2 = \sum_i (w_{i.} + w_{.i})^2`.
        """
        return (
            float(self.values.sum()),
            float((self.pairs[2] ** 2).sum()),
            float((self.degrees**2).sum()),
        )

    def lag(self, y: ArrayLike) -> Floats:
        """Return the weighted sum of `y` over the neighbours of each unit, shape (n,).

        Examples
        --------
        >>> from_pairs(3, [0, 0, 1], [1, 2, 0]).lag([1.0, 2.0, 4.0]).tolist()
        [6.0, 1.0, 0.0]
        """
        values = np.asarray(y, dtype=np.float64)
        if self.links > _FEW_LINKS:
            return self.sparse @ values
        return self.totals(self.values * values[self.indices])

    def row_standardised(self) -> W:
        """Return weights that sum to one over each unit's neighbours (isolates stay at zero).

        Examples
        --------
        >>> from_pairs(3, [0, 0, 1], [1, 2, 0]).row_standardised().values.tolist()
        [0.5, 0.5, 1.0]
        """
        sums = np.repeat(self.row_sums, self.cardinalities)
        return replace(self, values=self.values / sums)

    def binary(self) -> W:
        """Return the same links, each weighing one.

        Examples
        --------
        >>> from_pairs(2, [0, 1], [1, 0], [3.0, 5.0]).binary().values.tolist()
        [1.0, 1.0]
        """
        return replace(self, values=np.ones(self.links))

    def symmetrised(self) -> W:
        """Return weights with every link in both directions; the larger weight counts for both.

        Examples
        --------
        >>> from_pairs(3, [0, 1], [1, 2]).symmetrised()
        W(n=3, links=4, isolates=0)
        """
        return _from_csr(self.sparse.maximum(self.sparse.T.tocsr()).tocsr(), self.ids)

    def reordered(self, order: ArrayLike) -> W:
        """Return the weights of the units in `order`: positions kept, in their new sequence.

        Positions left out are dropped with their links, so this also takes a subset.

        Raises
        ------
        InvalidArgument
            `order` names a position twice or one that does not exist.

        Examples
        --------
        >>> path = from_pairs(3, [0, 1, 1, 2], [1, 0, 2, 1])
        >>> path.reordered([1, 2]).cardinalities.tolist()
        [1, 1]
        """
        positions = _positions(order, self.n, "order")
        if np.unique(positions).size != positions.size:
            raise InvalidArgument("order: expected each position once, found a repeated one")
        names = None if self.ids is None else self.ids[positions]
        return _from_csr(self.sparse[positions][:, positions].tocsr(), names)

    def to_graph(self) -> Graph:
        """Return the weights as a :class:`libpysal.graph.Graph`, isolates included.

        Examples
        --------
        >>> from_pairs(3, [0, 1], [1, 0]).to_graph().isolates.tolist()
        [2]
        """
        from libpysal.graph import Graph

        names = np.arange(self.n) if self.ids is None else self.ids
        focal, alone = self.focal, self.isolates
        # libpysal marks an isolate by a link to itself of weight zero; rows must stay in order.
        order = np.argsort(np.concatenate([focal, alone]), kind="stable")
        return Graph.from_arrays(
            names[np.concatenate([focal, alone])[order]],
            names[np.concatenate([self.indices, alone])[order]],
            np.concatenate([self.values, np.zeros(alone.size)])[order],
        )


def _positions(values: ArrayLike, n: int, name: str) -> Ints:
    """Whole numbers in [0, n) as int64."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise InvalidArgument(f"{name}: expected one dimension, found shape {array.shape}")
    if array.size == 0:
        return np.empty(0, dtype=np.int64)
    if array.dtype.kind not in "iu":
        if array.dtype.kind != "f" or not (array == np.floor(array)).all():
            raise InvalidArgument(
                f"{name}: expected positions (whole numbers), found {array.dtype}. "
                "Pass ids= when the pairs name units"
            )
        array = array.astype(np.int64)
    bad = np.flatnonzero((array < 0) | (array >= n))
    if bad.size:
        raise InvalidArgument(
            f"{name}: expected positions from 0 to {n - 1}, found {array[bad[0]]} at place {bad[0]}"
        )
    return array.astype(np.int64)


def _count(n: int) -> int:
    if not is_whole(n) or n < 2:
        raise InvalidArgument(f"n: expected at least two units, found {n!r}")
    return int(n)


def _names(ids: ArrayLike | None, n: int) -> NDArray[Any] | None:
    """Return the ids as an array of n distinct names."""
    if ids is None:
        return None
    names = np.asarray(ids)
    if names.shape != (n,):
        raise InvalidArgument(f"ids: expected {n} names, found shape {names.shape}")
    import pandas

    repeated = pandas.Index(names).duplicated()
    if repeated.any():
        raise InvalidArgument(
            f"ids: expected distinct names, found {names[repeated].tolist()[0]!r} more than once"
        )
    return names


def _places(labels: ArrayLike, names: NDArray[Any], name: str) -> Ints:
    """Positions of `labels` among `names`, each known."""
    import pandas

    wanted = np.asarray(labels)
    found = pandas.Index(names).get_indexer(pandas.Index(wanted))
    unknown = np.flatnonzero(found < 0)
    if unknown.size:
        raise InvalidArgument(
            f"{name}: expected only ids of the units, found {wanted.tolist()[unknown[0]]!r} "
            f"({len(set(wanted[unknown].tolist()))} unknown ids in all)"
        )
    return found.astype(np.int64)


def _from_csr(matrix: sp.csr_array, names: NDArray[Any] | None) -> W:
    """Canonical rows of a clean matrix; 32-bit positions as long as they suffice."""
    matrix.sum_duplicates()
    small = max(matrix.nnz, matrix.shape[0]) < np.iinfo(np.int32).max
    kind = np.int32 if small else np.int64
    return W(
        matrix.indptr.astype(kind, copy=False),
        matrix.indices.astype(kind, copy=False),
        np.ascontiguousarray(matrix.data, dtype=np.float64),
        names,
    )


def _assemble(n: int, focal: Ints, neighbour: Ints, value: Floats, names: NDArray[Any] | None) -> W:
    """Rows from links known to be distinct and not to the unit itself."""
    if focal.size > _FEW_LINKS:
        from scipy import sparse as sp

        return _from_csr(sp.coo_array((value, (focal, neighbour)), shape=(n, n)).tocsr(), names)
    order = np.argsort(focal * n + neighbour)
    starts = np.searchsorted(focal[order], np.arange(n + 1))
    return W(starts.astype(np.int32), neighbour[order].astype(np.int32), value[order], names)


def from_pairs(
    n: int,
    focal: ArrayLike,
    neighbour: ArrayLike,
    value: ArrayLike | None = None,
    *,
    ids: ArrayLike | None = None,
    both_ways: bool = False,
) -> W:
    """Weights from a list of directed links; units without a link are isolates.

    Parameters
    ----------
    n : int
        Number of units.
    focal, neighbour : array_like, shape (links,)
        Positions 0 to n - 1, or names out of `ids`.
    value : array_like of float, shape (links,), optional
        Weight of each link, for example the length of the shared border in metres; one when
        left out. A link of weight zero is no link.
    ids : array_like, shape (n,), optional
        Distinct names of the units, in the order of every `y` to come.
    both_ways : bool
        Each pair is listed once and stands for both directions.

    Raises
    ------
    InvalidArgument
        Lengths that differ, unknown units, a unit paired with itself, a pair listed twice, a
        weight that is negative, NaN or infinite, fewer than two units.

    Examples
    --------
    >>> from_pairs(3, ["a"], ["b"], [120.0], ids=["a", "b", "c"], both_ways=True)
    W(n=3, links=2, isolates=1)
    """
    n = _count(n)
    names = _names(ids, n)
    if names is None:
        from_, to = _positions(focal, n, "focal"), _positions(neighbour, n, "neighbour")
    else:
        from_, to = _places(focal, names, "focal"), _places(neighbour, names, "neighbour")
    if from_.size != to.size:
        raise InvalidArgument(
            f"focal and neighbour: expected equal lengths, found {from_.size} and {to.size}"
        )
    own = np.flatnonzero(from_ == to)
    if own.size:
        raise InvalidArgument(
            f"focal and neighbour: expected different units, found unit {from_[own[0]]} paired "
            "with itself. Use local_g(star=True) where a unit counts itself"
        )
    if value is None:
        weight = np.ones(from_.size)
    else:
        weight = np.asarray(value, dtype=np.float64)
        if weight.shape != from_.shape:
            raise InvalidArgument(
                f"value: expected {from_.size} weights, found shape {weight.shape}"
            )
        bad = np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))
        if bad.size:
            raise InvalidArgument(
                f"value: expected finite weights >= 0, found {weight[bad[0]]} at place {bad[0]}"
            )
    if both_ways:
        from_, to = np.concatenate([from_, to]), np.concatenate([to, from_])
        weight = np.concatenate([weight, weight])
    key = np.sort(from_ * n + to)
    repeated = key[1:][key[1:] == key[:-1]]
    if repeated.size:
        twice = int(repeated[0])
        raise InvalidArgument(
            f"focal and neighbour: expected each pair once, found ({twice // n}, {twice % n}) "
            "more than once. Add up or drop repeated pairs"
        )
    real = weight > 0
    return _assemble(n, from_[real], to[real], weight[real], names)


def _snake(xy: Floats) -> Ints:
    """Order that walks over a grid of cells to and fro, so that near points lie near in memory."""
    low, span = xy.min(axis=0), np.ptp(xy, axis=0).max()
    side = max(1, int(np.sqrt(len(xy) / 4)))
    cell = ((xy - low) * (side / span if span > 0 else 0.0)).astype(np.int64)
    column = np.where(cell[:, 0] % 2 == 0, cell[:, 1], side - cell[:, 1])
    return np.argsort(cell[:, 0] * (side + 1) + column, kind="stable")


def _resolution(xy: Floats) -> float:
    """Distance below which rounding of the coordinates decides who is nearer."""
    return float(8.0 * np.finfo(np.float64).eps * np.abs(xy).max())


def _within(tree: Any, xy: Floats, rows: Ints, radii: Floats) -> Any:
    """Yield (position in `rows`, other, distance) of all within each radius, in bounded pieces."""
    sizes = tree.query_ball_point(xy[rows], radii, return_length=True)
    piece = np.cumsum(sizes) // _BALL_CHUNK
    for number in np.unique(piece):
        part = np.flatnonzero(piece == number)
        lists = tree.query_ball_point(xy[rows[part]], radii[part])
        place = np.repeat(part, sizes[part])
        other = np.concatenate([np.asarray(found, dtype=np.int64) for found in lists])
        distance = np.hypot(*(xy[rows[place]] - xy[other]).T)
        keep = other != rows[place]
        yield place[keep], other[keep], distance[keep]


def _neighbours(xy: Floats, k: int) -> tuple[Ints, Floats]:
    """Nearest k + 1 others of each point (k where no more exist) and the distances to them."""
    n = len(xy)
    if n <= _FEW_UNITS:
        table = np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1))
        np.fill_diagonal(table, np.inf)
        asked = min(k + 1, n - 1)
        others = np.argpartition(table, asked - 1, axis=1)[:, :asked]
        apart = np.take_along_axis(table, others, axis=1)
        order = np.argsort(apart, axis=1, kind="stable")
        return np.take_along_axis(others, order, axis=1), np.take_along_axis(apart, order, axis=1)
    from scipy.spatial import cKDTree

    order = _snake(xy) if n > 5_000 else np.arange(n)
    walked = xy[order]
    tree = cKDTree(walked, balanced_tree=False)
    asked = min(k + 2, n)
    distance, index = tree.query(walked, k=asked)
    own = index == np.arange(n)[:, None]
    # Where many points coincide a point may miss itself; then the farthest one gives way.
    own[~own.any(axis=1), -1] = True
    shape = (n, asked - 1)
    others = np.empty(shape, dtype=np.int64)
    apart = np.empty(shape)
    others[order] = order[index[~own].reshape(shape)]
    apart[order] = distance[~own].reshape(shape)
    return others, apart


def nearest(
    xy: Floats, k: int, ties: str, rng: np.random.Generator | None
) -> tuple[Ints, Floats, Ints]:
    """Find the `k` nearest others of each point, for :func:`knn` and the colocation quotients.

    Returns
    -------
    others, distances : array, shape (n, k)
        From the nearest on, except where ties were broken.
    tied : array of int
        Points whose k-th neighbour is not unique.
    """
    others, apart = _neighbours(xy, k)
    chosen, distance = others[:, :k], apart[:, :k]
    if k == len(xy) - 1:
        return chosen, distance, np.empty(0, dtype=np.int64)
    blur = _resolution(xy)
    tied = np.flatnonzero(apart[:, k] - apart[:, k - 1] <= blur)
    if tied.size and ties == "raise":
        raise InvalidArgument(
            f"xy: expected one k-th neighbour of each unit, found {tied.size} of {len(xy)} units "
            f"with candidates equally near (the first is unit {tied[0]}, at distance "
            f"{apart[tied[0], k - 1]:g}; coincident points?). Pass ties='random' and rng, or "
            "another k"
        )
    if tied.size:
        assert rng is not None
        chosen[tied] = _break_ties(xy, k, tied, apart[tied, k - 1], blur, rng)
        distance[tied] = np.hypot(*(xy[tied, None] - xy[chosen[tied]]).transpose(2, 0, 1))
    return chosen, distance, tied


def knn(
    xy: ArrayLike,
    k: int,
    ties: Literal["raise", "random"] = "raise",
    rng: np.random.Generator | None = None,
    *,
    ids: ArrayLike | None = None,
) -> W:
    """Link every unit to its `k` nearest others (binary, not symmetric in general).

    Coincident points are each other's neighbours at distance zero. Candidates are tied when
    they differ by less than the coordinates resolve; a tie matters only if it decides who is
    among the `k`.

    Parameters
    ----------
    xy : array_like, shape (n, 2)
        Coordinates in a projected CRS, metres.
    k : int
        Neighbours of each unit, 1 to n - 1.
    ties : {"raise", "random"}
        Refuse ties that matter, or break them evenly by chance.
    rng : numpy.random.Generator, optional
        Needed when ``ties="random"``.
    ids : array_like, shape (n,), optional
        Distinct names of the units.

    Raises
    ------
    InvalidArgument
        Wrong `k` or coordinates; ties that matter with ``ties="raise"``; no `rng`.

    Examples
    --------
    >>> knn([[0, 0], [1, 0], [3, 0]], 1).indices.tolist()
    [1, 0, 1]
    """
    points = require_points(xy)
    n = _count(len(points))
    names = _names(ids, n)
    if not is_whole(k) or not 1 <= k < n:
        raise InvalidArgument(f"k: expected a whole number from 1 to {n - 1}, found {k!r}")
    if ties not in ("raise", "random"):
        raise InvalidArgument(f"ties: expected 'raise' or 'random', found {ties!r}")
    if ties == "random" and not isinstance(rng, np.random.Generator):
        raise InvalidArgument(
            "rng: expected a numpy.random.Generator because ties are broken at random, "
            f"found {type(rng).__name__}"
        )
    k = int(k)
    chosen = np.sort(nearest(points, k, ties, rng)[0], axis=1)
    kind = np.int32 if n * k < np.iinfo(np.int32).max else np.int64
    return W(
        np.arange(0, n * k + 1, k, dtype=kind), chosen.astype(kind).ravel(), np.ones(n * k), names
    )


def _break_ties(
    xy: Floats, k: int, tied: Ints, reach: Floats, blur: float, rng: np.random.Generator
) -> Ints:
    """Surely nearer units, and chance among those at the k-th distance, of each tied unit."""
    from scipy.spatial import cKDTree

    chosen = np.empty((tied.size, k), dtype=np.int64)
    for place, other, distance in _within(cKDTree(xy), xy, tied, reach + blur):
        key = np.where(distance < reach[place] - blur, -1.0, rng.random(place.size))
        order = np.lexsort((key, place))
        starts = np.flatnonzero(np.r_[True, np.diff(place[order]) != 0])
        take = order[starts[:, None] + np.arange(k)]
        chosen[place[order][starts]] = other[take]
    return chosen


def distance_band(xy: ArrayLike, radius: float, *, ids: ArrayLike | None = None) -> W:
    """Link all units at most `radius` apart (binary, symmetric).

    Parameters
    ----------
    xy : array_like, shape (n, 2)
        Coordinates in a projected CRS, metres. Coincident points are neighbours.
    radius : float
        Metres, > 0.
    ids : array_like, shape (n,), optional
        Distinct names of the units.

    Raises
    ------
    InvalidArgument
        Wrong coordinates or radius, or more than 1e9 links.

    Examples
    --------
    >>> distance_band([[0, 0], [1, 0], [3, 0]], 1.5).isolates.tolist()
    [2]
    """
    points = require_points(xy)
    n = _count(len(points))
    names = _names(ids, n)
    reach = _length(radius, "radius")
    first, second = _pairs(points, reach)
    both = np.concatenate([first, second]), np.concatenate([second, first])
    return _assemble(n, *both, np.ones(2 * first.size), names)


def _length(value: float, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise InvalidArgument(f"{name}: expected a length > 0 in metres, found {value!r:.60}")
    if not 0 < value < np.inf:
        raise InvalidArgument(f"{name}: expected a length > 0 in metres, found {value!r}")
    return float(value)


def _pairs(xy: Floats, radius: float) -> tuple[Ints, Ints]:
    """Unordered pairs at most `radius` apart."""
    from scipy.spatial import cKDTree

    tree = cKDTree(xy, balanced_tree=False)
    links = int(tree.count_neighbors(tree, radius)) - len(xy)
    if links > MOST_LINKS:
        raise InvalidArgument(
            f"radius: expected at most {MOST_LINKS:,} links, found {links:,}. Choose a smaller one"
        )
    pairs = tree.query_pairs(radius, output_type="ndarray")
    return pairs[:, 0], pairs[:, 1]


def _shape(kernel: Kernel, u: Floats) -> Floats:
    """Kernel at distance u in bandwidths, one at the centre."""
    if kernel == "uniform":
        return np.ones_like(u)
    if kernel == "triangular":
        return 1.0 - u
    if kernel == "epanechnikov":
        return 1.0 - u**2
    if kernel == "biweight":
        return (1.0 - u**2) ** 2
    return np.exp(-0.5 * u**2)


def kernel(
    xy: ArrayLike,
    bandwidth: ArrayLike,
    shape: Kernel = "gaussian",
    *,
    ids: ArrayLike | None = None,
) -> W:
    r"""Link units with weights that fall with distance.

    With :math:`u = d_{ij} / h_i` the weight is 1 (uniform), :math:`1 - u` (triangular),
    :math:`1 - u^2` (epanechnikov) or :math:`(1 - u^2)^2` (biweight) up to :math:`u = 1`, and
    :math:`\exp(-u^2 / 2)` up to :math:`u = 3` (gaussian). A unit has no weight on itself.

    Parameters
    ----------
    xy : array_like, shape (n, 2)
        Coordinates in a projected CRS, metres.
    bandwidth : float or array_like, shape (n,)
        Metres; one for all, or one for each unit (adaptive: see :func:`nearest_distance`).
    shape : {"gaussian", "uniform", "triangular", "epanechnikov", "biweight"}
        Form of the kernel.
    ids : array_like, shape (n,), optional
        Distinct names of the units.

    Raises
    ------
    InvalidArgument
        Wrong coordinates, bandwidth or shape, or more than 1e9 links.

    Examples
    --------
    >>> kernel([[0, 0], [1, 0]], 2.0, "triangular").values.tolist()
    [0.5, 0.5]
    """
    points = require_points(xy)
    n = _count(len(points))
    names = _names(ids, n)
    if shape not in ("uniform", "triangular", "epanechnikov", "biweight", "gaussian"):
        raise InvalidArgument(f"shape: expected the name of a kernel, found {shape!r}")
    width = np.asarray(bandwidth, dtype=np.float64)
    if width.ndim == 0:
        width = np.full(n, float(width))
    if width.shape != (n,) or not np.isfinite(width).all() or (width <= 0).any():
        raise InvalidArgument(
            f"bandwidth: expected one length > 0 in metres, or {n} of them. Coincident points "
            "need a wider one than their distance zero"
        )
    reach = width * (3.0 if shape == "gaussian" else 1.0)
    if (width == width[0]).all():
        first, second = _pairs(points, float(reach[0]))
        focal, other = np.concatenate([first, second]), np.concatenate([second, first])
        distance = np.hypot(*(points[focal] - points[other]).T)
    else:
        from scipy.spatial import cKDTree

        pieces = list(_within(cKDTree(points), points, np.arange(n), reach))
        focal, other, distance = (np.concatenate(part) for part in zip(*pieces, strict=True))
    weight = _shape(shape, distance / width[focal])
    real = weight > 0
    return _assemble(n, focal[real], other[real], weight[real], names)


def nearest_distance(xy: ArrayLike, k: int) -> Floats:
    """Distance of each unit to its `k`-th nearest other, metres, shape (n,).

    Raises
    ------
    InvalidArgument
        Wrong coordinates or `k`.

    Examples
    --------
    >>> nearest_distance([[0, 0], [1, 0], [3, 0]], 2).tolist()
    [3.0, 2.0, 3.0]
    """
    points = require_points(xy)
    if not is_whole(k) or not 1 <= k < len(points):
        raise InvalidArgument(
            f"k: expected a whole number from 1 to {len(points) - 1}, found {k!r}"
        )
    return _neighbours(points, int(k))[1][:, int(k) - 1]


def contiguity(
    polygons: Any,
    rule: Literal["queen", "rook"] = "queen",
    *,
    border: bool = False,
    strict: bool = False,
    ids: ArrayLike | None = None,
) -> W:
    """Link the polygons of a coverage that touch, as found by :mod:`libpysal.graph`.

    Parameters
    ----------
    polygons : geopandas.GeoSeries, GeoDataFrame or sequence of shapely polygons, length n
        A coverage without overlaps, in a projected CRS when `border` is asked for.
    rule : {"queen", "rook"}
        Touching in a point is enough, or a shared edge is needed.
    border : bool
        Weigh a link by the length of the shared border in metres (needs ``rule="rook"``).
    strict : bool
        Compare geometries rather than vertices: slower, and needed where neighbours do not
        share all their vertices.
    ids : array_like, shape (n,), optional
        Distinct names; the index of a GeoSeries or GeoDataFrame when left out.

    Raises
    ------
    InvalidArgument
        Anything but non-empty polygons, names that repeat, `border` with queen contiguity.

    Examples
    --------
    >>> from shapely import box
    >>> w = contiguity([box(0, 0, 1, 1), box(1, 0, 2, 1), box(1, 1, 2, 2)])
    >>> w.cardinalities.tolist()
    [2, 2, 2]
    >>> contiguity([box(0, 0, 1, 2), box(1, 0, 2, 2)], "rook", border=True).values.tolist()
    [2.0, 2.0]
    """
    import geopandas
    import shapely
    from libpysal.graph import Graph

    if rule not in ("queen", "rook"):
        raise InvalidArgument(f"rule: expected 'queen' or 'rook', found {rule!r}")
    if border and rule != "rook":
        raise InvalidArgument("border: expected rule='rook', because a point has no length")
    named = isinstance(polygons, geopandas.GeoSeries | geopandas.GeoDataFrame)
    series = polygons.geometry if named else geopandas.GeoSeries(list(polygons))
    n = _count(len(series))
    shapes = series.to_numpy()
    polygonal = np.isin(shapely.get_type_id(shapes), (3, 6)) & ~shapely.is_empty(shapes)
    if not polygonal.all():
        wrong = int(np.flatnonzero(~polygonal)[0])
        raise InvalidArgument(
            f"polygons: expected non-empty polygons, found {shapes[wrong]!s:.40} at place {wrong}"
        )
    names = _names(series.index.to_numpy() if named and ids is None else ids, n)
    plain = geopandas.GeoSeries(shapes, crs=series.crs)
    graph = Graph.build_contiguity(plain, rook=rule == "rook", by_perimeter=border, strict=strict)
    return replace(from_graph(graph, np.arange(n)), ids=names)


def from_graph(graph: Graph, ids: Sequence[Any] | ArrayLike | None = None) -> W:
    """Weights of a :class:`libpysal.graph.Graph`, in the order of `ids`.

    Parameters
    ----------
    graph : libpysal.graph.Graph
        Its zero self-links, libpysal's mark of an isolate, are dropped.
    ids : array_like, shape (n,), optional
        Order wanted: exactly the ids of the graph. The graph's own order when left out.

    Raises
    ------
    InvalidArgument
        Ids that are not those of the graph, a unit that neighbours itself, a weight that is
        negative, NaN or infinite.

    Examples
    --------
    >>> graph = from_pairs(3, ["a"], ["b"], ids=["a", "b", "c"]).to_graph()
    >>> from_graph(graph, ["c", "b", "a"]).cardinalities.tolist()
    [0, 0, 1]
    """
    own = graph.unique_ids.to_numpy()
    n = _count(own.size)
    names = own if ids is None else _names(ids, n)
    assert names is not None
    matrix = graph.sparse.astype(np.float64).tocsr()
    if not (np.isfinite(matrix.data) & (matrix.data >= 0)).all():
        raise InvalidArgument("graph: expected finite weights >= 0")
    if matrix.diagonal().any():
        unit = own.tolist()[np.flatnonzero(matrix.diagonal())[0]]
        raise InvalidArgument(
            f"graph: expected no unit to neighbour itself, found {unit!r}. "
            "Drop the self-weights; local_g(star=True) adds them"
        )
    matrix.eliminate_zeros()
    places = _places(names, own, "ids")
    return _from_csr(matrix[places][:, places].tocsr(), names)
