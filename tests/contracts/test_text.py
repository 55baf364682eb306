from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Decimal
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.contracts.columns import COLUMNS, column
from pipeline.contracts.tables import ACTIVITIES, PRECISIONS, STATUSES, TABLES
from pipeline.contracts.text import Text, catalogue, format_number, number_text, same, t


def placeholders(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name)


def test_catalogue_has_the_same_placeholders_in_both_languages() -> None:
    different = [
        key for key, text in catalogue().items() if placeholders(text.id) != placeholders(text.en)
    ]
    assert different == []


@pytest.mark.parametrize(
    ("prefix", "values"),
    [
        ("status", STATUSES),
        ("precision", PRECISIONS),
        ("activity", ACTIVITIES),
        ("boundary_kind", ("published", "approximate")),
        ("village_kind", ("desa", "kelurahan")),
    ],
)
def test_every_code_of_a_vocabulary_has_a_text(prefix: str, values: tuple[str, ...]) -> None:
    named = {key.partition(".")[2] for key in catalogue() if key.startswith(f"{prefix}.")}
    assert named == set(values)


def test_a_text_needs_both_languages() -> None:
    with pytest.raises(ValidationError):
        Text(id="desa", en="")
    assert same("Medono").both() == {"id": "Medono", "en": "Medono"}
    assert same("Medono")["id"] == "Medono"


def test_unknown_key_is_a_programming_fault() -> None:
    with pytest.raises(KeyError):
        t("no.such.key")
    with pytest.raises(KeyError):
        column("no_such_column")


def test_placeholders_are_filled_in_their_language() -> None:
    text = Text(id="angka {status}, {n}", en="figure {status}, {n}")
    assert text.format(status=t("status.published"), n=3).both() == {
        "id": "angka terbit, 3",
        "en": "figure published, 3",
    }
    assert t("legend.count", n=3).en == t("legend.count").format(n=3).en != t("legend.count").en


@pytest.mark.parametrize(
    ("value", "decimals", "id_", "en"),
    [
        (1468, 0, "1.468", "1,468"),
        (1234567.891, 2, "1.234.567,89", "1,234,567.89"),
        (0, 0, "0", "0"),
        (-0.04, 1, "0,0", "0.0"),
        (-1468.5, 1, "−1.468,5", "−1,468.5"),
        (float("nan"), 1, "–", "–"),
        (None, 1, "–", "–"),
        (999.999, 2, "1.000,00", "1,000.00"),
    ],
)
def test_numbers_by_hand(value: float | None, decimals: int, id_: str, en: str) -> None:
    assert number_text(value, decimals).both() == {"id": id_, "en": en}


@given(st.floats(min_value=-1e12, max_value=1e12, allow_nan=False), st.integers(0, 6))
def test_a_printed_number_reads_back(value: float, decimals: int) -> None:
    english = format_number(value, decimals, "en")
    assert re.fullmatch(r"−?\d{1,3}(,\d{3})*(\.\d+)?", english)
    quantum = Decimal(1).scaleb(-decimals)
    expected = Decimal(value).quantize(quantum, rounding=ROUND_HALF_EVEN)
    assert Decimal(english.replace(",", "").replace("−", "-")) == expected
    swapped = english.translate(str.maketrans(",.", ".,"))
    assert format_number(value, decimals, "id") == swapped


# The registry of columns


def test_every_column_is_described_in_both_languages() -> None:
    for name, spec in COLUMNS.items():
        assert name == spec.name
        assert spec.meaning.endswith(".")
        assert spec.label.id
        assert spec.label.en
        assert spec.decimals == 0 or spec.kind == "real"


def test_every_unit_has_a_text() -> None:
    for spec in COLUMNS.values():
        assert (spec.unit_text is None) == (spec.unit in ("", "year"))


def test_every_column_of_every_table_is_known() -> None:
    for table in TABLES.values():
        assert set(table.columns) <= set(COLUMNS)
        assert len(set(table.columns)) == len(table.columns)


def test_only_the_drawing_offset_is_in_no_table() -> None:
    used = {name for table in TABLES.values() for name in table.columns}
    assert set(COLUMNS) - used == {"is_offset"}


def test_names_say_their_kind() -> None:
    for name, spec in COLUMNS.items():
        assert (spec.kind == "flag") == name.startswith(("is_", "has_"))
        if name.endswith(("_code", "_name")):
            assert spec.kind == "text"
        if name.endswith(("_pct", "_km2", "_m", "_deg")):
            assert spec.kind == "real"
        if name.endswith("_count"):
            assert spec.kind == "whole"
