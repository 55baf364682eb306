"""Lattice statistics by hand, by complete enumeration, and under moves that change nothing."""

from itertools import combinations, permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts.errors import InvalidArgument, TooFewUnits, UndefinedStatistic
from pipeline.stats import autocorrelation as ac
from pipeline.stats import weights

GLOBAL = [ac.moran, ac.geary, ac.getis_ord_g]
LOCAL = [ac.local_moran, ac.local_geary, ac.local_g]


def path(n):
    return weights.from_pairs(n, np.arange(n - 1), np.arange(1, n), both_ways=True)


def random_weights(rng, n, share=0.4, equal=False):
    matrix = np.where(rng.random((n, n)) < share, 1.0 if equal else rng.random((n, n)) + 0.1, 0.0)
    np.fill_diagonal(matrix, 0.0)
    matrix[0, 1] = 1.0  # never without a link
    return weights.from_pairs(n, *np.nonzero(matrix), matrix[np.nonzero(matrix)])


def rng(seed=1):
    return np.random.default_rng(seed)


# --- by hand: a path of five units valued 1, 2, 3, 4, 9 (mean 3.8, deviations -2.8 ... 5.2)

Y = np.array([1.0, 2.0, 3.0, 4.0, 9.0])
Z2 = 2.8**2 + 1.8**2 + 0.8**2 + 0.2**2 + 5.2**2
CROSS = 2.8 * 1.8 + 1.8 * 0.8 - 0.8 * 0.2 + 0.2 * 5.2


def test_moran_by_hand():
    assert ac.moran(Y, path(5), 0).statistic == pytest.approx(5 / 8 * 2 * CROSS / Z2)
    assert ac.moran(Y, path(5), 0).expected == -0.25


def test_geary_by_hand():
    assert ac.geary(Y, path(5), 0).statistic == pytest.approx(4 / 16 * 2 * (1 + 1 + 1 + 25) / Z2)


def test_getis_ord_by_hand():
    joined = 2 * (1 * 2 + 2 * 3 + 3 * 4 + 4 * 9)
    everything = 19**2 - (1 + 4 + 9 + 16 + 81)
    result = ac.getis_ord_g(Y, path(5), 0)
    assert result.statistic == pytest.approx(joined / everything)
    assert result.expected == pytest.approx(8 / 20)


def test_local_moran_by_hand_with_an_isolate():
    w = weights.from_pairs(6, [0, 1, 1], [1, 0, 2])
    y = np.array([1.0, 2, 3, 4, 9, 5])
    z = y - 4.0
    m2 = (z**2).sum() / 6
    result = ac.local_moran(y, w, 0)
    expected = [z[0] * z[1] / m2, z[1] * (z[0] + z[2]) / m2]
    np.testing.assert_allclose(result.statistic[:2], expected)
    assert np.isnan(result.statistic[2:]).all()
    assert result.quadrant.tolist() == [3, 3, 0, 0, 0, 0]
    assert result.isolates.tolist() == [2, 3, 4, 5]
    assert result.family == 2


def test_local_geary_by_hand():
    m2 = Z2 / 5
    np.testing.assert_allclose(
        ac.local_geary(Y, path(5), 0).statistic, np.array([1, 2, 2, 26, 25]) / m2
    )


def test_local_g_by_hand():
    g = ac.local_g(Y, path(5), permutations=0)
    np.testing.assert_allclose(g.statistic, [2 / 18, 4 / 17, 6 / 16, 12 / 15, 4 / 10])
    star = ac.local_g(Y, path(5), star=True, permutations=0)
    np.testing.assert_allclose(star.statistic, np.array([3, 6, 9, 16, 13]) / 19)
    # z of the middle by the formula of Ord and Getis (1995), eq. 5
    s2 = Z2 / 5
    z = (9 - 3 * 3.8) / np.sqrt(s2 * (5 * 3 - 9) / 4)
    assert star.z[2] == pytest.approx(z)


def test_star_weighs_the_unit_as_its_neighbours():
    row = ac.local_g(Y, path(5).row_standardised(), star=True, permutations=0)
    np.testing.assert_allclose(row.statistic, np.array([1.5, 2, 3, 16 / 3, 6.5]) / 19)
    w = weights.from_pairs(5, [0, 0, 1], [1, 2, 0], [2.0, 0.5, 3.0])
    heavy = ac.local_g(Y, w, star=True, permutations=0)
    np.testing.assert_allclose(heavy.statistic[:2], np.array([2 * 1 + 4 + 1.5, 3 * 2 + 3]) / 19)
    assert np.isnan(heavy.statistic[2:]).all()


