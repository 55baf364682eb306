"""Fetch the pinned boundary files into the user's cache: a step of set-up, never of a stage."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pandas as pd
import pooch

from pipeline.contracts.area import AreaConfig
from pipeline.contracts.errors import AtlasError, Fault, InputError
from pipeline.contracts.provenance import sha256

UPSTREAM = "cahyadsn/wilayah_boundaries"
UPSTREAM_COMMIT = "3c5a7960f4d227a38489094d84252bdbb3f978a5"


class NetworkError(AtlasError):
    """A boundary file could not be fetched."""

    exit_code = 2


def cache_folder() -> Path:
    """Return the folder boundary files are cached in (``ATLAS_CACHE_DIR`` moves it)."""
    named = os.environ.get("ATLAS_CACHE_DIR")
    return Path(named or pooch.os_cache("batik-cluster-atlas")) / "boundaries"


def cached_files(area: AreaConfig, sources: pd.DataFrame, folder: Path) -> list[Path]:
    """Return the cached boundary files of `area`, or none if any is not there.

    Parameters
    ----------
    area : AreaConfig
    sources : pandas.DataFrame
        The area's sources table; holds the pinned hashes.
    folder : Path
        The cache.

    Raises
    ------
    InputError
        A cached file whose hash is not the pinned one.
    """
    paths = [folder / Path(item.url).name for item in area.boundaries.files]
    if not paths or not all(path.is_file() for path in paths):
        return []
    pinned = _pinned(area, sources)
    faults = [
        Fault(
            str(path),
            f"SHA-256 {wanted[:12]}...",
            f"{found[:12]}...",
            hint="The cached file was changed: delete it and run 'make boundaries'",
        )
        for path, wanted in zip(paths, pinned, strict=True)
        if (found := sha256(path)) != wanted
    ]
    if faults:
        raise InputError(faults)
    return paths


def fetch(area: AreaConfig, sources: pd.DataFrame, folder: Path, timeout_s: float) -> list[Path]:
    """Fetch the area's pinned boundary files; files already there are checked and kept.

    Parameters
    ----------
    area, sources, folder
        As for :func:`cached_files`.
    timeout_s : float
        Patience for each connection, seconds.

    Raises
    ------
    NetworkError
        No network, or the address does not answer.
    InputError
        What was fetched does not have the pinned hash.
    """
    advice = (
        "Without the file the maps show approximate boundaries. Try 'make boundaries' with a "
        "network, or name a file of your own: make maps BOUNDARIES=villages.gpkg"
    )
    return [
        _retrieve(item.url, wanted, folder, timeout_s, advice)
        for item, wanted in zip(area.boundaries.files, _pinned(area, sources), strict=True)
    ]


def upstream_url(regency: str) -> str:
    """Return the address of a regency's village polygons at the commit this project pins.

    Examples
    --------
    >>> upstream_url("33.75").rpartition("/")[2]
    'wilayah_boundaries_kel_33.75.sql'
    """
    return (
        f"https://raw.githubusercontent.com/{UPSTREAM}/{UPSTREAM_COMMIT}/db/kel/{regency[:2]}/"
        f"wilayah_boundaries_kel_{regency}.sql"
    )


def fetch_first(url: str, known: str | None, folder: Path, timeout_s: float) -> Path:
    """Fetch a boundary file no area here may have pinned yet.

    Parameters
    ----------
    url : str
        A pinned address, see :func:`upstream_url`.
    known : str or None
        SHA-256 the file must have; None takes the bytes as they come (trust on first use).
    folder : Path
        The cache. A file that is there is not fetched again.
    timeout_s : float
        Patience for the connection, seconds.

    Raises
    ------
    NetworkError, InputError
        As :func:`fetch`.
    """
    advice = (
        "Try again with a network, or name a file of your own: "
        "make new-area NAME=... CODES=... BOUNDARIES=villages.gpkg"
    )
    return _retrieve(url, known, folder, timeout_s, advice)


def _retrieve(url: str, known: str | None, folder: Path, timeout_s: float, advice: str) -> Path:
    """Fetch one file unless it is there; `advice` says what to do without a network."""
    pooch.get_logger().setLevel(logging.ERROR)
    try:
        path = pooch.retrieve(
            url,
            known_hash=f"sha256:{known}" if known else None,
            fname=Path(url).name,
            path=folder,
            downloader=pooch.HTTPDownloader(timeout=timeout_s),
        )
    except ValueError as error:
        raise InputError(
            Fault(
                url,
                f"SHA-256 {str(known)[:12]}...",
                "other bytes",
                hint="Upstream changed or the connection rewrote the file; nothing was kept",
            )
        ) from error
    except OSError as error:
        raise NetworkError(
            f"{url}: expected an answer within {timeout_s:g} s, found: "
            f"{type(error).__name__}. {advice}"
        ) from error
    return Path(path)


def _pinned(area: AreaConfig, sources: pd.DataFrame) -> list[str]:
    hashes = dict(zip(sources["source_id"], sources["sha256"], strict=True))
    return [str(hashes[item.source_id]) for item in area.boundaries.files]
