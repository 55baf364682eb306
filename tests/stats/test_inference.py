"""Shared inference: exact p-values, false discovery rates, floors and seeds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipeline.contracts.errors import InvalidArgument, TooFewUnits
from pipeline.stats import autocorrelation, inference, weights


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_hypergeometric_tails_as_in_scipy(data):
    population = data.draw(st.integers(1, 60))
    marked, draws = (data.draw(st.integers(0, population)) for _ in range(2))
    low, high = max(0, draws - (population - marked)), min(marked, draws)
    x = np.arange(low, high + 1)
    law = stats.hypergeom(population, marked, draws)
    p = inference.hypergeometric_p(x, population, marked, draws)
    np.testing.assert_allclose(p.upper, law.sf(x - 1), rtol=1e-9)
    np.testing.assert_allclose(p.lower, law.cdf(x), rtol=1e-9)
    np.testing.assert_allclose(p.two_sided, np.minimum(1, 2 * np.minimum(p.upper, p.lower)))
    f = law.pmf(x)
    np.testing.assert_allclose(
        p.mid, np.minimum(1, 2 * np.minimum(p.upper - f / 2, p.lower - f / 2)), atol=1e-12
    )


def test_hypergeometric_of_a_large_population():
    p = inference.hypergeometric_p([9], 1_000_000, [3_000], [10])
    assert p.upper[0] == pytest.approx(stats.hypergeom(1_000_000, 3_000, 10).sf(8), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(0, 4))
def test_permutation_p_and_mid_p_by_definition(draws, observed):
    values = np.array([observed, *draws])  # the observed value is one of the draws
    upper, lower, same = ((values >= observed), (values <= observed), (values == observed))
    counts = upper[1:].sum(), lower[1:].sum(), len(draws)
    tail = min(upper.mean(), lower.mean())
    assert inference.p_from_counts(*counts) == pytest.approx(min(1, 2 * tail))
    middle = min(1, 2 * (tail - same.mean() / 2))
    assert inference.mid_p_from_counts(*counts) == pytest.approx(middle)


@pytest.mark.parametrize("case", [(3, 5, 2, 4), (-1, 5, 2, 2), (0, 5, 6, 2), (0, 5, 2, 6)])
def test_counts_no_draw_can_give_are_refused(case):
    with pytest.raises(InvalidArgument, match="a draw of this size"):
        inference.hypergeometric_p(*case)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.floats(0, 1), st.just(np.nan), st.just(0.25)), max_size=30))
def test_adjusted_as_by_definition(values):
    p = np.array(values)
    tested = p[~np.isnan(p)]
    ranked = np.sort(tested)
    m = ranked.size
    for method, factor in (("bh", 1.0), ("by", sum(1 / k for k in range(1, m + 1)))):
        q, family = inference.adjust(p, method)
        assert family == m
        slow = [
            min(1.0, min(factor * m * ranked[k] / (k + 1) for k in range(m) if ranked[k] >= v))
            for v in tested
        ]
        np.testing.assert_allclose(q[~np.isnan(p)], slow)
        assert np.isnan(q[np.isnan(p)]).all()


def test_wrong_p_values_are_refused():
    for p in ([-0.1], [1.1]):
        with pytest.raises(InvalidArgument, match=r"\[0, 1\]"):
            inference.adjust(p)
    with pytest.raises(InvalidArgument, match="'bh' or 'by'"):
        inference.adjust([0.5], "holm")


def test_permutation_p_counts_ties_in_both_tails_and_stays_at_or_below_one():
    assert inference.p_from_counts(60, 60, 99) == 1.0
    np.testing.assert_allclose(inference.p_from_counts([0, 5], [99, 94], 99), [0.02, 0.12])


def test_arrangements_and_their_floor():
    assert inference.arrangements([1, 2, 3, 4]) == pytest.approx(24)
    assert inference.arrangements(np.arange(500)) == math.inf
    inference.require_attainable(40)
    with pytest.raises(TooFewUnits, match="at least 40"):
        inference.require_attainable(39)


def test_normal_p():
    np.testing.assert_allclose(
        inference.p_from_z([-1.5, 0.3, 9.0]), 2 * stats.norm.sf([1.5, 0.3, 9.0]), rtol=1e-12
    )


def test_seed_describes_generator_and_children():
    rng = np.random.default_rng(3)
    before = inference.seed_of(rng)
    inference.spawn(rng, 4)
    assert before == "PCG64(entropy=3, spawn_key=(), children=0)"
    assert inference.seed_of(rng) == "PCG64(entropy=3, spawn_key=(), children=4)"
    assert inference.seed_of(None) is None


def test_pooled_family():
    rng = np.random.default_rng(1)
    w = weights.knn(rng.random((40, 2)), 4)
    results = [autocorrelation.local_moran(rng.random(40), w, 999, rng) for _ in range(3)]
    pooled = inference.pool(results)
    q, family = inference.adjust(np.concatenate([r.p for r in results]))
    assert family == 120
    for k, result in enumerate(pooled):
        assert result.family == 120
        np.testing.assert_array_equal(result.q, q[40 * k : 40 * (k + 1)])
        np.testing.assert_array_equal(result.p_permutation, results[k].p_permutation)
    with pytest.raises(InvalidArgument, match="at least one"):
        inference.pool([])
