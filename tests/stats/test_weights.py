"""Weights: who neighbours whom, by hand, by brute force and under moves that change nothing."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import geopandas
import shapely
from libpysal.graph import Graph

from pipeline.contracts.errors import InvalidArgument
from pipeline.stats import weights


def dense(w):
    return w.sparse.toarray()


def points(seed, n):
    return np.random.default_rng(seed).random((n, 2)) * 1_000


# --- pairs


def test_links_are_directed_sorted_and_isolates_explicit():
    w = weights.from_pairs(5, [3, 0, 0], [0, 3, 1], [2.0, 0.5, 4.0])
    assert dense(w).tolist() == [
        [0, 4.0, 0, 0.5, 0],
        [0] * 5,
        [0] * 5,
        [2.0, 0, 0, 0, 0],
        [0] * 5,
    ]
    assert w.indices.tolist() == [1, 3, 0]
    assert w.isolates.tolist() == [1, 2, 4]
    assert (w.n, w.links) == (5, 3)
    assert not w.is_symmetric
    assert not w.is_binary


def test_links_of_weight_zero_are_no_links():
    w = weights.from_pairs(3, [0, 1], [1, 0], [0.0, 1.0])
    assert w.links == 1
    assert w.isolates.tolist() == [0, 2]


def test_names_stand_for_positions():
    w = weights.from_pairs(3, ["c", "a"], ["a", "b"], ids=["a", "b", "c"])
    assert dense(w).tolist() == [[0, 1, 0], [0, 0, 0], [1, 0, 0]]


def test_row_standardised_binary_and_symmetrised():
    w = weights.from_pairs(4, [0, 0, 1], [1, 2, 0], [1.0, 3.0, 5.0])
    assert dense(w.row_standardised()).tolist() == [
        [0, 0.25, 0.75, 0],
        [1.0, 0, 0, 0],
        [0] * 4,
        [0] * 4,
    ]
    assert w.row_standardised().is_row_standardised
    assert w.binary().is_binary
    assert dense(w.symmetrised()).tolist() == [[0, 5, 3, 0], [5, 0, 0, 0], [3, 0, 0, 0], [0] * 4]
    assert w.symmetrised().is_symmetric


def test_constants_by_hand():
    # w12 = 1, w21 = 2, w23 = 3: S0 = 6; (1+2)^2 and 3^2 count twice in the half sum; rows plus
    # columns are 3, 6 and 3.
    w = weights.from_pairs(3, [0, 1, 1], [1, 0, 2], [1.0, 2.0, 3.0])
    assert w.constants == (6.0, 9.0 + 9.0, 9.0 + 36.0 + 9.0)


def test_few_links_and_many_take_two_ways_to_the_same(monkeypatch):
    """numpy adds up few links, scipy many: loading scipy takes longer than few links do."""

    def build():
        xy, y = np.random.default_rng(3).random((60, 2)), np.random.default_rng(4).random(60)
        links = np.random.default_rng(5).choice(60 * 60, 200, replace=False)
        focal, other = np.divmod(links[links // 60 != links % 60], 60)
        found = []
        for w in (
            weights.knn(xy, 5),
            weights.kernel(xy, 0.3, "triangular").row_standardised(),
            weights.from_pairs(60, focal, other, np.arange(1.0, focal.size + 1)),
        ):
            first, second, both = w.pairs
            order = np.lexsort((second, first))
            assert (first < second).all()
            found += [w.indptr, w.indices, w.values, first[order], second[order], both[order]]
            found += [w.lag(y), w.received(y), w.degrees, np.array(w.constants)]
        return found

    few = build()
    monkeypatch.setattr(weights, "_FEW_LINKS", 0)
    monkeypatch.setattr(weights, "_FEW_UNITS", 0)
    for one, other in zip(few, build(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13)


def test_sums_over_links_and_back():
    w = weights.from_pairs(4, [0, 0, 3], [1, 3, 1], [1.0, 2.0, 4.0])
    assert w.focal.tolist() == [0, 0, 3]
    assert w.totals(np.array([1.0, 10.0, 100.0])).tolist() == [11.0, 0.0, 0.0, 100.0]
    assert w.received(np.array([1.0, 0.0, 0.0, 5.0])).tolist() == [0.0, 21.0, 0.0, 2.0]
    assert w.degrees.tolist() == [3.0, 5.0, 0.0, 6.0]
    assert [part.tolist() for part in w.pairs] == [[0, 0, 1], [1, 3, 3], [1.0, 2.0, 4.0]]


def test_weights_equal_within_a_row():
    w = weights.from_pairs(4, [0, 0, 1, 1, 2], [1, 2, 0, 2, 0], [0.5, 0.5, 1.0, 2.0, 7.0])
    np.testing.assert_array_equal(w.row_value, [0.5, np.nan, 7.0, 0.0])
    np.testing.assert_allclose(w.row_sums, [1.0, 3.0, 7.0, 0.0])
    np.testing.assert_allclose(w.row_squares, [0.5, 5.0, 49.0, 0.0])


def test_reordered_moves_rows_and_columns():
    w = weights.from_pairs(3, ["a", "b"], ["b", "c"], [2.0, 3.0], ids=["a", "b", "c"])
    moved = w.reordered([2, 0, 1])
    assert moved.ids.tolist() == ["c", "a", "b"]
    np.testing.assert_array_equal(dense(moved), dense(w)[np.ix_([2, 0, 1], [2, 0, 1])])
    with pytest.raises(InvalidArgument, match="each position once"):
        w.reordered([0, 0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 1, "focal": [], "neighbour": []}, "two units"),
        ({"n": 2.5, "focal": [], "neighbour": []}, "two units"),
        ({"n": 3, "focal": [0], "neighbour": [1, 2]}, "equal lengths"),
        ({"n": 3, "focal": [0], "neighbour": [3]}, "from 0 to 2, found 3"),
        ({"n": 3, "focal": [-1], "neighbour": [1]}, "found -1"),
        ({"n": 3, "focal": [0.5], "neighbour": [1]}, "whole numbers"),
        ({"n": 3, "focal": ["a"], "neighbour": ["b"]}, "ids="),
        ({"n": 3, "focal": [[0]], "neighbour": [[1]]}, "one dimension"),
        ({"n": 3, "focal": [1], "neighbour": [1]}, "unit 1 paired with itself"),
        ({"n": 3, "focal": [0, 0], "neighbour": [1, 1]}, r"\(0, 1\) more than once"),
        ({"n": 3, "focal": [0], "neighbour": [1], "value": [-1.0]}, "weights >= 0, found -1"),
        ({"n": 3, "focal": [0], "neighbour": [1], "value": [np.nan]}, "found nan"),
        ({"n": 3, "focal": [0], "neighbour": [1], "value": [np.inf]}, "found inf"),
        ({"n": 3, "focal": [0], "neighbour": [1], "value": [1.0, 2.0]}, "expected 1 weights"),
        ({"n": 3, "focal": ["a"], "neighbour": ["x"], "ids": ["a", "b", "c"]}, "found .*x"),
        ({"n": 3, "focal": ["a"], "neighbour": ["b"], "ids": ["a", "b", "a"]}, "distinct names"),
        ({"n": 3, "focal": ["a"], "neighbour": ["b"], "ids": ["a", "b"]}, "expected 3 names"),
    ],
)
def test_wrong_pairs_are_refused(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        weights.from_pairs(**arguments)


def test_positions_of_many_units_do_not_overflow():
    n = 3_000_000  # n * n is beyond 32 bits
    w = weights.from_pairs(n, [n - 1, 0], [n - 2, n - 1])
    assert w.lag(np.arange(n))[[0, n - 1]].tolist() == [n - 1, n - 2]
    with pytest.raises(InvalidArgument, match=f"\\({n - 1}, {n - 2}\\)"):
        weights.from_pairs(n, [n - 1, n - 1], [n - 2, n - 2])


# --- nearest neighbours


def brute_knn(xy, k):
    distance = np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1))
    np.fill_diagonal(distance, np.inf)
    found = np.zeros_like(distance)
    np.put_along_axis(found, np.argsort(distance, axis=1)[:, :k], 1.0, axis=1)
    return found


@pytest.mark.parametrize(("n", "k"), [(2, 1), (3, 2), (50, 1), (50, 7), (50, 49), (6_000, 3)])
def test_knn_as_by_brute_force(n, k):
    xy = points(n + k, n)
    np.testing.assert_array_equal(dense(weights.knn(xy, k)), brute_knn(xy, k))


def test_knn_refuses_ties_that_matter_only():
    square = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) * 100.0
    with pytest.raises(InvalidArgument, match="4 units with candidates equally near"):
        weights.knn(square, 1)
    assert weights.knn(square, 2).links == 8  # both tied neighbours are in


def test_knn_breaks_ties_evenly_and_by_its_generator_alone():
    star = np.array([[0.0, 0.0], [1, 0], [0, 1], [-1, 0], [0, -1]])
    rng = np.random.default_rng(5)
    chosen = np.zeros(5)
    for _ in range(4_000):
        w = weights.knn(star, 2, ties="random", rng=rng)
        chosen[w.indices[:2]] += 1
    assert chosen[0] == 0
    # Each of four is in half of the sets of two; 5 standard deviations of a proportion.
    np.testing.assert_allclose(chosen[1:] / 4_000, 0.5, atol=5 * 0.5 / np.sqrt(4_000))
    once, again = (
        weights.knn(star, 2, ties="random", rng=np.random.default_rng(9)).indices for _ in range(2)
    )
    np.testing.assert_array_equal(once, again)


def test_knn_of_coincident_points():
    xy = np.repeat(points(1, 40), 5, axis=0)
    with pytest.raises(InvalidArgument, match="distance 0"):
        weights.knn(xy, 2)
    w = weights.knn(xy, 2, ties="random", rng=np.random.default_rng(0))
    place = np.repeat(np.arange(40), 5)
    assert (place[w.indices] == np.repeat(place, 2)).all()
    assert (w.indices != np.repeat(np.arange(200), 2)).all()
    # Four others at the same place are unambiguous.
    assert (place[weights.knn(xy, 4).indices].reshape(-1, 4) == place[:, None]).all()


def test_knn_of_points_all_in_one_place():
    w = weights.knn(np.ones((30, 2)), 3, ties="random", rng=np.random.default_rng(0))
    assert (w.cardinalities == 3).all()
    assert (w.indices.reshape(-1, 3) != np.arange(30)[:, None]).all()


def test_knn_ties_hold_on_a_turned_lattice_of_large_coordinates():
    a, b = np.meshgrid(np.arange(12.0), np.arange(12.0))
    angle = 0.3
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    lattice = np.column_stack([a.ravel(), b.ravel()]) @ turn * 100 + [350_000, 9_230_000]
    with pytest.raises(InvalidArgument, match="100 of 144 units with candidates"):
        weights.knn(lattice, 3)  # all but the edge, where three are nearest
    inner = weights.knn(lattice, 4, ties="random", rng=np.random.default_rng(0))
    assert inner.links == 144 * 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "from 1 to 9"),
        ({"k": 10}, "from 1 to 9, found 10"),
        ({"k": 2.5}, "whole number"),
        ({"k": True}, "whole number"),
        ({"k": 2, "ties": "drop"}, "'raise' or 'random'"),
        ({"k": 2, "ties": "random"}, "numpy.random.Generator"),
        ({"k": 2, "ids": ["a"]}, "10 names"),
    ],
)
def test_wrong_arguments_of_knn_are_refused(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        weights.knn(points(0, 10), **arguments)


@pytest.mark.parametrize(
    "xy",
    [np.zeros(4), np.zeros((4, 3)), [[0, np.nan], [1, 1]], [[0, np.inf], [1, 1]], [["a", "b"]]],
)
def test_wrong_coordinates_are_refused(xy):
    for build in (lambda p: weights.knn(p, 1), lambda p: weights.distance_band(p, 1.0)):
        with pytest.raises(InvalidArgument):
            build(xy)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), angle=st.floats(0, 7), scale=st.floats(0.01, 100))
def test_knn_does_not_move_with_the_map(seed, angle, scale):
    xy = points(seed, 60)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = xy @ turn * scale + [5_000.0, -70_000.0]
    np.testing.assert_array_equal(weights.knn(xy, 4).indices, weights.knn(moved, 4).indices)
    order = np.random.default_rng(seed).permutation(60)
    np.testing.assert_array_equal(
        weights.knn(xy[order], 4).indices, weights.knn(xy, 4).reordered(order).indices
    )


# --- bands and kernels


def test_distance_band_includes_its_radius_and_coincident_points():
    xy = [[0, 0], [0, 0], [3, 4], [10, 0]]
    w = weights.distance_band(xy, 5.0)
    assert dense(w).tolist() == [[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
    assert w.isolates.tolist() == [3]


@pytest.mark.parametrize("radius", [0, -1.0, np.nan, np.inf, True, "far", [1.0]])
def test_wrong_radius_is_refused(radius):
    with pytest.raises(InvalidArgument, match="radius: expected a length"):
        weights.distance_band(points(0, 5), radius)


def test_too_many_links_are_refused_before_they_are_made():
    with pytest.raises(InvalidArgument, match="at most 1,000,000,000 links, found"):
        weights.distance_band(points(0, 40_000), 5_000.0)


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        ("uniform", 1.0),
        ("triangular", 0.5),
        ("epanechnikov", 0.75),
        ("biweight", 0.5625),
        ("gaussian", np.exp(-0.125)),
    ],
)
def test_kernels_at_half_the_bandwidth(shape, value):
    w = weights.kernel([[0, 0], [1, 0], [50, 0]], 2.0, shape)
    np.testing.assert_allclose(w.values, [value, value])
    assert w.isolates.tolist() == [2]


def test_adaptive_kernel_uses_the_width_of_the_focal_unit():
    xy = points(3, 30)
    width = weights.nearest_distance(xy, 5) * 1.0001
    w = weights.kernel(xy, width, "uniform")
    np.testing.assert_array_equal(dense(w), brute_knn(xy, 5))
    single = weights.kernel(xy, 300.0, "triangular")
    several = weights.kernel(xy, np.r_[np.full(29, 300.0), 300.0000001], "triangular")
    np.testing.assert_allclose(dense(single), dense(several), atol=1e-8)


def test_wrong_kernels_are_refused():
    xy = points(0, 5)
    with pytest.raises(InvalidArgument, match="name of a kernel"):
        weights.kernel(xy, 1.0, "cosine")
    for width in (0.0, -1.0, np.nan, [1.0, 2.0], np.zeros(5)):
        with pytest.raises(InvalidArgument, match="bandwidth"):
            weights.kernel(xy, width)
    with pytest.raises(InvalidArgument, match="k: expected"):
        weights.nearest_distance(xy, 5)


# --- polygons and libpysal


def lattice(rows, columns):
    return [shapely.box(c, r, c + 1, r + 1) for r in range(rows) for c in range(columns)]


def test_contiguity_of_a_lattice():
    queen, rook = (weights.contiguity(lattice(3, 3), rule) for rule in ("queen", "rook"))
    assert queen.cardinalities.tolist() == [3, 5, 3, 5, 8, 5, 3, 5, 3]
    assert rook.cardinalities.tolist() == [2, 3, 2, 3, 4, 3, 2, 3, 2]
    assert queen.is_symmetric


def test_contiguity_keeps_names_islands_and_border_lengths():
    shapes = [shapely.box(0, 0, 1, 4), shapely.box(1, 0, 2, 4), shapely.box(9, 9, 10, 10)]
    frame = geopandas.GeoDataFrame(index=["w", "e", "far"], geometry=shapes, crs="EPSG:32749")
    w = weights.contiguity(frame, "rook", border=True)
    assert w.ids.tolist() == ["w", "e", "far"]
    assert w.values.tolist() == [4.0, 4.0]
    assert w.isolates.tolist() == [2]
    halves = [shapely.box(0, 0, 1, 4), shapely.box(1, 0, 2, 1.5), shapely.box(1, 1.5, 2, 4)]
    assert weights.contiguity(halves, "rook", strict=True).links == 6


@pytest.mark.parametrize(
    ("polygons", "arguments", "message"),
    [
        ([shapely.Point(0, 0), shapely.box(0, 0, 1, 1)], {}, "non-empty polygons, found POINT"),
        ([shapely.Polygon(), shapely.box(0, 0, 1, 1)], {}, "POLYGON EMPTY at place 0"),
        ([None, shapely.box(0, 0, 1, 1)], {}, "found None"),
        (lattice(1, 2), {"rule": "bishop"}, "'queen' or 'rook'"),
        (lattice(1, 2), {"border": True}, "a point has no length"),
        (lattice(1, 1), {}, "two units"),
    ],
)
def test_wrong_polygons_are_refused(polygons, arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        weights.contiguity(polygons, **arguments)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_libpysal_and_back(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 12))
    names = rng.permutation([f"u{i}" for i in range(n)])
    matrix = np.where(rng.random((n, n)) < 0.3, rng.random((n, n)), 0.0)
    np.fill_diagonal(matrix, 0.0)
    w = weights.from_pairs(n, *np.nonzero(matrix), matrix[np.nonzero(matrix)])
    w = weights.W(w.indptr, w.indices, w.values, names)
    graph = w.to_graph()
    assert graph.n == n
    assert set(graph.isolates) == set(names[w.isolates])
    back = weights.from_graph(graph, names)
    np.testing.assert_array_equal(back.indices, w.indices)
    np.testing.assert_array_equal(back.values, w.values)
    y = pd.Series(rng.random(n), index=names)
    np.testing.assert_allclose(
        graph.lag(y), w.lag(y)[[list(names).index(i) for i in graph.unique_ids]]
    )


def test_graph_ids_and_weights_are_checked():
    graph = weights.from_pairs(3, [0, 1], [1, 2]).to_graph()
    with pytest.raises(InvalidArgument, match="expected only ids of the units"):
        weights.from_graph(graph, [0, 1, 7])
    with pytest.raises(InvalidArgument, match="expected 3 names"):
        weights.from_graph(graph, [0, 1])
    own = Graph.from_arrays([0, 0, 1], [0, 1, 0], [1.0, 1.0, 1.0])
    with pytest.raises(InvalidArgument, match="no unit to neighbour itself"):
        weights.from_graph(own)
    negative = Graph.from_arrays([0, 1], [1, 0], [-1.0, 1.0])
    with pytest.raises(InvalidArgument, match="finite weights >= 0"):
        weights.from_graph(negative)


def test_knn_as_in_libpysal():
    xy = points(8, 500)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = weights.from_graph(Graph.build_knn(xy, k=6))
    np.testing.assert_array_equal(theirs.indices, weights.knn(xy, 6).indices)
