"""Draws for lattice statistics: neighbours drawn for every unit at once, values shuffled.

**Local.** Under conditional randomisation unit i keeps its value and its neighbours are k of the
other n - 1 units, each set equally likely. One ordered draw of k_max + 1 distinct units serves
all units: its first k entries are the neighbours of a unit with k of them; where the unit itself
is among these, entry k takes its place, which again leaves every set of k others equally likely.
With equal weights in a row only the sum of the neighbours' values matters, so the sums of each k
are sorted once and each unit is looked up; the few draws that hold the unit are then corrected.
Other rows multiply their weights with the drawn values, many units and draws in one product.

**Global.** Moran, Geary and G are forms ``sum a_i v_i + sum d_i v_i^2 + c sum_ij w_ij v_i v_j`` in
the shuffled values v, so one routine serves them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.stats.inference import Floats, Ints, spawn
from pipeline.stats.weights import W

# Entries of one table of draws, and of one product of weights and drawn values.
_TABLE = 4_000_000
_COLUMNS = 1024
_BLOCK = 64
# Values of a table of shuffles that are worked on while they are in cache.
_CACHED = 100_000
# Below this many shuffled values numpy is done before a compiler has been loaded.
_SMALL = 8_000_000
_LANES = 16


def draws(n: int, width: int, permutations: int, rng: np.random.Generator) -> Iterator[Ints]:
    """Yield tables of shape (width, rows), each column `width` distinct units in random order."""
    dense = width * (width - 1) > 4 * n  # then redrawing columns with repeats is wasteful
    rows = max(1, _TABLE // (n if dense else width))
    pieces = -(-permutations // rows)
    for piece, child in enumerate(spawn(rng, pieces)):
        count = min(rows, permutations - piece * rows)
        if dense:
            units = np.broadcast_to(np.arange(n), (count, n))
            yield np.ascontiguousarray(child.permuted(units, axis=1)[:, :width].T)
            continue
        table = child.integers(0, n, size=(width, count))
        again = np.arange(count)
        while again.size:
            ordered = np.sort(table[:, again].T, axis=1)
            again = again[(ordered[:, 1:] == ordered[:, :-1]).any(axis=1)]
            table[:, again] = child.integers(0, n, size=(width, again.size))
        yield table


def _tally(mask: NDArray[np.bool_]) -> Ints:
    """Count the true entries of each row."""
    return np.bitwise_count(np.packbits(mask, axis=1)).sum(axis=1, dtype=np.int64)


def _rank(ordered: Floats, values: Floats) -> Ints:
    """Entries of `ordered` below each value, as ``searchsorted`` but through a table of cells.

    Equal cells over the range of `ordered`, several to an entry, leave a step or two to do;
    where outliers crowd the rest into few cells a binary search is as good.
    """
    cells = 4 * ordered.size
    low, span = ordered[0], ordered[-1] - ordered[0]
    if values.size < cells or not span > 0:
        return np.searchsorted(ordered, values)
    scale = cells / span
    held = np.bincount(
        np.minimum((ordered - low) * scale, cells).astype(np.int64), minlength=cells + 1
    )
    if held.max() > 16:
        return np.searchsorted(ordered, values)
    # Entries in earlier cells are below; those in the value's own cell are compared one by one.
    before = np.concatenate([[0], np.cumsum(held)])
    cell = np.clip((values - low) * scale, 0, cells).astype(np.int64)
    rank, stop = before[cell], before[cell + 1]
    open_ = np.flatnonzero(stop > rank)
    while open_.size:
        here = rank[open_]
        passed = ordered[here] < values[open_]
        open_ = open_[passed]
        rank[open_] += 1
        open_ = open_[rank[open_] < stop[open_]]
    return rank


class ConditionalTails:
    """Draws at least as large (small) as observed, of each unit's local sum.

    The sum is ``sum_j w_ij x_j``, or ``sum_j w_ij (x_i - x_j)^2`` with `difference`. Sums
    nearer than their rounding count as tied, so equal sums of decimal values are equal. `lag`
    is ``sum_j w_ij x_j``.
    """

    def __init__(self, x: Floats, w: W, lag: Floats, *, difference: bool) -> None:
        self.x, self.w, self.difference = x, w, difference
        self.larger = np.zeros(w.n, dtype=np.int64)
        self.smaller = np.zeros(w.n, dtype=np.int64)
        cards = w.cardinalities
        self.even = ~np.isnan(w.row_value)
        looked = self.even & (not difference)
        # Number of neighbours among the units of each treatment, 0 for all other units.
        self.looked = np.where(looked, cards, 0)
        self.multiplied = np.where(looked, 0, cards)
        self.sizes = (np.flatnonzero(np.bincount(cards)[1:]) + 1).tolist()
        # Rounding of one term, in units of the sum of the absolute weights.
        largest = float(np.abs(x).max())
        self.blur = 16.0 * np.finfo(np.float64).eps * (4.0 * largest if difference else 1.0)
        self.blur *= largest
        with np.errstate(invalid="ignore", divide="ignore"):
            self.sums = lag / w.row_value

    def run(self, permutations: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Add up over all draws; zeros for isolates."""
        for table in draws(self.w.n, self.sizes[-1] + 1, permutations, rng):
            values = self.x[table]
            total, squares = np.zeros(table.shape[1]), np.zeros(table.shape[1])
            done = 0
            for k in self.sizes:
                for row in values[done:k]:
                    total += row
                    if self.difference:
                        squares += row * row
                done = k
                units = np.flatnonzero(self.looked == k)
                if units.size:
                    self._look_up(units, k, table, values, total)
                units = np.flatnonzero(self.multiplied == k)
                for even in (True, False):
                    part = units[self.even[units] == even]
                    if part.size:
                        features = self._features(even, k, values, total, squares)
                        self._multiply(part, even, k, table, values, features)
        return self.larger, self.smaller

    def _look_up(self, units: Ints, k: int, table: Ints, values: Floats, total: Floats) -> None:
        """Find each unit's sum of equally weighted values among the sorted sums drawn."""
        blur = self.blur * k
        low, high = self.sums[units] - blur, self.sums[units] + blur
        ordered = np.sort(total)
        below = _rank(ordered, low)
        upto = below.copy()
        tied = np.flatnonzero(ordered[np.minimum(below, ordered.size - 1)] <= high)
        upto[tied] = np.searchsorted(ordered, high[tied], side="right")
        self.larger[units] += ordered.size - below
        self.smaller[units] += np.maximum(upto, below)
        place, draw = np.nonzero(self.looked[table[:k]] == k)
        own = table[place, draw]
        old = total[draw]
        new = old - self.x[own] + values[k, draw]
        self._correct(own, old, new, self.sums[own] - blur, self.sums[own] + blur)

    def _features(
        self, even: bool, k: int, values: Floats, total: Floats, squares: Floats
    ) -> Floats:
        """Rows that, multiplied with :meth:`_coefficients`, give the sums of all draws."""
        if not self.difference:
            return values[:k]
        if even:
            return np.stack([squares, total])
        return np.concatenate([values[:k] ** 2, values[:k]])

    def _coefficients(self, units: Ints, even: bool, weights: Floats) -> tuple[Floats, Floats]:
        """Coefficients of the features, and the part of the sum that no draw changes."""
        if not self.difference:
            return weights, np.zeros(units.size)
        x = self.x[units]
        constant = weights.sum(axis=1) * x * x
        if even:
            return weights[:, :1] * np.stack([np.ones(x.size), -2.0 * x], axis=1), constant
        return np.concatenate([weights, -2.0 * x[:, None] * weights], axis=1), constant

    def _multiply(
        self, units: Ints, even: bool, k: int, table: Ints, values: Floats, features: Floats
    ) -> None:
        """Compare the sums of all units and draws with the observed ones, block by block."""
        position = np.full(self.w.n, -1)
        position[units] = np.arange(units.size)
        links = self.w.indptr[units].astype(np.int64)[:, None] + np.arange(k)
        weights = self.w.values[links]
        near = self.x[self.w.indices[links]]
        if self.difference:
            near = (self.x[units][:, None] - near) ** 2
        observed = np.einsum("ij,ij->i", weights, near)
        coefficients, constant = self._coefficients(units, even, weights)
        blur = self.blur * k * weights.sum(axis=1)
        low, high = observed - constant - blur, observed - constant + blur
        larger, smaller = np.zeros(units.size, np.int64), np.zeros(units.size, np.int64)
        for start in range(0, table.shape[1], _COLUMNS):
            columns = np.s_[:, start : start + _COLUMNS]
            drawn = np.ascontiguousarray(features[columns])
            for first in range(0, units.size, _BLOCK):
                rows = np.s_[first : first + _BLOCK]
                sums = coefficients[rows] @ drawn
                larger[rows] += _tally(sums >= low[rows, None])
                smaller[rows] += _tally(sums <= high[rows, None])
            # The few draws that hold the unit itself take their last entry instead of it.
            where = position[table[:k][columns]]
            place, draw = np.nonzero(where >= 0)
            own = where[place, draw]
            old = np.einsum("ij,ji->i", coefficients[own], drawn[:, draw])
            step = values[columns][k, draw] - self.x[units[own]]
            new = old + weights[own, place] * (step * step if self.difference else step)
            self._correct(units[own], old, new, low[own], high[own])
        self.larger[units] += larger
        self.smaller[units] += smaller

    def _correct(self, unit: Ints, old: Floats, new: Floats, low: Floats, high: Floats) -> None:
        """Count the corrected sums of draws that hold the unit itself, not the first ones."""
        change = (new >= low).astype(np.int64) - (old >= low)
        np.add.at(self.larger, unit, change)
        change = (new <= high).astype(np.int64) - (old <= high)
        np.add.at(self.smaller, unit, change)


