"""Agreement with R's spdep on Columbus and on North Carolina SIDS with its two isolates."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.stats import autocorrelation, weights

REFERENCE = json.loads(
    (Path(__file__).parent / "reference" / "lattice" / "spdep.json").read_text(encoding="utf-8")
)
MOMENTS = ("statistic", "expected", "variance", "p_two_sided")
CASES = [(area, style) for area in ("columbus", "nc") for style in ("W", "B")]


def area(name):
    found = REFERENCE[name]
    y = np.array(found["crime"] if name == "columbus" else found["freeman"])
    return found, y, weights.from_pairs(y.size, **found["links"])


def styled(name, style):
    found, y, w = area(name)
    return found[style], y, w.row_standardised() if style == "W" else w


def array(values):
    return np.array([np.nan if v is None else v for v in values], dtype=float)


def agree(result, expected, names=MOMENTS, rtol=1e-8):
    for name in names:
        np.testing.assert_allclose(
            getattr(result, name), np.ravel(expected[name])[0], rtol=rtol, err_msg=name
        )


@pytest.mark.parametrize(("name", "style"), CASES)
@pytest.mark.parametrize("statistic", ["moran", "geary"])
def test_global_statistics_and_their_moments(name, style, statistic):
    expected, y, w = styled(name, style)
    result = getattr(autocorrelation, statistic)(y, w, permutations=0)
    agree(result, expected[statistic])
    assert result.isolates == (2 if name == "nc" else 0)


@pytest.mark.parametrize(("name", "style"), CASES)
def test_general_g(name, style):
    expected, y, w = styled(name, style)
    agree(autocorrelation.getis_ord_g(y, w, permutations=0), expected["g"])


@pytest.mark.parametrize(("name", "style"), CASES)
def test_local_moran(name, style):
    expected, y, w = styled(name, style)
    result = autocorrelation.local_moran(y, w, permutations=0)
    linked = w.cardinalities > 0
    for field in ("statistic", "expected", "variance", "z", "p_two_sided"):
        np.testing.assert_allclose(
            getattr(result, field)[linked],
            array(expected["local"]["moran"][field])[linked],
            rtol=1e-7,
            atol=1e-12,
        )
        assert np.isnan(getattr(result, field)[~linked]).all()


@pytest.mark.parametrize(("name", "style"), CASES)
def test_local_geary_after_conversion_of_the_variance(name, style):
    expected, y, w = styled(name, style)
    result = autocorrelation.local_geary(y, w, permutations=0)
    linked = w.cardinalities > 0
    converted = array(expected["local"]["geary_n_minus_1"]) * y.size / (y.size - 1)
    np.testing.assert_allclose(result.statistic[linked], converted[linked], rtol=1e-8)


@pytest.mark.parametrize(("name", "style"), CASES)
@pytest.mark.parametrize("star", [False, True])
def test_local_g(name, style, star):
    expected, y, w = styled(name, style)
    result = autocorrelation.local_g(y, w, star=star, permutations=0)
    linked = w.cardinalities > 0
    for field in ("statistic", "expected", "variance", "z"):
        np.testing.assert_allclose(
            getattr(result, field)[linked],
            array(expected["local"]["g_star" if star else "g"][field])[linked],
            rtol=1e-7,
            atol=1e-12,
        )
        assert np.isnan(getattr(result, field)[~linked]).all()


def test_bivariate_moran():
    found, crime, w = area("columbus")
    w = w.row_standardised()
    income = np.array(found["income"])
    result = autocorrelation.moran_bivariate(crime, income, w, permutations=0)
    assert result.statistic == pytest.approx(found["bivariate"]["global"], rel=1e-8)
    n = crime.size
    # spdep scales both local variables by standard deviations over n - 1.
    local = autocorrelation.local_moran_bivariate(crime, income, w, permutations=0)
    np.testing.assert_allclose(
        local.statistic, array(found["bivariate"]["local"]) * n / (n - 1), rtol=1e-8
    )


@pytest.mark.parametrize(
    ("name", "key"), [("columbus", "joins"), ("columbus", "joins_two"), ("nc", "joins")]
)
def test_join_counts(name, key):
    found, _, w = area(name)
    expected = found[key]
    result = autocorrelation.join_counts(expected["labels"], w, permutations=0)
    for row, pair in enumerate(expected["pairs"]):
        if pair == "Jtot":
            ours = [result.unlike, result.unlike_expected, result.unlike_variance, result.unlike_z]
        else:
            a, b = pair.split(":")
            ours = [getattr(result, f)[a, b] for f in ("counts", "expected", "variance", "z")]
        theirs = [expected[f][row] for f in ("counts", "expected", "variance", "z")]
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, err_msg=pair)


def test_unequal_asymmetric_weights():
    found, y, _ = area("columbus")
    case = found["unequal"]
    w = weights.from_pairs(y.size, case["focal"], case["neighbour"], case["value"])
    assert not w.is_symmetric
    for name, statistic in (
        ("moran", autocorrelation.moran),
        ("geary", autocorrelation.geary),
        ("g", autocorrelation.getis_ord_g),
    ):
        agree(statistic(y, w, permutations=0), case[name])
    local = autocorrelation.local_moran(y, w, permutations=0)
    for field in ("statistic", "expected", "variance", "p_two_sided"):
        np.testing.assert_allclose(
            getattr(local, field), array(case["local_moran"][field]), rtol=1e-7
        )
    local = autocorrelation.local_geary(y, w, permutations=0)
    n = y.size
    np.testing.assert_allclose(
        local.statistic, array(case["geary_n_minus_1"]) * n / (n - 1), rtol=1e-8
    )
    local = autocorrelation.local_g(y, w, permutations=0)
    np.testing.assert_allclose(local.z, array(case["g_z"]), rtol=1e-8)


def test_knn_finds_the_same_links():
    found, y, _ = area("columbus")
    xy = np.column_stack([found["x"], found["y"]])
    case = found["unequal"]
    theirs = weights.from_pairs(y.size, case["focal"], case["neighbour"])
    ours = weights.knn(xy, 4)
    np.testing.assert_array_equal(ours.indices, theirs.indices)


def test_isolates_count_in_n_unlike_the_default_of_spdep():
    found, y, w = area("nc")
    ours = autocorrelation.moran(y, w.row_standardised(), permutations=0)
    adjusted = found["moran_adjusted_n"]
    assert ours.expected == pytest.approx(-1 / 99)
    assert adjusted["expected"] == pytest.approx(-1 / 97)
    assert adjusted["statistic"] == pytest.approx(ours.statistic * 98 / 100)


def test_empirical_bayes():
    found, _, w = area("nc")
    events, base = np.array(found["events"]), np.array(found["base"])
    rates = autocorrelation.empirical_bayes(events, base)
    np.testing.assert_allclose(rates.shrunken, found["eb"], rtol=1e-9)
    near = autocorrelation.empirical_bayes_local(events, base, w)
    linked = w.cardinalities > 0
    np.testing.assert_allclose(near.shrunken[linked], array(found["eb_local"])[linked], rtol=1e-9)
    # spdep's EBImoran divides by the number of links, as here, but centres the rates once only.
    ours = autocorrelation.moran(rates.standardised, w, permutations=0)
    assert ours.statistic == pytest.approx(found["eb_moran"], rel=1e-8)
