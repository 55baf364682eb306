"""Agreement with spatstat on amacrine, betacells, lansing (600 trees) and urkiola (polygon).

The values come from ``reference/points/make_points.R``; licences are in the README beside it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import shapely

from pipeline.stats import colocation

FOLDER = Path(__file__).with_name("reference") / "points"
NAMES = ["amacrine", "betacells", "lansing", "urkiola"]


@pytest.fixture(params=NAMES)
def data(request):
    return json.loads((FOLDER / f"{request.param}.json").read_text(encoding="utf-8"))


def points(data):
    return np.column_stack([data["x"], data["y"]]), shapely.Polygon(data["window"][0])


def curve(values):
    return np.array([np.nan if v in (None, "NA", "NaN") else v for v in values], dtype=float)


@pytest.mark.parametrize("correction", ["none", "border", "translate", "isotropic"])
def test_k_as_kcross_and_kest(data, correction):
    xy, window = points(data)
    for pair in data["pairs"]:
        k = colocation.cross_k(
            xy, data["marks"], pair["a"], pair["b"], data["radii"], window, correction
        )
        # Kcross reads translation weights of polygons off an image of 128 x 128 pixels
        looked_up = data["name"] == "urkiola" and correction == "translate"
        np.testing.assert_allclose(
            k.observed, curve(pair["K"][correction]), rtol=2e-3 if looked_up else 1e-12
        )


def test_translation_against_exact_overlaps(data):
    xy, window = points(data)
    for pair in data["pairs"]:
        if "K_translate_exact" in pair:
            k = colocation.cross_k(
                xy, data["marks"], pair["a"], pair["b"], pair["exact_radii"], window, "translate"
            )
            np.testing.assert_allclose(k.observed, curve(pair["K_translate_exact"]), rtol=1e-9)


def test_pcf_as_exact_sums_and_near_pcfcross(data):
    xy, window = points(data)
    for pair in data["pairs"]:
        if "pcf_radii" not in pair:
            continue
        for name, values in pair.get("pcf_sum", {}).items():
            g = colocation.cross_pcf(
                xy,
                data["marks"],
                pair["a"],
                pair["b"],
                pair["pcf_radii"],
                window,
                "isotropic" if name == "isotropic" else "translate",
                divisor="d" if name == "divisor_d" else "r",
            )
            np.testing.assert_allclose(g.observed, curve(values), rtol=1e-12)
        g = colocation.cross_pcf(
            xy, data["marks"], pair["a"], pair["b"], pair["pcf_radii"], window, "isotropic"
        )
        # pcfcross bins distances before it smooths
        np.testing.assert_allclose(g.observed, curve(pair["pcfcross_isotropic"]), rtol=1e-2)


def test_clark_evans(data):
    xy, window = points(data)
    naive = colocation.clark_evans(xy, window, "none")
    assert naive.index == pytest.approx(data["clarkevans"]["naive"], rel=1e-12)
    assert naive.p_normal == pytest.approx(data["clarkevans_p"], rel=1e-9)
    if "Donnelly" in data["clarkevans"]:
        r = colocation.clark_evans(xy, window, "donnelly")
        assert r.index == pytest.approx(data["clarkevans"]["Donnelly"], rel=1e-12)
    r = colocation.clark_evans(xy, window, "cdf")
    assert r.mean_distance == pytest.approx(data["kaplan_meier_mean"], rel=1e-10)
    # spatstat puts the distances on a grid first
    assert r.index == pytest.approx(data["clarkevans"]["cdf"], rel=5e-3)
