"""Close pairs of points, and their labels counted over many labellings at once.

Pairs within the largest radius are found once, sorted by distance bin. Then one of two kernels
sums them for every ordered pair of labels and every labelling: without weights as bits (a
machine word holds 64 labellings, counters are bit-sliced), with weights by addition.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.contracts.errors import InvalidArgument, TooFewUnits
from pipeline.stats._labels import Bools, Labellings, Labels, lazily, read_labels, read_strata
from pipeline.stats.inference import Floats, Ints, require_points

Places = NDArray[np.uint32]

MAX_PAIRS = 500_000_000
_WORDS = 8  # 512 labellings a block: one vector register of the widest machines
_COLUMNS = 64  # labellings a block where weights are added


def _spread(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Put a zero bit between the lowest 32 bits."""
    for shift, mask in (
        (16, 0x0000FFFF0000FFFF),
        (8, 0x00FF00FF00FF00FF),
        (4, 0x0F0F0F0F0F0F0F0F),
        (2, 0x3333333333333333),
        (1, 0x5555555555555555),
    ):
        values = (values | (values << np.uint64(shift))) & np.uint64(mask)
    return values


def _cells(xy: Floats, size: float) -> tuple[Ints, Ints]:
    low = xy.min(axis=0)
    cell = np.floor((xy - low) / size).astype(np.int64)
    return cell[:, 0], cell[:, 1]


def cell_size(xy: Floats, radius: float) -> float:
    """Side of the search cells: the radius, larger where that gave more cells than points."""
    extent = float(np.ptp(xy, axis=0).max())
    # A little wider than the radius: rounding must not put a pair two cells apart
    side = max(radius * (1.0 + 1e-9), extent / max(1.0, np.sqrt(len(xy))))
    return side if side > 0 else 1.0


def spatial_order(xy: Floats, size: float, *more: NDArray[Any]) -> Ints:
    """Order points along a Morton curve of cells, and by coordinates inside a cell.

    The order depends on where the points are and, where they coincide, on `more` that is known
    of them, not on how they came in. So results for one seed do not change when the rows of a
    table are shuffled.
    """
    column, row = _cells(xy, size)
    key = _spread(column.astype(np.uint64)) | (_spread(row.astype(np.uint64)) << np.uint64(1))
    return np.lexsort((*more, xy[:, 1], xy[:, 0], key))


def read_points(
    xy: ArrayLike,
    labels: Any,
    names: Sequence[Hashable] | None,
    strata: Any,
    reach: float,
    *more: NDArray[Any],
) -> tuple[Floats, Labels, Ints, Ints]:
    """Check points, labels and strata, and sort them for pairs up to `reach` apart.

    Returns
    -------
    points, labels, strata, order
        The first three in the order of :func:`spatial_order`, which is the fourth.
    """
    points = require_points(xy)
    n = len(points)
    if n < 2:
        raise TooFewUnits(f"xy: expected at least 2 points, found {n}")
    read = read_labels(labels, n, names)
    layers = read_strata(strata, n)
    order = spatial_order(points, cell_size(points, reach), *more, layers, read.codes)
    return points[order], read.take(order), layers[order], order


@lazily
def _scan(x, y, column, row, begin, end, radii, guess, places, first, second):  # type: ignore[no-untyped-def]
    """Visit pairs i < j within the last radius; count them by bin, and store them if asked to."""
    store = first.size > 0
    rows, columns = begin.shape
    reach = radii[-1]
    scale = (guess.size - 1) / reach if reach > 0 else 0.0
    for i in range(x.size):
        for cell_row in range(max(row[i] - 1, 0), min(row[i] + 2, rows)):
            for cell_column in range(max(column[i] - 1, 0), min(column[i] + 2, columns)):
                for j in range(
                    max(begin[cell_row, cell_column], i + 1), end[cell_row, cell_column]
                ):
                    dx = x[i] - x[j]
                    dy = y[i] - y[j]
                    d = np.sqrt(dx * dx + dy * dy)
                    if d <= reach:
                        bin_ = guess[int(d * scale)]
                        while d > radii[bin_]:
                            bin_ += 1
                        if store:
                            first[places[bin_]] = i
                            second[places[bin_]] = j
                        places[bin_] += 1


