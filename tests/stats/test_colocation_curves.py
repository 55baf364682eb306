"""Cross-K, L, pcf, envelopes, M, m, K_d and Clark-Evans against slow loops and invariances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

import shapely

from pipeline.contracts.errors import InvalidArgument, TooFewUnits, UndefinedStatistic
from pipeline.stats import colocation
from pipeline.stats._window import Window

SQUARE = shapely.box(0, 0, 100, 100)
# An L with a hole: neither convex nor simply connected
HOUSE = shapely.Polygon(
    [(0, 0), (100, 0), (100, 40), (45, 40), (45, 100), (0, 100)],
    [[(10, 10), (30, 10), (30, 25), (10, 25)]],
)
RADII = np.array([0.0, 3.0, 8.0, 15.0, 25.0])


def inside(window, n, seed):
    return Window(window).random_points(n, np.random.default_rng(seed))


def circle_share(window, centre, radius, steps=4_000):
    angle = (np.arange(steps) + 0.5) * 2 * np.pi / steps
    x, y = centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)
    return shapely.contains_xy(window, x, y).mean()


def slow_k(xy, in_a, in_b, radii, window, correction):
    """K from the definition, one pair at a time."""
    total = np.zeros(len(radii))
    edge = np.array([window.boundary.distance(shapely.Point(p)) for p in xy])
    for i in np.flatnonzero(in_a):
        for j in np.flatnonzero(in_b):
            if i == j:
                continue
            d = math.dist(xy[i], xy[j])
            if d > radii[-1]:
                continue
            weight = 1.0
            if correction == "translate":
                moved = shapely.transform(window, lambda p, i=i, j=j: p + (xy[j] - xy[i]))
                weight = min(100, window.area / window.intersection(moved).area)
            if correction == "isotropic" and d > edge[i]:
                weight = min(100, 1 / circle_share(window, xy[i], d))
            for k, r in enumerate(radii):
                if d <= r and (correction != "border" or edge[i] >= r):
                    total[k] += weight
    n_a, n_b = in_a.sum(), in_b.sum()
    if correction == "border":
        centres = np.array([(edge[in_a] >= r).sum() for r in radii])
        return total / centres * window.area / n_b
    pairs = n_a * (n_a - 1) if (in_a == in_b).all() else n_a * n_b
    return total * window.area / pairs


@pytest.mark.parametrize("window", [SQUARE, HOUSE], ids=["square", "house"])
@pytest.mark.parametrize("correction", ["none", "border", "translate", "isotropic"])
@pytest.mark.parametrize(("a", "b"), [("p", "q"), ("q", "p"), ("p", "p")])
def test_k_equals_slow_loop(window, correction, a, b):
    xy = inside(window, 50, 3)
    labels = np.random.default_rng(4).choice(["p", "q", "z"], size=50)
    k = colocation.cross_k(xy, labels, a, b, RADII[:4], window, correction)
    expected = slow_k(xy, labels == a, labels == b, RADII[:4], window, correction)
    rtol = 1e-3 if correction == "isotropic" else 1e-10
    np.testing.assert_allclose(k.observed, expected, rtol=rtol)
    np.testing.assert_allclose(k.expected, np.pi * RADII[:4] ** 2)
    assert (k.n, k.n_a, k.n_b) == (50, (labels == a).sum(), (labels == b).sum())


@pytest.mark.parametrize(
    "window", [HOUSE, shapely.MultiPolygon([HOUSE, shapely.box(110, 0, 120, 9)])]
)
def test_set_covariance_equals_polygon_intersections(window):
    delta = np.random.default_rng(1).normal(0, 25, (60, 2))
    delta[:3] = [[0, 0], [10, 0], [0, -5]]  # moved along their own edges
    expected = [
        window.intersection(shapely.transform(window, lambda p, h=h: p + h)).area for h in delta
    ]
    np.testing.assert_allclose(Window(window)._covariance(delta), expected, rtol=1e-9, atol=1e-7)


def test_interpolated_translation_weights_are_close_to_exact(monkeypatch):
    window = Window(HOUSE)
    delta = np.random.default_rng(1).normal(0, 12, (5000, 2))
    exact, error = window.translation_weights(delta)
    assert error == 0.0
    monkeypatch.setattr("pipeline.stats._window._EXACT_WORK", 0)
    weights, error = window.translation_weights(delta)
    assert 0 < error < 2e-4
    assert np.abs(weights / exact - 1).mean() < 2e-4


def test_set_covariance_of_a_triangle_by_hand():
    # Two copies of a triangle moved along its base overlap in a similar triangle
    window = Window(shapely.Polygon([(0, 0), (10, 0), (0, 10)]))
    weights, error = window.translation_weights(np.array([[2.0, 0.0], [-5.0, 0.0]]))
    np.testing.assert_allclose(weights, [1 / 0.8**2, 1 / 0.5**2])
    assert error == 0.0


def test_isotropic_by_hand():
    # Half of the circle round a point on the edge lies inside; a quarter round a corner
    window = Window(SQUARE)
    centre = np.array([[0.0, 50.0], [0.0, 0.0], [50.0, 50.0]])
    weights = window.isotropic_weights(centre, np.full(3, 10.0), window.edge_distance(centre))
    np.testing.assert_allclose(weights, [2.0, 4.0, 1.0], rtol=1e-9)


def test_one_pair_and_all_pairs_agree():
    xy = inside(SQUARE, 80, 8)
    rng = np.random.default_rng(8)
    sets = [{n for n in "pqz" if rng.random() < 0.5} for _ in range(80)]
    for correction in ("none", "border", "translate", "isotropic"):
        many = colocation.cross_k_all(
            xy, sets, RADII, SQUARE, correction, 99, np.random.default_rng(1)
        )
        for a in "pqz":
            for b in "pqz":
                one = colocation.cross_k(xy, sets, a, b, RADII, SQUARE, correction)
                np.testing.assert_allclose(many[a, b].observed, one.observed, rtol=1e-9)
                assert many.p_global[a, b] == many[a, b].p_global
        assert many.family == 9
        assert many.observed.shape == (3, 3, 5)


def test_l_is_the_root_of_k_with_the_same_p():
    xy = inside(SQUARE, 80, 8)
    labels = ["p", "q"] * 40
    k = colocation.cross_k(xy, labels, "p", "q", RADII, SQUARE, "translate", 199,
                           np.random.default_rng(2))  # fmt: skip
    root = colocation.cross_l(xy, labels, "p", "q", RADII, SQUARE, "translate", 199,
                              np.random.default_rng(2))  # fmt: skip
    np.testing.assert_allclose(root.observed, np.sqrt(k.observed / np.pi))
    assert root.p_global == k.p_global
    np.testing.assert_allclose(root.expected, RADII)


def test_mean_of_labellings_is_k_of_all_points():
    # Under random labelling every K_ab has the mean K of all points, whatever the correction
    xy = inside(HOUSE, 80, 5)
    labels = np.random.default_rng(1).choice(["p", "q"], size=80)
    for correction in ("none", "translate", "isotropic"):
        c = colocation.cross_k(
            xy, labels, "p", "q", RADII, HOUSE, correction, 1999, np.random.default_rng(1)
        )
        everything = slow_k(xy, np.ones(80, bool), np.ones(80, bool), RADII, HOUSE, correction)
        np.testing.assert_allclose(c.null_mean[1:], everything[1:], rtol=0.02)


def test_null_draws_equal_recomputed_labellings():
    # The kernels see the same labellings: compare every draw with a K computed afresh
    from pipeline.stats import _cross_k
    from pipeline.stats._labels import labellings

    xy = inside(SQUARE, 60, 2)
    labels = np.random.default_rng(1).choice(["p", "q", "z"], size=60)
    for correction in ("none", "border", "translate", "isotropic"):
        at = _cross_k._read(xy, labels, None, RADII, SQUARE, correction, None, None)
        draws = labellings(at.labels.codes, at.strata, 600, np.random.default_rng(3))
        sets = at.labels.sets
        values = _cross_k._k_curves(at, draws, sets, sets, [], 1)
        for r in (0, 1, 63, 64, 511, 512, 600):
            members = sets[draws.block(r, r + 1)[0]]
            names = np.array(at.labels.names)[members.argmax(axis=1)]
            for i, a in enumerate(at.labels.names):
                for j, b in enumerate(at.labels.names):
                    fresh = colocation.cross_k(at.xy, names, a, b, RADII, SQUARE, correction)
                    np.testing.assert_allclose(values[r, :, i, j], fresh.observed, rtol=1e-9)


def test_same_seed_whatever_workers_and_row_order():
    xy = inside(SQUARE, 90, 3)
    labels = np.random.default_rng(1).choice(["p", "q"], size=90)
    order = np.random.default_rng(2).permutation(90)

    def run(points, names, correction, workers):
        return colocation.cross_k(points, names, "p", "q", RADII, SQUARE, correction, 1100,
                                  np.random.default_rng(4), workers=workers)  # fmt: skip

    for correction in ("none", "translate"):
        first = run(xy, labels, correction, 1)
        for other in (run(xy, labels, correction, 2), run(xy[order], labels[order], correction, 1)):
            assert other.p_global == first.p_global
            np.testing.assert_array_equal(other.envelope.upper, first.envelope.upper)


def test_coincident_points_are_pairs_at_zero():
    xy = np.array([[10.0, 10.0], [10.0, 10.0], [10.0, 10.0], [60.0, 60.0]])
    k = colocation.cross_k(xy, list("ppqq"), "p", "q", [0.0, 1.0], SQUARE)
    np.testing.assert_allclose(k.observed, [2 * 1e4 / 4] * 2)
    same = colocation.cross_k(xy, list("ppqq"), "p", "p", [0.0, 1.0], SQUARE)
    np.testing.assert_allclose(same.observed, [1e4] * 2)


def test_border_beyond_the_inradius_is_nan_and_said():
    xy = inside(SQUARE, 40, 1)
    k = colocation.cross_k(xy, ["p", "q"] * 20, "p", "q", [10.0, 60.0], SQUARE, "border")
    assert np.isfinite(k.observed[0])
    assert np.isnan(k.observed[1])
    assert "1 of 2 radii are undefined" in k.warnings[0]


@pytest.mark.parametrize("step", [0.1, 0.3, 1 / 3, 0.7, 1.1])
def test_no_pair_is_lost_between_cells_of_a_lattice(step):
    # Distances equal to the radius, coordinates on the borders of search cells
    axis = np.arange(31) * step
    xy = np.array([[x, y] for x in axis for y in axis])
    labels = np.arange(len(xy)) % 2
    d = np.sqrt(((xy[:, None] - xy[None]) ** 2).sum(axis=2))
    near = d[labels == 0][:, labels == 1] <= step
    window = shapely.box(0, 0, axis[-1], axis[-1])
    k = colocation.cross_k(xy, labels, 0, 1, [step], window)
    pairs = (labels == 0).sum() * (labels == 1).sum()
    assert k.observed[0] * pairs / window.area == pytest.approx(near.sum())


def test_products_of_counts_do_not_overflow():
    # 50,000 x 50,000 pairs are more than 32 bits hold
    n = 100_000
    xy = np.random.default_rng(1).random((n, 2)) * 100
    k = colocation.cross_k(xy, np.arange(n) % 2, 0, 1, [0.3, 0.6], SQUARE, "translate")
    np.testing.assert_allclose(k.observed, k.expected, rtol=0.02)


def test_pcf_equals_slow_loop():
    xy = inside(SQUARE, 50, 6)
    labels = np.random.default_rng(4).choice(["p", "q"], size=50)
    radii, h = np.array([4.0, 9.0, 20.0]), 3.0
    for correction in ("none", "translate", "isotropic"):
        for divisor in ("r", "d"):
            g = colocation.cross_pcf(
                xy, labels, "p", "q", radii, SQUARE, correction, bandwidth=h, divisor=divisor
            )
            total = np.zeros(3)
            for i in np.flatnonzero(labels == "p"):
                for j in np.flatnonzero(labels == "q"):
                    d = math.dist(xy[i], xy[j])
                    dx, dy = np.abs(xy[i] - xy[j])
                    w = {"none": 1.0, "translate": 1e4 / ((100 - dx) * (100 - dy))}.get(correction)
                    if w is None:
                        w = 1 / circle_share(SQUARE, xy[i], d)
                    for k, r in enumerate(radii):
                        u = (r - d) / h
                        if abs(u) < 1:
                            total[k] += w * 0.75 / h * (1 - u * u) / (r if divisor == "r" else d)
            pairs = (labels == "p").sum() * (labels == "q").sum()
            np.testing.assert_allclose(g.observed, total * 1e4 / pairs / 2 / np.pi, rtol=2e-3)


def test_pcf_at_zero_is_undefined_by_r():
    xy = inside(SQUARE, 50, 6)
    g = colocation.cross_pcf(xy, ["p", "q"] * 25, "p", "q", [0.0, 5.0], SQUARE)
    assert np.isnan(g.observed[0])
    assert np.isfinite(g.observed[1])


class TestShift:
    def test_independent_patterns_are_not_rejected_and_linked_ones_are(self):
        rng = np.random.default_rng(5)
        p, q = rng.random((60, 2)) * 100, rng.random((60, 2)) * 100
        labels = ["p"] * 60 + ["q"] * 60
        near = np.clip(p + rng.normal(0, 0.5, (60, 2)), 0, 100)
        radii = [1.0, 2.0, 4.0]
        apart = colocation.cross_k(np.vstack([p, q]), labels, "p", "q", radii, SQUARE, "translate",
                                   99, np.random.default_rng(1), null="shift")  # fmt: skip
        linked = colocation.cross_k(np.vstack([p, near]), labels, "p", "q", radii, SQUARE, "none",
                                    99, np.random.default_rng(1), null="shift")  # fmt: skip
        assert apart.p_global > 0.05
        assert linked.p_global == 0.01
        assert "shift" in linked.null

    def test_needs_a_rectangle_and_two_patterns(self):
        xy = inside(HOUSE, 20, 1)
        with pytest.raises(InvalidArgument, match="rectangle"):
            colocation.cross_k(xy, ["p", "q"] * 10, "p", "q", [1.0], HOUSE, "none", 99,
                               np.random.default_rng(1), null="shift")  # fmt: skip
        with pytest.raises(InvalidArgument, match="share no point"):
            colocation.cross_k(xy, ["p", "q"] * 10, "p", "p", [1.0], SQUARE, "none", 99,
                               np.random.default_rng(1), null="shift")  # fmt: skip


class TestEnvelope:
    def test_p_below_level_exactly_when_the_curve_leaves(self):
        rng = np.random.default_rng(1)
        for _ in range(300):
            curves = rng.normal(size=(100, 6)).cumsum(axis=1)
            e = colocation.rank_envelope(curves[0], curves[1:], 0.05)
            assert (e.p_global <= 0.05) == bool(e.outside(curves[0]).any())

    def test_by_hand(self):
        # 20 curves at two radii; the observed one is the top one at both
        simulated = np.column_stack([np.arange(19.0), np.arange(19.0)])
        e = colocation.rank_envelope([99.0, 99.0], simulated, 0.1)
        # the lowest curve has the same ranks from below: two curves are equally extreme
        assert e.p_global == pytest.approx(2 / 20)
        lower, upper = e
        assert (lower.tolist(), upper.tolist()) == ([1.0, 1.0], [18.0, 18.0])
        np.testing.assert_allclose(e.p_pointwise, 0.1)
        np.testing.assert_array_equal(np.asarray(e), [lower, upper])
        assert len(e) == 2
        assert e[1] is e.upper

    def test_constant_radii_change_nothing(self):
        rng = np.random.default_rng(3)
        curves = rng.random((200, 4))
        padded = np.column_stack([np.zeros(200), curves, np.full(200, np.nan)])
        e = colocation.rank_envelope(curves[0], curves[1:])
        f = colocation.rank_envelope(padded[0], padded[1:])
        assert f.p_global == e.p_global
        assert np.isnan(f.upper[-1])
        assert f.upper[0] == 0.0

    def test_all_nan_has_no_p(self):
        e = colocation.rank_envelope([np.nan], np.full((39, 1), np.nan))
        assert np.isnan(e.p_global)

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            (([1.0], np.zeros((18, 1))), TooFewUnits),
            (([1.0, 2.0], np.zeros((99, 1))), InvalidArgument),
            (([1.0], np.zeros((99, 1)), 1.5), InvalidArgument),
        ],
    )
    def test_refusals(self, arguments, error):
        with pytest.raises(error):
            colocation.rank_envelope(*arguments)


def slow_m(xy, in_a, in_b, radii, size):
    """M from the definition."""
    top, below = np.zeros(len(radii)), np.zeros(len(radii))
    for i in np.flatnonzero(in_a):
        for k, r in enumerate(radii):
            near = [j for j in range(len(xy)) if j != i and math.dist(xy[i], xy[j]) <= r]
            everyone = sum(size[j] for j in near)
            if everyone:
                top[k] += sum(size[j] for j in near if in_b[j]) / everyone
                others = size[in_b].sum() - (size[i] if in_b[i] else 0)
                below[k] += others / (size.sum() - size[i])
    return top / below


class TestM:
    xy = np.random.default_rng(2).random((70, 2)) * 100
    labels = np.random.default_rng(3).choice(["p", "q", "z"], size=70)
    size = np.random.default_rng(4).integers(1, 60, size=70).astype(float)

    @pytest.mark.parametrize(("a", "b"), [("p", "q"), ("q", "q")])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_equals_slow_loop(self, a, b, weighted):
        radii = [5.0, 10.0, 30.0, 150.0]
        m = colocation.m_function(
            self.xy, self.labels, a, b, radii, self.size if weighted else None
        )
        size = self.size if weighted else np.ones(70)
        expected = slow_m(self.xy, self.labels == a, self.labels == b, radii, size)
        np.testing.assert_allclose(m.observed, expected, rtol=1e-12)
        # At a radius that holds everybody the local share is the global one
        assert m.observed[-1] == pytest.approx(1.0)
        assert m.weighted is weighted

    def test_m_density_equals_slow_loop(self):
        radii, h = np.array([5.0, 20.0]), 4.0
        m = colocation.m_density(self.xy, self.labels, "p", "p", radii, self.size, bandwidth=h)
        for k, r in enumerate(radii):
            top = below = 0.0
            for i in np.flatnonzero(self.labels == "p"):
                d = np.hypot(*(self.xy - self.xy[i]).T)
                w = np.exp(-0.5 * ((r - d) / h) ** 2) * self.size * (np.abs(r - d) <= 5 * h)
                w[i] = 0
                own = self.labels == "p"
                top += w[own].sum() / w.sum()
                below += (self.size[own].sum() - self.size[i]) / (self.size.sum() - self.size[i])
            assert m.observed[k] == pytest.approx(top / below)

    def test_null_is_centred_on_one_and_location_moves_sizes(self):
        for null in ("labelling", "location"):
            m = colocation.m_function(self.xy, self.labels, "p", "q", [10.0, 30.0], self.size, 1999,
                                      np.random.default_rng(1), null=null)  # fmt: skip
            np.testing.assert_allclose(m.null_mean, 1.0, atol=0.03)
            assert 0 < m.p_global <= 1
            assert null.removesuffix("ling").removesuffix("l") in m.null

    def test_planted_cluster_is_found(self):
        rng = np.random.default_rng(1)
        xy = np.vstack([rng.normal(50, 3, (25, 2)), rng.random((120, 2)) * 100])
        labels = ["p"] * 25 + ["q"] * 20 + ["z"] * 100
        m = colocation.m_function(xy, labels, "p", "p", [5.0, 10.0], None, 199, rng)
        assert m.p_global == pytest.approx(0.005)
        assert m.observed[0] > 2

    def test_no_neighbour_is_undefined(self):
        m = colocation.m_function([[0, 0], [50, 0], [0, 90]], list("pqp"), "p", "q", [1.0, 60.0])
        assert np.isnan(m.observed[0])
        assert "1 of 2 radii" in m.warnings[0]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"sizes": [0.0] * 70}, "positive"),
            ({"sizes": [1.0] * 69}, "70 values"),
            ({"radii": [3.0, 2.0]}, "increasing"),
            ({"radii": [-1.0, 2.0]}, "increasing"),
            ({"radii": []}, "at least one"),
            ({"radii": [0.0]}, "above 0"),
            ({"a": "nobody"}, "expected one of"),
            ({"null": "csr"}, "labelling"),
            ({"permutations": 99}, "Generator"),
        ],
    )
    def test_refusals(self, change, message):
        given_ = {"xy": self.xy, "labels": self.labels, "a": "p", "b": "q", "radii": [10.0]}
        with pytest.raises(InvalidArgument, match=message):
            colocation.m_function(**(given_ | change))


class TestKd:
    xy, labels, size = TestM.xy, TestM.labels, TestM.size

    @pytest.mark.parametrize(("a", "b"), [("p", "q"), ("q", "q")])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_equals_slow_loop(self, a, b, weighted):
        radii, h = np.array([0.0, 5.0, 20.0, 60.0]), 6.0
        k = colocation.duranton_overman(
            self.xy, self.labels, a, b, radii, self.size if weighted else None, bandwidth=h
        )
        size = self.size if weighted else np.ones(70)
        top, total = np.zeros(4), 0.0
        for i in np.flatnonzero(self.labels == a):
            for j in np.flatnonzero(self.labels == b):
                if i != j:
                    d, w = math.dist(self.xy[i], self.xy[j]), size[i] * size[j]
                    total += w
                    for sign in (-1, 1):
                        top += w * np.exp(-0.5 * ((radii + sign * d) / h) ** 2)
        np.testing.assert_allclose(
            k.observed, top / total / h / math.sqrt(2 * math.pi), rtol=1e-4, atol=1e-8
        )

    def test_is_a_density(self):
        radii = np.linspace(0, 250, 2001)
        k = colocation.duranton_overman(self.xy, self.labels, "p", "q", radii)
        assert np.trapezoid(k.observed, radii) == pytest.approx(1.0, abs=1e-4)
        assert np.trapezoid(k.expected, radii) == pytest.approx(1.0, abs=1e-4)

    def test_bandwidth_is_silvermans(self):
        k = colocation.duranton_overman(self.xy, self.labels, "p", "q", [5.0])
        d = np.hypot(
            *(self.xy[self.labels == "p"][:, None] - self.xy[self.labels == "q"][None])
            .reshape(-1, 2).T
        )  # fmt: skip
        iqr = np.subtract(*np.quantile(d, [0.75, 0.25])) / 1.34
        assert k.bandwidth == pytest.approx(0.9 * min(d.std(ddof=1), iqr) * d.size**-0.2)

    def test_null_mean_is_the_curve_of_all(self):
        k = colocation.duranton_overman(self.xy, self.labels, "p", "p", [5.0, 20.0, 40.0], None,
                                        1999, np.random.default_rng(1), bandwidth=5.0)  # fmt: skip
        np.testing.assert_allclose(k.null_mean, k.expected, rtol=0.03)

    def test_equal_distances_need_a_bandwidth(self):
        with pytest.raises(UndefinedStatistic, match="bandwidth"):
            colocation.duranton_overman([[0, 0], [1, 0], [9, 9]], list("ppq"), "p", "p", [1.0])
        with pytest.raises(InvalidArgument, match="bandwidth"):
            colocation.duranton_overman(self.xy, self.labels, "p", "q", [1.0], bandwidth=0)


class TestClarkEvans:
    def test_lattice_by_hand(self):
        xy = [[x, y] for x in range(5, 100, 10) for y in range(5, 100, 10)]
        r = colocation.clark_evans(xy, SQUARE, "none")
        # nearest neighbours at 10, expected 0.5 sqrt(10000 / 100) = 5
        assert r.index == pytest.approx(2.0)
        assert r.p_normal < 1e-12

    def test_corrections_and_p(self):
        xy = inside(SQUARE, 80, 3)
        none = colocation.clark_evans(xy, SQUARE, "none")
        donnelly = colocation.clark_evans(xy, SQUARE, "donnelly")
        near = cKDTree(xy).query(xy, k=2)[0][:, 1]
        assert none.mean_distance == pytest.approx(near.mean())
        extra = (0.0514 + 0.0412 / math.sqrt(80)) * 400 / 80
        assert donnelly.expected_distance == pytest.approx(none.expected_distance + extra)
        r = colocation.clark_evans(xy, HOUSE.union(SQUARE), "cdf", 199, np.random.default_rng(1))
        assert 0.05 < r.p <= 1

    def test_cluster_is_found_and_coincident_points_said(self):
        rng = np.random.default_rng(1)
        xy = np.repeat(rng.random((20, 2)) * 100, 3, axis=0)
        r = colocation.clark_evans(xy, SQUARE, "none", 99, rng)
        assert r.index == 0.0
        assert r.p == 0.02
        assert "60 of 60 points coincide" in r.warnings[0]

    def test_refusals(self):
        xy = inside(HOUSE, 20, 1)
        with pytest.raises(InvalidArgument, match="rectangles"):
            colocation.clark_evans(xy, HOUSE, "donnelly")
        with pytest.raises(InvalidArgument, match="correction"):
            colocation.clark_evans(xy, HOUSE, "guard")
        with pytest.raises(TooFewUnits):
            colocation.clark_evans([[1, 1]], SQUARE)


class TestRefusals:
    xy = inside(SQUARE, 30, 1)
    labels = ["p", "q", "z"] * 10

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ({"xy": [[np.nan, 1]] * 30}, InvalidArgument, "finite"),
            ({"xy": [[np.inf, 1]] * 30}, InvalidArgument, "finite"),
            ({"xy": np.zeros((30, 3))}, InvalidArgument, "shape"),
            ({"xy": [[500.0, 1.0]] + [[1.0, 1.0]] * 29}, InvalidArgument, "1 outside"),
            ({"labels": ["p"] * 30}, UndefinedStatistic, "at least 2 different"),
            ({"a": "nobody"}, InvalidArgument, "expected one of"),
            ({"radii": [5.0, 1.0]}, InvalidArgument, "increasing"),
            ({"radii": [1.0, 1.0]}, InvalidArgument, "increasing"),
            ({"radii": [np.nan]}, InvalidArgument, "finite"),
            ({"radii": [1.0, 900.0]}, InvalidArgument, "longest distance"),
            ({"window": (0, 0, 1, 1)}, InvalidArgument, "Polygon"),
            ({"window": shapely.Polygon()}, InvalidArgument, "valid polygon"),
            ({"window": shapely.Polygon([(0, 0), (100, 100), (100, 0), (0, 100)])},
             InvalidArgument, "Self-intersection"),
            ({"correction": "best"}, InvalidArgument, "correction"),
            ({"permutations": 99, "rng": None}, InvalidArgument, "Generator"),
            ({"permutations": 99, "null": "csr", "rng": np.random.default_rng()},
             InvalidArgument, "null"),
            ({"permutations": 9, "rng": np.random.default_rng()}, TooFewUnits, "at least 19"),
        ],
    )  # fmt: skip
    def test_refused_with_a_reason(self, change, error, message):
        given_ = {"xy": self.xy, "labels": self.labels, "a": "p", "b": "q", "radii": [5.0, 9.0]}
        with pytest.raises(error, match=message):
            colocation.cross_k(**(given_ | {"window": SQUARE} | change))

    def test_single_holder_has_no_k_to_itself(self):
        with pytest.raises(UndefinedStatistic, match="at least 2 points"):
            colocation.cross_k(self.xy, ["p"] + ["q"] * 29, "p", "p", [5.0], SQUARE)

    def test_pcf_has_no_border(self):
        with pytest.raises(InvalidArgument, match="pcf"):
            colocation.cross_pcf(self.xy, self.labels, "p", "q", [5.0], SQUARE, "border")

    def test_too_many_pairs_are_refused(self, monkeypatch):
        monkeypatch.setattr("pipeline.stats._pairs.MAX_PAIRS", 10)
        with pytest.raises(InvalidArgument, match="Use smaller radii"):
            colocation.cross_k(self.xy, self.labels, "p", "q", [90.0], SQUARE)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000), angle=st.floats(0.1, 6.0), scale=st.sampled_from([0.01, 1.0, 50.0])
)
def test_invariant_to_motion_unit_and_order(seed, angle, scale):
    rng = np.random.default_rng(seed)
    xy = inside(HOUSE, 40, seed)
    labels = np.array(["p", "q"])[rng.permutation(np.arange(40) % 2)]
    radii = np.array([7.3, 16.1])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def move(points):
        return (points @ turn.T + [30.0, -7.0]) * scale

    window = shapely.transform(HOUSE, move)
    order = rng.permutation(40)
    for correction in ("none", "border", "translate", "isotropic"):
        k = colocation.cross_k(xy, labels, "p", "q", radii, HOUSE, correction).observed
        moved = colocation.cross_k(
            move(xy)[order], labels[order], "p", "q", radii * scale, window, correction
        ).observed
        np.testing.assert_allclose(moved, k * scale**2, rtol=1e-7)
    m = colocation.m_function(xy, labels, "p", "q", radii).observed
    np.testing.assert_allclose(
        colocation.m_function(move(xy)[order], labels[order], "p", "q", radii * scale).observed, m
    )
    d = colocation.duranton_overman(xy, labels, "p", "q", radii).observed
    np.testing.assert_allclose(
        colocation.duranton_overman(move(xy), labels, "p", "q", radii * scale).observed * scale,
        d,
        rtol=1e-3,
    )
    assert colocation.clark_evans(move(xy), window).index == pytest.approx(
        colocation.clark_evans(xy, HOUSE).index
    )


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_duplicated_points_scale_cross_counts(seed):
    # With every point doubled K between two labels does not change: four times the pairs
    xy = inside(SQUARE, 30, seed)
    labels = np.array(["p", "q"] * 15)
    twice, doubled = np.vstack([xy, xy]), np.concatenate([labels, labels])
    for correction in ("none", "border", "translate", "isotropic"):
        np.testing.assert_allclose(
            colocation.cross_k(twice, doubled, "p", "q", RADII, SQUARE, correction).observed,
            colocation.cross_k(xy, labels, "p", "q", RADII, SQUARE, correction).observed,
            rtol=1e-9,
        )
