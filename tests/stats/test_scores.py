"""Score classes: limits of published scales, classes of sums by hand, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.errors import InvalidArgument
from pipeline.stats.scores import Scale


@pytest.mark.parametrize(
    ("items", "classes", "limits"),
    [
        (6, 3, [6, 14, 22, 30]),  # printed 14 and 22
        (5, 3, [5, 35 / 3, 55 / 3, 25]),  # printed 11.67 and 18.34
        (1, 2, [1, 3, 5]),
        (10, 4, [10, 20, 30, 40, 50]),
    ],
)
def test_limits_cut_the_range_evenly(items: int, classes: int, limits: list[float]) -> None:
    assert Scale(items, 1, 5, classes).limits() == pytest.approx(limits)


def test_sums_and_classes_by_hand() -> None:
    scale = Scale(items=2, low=1, high=4, classes=3)  # limits 2, 4, 6, 8
    scores = [[1, 1], [1, 3], [2, 3], [3, 3], [4, 3], [4, 4], [2, np.nan]]
    totals = scale.totals(scores)
    assert totals[:6].tolist() == [2, 4, 5, 6, 7, 8]
    assert np.isnan(totals[6])
    assert scale.classify(totals).tolist() == [0, 0, 1, 1, 2, 2, -1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1, 5), "items: expected at least 1, found 0"),
        ((3, 5, 5), "high: expected more than low = 5, found 5"),
        ((3, 1, 5, 1), "classes: expected at least 2, found 1"),
    ],
)
def test_scales_that_are_none(arguments: tuple[int, ...], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        Scale(*arguments)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([[1, 2, 3]], r"expected shape \(n, 2\), found \(1, 3\)"),
        ([1, 2], r"expected shape \(n, 2\), found \(2,\)"),
        ([[1, 2], [1, 6]], "expected 1 to 5, found 6 in row 1, item 1 .1 in all"),
        ([[0, 7]], "found 0 in row 0, item 0 .2 in all"),
    ],
)
def test_scores_that_do_not_fit(scores: list[object], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        Scale(items=2, low=1, high=5).totals(scores)


@pytest.mark.parametrize("total", [5.9, 30.1])
def test_sums_outside_the_scale(total: float) -> None:
    with pytest.raises(InvalidArgument, match=f"expected 6 to 30, found {total}"):
        Scale(items=6, low=1, high=5).classify([10, total])


@given(st.integers(1, 12), st.integers(-3, 3), st.integers(1, 9), st.integers(2, 7))
def test_every_sum_lies_within_the_limits_of_its_class(
    items: int, low: int, width: int, classes: int
) -> None:
    scale = Scale(items, low, low + width, classes)
    sums = np.arange(items * low, items * (low + width) + 1)
    limits, found = scale.limits(), scale.classify(sums)
    assert (np.diff(found) >= 0).all()
    assert (found[0], found[-1]) == (0, classes - 1)
    assert (sums <= limits[found + 1] + 1e-9).all()
    assert ((sums > limits[found] - 1e-9) | (found == 0)).all()


def test_shifting_all_items_shifts_limits_and_keeps_classes() -> None:
    scores = np.random.default_rng(11).integers(1, 6, size=(40, 6))
    one, other = Scale(6, 1, 5), Scale(6, 0, 4)
    assert one.limits() - 6 == pytest.approx(other.limits())
    assert (one.classify(one.totals(scores)) == other.classify(other.totals(scores - 1))).all()
