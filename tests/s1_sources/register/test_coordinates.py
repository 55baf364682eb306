"""Coordinates as people write them; what may be another place is told, never mended."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyproj import Transformer

from pipeline.s1_sources.register.coordinates import (
    Places,
    angle,
    angles,
    pair,
    pairs,
    places,
    utm_zone,
)
from pipeline.s1_sources.register.grid import Cells

EAST, NORTH = 109.6753, -6.8891
METRES = Transformer.from_crs("EPSG:4326", "EPSG:32749", always_xy=True).transform(EAST, NORTH)


def column(*texts: str | None) -> Cells:
    return Cells(pa.array(texts, pa.string()))


def place(lat: str | None, lon: str | None, crs: str | None = None, assumed: str | None = None,
          named: str | None = None) -> Places:  # fmt: skip
    return places(angles(column(lat)), angles(column(lon)), crs, assumed, named)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-6.8891", -6.8891),
        ("-6,8891", -6.8891),
        ("−6.8891°", -6.8891),
        ("6.8891 LS", -6.8891),
        ("6,8891° S", -6.8891),
        ("S 6.8891", -6.8891),
        ("-6.8891 LS", -6.8891),
        ("6°53'24\"S", -6.89),
        ("6° 53' 24,0\" LS", -6.89),
        ("6 53 24 LS", -6.89),
        ("-6:53:24", -6.89),
        ("6°53.4′ LS", -6.89),
        ("LS 6°53′24″", -6.89),
        ("109°40'30\" BT", 109.675),
        ("109.675 E", 109.675),
        ("Bujur Timur 109.675", 109.675),
        ("3.5 LU", 3.5),
        ("9.238.124", 9238124),
        ("355123,5", 355123.5),
    ],
)
def test_one_coordinate(text: str, value: float) -> None:
    found = angle(text)
    assert found.fault == ""
    assert found.value == pytest.approx(value)


@pytest.mark.parametrize("text", ["6°70'24\"S", "109.675, -6.889", "utara", "6.8 7.9 8.1",
                                  "7J2F+XX", "-6.889.123", "1e5"])  # fmt: skip
def test_no_coordinate(text: str) -> None:
    assert angle(text).fault


@pytest.mark.parametrize(
    "text",
    [
        "-6.8891, 109.6753",
        "-6.8891,109.6753",
        "(-6.8891 109.6753)",
        "-6,8891 109,6753",
        "-6,8891, 109,6753",
        "-6,8891; 109,6753",
        "6.8891 LS, 109.6753 BT",
        "6,8891 LS 109,6753 BT",
        "S 6.8891 E 109.6753",
        "109.6753 BT, 6.8891 LS",
        "6.8891S/109.6753E",
        "6°53'20.76\"S 109°40'31.08\"E",
        "6 53 20.76 S, 109 40 31.08 E",
        "https://www.google.com/maps?q=-6.8891,109.6753",
        "https://www.google.com/maps/@-6.8891,109.6753,17z",
    ],
)
def test_both_in_one_cell(text: str) -> None:
    north, east = pair(text)
    assert (north.fault, east.fault) == ("", "")
    assert (north.value, east.value) == pytest.approx((NORTH, EAST))


@pytest.mark.parametrize("text", ["-6.8891", "Kauman", "-6.1 -6.2 109.1", "https://maps.app/xyz"])
def test_no_pair(text: str) -> None:
    first, second = pairs(column(text, None, "-"))
    assert [issue.row for issue in first[2]] == [0]
    assert second[2] == []


def test_degrees_are_kept() -> None:
    found = place(str(NORTH), str(EAST))
    assert (found.latitude[0], found.longitude[0]) == (NORTH, EAST)
    assert (found.issues, found.detail, found.assumed) == ([], [], "")


def test_numbers_of_the_file_are_kept() -> None:
    cells = Cells(pa.array(["-6.8891", None]), np.array([NORTH, math.nan]))
    assert angles(cells)[0][0] == NORTH


@pytest.mark.parametrize(
    ("lat", "lon", "field", "hint"),
    [
        (str(EAST), str(NORTH), "latitude_deg", "Swapped? Latitude -6.8891, longitude 109.6753"),
        ("109.6753 BT", "6.8891 LS", "latitude_deg", "Swapped? Latitude -6.8891"),
        ("6.8891", str(EAST), "latitude_deg", "Is the minus of the south missing? -6.8891"),
        ("-6889123", str(EAST), "latitude_deg", "The decimal point is lost: perhaps -6.889123"),
        (str(NORTH), "109675000", "longitude_deg", "The decimal point is lost: perhaps 109.675"),
        ("-6.889.123", str(EAST), "latitude_deg", "perhaps -6.889123"),
        ("0", "0", "longitude_deg", "leave both cells empty"),
        (str(NORTH), None, "longitude_deg", ""),
        (None, str(EAST), "latitude_deg", ""),
        ("51.5", "-0.1", "latitude_deg", ""),
    ],
)
def test_doubtful_places_are_faults(
    lat: str | None, lon: str | None, field: str, hint: str
) -> None:
    found = place(lat, lon)
    assert math.isnan(found.latitude[0])
    assert math.isnan(found.longitude[0])
    ((name, issue),) = found.issues
    assert (name, issue.severity) == (field, "error")
    assert hint in issue.hint


def test_metres_of_a_declared_crs() -> None:
    found = place(f"{METRES[1]:.2f}", f"{METRES[0]:.2f}", crs="EPSG:32749")
    assert found.issues == []
    assert (found.longitude[0], found.latitude[0]) == pytest.approx((EAST, NORTH), abs=1e-6)
    assert found.detail == ["metres in EPSG:32749 (declared) turned into degrees: 1 rows"]


def test_metres_of_another_kind_of_crs() -> None:
    x, y = Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True).transform(EAST, NORTH)
    found = place(f"{y:.2f}", f"{x:.2f}", crs="EPSG:3857")
    assert (found.longitude[0], found.latitude[0]) == pytest.approx((EAST, NORTH), abs=1e-6)


def test_degrees_beside_metres_of_a_declared_crs_stay_degrees() -> None:
    found = place(str(NORTH), str(EAST), crs="EPSG:32749")
    assert (found.longitude[0], found.latitude[0]) == (EAST, NORTH)


def test_degrees_of_another_datum() -> None:
    found = place(str(NORTH), str(EAST), crs="EPSG:4755")
    assert found.detail == ["degrees of EPSG:4755 (declared) to EPSG:4326: 1 rows"]
    assert found.latitude[0] == pytest.approx(NORTH, abs=1e-4)


def test_metres_without_a_crs_are_a_fault() -> None:
    found = place(f"{METRES[1]:.2f}", f"{METRES[0]:.2f}")
    assert "'crs: EPSG:32749'" in found.issues[0][1].hint
    assert math.isnan(found.latitude[0])


@pytest.mark.parametrize(
    ("assumed", "named", "how"),
    [("EPSG:32749", None, "assumed"), (None, "EPSG:32749", "named in the header")],
)
def test_metres_that_are_unmistakable(assumed: str | None, named: str | None, how: str) -> None:
    found = place(f"{METRES[1]:.2f}", f"{METRES[0]:.2f}", assumed=assumed, named=named)
    assert (found.longitude[0], found.latitude[0]) == pytest.approx((EAST, NORTH), abs=1e-6)
    ((_, issue),) = found.issues
    assert issue.severity == "warning"
    assert found.assumed == f"1 coordinates are metres; EPSG:32749 is {how}"


def test_swapped_metres() -> None:
    found = place(f"{METRES[0]:.0f}", f"{METRES[1]:.0f}", crs="EPSG:32749")
    assert found.issues[0][1].hint.startswith("Swapped? ")


@pytest.mark.parametrize(
    ("text", "crs"),
    [("X (UTM 49S)", "EPSG:32749"), ("Easting zona 50 S", "EPSG:32750"), ("UTM 47 N", "EPSG:32647"),
     ("UTM 49M", "EPSG:32749"), ("Bujur", None), ("UTM", None), ("UTM 12S", None)],
)  # fmt: skip
def test_zones_in_headers(text: str, crs: str | None) -> None:
    assert utm_zone(text) == crs


LATITUDE = st.floats(-11, 6).map(lambda one: round(one, 6))
LONGITUDE = st.floats(95, 141).map(lambda one: round(one, 6))


@given(LATITUDE, LONGITUDE)
def test_degrees_minutes_seconds_mean_the_same(north: float, east: float) -> None:
    def text(value: float, positive: str, negative: str) -> str:
        rest = round(abs(value) * 3600, 2)
        degrees, rest = divmod(rest, 3600)
        minutes, seconds = divmod(rest, 60)
        sign = negative if value < 0 else positive
        return f"{degrees:.0f}°{minutes:.0f}'{min(seconds, 59.99):.2f}\" {sign}"

    found = place(text(north, "LU", "LS"), text(east, "BT", "BB"))
    assert found.issues == []
    assert (found.latitude[0], found.longitude[0]) == pytest.approx((north, east), abs=1e-5)


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_read_or_told(lat: str, lon: str) -> None:
    found = place(lat or None, lon or None)
    if not math.isnan(found.latitude[0]):
        assert -11.5 <= found.latitude[0] <= 6.5
        assert 94 <= found.longitude[0] <= 142
    pairs(column(lat or None))