def test_join_counts_by_hand():
    # a a b   joins: 0-1 0-3 1-2 1-4 2-5 3-4 4-5
    # b b c
    w = weights.from_pairs(6, [0, 0, 1, 1, 2, 3, 4], [1, 3, 2, 4, 5, 4, 5], both_ways=True)
    result = ac.join_counts(list("aabbbc"), w, 0)
    assert result.counts == {
        ("a", "a"): 1, ("a", "b"): 3, ("a", "c"): 0, ("b", "b"): 1, ("b", "c"): 2, ("c", "c"): 0,
    }  # fmt: skip
    assert result.counts["b", "a"] == 3
    assert result.unlike == 5
    assert sum(result.counts.values()) == 7
    assert result.expected["a", "b"] == pytest.approx(7 * 2 * 2 * 3 / 30)
    with pytest.raises(KeyError):
        result.counts["a", "z"]


def test_local_join_counts_by_hand():
    result = ac.local_join_counts([1, 1, 0, 1, 0, 0], path(6))
    assert result.statistic.tolist() == [1, 1, 0, 0, 0, 0]
    # Unit 0: one neighbour, two of the five others marked. Unit 1: two neighbours.
    np.testing.assert_allclose(result.exact.upper[:2], [2 / 5, 1 - 3 / 10])
    np.testing.assert_allclose(result.exact.lower[3], 3 / 10)
    np.testing.assert_allclose(result.exact.mid[3], 3 / 10)
    assert np.isnan(result.p[[2, 4, 5]]).all()
    assert result.family == 3


# --- complete enumeration


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("statistic", GLOBAL)
def test_global_moments_are_exact(statistic, seed):
    source = rng(seed)
    w, y = random_weights(source, 6), source.random(6) ** 3 + 0.1
    result = statistic(y, w, 0)
    every = np.array(
        [statistic(y[list(order)], w, 0).statistic for order in permutations(range(6))]
    )
    assert result.expected == pytest.approx(every.mean(), rel=1e-10)
    assert result.variance == pytest.approx(every.var(), rel=1e-8)


def test_bivariate_moments_are_exact():
    source = rng(3)
    w, x, y = random_weights(source, 6), source.random(6), source.random(6)
    result = ac.moran_bivariate(x, y, w, 0)
    every = [ac.moran_bivariate(x, y[list(o)], w, 0).statistic for o in permutations(range(6))]
    assert result.expected == pytest.approx(np.mean(every), abs=1e-12)
    assert result.variance == pytest.approx(np.var(every), rel=1e-9)


@pytest.mark.parametrize("labels", ["aabbcc", "aaaabb", "abcdef", "abbbbc"])
def test_join_moments_are_exact(labels):
    w = random_weights(rng(4), 6)
    result = ac.join_counts(list(labels), w, 0)
    every = [ac.join_counts(list(order), w, 0) for order in set(permutations(labels))]
    for pair in result.counts:
        counts = [e.counts[pair] for e in every]
        assert result.expected[pair] == pytest.approx(np.mean(counts), abs=1e-12)
        assert result.variance[pair] == pytest.approx(np.var(counts), abs=1e-9)
    assert result.unlike_expected == pytest.approx(np.mean([e.unlike for e in every]))
    assert result.unlike_variance == pytest.approx(np.var([e.unlike for e in every]), abs=1e-9)


def conditional(statistic, y, w, unit):
    """The statistic of one unit for every arrangement of the other values."""
    others = [u for u in range(y.size) if u != unit]
    found = []
    for order in permutations(others):
        moved = y.copy()
        moved[others] = y[list(order)]
        found.append(statistic(moved, w, permutations=0).statistic[unit])
    return np.array(found)


@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize("statistic", LOCAL)
def test_local_moments_and_p_are_those_of_all_arrangements(statistic, equal):
    source = rng(11)
    w, y = random_weights(source, 7, equal=equal), source.integers(1, 6, 7).astype(float)
    draws = 60_000
    result = statistic(y, w, permutations=draws, rng=rng(2))
    for unit in np.flatnonzero(w.cardinalities)[:4]:
        every = conditional(statistic, y, w, unit)
        assert result.expected[unit] == pytest.approx(every.mean(), rel=1e-9)
        assert result.variance[unit] == pytest.approx(every.var(), rel=1e-8, abs=1e-20)
        here = result.statistic[unit]
        tails = (every >= here - 1e-9).mean(), (every <= here + 1e-9).mean()
        exact = min(1.0, 2 * min(tails))
        # 4.5 standard errors of twice a proportion
        assert abs(result.p_permutation[unit] - exact) < 9 * np.sqrt(0.25 / draws)


