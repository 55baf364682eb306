from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.s2_geocode import names


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Simbang Kulon", "SIMBANGKULON"),
        ("Api-Api", "apiapi"),
        ("Banjoerip", "Banyurip"),
        ("Banyuurip", "Banyurip"),
        ("Djenggot", "Jenggot"),
        ("Tjoprajan", "Coprajan"),
        ("Kedoengwoeni", "Kedungwuni"),
        ("Padhukuhan", "Padukuhan"),
        ("Petungkriyono", "Petungkriono"),
        ("Café", "Cafe"),
        ("Noyontaan", "Noyontan"),
    ],
)
def test_spellings_fold_to_one(one: str, other: str) -> None:
    assert names.fold(one) == names.fold(other)


def test_folding_keeps_different_names_apart(tables: dict[str, pd.DataFrame]) -> None:
    listed = {
        *tables["village"]["village_name"],
        *tables["village"]["district_name"],
        *tables["old_name"]["old_name"],
    }
    plain = {re.sub(r"[^a-z]", "", name.lower()) for name in listed}
    assert len({names.fold(name) for name in listed}) == len(plain)


def test_joining_folded_words_equals_folding_the_joined() -> None:
    rng = np.random.default_rng(7)
    letters = list("abcdehijnostuwy")
    for _ in range(5_000):
        head, tail = ("".join(rng.choice(letters, size=rng.integers(1, 7))) for _ in range(2))
        one, two = names.fold_word(head), names.fold_word(tail)
        assert names.join(one, two) == names.fold_word(one + two), (head, tail)


def test_any_text_can_be_cut() -> None:
    rng = np.random.default_rng(8)
    for _ in range(500):
        points = rng.choice([*range(0, 0x250), 0x2013, 0x201C, 0x1F4A9, 0x660], size=60)
        cut = names.split_words("".join(map(chr, points)))
        assert len(cut.words) == len(cut.written) == len(cut.breaks)
        assert all(cut.words)


def test_long_text_is_cut_off() -> None:
    cut = names.split_words("kata " * 1_000_000)
    assert len(cut.words) == names.MAX_LENGTH / len("kata ")


@pytest.mark.parametrize(
    ("text", "words", "breaks"),
    [
        ("Kel.Mawar,Kec. Indah", ["kel", "mawar", "kec", "indah"], [2, 0, 2, 0]),
        ("Mawar - Indah", ["mawar", "indah"], [2, 1]),
        ("Mawar-Indah", ["mawar", "indah"], [2, 0]),
        ("Mawar No. 12 Indah", ["mawar", "indah"], [2, 3]),
        ("Mawar RT 02/RW 03 Indah", ["mawar", "indah"], [2, 2]),
        ("Mawar II Indah", ["mawar", "indah"], [2, 3]),
        ("4M7G+QF Mawar", ["mawar"], [2]),
        ("KelMawar", ["kel", "mawar"], [2, 0]),
        ("Gg5 Mawar12", ["g", "mawar"], [2, 3]),
    ],
)
def test_cutting(text: str, words: list[str], breaks: list[int]) -> None:
    cut = names.split_words(text)
    assert cut.words == words
    assert cut.breaks == breaks


def test_postal_codes_are_five_digits_not_starting_with_zero() -> None:
    assert names.split_words("Mawar 51123, 012345 02345 1234").postal_codes == ["51123"]


def test_no_place_of_an_area_stands_in_the_code(tables: dict[str, pd.DataFrame]) -> None:
    root = Path(names.__file__).parent
    code = " ".join(path.read_text(encoding="utf-8") for path in sorted(root.glob("*.py")))
    words = {word.lower() for word in re.findall(r"[^\W\d_]+", code)}
    village = tables["village"]
    listed = {*village["village_name"], *village["district_name"], *tables["old_name"]["old_name"]}
    # Words of the language of addresses that some area has for a name as well.
    common = {"Dukuh", "Tanjung"}
    assert {name for name in listed if name.lower() in words} <= common
    assert "pekalongan" not in words
