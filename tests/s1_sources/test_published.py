from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.contracts.area import AreaConfig, load_area
from pipeline.contracts.errors import InputError
from pipeline.s1_sources.published import read_area, split_ids, villages
from pipeline.s1_sources.seal import seal

TOY = Path(__file__).parents[1] / "areas" / "toy"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(TOY, tmp_path / "toy")
    return tmp_path / "toy"


def area(folder: Path) -> AreaConfig:
    return load_area(folder.parent, "toy")


def edit(folder: Path, file: str, old: str, new: str, *, sealed: bool = True) -> None:
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    if sealed:
        seal(folder, area(folder))


def faults(folder: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_area(folder, area(folder))
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]


def test_every_table_is_there_even_where_the_area_has_none(folder: Path) -> None:
    tables = read_area(folder, area(folder))
    lengths = {name: len(table) for name, table in tables.items()}
    assert lengths == {
        "sources": 17,
        "gazetteer": 12,
        "neighbours": 22,
        "old_names": 3,
        "aliases": 1,
        "clusters": 8,
        "places": 13,
        "facts": 11,
        "stakeholders": 3,
        "network_actors": 0,  # the area does not have this table
        "specialisations": 0,
        "contradictions": 2,
        "crosstabs": 12,
        "scales": 1,
        "item_scores": 9,
        "linkages": 3,
        "ties": 4,
        "households": 0,
    }


def test_kind_and_units_are_read_from_the_code(folder: Path) -> None:
    table = villages(read_area(folder, area(folder))["gazetteer"]).set_index("village_code")
    assert table.loc["99.01.01.1001", "village_kind"] == "kelurahan"
    assert table.loc["99.02.02.2003", "village_kind"] == "desa"
    assert table.loc["99.02.02.2003", "district_code"] == "99.02.02"
    assert table.loc["99.02.02.2003", "regency_code"] == "99.02"


def test_hash_mismatch(folder: Path) -> None:
    edit(folder, "tables/clusters.csv", "tulis,10,40", "tulis,10,41", sealed=False)
    (text,) = faults(folder)
    assert text.startswith("tables/clusters.csv: expected SHA-256 ")
    assert text.endswith("If the change is meant, run 'make seal AREA=...' and commit both")


def test_a_table_that_sources_does_not_list(folder: Path) -> None:
    path = folder / "sources.csv"
    kept = [line for line in path.read_text().splitlines() if "tables/places.csv" not in line]
    path.write_text("\n".join(kept) + "\n")
    assert faults(folder) == [
        "sources.csv: expected one row of kind 'table' for tables/places.csv, found 0. "
        "Run 'make seal AREA=...' after checking the file"
    ]
    with pytest.raises(InputError, match=r"Add it with producer, citation and licence"):
        seal(folder, area(folder))


def test_sources_that_are_not_listed(folder: Path) -> None:
    edit(folder, "tables/clusters.csv", "former village,toy_study", "former village,toy_studi; x")
    assert faults(folder) == [
        "tables/clusters.csv, row 3, column source_ids: expected ids of sources.csv, "
        "found toy_studi, x"
    ]


def test_a_boundary_without_its_hash(folder: Path) -> None:
    edit(
        folder,
        "area.yaml",
        "path: villages.geojson",
        "files: [{source_id: b, url: 'https://example.org/b.sql'}]",
    )
    assert faults(folder) == [
        "sources.csv: expected a row 'b' with its SHA-256, found none. "
        "area.yaml names it under boundaries.files"
    ]


def test_unknown_table(folder: Path) -> None:
    path = folder / "area.yaml"
    path.write_text(path.read_text().replace("tables: [clusters", "tables: [cluster"))
    (text,) = faults(folder)
    assert text.startswith("area.yaml, column tables: expected tables among clusters, places, ")
    assert text.endswith("found 'cluster'")


def test_codes_are_held_against_the_gazetteer(folder: Path) -> None:
    edit(folder, "gazetteer.csv", "99.02.02.2003,Karang", "98.02.02.2003,Karang")
    edit(folder, "gazetteer.csv", "Kenanga,Kartala Barat,Kota", "Kenanga,Kartala West,Kabupaten")
    edit(folder, "old_names.csv", "Kamboja,99.01.02.1003", "Kamboja,99.01.02.1009")
    edit(folder, "neighbours.csv", "99.02.02.2001,99.02.02.2002", "99.02.02.2002,99.02.02.2001")
    assert faults(folder) == [
        "gazetteer.csv, row 13, column village_code: expected villages of 99.01, 99.02, "
        "found 98.02.02.2003",
        "gazetteer.csv, row 3, column regency_name: expected 'Kota Kartala' for 99.01, "
        "found 'Kabupaten Kartala'",
        "gazetteer.csv, column district_name: expected one name for district 99.01.01, "
        "found Kartala Barat, Kartala West",
        "old_names.csv, row 4, column village_code: expected a village of the gazetteer, "
        "found 99.01.02.1009",
        "neighbours.csv, row 23: expected village_code_a before village_code_b, "
        "found 99.02.02.2002, 99.02.02.2001",
    ]


def test_faults_of_several_files_at_once(folder: Path) -> None:
    edit(folder, "gazetteer.csv", "-7.205087,1", "-7.205087,one")
    edit(folder, "tables/clusters.csv", "tulis,10,40", "tulis,10,1.468")
    assert [text.partition(":")[0] for text in faults(folder)] == [
        "gazetteer.csv, row 2, column area_km2",
        "tables/clusters.csv, row 2, column workers_count",
    ]


def test_sealing_again_changes_nothing(folder: Path) -> None:
    before = (folder / "sources.csv").read_bytes()
    assert seal(folder, area(folder)) == []
    assert (folder / "sources.csv").read_bytes() == before


def test_ids() -> None:
    assert split_ids("a; b;c ;") == ["a", "b", "c"]
    assert split_ids(None) == []
