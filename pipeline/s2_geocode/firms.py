"""Place the firms of a register: address, stated columns and coordinates weighed together.

Each source of evidence is read on its own and shown (``address: ... | village column: ... |
coordinates: ...``), then they are combined by these rules:

- Address and village column name one village: it is given, with the trust of both.
- They name two villages, or one names a place outside the area: a *conflict*. The firm stays open,
  with both as candidates; it gets the kecamatan if both lie in it.
- One names a village, the other only words that fit or say nothing: the village is given. A
  kecamatan or regency word that does not fit is noted in ``conflict``; the village stays, since
  such words are often wrong in print.
- Coordinates inside the village named settle it (``gps``). A point up to :data:`TOLERANCE_M` beyond
  its border is no conflict: the village named is kept, for positions and borders are not exact to
  the metre. Farther away it is a conflict.
- Coordinates choose among the villages an ambiguous name leaves, and stand alone where the text
  says nothing. A point in no village of the area, nor near one, is outside.
- Approximate cells carry no join: the village then comes from the text alone, the point keeps its
  coordinates. Only a point more than :data:`FAR_M` from every cell is told to be outside.
- A person's decision goes before all of this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import geopandas as gpd
import shapely
from pyproj import CRS

from pipeline.contracts.crs import GEOGRAPHIC
from pipeline.contracts.tables import TABLES
from pipeline.s2_geocode import names, review
from pipeline.s2_geocode.gazetteer import Gazetteer
from pipeline.s2_geocode.match import Match, geocode_addresses, match_place
from pipeline.s2_geocode.places import inner_points

TOLERANCE_M = 250.0
"""Distance from the border of the village named up to which a point is no conflict."""

FAR_M = 5_000.0
"""Distance from an approximate cell beyond which a point is surely not in its village."""

_POINT_TRUST = 0.95
_SEVERAL = 5
_LOCATED = (
    "village_code",
    "village_name",
    "district_code",
    "district_name",
    "regency_code",
    "regency_name",
    "precision",
    "method",
    "evidence",
    "candidates",
    "conflict",
)


class Hit(NamedTuple):
    """One answer of an online service: a point and whether it is as exact as a street."""

    longitude_deg: float
    latitude_deg: float
    is_street: bool
    label: str


class Reply(NamedTuple):
    """What an online service said: hits, or the reason why there are none."""

    hits: tuple[Hit, ...]
    reason: str = ""


Ask = Callable[[str], Reply]
"""An online service: a query in, a reply out."""


@dataclass(slots=True)
class _Draft:
    """Where one firm is placed so far."""

    village: str | None
    district: str | None
    method: str
    score: float
    evidence: list[str]
    candidates: tuple[str, ...]
    conflict: tuple[str, ...] = ()
    is_contradicted: bool = False  # between villages: nothing but a person settles it
    precision: str | None = None  # gps or street; else as exact as the unit
    point: shapely.Point | None = None
    is_decided: bool = False


@dataclass(frozen=True)
class _Units:
    """Names and shapes of the area's villages and districts, in metres."""

    gazetteer: Gazetteer
    crs: CRS
    shapes: Mapping[str, Any] = field(repr=False)  # by village code
    is_real: bool
    points: Mapping[str, shapely.Point] = field(repr=False)  # inner points by code
    _unknown: dict[str, bool] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls, gazetteer: Gazetteer, village: gpd.GeoDataFrame, district: gpd.GeoDataFrame, crs: CRS
    ) -> _Units:
        shapes = dict(zip(village["village_code"], village.geometry.to_crs(crs), strict=True))
        points = inner_points(village, "village_code", crs)
        points |= inner_points(district, "district_code", crs)
        is_real = bool((village["boundary_kind"] == "published").all())
        return cls(gazetteer, crs, shapes, is_real, points)

    @cached_property
    def codes(self) -> list[str]:
        return list(self.shapes)

    @cached_property
    def tree(self) -> shapely.STRtree:
        return shapely.STRtree(list(self.shapes.values()))

    @cached_property
    def edge(self) -> Any:
        """The border of the whole area."""
        return shapely.union_all(list(self.shapes.values())).boundary

    @cached_property
    def districts(self) -> dict[tuple[str, str], str]:
        """Codes of the districts by their own and their regency's name."""
        gazetteer = self.gazetteer
        return {
            (name, gazetteer.regencies[gazetteer.regency_of[code]]): code
            for code, name in gazetteer.districts.items()
        }

    def is_unknown(self, name: str) -> bool:
        """Tell whether a name stands for no place the gazetteer knows."""
        if name not in self._unknown:
            self._unknown[name] = match_place(self.gazetteer, name).method == "unmatched"
        return self._unknown[name]

    def inside(self, points: Any) -> list[list[str]]:
        """Return for each point the codes of the villages it lies in (two on a border)."""
        found: list[list[str]] = [[] for _ in points]
        for at, unit in zip(*self.tree.query(points, predicate="intersects"), strict=True):
            found[at].append(self.codes[unit])
        return [sorted(codes) for codes in found]

    def distance(self, point: Any, codes: Sequence[str]) -> dict[str, float]:
        """Return the distances in metres from a point to villages."""
        shapes = [self.shapes[code] for code in codes]
        return dict(zip(codes, shapely.distance(point, shapes).tolist(), strict=True))

    def nearest(self, point: Any) -> tuple[str, float]:
        """Return the village nearest to a point and its distance in metres."""
        code = self.codes[self.tree.nearest(point)]
        return code, float(shapely.distance(point, self.shapes[code]))

    def villages(self, codes: Sequence[str]) -> list[str]:
        """Return the villages of codes of villages and districts."""
        found: dict[str, None] = {}
        for code in codes:
            if code in self.gazetteer.villages:
                found[code] = None
            else:
                found |= {
                    one.code: None
                    for one in self.gazetteer.villages.values()
                    if one.district_code == code
                }
        return list(found)

    def say(self, code: str) -> str:
        """Name a village or district with what it lies in."""
        village = self.gazetteer.villages.get(code)
        if village is not None:
            return f"{village.name} ({village.district_name})"
        return f"kecamatan {self.gazetteer.districts[code]}"


