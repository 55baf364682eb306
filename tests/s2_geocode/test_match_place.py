from __future__ import annotations

import pytest

from pipeline.s2_geocode.gazetteer import Gazetteer
from pipeline.s2_geocode.match import match_place

# The clusters of a published table with their kecamatan, and the present kelurahan of each.
CLUSTERS = [
    ("Medono", "Pekalongan Barat", "Medono", "exact"),
    ("Sapuro", "Pekalongan Barat", "Sapuro Kebulen", "old_name"),
    ("Bendan", "Pekalongan Barat", "Bendan Kergon", "old_name"),
    ("Pasir", "Pekalongan Barat", "Pasirkratonkramat", "alias"),
    ("Pringlangu", "Pekalongan Barat", "Pringrejo", "old_name"),
    ("Tirto", "Pekalongan Barat", "Tirto", "exact"),
    ("Kauman", "Pekalongan Timur", "Kauman", "exact"),
    ("Banyurip Ageng", "Pekalongan Selatan", "Banyurip", "old_name"),
    ("Banyurip Alit", "Pekalongan Selatan", "Banyurip", "old_name"),
    ("Buaran", "Pekalongan Selatan", "Buaran Kradenan", "old_name"),
    ("Jenggot", "Pekalongan Selatan", "Jenggot", "exact"),
    ("Krapyak Kidul", "Pekalongan Utara", "Krapyak", "old_name"),
    ("Krapyak Lor", "Pekalongan Utara", "Krapyak", "old_name"),
]


@pytest.mark.parametrize(("name", "district", "village", "method"), CLUSTERS)
def test_published_clusters(
    gazetteer: Gazetteer, name: str, district: str, village: str, method: str
) -> None:
    match = match_place(gazetteer, name, district)
    assert (match.village_name, match.district_name) == (village, district)
    assert match.precision == "village"
    assert match.method == method
    assert match.score > 0.95


@pytest.mark.parametrize(
    ("name", "candidates"),
    [
        ("Tirto", {"33.75.01.1009", "33.26.15"}),
        ("Buaran", {"33.75.04.1003", "33.26.14"}),
        ("Kauman", {"33.75.02.1004", "33.26.16.2016"}),
    ],
)
def test_ambiguous_without_a_district(
    gazetteer: Gazetteer, name: str, candidates: set[str]
) -> None:
    match = match_place(gazetteer, name)
    assert match.village_code is None
    assert match.method == "ambiguous"
    assert set(match.candidates.split(";")) == candidates


def test_regency_settles_a_shared_name(gazetteer: Gazetteer) -> None:
    city = match_place(gazetteer, "Kauman", regency="Kota Pekalongan")
    regency = match_place(gazetteer, "Kauman", regency="Kab. Pekalongan")
    assert city.village_code == "33.75.02.1004"
    assert regency.village_code == "33.26.16.2016"


def test_wrong_district_is_shown(gazetteer: Gazetteer) -> None:
    right = match_place(gazetteer, "Medono", "Pekalongan Barat")
    wrong = match_place(gazetteer, "Medono", "Pekalongan Selatan")
    assert wrong.village_code == right.village_code
    assert wrong.score < right.score
    assert "conflict: kecamatan Pekalongan Selatan" in wrong.evidence


@pytest.mark.parametrize("column", ["village_name", "old_name"])
def test_every_listed_name_with_its_district(
    gazetteer: Gazetteer, tables: dict, column: str
) -> None:
    table = tables["village" if column == "village_name" else "old_name"]
    for name, code in zip(table[column], table["village_code"], strict=True):
        village = gazetteer.villages[code]
        match = match_place(gazetteer, name, village.district_name, village.regency_name)
        assert match.village_code == code, (name, match)
