"""The demonstration register added up against the published tables, read here once more by csv."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

import geopandas as gpd
import shapely
from pyproj import CRS

from pipeline.contracts.area import Decision, load_area
from pipeline.contracts.crs import GEOGRAPHIC
from pipeline.contracts.demonstration import (
    ADDRESS_KINDS,
    Demonstration,
    load_demonstration,
)
from pipeline.contracts.errors import InputError
from pipeline.contracts.provenance import PROJECT
from pipeline.contracts.specialisations import recognise, rollup
from pipeline.s1_sources.approximate import approximate_villages
from pipeline.s1_sources.boundaries import dissolve
from pipeline.s1_sources.messy import Addresses
from pipeline.s1_sources.published import read_area, villages
from pipeline.s1_sources.register.read import read_register
from pipeline.s1_sources.synthesize import (
    HEADERS,
    Synthetic,
    apportion,
    demonstration_notes,
    synthesize,
    workbook_bytes,
)
from pipeline.s2_geocode.duplicates import flag
from pipeline.s2_geocode.firms import place_firms
from pipeline.s2_geocode.gazetteer import Gazetteer

AREAS = PROJECT / "areas"
NAME = "pekalongan"
TOY = PROJECT / "tests" / "areas"
UTM = CRS.from_epsg(32749)
CAP = "survey-kota-pekalongan-share-producing-batik-cap-2013"
MEN = "survey-kota-pekalongan-share-of-male-workers-2013"
REGENCY = "regency-total-kabupaten-pekalongan-registered-ikm-batik-2019"
CANTING_CAP = "specialisation-landungsari-makers-of-canting-cap-2013"
CANTING_TULIS = "specialisation-landungsari-makers-of-canting-tulis-2013"


def rows_of(table: str) -> list[dict[str, str]]:
    path = AREAS / NAME / "tables" / f"{table}.csv"
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def fact(fact_id: str) -> float:
    return next(float(row["value"]) for row in rows_of("facts") if row["fact_id"] == fact_id)


@pytest.fixture(scope="module")
def settings() -> Demonstration:
    return load_demonstration(AREAS, NAME)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return read_area(AREAS / NAME, load_area(AREAS, NAME))


def draw(settings: Demonstration, tables: dict[str, pd.DataFrame], **more: Any) -> Synthetic:
    seed = more.pop("seed", load_area(AREAS, NAME).seed)
    return synthesize(settings, tables, UTM, np.random.default_rng(seed), **more)


@pytest.fixture(scope="module")
def drawn(settings: Demonstration, tables: dict[str, pd.DataFrame]) -> Synthetic:
    return draw(settings, tables)


@pytest.fixture(scope="module")
def both(drawn: Synthetic) -> pd.DataFrame:
    return drawn.register.merge(drawn.truth, on="No", validate="one_to_one")


def changed(settings: Demonstration, **values: Any) -> Demonstration:
    """Return settings with other values at dotted places (written with ``__``)."""
    raw = settings.model_dump()
    for place, value in values.items():
        inner = raw
        *path, last = place.split("__")
        for key in path:
            inner = inner[key]
        inner[last] = value
    return Demonstration.model_validate(raw)


# Counts ------------------------------------------------------------------------------------------


def test_every_cluster_has_its_published_firms_and_workers(both: pd.DataFrame) -> None:
    published = rows_of("clusters")
    assert len(published) == 13
    for row in published:
        mine = both[(both["group"] == "clusters") & (both["origin_id"] == row["cluster_id"])]
        assert len(mine) == int(row["firms_count"]), row["cluster_id"]
        assert mine["Jumlah Tenaga Kerja"].sum() == int(row["workers_count"]), row["cluster_id"]
        assert mine["village_code"].nunique() == 1
        assert set(mine["Tahun"]) == {int(row["year"])}


def test_the_whole_is_the_published_whole(both: pd.DataFrame) -> None:
    groups = both.groupby("group").size().to_dict()
    clusters = sum(int(row["firms_count"]) for row in rows_of("clusters"))
    makers = fact(CANTING_CAP) + fact(CANTING_TULIS)
    listed = next(row for row in rows_of("places") if row["place_id"] == "canting-landungsari-2013")
    assert makers == int(listed["count"]) == 28
    assert fact(REGENCY) == 645
    assert clusters == 674
    assert groups == {"clusters": 674, "regency": 645, "canting_cap": 27, "canting_tulis": 1}
    assert len(both) == clusters + fact(REGENCY) + makers
    assert (both["Jumlah Tenaga Kerja"] >= 1).all()
    # All that is published of the distribution: most firms below 25 workers.
    bound = "survey-kota-pekalongan-workers-per-firm-upper-bound-of-most-firms-2012"
    assert (both["Jumlah Tenaga Kerja"] < fact(bound)).mean() > 0.9


def test_clusters_lie_in_their_present_village(
    both: pd.DataFrame, tables: dict[str, pd.DataFrame]
) -> None:
    names = tables["gazetteer"].set_index("village_code")["village_name"]
    found = both[both["group"] != "regency"].groupby("origin_id")["village_code"].first().map(names)
    assert found["pekalongan-pasir"] == "Pasirkratonkramat"  # an alias of the area
    assert found["pekalongan-buaran"] == "Buaran Kradenan"  # not the kecamatan of the regency
    assert found["pekalongan-tirto"] == "Tirto"
    assert found["pekalongan-banyurip-ageng"] == found["pekalongan-banyurip-alit"] == "Banyurip"
    assert found["canting-landungsari-2013"] == "Noyontaansari"
    kota = set(tables["gazetteer"].loc[lambda t: t["regency_name"].str.startswith("Kota"),
                                       "village_code"])  # fmt: skip
    mine = both[both["group"].isin(["clusters", "canting_cap", "canting_tulis"])]
    assert set(mine["village_code"]) <= kota


def test_the_regency_is_spread_by_the_stated_rule(
    both: pd.DataFrame, settings: Demonstration, tables: dict[str, pd.DataFrame]
) -> None:
    mine = both[both["group"] == "regency"]
    group = settings.groups["regency"]
    named = {
        row["place_id"]
        for row in rows_of("places")
        if row["activity"] in ("batik", "konveksi") and row["regency_name"].startswith("Kab")
    }
    assert {place.place_id for place in group.places} == named
    counts = mine.groupby("origin_id").size()
    # Equal weights: 645 over 12 places is 53 or 54 each.
    assert set(counts) == {53, 54}
    places = {row["place_id"]: row for row in rows_of("places")}
    gazetteer = tables["gazetteer"].set_index("village_code")
    for place, firms in mine.groupby("origin_id"):
        villages = gazetteer.loc[firms["village_code"]]
        assert set(villages["district_name"]) == {places[str(place)]["district_name"]}
        assert set(villages["regency_name"]) == {"Kabupaten Pekalongan"}
        per_village = firms["village_code"].value_counts().to_list()
        if places[str(place)]["place_name"]:
            assert set(villages["village_name"]) == {"Kemplong"}
        else:
            ratio = settings.spreading.ratio
            size = int((gazetteer["district_name"] == places[str(place)]["district_name"]).sum())
            parts = apportion(len(firms), ratio ** np.arange(size))
            assert per_village == sorted((one for one in parts if one), reverse=True)
    mean = settings.groups["regency"].workers_per_firm.value
    assert mine["Jumlah Tenaga Kerja"].sum() == mean * 645


# Percentages -------------------------------------------------------------------------------------


def by_largest_remainder(total: int, pct: float) -> int:
    """Two parts: the larger remainder is the one of half and more (ties go to the first)."""
    return math.floor(total * pct / 100 + 0.5)


def test_published_percentages(both: pd.DataFrame) -> None:
    city = both[both["group"] == "clusters"]
    assert (fact(CAP), fact(MEN)) == (82, 75)
    assert (city["Teknik"] == "Cap").sum() == by_largest_remainder(674, 82) == 553
    workers = int(city["Jumlah Tenaga Kerja"].sum())
    assert workers == 6224
    assert city["Tenaga Kerja L"].sum() == 4668 == workers * 75 // 100
    for _, mine in both.groupby("group"):
        total = int(mine["Jumlah Tenaga Kerja"].sum())
        assert mine["Tenaga Kerja L"].sum() == by_largest_remainder(total, 75)
    assert (both["group"] == "regency")[both["Teknik"] == "Cap"].sum() == 529  # 82 % of 645
    assert (both["Tenaga Kerja L"] + both["Tenaga Kerja P"] == both["Jumlah Tenaga Kerja"]).all()
    assert (both[["Tenaga Kerja L", "Tenaga Kerja P"]] >= 0).all(axis=None)


def test_every_technique_suits_its_specialisation(both: pd.DataFrame) -> None:
    first = both["specialisation"].str.split("; ").str[0]
    assert set(both["Teknik"].dropna()) == {"Cap", "Tulis", "Printing"}
    assert ((both["Teknik"] == "Printing").fillna(False) == (first == "printing")).all()
    assert (both["Teknik"].isna() == first.str.startswith("canting")).all()


def test_specialisations_follow_their_mix(both: pd.DataFrame, settings: Demonstration) -> None:
    mixes = {("clusters", row["cluster_id"]): settings.clusters.mix for row in rows_of("clusters")}
    mixes |= {("clusters", name): mix for name, mix in settings.clusters.mixes.items()}
    for name, group in settings.groups.items():
        mixes |= {(name, place.place_id): place.mix for place in group.places}
    assert len(mixes) == 13 + 12 + 2
    for place, mine in both.groupby(["group", "origin_id"]):
        shares = settings.mixes[mixes[place]].shares_pct
        found = Counter(mine["specialisation"].str.split("; ").str[0])
        for kind, pct in shares.items():
            assert abs(found[kind] - len(mine) * pct / 100) < 1, (place, kind)


def test_assumed_percentages(both: pd.DataFrame, settings: Demonstration) -> None:
    several = both["specialisation"].str.contains(";")
    single = both["group"].str.startswith("canting")
    assert not several[single].any()
    assert several.sum() == by_largest_remainder(int((~single).sum()), settings.second.pct)
    located = both["Lintang"].notna()
    assert located.sum() == by_largest_remainder(len(both), settings.points.located.pct)
    assert (both["Izin Titik"].notna() == located).all()
    consent = (both["Izin Titik"] == "ya").sum()
    assert consent == by_largest_remainder(int(located.sum()), settings.points.consent.pct)
    stray = by_largest_remainder(int(located.sum()), settings.points.stray.pct)
    assert both["is_stray"].sum() == stray > 0
    silent = both["Produksi"].isna()
    assert silent.sum() == by_largest_remainder(len(both), settings.production.missing.pct)
    assert (both["Satuan"].isna() == silent).all()
    kinds = Counter(both["address_kind"])
    for kind, pct in settings.addresses.kinds_pct.items():
        assert abs(kinds[kind] - len(both) * pct / 100) < 1, kind
    # Former names stand in the village column for about the stated share; it is drawn.
    own = both[both["address_kind"] == "columns"]
    assert own[["Desa/Kelurahan", "Kecamatan", "Kabupaten/Kota"]].notna().all(axis=None)
    assert both.loc[both["address_kind"] != "columns", "Desa/Kelurahan"].isna().all()


def test_subcontractors_work_for_larger_firms_of_the_register(
    both: pd.DataFrame, settings: Demonstration
) -> None:
    first = both["specialisation"].str.split("; ").str[0]
    by_name = both.set_index("Nama Usaha")
    kinds = settings.specialisations
    givers = both[[kinds[kind].gives_work for kind in first]]
    count = by_largest_remainder(len(givers), settings.subcontracting.principals.pct)
    threshold = givers["Jumlah Tenaga Kerja"].nlargest(count).min()
    principals = by_name.loc[both["Juragan/Mitra"].dropna().unique()]
    assert 0 < len(principals) <= count
    assert (principals["Jumlah Tenaga Kerja"] >= threshold).all()
    assert principals["Juragan/Mitra"].isna().all()  # no chains, so no circles
    ties = both["Juragan/Mitra"].notna()
    assert set(first[ties]) == {"pembatikan", "konveksi", "printing", "pewarnaan", "pelorodan"}
    for kind in ("pewarnaan", "pelorodan"):  # none of them is a principal
        pool = first == kind
        expected = by_largest_remainder(int(pool.sum()), kinds[kind].subcontractors_pct)
        assert ties[pool].sum() == expected


# The rows ----------------------------------------------------------------------------------------


def test_the_register_is_as_users_have_them(drawn: Synthetic) -> None:
    register = drawn.register
    assert tuple(register.columns) == HEADERS
    assert register["No"].tolist() == list(range(1, len(register) + 1))
    assert set(register["Keterangan"]) == {"SINTETIS, bukan usaha nyata"}
    # The truth is beside the register, not in it.
    assert (
        not register.astype("string")
        .apply(lambda c: c.str.fullmatch(r"\d\d\.\d\d\..*"))
        .any(axis=None)
    )
    assert set(drawn.truth["group"]).isdisjoint(register.stack())
    # Rows of one place do not stand together.
    origin = drawn.truth["origin_id"]
    assert (origin == origin.shift()).mean() < 0.1


def test_names_are_plainly_invented_and_far_apart(drawn: Synthetic) -> None:
    names = drawn.register["Nama Usaha"]
    assert names.is_unique
    assert names.str.fullmatch(r"(Batik|Konveksi|Printing|Celup|Lorod|Toko|Canting) Contoh [A-Z][a-z]{7}").all()  # fmt: skip  # noqa: E501
    words = names.str.split().str[-1].str.lower().tolist()
    syllables = [tuple(word[at : at + 2] for at in (0, 2, 4, 6)) for word in words[:400]]
    shared = [sum(a == b for a, b in zip(x, y, strict=True)) for x, y in combinations(syllables, 2)]
    assert max(shared) == 1
    assert min(OSA.distance(a, b) for a, b in combinations(words[:400], 2)) >= 3


def test_words_are_read_as_the_truth_says(both: pd.DataFrame) -> None:
    for words, truth in zip(both["Jenis Usaha"], both["specialisation"], strict=True):
        found = recognise(words)
        assert set(found.ids) == set(truth.split("; ")), words
        assert not found.unknown
        assert not found.guessed


def test_production_is_of_the_stated_order(both: pd.DataFrame, settings: Demonstration) -> None:
    assert set(both["Satuan"].dropna()) == {
        way.text for ways in settings.production.written.values() for way in ways
    }
    first = both["specialisation"].str.split("; ").str[0]
    per_year = {"kodi/bulan": 12.0, "kodi per minggu": 52.0, "kodi/tahun": 1.0,
                "potong/bulan": 12 / 20}  # fmt: skip
    batik = both[(first == "pembatikan") & both["Produksi"].notna()]
    kodi = batik["Produksi"].astype(float) * batik["Satuan"].map(per_year)
    worker_month = kodi / 12 / batik["Jumlah Tenaga Kerja"].astype(float)
    kind = settings.specialisations["pembatikan"]
    assert worker_month.median() == pytest.approx(kind.production_month, rel=0.15)
    assert np.log(worker_month).std() == pytest.approx(settings.production.spread.value, rel=0.15)
    # As published of about 2012: most firms below 1000 kodi a year.
    assert (kodi < 1000).mean() > 0.6
    shares = batik["Satuan"].value_counts(normalize=True) * 100
    for way in settings.production.written["kodi"]:
        assert shares[way.text] == pytest.approx(way.pct, abs=6)


def test_every_assumption_of_an_address_is_kept(
    drawn: Synthetic, settings: Demonstration, tables: dict[str, pd.DataFrame]
) -> None:
    register, truth = drawn
    written = register["Alamat"][truth["address_kind"] != "columns"]
    assert written.notna().all()
    assert set(settings.addresses.kinds_pct) == set(ADDRESS_KINDS)
    gazetteer = tables["gazetteer"].set_index("village_code")
    true = gazetteer.loc[truth["village_code"], "district_name"].reset_index(drop=True)
    stated = register["Kecamatan"].notna()
    assert (register["Kecamatan"] == true)[stated].all()
    silent = ["district typo", "no district", "only name", "wrong district", "ambiguous",
              "district only", "outside"]  # fmt: skip
    assert not stated[truth["address_kind"].isin(silent)].any()
    free = ~truth["address_kind"].isin([*silent, "columns"])
    share = settings.addresses.district_stated.pct
    assert stated[free].sum() == by_largest_remainder(int(free.sum()), share)
    names = gazetteer.loc[truth["village_code"], "village_name"].reset_index(drop=True)
    plain = truth["address_kind"].isin(["plain", "wrong postal"])
    for text, name in zip(register["Alamat"][plain], names[plain], strict=True):
        assert name.lower() in text.lower().replace("  ", " ")
    outside = {place.regency.lower() for place in settings.addresses.region.outside}
    for text in register["Alamat"][truth["address_kind"] == "outside"]:
        assert any(text.lower().endswith(name) for name in outside)


def test_a_former_name_is_that_of_the_cluster(drawn: Synthetic) -> None:
    register, truth = drawn
    old = truth["address_kind"] == "old name"
    mine = register[old & (truth["origin_id"] == "pekalongan-banyurip-alit")]
    assert len(mine) > 3
    assert mine["Alamat"].str.lower().str.contains("banyurip alit").all()


# Points ------------------------------------------------------------------------------------------


def metres(register: pd.DataFrame) -> gpd.GeoSeries:
    points = gpd.GeoSeries.from_xy(register["Bujur"], register["Lintang"], crs=GEOGRAPHIC)
    return points.to_crs(UTM)


def test_points_without_polygons_lie_in_the_disc_of_their_village(
    drawn: Synthetic, tables: dict[str, pd.DataFrame]
) -> None:
    located = drawn.register["Lintang"].notna() & ~drawn.truth["is_stray"].fillna(False)
    gazetteer = tables["gazetteer"].set_index("village_code").loc[drawn.truth["village_code"]]
    centre = gpd.GeoSeries.from_xy(
        gazetteer["longitude_deg"], gazetteer["latitude_deg"], crs=GEOGRAPHIC
    ).to_crs(UTM)
    points = metres(drawn.register[located])
    distance = points.distance(centre.reset_index(drop=True)[located]).to_numpy()
    radius = np.sqrt(gazetteer["area_km2"].to_numpy(dtype=float)[located] * 1e6 / np.pi)
    assert (distance <= radius + 0.2).all()
    # Evenly over the disc: the square of the relative distance is uniform, of mean 1/2.
    assert np.mean((distance / radius) ** 2) == pytest.approx(0.5, abs=0.05)


def test_points_lie_in_the_polygons_given_and_change_nothing_else(
    drawn: Synthetic, settings: Demonstration, tables: dict[str, pd.DataFrame]
) -> None:
    gazetteer = tables["gazetteer"]
    cells = gpd.GeoDataFrame(
        {"village_code": gazetteer["village_code"]},
        geometry=list(approximate_villages(gazetteer, UTM).geometry),
        crs=UTM,
    ).to_crs(GEOGRAPHIC)
    register, truth = draw(settings, tables, polygons=cells)
    others = [name for name in HEADERS if name not in ("Lintang", "Bujur")]
    assert register[others].equals(drawn.register[others])
    located = register["Lintang"].notna()
    shapes = cells.set_index("village_code").geometry.to_crs(UTM)
    points = metres(register[located]).to_numpy()
    own = shapes.loc[truth["village_code"][located]].to_numpy()
    stray = truth["is_stray"][located].to_numpy(dtype=bool)
    distance = shapely.distance(points, own)
    assert (distance[~stray] < 0.2).all()  # coordinates are rounded to 0.1 m
    assert stray.sum() == 9
    assert (distance[stray] > 0).all()
    pairs = {
        pair
        for a, b in tables["neighbours"][["village_code_a", "village_code_b"]].to_numpy()
        for pair in ((a, b), (b, a))
    }
    for point, code in zip(points[stray], truth["village_code"][located][stray], strict=True):
        assert any((code, other) in pairs for other in shapes.index[shapes.distance(point) < 0.2])


# Same seed, same bytes ---------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes(
    drawn: Synthetic, settings: Demonstration, tables: dict[str, pd.DataFrame]
) -> None:
    again = draw(settings, tables)
    assert again.register.equals(drawn.register)
    assert again.truth.equals(drawn.truth)
    notes = demonstration_notes(settings, tables)
    assert workbook_bytes(again.register, notes) == workbook_bytes(drawn.register, notes)
    other = draw(settings, tables, seed=1)
    assert not other.register["Alamat"].equals(drawn.register["Alamat"])
    assert len(other.register) == len(drawn.register)


def test_one_assumption_changes_only_what_hangs_on_it(
    drawn: Synthetic, settings: Demonstration, tables: dict[str, pd.DataFrame]
) -> None:
    fewer = changed(settings, points__located__pct=10)
    register, _ = draw(fewer, tables)
    same = [name for name in HEADERS if name not in ("Lintang", "Bujur", "Izin Titik")]
    assert register[same].equals(drawn.register[same])
    assert register["Lintang"].notna().sum() == 135


def test_the_workbook_reads_back_and_says_what_it_is(
    drawn: Synthetic, settings: Demonstration, tables: dict[str, pd.DataFrame]
) -> None:
    notes = demonstration_notes(settings, tables, has_polygons=False)
    book = openpyxl.load_workbook(io.BytesIO(workbook_bytes(drawn.register, notes)))
    assert book.sheetnames == ["Register", "SINTETIS"]
    rows = list(book["Register"].iter_rows(values_only=True))
    assert rows[0] == HEADERS
    assert len(rows) == len(drawn.register) + 1
    wanted = drawn.register.astype("object").where(drawn.register.notna(), None)
    assert [tuple(row) for row in wanted.to_numpy().tolist()] == rows[1:]
    told = list(book["SINTETIS"].iter_rows(values_only=True))
    assert told == [(note.id, note.en) for note in notes]
    assert told[0][0].startswith("DATA SINTETIS")
    assert told[0][1].startswith("SYNTHETIC DATA")
    assert "disc" in told[-1][1]


# What is told ------------------------------------------------------------------------------------


def reasons(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["because"]["en"]] if "because" in value else []
        return own + [text for inner in value.values() for text in reasons(inner)]
    if isinstance(value, list | tuple):
        return [text for inner in value for text in reasons(inner)]
    return []


def test_notes_tell_every_published_number_and_every_assumption(
    settings: Demonstration, tables: dict[str, pd.DataFrame]
) -> None:
    notes = [note.en for note in demonstration_notes(settings, tables)]
    raw = yaml.safe_load((AREAS / NAME / "demonstration.yaml").read_text(encoding="utf-8"))
    found = reasons(raw)
    assert len(found) > 25
    for reason in found:
        assert any(reason.strip() in note for note in notes), reason
    text = "\n".join(notes)
    for number in ("13 clusters", "674 firms", "6,224 workers", "645 units", "27 makers",
                   "1 makers", "82 percent", "75 percent"):  # fmt: skip
        assert number in text
    assert "polygon" in notes[-1]
    with_polygons = demonstration_notes(settings, tables, has_polygons=True)
    assert "real polygon" in with_polygons[-1].en
    assert all(note.id != note.en for note in demonstration_notes(settings, tables))


# Through the chain -------------------------------------------------------------------------------


def test_the_chain_reads_it_and_finds_the_true_villages(
    drawn: Synthetic, settings: Demonstration, tables: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    register, truth = drawn
    path = tmp_path / "register.xlsx"
    path.write_bytes(workbook_bytes(register, demonstration_notes(settings, tables)))
    read = read_register(path, status="synthetic")
    assert (len(read.firms), len(read.rejected), len(read.problems)) == (1347, 0, 0)
    firms = read.firms
    assert set(firms["status"]) == {"synthetic"}
    assert firms["workers_count"].tolist() == register["Jumlah Tenaga Kerja"].tolist()
    assert firms["workers_male_count"].tolist() == register["Tenaga Kerja L"].tolist()
    city = (truth["group"] == "clusters").to_numpy()
    assert (firms["technique"] == "cap")[city].sum() == 553
    assert firms["has_point_consent"].sum() == (register["Izin Titik"] == "ya").sum()
    assert (firms["production_unit"].notna() == register["Produksi"].notna()).all()
    for narrow, wide in zip(firms["specialisation"], truth["specialisation"], strict=True):
        assert set(rollup(narrow.split("; "))) == set(rollup(wide.split("; ")))

    village = villages(tables["gazetteer"]).assign(boundary_kind="approximate")
    cells = list(approximate_villages(tables["gazetteer"], UTM).geometry)
    units = gpd.GeoDataFrame(village, geometry=cells, crs=UTM)
    by = ["district_code", "district_name", "regency_code", "regency_name"]
    districts = dissolve(units, by).to_crs(GEOGRAPHIC)
    gazetteer = Gazetteer.from_tables(village, tables["old_names"], tables["aliases"])
    firm = place_firms(firms, gazetteer, units.to_crs(GEOGRAPHIC), districts, UTM)
    found = firm["village_code"].fillna("").to_numpy(dtype=object)
    right = found == truth["village_code"].to_numpy(dtype=object)
    is_open = found == ""
    told = ~truth["address_kind"].isin(["ambiguous", "district only", "outside"]).to_numpy()
    assert right[told].mean() >= 0.98
    assert (~right & ~is_open).mean() <= 0.005
    # What an address does not tell, no village is made up for.
    assert is_open[~told].mean() >= 0.95
    assert flag(firm).firm["duplicate_of"].isna().all()


# Another area ------------------------------------------------------------------------------------


def toy_settings(settings: Demonstration) -> Demonstration:
    raw = settings.model_dump()
    raw["clusters"] = {"mix": "batik", "mixes": {"toy-dahlia": "konveksi"}}
    raw["clusters"]["workers_per_firm"] = raw["groups"]["regency"]["workers_per_firm"]
    group = raw["groups"]["regency"] | {"fact_id": "regency-firms-2019"}
    group["places"] = [{"place_id": "support-segara", "mix": "batik"}]
    raw["groups"] = {"more": group}
    raw["technique"]["published"]["fact_id"] = "role-melati-yes"
    raw["male"]["fact_id"] = "role-melati-no"
    return Demonstration.model_validate(raw)


@pytest.fixture(scope="module")
def toy_tables() -> dict[str, pd.DataFrame]:
    tables = read_area(TOY / "toy", load_area(TOY, "toy"))
    places = tables["places"].iloc[:1].copy()
    places[["place_id", "district_name", "regency_name"]] = [
        "support-segara", "Segara", "Kabupaten Kartala"
    ]  # fmt: skip
    places["place_name"] = pd.NA
    return tables | {"places": places}


def test_another_area_is_drawn_by_the_same_code(
    settings: Demonstration, toy_tables: dict[str, pd.DataFrame]
) -> None:
    register, truth = draw(toy_settings(settings), toy_tables)
    clusters = toy_tables["clusters"]
    found = truth[truth["group"] == "clusters"].groupby("origin_id").size()
    assert found.to_dict() == dict(
        zip(clusters["cluster_id"], clusters["firms_count"], strict=True)
    )
    workers = register["Jumlah Tenaga Kerja"].groupby(truth["origin_id"]).sum()
    assert workers["toy-melati"] == 40
    assert workers["toy-pandan"] == 72  # not published: 9 a firm
    # A source that names only the kecamatan: its firms are spread over its villages.
    segara = truth[truth["origin_id"] == "toy-segara"]
    assert segara["village_code"].nunique() > 1
    assert segara["village_code"].str[:8].nunique() == 1
    clusters_male = register["Tenaga Kerja L"][truth["group"] == "clusters"].sum()
    total = register["Jumlah Tenaga Kerja"][truth["group"] == "clusters"].sum()
    assert clusters_male == by_largest_remainder(int(total), 39.5)


def test_a_decided_village_goes_before_the_name(
    settings: Demonstration, tables: dict[str, pd.DataFrame]
) -> None:
    decision = Decision(
        table="clusters",
        id="pekalongan-tirto",
        village_code="33.75.01.1012",
        because="decided for this test",
    )
    _, truth = draw(settings, tables, decisions=[decision])
    assert set(truth.loc[truth["origin_id"] == "pekalongan-tirto", "village_code"]) == {
        "33.75.01.1012"
    }


def test_an_area_without_settings_gets_one_clear_message() -> None:
    with pytest.raises(InputError) as error:
        load_demonstration(AREAS, "tuban")
    (fault,) = error.value.faults
    assert fault.where.endswith("tuban/demonstration.yaml")
    assert fault.found == "no such file"
    assert "Areas that have one: pekalongan" in str(fault)


# Faults ------------------------------------------------------------------------------------------


def group_with(settings: Demonstration, **values: Any) -> Demonstration:
    raw = settings.groups["regency"].model_dump() | values
    return changed(settings, groups__regency=raw)


def test_what_is_named_must_be_there(
    settings: Demonstration, tables: dict[str, pd.DataFrame]
) -> None:
    faults = [
        (changed(settings, male__fact_id="no-such-fact"), "no-such-fact.*no such row"),
        (group_with(settings, fact_id="regulation-kota-pekalongan-keputusan-walikota-530-216-"
                    "naming-batik-as-leading-product-2002"), "with a value, found no value"),
        (group_with(settings, places=[{"place_id": "nowhere", "mix": "batik"}]), "nowhere"),
        (changed(settings, clusters__mixes={"unknown": "batik"}), "unknown.*no such row"),
    ]  # fmt: skip
    for wrong, message in faults:
        with pytest.raises(InputError, match=message):
            draw(wrong, tables)


def test_a_figure_must_be_of_the_kind_it_is_used_as(
    settings: Demonstration, tables: dict[str, pd.DataFrame]
) -> None:
    with pytest.raises(InputError, match="a percentage, found 645"):
        draw(changed(settings, male__fact_id=REGENCY), tables)
    share = "context-kota-pekalongan-residents-in-industry-who-work-in-batik-2011"
    with pytest.raises(InputError, match=r"a number of firms, found 69\.5"):
        draw(group_with(settings, fact_id=share), tables)


@pytest.mark.parametrize("pct", [0, 100])
def test_shares_may_be_nothing_and_everything(
    settings: Demonstration, tables: dict[str, pd.DataFrame], pct: float
) -> None:
    places = ("second", "subcontracting__principals", "production__missing", "points__located",
              "points__stray", "points__consent", "addresses__district_stated")  # fmt: skip
    wanted = changed(
        settings,
        addresses__kinds_pct={"plain": pct, "columns": 100 - pct},
        **{f"{place}__pct": pct for place in places},
    )
    register, truth = draw(wanted, tables)
    assert (register["Lintang"].notna() == bool(pct)).all()
    assert (register["Produksi"].isna() == bool(pct)).all()
    assert (register["Alamat"].notna() | (truth["address_kind"] == "columns")).all()
    assert register["Kecamatan"].notna().all()
    assert register["Juragan/Mitra"].notna().any() == bool(pct)
    assert len(register) == 1347


def test_what_the_published_counts_leave_no_room_for_is_refused(
    settings: Demonstration, tables: dict[str, pd.DataFrame]
) -> None:
    only = {"shares_pct": {"printing": 100.0}, "because": {"id": "uji", "en": "test"}}
    with pytest.raises(InputError, match="553 of 674 firms that can make cap"):
        draw(changed(settings, mixes__batik=only, mixes__konveksi=only, mixes__proses=only,
                     mixes__dagang=only), tables)  # fmt: skip
    few = {"value": 0.5, "because": {"id": "uji", "en": "test"}}
    with pytest.raises(InputError, match="at least one worker for each of 645 firms, found 322"):
        draw(group_with(settings, workers_per_firm=few), tables)
    unknown = tables["clusters"].assign(workers_count=pd.array([pd.NA] * 13, dtype="Int64"))
    with pytest.raises(InputError, match=r"clusters\.workers_per_firm"):
        draw(settings, tables | {"clusters": unknown})
    elsewhere = tables["clusters"].assign(place_name=pd.array(["Nusa"] * 13, dtype="string"))
    with pytest.raises(InputError, match="one village called 'Nusa' in kecamatan Pekalongan Barat"):
        draw(settings, tables | {"clusters": elsewhere})


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("mixes__batik__shares_pct", {"pembatikan": 90.0}, "add up to 100"),
        ("mixes__batik__shares_pct", {"mebel": 100.0}, "names listed under specialisations"),
        ("clusters__mix", "unknown", "names listed under mixes"),
        ("technique__first", "batik", "one of tulis, cap"),
        ("specialisations__konveksi__spellings", ["Batik"], "read as konveksi, not Batik"),
        ("addresses__kinds_pct", {"plain": 10.0}, "add up to 100"),
        ("addresses__region__outside", [], "places under addresses.region.outside"),
        ("production__written", {}, "at least 1 item"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    settings: Demonstration, place: str, value: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        changed(settings, **{place: value})


def test_a_group_is_not_called_clusters(settings: Demonstration) -> None:
    group = settings.groups["regency"].model_dump()
    with pytest.raises(ValueError, match="another name than 'clusters'"):
        changed(settings, groups__clusters=group)


def test_a_specialisation_is_one_of_the_vocabulary(settings: Demonstration) -> None:
    raw = settings.model_dump()
    raw["specialisations"]["mebel"] = raw["specialisations"]["konveksi"]
    with pytest.raises(ValueError, match="not there: mebel"):
        Demonstration.model_validate(raw)
    raw = settings.model_dump()
    raw["production"]["written"]["kodi"][0]["unit"] = "meter"
    with pytest.raises(ValueError, match="metres stated in metres"):
        Demonstration.model_validate(raw)


# Sharing out -------------------------------------------------------------------------------------


@given(
    st.integers(0, 10_000),
    st.lists(st.floats(0, 1e3), min_size=1, max_size=20).filter(lambda w: sum(w) > 1e-3),
)
def test_shares_keep_the_sum_and_their_quota(total: int, weights: list[float]) -> None:
    parts = apportion(total, weights)
    assert parts.sum() == total
    quota = total * np.array(weights) / sum(weights)
    assert (np.abs(parts - quota) < 1 + 1e-6).all()
    assert (parts >= 0).all()


def test_shares_by_hand() -> None:
    # Quotas 5.5, 3.3, 1.2: the one seat that is left goes to the largest remainder.
    assert apportion(10, [5.5, 3.3, 1.2]).tolist() == [6, 3, 1]
    assert apportion(645, [1] * 12).tolist() == [54] * 9 + [53] * 3
    assert apportion(0, [1, 2]).tolist() == [0, 0]


# The generator of addresses ----------------------------------------------------------------------


def test_a_kind_that_does_not_suit_a_village_has_no_subject(
    settings: Demonstration, tables: dict[str, pd.DataFrame]
) -> None:
    region = settings.addresses.region
    writer = Addresses(tables["gazetteer"], tables["old_names"], tables["aliases"], region,
                       np.random.default_rng(0))  # fmt: skip
    assert writer.subjects("old name", "33.26.01.2001") == []
    (one,) = writer.subjects("old name", "33.75.04.1002", "Banyurip Alit")
    assert one.name == "Banyurip Alit"
    assert len(writer.subjects("old name", "33.75.04.1002")) == 2
    assert writer.subjects("district only", "33.75.04.1002") == ["33.75.04"]
    assert writer.subjects("outside", "33.75.04.1002") == region.outside
    assert not writer.subjects("ambiguous", "33.75.01.1008")


def test_an_area_of_one_regency_has_no_wrong_one(
    settings: Demonstration, tables: dict[str, pd.DataFrame]
) -> None:
    city = tables["gazetteer"][tables["gazetteer"]["village_code"].str.startswith("33.75")]
    old = tables["old_names"]
    own = tables["aliases"]["code"].isin(city["village_code"])
    region = settings.addresses.region.model_copy(update={"outside": ()})
    writer = Addresses(city, old, tables["aliases"][own], region, np.random.default_rng(0))
    kinds = writer.kinds()
    assert "wrong regency" not in kinds
    assert "outside" not in kinds
    assert {one.kind for one in writer.draw(2)} == set(kinds)