def place_firms(
    register: pd.DataFrame,
    gazetteer: Gazetteer,
    village: gpd.GeoDataFrame,
    district: gpd.GeoDataFrame,
    crs: CRS,
    decisions: Mapping[str, str] | None = None,
    ask: Ask | None = None,
) -> gpd.GeoDataFrame:
    """Place every firm of a register, as exactly as its evidence allows and no more.

    Parameters
    ----------
    register : pandas.DataFrame
        N rows of the table ``register``.
    gazetteer : Gazetteer
        Names of the area.
    village, district : geopandas.GeoDataFrame
        Units of stage 1, EPSG:4326.
    crs : pyproj.CRS
        The area's projected CRS (metres); distances are measured in it.
    decisions : mapping of str to str, optional
        A person's decisions by key, as :func:`review.read_decisions` returns them. Those that fit
        no row are passed over; :func:`review.unused` names them.
    ask : callable, optional
        Online service for the rows still open after everything else; see :mod:`.online`. It
        needs real polygons.

    Returns
    -------
    geopandas.GeoDataFrame
        N rows of the table ``firm``, EPSG:4326, in the order of the register; ``duplicate_of`` and
        ``duplicate_reason`` empty (see :func:`duplicates.flag`). The point is the firm's own at
        precision gps and street, else the inner point of its village or district, or missing.

    See Also
    --------
    pipeline.s2_geocode.review : What happens to rows that stay open.
    """
    units = _Units.of(gazetteer, village, district, crs)
    drafts = _read_text(units, register)
    _weigh_points(units, register, drafts)
    if decisions:
        _decide(units, register, drafts, decisions)
    if ask is not None:
        _ask_online(units, register, drafts, ask)
    return _table(units, register, drafts)


# Text


def _cells(register: pd.DataFrame, column: str) -> list[str | None]:
    """Return a text column, blank cells as None."""
    return [
        None if cell is None or cell is pd.NA or not str(cell).strip() else str(cell)
        for cell in register[column].astype("object").where(register[column].notna(), None)
    ]


