from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rapidfuzz.distance import OSA

from pipeline.s2_geocode import duplicates, review
from pipeline.s2_geocode.duplicates import bare_name, flag, without_same
from tests.s2_geocode.registers import register

MELATI, PANDAN = "99.01.01.1001", "99.02.01.2002"


def firms(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """Return placed firms, in Melati unless a row says else."""
    table = register(rows)
    codes = [row.get("village_code", MELATI) for row in rows]
    table["village_code"] = pd.Series(codes, dtype="string")
    return table


def named(*names: str | None, **more: Any) -> pd.DataFrame:
    return firms(*({"firm_name": name, **more} for name in names))


def found(table: pd.DataFrame, **more: Any) -> dict[str, tuple[str, str]]:
    marked = flag(table, **more).firm.dropna(subset="duplicate_of")
    return {row.firm_id: (row.duplicate_of, row.duplicate_reason) for row in marked.itertuples()}


@pytest.mark.parametrize(
    "other",
    ["SARI JAYA", "Toko Batik Sari Jaya", "Sarijaya", "CV. Sari-Jaya", "Jaya Sari", "Sari Djaja",
     "H. Sari Jaya", "Sari Jayaa"],
)  # fmt: skip
def test_the_same_name_in_other_writings(other: str) -> None:
    assert found(named("Batik Sari Jaya", other)) == {
        "F0002": ("F0001", "same name in the same village")
    }


@pytest.mark.parametrize(("other", "is_near"), [
    ("Sari Jara", True), ("Sari Jay", True), ("Sair Jaya", True), ("Sari Mega", False),
    ("Sari Jaya 2", False), ("Batik", False), ("Rasi", False),
])  # fmt: skip
def test_near_names(other: str, is_near: bool) -> None:
    expected = {"F0002": ("F0001", "nearly the same name in the same village")} if is_near else {}
    assert found(named("Batik Sari Jaya", other)) == expected


def test_long_names_may_have_two_slips_and_short_ones_none() -> None:
    assert found(named("Pesona Nusantara", "Pesoma Nusantata"))
    assert not found(named("Pesona", "Pisoma"))
    assert not found(named("Lima", "Lime"))


def test_numbers_tell_firms_apart_in_either_writing() -> None:
    assert not found(named("Sari Jaya I", "Sari Jaya II", "Sari Jaya 3"))
    assert found(named("Sari Jaya 2", "Sari Jaya II"))
    assert bare_name("Batik 2").letters == ""


def test_another_village_is_another_firm() -> None:
    table = firms({"firm_name": "Sari Jaya"}, {"firm_name": "Sari Jaya", "village_code": PANDAN})
    assert found(table) == {}


def test_firms_without_a_village_are_compared_where_they_say_the_same_place() -> None:
    here = {"firm_name": "Sari Jaya", "village_code": pd.NA, "raw_address": "Jl. Mawar 3"}
    assert found(firms(here, here)) == {
        "F0002": ("F0001", "same name at the same place as written, same address")
    }
    assert found(firms(here, here | {"raw_address": "Jl. Mawar 4"})) == {}


def test_names_of_nothing_but_common_words_are_not_compared() -> None:
    assert found(named("Batik", "Toko Batik", None, None)) == {}


def test_the_same_phone_is_a_reason_across_villages() -> None:
    table = firms(
        {"firm_name": "Sari"},
        {"firm_name": "Mega", "village_code": PANDAN, "same_phone_as": "F0001"},
        {"firm_name": "Sari", "same_phone_as": "F0001"},
        {"firm_name": "Lain", "same_phone_as": "F9999"},
    )
    assert found(table) == {
        "F0002": ("F0001", "same phone number"),
        "F0003": ("F0001", "same name in the same village, same phone number"),
    }


def test_the_address_is_told_and_preferred() -> None:
    table = firms(
        *({"firm_name": "Sari", "raw_address": f"Jl. {n}"} for n in range(6)),
        {"firm_name": "Sari", "raw_address": "JL 5"},
    )
    assert found(table)["F0007"] == ("F0006", "same name in the same village, same address")
    assert found(table)["F0006"] == ("F0001", "same name in the same village, addresses differ")


def keys(table: pd.DataFrame) -> list[str]:
    return review.firm_keys(table)


def test_a_pair_told_apart_is_not_flagged_again_but_others_are() -> None:
    table = firms(*({"firm_name": "Sari", "raw_address": f"Jl. {n}"} for n in range(3)))
    key = keys(table)
    apart = {review.pair_key(key[0], key[1]): review.DIFFERENT}
    assert set(found(table, decisions=apart)) == {"F0003"}
    apart[review.pair_key(key[2], key[0])] = review.DIFFERENT
    assert found(table, decisions=apart)["F0003"][0] == "F0002"


def test_rows_told_the_same_are_left_out_once() -> None:
    table = firms(
        *({"firm_name": name, "raw_address": name} for name in ("Sari", "Mega", "Puri", "Wayang"))
    )
    key = keys(table)
    same = {
        review.pair_key(key[3], key[1]): review.SAME,
        review.pair_key(key[1], key[2]): review.SAME,
    }
    flagged = flag(table, same)
    assert flagged.firm["duplicate_of"].tolist()[2:] == ["F0002", "F0002"]
    assert set(flagged.firm["duplicate_reason"].dropna()) == {review.DECIDED_SAME}
    assert without_same(flagged.firm)["firm_id"].tolist() == ["F0001", "F0002"]


def test_identical_rows_can_be_told_the_same() -> None:
    table = named("Sari", "Sari", "Sari")
    own = keys(table)[0]
    left = without_same(flag(table, {review.pair_key(own, own): review.SAME}).firm)
    assert left["firm_id"].tolist() == ["F0001"]
    apart = flag(table, {review.pair_key(own, own): review.DIFFERENT})
    assert apart.firm["duplicate_of"].isna().all()


def test_a_suspect_never_points_to_a_row_that_is_left_out() -> None:
    table = firms(
        {"firm_name": "Mega Mendung", "raw_address": "Jl. 1"},
        {"firm_name": "Sari Jaya", "raw_address": "Jl. 2"},
        {"firm_name": "Sari Jaya", "raw_address": "Jl. 3"},
    )
    key = keys(table)
    flagged = flag(table, {review.pair_key(key[0], key[1]): review.SAME})
    kept = without_same(flagged.firm)
    assert kept["duplicate_of"].dropna().isin(kept["firm_id"]).all()
    assert flagged.firm["duplicate_of"].tolist()[1:] == ["F0001", "F0001"]


def brute_force(names: list[str]) -> set[frozenset[int]]:
    """Compare every pair by the definition."""
    bare = [bare_name(name) for name in names]
    pairs = set()
    for one in range(len(names)):
        for two in range(one):
            first, second = bare[one], bare[two]
            shorter = min(len(first.letters), len(second.letters))
            slips = 2 if shorter >= 10 else 1
            if (
                first != second
                and shorter >= 5
                and first.numbers == second.numbers
                and OSA.distance(first.letters, second.letters) <= slips
            ):
                pairs.add(frozenset((one, two)))
    return pairs


def test_blocks_find_what_comparing_all_pairs_finds() -> None:
    rng = np.random.default_rng(7)
    syllables = ["sa", "ri", "ja", "ya", "me", "ga", "pe", "lu", "no", "ki"]
    names = []
    for _ in range(150):
        word = "".join(syllables[at] for at in rng.integers(10, size=rng.integers(3, 7)))
        names.append(word)
        at = int(rng.integers(len(word)))
        names.append(word[:at] + word[at + 1 :])
    distinct = list(dict.fromkeys(names))
    bare = [bare_name(name) for name in distinct]
    pairs = duplicates._near(list(dict.fromkeys(bare)), MELATI, [])
    index = {name: at for at, name in reversed(list(enumerate(bare)))}
    near = {frozenset((index[one], index[two])) for one, two in pairs}
    expected = {pair for pair in brute_force(distinct) if all(index[bare[at]] == at for at in pair)}
    assert near <= expected
    # Only two slips, one in the first and one in the last four letters, escape the blocks.
    missed = expected - near
    assert len(expected) > 100
    assert len(missed) <= 0.02 * len(expected)
    for pair in missed:
        assert OSA.distance(*(bare[at].letters for at in pair)) == 2


def test_a_block_beyond_the_limit_is_reported_and_still_searched() -> None:
    some = "bcdfgklmnp"
    names = [f"Peso{one}a{two}e{three}i" for one in some for two in some for three in some]
    table = named(*names, *(f"Pesona {one} Gemilang" for one in some))
    flagged = flag(table)
    assert any("1010 names" in note and "'peso'" in note for note in flagged.notes), flagged.notes
    assert flagged.firm["duplicate_of"].notna().any()
    assert flag(table.iloc[:900]).notes == []


def test_the_cost_does_not_grow_with_the_square() -> None:
    rng = np.random.default_rng(3)
    letters = np.array(list("abdegiklmnoprstu"))

    def seconds(count: int) -> float:
        words = rng.choice(letters, size=(count, 10))
        table = named(*("".join(row) for row in words))
        start = time.process_time()
        flag(table)
        return time.process_time() - start

    seconds(100)
    small = min(seconds(1_000) for _ in range(3))
    # Sixteen times the rows; the square would be 256 times the work.
    assert seconds(16_000) < 80 * small
