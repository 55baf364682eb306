"""Labels of points, and the random labellings that permute them.

A point holds a set of labels: one, several or none. Two points with the same set are the same
to every statistic here, so a labelling is stored as one small code a point (which distinct set
it holds) and a random labelling is a shuffle of codes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.errors import InvalidArgument, UndefinedStatistic
from pipeline.stats.compiled import jit
from pipeline.stats.inference import arrangements, require_attainable, require_rng

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Codes = NDArray[Any]  # small unsigned integers


def lazily(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` when it is first called, so that importing it costs nothing."""

    @functools.cache
    def kernel() -> Any:
        return jit()(function)

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return kernel()(*arguments)

    return call


@dataclass(frozen=True)
class Labels:
    """Labels of n points: m names, s distinct label sets, one set a point.

    Parameters
    ----------
    names : tuple of hashable, length m
    codes : array of uint8 or uint16, shape (n,)
        Which row of `sets` each point holds.
    sets : array of bool, shape (s, m)
    """

    names: tuple[Any, ...]
    codes: Codes
    sets: Bools

    @property
    def n(self) -> int:
        """Number of points."""
        return int(self.codes.size)

    @property
    def members(self) -> Bools:
        """Membership matrix, shape (n, m)."""
        return self.sets[self.codes]

    @functools.cached_property
    def counts(self) -> Ints:
        """Points holding each label, shape (m,)."""
        return np.bincount(self.codes, minlength=len(self.sets)).astype(np.int64) @ self.sets

    @functools.cached_property
    def shared(self) -> Ints:
        """Points holding both labels of each pair, shape (m, m)."""
        size = np.bincount(self.codes, minlength=len(self.sets)).astype(np.int64)
        return (self.sets.T * size) @ self.sets

    def position(self, name: Hashable) -> int:
        """Return the place of a label, or say which labels there are."""
        try:
            return self.names.index(name)
        except ValueError:
            shown = ", ".join(map(repr, self.names[:10]))
            raise InvalidArgument(f"label: expected one of {shown}, found {name!r}") from None

    def only(self, names: Sequence[Hashable]) -> Labels:
        """Return the same points with the labels `names` alone."""
        columns = [self.position(name) for name in names]
        return _distinct(tuple(self.names[c] for c in columns), self.members[:, columns])

    def take(self, order: Ints) -> Labels:
        """Return the points in another order, or some of them."""
        return Labels(self.names, self.codes[order], self.sets)


def _distinct(names: tuple[Any, ...], members: Bools) -> Labels:
    packed = np.packbits(members, axis=1)
    rows = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, codes = np.unique(rows, return_index=True, return_inverse=True)
    if first.size > np.iinfo(np.uint16).max:
        raise InvalidArgument(
            f"labels: expected at most 65,535 different label sets, found {first.size}"
        )
    small = np.uint8 if first.size <= 256 else np.uint16  # shuffling is bound by cache
    return Labels(names, codes.astype(small), members[first])


def _in_order(values: set[Any]) -> list[Any]:
    """Sort labels where they can be compared, else by type and text."""
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=lambda value: (type(value).__name__, str(value)))


def _is_missing(value: Any) -> bool:
    return value is None or bool(value != value)


def read_labels(
    labels: Any, n: int, names: Sequence[Hashable] | None = None, *, least: int = 2
) -> Labels:
    """Read one label a point, a set of labels a point, or an (n, m) membership matrix.

    Parameters
    ----------
    labels : sequence of hashable, sequence of sets, or array of bool of shape (n, m)
        A boolean data frame gives the names by its columns.
    n : int
        Number of points.
    names : sequence of hashable, optional
        Names of the columns of a membership matrix; 0 ... m-1 when missing.
    least : int
        Fewest different labels that make sense.

    Raises
    ------
    InvalidArgument
        Wrong length or shape, missing label, matrix not boolean, names that do not fit.
    UndefinedStatistic
        Fewer than `least` different labels, or a label that no point holds.
    """
    if names is None and hasattr(labels, "columns"):
        names = list(labels.columns)
    if getattr(labels, "ndim", 1) == 2:
        read = _from_matrix(np.asarray(labels), n, names)
    else:
        if names is not None:
            raise InvalidArgument("names: expected only together with a membership matrix")
        read = _from_sequence(labels, n)
    kinds = int((np.bincount(read.codes, minlength=len(read.sets)) > 0).sum())
    if len(read.names) < least and kinds < least:
        raise UndefinedStatistic(
            f"labels: expected at least {least} different labels, found {list(read.names)!r}; "
            "with one label nothing can be compared or permuted"
        )
    if not read.counts.all():
        unused = read.names[int(np.argmin(read.counts))]
        raise UndefinedStatistic(f"labels: expected every label on some point, {unused!r} on none")
    return read