def _matches(
    gazetteer: Gazetteer,
    texts: list[str | None],
    district: list[str | None],
    regency: list[str | None],
) -> list[Match]:
    table = geocode_addresses(gazetteer, texts, district=district, regency=regency)
    return [Match(*cells) for cells in table.itertuples(index=False, name=None)]


def _read_text(units: _Units, register: pd.DataFrame) -> list[_Draft]:
    """Read address and stated columns and combine what they say."""
    gazetteer = units.gazetteer
    address = _cells(register, "raw_address")
    stated = _cells(register, "village_stated")
    district = _cells(register, "district_stated")
    regency = _cells(register, "regency_stated")
    by_address = _matches(gazetteer, address, district, regency)
    by_column = _matches(gazetteer, stated, district, regency) if any(stated) else by_address
    joined: dict[tuple[str | None, ...], Match] = {}
    drafts = []
    for at, (first, second) in enumerate(zip(by_address, by_column, strict=True)):
        if stated[at] is None:
            drafts.append(_noted(units, _draft(units, first, "address" if address[at] else "")))
            continue
        if address[at] is None:
            drafts.append(_noted(units, _draft(units, second, "village column")))
            continue
        draft = _combine(units, first, second, str(stated[at]))
        if draft is None:
            cells = (address[at], stated[at], district[at], regency[at])
            if cells not in joined:
                joined[cells] = match_place(
                    gazetteer, f"{address[at]}, {stated[at]}", district[at], regency[at]
                )
            draft = _noted(units, _draft(units, joined[cells], "address and village column"))
        drafts.append(draft)
    return drafts


def _draft(units: _Units, match: Match, source: str) -> _Draft:
    """Turn one match into a draft; `source` says where the text stood, empty for the columns."""
    if match.village_code:
        district: str | None = units.gazetteer.villages[match.village_code].district_code
    else:
        district = units.districts.get((str(match.district_name), str(match.regency_name)))
    said = match.evidence or "no name of a place"
    if said == "no text":
        source, said = "register", "nothing is said of the place"
    return _Draft(
        match.village_code,
        district,
        match.method,
        match.score,
        [f"{source or 'kecamatan and regency columns'}: {said}"],
        tuple(filter(None, match.candidates.split(";"))),
        tuple(one[10:] for one in said.split("; ") if one.startswith("conflict: ")),
    )


def _noted(units: _Units, draft: _Draft) -> _Draft:
    """Note villages that were named but lie in another kecamatan than the one stated."""
    if draft.village or not draft.district or draft.district in draft.candidates:
        return draft
    named = [code for code in draft.candidates if code in units.gazetteer.villages]
    if named and all(
        units.gazetteer.villages[one].district_code != draft.district for one in named
    ):
        others = " or ".join(units.say(code) for code in named[:_SEVERAL])
        draft.conflict += (
            f"{units.say(draft.district)} stated, but the village named is {others}",
        )
    return draft


def _combine(units: _Units, first: Match, second: Match, stated: str) -> _Draft | None:
    """Combine address and village column; None where neither settles it and both may together."""
    address, column = _draft(units, first, "address"), _draft(units, second, "village column")
    evidence = [*address.evidence, *column.evidence]
    if address.village and column.village:
        surer = max(address, column, key=lambda one: one.score)
        if address.village != column.village:
            return _contradiction(
                units,
                [column.village, address.village],
                f"village column says {units.say(column.village)}, address says "
                f"{units.say(address.village)}",
                evidence,
            )
        surer.score = 1 - (1 - address.score) * (1 - column.score)
        surer.conflict = tuple(dict.fromkeys((*address.conflict, *column.conflict)))
        surer.evidence = evidence
        return surer
    if not address.village and not column.village:
        return None
    given, other = (column, address) if column.village else (address, column)
    village = str(given.village)
    where, elsewhere = (
        ("village column", "address") if given is column else ("address", "village column")
    )
    if other.method == "outside":
        return _contradiction(
            units,
            [village],
            f"{where} says {units.say(village)}, {elsewhere} a place outside the area",
            evidence,
        )
    named = [code for code in other.candidates if code in units.gazetteer.villages]
    own = units.gazetteer.villages[village].district_code
    if other is column and named and village not in units.villages(other.candidates):
        return _contradiction(
            units,
            [*named, village],
            f'village column says "{stated}", address says {units.say(village)}',
            evidence,
        )
    if other.district and other.district != own:
        given.conflict += (
            f"{where} says {units.say(village)}, {elsewhere} {units.say(other.district)}",
        )
    elif other is column and units.is_unknown(stated):
        given.conflict += (f'village column "{stated}" is not in the gazetteer',)
    given.evidence = evidence
    return given