def close_pairs(xy: Floats, radii: Floats) -> tuple[Places, Places, Ints]:
    """Unordered pairs i < j with distance d <= radii[-1], sorted by bin.

    Parameters
    ----------
    xy : array of float, shape (n, 2)
        In the order of :func:`spatial_order` with the cell size of the last radius.
    radii : array of float, shape (b,)
        Increasing; bin 0 holds d <= radii[0], bin k radii[k-1] < d <= radii[k].

    Returns
    -------
    first, second : array of uint32, shape (pairs,)
    starts : array of int64, shape (b + 1,)
        Where each bin starts.
    """
    size = cell_size(xy, float(radii[-1]))
    column, row = _cells(xy, size)
    begin = np.zeros((int(row.max()) + 1, int(column.max()) + 1), dtype=np.int64)
    end = np.zeros_like(begin)
    change = np.flatnonzero(np.diff(column) | np.diff(row)) + 1
    starts = np.concatenate([[0], change])
    begin[row[starts], column[starts]] = starts
    end[row[starts], column[starts]] = np.concatenate([change, [len(xy)]])
    # A table from distance to the first bin that can hold it saves the search
    steps = 4096
    guess = np.searchsorted(radii, np.arange(steps + 1) * (radii[-1] / steps) * (1 - 1e-9))
    places = np.zeros(radii.size, dtype=np.int64)
    none = np.zeros(0, dtype=np.uint32)
    x, y = np.ascontiguousarray(xy[:, 0]), np.ascontiguousarray(xy[:, 1])
    arguments = (x, y, column, row, begin, end, radii, guess)
    _scan(*arguments, places, none, none)
    bins = np.concatenate([[0], np.cumsum(places)])
    pairs = int(bins[-1])
    if pairs > MAX_PAIRS:
        raise InvalidArgument(
            f"radii: expected at most {MAX_PAIRS:,} pairs of points within the largest radius, "
            f"found {pairs:,}. Use smaller radii"
        )
    first, second = np.empty(pairs, dtype=np.uint32), np.empty(pairs, dtype=np.uint32)
    if pairs:
        _scan(*arguments, bins[:-1].copy(), first, second)
    return first, second, bins


@dataclass(frozen=True)
class Events:
    """What is summed: links first -> second in groups (distance bins), maybe with weights.

    A symmetric set holds every unordered pair once and means both directions.
    """

    first: Places
    second: Places
    starts: Ints
    weight: Floats | None = None
    symmetric: bool = False

    @property
    def groups(self) -> int:
        """Number of groups."""
        return int(self.starts.size) - 1


