"""Agreement with esda and pygeoda where they are right, and conversions where conventions differ.

Slow because esda compiles its loops anew in every process.
"""

import warnings

import numpy as np
import pytest

from pipeline.stats import autocorrelation as ac
from pipeline.stats import weights

pytestmark = pytest.mark.slow

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    esda = pytest.importorskip("esda")


@pytest.fixture(scope="module")
def case():
    source = np.random.default_rng(4)
    w = weights.knn(source.random((90, 2)), 5)
    return w, source.gamma(2.0, size=90), source.random(90)


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_global_statistics(case):
    w, y, x = case
    rows = w.row_standardised()
    graph = rows.to_graph()
    theirs = esda.Moran(y, graph, permutations=0)
    ours = ac.moran(y, rows, 0)
    assert [ours.statistic, ours.expected, ours.variance] == pytest.approx(
        [theirs.I, theirs.EI, theirs.VI_rand]
    )
    theirs = esda.Geary(y, graph, permutations=0)
    ours = ac.geary(y, rows, 0)
    assert [ours.statistic, ours.variance] == pytest.approx([theirs.C, theirs.VC_rand])
    assert ac.moran_bivariate(x, y, rows, 0).statistic == pytest.approx(
        esda.Moran_BV(x, y, graph, permutations=0).I
    )
    binary = w.symmetrised()
    theirs = esda.G(y, binary.to_graph(), permutations=0)
    ours = ac.getis_ord_g(y, binary, 0)
    assert [ours.statistic, ours.expected] == pytest.approx([theirs.G, theirs.EG])
    assert ours.variance == pytest.approx(theirs.VG)


def test_local_moran_divides_by_n_where_esda_divides_by_n_less_one(case):
    w, y, x = case
    rows = w.row_standardised()
    theirs = esda.Moran_Local(y, rows.to_graph(), permutations=999, seed=1)
    ours = ac.local_moran(y, rows, 999, np.random.default_rng(1))
    np.testing.assert_allclose(ours.statistic, theirs.Is * 90 / 89)
    np.testing.assert_array_equal(ours.quadrant, theirs.q)
    # esda's p is the smaller tail: half of ours, up to the chance of 999 draws each.
    assert np.abs(ours.p_permutation / 2 - theirs.p_sim).max() < 6 * np.sqrt(0.25 / 999)
    theirs = esda.Moran_Local_BV(x, y, rows.to_graph(), permutations=0)
    ours = ac.local_moran_bivariate(x, y, rows, 0)
    ratio = ours.statistic / theirs.Is
    np.testing.assert_allclose(ratio, ratio[0])


def test_local_geary(case):
    w, y, _ = case
    rows = w.row_standardised()
    theirs = esda.Geary_Local(rows.to_graph(), permutations=99, seed=1).fit(y)
    np.testing.assert_allclose(ac.local_geary(y, rows, 0).statistic, theirs.localG)


@pytest.mark.parametrize("star", [False, True])
def test_local_g(case, star):
    w, y, _ = case
    theirs = esda.G_Local(y, w.to_graph(), transform="B", permutations=0, star=star)
    ours = ac.local_g(y, w, star=star, permutations=0)
    np.testing.assert_allclose(ours.statistic, theirs.Gs)
    np.testing.assert_allclose(ours.z, theirs.Zs, rtol=1e-6)


def test_join_counts(case):
    w, y, _ = case
    binary = w.symmetrised()
    theirs = esda.Join_Counts((y > 2).astype(float), binary.to_graph(), permutations=0)
    ours = ac.join_counts(y > 2, binary, 0).counts
    assert ours[True, True] == theirs.bb
    assert ours[False, False] == theirs.ww
    assert ours[True, False] == theirs.bw


def test_local_join_counts(case):
    w, y, _ = case
    marks = (y > 2).astype(int)
    theirs = esda.Join_Counts_Local(connectivity=w.to_graph(), permutations=0).fit(marks)
    np.testing.assert_array_equal(ac.local_join_counts(marks, w).statistic, np.ravel(theirs.LJC))


def test_empirical_bayes():
    events, base = np.array([3, 0, 8, 20, 4]), np.array([30, 12, 50, 60, 44])
    np.testing.assert_allclose(
        ac.empirical_bayes(events, base).standardised, esda.smoothing.assuncao_rate(events, base)
    )


@pytest.fixture(scope="module")
def geoda(case, tmp_path_factory):
    """The links of the case as pygeoda reads them."""
    pygeoda = pytest.importorskip("pygeoda")
    w = case[0]
    path = tmp_path_factory.mktemp("geoda") / "links.gal"
    rows = (w.indices[w.indptr[i] : w.indptr[i + 1]].tolist() for i in range(w.n))
    path.write_text(
        f"0 {w.n} units id\n"
        + "".join(f"{i} {len(row)}\n{' '.join(map(str, row))}\n" for i, row in enumerate(rows))
    )
    return pygeoda, pygeoda.weights.read_gal(str(path), [str(i) for i in range(w.n)])


def test_local_statistics_as_in_pygeoda(case, geoda):
    w, y, _ = case
    pygeoda, links = geoda
    rows = w.row_standardised()
    # pygeoda standardises by n - 1 and reports one tail, which for Geary need not be the smaller.
    cases = [
        (pygeoda.local_moran, ac.local_moran(y, rows, 9_999, np.random.default_rng(1)), 90 / 89),
        (pygeoda.local_geary, ac.local_geary(y, rows, 9_999, np.random.default_rng(1)), 90 / 89),
        (pygeoda.local_g, ac.local_g(y, rows, False, 9_999, np.random.default_rng(1)), 1.0),
        (pygeoda.local_gstar, ac.local_g(y, rows, True, 9_999, np.random.default_rng(1)), 1.0),
    ]
    for function, ours, factor in cases:
        theirs = function(links, y.tolist(), permutations=9_999, permutation_method="complete")
        np.testing.assert_allclose(ours.statistic, np.array(theirs.lisa_values()) * factor)
        tail = np.array(theirs.lisa_pvalues())
        tail = np.minimum(tail, 1 - tail)
        assert np.abs(ours.p_permutation / 2 - tail).max() < 6 * np.sqrt(0.25 / 9_999)