def _contradiction(units: _Units, codes: Sequence[str], text: str, evidence: list[str]) -> _Draft:
    """Return a draft left open between villages; it has their kecamatan if they share one."""
    codes = tuple(dict.fromkeys(codes))
    districts = {units.gazetteer.villages[code].district_code for code in codes}
    alone = len(codes) > 1 and len(districts) == 1
    return _Draft(
        None,
        districts.pop() if alone else None,
        "conflict",
        round(1 / max(len(codes), 2), 3),
        evidence,
        codes,
        (text,),
        is_contradicted=True,
    )


# Coordinates


def _weigh_points(units: _Units, register: pd.DataFrame, drafts: list[_Draft]) -> None:
    """Compare the coordinates of a register with what its text said."""
    has = (register["longitude_deg"].notna() & register["latitude_deg"].notna()).to_numpy(bool)
    rows = np.flatnonzero(has)
    if not len(rows):
        return
    points, measured = _points(
        units,
        register["longitude_deg"].to_numpy(float, na_value=np.nan)[rows],
        register["latitude_deg"].to_numpy(float, na_value=np.nan)[rows],
    )
    inside = units.inside(measured) if units.is_real else [[]] * len(rows)
    for at, point, metres, codes in zip(rows, points, measured, inside, strict=True):
        draft = drafts[at]
        if units.is_real:
            drafts[at] = _weigh(units, draft, point, metres, codes)
        else:
            drafts[at] = _set_beside(units, draft, point, metres)


def _points(units: _Units, longitude: Any, latitude: Any) -> tuple[Any, Any]:
    """Return points in degrees and in metres."""
    points = gpd.GeoSeries(shapely.points(longitude, latitude), crs=GEOGRAPHIC)
    return points.to_numpy(), points.to_crs(units.crs).to_numpy()


def _weigh(
    units: _Units, draft: _Draft, point: shapely.Point, metres: Any, codes: list[str]
) -> _Draft:
    """Weigh a point against a draft where polygons are real; `codes` are the villages it is in."""
    here = " or ".join(units.say(code) for code in codes)
    if not codes:
        code, distance = units.nearest(metres)
        here = f"no village of the area; {_metres(distance)} from {units.say(code)}"
    said = [*draft.evidence, f"coordinates: in {here}"]
    if draft.is_contradicted:
        draft.evidence = said
        # A third witness: the point may side with one of two villages that were named.
        agreeing = [code for code in codes if code in draft.candidates]
        if agreeing:
            draft.evidence[-1] += ", one of the two"
            draft.candidates = tuple(dict.fromkeys((*agreeing, *draft.candidates)))
        return draft
    if draft.method == "outside":
        if not codes or shapely.distance(metres, units.edge) <= TOLERANCE_M:
            draft.evidence = said
            return draft
        return _contradiction(
            units, codes, f"coordinates lie in {here}, the text says outside the area", said
        )
    allowed = _allowed(units, draft)
    fitting = [code for code in codes if allowed is None or code in allowed]
    distances: dict[str, float] = {}
    if not fitting:
        around = [
            units.codes[one]
            for one in units.tree.query(metres, predicate="dwithin", distance=TOLERANCE_M)
        ]
        distances = units.distance(
            metres, sorted(code for code in around if allowed is None or code in allowed)
        )
        fitting = sorted(distances, key=lambda code: (distances[code], code))
        if len(fitting) > 1:
            draft.evidence = [*said[:-1], f"{said[-1]}; several villages within {TOLERANCE_M:g} m"]
            draft.method, draft.village = "ambiguous", None
            draft.candidates = tuple(fitting)
            return draft
    if fitting:
        return _settle(units, draft, fitting[0], point, said, distances.get(fitting[0]))
    if allowed is None:
        draft.evidence = said
        draft.method, draft.score, draft.candidates = "outside", _POINT_TRUST, ()
        return draft
    named = [draft.village] if draft.village else list(allowed)
    away = min(units.distance(metres, named).values())
    text = " or ".join(
        units.say(one)
        for one in ([draft.village] if draft.village else (draft.candidates or (draft.district,)))[
            :_SEVERAL
        ]
        if one
    )
    listed = named if len(named) <= _SEVERAL else []
    conflict = _contradiction(
        units,
        [*listed, *codes],
        f"coordinates lie in {here}, {_metres(away)} from {text} as stated",
        said,
    )
    conflict.conflict = (*draft.conflict, *conflict.conflict)
    return conflict