def test_bivariate_local_p_is_that_of_all_arrangements_of_y():
    source = rng(12)
    w, x, y = random_weights(source, 7), source.random(7), source.random(7)
    result = ac.local_moran_bivariate(x, y, w, 60_000, rng(2))
    every = conditional(lambda v, *a, **k: ac.local_moran_bivariate(x, v, w, 0), y, w, 0)
    assert result.expected[0] == pytest.approx(every.mean())
    assert result.variance[0] == pytest.approx(every.var())
    tails = (
        (every >= result.statistic[0] - 1e-9).mean(),
        (every <= result.statistic[0] + 1e-9).mean(),
    )
    assert abs(result.p_permutation[0] - min(1.0, 2 * min(tails))) < 9 * np.sqrt(0.25 / 60_000)


def test_local_join_p_is_that_of_all_draws_of_neighbours():
    w = random_weights(rng(5), 9, equal=True)
    x = np.array([1, 0, 1, 1, 0, 0, 1, 0, 0])
    result = ac.local_join_counts(x, w)
    for unit in np.flatnonzero((x == 1) & (w.cardinalities > 0)):
        others = [u for u in range(9) if u != unit]
        every = np.array([x[list(c)].sum() for c in combinations(others, w.cardinalities[unit])])
        here = result.statistic[unit]
        assert result.exact.upper[unit] == pytest.approx((every >= here).mean())
        assert result.exact.lower[unit] == pytest.approx((every <= here).mean())
        assert result.expected[unit] == pytest.approx(every.mean())
        assert result.variance[unit] == pytest.approx(every.var())


@pytest.mark.parametrize("statistic", GLOBAL)
def test_global_p_is_that_of_all_permutations(statistic):
    source = rng(7)
    w, y = random_weights(source, 6), source.integers(1, 5, 6).astype(float)
    every = np.array([statistic(y[list(o)], w, 0).statistic for o in permutations(range(6))])
    result = statistic(y, w, 40_000, rng(3))
    here = result.statistic
    exact = min(1.0, 2 * min((every >= here - 1e-9).mean(), (every <= here + 1e-9).mean()))
    assert abs(result.p_permutation - exact) < 9 * np.sqrt(0.25 / 40_000)
    assert result.simulated.mean() == pytest.approx(
        result.expected, abs=5 * np.sqrt(result.variance / 40_000)
    )


def test_join_p_is_that_of_all_permutations():
    w = random_weights(rng(8), 7, equal=True)
    result = ac.join_counts(list("aaabbcc"), w, 40_000, rng(3))
    every = [ac.join_counts(list(o), w, 0) for o in set(permutations("aaabbcc"))]
    for pair, here in result.counts.items():
        counts = np.array([e.counts[pair] for e in every])
        exact = min(1.0, 2 * min((counts >= here).mean(), (counts <= here).mean()))
        assert abs(result.p_permutation[pair] - exact) < 9 * np.sqrt(0.25 / 40_000)


def test_compiled_and_plain_shuffles_agree(monkeypatch):
    """The two routes draw differently: their null distributions are compared, not their draws."""
    from pipeline.stats import _joins, _permute

    source = rng(9)
    y, w = source.gamma(1.0, size=200), weights.knn(source.random((200, 2)), 5)
    labels = np.where(y > 1, "a", np.where(y > 0.3, "b", "c"))
    plain = [s(y, w, 4_000, rng(1)) for s in GLOBAL] + [
        ac.moran_bivariate(y, y[::-1], w, 4_000, rng(1))
    ]
    joins = ac.join_counts(labels, w, 4_000, rng(1))
    monkeypatch.setattr(_permute, "_SMALL", 0)
    monkeypatch.setattr(_joins, "_SMALL", 0)
    compiled = [s(y, w, 4_001, rng(1)) for s in GLOBAL] + [
        ac.moran_bivariate(y, y[::-1], w, 4_001, rng(1))
    ]
    for a, b in zip(plain, compiled, strict=True):
        assert b.simulated.size == 4_001
        assert np.unique(b.simulated).size == 4_001
        for result in (a, b):
            assert result.simulated.mean() == pytest.approx(
                a.expected, abs=5 * np.sqrt(a.variance / 4_000)
            )
            assert result.simulated.var() == pytest.approx(a.variance, rel=0.15)
        assert abs(a.p_permutation - b.p_permutation) < 0.05
    again = ac.join_counts(labels, w, 4_000, rng(1))
    for pair in joins.counts:
        assert abs(joins.p_permutation[pair] - again.p_permutation[pair]) < 0.05


