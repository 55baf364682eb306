from __future__ import annotations

import dataclasses

import pandas as pd
import pytest
from rapidfuzz.distance import OSA

from pipeline.contracts.errors import InputError
from pipeline.s2_geocode import gazetteer as module
from pipeline.s2_geocode.gazetteer import Gazetteer, Near


def changed(tables: dict[str, pd.DataFrame], name: str, **columns: object) -> dict:
    table = tables[name].copy()
    for column, value in columns.items():
        table.loc[table.index[0], column] = value
    return {**tables, name: table}


def test_index_holds_every_unit(gazetteer: Gazetteer) -> None:
    assert len(gazetteer.villages) == 312
    assert len(gazetteer.districts) == 23
    assert len(gazetteer.regencies) == 2


def test_index_is_frozen(gazetteer: Gazetteer) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        gazetteer.villages = {}  # type: ignore[misc]
    with pytest.raises(TypeError):
        gazetteer.readings["x"] = ()  # type: ignore[index]


def test_the_surest_kind_of_a_name_is_kept(gazetteer: Gazetteer) -> None:
    kinds = {one.code: one.kind for one in gazetteer.readings["kauman"] if one.level == "village"}
    assert kinds == {"33.75.02.1004": "exact", "33.26.16.2016": "exact"}


@pytest.mark.parametrize(
    ("key", "level", "kind"),
    [
        ("landungsari", "village", "old_name"),
        ("pesindon", "village", "kampung"),
        ("pekalongantim", "district", "abbreviation"),
        ("eastpekalongan", "district", "abbreviation"),
        ("krapjak", "village", "exact"),
        ("tangkil", "village", "stem"),
        ("batang", "outside", "exact"),
    ],
)
def test_writings(gazetteer: Gazetteer, key: str, level: str, kind: str) -> None:
    assert {(one.level, one.kind) for one in gazetteer.readings[key]} == {(level, kind)}


def test_aliases_have_sources_and_stand_once(tables: dict[str, pd.DataFrame]) -> None:
    alias = tables["alias"]
    assert (alias["source"] != "").all()
    assert not alias.duplicated(["alias", "level", "code"]).any()
    assert (alias.loc[alias["level"] == "outside", "code"] == "").all()


def test_a_stem_gives_way_to_a_name(gazetteer: Gazetteer) -> None:
    assert {one.kind for one in gazetteer.readings["krapyak"]} == {"exact"}


def test_near_names_nearest_first(gazetteer: Gazetteer) -> None:
    found = gazetteer.near("landungsri", 2)
    assert found[0] == Near("landungsari", 1)
    assert [one.distance for one in found] == sorted(one.distance for one in found)
    assert gazetteer.near("landungsri", 2) is found
    assert gazetteer.near("q" * 60, 2) == ()


@pytest.mark.parametrize("word", ["landungsri", "kajn", "pekaloniantim", "ab", "wiradesaa"])
@pytest.mark.parametrize("distance", [1, 2])
def test_near_misses_no_name(gazetteer: Gazetteer, word: str, distance: int) -> None:
    every = {
        key: OSA.distance(word, key)
        for key, held in gazetteer.readings.items()
        if any(
            one.kind not in ("stem", "abbreviation")
            or (one.kind == "abbreviation" and one.level == "district")
            for one in held
        )
    }
    expected = {Near(key, edits) for key, edits in every.items() if edits <= distance}
    assert set(gazetteer.near(word, distance)) == expected


def test_caches_are_bounded(
    tables: dict[str, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CACHE_LIMIT", 10)
    fresh = Gazetteer.from_tables(**tables)
    for number in range(100):
        word = "abcdefgh"[number % 8] * (6 + number // 8)
        fresh.near(word, 1)
        fresh.parts(word)
    assert len(fresh._near) <= 10
    assert len(fresh._parts) <= 10


def test_words_run_together_are_split(gazetteer: Gazetteer) -> None:
    assert gazetteer.parts("kelklego") == ("kel", "klego")
    assert gazetteer.parts("klegopekalongan") == ("klego", "pekalongan")
    assert gazetteer.parts("sembarangkata") == ("sembarangkata",)


def test_missing_columns_are_all_told(tables: dict[str, pd.DataFrame]) -> None:
    broken = {
        "village": tables["village"].drop(columns=["village_name", "regency_code"]),
        "old_name": tables["old_name"].drop(columns="village_code"),
        "alias": tables["alias"],
    }
    with pytest.raises(InputError) as caught:
        Gazetteer.from_tables(**broken)
    assert len(caught.value.faults) == 3


@pytest.mark.parametrize(
    ("name", "columns", "message"),
    [
        ("village", {"village_name": ""}, "no empty cell"),
        ("village", {"village_code": "33.26.01.2002"}, "each code once"),
        ("old_name", {"village_code": "00.00.00.0000"}, "a code of the village table"),
        ("alias", {"level": "hamlet"}, "one of village, district"),
        ("alias", {"code": "00.00.00.0000"}, "a known village code"),
    ],
)
def test_faults_name_row_and_what_was_found(
    tables: dict[str, pd.DataFrame], name: str, columns: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Gazetteer.from_tables(**changed(tables, name, **columns))
    assert caught.value.faults[0].where == name
    assert caught.value.faults[0].row == 2 or columns.get("village_code") == "33.26.01.2002"


def test_missing_cells_are_faults_not_names(tables: dict[str, pd.DataFrame]) -> None:
    with pytest.raises(InputError, match="no empty cell"):
        Gazetteer.from_tables(**changed(tables, "village", district_name=None))