def _allowed(units: _Units, draft: _Draft) -> set[str] | None:
    """Return the villages a draft leaves possible; None if its text rules out none."""
    if draft.village:
        return {draft.village}
    if draft.method == "ambiguous" and draft.candidates:
        return set(units.villages(draft.candidates))
    if draft.district:
        return set(units.villages([*draft.candidates, draft.district]))
    return None


def _settle(
    units: _Units,
    draft: _Draft,
    code: str,
    point: shapely.Point,
    said: list[str],
    away: float | None,
) -> _Draft:
    """Give a village and the firm's own point to a draft; `away` is how far beyond its border."""
    trust = _POINT_TRUST
    if away is not None:
        said = [*said[:-1], f"{said[-1]}; {_metres(away)} beyond the border of {units.say(code)}, "
                f"within the tolerance of {TOLERANCE_M:g} m"]  # fmt: skip
        trust = draft.score if draft.village else 0.75
    elif draft.village:
        trust = 1 - (1 - draft.score) * (1 - _POINT_TRUST)
    if not draft.village:
        draft.method = "coordinates"
        # What the text left open or got wrong about the kecamatan is settled by the point.
        draft.candidates = tuple(dict.fromkeys((code, *draft.candidates)))
    draft.village, draft.score, draft.evidence = code, trust, said
    draft.district = units.gazetteer.villages[code].district_code
    draft.precision, draft.point = "gps", point
    return draft


def _set_beside(units: _Units, draft: _Draft, point: shapely.Point, metres: Any) -> _Draft:
    """Keep a point beside a draft where the polygons are approximate and carry no join."""
    _, distance = units.nearest(metres)
    if distance > FAR_M:
        said = [*draft.evidence, f"coordinates: {_metres(distance)} from the area"]
        if draft.village or draft.district:
            named = [draft.village] if draft.village else []
            text = units.say(str(draft.village or draft.district))
            found = _contradiction(
                units,
                named,
                f"coordinates lie {_metres(distance)} outside the area, not in {text}",
                said,
            )
            return found
        draft.evidence, draft.method, draft.candidates = said, "outside", ()
        draft.score = max(draft.score, _POINT_TRUST)
        return draft
    draft.evidence.append(
        "coordinates: not joined to a village, for the boundaries are approximate"
    )
    if draft.method == "outside" or draft.is_contradicted:
        return draft
    if draft.village:
        away = units.distance(metres, [draft.village])[draft.village]
        if away > FAR_M:
            return _contradiction(
                units,
                [draft.village],
                f"coordinates lie {_metres(away)} from {units.say(draft.village)} as stated",
                draft.evidence,
            )
    draft.precision, draft.point = "gps", point
    return draft


def _metres(distance: float) -> str:
    """Print a distance."""
    return f"{distance:.0f} m" if distance < 1_000 else f"{distance / 1_000:.1f} km"


# Decisions of a person