@pytest.mark.parametrize("unit", [1e-30, 1e30])
def test_compiled_shuffles_hold_values_of_any_size(monkeypatch, unit):
    from pipeline.stats import _permute

    monkeypatch.setattr(_permute, "_SMALL", 0)
    source = rng(9)
    y, w = source.gamma(1.0, size=60), weights.knn(source.random((60, 2)), 5)
    for statistic in (ac.moran, ac.geary, ac.getis_ord_g):
        one, other = (statistic(values, w, 99, rng(1)) for values in (y, unit * y))
        np.testing.assert_allclose(other.simulated, one.simulated, rtol=1e-5, atol=1e-7)
        assert other.p_permutation == one.p_permutation


# --- moves that change nothing


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), scale=st.floats(0.001, 1000), shift=st.floats(-1000, 1000))
def test_units_of_measurement_do_not_matter(seed, scale, shift):
    source = rng(seed)
    w, y = random_weights(source, 12), source.random(12)
    for statistic in (ac.moran, ac.geary):
        one, two = (statistic(v, w, 199, rng(4)) for v in (y, y * scale + shift))
        assert two.statistic == pytest.approx(one.statistic, rel=1e-7, abs=1e-9)
        assert two.z == pytest.approx(one.z, rel=1e-6, abs=1e-8)
        assert two.p_permutation == one.p_permutation
    for statistic in (ac.local_moran, ac.local_geary):
        one, two = (statistic(v, w, 199, rng(4)) for v in (y, y * scale + shift))
        np.testing.assert_allclose(two.statistic, one.statistic, rtol=1e-6, atol=1e-7)
        np.testing.assert_array_equal(two.p_permutation, one.p_permutation)
    one, two = (ac.local_g(v, w, permutations=199, rng=rng(4)) for v in (y, y * scale))
    np.testing.assert_allclose(two.statistic, one.statistic, rtol=1e-9)
    np.testing.assert_array_equal(two.p_permutation, one.p_permutation)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_order_of_the_units_does_not_matter(seed):
    source = rng(seed)
    w, y = random_weights(source, 12), source.random(12)
    order = source.permutation(12)
    moved = w.reordered(order)
    for statistic in GLOBAL:
        a, b = statistic(y, w, 0), statistic(y[order], moved, 0)
        assert [b.statistic, b.variance] == pytest.approx([a.statistic, a.variance], rel=1e-9)
    for statistic in LOCAL:
        a, b = statistic(y, w, permutations=0), statistic(y[order], moved, permutations=0)
        np.testing.assert_allclose(b.z, a.z[order], rtol=1e-7, atol=1e-9)
    labels = np.where(y > 0.6, "a", np.where(y > 0.3, "b", "c"))
    names = {"a": "z", "b": "k", "c": "c"}
    renamed = np.array([names[v] for v in labels])[order]
    if np.unique(labels).size > 1:
        a, b = ac.join_counts(labels, w, 0), ac.join_counts(renamed, moved, 0)
        for (one, other), count in a.counts.items():
            assert b.counts[names[one], names[other]] == pytest.approx(count)
            assert b.variance[names[one], names[other]] == pytest.approx(a.variance[one, other])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), factor=st.floats(0.01, 100))
def test_the_size_of_all_weights_does_not_matter(seed, factor):
    source = rng(seed)
    w, y = random_weights(source, 12), source.random(12)
    heavy = weights.W(w.indptr, w.indices, w.values * factor)
    for statistic in (ac.moran, ac.geary):
        a, b = statistic(y, w, 199, rng(4)), statistic(y, heavy, 199, rng(4))
        assert [b.statistic, b.z] == pytest.approx([a.statistic, a.z], rel=1e-7)
        assert b.p_permutation == a.p_permutation
    for statistic in LOCAL:
        a, b = (statistic(y, v, permutations=199, rng=rng(4)) for v in (w, heavy))
        np.testing.assert_allclose(b.z, a.z, rtol=1e-7, atol=1e-9)
        np.testing.assert_array_equal(b.p_permutation, a.p_permutation)


def test_row_standardising_leaves_local_p_as_it_is():
    source = rng(5)
    w, y = random_weights(source, 30, equal=True, share=0.15), source.random(30)
    a, b = (ac.local_moran(y, v, 999, rng(4)) for v in (w, w.row_standardised()))
    np.testing.assert_array_equal(a.p_permutation, b.p_permutation)