@lazily
def _planes(rows, offsets, held, planes):  # type: ignore[no-untyped-def]
    """Set bit r of planes[p, a, word] where point p holds label a in labelling r."""
    draws, n = rows.shape
    one = np.uint64(1)
    for word in range((draws + 63) // 64):
        last = min(64, draws - 64 * word)
        for p in range(n):
            for bit in range(last):
                code = rows[64 * word + bit, p]
                for t in range(offsets[code], offsets[code + 1]):
                    planes[p, held[t], word] |= one << np.uint64(bit)


@lazily
def _count_bits(first, second, starts, left, right, out):  # type: ignore[no-untyped-def]
    """Count links by label pair for the 512 labellings of a block with bit-sliced counters.

    Carry-save adders take eight links at a time; their carries go up a scheduled ripple, so a
    link costs about one adder whatever the size of the count. The words of a block are copied
    side by side first: with few arrays in the inner loop the compiler can use vectors.
    """
    a_labels, b_labels = left.shape[1], right.shape[1]
    words = left.shape[2]  # 8; as a variable it keeps the compiler from unrolling first
    depth = 40
    ones = np.empty((a_labels * b_labels, depth * 8), np.uint64)
    held = np.empty((a_labels * b_labels, depth * 8), np.uint64)
    lefts = np.empty((a_labels, 64), np.uint64)
    rights = np.empty((b_labels, 64), np.uint64)
    carry = np.empty(8, np.uint64)
    nobody = np.uint32(left.shape[0] - 1)
    for group in range(starts.size - 1):
        begin, end = starts[group], starts[group + 1]
        if begin == end:
            continue
        for counter_ in range(ones.shape[0]):
            for place in range(8 * depth):
                ones[counter_, place] = 0
                held[counter_, place] = 0
        blocks = (end - begin + 7) // 8
        for block in range(blocks):
            for e in range(8):
                at = begin + 8 * block + e
                i = first[at] if at < end else nobody
                j = second[at] if at < end else nobody
                for a in range(a_labels):
                    for w in range(words):
                        lefts[a, 8 * e + w] = left[i, a, w]
                for b in range(b_labels):
                    for w in range(words):
                        rights[b, 8 * e + w] = right[j, b, w]
            for a in range(a_labels):
                x = lefts[a]
                for b in range(b_labels):
                    y = rights[b]
                    counter = ones[a * b_labels + b]
                    for w in range(words):
                        x0 = x[w] & y[w]
                        x1 = x[8 + w] & y[8 + w]
                        x2 = x[16 + w] & y[16 + w]
                        x3 = x[24 + w] & y[24 + w]
                        x4 = x[32 + w] & y[32 + w]
                        x5 = x[40 + w] & y[40 + w]
                        x6 = x[48 + w] & y[48 + w]
                        x7 = x[56 + w] & y[56 + w]
                        one = counter[w]
                        u = one ^ x0
                        two0 = (one & x0) | (u & x1)
                        u = u ^ x1
                        v = u ^ x2
                        two1 = (u & x2) | (v & x3)
                        v = v ^ x3
                        u = v ^ x4
                        two2 = (v & x4) | (u & x5)
                        u = u ^ x5
                        v = u ^ x6
                        two3 = (u & x6) | (v & x7)
                        counter[w] = v ^ x7
                        two = counter[8 + w]
                        u = two ^ two0
                        four0 = (two & two0) | (u & two1)
                        u = u ^ two1
                        v = u ^ two2
                        four1 = (u & two2) | (v & two3)
                        counter[8 + w] = v ^ two3
                        four = counter[16 + w]
                        u = four ^ four0
                        carry[w] = (four & four0) | (u & four1)
                        counter[16 + w] = u ^ four1
                    waiting = held[a * b_labels + b]
                    level = 24  # the words of eights start here
                    turn = block
                    while turn & 1:
                        for w in range(words):
                            one = counter[level + w]
                            two = waiting[level + w]
                            u = one ^ two
                            v = carry[w]
                            carry[w] = (one & two) | (u & v)
                            counter[level + w] = u ^ v
                            waiting[level + w] = 0
                        level += 8
                        turn >>= 1
                    for w in range(words):
                        waiting[level + w] = carry[w]
        top = 4
        while (1 << top) <= 8 * blocks:
            top += 1
        for a in range(a_labels):
            for b in range(b_labels):
                total = out[group, a, b]
                for level in range(top):
                    shift = np.uint64(level)
                    for w in range(words):
                        plain = ones[a * b_labels + b, 8 * level + w]
                        extra = held[a * b_labels + b, 8 * level + w]
                        for bit in range(64):
                            units = ((plain >> np.uint64(bit)) & np.uint64(1)) + (
                                (extra >> np.uint64(bit)) & np.uint64(1)
                            )
                            total[64 * w + bit] += np.int64(units << shift)


@lazily
def _add_weights(first, second, starts, weight, codes, kinds, out):  # type: ignore[no-untyped-def]
    """Add the weights of links by pair of label sets, for a block of labellings."""
    # Plain loops throughout: slices cost seconds of compiling
    draws = codes.shape[1]
    cells = kinds * kinds
    total = np.empty((draws, cells))
    for group in range(starts.size - 1):
        for r in range(draws):
            for c in range(cells):
                total[r, c] = 0.0
        for e in range(starts[group], starts[group + 1]):
            w = weight[e]
            i = first[e]
            j = second[e]
            for r in range(draws):
                total[r, codes[i, r] * kinds + codes[j, r]] += w
        for r in range(draws):
            for c in range(cells):
                out[r, group, c] = total[r, c]


def _bits(events: Events, block: NDArray[Any], left: Bools, right: Bools) -> Floats:
    """Sum over links for a block of labellings, shape (draws, groups, a, b)."""
    draws, n = block.shape

    def planes(sets: Bools) -> NDArray[np.uint64]:
        offsets = np.concatenate([[0], np.cumsum(sets.sum(axis=1))])
        # The last row stays empty: it fills up the last block of eight links
        out = np.zeros((n + 1, sets.shape[1], _WORDS), dtype=np.uint64)
        # One memory layout for any number of labels: another one would be compiled anew
        _planes(block, offsets, np.ascontiguousarray(np.nonzero(sets)[1]), out)
        return out

    first = planes(left)
    second = first if left is right else planes(right)
    shape = (events.groups, left.shape[1], right.shape[1], 64 * _WORDS)
    out = np.zeros(shape, dtype=np.int64)
    _count_bits(events.first, events.second, events.starts, first, second, out)
    if events.symmetric:
        if left is right:
            out = out + out.swapaxes(1, 2)
        else:
            other = np.zeros((shape[0], shape[2], shape[1], shape[3]), dtype=np.int64)
            _count_bits(events.first, events.second, events.starts, second, first, other)
            out = out + other.swapaxes(1, 2)
    return np.moveaxis(out[..., :draws], 3, 0).astype(np.float64)


def _sums(events: Events, block: NDArray[Any], left: Bools, right: Bools) -> Floats:
    draws, kinds = len(block), len(left)
    total = np.zeros((draws, events.groups, kinds * kinds))
    _add_weights(
        events.first,
        events.second,
        events.starts,
        events.weight,
        np.ascontiguousarray(block.T),
        kinds,
        total,
    )
    out = total.reshape(draws, events.groups, kinds, kinds)
    if events.symmetric:
        out = out + out.swapaxes(2, 3)
    return left.T.astype(np.float64) @ out @ right.astype(np.float64)


def label_sums(
    events: Events, draws: Labellings, left: Bools, right: Bools, workers: int = 1
) -> Floats:
    """Sum links from label a to label b for the observed and every random labelling.

    Parameters
    ----------
    events : Events
    draws : Labellings
        Codes in the point order that `events` refers to.
    left, right : array of bool, shape (s, a) and (s, b)
        Which labels each label set holds, on either side of a link.
    workers : int
        Threads; the result does not depend on it.

    Returns
    -------
    array of float, shape (1 + permutations, groups, a, b)
        Row 0 is the observed labelling. Without weights the sums are exact counts.
    """
    weighted = events.weight is not None
    sum_block = _sums if weighted else _bits
    out = np.empty((draws.total, events.groups, left.shape[1], right.shape[1]))

    def work(span: tuple[int, int]) -> None:
        out[span[0] : span[1]] = sum_block(events, draws.block(*span), left, right)

    spans = list(draws.blocks(_COLUMNS if weighted else 64 * _WORDS))
    if workers > 1 and len(spans) > 1:
        work(spans[0])  # compiles; two threads compiling at once would only wait for each other
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, spans[1:]))
    else:
        for span in spans:
            work(span)
    return out
