from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.contracts.area import AREA_FILES, AreaConfig, list_areas, load_area
from pipeline.contracts.errors import InputError
from pipeline.contracts.model import load_model, load_yaml

TOY = Path(__file__).parents[1] / "areas" / "toy"
Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(TOY, tmp_path / "toy")
    return tmp_path


def faults(root: Path, edit: Edit) -> list[str]:
    path = root / "toy" / "area.yaml"
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    edit(raw)
    path.write_text(yaml.safe_dump(raw, allow_unicode=True), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_area(root, "toy")
    return [str(fault).replace(str(path), "area.yaml") for fault in caught.value.faults]


def test_good_area(root: Path) -> None:
    area = load_area(root, "toy")
    assert [regency.code for regency in area.regencies] == ["99.01", "99.02"]
    assert area.title.en == "Kartala Batik Cluster Atlas (invented area)"
    assert area.boundaries.files == ()


def test_unknown_area_lists_the_valid_ones(root: Path) -> None:
    shutil.copytree(root / "toy", root / "other")
    (root / "no-area").mkdir()
    assert list_areas(root) == ["other", "toy"]
    with pytest.raises(InputError) as caught:
        load_area(root, "tyo")
    assert str(caught.value) == (
        "AREA=tyo: expected one of other, toy, found no folder 'tyo'. "
        f"Areas are the folders of {root} that hold an area.yaml"
    )
    with pytest.raises(InputError, match=r"expected one of \(none\)"):
        load_area(root / "no-area", "toy")


def test_missing_files_are_named_together(root: Path) -> None:
    (root / "toy" / "gazetteer.csv").unlink()
    (root / "toy" / "aliases.csv").unlink()
    with pytest.raises(InputError) as caught:
        load_area(root, "toy")
    assert [Path(fault.where).name for fault in caught.value.faults] == [
        "gazetteer.csv",
        "aliases.csv",
    ]
    assert "gazetteer.csv" in AREA_FILES


def test_name_must_be_the_folders(root: Path) -> None:
    (root / "toy").rename(root / "game")
    with pytest.raises(InputError, match=r"column name: expected the folder's name 'game'"):
        load_area(root, "game")


def test_all_faults_at_once(root: Path) -> None:
    def edit(raw: dict[str, Any]) -> None:
        raw["colour"] = "red"
        raw["regencies"][0]["area_km2"] = -8
        raw["regencies"][1]["code"] = 99.02
        raw["boundaries"]["file"] = "x"
        raw["language"] = "jv"
        del raw["crs"]
        del raw["title"]["en"]
        raw["regencies"][1]["kode"] = "99.02"

    messages = faults(root, edit)
    known = ", ".join(AreaConfig.model_fields)
    assert sorted(messages) == [
        "area.yaml, column boundaries.file: expected only known keys, found unknown key 'file'. "
        "Known keys: path, files, area_tolerance_pct",
        f"area.yaml, column colour: expected only known keys, found unknown key 'colour'. "
        f"Known keys: {known}",
        "area.yaml, column crs: expected a value, found nothing",
        "area.yaml, column language: expected String should match pattern '^(id|en)$', found 'jv'",
        "area.yaml, column regencies.0.area_km2: expected greater than 0, found -8",
        "area.yaml, column regencies.1.code: expected a valid string, found 99.02",
        "area.yaml, column regencies.1.kode: expected only known keys, found unknown key 'kode'. "
        "Known keys: code, name, area_km2, area_source",
        "area.yaml, column title.en: expected a value, found nothing",
    ]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("focus", ["98.01"], "focus inside the area's regencies; outside: 98.01"),
        ("focus", ["99.1"], "codes of regencies (33.75) or districts (33.75.01)"),
        ("focus", ["99.01.01.1001"], "codes of regencies (33.75) or districts (33.75.01)"),
        ("regencies", [], "at least 1 item"),
        ("seed", -1, "greater than or equal to 0"),
        ("seed", "x", "valid integer"),
        ("tables", "clusters", "valid tuple"),
        ("name", "Toy Area", "match pattern"),
    ],
)
def test_values_out_of_range(root: Path, key: str, value: object, message: str) -> None:
    def edit(raw: dict[str, Any]) -> None:
        raw[key] = value

    (text,) = faults(root, edit)
    assert message in text


def test_each_regency_once(root: Path) -> None:
    def edit(raw: dict[str, Any]) -> None:
        raw["regencies"].append(raw["regencies"][0])

    (text,) = faults(root, edit)
    assert text.startswith("area.yaml, column regencies: expected each regency once, found ")


def test_focus_on_districts_is_allowed(root: Path) -> None:
    path = root / "toy" / "area.yaml"
    path.write_text(path.read_text().replace('["99.01"]', '["99.01.02", "99.02"]'))
    assert load_area(root, "toy").focus == ("99.01.02", "99.02")


def test_boundary_addresses_are_https(root: Path) -> None:
    def edit(raw: dict[str, Any]) -> None:
        raw["boundaries"]["files"] = [{"source_id": "b", "url": "ftp://example.org/b.sql"}]

    (text,) = faults(root, edit)
    assert text.startswith("area.yaml, column boundaries.files.0.url: expected ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"name: toy\nseed: 1\nname: other\n",
            "row 3: expected valid YAML, found key 'name' given",
        ),
        (b"a:\n  b: 1\n  b: 2\n", "row 3: expected valid YAML, found key 'b' given twice"),
        (b"name: [toy\n", "expected valid YAML"),
        (b"name: t\xf6y\n", "expected UTF-8 text, found other bytes"),
        (b"- toy\n", "expected keys and values, found list"),
        (b"", "expected keys and values, found NoneType"),
        (b"seed: 1\n? [a, b]\n: 1\n", "row 2: expected valid YAML, found a key that is no plain"),
        (b"name: t\x00y\n", "expected valid YAML, found unacceptable character #x0000"),
    ],
)
def test_faults_of_the_yaml_itself(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "area.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_model(AreaConfig, path)
    assert message in str(caught.value)


def test_yaml_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a YAML file, found no such file"):
        load_yaml(tmp_path / "area.yaml")