def _from_matrix(matrix: NDArray[Any], n: int, names: Sequence[Hashable] | None) -> Labels:
    if matrix.dtype != np.bool_:
        raise InvalidArgument(f"labels: expected a boolean membership matrix, found {matrix.dtype}")
    if matrix.shape[0] != n or matrix.shape[1] == 0:
        raise InvalidArgument(f"labels: expected shape ({n}, m > 0), found {matrix.shape}")
    chosen = tuple(range(matrix.shape[1]) if names is None else names)
    if len(chosen) != matrix.shape[1] or len(set(chosen)) != len(chosen):
        raise InvalidArgument(
            f"names: expected {matrix.shape[1]} different names, found {list(chosen)!r:.80}"
        )
    return _distinct(chosen, matrix)


def _from_sequence(labels: Any, n: int) -> Labels:
    values = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
    if len(values) != n:
        raise InvalidArgument(f"labels: expected {n} (one per point), found {len(values)}")
    collections = (set, frozenset, list, tuple)
    nested = sum(isinstance(value, collections) for value in values)
    if nested not in (0, n):
        raise InvalidArgument(
            "labels: expected either one label or one set of labels for every point, found "
            f"{nested} sets among {n}"
        )
    held = values if nested else [(value,) for value in values]
    missing = next((i for i, some in enumerate(held) for v in some if _is_missing(v)), None)
    if missing is not None:
        raise InvalidArgument(f"labels: expected a label at position {missing}, found none")
    unique = _in_order({value for some in held for value in some})
    if not unique:
        raise UndefinedStatistic("labels: expected at least one label, found only empty sets")
    place = {value: column for column, value in enumerate(unique)}
    members = np.zeros((n, len(unique)), dtype=np.bool_)
    rows = np.repeat(np.arange(n), [len(some) for some in held])
    members[rows, [place[value] for some in held for value in some]] = True
    return _distinct(tuple(unique), members)


class Table(np.ndarray):
    """Values by label, or by ordered pair of labels: a read-only array that knows its labels.

    ``table[a, b]`` looks up labels; anything else indexes as in numpy, except that whole numbers
    are never taken as positions where labels are whole numbers.

    Parameters
    ----------
    labels : tuple of hashable, length m
    values : array, shape (m,) or (m, m)

    Examples
    --------
    >>> t = Table(("dye", "print"), np.array([[1.0, 2.0], [3.0, 4.0]]))
    >>> float(t["dye", "print"]), t.shape, t[0].tolist()
    (2.0, (2, 2), [1.0, 2.0])
    """

    labels: tuple[Any, ...] | None

    def __new__(cls, labels: Sequence[Any], values: Any) -> Table:
        """Copy `values` and tie them to `labels`."""
        table = np.array(values).view(cls)
        table.labels = tuple(labels)
        table.flags.writeable = False
        return table

    def __array_finalize__(self, source: Any) -> None:
        self.labels = None  # a part or a product has lost its labels

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return array[()] if return_scalar else np.asarray(array)

    def __repr__(self) -> str:
        return f"Table({self.labels!r}, {np.asarray(self)!r})"

    def __str__(self) -> str:
        return str(np.asarray(self))

    def __reduce__(self) -> Any:
        return Table, (self.labels or (), np.asarray(self))

    def __getitem__(self, key: Any) -> Any:
        plain = np.asarray(self)
        if self.labels is None:
            return plain[key]
        parts = key if isinstance(key, tuple) and self.ndim > 1 else (key,)
        if len(parts) == self.ndim and all(_is_label(part) for part in parts):
            places = [self.labels.index(part) for part in parts if part in self.labels]
            if len(places) == self.ndim:
                return plain[tuple(places)]
            numbered = any(isinstance(label, (int, np.integer)) for label in self.labels)
            if numbered or not all(isinstance(part, (int, np.integer)) for part in parts):
                shown = ", ".join(map(repr, self.labels[:10]))
                raise KeyError(f"expected labels among {shown}, found {key!r}")
        return plain[key]


