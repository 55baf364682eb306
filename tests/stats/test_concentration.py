"""Ellison-Glaeser and coagglomeration against slow loops, identities and the dartboard's mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts.errors import InvalidArgument, TooFewUnits, UndefinedStatistic
from pipeline.stats import concentration


def slow_eg(region, industry, size, name):
    """Gamma, H and G of one industry from the definition, in plain sums."""
    total = sum(size)
    own = sum(w for w, k in zip(size, industry, strict=True) if k == name)
    g = x2 = 0.0
    for r in set(region):
        x = sum(w for w, q in zip(size, region, strict=True) if q == r) / total
        s = (
            sum(w for w, q, k in zip(size, region, industry, strict=True) if q == r and k == name)
            / own
        )
        g += (s - x) ** 2
        x2 += x**2
    h = sum((w / own) ** 2 for w, k in zip(size, industry, strict=True) if k == name)
    return (g - (1 - x2) * h) / ((1 - x2) * (1 - h)), h, g


def slow_egk(region, industry, size, a, b, reference):
    regions, kinds = sorted(set(region)), sorted(set(industry))
    share = {}
    for k in kinds:
        own = sum(w for w, q in zip(size, industry, strict=True) if q == k)
        for r in regions:
            share[k, r] = (
                sum(w for w, p, q in zip(size, region, industry, strict=True) if p == r and q == k)
                / own
            )
    top = x2 = 0.0
    for r in regions:
        if reference == "total":
            x = sum(w for w, p in zip(size, region, strict=True) if p == r) / sum(size)
        else:
            x = sum(share[k, r] for k in kinds) / len(kinds)
        top += (share[a, r] - x) * (share[b, r] - x)
        x2 += x * x
    return top / (1 - x2)


@pytest.fixture
def plants():
    rng = np.random.default_rng(6)
    return (
        rng.choice(list("NESW"), 90),
        rng.choice(["dye", "print", "wax"], 90, p=[0.2, 0.3, 0.5]),
        rng.integers(1, 80, 90).astype(float),
    )


def test_toy_by_hand():
    # x = (1/2, 1/2); dye all in N with two equal plants: G = 1/2, H = 1/2, gamma = 1
    r = concentration.ellison_glaeser(list("NNSS"), ["dye", "dye", "wax", "wax"], [1, 1, 1, 1])
    assert r.gini_raw["dye"] == pytest.approx(0.5)
    assert r.herfindahl["dye"] == pytest.approx(0.5)
    assert r.gamma["dye"] == pytest.approx(1.0)
    assert r.own_share.tolist() == [0.5, 0.5]
    assert any("own reference" in note for note in r.warnings)


def test_gamma_equals_slow_loop(plants):
    region, industry, size = plants
    r = concentration.ellison_glaeser(region, industry, size)
    for i, name in enumerate(r.labels):
        gamma, h, g = slow_eg(region, industry, size, name)
        assert r.gamma[name] == r.gamma[i] == pytest.approx(gamma)
        assert r.herfindahl[name] == pytest.approx(h)
        assert r.gini_raw[name] == pytest.approx(g)
    unweighted = concentration.ellison_glaeser(region, industry)
    assert unweighted.gamma["wax"] == pytest.approx(
        slow_eg(region, industry, np.ones(90), "wax")[0]
    )


@pytest.mark.parametrize("reference", ["total", "mean"])
def test_coagglomeration_equals_slow_loop(plants, reference):
    region, industry, size = plants
    r = concentration.coagglomeration(region, industry, size, x=reference)
    for a, b in (("dye", "wax"), ("wax", "print"), ("print", "dye")):
        expected = slow_egk(region, industry, size, a, b, reference)
        assert r.gamma[a, b] == r.gamma[b, a] == pytest.approx(expected)
    assert np.isnan(r.gamma["dye", "dye"])
    assert r.reference == reference


def test_group_is_the_weighted_mean_of_pairs(plants):
    region, industry, size = plants
    x = {"N": 0.3, "E": 0.3, "S": 0.2, "W": 0.1, "empty": 0.1}
    pairs = concentration.coagglomeration(region, industry, size, x=x)
    group = concentration.group_coagglomeration(region, industry, size, x=x)
    w = np.asarray(group.weights)
    product = np.outer(w, w)
    np.fill_diagonal(product, 0)
    expected = (product * np.nan_to_num(np.asarray(pairs.gamma))).sum() / product.sum()
    assert group.value == pytest.approx(expected)


def test_dartboard_mean_is_zero_and_p_uniform_enough(plants):
    region, industry, size = plants
    r = concentration.ellison_glaeser(region, industry, size, 4000, np.random.default_rng(1))
    np.testing.assert_allclose(r.null_mean, 0.0, atol=0.01)
    c = concentration.coagglomeration(region, industry, size, 4000, np.random.default_rng(1))
    assert np.nanmax(np.abs(np.asarray(c.null_mean))) < 0.01
    assert c.family == 3
    assert np.asarray(r.p).min() > 0.01  # plants are placed at random here
    g = concentration.group_coagglomeration(
        region, industry, size, 999, np.random.default_rng(1), x=dict.fromkeys("NESW", 0.25)
    )
    assert 0 < g.p <= 1


def test_planted_cluster_is_found():
    rng = np.random.default_rng(2)
    region = np.concatenate([np.repeat("N", 25), rng.choice(list("NESW"), 200)])
    industry = ["dye"] * 25 + ["other"] * 200
    r = concentration.ellison_glaeser(region, industry, None, 999, rng)
    assert r.gamma["dye"] > 0.3
    assert r.p["dye"] == 0.002


def test_planted_coagglomeration_is_found():
    rng = np.random.default_rng(2)
    region = np.concatenate([rng.choice(list("NE"), 50), rng.choice(list("NESWABCD"), 300)])
    industry = ["dye"] * 25 + ["wax"] * 25 + ["other"] * 300
    r = concentration.coagglomeration(region, industry, None, 999, rng)
    assert r.gamma["dye", "wax"] > 0.1
    assert r.p["dye", "wax"] == 0.002


def test_plants_with_two_industries_tie_them_together():
    rng = np.random.default_rng(3)
    region = rng.choice(list("NESW"), 60)
    industry = [{"dye", "wax"} if i < 30 else {"other"} for i in range(60)]
    r = concentration.coagglomeration(region, industry, None, 999, rng)
    assert r.shared_plants["dye", "wax"] == 30
    # the dartboard throws them whole: the pull is in the null too
    assert r.null_mean["dye", "wax"] == pytest.approx(1 / 30, abs=0.01)
    assert any("throws them whole" in note or "whole" in note for note in r.warnings)


def test_two_industries_with_mean_reference_are_warned_about(plants):
    region, industry, _ = plants
    two = np.where(industry == "wax", "wax", "other")
    r = concentration.coagglomeration(region, two, x="mean")
    assert r.gamma["wax", "other"] <= 0
    assert "exact opposites" in r.warnings[0]


def test_single_plant_industry_is_undefined():
    r = concentration.ellison_glaeser(
        list("NSNS"), ["dye", "wax", "wax", "wax"], None, 99, np.random.default_rng(1)
    )
    assert np.isnan(r.gamma["dye"])
    assert np.isnan(r.p["dye"])
    assert r.family == 1
    assert "one plant holds all of 'dye'" in r.warnings[0]


def test_same_seed_same_numbers(plants):
    first, second = (
        concentration.ellison_glaeser(*plants, 199, np.random.default_rng(5)) for _ in range(2)
    )
    np.testing.assert_array_equal(first.p, second.p)
    assert first.seed == "PCG64(entropy=5, spawn_key=(), children=0)"


def test_blocks_do_not_change_the_numbers(plants, monkeypatch):
    whole = concentration.ellison_glaeser(*plants, 199, np.random.default_rng(5))
    monkeypatch.setattr(concentration, "_BLOCK", 1000)
    parts = concentration.ellison_glaeser(*plants, 199, np.random.default_rng(5))
    np.testing.assert_array_equal(whole.p, parts.p)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), unit=st.floats(1e-3, 1e3))
def test_invariant_to_names_order_and_unit(seed, unit):
    rng = np.random.default_rng(seed)
    region, industry = rng.integers(5, size=40), rng.integers(3, size=40)
    industry[:6] = [0, 0, 1, 1, 2, 2]
    region[:2] = [0, 1]
    size = rng.random(40) + 0.1
    first = concentration.ellison_glaeser(region, industry, size).gamma
    order = rng.permutation(40)
    other = concentration.ellison_glaeser(
        [f"region {9 - r}" for r in region[order]], industry[order], size[order] * unit
    ).gamma
    np.testing.assert_allclose(other, first, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"region": []}, TooFewUnits, "at least one plant"),
        ({"region": ["N"] * 4}, UndefinedStatistic, "at least 2 regions"),
        ({"region": ["N", None, "S", "S"]}, InvalidArgument, "missing"),
        ({"industry": ["dye"] * 3}, InvalidArgument, "expected 4"),
        ({"size": [1, 2, 3]}, InvalidArgument, "4 values"),
        ({"size": [1, 2, 3, np.nan]}, InvalidArgument, "finite"),
        ({"size": [1, 2, 3, 0]}, InvalidArgument, "positive"),
        ({"size": [1, 2, 3, -1]}, InvalidArgument, "positive"),
        ({"x": "median"}, InvalidArgument, "'total', 'mean'"),
        ({"x": {"N": 1.0}}, InvalidArgument, "every region"),
        ({"x": {"N": 0.5, "S": 0.6}}, InvalidArgument, "sum to 1"),
        ({"x": {"N": 1.5, "S": -0.5}}, InvalidArgument, "sum to 1"),
        ({"x": {"N": 1.0, "S": 0.0}}, UndefinedStatistic, "2 regions"),
        ({"permutations": 99}, InvalidArgument, "Generator"),
    ],
)
def test_refused_with_a_reason(change, error, message):
    given_ = {"region": list("NNSS"), "industry": ["dye", "wax", "dye", "wax"]}
    with pytest.raises(error, match=message):
        concentration.ellison_glaeser(**(given_ | change))


def test_one_industry_alone_has_no_coagglomeration():
    with pytest.raises(UndefinedStatistic, match="at least 2 different labels"):
        concentration.coagglomeration(list("NNSS"), ["dye"] * 4)
    # but it can be concentrated against a wider reference
    r = concentration.ellison_glaeser(list("NNNS"), ["dye"] * 4, x={"N": 0.5, "S": 0.5})
    assert r.gamma["dye"] == pytest.approx(((0.125 / 0.5) - 0.25) / 0.75)
