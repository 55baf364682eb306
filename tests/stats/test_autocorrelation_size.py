"""How often the tests reject when there is nothing to find, and that they find what there is.

Run with ``pytest -m slow``; figures are recorded in docs/methods-lattice.md.
"""

import numpy as np
import pytest

from pipeline.stats import autocorrelation as ac
from pipeline.stats import weights

RUNS = 10_000
GLOBAL = {
    "moran": ac.moran,
    "geary": ac.geary,
    "getis_ord_g": ac.getis_ord_g,
    "moran_bivariate": lambda y, w, draws, rng: ac.moran_bivariate(
        rng.gamma(2.0, size=y.size), y, w, draws, rng
    ),
}
LOCAL = {
    "local_moran": ac.local_moran,
    "local_geary": ac.local_geary,
    "local_g": lambda y, w, draws, rng: ac.local_g(y, w, True, draws, rng),
    "local_moran_bivariate": lambda y, w, draws, rng: ac.local_moran_bivariate(
        rng.gamma(2.0, size=y.size), y, w, draws, rng
    ),
}


def layout(rng, unequal):
    xy = rng.random((60, 2))
    w = weights.knn(xy, 5)
    if unequal:
        return weights.kernel(xy, weights.nearest_distance(xy, 5) * 1.01, "triangular")
    return w


@pytest.mark.slow
@pytest.mark.parametrize("name", GLOBAL)
def test_global_statistics_keep_their_level(name):
    rng = np.random.default_rng(2026)
    w = layout(rng, unequal=False)
    p = np.array(
        [GLOBAL[name](rng.gamma(2.0, size=60), w, 199, rng).p_permutation for _ in range(RUNS)]
    )
    rejected = (p <= 0.05).mean()
    print(f"{name}: rejects {rejected:.4f} at 5 %, {(p <= 0.01).mean():.4f} at 1 %")
    assert 0.043 <= rejected <= 0.057


@pytest.mark.slow
@pytest.mark.parametrize("unequal", [False, True])
@pytest.mark.parametrize("name", LOCAL)
def test_local_statistics_keep_their_level(name, unequal):
    """One unit of each run, another one every time, so that runs are independent."""
    rng = np.random.default_rng(2027)
    w = layout(rng, unequal)
    p = np.empty(RUNS)
    for run in range(RUNS):
        result = LOCAL[name](rng.gamma(2.0, size=60), w, 199, rng)
        p[run] = result.p_permutation[run % 60]
    rejected = (p <= 0.05).mean()
    print(
        f"{name} unequal={unequal}: rejects {rejected:.4f} at 5 %, {(p <= 0.01).mean():.4f} at 1 %"
    )
    assert 0.043 <= rejected <= 0.057


@pytest.mark.slow
@pytest.mark.parametrize(
    "statistic",
    [ac.local_join_counts, ac.local_join_counts_bivariate, ac.local_join_counts_colocated],
)
def test_exact_local_join_counts_never_exceed_their_level(statistic):
    """Marks x alone, y alone, both and none: 20, 20, 20 and 30 of 90 units with 12 neighbours."""
    rng = np.random.default_rng(2028)
    w = weights.knn(rng.random((90, 2)), 12)
    marks = np.repeat([[1, 0], [0, 1], [1, 1], [0, 0]], [20, 20, 20, 30], axis=0)
    exact, mid = np.empty(RUNS), np.empty(RUNS)
    for run in range(RUNS):
        x, y = rng.permutation(marks).T
        result = (
            statistic(x, w) if statistic is ac.local_join_counts else statistic(x, y, w)
        ).exact
        tested = np.flatnonzero(~np.isnan(result.two_sided))
        unit = tested[run % tested.size]
        exact[run], mid[run] = result.two_sided[unit], result.mid[unit]
    print(
        f"{statistic.__name__}: exact {(exact <= 0.05).mean():.4f}, "
        f"mid-p {(mid <= 0.05).mean():.4f}"
    )
    assert (exact <= 0.05).mean() <= 0.057


@pytest.mark.slow
def test_join_counts_keep_their_level():
    rng = np.random.default_rng(2029)
    w = layout(rng, unequal=False).symmetrised()
    labels = np.repeat(["a", "b", "c"], 20)
    p, mid = np.empty((2, RUNS))
    for run in range(RUNS):
        result = ac.join_counts(rng.permutation(labels), w, 199, rng)
        p[run], mid[run] = result.p_permutation["a", "b"], result.p_mid["a", "b"]
    print(f"join counts: rejects {(p <= 0.05).mean():.4f}, mid-p {(mid <= 0.05).mean():.4f}")
    assert (p <= 0.05).mean() <= 0.057


@pytest.mark.slow
def test_false_discoveries_stay_at_the_rate_asked_for():
    """Fifty planted units in 900: the mean share of false discoveries stays below 5 %."""
    rng = np.random.default_rng(2030)
    side = np.arange(30.0)
    xy = np.column_stack([np.repeat(side, 30), np.tile(side, 30)])
    w = weights.distance_band(xy, 1.5).row_standardised()
    middle = np.hypot(*(xy - 14.5).T)
    shares, found = [], []
    for _ in range(300):
        y = rng.normal(size=900) + 2.0 * (middle < 4)
        hit = ac.local_moran(y, w, 9_999, rng).q <= 0.05
        # Beyond the planted disc and its neighbours nothing is to be found.
        shares.append(hit[middle > 5.5].sum() / max(hit.sum(), 1))
        found.append(hit[middle < 3].mean())
    print(f"false discoveries {np.mean(shares):.4f}, found inside {np.mean(found):.3f}")
    assert np.mean(shares) <= 0.05
    assert np.mean(found) >= 0.8
