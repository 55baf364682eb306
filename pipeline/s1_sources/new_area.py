"""Write a new study area: read or fetch polygons, build the folder aside, move it into place."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

import geopandas as gpd

from pipeline.contracts.area import list_areas, load_area
from pipeline.contracts.crs import projected
from pipeline.contracts.errors import InputError, OutputError
from pipeline.contracts.provenance import sha256, write_text
from pipeline.contracts.reading import read_csv
from pipeline.s1_sources import fetch, scaffold
from pipeline.s1_sources.boundaries import read_polygons
from pipeline.s1_sources.published import read_area
from pipeline.s1_sources.seal import seal


def new_area(
    areas: Path, name: str, codes: str, boundaries: str | None, timeout_s: float = 30.0
) -> list[str]:
    """Scaffold ``areas/<name>/``; the folder appears whole or not at all.

    Parameters
    ----------
    areas : Path
        Folder that holds the area folders; made if it is not there.
    name : str
        Name of the new area.
    codes : str
        Codes of its regencies, separated by commas.
    boundaries : str or None
        Boundary files, separated by commas; none fetches the pinned upstream ones.
    timeout_s : float
        Patience for each connection, seconds.

    Returns
    -------
    list of str
        What was made and what to do next, a line each.

    Raises
    ------
    InputError
        A name that is taken or none, codes nobody knows, boundary files that do not fit.
    NetworkError
        No file is named and none can be fetched.
    OutputError
        The folder cannot be written.
    """
    taken = [path.name for path in areas.iterdir()] if areas.is_dir() else []
    regencies, faults = scaffold.read_codes(codes)
    faults = scaffold.name_faults(name, taken) + faults
    if faults:
        raise InputError(faults)
    if boundaries:
        polygons, origins = _named(boundaries)
        path = _inside(areas, name, boundaries)
    else:
        polygons, origins = _fetched(regencies, known_hashes(areas), timeout_s)
        path = None
    area = scaffold.draft(name, regencies, polygons, origins, path)
    _write(areas, area)
    return _told(areas, area, boundaries)


def known_hashes(areas: Path) -> dict[str, str]:
    """Return the hashes the areas of a folder pin: address to SHA-256."""
    known = {}
    for name in list_areas(areas):
        try:
            area = load_area(areas, name)
            table = read_csv(areas / name / "sources.csv", "sources")
        except InputError:
            continue  # its own runs say what is wrong with it
        hashes = table.dropna(subset="sha256").set_index("source_id")["sha256"]
        for item in area.boundaries.files:
            if item.source_id in hashes:
                known[item.url] = str(hashes[item.source_id])
    return known


def _read(path: Path, file: str) -> gpd.GeoDataFrame:
    return read_polygons(path, names=True).assign(file=file)


def _named(boundaries: str) -> tuple[gpd.GeoDataFrame, list[scaffold.Origin]]:
    """Read the files a user names."""
    paths = [Path(part.strip()) for part in boundaries.split(",")]
    parts = [_read(path, path.name) for path in paths]
    origins = []
    for number, path in enumerate(paths, start=1):
        source_id = "boundary_file" + (f"_{number}" if len(paths) > 1 else "")
        plain = Path(str(path).partition("#")[0])
        origins.append(scaffold.Origin(source_id, path.name, sha256(plain)))
    return gpd.GeoDataFrame(pd.concat(parts, ignore_index=True)), origins


def _fetched(
    regencies: Mapping[str, str], known: Mapping[str, str], timeout_s: float
) -> tuple[gpd.GeoDataFrame, list[scaffold.Origin]]:
    """Fetch and read the pinned upstream files; what cannot be read does not stay in the cache."""
    parts, origins = [], []
    for code in regencies:
        url = fetch.upstream_url(code)
        path = fetch.fetch_first(url, known.get(url), fetch.cache_folder(), timeout_s)
        try:
            parts.append(_read(path, path.name))
        except InputError:
            path.unlink(missing_ok=True)
            raise
        origins.append(
            scaffold.Origin(
                f"boundary_kel_{code.replace('.', '_')}",
                url.partition(f"{fetch.UPSTREAM_COMMIT}/")[2],
                sha256(path),
                url,
                f"{fetch.UPSTREAM} (GitHub), commit {fetch.UPSTREAM_COMMIT}",
                url not in known,
            )
        )
    return gpd.GeoDataFrame(pd.concat(parts, ignore_index=True)), origins


def _inside(areas: Path, name: str, boundaries: str) -> str | None:
    """Return the boundary file relative to the area folder if it lies inside `areas`."""
    if "," in boundaries:
        return None
    file = Path(boundaries.strip()).resolve()
    if not file.is_relative_to(areas.resolve()):
        return None
    return Path(os.path.relpath(file, areas.resolve() / name)).as_posix()


def _write(areas: Path, area: scaffold.Draft) -> None:
    """Build the folder aside, hold it against its own contract, move it into place."""
    target = areas / area.name
    try:
        areas.mkdir(parents=True, exist_ok=True)
        # One level deeper than areas lie, so that a killed run leaves nothing that looks like one.
        aside = Path(tempfile.mkdtemp(prefix=".new-area-", dir=areas))
        try:
            for file, content in scaffold.files(area).items():
                write_text(aside / area.name / file, content)
            config = load_area(aside, area.name)
            seal(aside / area.name, config)
            read_area(aside / area.name, config)
            if target.exists():
                raise InputError(scaffold.name_faults(area.name, [area.name]))
            os.rename(aside / area.name, target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except (InputError, OutputError):
        raise
    except OSError as error:
        raise OutputError(
            f"{target}: expected to make the folder, found: {error.strerror or error}. Nothing was "
            "kept. Free space or allow writing, and run again"
        ) from error


def _told(areas: Path, area: scaffold.Draft, boundaries: str | None) -> list[str]:
    crs = projected(area.crs, "")
    lines = [
        f"{areas.name}/{area.name} made: {len(area.gazetteer)} villages, {len(area.neighbours)} "
        f"neighbour pairs, {area.crs} ({crs.name})"
    ]
    counts = area.gazetteer["village_code"].str[:5].value_counts()
    lines += [
        f"  {code} {name}: {counts[code]} villages, {area.area_km2[code]:.2f} km2 as measured: "
        "put the official area in area.yaml"
        for code, name in area.regencies.items()
    ]
    lines += [f"  note: {note}" for note in area.notes]
    named = f" BOUNDARIES={boundaries}" if boundaries and not area.path else ""
    licence = "state producer and licence of your file in sources.csv; " if boundaries else ""
    return [*lines, f"next: {licence}make maps AREA={area.name}{named}"]