def shuffles(values: NDArray[Any], count: int, rng: np.random.Generator) -> NDArray[Any]:
    """`count` independent shuffles of `values`, one a column, shape (n, count).

    Random words that end in a position are sorted, which vector instructions do in half the time
    of exchanges one by one. Two words whose random bits are equal keep their order: once in 10^10
    shuffles of 1,000 values.
    """
    n = values.size
    place = np.uint64(2 ** (n - 1).bit_length() - 1)
    words = rng.integers(0, 2**64, size=(count, n), dtype=np.uint64)
    words &= ~place
    words |= np.arange(n, dtype=np.uint64)
    words.sort(axis=1)
    words &= place
    return values[words.T.astype(np.intp, order="C")]


def shuffled(
    values: NDArray[Any], permutations: int, longest: int, rng: np.random.Generator
) -> Iterator[NDArray[Any]]:
    """Yield `permutations` shuffles in tables that stay in cache when `longest` rows are made."""
    count = max(8, _CACHED // longest)
    for piece, child in enumerate(spawn(rng, -(-permutations // count))):
        yield shuffles(values, min(count, permutations - piece * count), child)


@dataclass(frozen=True, eq=False)
class Form:
    """Coefficients of ``sum linear_i v_i + square_i v_i^2 + factor * sum_ij w_ij v_i v_j``."""

    w: W
    factor: float
    linear: Floats
    square: Floats

    def of(self, columns: Floats) -> Floats:
        """Value of the form for each column of values, shape (columns,)."""
        value = self.linear @ columns
        if self.square.any():
            value += self.square @ columns**2
        if self.factor:
            first, second, weights = self.w.pairs
            products = columns[first]
            products *= columns[second]
            value += self.factor * (weights @ products)
        return value


def shuffled_forms(
    values: Floats, form: Form, permutations: int, rng: np.random.Generator
) -> Floats:
    """Evaluate the form for `permutations` shuffles of `values`, shape (permutations,)."""
    n = values.size
    if n * permutations > _SMALL:
        return _compiled_forms(values, form, permutations, rng)
    longest = max(n, form.w.pairs[0].size if form.factor else 0)
    return np.concatenate([form.of(part) for part in shuffled(values, permutations, longest, rng)])


def _compiled_forms(
    values: Floats, form: Form, permutations: int, rng: np.random.Generator
) -> Floats:
    """As above for large problems, several shuffles at a time."""
    batches = -(-permutations // _LANES)
    seeds = spawn(rng, 1)[0].integers(0, 2**64, size=(batches, 4), dtype=np.uint64)
    out = np.empty((batches, _LANES))
    order, pairs = form.w.walk
    stops = pairs.indptr if form.factor else np.zeros_like(pairs.indptr)
    # Values of order one: single precision holds no square of a very large or small one.
    size = float(np.abs(values).max())
    single = (values / size, form.linear[order] / size, form.square[order])
    from pipeline.stats import _kernels

    _kernels.shuffled_forms(
        *(part.astype(np.float32) for part in single),
        stops,
        pairs.indices,
        (form.factor * pairs.data).astype(np.float32),
        seeds,
        out,
    )
    return size**2 * out.ravel()[:permutations]
