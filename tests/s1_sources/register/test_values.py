"""Cells to values: numbers in two traditions, production, yes and no, personal numbers."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.text import format_number
from pipeline.s1_sources.register.grid import Cells
from pipeline.s1_sources.register.personal import phone_numbers, scrub, without_personal
from pipeline.s1_sources.register.production import production, stated
from pipeline.s1_sources.register.values import flags, numbers

NONE = None


def column(*texts: str | None) -> Cells:
    return Cells(pa.array(texts, pa.string()))


def plain(values: np.ndarray) -> list[float | None]:
    return [None if math.isnan(one) else one for one in values.tolist()]


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["1.468", "12", "250"], [1468, 12, 250]),
        (["1.468", "12,5"], [1468, 12.5]),
        (["1.468.000", "1.468"], [1468000, 1468]),
        (["1,468", "12.5"], [1468, 12.5]),
        (["1,468,000.25"], [1468000.25]),
        (["1.468.000,25"], [1468000.25]),
        (["12,5", "12.5"], [12.5, 12.5]),
        (["0.468", "0,5"], [0.468, 0.5]),
        (["1 468", "12 000 000"], [1468, 12000000]),
        (["1468", "12"], [1468, 12]),
        (["-", "n/a", "Tidak ada data", NONE, "0"], [NONE, NONE, NONE, NONE, 0]),
        (["+5"], [5]),
    ],
)
def test_columns_of_one_mind(texts: list[str | None], values: list[float | None]) -> None:
    found = numbers(column(*texts))
    assert plain(found.values) == values
    assert found.issues == []


@pytest.mark.parametrize(
    ("texts", "rows"),
    [
        (["1.468", "12.5"], [0]),
        (["1,468", "12,5"], [0]),
        (["1.468", "1,468"], [0, 1]),
        (["1.468", "2500"], [0]),
        (["1.468", "2.468", "12,5", "0.5"], [0, 1]),
        (["1.468", "1,468,000"], [0]),
    ],
)
def test_two_readings_are_a_fault_that_shows_both(texts: list[str], rows: list[int]) -> None:
    found = numbers(column(*texts))
    assert [issue.row for issue in found.issues] == rows
    for issue in found.issues:
        digits = texts[issue.row].replace(".", "").replace(",", "")
        assert f"It may be {digits} or " in issue.hint
        assert math.isnan(found.values[issue.row])


@pytest.mark.parametrize(
    ("declared", "values"),
    [("point", [1468, 12.5]), ("comma", [1.468, NONE]), ("none", [1.468, 12.5])],
)
def test_declared_thousands(declared: str, values: list[float | None]) -> None:
    found = numbers(column("1.468", "12,5"), declared)
    assert plain(found.values) == values
    assert len(found.issues) == values.count(NONE)


def test_declared_thousands_that_the_cells_contradict() -> None:
    found = numbers(column("1,468,000", "12.5"), "point")
    assert "declare otherwise" in found.issues[0].hint
    assert "declare a thousands sign" in found.issues[1].hint


@pytest.mark.parametrize("text", ["10-15", "sepuluh", "±10", "5 + 2", "1.46.8", "1,2,3",
                                  "2020-05-12", "12..5", "1.468,00,0", "٣"])  # fmt: skip
def test_no_numbers(text: str) -> None:
    found = numbers(column(text, "5"))
    assert plain(found.values) == [NONE, 5]
    assert found.issues[0].expected == "a number, in digits"


def test_whole_numbers_only() -> None:
    found = numbers(column("5", "2,5", "3,0", "-1", "7 orang"), whole=True, what="workers")
    assert plain(found.values) == [5, NONE, 3, NONE, 7]
    assert {issue.row: issue.expected for issue in found.issues} == {
        1: "workers without a fraction",
        3: "workers, not below 0",
    }


def test_a_typed_thousand_that_the_file_holds_as_a_fraction() -> None:
    cells = Cells(pa.array(["1.468", "12.5", "3"]), np.array([1.468, 12.5, 3.0]))
    whole = numbers(cells, whole=True)
    assert plain(whole.values) == [NONE, NONE, 3]
    assert "if 1468 was typed" in whole.issues[0].hint
    real = numbers(cells)
    assert plain(real.values) == [1.468, 12.5, 3]
    assert [issue.severity for issue in real.issues] == ["warning"]


@given(
    st.lists(st.integers(0, 10**9), min_size=1, max_size=20),
    st.sampled_from(["id", "en"]),
)
def test_numbers_printed_by_either_language_are_read_back(values: list[int], language: str) -> None:
    texts = [format_number(float(one), 0, language) for one in values]  # type: ignore[arg-type]
    found = numbers(column(*texts))
    assert plain(found.values) == values


@given(st.lists(st.one_of(st.none(), st.text(max_size=15)), max_size=20))
def test_any_column_is_read_or_told(texts: list[str | None]) -> None:
    found = numbers(column(*texts))
    assert len(found.values) == len(texts)
    assert all(0 <= issue.row < len(texts) for issue in found.issues)
    assert not np.isinf(found.values).any()


def make(*texts: str | None, unit: tuple[str | None, ...] = (), period: tuple[str | None, ...] = (),
         header: tuple[str, str] = ("", ""), default: tuple[str, str] = ("", ""),
         thousands: str | None = None):  # fmt: skip
    return production(
        column(*texts),
        column(*unit) if unit else None,
        column(*period) if period else None,
        header,
        default,
        300,
        50,
        thousands,
    )


@pytest.mark.parametrize(
    ("text", "pieces", "metres"),
    [
        ("20 kodi/bulan", 4800, NONE),
        ("20 Kodi per bln", 4800, NONE),
        ("12,5 kd / minggu", 12500, NONE),
        ("3 lusin sehari", 10800, NONE),
        ("2 gross per tahun", 288, NONE),
        ("150 potong/minggu", 7500, NONE),
        ("150pcs/week", 7500, NONE),
        ("30 lembar kain per hari", 9000, NONE),
        ("100 m/bulan", NONE, 1200),
        ("1.200 meter per tahun", NONE, 1200),
        ("5 kodi setiap bulan", 1200, NONE),
    ],
)
def test_production_in_one_cell(text: str, pieces: float | None, metres: float | None) -> None:
    found = make(text)
    assert found.issues == []
    assert plain(found.pieces_year) == [pieces]
    assert plain(found.m_year) == [metres]


def test_the_cell_goes_before_columns_header_and_settings() -> None:
    found = make("5", "5 potong", "5", "5/minggu", unit=("kodi", NONE, NONE, "-"),
                 period=("hari", NONE, NONE, NONE), header=("lembar", "month"),
                 default=("meter", "year"))  # fmt: skip
    assert found.unit.tolist() == ["kodi", "potong", "lembar", "lembar"]
    assert found.period.tolist() == ["day", "month", "month", "week"]
    assert plain(found.pieces_year) == [30000, 60, 60, 250]
    only = make("5", default=("meter", "year"))
    assert (only.unit[0], only.period[0], plain(only.m_year)) == ("meter", "year", [5])


def test_a_unit_column_may_hold_the_period() -> None:
    found = make("5", unit=("kodi/bulan",))
    assert (found.unit[0], found.period[0], found.issues) == ("kodi", "month", [])


def test_a_column_may_not_contradict_the_cell() -> None:
    found = make("5 kodi/bulan", "5 kodi/bulan", unit=("kodi", "potong"), period=("hari", "bulan"))
    assert [(name, issue.row) for name, issue in found.issues] == [
        ("production_unit", 1), ("production_period", 0),
    ]  # fmt: skip


def test_what_is_not_stated_is_told_and_not_made_up() -> None:
    found = make("5", "6 kodi", NONE)
    assert plain(found.amount) == [5, 6, NONE]
    assert plain(found.pieces_year) == [NONE, NONE, NONE]
    assert [(name, issue.row, issue.severity) for name, issue in found.issues] == [
        ("production_unit", 0, "warning"),
        ("production_period", 0, "warning"),
        ("production_period", 1, "warning"),
    ]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("Rp 5.000.000", "Money is no amount of production"),
        ("5 ekor/bulan", "Not understood: ekor"),
        ("kodi/bulan", "The amount is missing"),
        ("10-15 kodi/bulan", "Not understood: 15"),
        ("5 kodi atau 3 potong", "Not understood: kodi atau 3 potong"),
    ],
)
def test_production_that_is_not_understood(text: str, hint: str) -> None:
    found = make(text)
    assert [issue.hint for _, issue in found.issues if issue.severity == "error"] == [hint]
    assert plain(found.pieces_year) == [NONE]


def test_dozens_are_counted_in_pieces_and_recorded() -> None:
    found = make("3 lusin/bulan", "1 gros/bulan", "5 kodi/bulan")
    assert plain(found.amount) == [36, 144, 5]
    assert found.unit.tolist() == ["potong", "potong", "kodi"]
    assert found.converted == {
        "kodi to pieces: a kodi is 20": 1,
        "dozens (lusin) to pieces: a dozen is 12": 1,
        "gross to pieces: a gross is 144": 1,
        "a month to a year: 12 months": 3,
    }


@given(st.text(max_size=30))
def test_any_production_cell_is_parted(text: str) -> None:
    found = stated(text)
    assert found.unit in ("", "kodi", "potong", "lembar", "meter")


def test_consent_is_never_assumed() -> None:
    found = flags(column("Ya", "TIDAK", "y", "v", "-", NONE, "Setuju", "mungkin", "1", "0"))
    assert found.values.tolist() == [1, 0, 1, 1, 0, 0, 1, 0, 1, 0]
    assert [issue.row for issue in found.issues] == [7]


@pytest.mark.parametrize(
    "text",
    ["0812-3456-789", "+62 812 3456 789", "62 8123456789", "08123456789", "8123456789",
     "0062 812 3456789", "(0812) 3456789", "Hp. 0812.3456.789"],
)  # fmt: skip
def test_one_phone_number_in_many_forms(text: str) -> None:
    assert phone_numbers(text) == ("628123456789",)


@pytest.mark.parametrize("text", ["-", "0", "tidak ada", "0000000000", "12345", "081", "1" * 30])
def test_no_phone_number(text: str) -> None:
    assert phone_numbers(text) == ()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Jl. A 1 (HP 0812 3456 7890)", "Jl. A 1 (HP [...])"),
        ("Telp. (0285) 421234, Gg 2", "Telp. [...], Gg 2"),
        ("NIK 3375012345678901", "NIK [...]"),
        ("NPWP 01.234.567.8-901.000", "NPWP [...]"),
        ("a.b@c.co.id", "[...]"),
        ("wa +62812-3456-7890", "wa [...]"),
    ],
)
def test_personal_numbers_are_taken_out(text: str, left: str) -> None:
    assert without_personal(text)[0] == left


@pytest.mark.parametrize(
    "text",
    ["Jl. Melati Gg. 3 No. 12 RT 002/RW 005 51119", "RT 002 RW 003 51119", "Km 12, No. 100-102",
     "Jl. K.H. Mas Mansyur 25", "2016/2017, 1.468.000", "Blok C2 no 12345678"],
)  # fmt: skip
def test_addresses_stay_as_they_are(text: str) -> None:
    assert without_personal(text) == (text, ())


def test_scrubbing_tells_the_rows() -> None:
    text, told = scrub(pa.array(["a", None, "x 08123456789", "b@c.id 3375012345678901"]))
    assert text.to_pylist() == ["a", None, "x [...]", "[...] [...]"]
    assert told == [(2, "a phone number"), (3, "an e-mail address"), (3, "an identity number")]
