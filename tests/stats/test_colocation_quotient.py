"""Colocation quotients against hand-computed values, slow loops, exact laws and invariances."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from pipeline.contracts.errors import InvalidArgument, TooFewUnits, UndefinedStatistic
from pipeline.stats import colocation


def slow_quotient(xy, members, k):
    """Global quotient from the definition, members (n, m); NaN where undefined."""
    n, m = members.shape
    table = np.full((m, m), np.nan)
    near = []
    for i in range(n):
        d = [math.hypot(*(xy[i] - xy[j])) if j != i else math.inf for j in range(n)]
        near.append(np.argsort(d)[:k])
    for a in range(m):
        for b in range(m):
            share = (members[:, b].sum() - (a == b)) / (n - 1)
            if share:
                found = [members[near[i], b].mean() for i in range(n) if members[i, a]]
                table[a, b] = np.mean(found) / share
    return table


@pytest.fixture
def pattern():
    rng = np.random.default_rng(11)
    return rng.random((60, 2)) * 1000, rng.integers(3, size=60)


def test_toy_by_hand():
    # Three pairs, each a dye beside a wax: every nearest neighbour is of the other kind, and the
    # other kind is 3 of the 5 others
    xy = [[0, 0], [1, 0], [10, 0], [11.5, 0], [20, 0], [22, 0]]
    r = colocation.quotient(xy, ["dye", "wax"] * 3, permutations=0)
    assert r.labels == ("dye", "wax")
    assert r.table["dye", "wax"] == pytest.approx(5 / 3)
    assert r.table["wax", "wax"] == 0.0
    assert np.isnan(np.asarray(r.p)).all()
    assert r.count["dye", "wax"] == 3


@pytest.mark.parametrize("k", [1, 3, 8])
def test_table_equals_slow_loop(pattern, k):
    xy, labels = pattern
    r = colocation.quotient(xy, labels, k=k, permutations=0)
    expected = slow_quotient(xy, labels[:, None] == np.arange(3), k)
    np.testing.assert_allclose(r.table, expected, rtol=1e-12)


def test_label_sets_equal_slow_loop_and_matrix_equals_sets(pattern):
    xy, _ = pattern
    rng = np.random.default_rng(5)
    members = rng.random((60, 3)) < 0.4
    names = ["dye", "print", "wax"]
    sets = [{name for name, held in zip(names, row, strict=True) if held} for row in members]
    by_matrix = colocation.quotient(
        xy, members, k=4, names=names, permutations=99, rng=np.random.default_rng(3)
    )
    by_sets = colocation.quotient(xy, sets, k=4, permutations=99, rng=np.random.default_rng(3))
    np.testing.assert_allclose(by_matrix.table, slow_quotient(xy, members, 4), rtol=1e-12)
    np.testing.assert_array_equal(by_matrix.table, by_sets.table)
    np.testing.assert_array_equal(by_matrix.p, by_sets.p)
    # whole sets are permuted, so the null mean is known exactly, also where labels share firms
    many = colocation.quotient(
        xy, members, k=4, names=names, permutations=4999, rng=np.random.default_rng(3)
    )
    np.testing.assert_allclose(many.null_mean, many.expected, atol=0.02)
    assert many.expected["dye", "wax"] < 1.0
    assert many.expected["dye", "dye"] == 1.0


@pytest.mark.parametrize("kernel", ["uniform", "gaussian"])
def test_radius_and_gaussian_equal_slow_loops(pattern, kernel):
    xy, labels = pattern
    radius = 120.0
    r = colocation.quotient(xy, labels, radius=radius, kernel=kernel, permutations=0)
    d = np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1))
    w = np.where(d <= radius, np.exp(-0.5 * (d / radius) ** 2) if kernel == "gaussian" else 1.0, 0)
    np.fill_diagonal(w, 0)
    linked = w.sum(axis=1) > 0
    w[linked] /= w[linked].sum(axis=1, keepdims=True)
    for a in range(3):
        for b in range(3):
            here = (labels == a) & linked
            share = ((labels == b).sum() - (a == b)) / 59
            assert r.table[a, b] == pytest.approx(
                w[here][:, labels == b].sum() / here.sum() / share
            )
    if not linked.all():
        assert any("left out" in note for note in r.warnings)


def test_adaptive_gaussian_uses_distance_of_kth_neighbour(pattern):
    xy, labels = pattern
    r = colocation.quotient(xy, labels, k=5, kernel="gaussian", permutations=0)
    total = 0.0
    for i in np.flatnonzero(labels == 0):
        d = np.hypot(*(xy - xy[i]).T)
        near = np.argsort(d)[1:6]
        w = np.exp(-0.5 * (d[near] / d[near[-1]]) ** 2)
        total += w[labels[near] == 1].sum() / w.sum()
    share = (labels == 1).sum() / 59
    assert r.table[0, 1] == pytest.approx(total / (labels == 0).sum() / share)


def test_far_neighbours_do_not_underflow():
    xy = np.array([[0, 0], [1, 0], [1000, 0], [1001, 0], [5000, 0]], dtype=float)
    r = colocation.quotient(
        xy, list("ababa"), k=2, kernel="gaussian", bandwidth=0.5, permutations=0
    )
    assert np.isfinite(np.asarray(r.table)).all()


def test_p_by_complete_enumeration():
    # 8 points, 4 labels a: all 70 labellings enumerated
    from itertools import combinations

    xy = np.array([[0, 0], [1, 0], [3, 0], [4.5, 0], [9, 0], [11, 0], [20, 0], [22.5, 0]])
    labels = np.array(list("aabbabab"))
    observed = slow_quotient(xy, labels[:, None] == np.array(["a", "b"]), 1)
    values = []
    for held in combinations(range(8), 4):
        mark = np.zeros(8, dtype=bool)
        mark[list(held)] = True
        values.append(slow_quotient(xy, np.column_stack([mark, ~mark]), 1))
    values = np.array(values)
    exact = np.minimum(
        1,
        2
        * np.minimum(
            (values >= observed - 1e-9).mean(axis=0), (values <= observed + 1e-9).mean(axis=0)
        ),
    )
    r = colocation.quotient(xy, labels, permutations=39_999, rng=np.random.default_rng(0))
    np.testing.assert_allclose(r.p, exact, atol=0.015)


def test_same_seed_same_numbers_whatever_workers_and_row_order(pattern):
    xy, labels = pattern
    order = np.random.default_rng(1).permutation(60)

    def run(points, names, workers=1):
        return colocation.quotient(
            points, names, k=3, permutations=1500, rng=np.random.default_rng(9), workers=workers
        )

    one = run(xy, labels)
    np.testing.assert_array_equal(one.p, run(xy, labels, 2).p)
    np.testing.assert_array_equal(one.p, run(xy[order], labels[order]).p)
    assert one.seed == "PCG64(entropy=9, spawn_key=(), children=0)"
    assert one.family == 9


def test_two_analyses_with_one_generator_draw_anew_and_say_so(pattern):
    rng = np.random.default_rng(9)
    first, second = (colocation.quotient(*pattern, k=3, rng=rng) for _ in range(2))
    assert second.seed == "PCG64(entropy=9, spawn_key=(), children=1)"
    assert not np.array_equal(first.null_mean, second.null_mean)


def test_row_order_does_not_matter_where_points_coincide():
    source = np.random.default_rng(2)
    xy, labels = np.repeat(source.random((15, 2)), 3, axis=0), source.integers(3, size=45)
    strata, order = source.integers(2, size=45), source.permutation(45)

    def run(rows):
        return colocation.quotient(
            xy[rows], labels[rows], radius=0.2, rng=np.random.default_rng(1), strata=strata[rows]
        )

    np.testing.assert_array_equal(run(np.arange(45)).p, run(order).p)


def test_strata_keep_labels_within():
    # Labels equal strata: nothing can move, so every draw is the observed labelling
    rng = np.random.default_rng(2)
    xy = rng.random((40, 2))
    strata = np.repeat([0, 1], 20)
    labels = np.where(rng.random(40) < 0.5, "a", "b")
    labels[strata == 1] = "c"
    r = colocation.quotient(
        xy, labels, permutations=199, rng=np.random.default_rng(1), strata=strata
    )
    assert r.p["c", "c"] == 1.0
    assert r.null_mean["c", "c"] == pytest.approx(r.table["c", "c"])
    assert "within strata" in r.null


def test_planted_pairs_are_found():
    rng = np.random.default_rng(4)
    homes = rng.random((40, 2)) * 1000
    xy = np.concatenate([homes, homes + rng.normal(0, 1, (40, 2)), rng.random((80, 2)) * 1000])
    labels = ["dye"] * 40 + ["wax"] * 40 + ["other"] * 80
    r = colocation.quotient(xy, labels, permutations=999, rng=rng)
    assert r.p["dye", "wax"] == 0.002
    assert r.q["dye", "wax"] < 0.01
    assert r.table["dye", "wax"] > 3


class TestTies:
    lattice = np.array([[x, y] for x in range(4) for y in range(4)], dtype=float)
    labels = tuple("abab" * 4)

    def test_raise_is_the_default(self):
        with pytest.raises(InvalidArgument, match="16 of 16 units with candidates equally near"):
            colocation.quotient(self.lattice, self.labels, permutations=0)

    def test_random_needs_rng_and_warns(self):
        with pytest.raises(InvalidArgument, match="rng"):
            colocation.quotient(self.lattice, self.labels, permutations=0, ties="random")
        r = colocation.quotient(
            self.lattice, self.labels, permutations=0, ties="random", rng=np.random.default_rng(1)
        )
        assert "16 of 16 points" in r.warnings[0]

    def test_random_is_fair(self):
        # The corner point has two nearest neighbours; each is taken about half of the time
        labels = ["a"] + ["c"] * 15
        labels[1] = "b"
        taken = [
            colocation.quotient(
                self.lattice, labels, permutations=0, ties="random", rng=np.random.default_rng(s)
            ).count["a", "b"]
            for s in range(400)
        ]
        assert 160 < sum(taken) < 240

    def test_many_coincident_points(self):
        xy = np.concatenate([np.zeros((30, 2)), np.random.default_rng(0).random((30, 2)) + 5])
        labels = ["a", "b"] * 30
        r = colocation.quotient(
            xy, labels, k=3, permutations=0, ties="random", rng=np.random.default_rng(1)
        )
        assert np.isfinite(np.asarray(r.table)).all()
        # a firm is never its own neighbour: 30 coincident firms see the 29 others
        assert r.count["a", "a"] + r.count["a", "b"] == pytest.approx(30)

    def test_tie_inside_the_k_is_no_tie(self):
        r = colocation.quotient(
            [[0, 0], [1, 0], [-1, 0], [9, 0]], list("abab"), k=2, permutations=0
        )
        assert r.table["a", "b"] >= 0


class TestLocal:
    def test_values_average_to_the_global(self, pattern):
        xy, labels = pattern
        for kernel in ("uniform", "gaussian"):
            table = colocation.quotient(xy, labels, k=6, kernel=kernel, permutations=0).table
            for a in range(3):
                local = colocation.local_quotient(xy, labels, a, 2, k=6, kernel=kernel)
                assert np.isnan(local.value[labels != a]).all()
                assert np.nanmean(local.value) == pytest.approx(table[a, 2])

    def test_exact_p_is_hypergeometric(self, pattern):
        xy, labels = pattern
        r = colocation.local_quotient(xy, labels, 0, 0, k=6)
        holders = (labels == 0).sum() - 1
        law = hypergeom(59, holders, 6)
        for i in np.flatnonzero(labels == 0):
            found = round(r.value[i] * holders / 59 * 6)
            tails = law.sf(found - 1), law.cdf(found)
            assert r.p[i] == pytest.approx(min(1, 2 * min(tails)))
            assert r.p_mid[i] == pytest.approx(min(1, 2 * (min(tails) - law.pmf(found) / 2)))
        assert r.method == "exact"
        assert r.tested == (labels == 0).sum()

    def test_stratified_exact_p_against_draws(self, pattern):
        xy, labels = pattern
        strata = np.random.default_rng(0).integers(2, size=60)
        r = colocation.local_quotient(xy, labels, 0, 1, k=5, strata=strata)
        i = int(np.flatnonzero(labels == 0)[3])
        near = np.argsort(np.hypot(*(xy - xy[i]).T))[1:6]
        observed = (labels[near] == 1).sum()
        rng = np.random.default_rng(1)
        found = []
        for _ in range(20_000):
            drawn = labels.copy()
            for s in (0, 1):
                others = np.flatnonzero((strata == s) & (np.arange(60) != i))
                drawn[others] = rng.permutation(drawn[others])
            found.append((drawn[near] == 1).sum())
        found = np.array(found)
        expected = min(1, 2 * min((found >= observed).mean(), (found <= observed).mean()))
        assert r.p[i] == pytest.approx(expected, abs=0.02)

    def test_gaussian_p_by_permutation_near_exact_when_weights_are_flat(self, pattern):
        # With a huge bandwidth the Gaussian kernel is uniform, so both p must meet
        xy, labels = pattern
        exact = colocation.local_quotient(xy, labels, 0, 1, k=6)
        drawn = colocation.local_quotient(
            xy,
            labels,
            0,
            1,
            k=6,
            kernel="gaussian",
            bandwidth=1e7,
            permutations=39_999,
            rng=np.random.default_rng(1),
        )
        np.testing.assert_allclose(drawn.p, exact.p, atol=0.03)
        assert drawn.method == "permutation"

    def test_undefined_for_a_single_holder(self):
        with pytest.raises(UndefinedStatistic, match="at least 2 points holding 'a'"):
            colocation.local_quotient([[0, 0], [1, 0], [3, 0]], list("abb"), "a", "a")


class TestRefusals:
    xy = np.random.default_rng(0).random((50, 2))
    labels = tuple("ab" * 25)

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ({"xy": [[0, np.nan]] * 50}, InvalidArgument, "finite"),
            ({"xy": [[0, np.inf]] * 50}, InvalidArgument, "finite"),
            ({"xy": [1, 2, 3]}, InvalidArgument, "shape"),
            ({"xy": [[0, 0]], "labels": ["a"]}, TooFewUnits, "at least 2 points"),
            ({"labels": ["a"] * 50}, UndefinedStatistic, "at least 2 different labels"),
            ({"labels": ["a"] * 49}, InvalidArgument, "expected 50"),
            ({"labels": ["a"] * 49 + [None]}, InvalidArgument, "position 49"),
            ({"labels": [1.0] * 49 + [math.nan]}, InvalidArgument, "position 49"),
            ({"labels": [{"a"}] * 49 + ["b"]}, InvalidArgument, "sets among 50"),
            ({"labels": [set()] * 50}, UndefinedStatistic, "only empty sets"),
            ({"labels": np.ones((50, 2))}, InvalidArgument, "boolean"),
            ({"labels": np.ones((49, 2), bool)}, InvalidArgument, "shape"),
            ({"labels": np.eye(50, 2, dtype=bool), "names": ["a"]}, InvalidArgument, "names"),
            ({"names": ["a", "b"]}, InvalidArgument, "membership matrix"),
            ({"k": 50}, TooFewUnits, "fewer neighbours"),
            ({"k": 0}, InvalidArgument, "whole number"),
            ({"k": 1.5}, InvalidArgument, "whole number"),
            ({"rng": None}, InvalidArgument, "Generator"),
            ({"rng": 42}, InvalidArgument, "Generator"),
            ({"permutations": -1}, InvalidArgument, "permutations"),
            ({"radius": -1.0}, InvalidArgument, "radius"),
            ({"radius": 1e-9}, UndefinedStatistic, "within 1e-09"),
            ({"kernel": "box"}, InvalidArgument, "kernel"),
            ({"bandwidth": 1.0}, InvalidArgument, "gaussian"),
            ({"bandwidth": 0.0, "kernel": "gaussian"}, InvalidArgument, "bandwidth"),
            ({"ties": "first"}, InvalidArgument, "ties"),
            ({"strata": [1] * 49}, InvalidArgument, "strata"),
            ({"strata": [1] * 49 + [None]}, InvalidArgument, "strata"),
            ({"strata": list(range(50))}, TooFewUnits, "only 1 arrangements"),
            ({"labels": ["a"] + ["b"] * 25, "xy": np.random.default_rng(0).random((26, 2))},
             TooFewUnits, "arrangements"),
        ],
    )  # fmt: skip
    def test_refused_with_a_reason(self, change, error, message):
        given_ = {"xy": self.xy, "labels": self.labels, "permutations": 99}
        given_ |= {"rng": np.random.default_rng(1)} | change
        with pytest.raises(error, match=message):
            colocation.quotient(**given_)

    def test_few_permutations_are_warned_about(self):
        r = colocation.quotient(self.xy, self.labels, permutations=19, rng=np.random.default_rng(1))
        assert "39 or more can give 0.05" in r.warnings[-1]

    def test_lonely_label_is_undefined_not_zero(self):
        labels = ["a", *"bc" * 24, "b"]
        r = colocation.quotient(self.xy, labels, permutations=99, rng=np.random.default_rng(1))
        assert np.isnan(r.table["a", "a"])
        assert np.isnan(r.p["a", "a"])
        assert r.family == 8


class TestTable:
    def test_labels_before_positions(self):
        t = colocation.Table((2, 1), np.array([[1.0, 2.0], [3.0, 4.0]]))
        assert t[2, 1] == 2.0
        with pytest.raises(KeyError):
            t[0, 0]
        named = colocation.Table(("a", "b"), [[1.0, 2.0], [3.0, 4.0]])
        assert named[0, 1] == named["a", "b"] == 2.0
        assert named[:, 1].tolist() == [2.0, 4.0]
        with pytest.raises(KeyError, match="'c'"):
            named["a", "c"]

    def test_prints_itself(self):
        for t in (
            colocation.Table(("a", "b"), [1.0, 2.0]),
            colocation.Table((7, 8), [[1.0, 2.0], [3.0, 4.0]]),
        ):
            assert str(t) == str(np.asarray(t))
            assert repr(t) == f"Table({t.labels!r}, {np.asarray(t)!r})"

    def test_is_an_array_survives_pickle_and_is_read_only(self):
        t = colocation.Table(("a", "b"), [[1.0, 2.0], [3.0, 4.0]])
        assert type(t + 1) is np.ndarray
        assert pickle.loads(pickle.dumps(t))["b", "a"] == 3.0
        assert t.max() == 4.0
        with pytest.raises(ValueError, match="read-only"):
            t[0, 0] = 9.0


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    angle=st.floats(0, 6.28),
    scale=st.sampled_from([0.001, 1.0, 1000.0]),
    shift=st.floats(-1e5, 1e5),
)
def test_invariant_to_motion_unit_order_and_names(seed, angle, scale, shift):
    rng = np.random.default_rng(seed)
    xy = rng.random((30, 2)) * 100
    labels = np.array(["a", "b", "c"])[rng.integers(3, size=30)]
    labels[:3] = ["a", "b", "c"]
    first = colocation.quotient(xy, labels, k=3, permutations=0).table
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = (xy @ turn.T + shift) * scale
    np.testing.assert_allclose(
        colocation.quotient(moved, labels, k=3, permutations=0).table, first, rtol=1e-9
    )
    order = rng.permutation(30)
    np.testing.assert_array_equal(
        colocation.quotient(xy[order], labels[order], k=3, permutations=0).table, first
    )
    renamed = np.array([{"a": "z", "b": "y", "c": "x"}[label] for label in labels])
    np.testing.assert_array_equal(
        np.asarray(colocation.quotient(xy, renamed, k=3, permutations=0).table)[::-1, ::-1], first
    )


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_duplicated_points_within_a_radius(seed):
    # Every firm doubled on the spot: a counts as before, each sees its twin and doubled others
    rng = np.random.default_rng(seed)
    xy = rng.random((25, 2))
    labels = rng.integers(2, size=25)
    labels[:2] = [0, 1]
    r = colocation.quotient(
        np.concatenate([xy, xy]), np.concatenate([labels, labels]), radius=0.3, permutations=0
    )
    d = np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1)) <= 0.3
    found = 2 * d @ (labels[:, None] == [0, 1]) - (labels[:, None] == [0, 1])
    shares = found / (2 * d.sum(axis=1) - 1)[:, None]
    for a in (0, 1):
        for b in (0, 1):
            base = (2 * (labels == b).sum() - (a == b)) / 49
            assert r.table[a, b] == pytest.approx(shares[labels == a, b].mean() / base)