def test_bivariate_of_a_variable_with_itself():
    source = rng(6)
    w, y = random_weights(source, 30), source.random(30)
    a, b = ac.local_moran(y, w, 199, rng(4)), ac.local_moran_bivariate(y, y, w, 199, rng(4))
    np.testing.assert_allclose(a.statistic, b.statistic)
    np.testing.assert_array_equal(a.p_permutation, b.p_permutation)
    assert ac.moran_bivariate(y, y, w, 0).statistic == pytest.approx(ac.moran(y, w, 0).statistic)


def test_equal_and_nearly_equal_weights_give_the_same_p():
    """The lookup of sums and the product with weights are two routes to one distribution."""
    source = rng(7)
    w = weights.knn(source.random((300, 2)), 6)
    y = source.random(300)
    wobbly = weights.W(w.indptr, w.indices, w.values * (1 + 1e-9 * source.random(w.links)))
    for statistic in LOCAL:
        a, b = (statistic(y, v, permutations=999, rng=rng(4)) for v in (w, wobbly))
        np.testing.assert_array_equal(a.p_permutation, b.p_permutation)


def test_ties_of_decimal_values_count_as_ties():
    """0.1 + 0.2 and 0.3 + 0.0 are equal sums whichever way they are rounded."""
    source = rng(8)
    w = weights.knn(source.random((200, 2)), 5)
    tenths = source.integers(0, 4, 200)
    for statistic in LOCAL:
        whole = statistic(tenths + 1.0, w, permutations=999, rng=rng(4))
        parts = statistic((tenths + 1) / 10, w, permutations=999, rng=rng(4))
        np.testing.assert_array_equal(whole.p_permutation, parts.p_permutation)
    for statistic in GLOBAL:
        whole, parts = (statistic(v, w, 999, rng(4)) for v in (tenths + 1.0, (tenths + 1) / 10))
        assert whole.p_permutation == parts.p_permutation


def test_rank_of_p_does_not_depend_on_the_number_of_neighbours_drawn_together():
    """A unit's p comes from its own number of neighbours even where others have far more."""
    source = rng(9)
    near = weights.knn(source.random((400, 2)), 4)
    hub = weights.from_pairs(
        401,
        np.r_[np.repeat(np.arange(400), 4), np.full(400, 400)],
        np.r_[near.indices, np.arange(400)],
    )
    y = np.r_[source.random(400), 0.5]
    few = ac.local_moran(y[:400], near, 9_999, rng(4)).p_permutation
    many = ac.local_moran(y, hub, 9_999, rng(4)).p_permutation
    assert np.abs(few - many[:400]).max() < 0.06
    assert many[400] == 1.0  # linked to all others: nothing left to chance


# --- chance


