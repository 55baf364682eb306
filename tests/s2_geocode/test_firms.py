"""Firms of a register in the invented area, whose villages are cells of a kilometre grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

import geopandas as gpd

from pipeline.contracts import crs as crs_rules
from pipeline.contracts.reading import check
from pipeline.s2_geocode import firms, review
from pipeline.s2_geocode.firms import TOLERANCE_M, Hit, Reply, place_firms, statistics
from tests.s2_geocode.registers import CRS_TOY, around, register, toy_gazetteer, toy_units

MELATI, KENANGA, CEMPAKA = "99.01.01.1001", "99.01.01.1002", "99.01.01.1003"
SUMBER_CITY, SUMBER_REGENCY = "99.01.02.1002", "99.02.01.2001"
ANGGREK, PANDAN = "99.01.02.1001", "99.02.01.2002"
GAZETTEER = toy_gazetteer()
VILLAGE, DISTRICT = toy_units()
CRS = crs_rules.projected(CRS_TOY, "test")


def place(*rows: Mapping[str, Any], kind: str = "published", **more: Any) -> pd.DataFrame:
    """Place rows and hold the result against the contract."""
    village = VILLAGE.assign(boundary_kind=kind)
    table = register(rows)
    placed = place_firms(table, GAZETTEER, village, DISTRICT, CRS, **more)
    assert placed["firm_id"].tolist() == table["firm_id"].tolist()
    check(placed, "firm")
    return placed


def one(kind: str = "published", **row: Any) -> Any:
    return next(place(row, kind=kind).itertuples())


def is_missing(*cells: Any) -> bool:
    return all(pd.isna(cell) for cell in cells)


# Address and columns


def test_address_and_column_that_agree_raise_the_trust() -> None:
    alone = one(raw_address="Jl. 1, Kel. Melati")
    both = one(raw_address="Jl. 1, Kel. Melati", village_stated="Melati")
    assert alone.village_code == both.village_code == MELATI
    assert both.score > alone.score
    assert both.precision == "village"
    assert is_missing(both.conflict)
    assert "address: " in both.evidence
    assert "village column: " in both.evidence


def test_a_column_alone_is_enough_and_so_is_an_old_name_in_it() -> None:
    assert one(village_stated="Melati").village_code == MELATI
    found = one(raw_address="Jl. 3", village_stated="Kenanga Lor", district_stated="Kartala Barat")
    assert (found.village_code, found.method) == (KENANGA, "old_name")


def test_two_villages_are_a_conflict_and_stay_open() -> None:
    found = one(raw_address="Kel. Kenanga", village_stated="Melati")
    assert is_missing(found.village_code)
    assert found.candidates == f"{MELATI};{KENANGA}"
    assert "Melati (Kartala Barat)" in found.conflict
    assert "Kenanga (Kartala Barat)" in found.conflict
    # Both lie in one kecamatan: so much is known.
    assert (found.precision, found.district_code, found.method) == (
        "district",
        "99.01.01",
        "conflict",
    )
    apart = one(raw_address="Kel. Pandan", village_stated="Melati")
    assert apart.precision == "none"
    assert is_missing(apart.district_code)
    assert apart.geometry is None


def test_the_kecamatan_of_the_address_tells_the_village_column_apart() -> None:
    assert is_missing(one(village_stated="Sumber").village_code)
    found = one(raw_address="Jl. 5, Kec. Pinggir", village_stated="Sumber")
    assert found.village_code == SUMBER_REGENCY
    found = one(village_stated="Sumber", district_stated="Kartala Timur")
    assert found.village_code == SUMBER_CITY


def test_a_column_with_several_villages_is_settled_by_the_address() -> None:
    found = one(raw_address="Sumber, Kec. Kartala Timur", village_stated="Sumber")
    assert found.village_code == SUMBER_CITY
    assert is_missing(found.conflict)


def test_a_column_that_names_other_villages_than_the_address_is_a_conflict() -> None:
    found = one(raw_address="Kel. Melati", village_stated="Sumber")
    assert is_missing(found.village_code)
    assert set(found.candidates.split(";")) == {SUMBER_CITY, SUMBER_REGENCY, MELATI}


def test_an_unknown_name_in_the_column_is_noted_and_does_not_hide_the_address() -> None:
    found = one(raw_address="Kel. Melati", village_stated="Qwertz")
    assert found.village_code == MELATI
    assert found.conflict == 'village column "Qwertz" is not in the gazetteer'


def test_a_village_outside_the_stated_kecamatan_is_a_conflict_within_the_columns() -> None:
    found = one(village_stated="Melati", district_stated="Segara")
    assert is_missing(found.village_code)
    assert "kecamatan Segara stated, but the village named is Melati" in found.conflict
    assert MELATI in found.candidates


def test_another_kecamatan_in_the_address_is_noted_but_the_village_stays() -> None:
    found = one(raw_address="Jl. 5, Kec. Segara", village_stated="Kel. Melati")
    assert found.village_code == MELATI
    assert "kecamatan Segara" in found.conflict


def test_a_place_outside_in_the_address_contradicts_a_village_in_the_column() -> None:
    assert one(raw_address="Kab. Samudra").method == "outside"
    found = one(raw_address="Jl. 5, Kab. Samudra", village_stated="Melati")
    assert is_missing(found.village_code)
    assert "outside the area" in found.conflict


def test_a_kecamatan_alone_gives_its_inner_point() -> None:
    found = one(raw_address="Kec. Segara")
    assert (found.precision, found.district_name) == ("district", "Segara")
    inside = DISTRICT.set_index("district_code").geometry["99.02.02"]
    assert inside.contains(found.geometry)
    assert is_missing(found.village_code)


def test_a_firm_that_says_nothing_is_kept_open() -> None:
    found = one(firm_name="Batik")
    assert (found.precision, found.method, found.score) == ("none", "unmatched", 0)
    assert found.evidence == "register: nothing is said of the place"
    assert found.geometry is None


# Coordinates


def test_coordinates_in_the_village_named_give_the_firms_own_point() -> None:
    point = around(VILLAGE, MELATI)
    found = one(raw_address="Kel. Melati", **point)
    assert (found.village_code, found.precision, found.method) == (MELATI, "gps", "exact")
    assert (found.geometry.x, found.geometry.y) == (point["longitude_deg"], point["latitude_deg"])
    assert found.score > one(raw_address="Kel. Melati").score


@pytest.mark.parametrize(("beyond", "fits"), [(TOLERANCE_M - 10, True), (TOLERANCE_M + 10, False)])
def test_a_point_just_beyond_the_border_is_no_conflict(beyond: float, fits: bool) -> None:
    # Melati's middle is 500 m from its eastern border, behind which Kenanga lies.
    found = one(raw_address="Kel. Melati", **around(VILLAGE, MELATI, 500 + beyond))
    if fits:
        assert (found.village_code, found.precision) == (MELATI, "gps")
        assert is_missing(found.conflict)
        assert f"within the tolerance of {TOLERANCE_M:g} m" in found.evidence
    else:
        assert is_missing(found.village_code)
        assert found.candidates == f"{MELATI};{KENANGA}"
        assert "260 m from Melati (Kartala Barat) as stated" in found.conflict


def test_coordinates_choose_among_the_villages_of_a_shared_name() -> None:
    found = one(raw_address="Sumber", **around(VILLAGE, SUMBER_REGENCY))
    assert (found.village_code, found.precision, found.method) == (
        SUMBER_REGENCY,
        "gps",
        "coordinates",
    )
    assert found.candidates.startswith(SUMBER_REGENCY)


def test_coordinates_far_from_every_village_of_a_shared_name_are_a_conflict() -> None:
    found = one(raw_address="Sumber", **around(VILLAGE, KENANGA))
    assert is_missing(found.village_code)
    assert "Kenanga" in found.conflict
    assert set(found.candidates.split(";")) == {SUMBER_CITY, SUMBER_REGENCY, KENANGA}


def test_coordinates_are_held_against_the_stated_kecamatan() -> None:
    inside = one(district_stated="Kartala Barat", **around(VILLAGE, MELATI))
    assert (inside.village_code, inside.precision) == (MELATI, "gps")
    # 450 m west of Anggrek's middle is still Anggrek; 550 m is Kenanga in the next kecamatan.
    near = one(district_stated="Kartala Timur", **around(VILLAGE, ANGGREK, -550))
    assert near.village_code == ANGGREK
    far = one(district_stated="Segara", **around(VILLAGE, MELATI))
    assert is_missing(far.village_code)
    assert "kecamatan Segara as stated" in far.conflict


def test_coordinates_alone_place_a_firm() -> None:
    found = one(raw_address="Jl. Mawar 3", **around(VILLAGE, CEMPAKA))
    assert (found.village_code, found.method) == (CEMPAKA, "coordinates")


def test_coordinates_take_a_side_in_a_conflict_of_the_text_but_do_not_settle_it() -> None:
    found = one(raw_address="Kel. Kenanga", village_stated="Melati", **around(VILLAGE, KENANGA))
    assert is_missing(found.village_code)
    assert found.candidates == f"{KENANGA};{MELATI}"


def test_a_point_in_a_gap_belongs_to_the_only_village_near() -> None:
    near = one(**around(VILLAGE, SUMBER_CITY, 600))
    assert near.village_code == SUMBER_CITY
    assert "100 m" in near.evidence
    far = one(**around(VILLAGE, SUMBER_CITY, 800))
    assert (far.method, far.precision) == ("outside", "none")
    assert far.geometry is None


def test_points_outside_the_area_are_told() -> None:
    away = around(VILLAGE, SUMBER_CITY, 30_000)
    assert one(**away).method == "outside"
    assert one(raw_address="Kab. Samudra", **away).method == "outside"
    found = one(raw_address="Kel. Melati", **away)
    assert is_missing(found.village_code)
    assert "no village of the area" in found.conflict
    inside = one(raw_address="Kab. Samudra", **around(VILLAGE, CEMPAKA))
    assert "outside the area" in inside.conflict
    # At the edge of the area either may be right: the words are believed.
    edge = one(raw_address="Kab. Samudra", **around(VILLAGE, MELATI, -400))
    assert edge.method == "outside"
    assert is_missing(edge.conflict)


def test_half_a_pair_of_coordinates_is_no_point() -> None:
    assert one(longitude_deg=110.19).precision == "none"


def test_approximate_cells_carry_no_join() -> None:
    point = around(VILLAGE, KENANGA)
    found = one("approximate", raw_address="Kel. Melati", **point)
    assert (found.village_code, found.precision) == (MELATI, "gps")
    assert found.geometry.x == point["longitude_deg"]
    assert "not joined to a village, for the boundaries are approximate" in found.evidence
    unknown = one("approximate", **point)
    assert (unknown.precision, unknown.geometry.x) == ("gps", point["longitude_deg"])
    assert is_missing(unknown.village_code)
    far = around(VILLAGE, KENANGA, 30_000)
    assert one("approximate", **far).method == "outside"
    assert "outside the area" in one("approximate", raw_address="Kel. Melati", **far).conflict


# Decisions


def decide(row: Mapping[str, Any], decision: str, kind: str = "published") -> Any:
    key = review.place_keys(register([row]))[0]
    return next(place(row, kind=kind, decisions={key: decision}).itertuples())


def test_a_decision_places_a_firm_whatever_the_evidence() -> None:
    found = decide({"raw_address": "Kel. Kenanga", "village_stated": "Melati"}, MELATI)
    assert (found.village_code, found.method, found.score) == (MELATI, "decision", 1)
    assert found.is_decided
    assert is_missing(found.conflict)
    assert "decision: Melati (Kartala Barat) (before: village column says" in found.evidence


def test_a_decision_keeps_a_point_that_fits_and_sets_another_aside() -> None:
    row = {"raw_address": "Sumber", **around(VILLAGE, KENANGA)}
    fitting = decide(row, KENANGA)
    assert (fitting.precision, fitting.geometry.x) == ("gps", row["longitude_deg"])
    aside = decide(row, PANDAN)
    assert aside.precision == "village"
    assert aside.evidence.endswith("its coordinates are set aside")


def test_the_other_decisions() -> None:
    row = {"raw_address": "Kel. Melati", **around(VILLAGE, PANDAN)}
    outside = decide(row, review.OUTSIDE)
    assert (outside.method, outside.precision) == ("outside", "none")
    assert outside.is_decided
    gps = decide(row, review.COORDINATES)
    assert (gps.village_code, gps.precision) == (PANDAN, "gps")
    unknown = decide(row, review.UNKNOWN)
    assert unknown.is_decided
    assert is_missing(unknown.village_code)
    # A join is refused while boundaries are approximate, decided or not.
    refused = decide(row, review.COORDINATES, "approximate")
    assert not refused.is_decided
    assert refused.village_code == MELATI


def test_a_decision_about_a_village_the_area_does_not_have_changes_nothing() -> None:
    found = decide({"raw_address": "Sumber"}, "98.01.01.1001")
    assert not found.is_decided
    assert found.method == "ambiguous"


# Online help


def hit(code: str, is_street: bool = True) -> Hit:
    point = around(VILLAGE, code)
    return Hit(point["longitude_deg"], point["latitude_deg"], is_street, f"Jalan, {code}")


def asked(row: Mapping[str, Any], *hits: Hit, kind: str = "published") -> tuple[Any, list[str]]:
    queries: list[str] = []

    def ask(query: str) -> Reply:
        queries.append(query)
        return Reply(hits, "" if hits else "nothing found")

    return next(place(row, kind=kind, ask=ask).itertuples()), queries


def test_an_online_answer_gives_street_precision() -> None:
    found, queries = asked({"raw_address": "Jl. Mawar 3", "district_stated": "Kartala Barat"},
                           hit(CEMPAKA))  # fmt: skip
    assert queries == ["Jl. Mawar 3, Kartala Barat"]
    assert (found.village_code, found.precision, found.method) == (CEMPAKA, "street", "online")
    assert "Jalan, 99.01.01.1003" in found.evidence


def test_an_online_answer_as_coarse_as_a_village_gives_the_village() -> None:
    found, _ = asked({"raw_address": "Dk. Mawar"}, hit(CEMPAKA, is_street=False))
    assert (found.village_code, found.precision) == (CEMPAKA, "village")


@pytest.mark.parametrize(
    ("row", "hits", "said"),
    [
        ({"district_stated": "Segara"}, [hit(MELATI)], "not in kecamatan Segara"),
        ({"village_stated": "Sumber"}, [hit(MELATI)], "not in the villages the text leaves"),
        ({"regency_stated": "Kabupaten Kartala"}, [hit(MELATI)], "not in Kabupaten Kartala as"),
        ({}, [hit(MELATI), hit(PANDAN)], "answers lie in Melati"),
        ({}, [Hit(112.0, -7.0, True, "Jalan jauh")], "outside the area"),
        ({}, [], "nothing found"),
    ],
)
def test_an_online_answer_that_fails_a_check_leaves_the_firm_open(
    row: dict[str, Any], hits: list[Hit], said: str
) -> None:
    found, queries = asked({"raw_address": "Jl. Mawar 3"} | row, *hits)
    assert len(queries) == 1
    assert is_missing(found.village_code)
    assert said in found.evidence


def test_only_open_firms_with_words_are_asked_about() -> None:
    for row in (
        {"raw_address": "Kel. Melati"},
        {"raw_address": "Kab. Samudra"},
        {"raw_address": "Kel. Melati", "village_stated": "Pandan"},
        {"firm_name": "Batik"},
        {"raw_address": "Jl. Mawar", **around(VILLAGE, MELATI)},
    ):
        assert asked(row, hit(CEMPAKA))[1] == []
    found, queries = asked({"raw_address": "Jl. Mawar"}, hit(CEMPAKA), kind="approximate")
    assert queries == []
    assert "online: not asked, for an answer needs published boundaries" in found.evidence


# All rows


def test_no_row_is_lost_and_every_row_keeps_the_promises() -> None:
    rng = np.random.default_rng(20260501)
    texts = [None, "Kel. Melati", "Sumber", "Kec. Segara", "Kab. Samudra", "Jl. 1", "Kenanga Lor"]
    stated = [None, "Melati", "Sumber", "Pandan", "Qwertz"]
    districts = [None, "Kartala Barat", "Pinggir"]
    rows = []
    for _ in range(400):
        row = {
            "raw_address": texts[rng.integers(len(texts))],
            "village_stated": stated[rng.integers(len(stated))],
            "district_stated": districts[rng.integers(len(districts))],
        }
        if rng.random() < 0.5:
            row |= around(VILLAGE, VILLAGE["village_code"][rng.integers(12)], rng.normal(0, 900))
        rows.append({key: value for key, value in row.items() if value is not None})
    placed = place(*rows)
    assert len(placed) == 400
    has_village = placed["village_code"].notna()
    assert (placed["precision"].isin(["gps", "village"]) == has_village).all()
    assert ((placed["precision"] == "none") == placed.geometry.isna()).all()
    contradicted = placed["method"] == "conflict"
    assert not (contradicted & has_village).any()
    assert placed.loc[contradicted, "conflict"].notna().all()
    assert set(placed["method"]) >= {"exact", "coordinates", "outside", "ambiguous", "conflict"}
    first = placed["candidates"].str.split(";").str[0]
    assert (first[has_village] == placed.loc[has_village, "village_code"]).all()
    points = gpd.GeoSeries(placed.geometry[placed["precision"] == "gps"]).to_crs(CRS)
    cells = VILLAGE.set_index("village_code").geometry.to_crs(CRS)
    own = gpd.GeoSeries(cells.loc[placed.loc[points.index, "village_code"]].to_numpy(), crs=CRS)
    assert (points.reset_index(drop=True).distance(own) <= TOLERANCE_M).all()


def test_the_statistics_add_up() -> None:
    placed = place(
        {"raw_address": "Kel. Melati"}, {"raw_address": "Sumber"}, {"raw_address": "Kec. Segara"},
        {"raw_address": "Kab. Samudra"}, {"raw_address": "Kel. Melati", "village_stated": "Pandan"},
    )  # fmt: skip
    lines = statistics(placed)
    assert lines[0] == (
        "firms: 5 = 1 in a village + 1 only in a kecamatan + 1 outside the area + 2 nowhere yet"
    )
    assert "exact 1" in lines[2]
    assert statistics(placed.iloc[:0]) == []


def test_an_empty_register_gives_an_empty_table() -> None:
    assert len(place()) == 0


def test_equal_input_gives_equal_output() -> None:
    rows = [{"raw_address": "Sumber", **around(VILLAGE, MELATI, 300)}] * 3
    first, second = place(*rows), place(*rows)
    pd.testing.assert_frame_equal(
        pd.DataFrame(first.drop(columns="geometry")), pd.DataFrame(second.drop(columns="geometry"))
    )
    assert firms.FAR_M > firms.TOLERANCE_M