def _decide(
    units: _Units, register: pd.DataFrame, drafts: list[_Draft], decisions: Mapping[str, str]
) -> None:
    """Apply a person's decisions about places."""
    for at, key in enumerate(review.place_keys(register)):
        decision = decisions.get(key)
        if decision is None:
            continue
        draft = drafts[at]
        before = f"before: {'; '.join(draft.conflict) or draft.method}"
        longitude, latitude = register["longitude_deg"].iloc[at], register["latitude_deg"].iloc[at]
        has_point = not (pd.isna(longitude) or pd.isna(latitude))
        points, measured = (
            _points(units, [float(longitude)], [float(latitude)]) if has_point else ([], [])
        )
        if decision == review.UNKNOWN:
            draft.evidence.append("decision: a person could not tell")
            draft.is_decided = True
        elif decision == review.OUTSIDE:
            drafts[at] = _Draft(
                None,
                None,
                "outside",
                1.0,
                [*draft.evidence, f"decision: outside the area ({before})"],
                (),
                is_decided=True,
            )
        elif decision == review.COORDINATES and has_point and units.is_real:
            codes = units.inside(measured)[0]
            said = [*draft.evidence, f"decision: the coordinates are right ({before})"]
            drafts[at] = _Draft(
                codes[0] if codes else None,
                units.gazetteer.villages[codes[0]].district_code if codes else None,
                "decision" if codes else "outside",
                1.0,
                said,
                tuple(codes),
                precision="gps" if codes else None,
                point=points[0] if codes else None,
                is_decided=True,
            )
        elif decision in units.gazetteer.villages:
            near = has_point and units.distance(measured[0], [decision])[decision] <= (
                TOLERANCE_M if units.is_real else FAR_M
            )
            aside = "; its coordinates are set aside" if has_point and not near else ""
            drafts[at] = _Draft(
                decision,
                units.gazetteer.villages[decision].district_code,
                "decision",
                1.0,
                [*draft.evidence, f"decision: {units.say(decision)} ({before}){aside}"],
                (decision,),
                precision="gps" if near else None,
                point=points[0] if near else None,
                is_decided=True,
            )


# Online help


def _ask_online(units: _Units, register: pd.DataFrame, drafts: list[_Draft], ask: Ask) -> None:
    """Ask an online service about rows still open; check each answer by polygon and statement."""
    columns = ("raw_address", "village_stated", "district_stated", "regency_stated")
    cells = [_cells(register, column) for column in columns]
    for at, draft in enumerate(drafts):
        parts = [column[at] for column in cells]
        if (
            draft.village
            or draft.is_contradicted
            or draft.is_decided
            or draft.method == "outside"
            or not (parts[0] or parts[1])
        ):
            continue
        if not units.is_real:
            draft.evidence.append("online: not asked, for an answer needs published boundaries")
            continue
        reply = ask(", ".join(part for part in parts if part))
        draft.evidence.append(f"online: {_accept(units, draft, reply, parts[3])}")


def _accept(units: _Units, draft: _Draft, reply: Reply, regency: str | None) -> str:
    """Place a draft by an online answer if it stands every check; return what was found."""
    if not reply.hits:
        return reply.reason or "no answer"
    points, measured = _points(
        units,
        [hit.longitude_deg for hit in reply.hits],
        [hit.latitude_deg for hit in reply.hits],
    )
    inside = units.inside(measured)
    allowed = _allowed(units, draft)
    stated = _regencies(units.gazetteer, regency)
    reasons = []
    fitting: dict[str, int] = {}
    for at, (hit, codes) in enumerate(zip(reply.hits, inside, strict=True)):
        if not codes:
            reasons.append(f'"{hit.label}" lies outside the area')
            continue
        code = codes[0]
        if allowed is not None and code not in allowed:
            what = units.say(draft.district) if draft.district else "the villages the text leaves"
            reasons.append(f'"{hit.label}" lies in {units.say(code)}, not in {what}')
        elif stated and units.gazetteer.villages[code].regency_code not in stated:
            reasons.append(f'"{hit.label}" lies in {units.say(code)}, not in {regency} as stated')
        else:
            fitting.setdefault(code, at)
    if not fitting:
        return "; ".join(dict.fromkeys(reasons))
    if len(fitting) > 1:
        names = " and ".join(units.say(code) for code in fitting)
        draft.candidates = tuple(dict.fromkeys((*fitting, *draft.candidates)))
        return f"answers lie in {names}"
    code, at = next(iter(fitting.items()))
    hit = reply.hits[at]
    draft.village, draft.district = code, units.gazetteer.villages[code].district_code
    draft.method, draft.score = "online", 0.8 if hit.is_street else 0.75
    draft.candidates = tuple(dict.fromkeys((code, *draft.candidates)))
    if draft.precision is None and hit.is_street:
        draft.precision, draft.point = "street", points[at]
    return f'"{hit.label}" lies in {units.say(code)}'