@pytest.mark.parametrize("statistic", [*GLOBAL, *LOCAL])
def test_one_seed_one_result_and_two_runs_two(statistic):
    source = rng(1)
    w, y = weights.knn(source.random((80, 2)), 4), source.random(80) + 1
    one, same = (statistic(y, w, permutations=199, rng=rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one.p_permutation, same.p_permutation)
    assert one.seed == "PCG64(entropy=5, spawn_key=(), children=0)"
    generator = rng(5)
    first = statistic(y, w, permutations=199, rng=generator)
    second = statistic(y, w, permutations=199, rng=generator)
    assert first.seed != second.seed
    drawn = "simulated" if statistic in GLOBAL else "p_permutation"
    assert not np.array_equal(getattr(first, drawn), getattr(second, drawn))


def test_many_pieces_of_draws_give_what_few_would(monkeypatch):
    from pipeline.stats import _permute

    source = rng(1)
    w = weights.knn(source.random((80, 2)), 4)
    y = source.random(80)
    for size in (5_000, 400_000):
        monkeypatch.setattr(_permute, "_TABLE", size)
        result = ac.local_moran(y, w, 20_000, rng(5))
        again = ac.local_moran(y, w, 20_000, rng(5))
        np.testing.assert_array_equal(result.p_permutation, again.p_permutation)
        if size == 5_000:
            first = result
    assert np.abs(first.p_permutation - result.p_permutation).max() < 9 * np.sqrt(0.25 / 20_000)


def test_shuffles_are_even_and_complete():
    from pipeline.stats._permute import shuffled

    parts = list(shuffled(np.arange(5), 30_000, 100, rng(3)))
    assert [part.shape[1] for part in parts[:-1]] == [1_000] * 29
    table = np.concatenate(parts, axis=1)
    assert table.shape == (5, 30_000)
    assert (np.sort(table, axis=0) == np.arange(5)[:, None]).all()
    # Every one of the 120 orders comes equally often.
    orders = np.unique(5 ** np.arange(5) @ table, return_counts=True)[1]
    assert orders.size == 120
    np.testing.assert_allclose(orders, 250, atol=5 * np.sqrt(250))


def test_draws_are_distinct_and_even():
    from pipeline.stats._permute import draws

    for width in (3, 7):  # by redrawing, by shuffling
        tables = list(draws(7, width, 30_000, rng(3)))
        table = np.concatenate(tables, axis=1)
        assert table.shape == (width, 30_000)
        assert (np.diff(np.sort(table, axis=0), axis=0) > 0).all()
        share = np.stack([(table == u).mean(axis=1) for u in range(7)])
        np.testing.assert_allclose(share, 1 / 7, atol=5 * np.sqrt(1 / 7 * 6 / 7 / 30_000))


# --- what every result says


@pytest.mark.parametrize("statistic", [*GLOBAL, *LOCAL, ac.join_counts])
def test_results_are_frozen_and_say_what_they_are(statistic):
    source = rng(1)
    w = weights.from_pairs(50, np.arange(40), np.arange(1, 41), both_ways=True)
    values = source.integers(1, 5, 50)
    result = statistic(values, w, permutations=99, rng=rng(2))
    assert (result.n, result.permutations) == (50, 99)
    assert "equally likely" in result.null or "drawn from all other units" in result.null
    assert "9 of 50 units have no neighbour" in result.warnings[0]
    with pytest.raises(AttributeError):
        result.n = 3


@pytest.mark.parametrize("statistic", LOCAL)
def test_isolates_get_nothing_and_are_not_in_the_family(statistic):
    source = rng(1)
    w = weights.from_pairs(50, np.arange(40), np.arange(1, 41), both_ways=True)
    for draws in (0, 199):
        result = statistic(source.random(50), w, permutations=draws, rng=rng(2))
        for field in ("statistic", "z", "p_two_sided", "p_permutation", "q"):
            assert np.isnan(getattr(result, field)[41:]).all()
        assert not np.isnan(result.q[:41]).any()
        assert result.family == 41


def test_p_never_exceeds_one_nor_reaches_zero():
    source = rng(1)
    w, y = weights.knn(source.random((60, 2)), 3), source.integers(0, 2, 60)
    for statistic in LOCAL:
        p = statistic(y, w, permutations=99, rng=rng(2)).p_permutation
        assert p.max() <= 1.0
        assert p.min() >= 0.02


def test_a_value_at_the_mean_has_p_one():
    result = ac.local_moran([1, 2, 3, 4, 5], path(5), 99, rng(1))
    assert result.statistic[2] == 0
    assert result.p_permutation[2] == 1.0
    assert result.p_two_sided[2] == 1.0
    assert result.quadrant[2] == 0


def test_q_is_benjamini_hochberg_over_units_with_neighbours():
    source = rng(1)
    w, y = weights.knn(source.random((60, 2)), 3), source.random(60)
    for fdr in ("bh", "by"):
        result = ac.local_moran(y, w, 999, rng(2), fdr=fdr)
        p = result.p_permutation
        ranked = np.sort(p)
        factor = 1.0 if fdr == "bh" else (1 / np.arange(1, 61)).sum()
        slow = [min(1, factor * min(60 * ranked[k] / (k + 1) for k in range(60) if ranked[k] >= v))
                for v in p]  # fmt: skip
        np.testing.assert_allclose(result.q, slow)


def test_too_few_permutations_for_the_family_are_said():
    source = rng(1)
    w, y = weights.knn(source.random((600, 2)), 3), source.random(600)
    assert "needs at least 24 of them" in ac.local_moran(y, w, 999, rng(2)).warnings[0]
    assert ac.local_moran(y, w, 99_999, rng(2)).warnings == ()
    assert "below 0.1" in ac.moran(y, w, 19, rng(2)).warnings[0]


def test_units_with_too_few_sets_of_neighbours_are_said():
    result = ac.local_moran(rng(1).random(12), path(12), 99, rng(2))
    assert "2 units have fewer than 40 possible sets" in result.warnings[0]


def test_a_planted_cluster_is_found():
    side = np.arange(30.0)
    xy = np.column_stack([np.repeat(side, 30), np.tile(side, 30)])
    w = weights.distance_band(xy, 1.5).row_standardised()
    y = rng(1).normal(size=900) + 2.0 * (np.hypot(*(xy - 15).T) < 4)
    planted = np.hypot(*(xy - 15).T) < 3
    result = ac.local_moran(y, w, 9_999, rng(2))
    assert (result.q[planted] < 0.05).mean() > 0.7
    assert (result.quadrant[planted] == 1).mean() > 0.85
    assert (result.q[~planted & (np.hypot(*(xy - 15).T) > 6)] < 0.05).mean() < 0.01
    for statistic in GLOBAL[:2]:
        assert statistic(y, w, 999, rng(2)).p_permutation == 0.002


def test_one_large_y_does_not_need_more_memory_than_the_links():
    import tracemalloc

    n = 60_000
    source = rng(1)
    w, y = weights.knn(source.random((n, 2)), 4), source.random(n)
    tracemalloc.start()
    ac.getis_ord_g(y, w, 9, rng(1))
    ac.local_g(y, w, permutations=99, rng=rng(1))
    assert tracemalloc.get_traced_memory()[1] < 400 * n * 4
    tracemalloc.stop()


# --- empirical Bayes


def test_empirical_bayes_by_hand():
    rates = ac.empirical_bayes([2, 0, 8], [10, 10, 20])
    mean = 10 / 40
    spread = (10 * 0.05**2 + 10 * 0.25**2 + 20 * 0.15**2) / 40
    between = spread - mean / (40 / 3)
    variance = between + mean / np.array([10, 10, 20])
    np.testing.assert_allclose(rates.standardised, np.array([-0.05, -0.25, 0.15]) / variance**0.5)
    assert between > 0
    assert rates.warnings == ()


def test_rates_that_do_not_vary_shrink_to_the_mean():
    rates = ac.empirical_bayes([1, 1, 2], [10, 10, 20])
    np.testing.assert_allclose(rates.shrunken, 0.1)
    assert "no more than their bases explain" in rates.warnings[0]
    near = ac.empirical_bayes_local([1, 1, 2, 0], [10, 10, 20, 5], path(4).reordered([0, 1, 2, 3]))
    assert near.shrunken.shape == (4,)


def test_an_isolate_keeps_its_raw_rate():
    w = weights.from_pairs(3, [0, 1], [1, 0])
    rates = ac.empirical_bayes_local([0, 0, 3], [10, 20, 30], w)
    np.testing.assert_allclose(rates.shrunken, [0, 0, 0.1])
    assert rates.warnings == ("1 of 3 units have no neighbour",)


# --- bad input


@pytest.mark.parametrize("statistic", [*GLOBAL, *LOCAL])
@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        ([1.0, 2.0], InvalidArgument, "expected 6 values"),
        ([1, 2, 3, 4, 5, np.nan], InvalidArgument, "found nan at position 5"),
        ([1, 2, 3, 4, 5, np.inf], InvalidArgument, "found inf"),
        (np.ones((6, 1)), InvalidArgument, "one dimension"),
        (list("abcdef"), InvalidArgument, "expected numbers"),
        ([0.1] * 6, UndefinedStatistic, "values that differ"),
        ([1e9, 1e9, 1e9, 1e9, 1e9, 1e9 + 1e-7], UndefinedStatistic, "values that differ"),
        ([0, 0, 0, 0, 0, 1], TooFewUnits, "only 6 arrangements"),
    ],
)
def test_wrong_values_are_refused(statistic, y, error, message):
    with pytest.raises(error, match=message):
        statistic(y, path(6), permutations=0)


