"""Compiled loops over shuffled values. Import only where used: numba takes time to load."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.stats.compiled import jit

_WORD = np.uint64


@jit()
def shuffle(items: Any, state: Any) -> None:
    """Shuffle in place after Fisher and Yates, driven by xoshiro256++ (Blackman & Vigna 2021).

    `state` are four random words, moved on. Bounded numbers are drawn without bias by
    multiplication (Lemire 2019).
    """
    a, b, c, d = state[0], state[1], state[2], state[3]
    for i in range(items.size - 1, 0, -1):
        bound = _WORD(i + 1)
        low = _WORD(0)
        threshold = _WORD(1)
        product = _WORD(0)
        while low < threshold:
            total = a + d
            result = ((total << _WORD(23)) | (total >> _WORD(41))) + a
            shifted = b << _WORD(17)
            c ^= a
            d ^= b
            b ^= c
            a ^= d
            c ^= shifted
            d = (d << _WORD(45)) | (d >> _WORD(19))
            product = (result >> _WORD(32)) * bound
            low = product & _WORD(0xFFFFFFFF)
            threshold = _WORD(0)
            if low < bound:
                threshold = (_WORD(0x100000000) - bound) % bound
        j = np.int64(product >> _WORD(32))
        items[i], items[j] = items[j], items[i]
    state[0], state[1], state[2], state[3] = a, b, c, d


@jit(fastmath=True)
def shuffled_forms(
    values: Any,
    linear: Any,
    square: Any,
    indptr: Any,
    indices: Any,
    weights: Any,
    seeds: Any,
    out: Any,
) -> None:
    """Evaluate ``sum linear v + square v^2 + w v v`` for many shuffles a row of `seeds`.

    All but `out` in single precision: its rounding is far below the spread of the sums, which
    add up in double precision.
    """
    n = values.size
    lanes = out.shape[1]
    # Shuffles side by side: a link costs one cache line for sixteen of them.
    shuffles = np.empty((lanes, n), np.float32)
    t = np.empty((n, lanes), np.float32)
    around = np.empty(lanes, np.float32)
    total = np.empty(lanes)
    for batch in range(seeds.shape[0]):
        state = seeds[batch].copy()
        for lane in range(lanes):
            shuffles[lane] = values
            shuffle(shuffles[lane], state)
        for start in range(0, n, 64):
            for lane in range(lanes):
                for i in range(start, min(start + 64, n)):
                    t[i, lane] = shuffles[lane, i]
        for lane in range(lanes):
            total[lane] = 0.0
        for i in range(n):
            for lane in range(lanes):
                around[lane] = linear[i] + square[i] * t[i, lane]
            for link in range(indptr[i], indptr[i + 1]):
                j = indices[link]
                for lane in range(lanes):
                    around[lane] += weights[link] * t[j, lane]
            for lane in range(lanes):
                total[lane] += around[lane] * t[i, lane]
        for lane in range(lanes):
            out[batch, lane] = total[lane]


@jit()
def shuffled_joins(
    codes: Any, categories: int, first: Any, second: Any, weights: Any, seeds: Any, out: Any
) -> None:
    """Add up the weights of each ordered pair of categories for one shuffle a row of `seeds`."""
    for draw in range(seeds.shape[0]):
        labels = codes.copy()
        shuffle(labels, seeds[draw])
        for link in range(first.size):
            pair = labels[first[link]] * categories + labels[second[link]]
            out[draw, pair] += weights[link]
