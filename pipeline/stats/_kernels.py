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
    factor: Any,
    linear: Any,
    square: Any,
    indptr: Any,
    indices: Any,
    weights: Any,
    seeds: Any,
    out: Any,
) -> None:
    """Evaluate ``sum linear v + square v^2 + factor w v v`` for eight shuffles a row of `seeds`."""
    n = values.size
    # Eight shuffles side by side: a link costs one cache line for all of them.
    shuffles = np.empty((8, n))
    t = np.empty((n, 8))
    for batch in range(seeds.shape[0]):
        state = seeds[batch].copy()
        for lane in range(8):
            shuffles[lane] = values
            shuffle(shuffles[lane], state)
        for i in range(n):
            for lane in range(8):
                t[i, lane] = shuffles[lane, i]
        s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
        for i in range(n):
            a = linear[i]
            b = square[i]
            r0 = a + b * t[i, 0]
            r1 = a + b * t[i, 1]
            r2 = a + b * t[i, 2]
            r3 = a + b * t[i, 3]
            r4 = a + b * t[i, 4]
            r5 = a + b * t[i, 5]
            r6 = a + b * t[i, 6]
            r7 = a + b * t[i, 7]
            for link in range(indptr[i], indptr[i + 1]):
                w = factor * weights[link]
                j = indices[link]
                r0 += w * t[j, 0]
                r1 += w * t[j, 1]
                r2 += w * t[j, 2]
                r3 += w * t[j, 3]
                r4 += w * t[j, 4]
                r5 += w * t[j, 5]
                r6 += w * t[j, 6]
                r7 += w * t[j, 7]
            s0 += r0 * t[i, 0]
            s1 += r1 * t[i, 1]
            s2 += r2 * t[i, 2]
            s3 += r3 * t[i, 3]
            s4 += r4 * t[i, 4]
            s5 += r5 * t[i, 5]
            s6 += r6 * t[i, 6]
            s7 += r7 * t[i, 7]
        out[batch, 0] = s0
        out[batch, 1] = s1
        out[batch, 2] = s2
        out[batch, 3] = s3
        out[batch, 4] = s4
        out[batch, 5] = s5
        out[batch, 6] = s6
        out[batch, 7] = s7


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
