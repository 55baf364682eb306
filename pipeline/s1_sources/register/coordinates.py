"""Coordinates: decimal degrees, degrees-minutes-seconds or metres, in two columns or in one.

What can be read but lies outside Indonesia is a fault; where another reading would be possible
(swapped, a minus or a decimal point lost) it is shown, and left to a person.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import pyproj

from pipeline.s1_sources.register.grid import Cells
from pipeline.s1_sources.register.values import NOTHING, Issue, each, rows_by_code, spread

LONGITUDES = (94.0, 142.0)
LATITUDES = (-11.5, 6.5)
LEAST_NORTHING, MOST_NORTHING = 8.7e6, 1e7
LEAST_EASTING, MOST_EASTING = 1e5, 9e5


_MARKS = re.compile(r"[°ºd˚]|['′’‘`]{1,2}|[\"″”“]")
_HEMISPHERES = tuple(
    # Only before or behind the figures: a letter among them is something else.
    (axis, sign, re.compile(rf"^(?:{words})\b[\s:.]*|\s*\b(?:{words})\.?$"))
    for axis, sign, words in (
        ("latitude", -1, "ls|lintang selatan|south|s"),
        ("latitude", 1, "lu|lintang utara|north|n|u"),
        ("longitude", 1, "bt|bujur timur|east|e|t"),
        ("longitude", -1, "bb|bujur barat|west|w|b"),
    )
)
_LOST_POINTS = re.compile(r"[-−]?\d{1,3}([.,])\d{3}\1\d{3}(?:\1\d+)?")
_ZONE = re.compile(r"\b(?:utm|zona|zone)\D{0,8}(\d{2})\s*([nsml]|selatan|utara)?\b", re.IGNORECASE)


class Angle(NamedTuple):
    """A coordinate as a cell states it: its value, which axis it names, what is wrong."""

    value: float
    axis: str = ""
    fault: str = ""


def angle(text: str) -> Angle:
    """Read one coordinate: decimal degrees, degrees-minutes-seconds, or metres.

    Examples
    --------
    >>> angle("-6,8891").value, angle('6°53.4′ LS')
    (-6.8891, Angle(value=-6.89, axis='latitude', fault=''))
    >>> angle("109.675.123").fault
    'the decimal point is lost among thousands signs: perhaps 109.675123'
    """
    body = text.strip().casefold().replace("−", "-")
    if body in NOTHING:
        return Angle(np.nan)
    axis, sign, body = _hemisphere(body)
    plain = body.strip(" °º˚:;,")
    if re.fullmatch(r"[-+]?\d+(?:[.,]\d+)?", plain):
        return Angle(sign * float(plain.replace(",", ".")), axis)
    if _LOST_POINTS.fullmatch(plain):
        head, *tail = re.split(r"[.,]", plain)
        # A northing of Java with its thousands parted; no degrees could read like this.
        if LEAST_NORTHING <= float("".join([head, *tail[:2]])) <= MOST_NORTHING:
            return Angle(float("".join([head, *tail[:2]])), axis)
        return Angle(
            np.nan,
            axis,
            f"the decimal point is lost among thousands signs: perhaps {head}.{''.join(tail)}",
        )
    parts = [one.replace(",", ".") for one in re.findall(r"\d+(?:[.,]\d+)?", _MARKS.sub(" ", body))]
    rest = re.sub(r"[\d.,\s:+-]", "", _MARKS.sub("", body))
    if 2 <= len(parts) <= 3 and not rest:
        degrees, minutes, *seconds = map(float, parts)
        second = seconds[0] if seconds else 0.0
        # Only the last part has a fraction; "109.675, -6.889" is no angle but two.
        is_whole = all("." not in one for one in parts[:-1])
        if is_whole and minutes < 60 and second < 60:
            value = degrees + minutes / 60 + second / 3600
            return Angle(round(-value if body.startswith("-") else sign * value, 7), axis)
    return Angle(np.nan, axis, "not a coordinate")


def _hemisphere(body: str) -> tuple[str, int, str]:
    """Take the word for the hemisphere out of a coordinate: axis, sign, the rest."""
    spaced = re.sub(r"(?<=[\d\"'″′”’°.])(?=[a-z])|(?<=[a-z])(?=[\d-])", " ", body)
    for axis, sign, pattern in _HEMISPHERES:
        if pattern.search(spaced):
            rest = pattern.sub(" ", spaced).strip()
            # "-6.9 LS" says south twice and means it once.
            return axis, (1 if rest.startswith("-") else sign), rest
    return "", 1, body


_PAIR = re.compile(
    r"([-−]?\d{1,3}[.,]\d+)\s*[,;\s/]\s*([-−]?\d{1,3}[.,]\d+)"
)  # fmt: skip


def pair(text: str) -> tuple[Angle, Angle]:
    """Read a cell that holds latitude and longitude, in that order unless it names them.

    Examples
    --------
    >>> [one.value for one in pair("-6.8891, 109.6753")]
    [-6.8891, 109.6753]
    >>> [one.value for one in pair("6°53′24″S 109°40′30″E")]
    [-6.89, 109.675]
    """
    if text.strip().casefold() in NOTHING:
        return Angle(np.nan), Angle(np.nan)
    link = re.search(r"[?&@/=](-?\d+\.\d+)(?:,|%2c)\s*\+?(-?\d+\.\d+)", text, re.IGNORECASE)
    if link and "http" in text:
        return angle(link[1]), angle(link[2])
    decimal = _PAIR.fullmatch(text.strip(" ()[]"))
    halves = (decimal[1], decimal[2]) if decimal else _halves(text)
    if halves is None:
        bad = Angle(np.nan, "", "not a pair of coordinates")
        return bad, bad
    first, second = angle(halves[0]), angle(halves[1])
    if first.axis == "longitude" and second.axis == "latitude":
        return second, first
    return first, second


def _halves(text: str) -> tuple[str, str] | None:
    """Part a pair of coordinates: at a sign between them, or after the first hemisphere."""
    for pattern in (
        r"\s*[;|/]\s*",
        r",\s+",
        r",",
        r"(?<=[SNsnULu])\s+(?=\d)",
        r"\s+(?=[EB]T?\b)",
        r"\s+",
    ):
        halves = [one for one in re.split(pattern, text.strip(" ()[]")) if one]
        if len(halves) == 2 and not any(angle(one).fault for one in halves):
            return halves[0], halves[1]
    return None


@dataclass
class Places:
    """Coordinates of each row.

    Parameters
    ----------
    longitude, latitude : numpy.ndarray of float64
        Degrees (EPSG:4326), NaN where empty or faulty.
    issues : list of (str, Issue)
        The field at fault (longitude_deg, latitude_deg) and the fault.
    detail : list of str
    assumed : str
        What was assumed of the CRS; "" if nothing.
    """

    longitude: np.ndarray
    latitude: np.ndarray
    issues: list[tuple[str, Issue]]
    detail: list[str]
    assumed: str = ""


def utm_zone(text: str) -> str | None:
    """Return the CRS of a UTM zone that a text names; south unless it says north.

    Examples
    --------
    >>> utm_zone("X (UTM 49S)"), utm_zone("Bujur")
    ('EPSG:32749', None)
    """
    match = _ZONE.search(text)
    if not match or not 46 <= int(match[1]) <= 54:
        return None
    is_north = (match[2] or "").casefold() in ("n", "utara")
    return f"EPSG:{326 if is_north else 327}{match[1]}"


def angles(cells: Cells) -> tuple[np.ndarray, np.ndarray, list[Issue]]:
    """Return values, the axes that cells name ("" if none), and the faults of a column."""
    known = np.full(len(cells.text), np.nan) if cells.numbers is None else cells.numbers.copy()
    # Almost all coordinates are plain decimals; the others are looked at one by one.
    is_plain = pc.fill_null(pc.match_substring_regex(cells.text, r"^[-+]?\d+(?:[.,]\d+)?$"), False)
    plain = is_plain.to_numpy(zero_copy_only=False) & np.isnan(known)
    written = pc.replace_substring(cells.text.filter(pa.array(plain)), ",", ".")
    known[plain] = pc.cast(pc.utf8_ltrim(written, "+"), pa.float64()).to_numpy()
    is_known = ~np.isnan(known)
    codes, read = each(
        pc.if_else(pa.array(is_known), pa.scalar(None, pa.string()), cells.text), angle
    )
    return _rows(codes, read, known, is_known)


def _rows(
    codes: np.ndarray, read: Sequence[Angle], numbers: np.ndarray | None, stored: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[Issue]]:
    values = np.array([*(one.value for one in read), np.nan])[codes]
    axes = spread(codes, [one.axis for one in read])
    if numbers is not None:
        values = np.where(stored, numbers, values)
    rows_of = rows_by_code(codes)
    issues = [
        Issue(int(row), "a coordinate", _sentence(one.fault))
        for code, one in enumerate(read)
        if one.fault
        for row in rows_of(code)
    ]
    return values, axes, issues


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def pairs(cells: Cells) -> tuple[Any, Any]:
    """Return what :func:`angles` returns, for latitude and longitude in one column."""
    codes, read = each(cells.text, pair)
    none = np.zeros(len(cells.text), bool)
    first = _rows(codes, [one[0] for one in read], None, none)
    second = _rows(codes, [one[1] for one in read], None, none)
    faulty = {issue.row for issue in first[2]}
    return first, (second[0], second[1], [one for one in second[2] if one.row not in faulty])


def places(
    latitude: tuple[np.ndarray, np.ndarray, list[Issue]],
    longitude: tuple[np.ndarray, np.ndarray, list[Issue]],
    crs: str | None,
    assumed: str | None,
    named: str | None = None,
) -> Places:
    """Hold coordinates against Indonesia; metres are turned into degrees where the CRS is known.

    Parameters
    ----------
    latitude, longitude : (values, axes, issues)
        As :func:`angles` returns them; northing and easting for metres.
    crs : str or None
        CRS the settings declare.
    assumed : str or None
        CRS taken for metres that can be nothing else, with a warning.
    named : str or None
        CRS the headers name.
    """
    north, north_axes, north_issues = latitude
    east, east_axes, east_issues = longitude
    north, east = north.copy(), east.copy()
    issues = [("latitude_deg", one) for one in north_issues]
    issues += [("longitude_deg", one) for one in east_issues]
    faulty = np.zeros(len(north), bool)
    faulty[[one.row for _, one in issues]] = True

    def fault(mask: np.ndarray, name: str, expected: str, hint: Callable[[int], str]) -> None:
        rows = np.flatnonzero(mask & ~faulty)
        issues.extend((name, Issue(int(row), expected, hint(int(row)))) for row in rows)
        faulty[rows] = True

    def swapped(row: int) -> str:
        return f"Swapped? Latitude {east[row]:.8g}, longitude {north[row]:.8g} would be possible"

    fault(np.isnan(north) & ~np.isnan(east), "latitude_deg", "a latitude too", lambda _: "")
    fault(np.isnan(east) & ~np.isnan(north), "longitude_deg", "a longitude too", lambda _: "")
    is_other_axis = (north_axes == "longitude") | (east_axes == "latitude")
    fault(is_other_axis, "latitude_deg", "a latitude in the column of latitudes", swapped)
    fault(
        _are_metres(north, east), "latitude_deg", "a northing in the column of northings", swapped
    )

    use = crs or named or assumed
    is_projected = use is not None and not pyproj.CRS(use).is_geographic
    metres = _are_metres(east, north)
    if crs is not None and is_projected:
        # What a person declares holds for all that can be no degrees of Indonesia.
        in_degrees = _between(north, *LATITUDES) & _between(east, *LONGITUDES)
        metres = ~np.isnan(north) & ~in_degrees
    metres &= ~faulty
    detail: list[str] = []
    told = ""
    if metres.any() and use is not None and is_projected:
        _to_degrees(use, east, north, metres)
        how = "declared" if crs else "named in the header" if named else "assumed"
        detail.append(f"metres in {use} ({how}) turned into degrees: {int(metres.sum())} rows")
        if not crs:
            told = f"{int(metres.sum())} coordinates are metres; {use} is {how}"
            first = int(np.flatnonzero(metres)[0])
            hint = f"{told}; declare it with 'crs: {use}'"
            issues.append(("latitude_deg", Issue(first, METRES_WANTED, hint, "warning")))
    else:
        fault(metres, "latitude_deg", METRES_WANTED, lambda _: METRES_HINT)
    if crs is not None and not is_projected and pyproj.CRS(crs) != pyproj.CRS("EPSG:4326"):
        placed = ~np.isnan(north) & ~faulty
        _to_degrees(crs, east, north, placed)
        detail.append(f"degrees of {crs} (declared) to EPSG:4326: {int(placed.sum())} rows")

    is_swapped = _between(east, *LATITUDES) & _between(north, *LONGITUDES)
    fault(is_swapped, "latitude_deg", "latitude first, then longitude", swapped)
    fault(
        ~np.isnan(north) & ~_between(north, *LATITUDES),
        "latitude_deg",
        "a latitude of Indonesia (-11.5 to 6.5)",
        lambda row: _latitude_hint(float(north[row])),
    )
    fault(
        ~np.isnan(east) & ~_between(east, *LONGITUDES),
        "longitude_deg",
        "a longitude of Indonesia (94 to 142)",
        lambda row: _lost_hint(float(east[row]), *LONGITUDES),
    )
    north[faulty], east[faulty] = np.nan, np.nan
    return Places(east, north, issues, detail, told)


METRES_WANTED = "degrees, or metres of a declared CRS"
METRES_HINT = (
    "These are metres, perhaps UTM: declare the CRS in the settings beside the register, such as "
    "'crs: EPSG:32749' for UTM 49S"
)


def _are_metres(east: np.ndarray, north: np.ndarray) -> np.ndarray:
    """Tell which coordinates can be nothing but UTM metres of the southern zones."""
    return _between(east, LEAST_EASTING, MOST_EASTING) & _between(
        north, LEAST_NORTHING, MOST_NORTHING
    )


def _to_degrees(crs: str, east: np.ndarray, north: np.ndarray, mask: np.ndarray) -> None:
    """Turn coordinates of a CRS into degrees in place."""
    shift = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    x, y = shift.transform(east[mask], north[mask])
    east[mask], north[mask] = np.round(x, 7), np.round(y, 7)


def _between(values: np.ndarray, low: float, high: float) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return (values >= low) & (values <= high)


def _latitude_hint(value: float) -> str:
    if LATITUDES[0] <= -value <= LATITUDES[1]:
        return f"Is the minus of the south missing? {-value:g} would be possible"
    return _lost_hint(value, *LATITUDES)


def _lost_hint(value: float, low: float, high: float) -> str:
    """Say where the decimal point may have stood in a number that lost it."""
    if value == 0:
        return "Where the place is not known, leave both cells empty"
    if abs(value) < 1000:
        return ""
    for digits in range(3, 13):
        for sign in (1, -1):
            moved = sign * value / 10**digits
            if low <= moved <= high and abs(moved) >= 1:
                return f"The decimal point is lost: perhaps {moved:.10g}"
    return ""