def _is_label(part: Any) -> bool:
    return isinstance(part, Hashable) and not isinstance(part, (slice, type(None), type(...)))


def read_strata(strata: Any, n: int, name: str = "strata") -> Ints:
    """Return a number a point for the values of a category; zeros when there are none."""
    if strata is None:
        return np.zeros(n, dtype=np.int64)
    values = strata.tolist() if isinstance(strata, np.ndarray) else list(strata)
    if len(values) != n:
        raise InvalidArgument(f"{name}: expected {n} (one per unit), found {len(values)}")
    if any(_is_missing(value) for value in values):
        raise InvalidArgument(f"{name}: expected a value for every unit, found a missing one")
    place = {value: number for number, value in enumerate(_in_order(set(values)))}
    return np.array([place[value] for value in values], dtype=np.int64)


@lazily
def _shuffle(codes, order, starts, seeds, row, out):  # type: ignore[no-untyped-def]
    """Fisher-Yates within strata, one SplitMix64 stream a labelling (Steele et al. 2014)."""
    n = codes.size
    gamma = np.uint64(0x9E3779B97F4A7C15)
    low = np.uint64(0xFFFFFFFF)
    for r in range(seeds.size):
        state = seeds[r]
        for p in range(n):
            row[p] = codes[order[p]]
        for s in range(starts.size - 1):
            begin = starts[s]
            for last in range(starts[s + 1] - begin - 1, 0, -1):
                bound = np.uint64(last + 1)
                while True:
                    state += gamma
                    z = state
                    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                    z = z ^ (z >> np.uint64(31))
                    product = (z >> np.uint64(32)) * bound
                    # Lemire (2019): reject the few values that would make some picks likelier
                    if (product & low) >= bound:
                        break
                    if (product & low) >= (low - bound + np.uint64(1)) % bound:
                        break
                pick = begin + np.int64(product >> np.uint64(32))
                row[pick], row[begin + last] = row[begin + last], row[pick]
        for p in range(n):
            out[r, order[p]] = row[p]


@dataclass(frozen=True)
class Labellings:
    """The observed labelling and random ones, drawn in blocks that any worker may compute.

    Labelling 0 is the observed one. Labelling r > 0 depends on its own seed only, so neither the
    size nor the order of blocks changes it.
    """

    codes: NDArray[Any]
    order: Ints
    starts: Ints
    seeds: NDArray[np.uint64]

    @property
    def total(self) -> int:
        """Number of labellings, the observed one included."""
        return int(self.seeds.size) + 1

    def block(self, begin: int, end: int) -> NDArray[Any]:
        """Codes of labellings `begin` ... `end` - 1, shape (end - begin, n)."""
        out = np.empty((end - begin, self.codes.size), dtype=self.codes.dtype)
        skip = 1 if begin == 0 else 0
        if skip:
            out[0] = self.codes
        seeds = self.seeds[begin + skip - 1 : end - 1]
        if seeds.size:
            row = np.empty_like(self.codes)
            _shuffle(self.codes, self.order, self.starts, seeds, row, out[skip:])
        return out

    def blocks(self, size: int) -> Iterator[tuple[int, int]]:
        """Begin and end of each block of at most `size` labellings."""
        return ((i, min(i + size, self.total)) for i in range(0, self.total, size))


def labellings(
    codes: NDArray[Any], strata: Ints, permutations: int, rng: np.random.Generator | None
) -> Labellings:
    """Prepare `permutations` random labellings within strata.

    Raises
    ------
    InvalidArgument
        Permutations without a generator.
    TooFewUnits
        So few arrangements that p = 0.05 is out of reach.
    """
    require_rng(rng, permutations)
    seeds = np.zeros(0, dtype=np.uint64)
    if permutations:
        assert rng is not None
        require_attainable(arrangements(codes, strata))
        seeds = rng.integers(0, 2**64, size=permutations, dtype=np.uint64)
    order = np.argsort(strata, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(strata))]).astype(np.int64)
    return Labellings(codes, order, starts, seeds)


def null_in_words(strata: Any) -> str:
    """State the random labelling null."""
    within = "" if strata is None else " within strata"
    return (
        f"random labelling: the label sets of all points are permuted over the fixed points{within}"
    )
