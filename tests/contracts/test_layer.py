from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.contracts.errors import InputError
from pipeline.contracts.layer import LayerSpec, load_layers
from pipeline.contracts.provenance import PROJECT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(PROJECT / "layers", tmp_path / "layers")
    return tmp_path / "layers"


def edit(folder: Path, name: str, **keys: Any) -> None:
    """Change keys of one layer file; None removes one."""
    path = folder / f"{name}.yaml"
    raw = yaml.safe_load(path.read_text(encoding="utf-8")) | keys
    kept = {key: value for key, value in raw.items() if value is not None}
    path.write_text(yaml.safe_dump(kept, allow_unicode=True, sort_keys=False), encoding="utf-8")


def faults(folder: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_layers(folder)
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]


def test_the_projects_layers_read() -> None:
    catalogue = load_layers(PROJECT / "layers")
    ordered = [layer.id for layer in catalogue.ordered()]
    assert sorted(ordered) == sorted(catalogue.layers)
    assert ordered.index("clusters") < ordered.index("firms") < ordered.index("villages")


def test_every_class_palette_is_long_enough_for_seven_classes() -> None:
    palettes = load_layers(PROJECT / "layers").palettes
    assert all(
        len(palette.colours) >= 7
        for palette in palettes.palettes.values()
        if palette.kind == "sequential"
    )


def test_unknown_key_lists_the_known_ones(folder: Path) -> None:
    edit(folder, "firms", colour="red")
    known = ", ".join(LayerSpec.model_fields)
    assert faults(folder) == [
        "firms.yaml, column colour: expected only known keys, found unknown key 'colour'. "
        f"Known keys: {known}"
    ]


def test_unknown_key_inside_a_named_entry(folder: Path) -> None:
    raw = yaml.safe_load((folder / "palettes.yaml").read_text(encoding="utf-8"))
    raw["palettes"]["soga"]["notes"] = "browns"
    edit(folder, "palettes", palettes=raw["palettes"])
    assert faults(folder) == [
        "palettes.yaml, column palettes.soga.notes: expected only known keys, "
        "found unknown key 'notes'. Known keys: kind, colours, note"
    ]


def test_faults_of_several_files_at_once(folder: Path) -> None:
    edit(folder, "firms", colour="red", palette=3)
    edit(folder, "employment", scheme={"method": "jenks"})
    edit(folder, "villages", title={"id": "Desa"})
    palettes = folder / "palettes.yaml"
    palettes.write_text(palettes.read_text().replace('"#faf8f4"', "white"))
    assert sorted(text.partition(": ")[0] for text in faults(folder)) == [
        "employment.yaml, column scheme.method",
        "firms.yaml, column colour",
        "firms.yaml, column palette",
        "palettes.yaml, column paper",
        "villages.yaml, column title.en",
    ]


@pytest.mark.parametrize(
    ("name", "keys", "message"),
    [
        ("firms", {"value": None}, "a choropleth needs value and scheme"),
        ("firms", {"scheme": None}, "a choropleth needs value and scheme"),
        ("clusters", {"symbols": None}, "symbols need their sizes under 'symbols'"),
        ("villages", {"value": "area_km2"}, "an outline has no value, scheme or category"),
        ("facilities", {"categories": None}, "category and categories go together"),
        ("firms", {"value": "year"}, "column 'year' is not in fields"),
        ("firms", {"fields": {"firms_count": "popup"}}, "exactly one field with the role 'title'"),
        (
            "villages",
            {"fields": {"village_name": "title", "colour": "popup"}},
            "unknown column 'colour' in fields",
        ),
    ],
)
def test_what_a_geometry_needs(folder: Path, name: str, keys: dict[str, Any], message: str) -> None:
    edit(folder, name, **keys)
    (text,) = faults(folder)
    assert message in text


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        ({}, "either method or breaks, not both"),
        ({"method": "quantiles", "breaks": [1, 2]}, "either method or breaks, not both"),
        ({"breaks": [2, 1]}, "breaks that rise"),
        ({"breaks": [1, 1]}, "breaks that rise"),
        ({"method": "quantiles", "classes": 8}, "less than or equal to 7"),
    ],
)
def test_schemes(folder: Path, scheme: dict[str, Any], message: str) -> None:
    edit(folder, "firms", scheme=scheme)
    assert message in faults(folder)[0]


def test_unknown_layer_in_the_order(folder: Path) -> None:
    atlas = folder / "atlas.yaml"
    atlas.write_text(atlas.read_text().replace("[regencies,", "[regency,"))
    messages = faults(folder)
    assert messages[0].startswith("atlas.yaml, column groups.boundaries: expected one of ")
    assert ", production_centres, " in messages[0]
    assert messages[0].endswith("found unknown layer 'regency'")
    assert messages[1:] == ["atlas.yaml: expected each layer once, found 'regencies' 0 times"]


def test_layer_in_two_groups(folder: Path) -> None:
    atlas = folder / "atlas.yaml"
    atlas.write_text(atlas.read_text().replace("[regencies,", "[firms, regencies,"))
    assert faults(folder) == ["atlas.yaml: expected each layer once, found 'firms' 2 times"]


def test_id_must_be_the_files_name(folder: Path) -> None:
    edit(folder, "firms", id="firm")
    assert faults(folder) == [
        "firms.yaml, column id: expected the file's name 'firms', found 'firm'"
    ]


def test_palettes_must_exist_and_suffice(folder: Path) -> None:
    edit(folder, "firms", palette="indigoo")
    edit(folder, "facilities", palette="cluster")
    few, unknown = faults(folder)
    assert few == (
        "facilities.yaml, column palette: expected a palette of at least 5 colours, "
        "found cluster with 1"
    )
    assert unknown.startswith("firms.yaml, column palette: expected one of activity, cluster, ")
    assert unknown.endswith("found 'indigoo'")