@pytest.mark.parametrize("statistic", [*GLOBAL, *LOCAL])
def test_other_wrong_input_is_refused(statistic):
    y = [1.0, 2, 3, 4, 6, 5]
    with pytest.raises(InvalidArgument, match=r"numpy\.random\.Generator"):
        statistic(y, path(6))
    with pytest.raises(InvalidArgument, match=r"numpy\.random\.Generator"):
        statistic(y, path(6), permutations=99, rng=7)
    for wrong in (-1, 2.5, True):
        with pytest.raises(InvalidArgument, match="permutations"):
            statistic(y, path(6), permutations=wrong, rng=rng())
    with pytest.raises(UndefinedStatistic, match="6 isolates"):
        statistic(y, weights.from_pairs(6, [], []), permutations=0)
    with pytest.raises(InvalidArgument, match="from_graph"):
        statistic(y, path(6).to_graph(), permutations=0)
    with pytest.raises(TooFewUnits, match="24 arrangements"):
        statistic([1, 2, 3, 4], path(4), permutations=0)
    if statistic in LOCAL:
        with pytest.raises(InvalidArgument, match="'bh' or 'by'"):
            statistic(y, path(6), permutations=0, fdr="holm")


@pytest.mark.parametrize("statistic", [*GLOBAL, *LOCAL, ac.join_counts])
def test_a_series_must_carry_the_ids_in_order(statistic):
    w = path(6)
    w = weights.W(w.indptr, w.indices, w.values, np.array(list("abcdef")))
    y = pd.Series([1, 2, 3, 1, 2, 3], index=list("abcdef"))
    assert statistic(y, w, permutations=0).n == 6
    with pytest.raises(InvalidArgument, match=r"another order.*reindex"):
        statistic(y[::-1], w, permutations=0)
    with pytest.raises(InvalidArgument, match="other ids"):
        statistic(y.rename({"a": "x"}), w, permutations=0)
    assert statistic(y.tolist(), w, permutations=0).n == 6


