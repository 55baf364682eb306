"""Headers: every word of the list, two lines, titles above, near ones, personal ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.register import RegisterSettings
from pipeline.s1_sources.register.headers import (
    IDENTIFYING,
    column_letter,
    find_header,
    header_words,
    recognise,
    tokens,
)

WORDS = header_words()
CASES = [
    (kind, name, words)
    for kind, group in (
        ("field", WORDS.fields),
        ("personal", WORDS.personal),
        ("ignored", WORDS.ignored),
    )
    for name, entry in group.items()
    for words in entry.words
]


@pytest.mark.parametrize(("kind", "name", "words"), CASES)
def test_every_word_is_recognised_in_any_dress(kind: str, name: str, words: str) -> None:
    for text in (words, words.upper(), f" {words.title()}: ", words.replace(" ", "_"),
                 f"{words} *"):  # fmt: skip
        found = recognise([text])[0]
        assert (found.kind, found.name) == (kind, name), text


def test_no_header_has_two_meanings() -> None:
    seen: dict[str, tuple[str, str]] = {}
    for kind, name, words in CASES:
        key = " ".join(sorted(tokens(words)))
        assert seen.setdefault(key, (kind, name)) == (kind, name), words


@pytest.mark.parametrize("language", ["id", "en"])
def test_every_title_of_the_template_is_recognised(language: str) -> None:
    titles = {name: entry.title for name, entry in WORDS.fields.items() if entry.title}
    found = recognise([title[language] for title in titles.values()])  # type: ignore[index]
    assert [one.name for one in found] == list(titles)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Desa / Kel.", "village_stated"),
        ("KEL/DESA", "village_stated"),
        ("Kec.", "district_stated"),
        ("Kab./Kota", "regency_stated"),
        ("Jml TK", "workers_count"),
        ("TK (L)", "workers_male_count"),
        ("Tenaga Kerja (Orang)", "workers_count"),
        ("Tenaga Kerja Wanita", "workers_female_count"),
        ("Tenaga Kerja 2016", "workers_count"),
        ("Alamat (jalan, RT/RW)", "raw_address"),
        ("Nama  Usaha\n", "firm_name"),
        ("Mitra/Juragan", "principal"),
        ("Kapasitas produksi per tahun (potong)", "production_amount"),
        ("Lat", "latitude_deg"),
        ("Kecamtan", "district_stated"),
        ("Nama Ushaa", "firm_name"),
    ],
)
def test_headers_people_write(header: str, name: str) -> None:
    assert recognise([header])[0].name == name


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("Nama Pemilik Usaha", "owner_name"),
        ("Nama Pemilik/Pengelola Perusahaan", "owner_name"),
        ("NIK Pemilik", "identity_number"),
        ("No. KTP", "identity_number"),
        ("L/P", "owner_details"),
        ("Tempat, tanggal lahir", "owner_details"),
        ("No. NPWP Perusahaan", "tax_number"),
        ("NIB/SIUP", "permit_number"),
        ("Alamat Rumah", "owner_address"),
        ("No Rekening BRI", "bank_account"),
    ],
)
def test_personal_headers_are_dropped(header: str, kind: str) -> None:
    found = recognise([header])[0]
    assert (found.kind, found.name) == ("personal", kind)


@pytest.mark.parametrize("header", ["Nilai Produksi (Rp)", "Omzet per bulan", "Harga per kodi",
                                    "Tahun berdiri", "Provinsi"])  # fmt: skip
def test_what_is_not_needed_is_not_mistaken(header: str) -> None:
    assert recognise([header])[0].kind == "ignored"


@pytest.mark.parametrize("header", ["Warna", "Luas tanah", "Kualitas", "Umpan balik", "Merk mesin"])
def test_strange_headers_are_left_alone(header: str) -> None:
    assert recognise([header])[0].kind == "unknown"


def test_a_name_alone_is_a_persons_unless_another_column_is() -> None:
    assert recognise(["Nama", "Alamat"])[0].kind == "personal"
    assert recognise(["Nama", "Nama Usaha"])[0].kind == "personal"
    assert recognise(["Nama", "Nama Pemilik"])[0].name == "firm_name"


def test_weak_words_give_way_to_sure_ones() -> None:
    assert recognise(["Produk", "Jenis Usaha"])[0].kind == "unused"
    assert recognise(["Produk", "Alamat"])[0].name == "specialisation"
    assert [one.name for one in recognise(["L", "P", "Jumlah"])][2] == "workers_count"
    assert recognise(["Jumlah"])[0].kind == "unknown"
    both = recognise(["Jenis usaha", "Jenis batik"])
    assert [one.kind for one in both] == ["field", "unused"] or both[1].name == "technique"


def test_units_stand_in_the_header() -> None:
    found = recognise(["Produksi (kodi/bulan)", "Produksi per hari", "Kapasitas (lbr/mgg)"])
    assert [(one.unit, one.period) for one in found[:2]] == [("kodi", "month"), ("", "day")]


def test_settings_go_first() -> None:
    settings = RegisterSettings(columns={"firm_name": "Nama", "principal": "Ikut siapa"},
                                ignore=("Alamat",))  # fmt: skip
    found = recognise(["NAMA", "ikut  siapa", "Alamat", "Desa"], settings)
    assert [one.name for one in found] == ["firm_name", "principal", "settings", "village_stated"]
    assert found[2].kind == "ignored"


TITLED = [
    ["DAFTAR INDUSTRI KECIL", "", "", "", "", ""],
    ["Kota X, tahun 2016", "", "", "", "", ""],
    ["", "", "", "", "", ""],
    ["No", "Nama Usaha", "Desa", "Tenaga Kerja", "", "Produksi"],
    ["", "", "", "L", "P", "(kodi)"],
    ["1", "Batik A", "Sukamaju", "2", "3", "20"],
]


def test_two_lines_below_titles() -> None:
    found = find_header(TITLED)
    assert found is not None
    assert (found.row, found.lines, found.first_data_row) == (3, 2, 5)
    assert [one.name for one in found.headers] == [
        "running number", "firm_name", "village_stated", "workers_male_count",
        "workers_female_count", "production_amount",
    ]  # fmt: skip
    assert found.headers[5].unit == "kodi"


def test_merged_cells_bound_an_upper_header() -> None:
    rows = [["Nama Usaha", "Alamat", "Tenaga Kerja", "", ""], ["", "", "L", "P", "Keterangan"]]
    spans = {(0, 2): 3}
    found = find_header([*rows, ["Batik A", "Jl. X", "1", "2", "x"]], spans=spans)
    assert found is not None
    assert [one.text for one in found.headers][2:] == [
        "Tenaga Kerja / L", "Tenaga Kerja / P", "Keterangan",
    ]  # fmt: skip


def test_a_row_of_numbers_is_no_second_line() -> None:
    rows = [["Nama Usaha", "Alamat", "L"], ["P", "L", "3"]]
    found = find_header(rows, numeric=[[False] * 3, [False, False, True]])
    assert found is not None
    assert found.lines == 1


def test_a_title_is_not_joined_to_the_header() -> None:
    rows = [["Data Usaha Batik", "", ""], ["Nama Usaha", "Alamat", "Desa"], ["A", "B", "C"]]
    found = find_header(rows)
    assert found is not None
    assert (found.row, found.lines) == (1, 1)


def test_a_fixed_header_is_taken_even_if_strange() -> None:
    settings = RegisterSettings(header_row=2, columns={"firm_name": "Bengkel"})
    found = find_header([["Nama Usaha", "Alamat"], ["Bengkel", "Tempat"]], settings)
    assert found is not None
    assert (found.row, found.lines, found.headers[0].name) == (1, 1, "firm_name")


def test_no_header() -> None:
    assert find_header([["Batik A", "Jl. X"], ["Batik B", "Jl. Y"]]) is None
    # Numbers of workers alone do not make a register.
    assert find_header([["L", "P"], ["1", "2"]]) is None
    assert "raw_address" in IDENTIFYING


@given(st.integers(0, 20_000))
def test_column_letters_count(position: int) -> None:
    letters = column_letter(position)
    value = 0
    for letter in letters:
        value = value * 26 + ord(letter) - 64
    assert value == position + 1


@given(st.lists(st.text(max_size=30), max_size=12))
def test_any_header_is_read(texts: list[str]) -> None:
    found = recognise(texts)
    assert [one.position for one in found] == list(range(len(texts)))
