"""Fetching, with a downloader that never leaves the machine."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pooch
import pytest

from pipeline.contracts.area import AreaConfig, load_area
from pipeline.contracts.errors import InputError
from pipeline.s1_sources.fetch import NetworkError, cache_folder, cached_files, fetch
from pipeline.s1_sources.run import choose_boundaries

TOY = Path(__file__).parents[1] / "areas" / "toy"
CONTENT = b"INSERT INTO ..."
URL = "https://boundaries.invalid/kel/a.sql"


@pytest.fixture
def area(tmp_path: Path) -> AreaConfig:
    shutil.copytree(TOY, tmp_path / "areas" / "toy")
    path = tmp_path / "areas" / "toy" / "area.yaml"
    files = f"files: [{{source_id: upstream, url: '{URL}'}}]"
    path.write_text(path.read_text().replace("path: villages.geojson", files))
    return load_area(tmp_path / "areas", "toy")


@pytest.fixture
def sources() -> pd.DataFrame:
    return pd.DataFrame(
        {"source_id": ["other", "upstream"], "sha256": [None, hashlib.sha256(CONTENT).hexdigest()]}
    )


class Downloader:
    """Stands for the network: writes what the address holds, or fails."""

    def __init__(self, answer: bytes | OSError) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.timeout: float | None = None

    def __call__(self, url: str, output_file: str, pooch_: object) -> None:
        self.asked.append(url)
        if isinstance(self.answer, OSError):
            raise self.answer
        Path(output_file).write_bytes(self.answer)


def plug(monkeypatch: pytest.MonkeyPatch, answer: bytes | OSError) -> Downloader:
    downloader = Downloader(answer)

    def made(**options: Any) -> Downloader:
        downloader.timeout = options["timeout"]
        return downloader

    monkeypatch.setattr(pooch, "HTTPDownloader", made)
    return downloader


def test_fetched_once_and_kept(
    area: AreaConfig, sources: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloader = plug(monkeypatch, CONTENT)
    assert cached_files(area, sources, tmp_path / "cache") == []
    paths = fetch(area, sources, tmp_path / "cache", 5)
    assert paths == [tmp_path / "cache" / "a.sql"]
    assert paths[0].read_bytes() == CONTENT
    assert fetch(area, sources, tmp_path / "cache", 5) == paths
    assert downloader.asked == [URL]
    assert downloader.timeout == 5
    assert cached_files(area, sources, tmp_path / "cache") == paths


def test_other_bytes_are_refused_and_not_kept(
    area: AreaConfig, sources: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug(monkeypatch, b"something else")
    with pytest.raises(InputError) as caught:
        fetch(area, sources, tmp_path / "cache", 5)
    assert str(caught.value) == (
        f"{URL}: expected SHA-256 {sources['sha256'].iloc[1][:12]}..., found other bytes. "
        "Upstream changed or the connection rewrote the file; nothing was kept"
    )
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_no_network(
    area: AreaConfig, sources: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug(monkeypatch, ConnectionError("no route"))
    with pytest.raises(NetworkError) as caught:
        fetch(area, sources, tmp_path / "cache", 5)
    assert str(caught.value) == (
        f"{URL}: expected an answer within 5 s, found: ConnectionError. Without the file the maps "
        "show approximate boundaries. Try 'make boundaries' with a network, or name a file of "
        "your own: make maps BOUNDARIES=villages.gpkg"
    )
    assert caught.value.exit_code == 2


def test_a_changed_cache_is_told(area: AreaConfig, sources: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_bytes(b"changed")
    with pytest.raises(InputError, match="delete it and run 'make boundaries'"):
        cached_files(area, sources, tmp_path)


def test_an_area_without_pinned_files_has_no_cache(tmp_path: Path, sources: pd.DataFrame) -> None:
    assert cached_files(load_area(TOY.parent, "toy"), sources, tmp_path) == []


def test_the_order_of_boundary_sources(
    area: AreaConfig, sources: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.s1_sources.fetch.cache_folder", lambda: tmp_path)
    folder = tmp_path / "areas" / "toy"
    assert choose_boundaries(area, folder, sources, None) == []
    (tmp_path / "a.sql").write_bytes(CONTENT)
    assert choose_boundaries(area, folder, sources, None) == [tmp_path / "a.sql"]
    assert choose_boundaries(area, folder, sources, "approximate") == []
    assert choose_boundaries(area, folder, sources, "a.shp, b.gpkg#x") == [
        Path("a.shp"),
        Path("b.gpkg#x"),
    ]
    own = load_area(TOY.parent, "toy")
    assert choose_boundaries(own, folder, sources, None) == [folder / "villages.geojson"]


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder().name == "boundaries"
    assert "batik-cluster-atlas" in cache_folder().parts