def _regencies(gazetteer: Gazetteer, text: str | None) -> set[str]:
    """Return the codes of the regencies a cell names; none if it names none of the area."""
    if not text:
        return set()
    words = names.split_words(text).words
    roles = {names.ROLES.get(word) for word in words}
    key = "".join(word for word in words if names.ROLES.get(word) not in ("regency", "city"))
    return {
        one.code
        for one in gazetteer.readings.get(key, ())
        if one.level == "regency"
        # "Kota" or "Kab." tells two of one name apart.
        and not ({"regency", "city"} & roles and _role(gazetteer.regencies[one.code]) not in roles)
    }


def _role(regency: str) -> str | None:
    """Return whether an official name is a city's or a regency's, by its first word."""
    return names.ROLES.get(names.fold_word(regency.split()[0]))


# The table


def _table(units: _Units, register: pd.DataFrame, drafts: list[_Draft]) -> gpd.GeoDataFrame:
    """Put drafts beside the rows of the register."""
    gazetteer = units.gazetteer
    columns: dict[str, list[Any]] = {name: [] for name in _LOCATED}
    shapes: list[shapely.Point | None] = []
    for draft in drafts:
        unit = draft.village or draft.district
        # A row of unknown place has no point of its own, unless coordinates could not be joined.
        precision = draft.precision or (
            "village" if draft.village else "district" if draft.district else "none"
        )
        shapes.append(draft.point or (units.points[unit] if unit else None))
        village = gazetteer.villages[draft.village] if draft.village else None
        district = draft.district
        regency = gazetteer.regency_of[district] if district else None
        for name, value in (
            ("village_code", draft.village),
            ("village_name", village.name if village else None),
            ("district_code", district),
            ("district_name", gazetteer.districts[district] if district else None),
            ("regency_code", regency),
            ("regency_name", gazetteer.regencies[regency] if regency else None),
            ("precision", precision),
            ("method", draft.method),
            ("evidence", " | ".join(draft.evidence)),
            ("candidates", ";".join(draft.candidates) or None),
            ("conflict", "; ".join(draft.conflict) or None),
        ):
            columns[name].append(value)
    table = register.reset_index(drop=True).copy()
    for name, values in columns.items():
        table[name] = pd.Series(values, dtype="string")
    table["score"] = pd.Series([round(one.score, 3) for one in drafts], dtype="Float64")
    table["is_decided"] = pd.Series([one.is_decided for one in drafts], dtype="boolean")
    for name in ("duplicate_of", "duplicate_reason"):
        table[name] = pd.Series(pd.NA, index=table.index, dtype="string")
    placed = gpd.GeoDataFrame(table, geometry=gpd.GeoSeries(shapes, crs=GEOGRAPHIC))
    return placed[TABLES["firm"].columns]


def statistics(firm: pd.DataFrame) -> list[str]:
    """Say how many firms were placed how exactly, by which method, and how many stay open.

    Parameters
    ----------
    firm : pandas.DataFrame
        The table ``firm``.

    Returns
    -------
    list of str
        Sentences for the manifest.
    """
    if not len(firm):
        return []
    has_village = firm["village_code"].notna()
    is_outside = firm["method"] == "outside"
    has_district = ~has_village & ~is_outside & firm["district_code"].notna()
    nowhere = len(firm) - int((has_village | is_outside | has_district).sum())
    lines = [
        f"firms: {len(firm)} = {int(has_village.sum())} in a village + {int(has_district.sum())} "
        f"only in a kecamatan + {int(is_outside.sum())} outside the area + {nowhere} nowhere yet",
        "firms by precision: " + _counts(firm["precision"]),
        "firms by method: " + _counts(firm["method"]),
        f"firms with a conflict: {int(firm['conflict'].notna().sum())}; decided by a person: "
        f"{int(firm['is_decided'].sum())}; probable duplicates: "
        f"{int(firm['duplicate_of'].notna().sum())}",
    ]
    return lines


def _counts(column: pd.Series) -> str:
    counts = column.value_counts()
    ordered = sorted(counts.items(), key=lambda one: (-one[1], str(one[0])))
    return ", ".join(f"{name} {count}" for name, count in ordered)