def test_sums_that_cancel_are_refused_by_g():
    # (sum)^2 equals the sum of squares: 1, -1, 0 ... give products that cancel
    with pytest.raises(UndefinedStatistic, match="do not cancel"):
        ac.getis_ord_g([2.0, -1.0, 2.0, 0, 0, 0], path(6), 0)
    assert "negative" in ac.getis_ord_g([2.0, -1.0, 7.0, 0, 3, 0], path(6), 0).warnings[0]
    assert "negative" in ac.local_g([2.0, -1.0, 7.0, 0, 3, 0], path(6), permutations=0).warnings[0]


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (list("aaaaaa"), UndefinedStatistic, "two or more categories"),
        (list("abc"), InvalidArgument, "expected 6 labels"),
        (["a", "b", None, "a", "b", "a"], InvalidArgument, "found none at position 2"),
        ([1.0, 2.0, np.nan, 1.0, 1.0, 2.0], InvalidArgument, "found none at position 2"),
        (np.array([1, "b", 2, "a", 1, 1], dtype=object), InvalidArgument, "one kind"),
    ],
)
def test_wrong_labels_are_refused(labels, error, message):
    with pytest.raises(error, match=message):
        ac.join_counts(labels, path(6), 0)
    with pytest.raises(InvalidArgument, match="at most 1,000"):
        ac.join_counts(np.arange(1_001), path(1_001), 0)


def test_labels_with_few_arrangements_are_said():
    result = ac.join_counts(list("aaab"), path(4), 0)
    assert result.counts["a", "b"] == 1
    assert "only 4 arrangements" in result.warnings[0]
    tiny = ac.join_counts(list("ab"), path(2), 0)
    assert tiny.variance["a", "b"] == 0
    assert tiny.p_two_sided["a", "b"] == 1


def test_wrong_marks_are_refused():
    x = [1, 1, 0, 0, 1, 0]
    for count in (
        ac.local_join_counts,
        lambda v, w: ac.local_join_counts_bivariate(v, x[::-1], w),
        lambda v, w: ac.local_join_counts_colocated(x, v, w),
    ):
        with pytest.raises(InvalidArgument, match="marks 0 or 1, found 2"):
            count([2, 1, 0, 0, 1, 0], path(6))
        with pytest.raises(UndefinedStatistic, match="some units with and some without"):
            count([0] * 6, path(6))
    uneven = weights.from_pairs(6, [0, 0, 1], [1, 2, 0], [1.0, 2.0, 1.0])
    with pytest.raises(InvalidArgument, match=r"w\.binary"):
        ac.local_join_counts(x, uneven)
    assert ac.local_join_counts(x, uneven.binary()).statistic[0] == 1


def test_bivariate_and_colocated_joins_by_hand():
    x, y = [1, 0, 1, 0, 1, 0], [0, 1, 1, 0, 1, 1]
    apart = ac.local_join_counts_bivariate(x, y, path(6))
    # x alone: unit 0; y alone: units 1 and 5; unit 0 has neighbour 1
    assert apart.statistic.tolist() == [1, 0, 0, 0, 0, 0]
    assert apart.family == 1
    assert apart.exact.upper[0] == pytest.approx(2 / 5)
    both = ac.local_join_counts_colocated(x, y, weights.distance_band(np.c_[range(6), [0] * 6], 2))
    # both: units 2 and 4, two apart
    assert both.statistic.tolist() == [0, 0, 1, 0, 1, 0]
    assert both.exact.upper[2] == pytest.approx(4 / 5)
    assert "change places" in both.null


@pytest.mark.parametrize(
    ("events", "base", "error", "message"),
    [
        ([1, 2], [1.0], InvalidArgument, "base: expected 2 values"),
        ([-1, 2], [1, 1], InvalidArgument, "counts >= 0"),
        ([1, 2], [0, 1], InvalidArgument, "found 0 at position 0"),
        ([0, 0], [1, 1], UndefinedStatistic, "at least one event"),
        ([1], [1], InvalidArgument, "two units"),
        ([np.nan, 1], [1, 1], InvalidArgument, "finite"),
    ],
)
def test_wrong_rates_are_refused(events, base, error, message):
    with pytest.raises(error, match=message):
        ac.empirical_bayes(events, base)
