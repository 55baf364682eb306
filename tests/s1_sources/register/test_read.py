"""A register from end to end: rows, columns, what was understood, what was converted."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import geopandas as gpd
import shapely

from pipeline.contracts.errors import InputError
from pipeline.contracts.reading import check
from pipeline.s1_sources.register.problems import problems_csv
from pipeline.s1_sources.register.read import check_register, read_register, register_lines
from pipeline.s1_sources.register.reader import Register
from pipeline.s1_sources.register.template import template_bytes

Read = Callable[..., Register]
Told = Callable[[Register], list[str]]

MESSY = [
    ["DAFTAR IKM BATIK", None],
    ["Kecamatan Utara, 2016"],
    [],
    ["No", "Nama Usaha", "Nama Pemilik", "NIK", "Alamat", "RT/RW", "Desa/Kel", "Kec.",
     "Jenis Usaha", "Tenaga Kerja", None, None, "Produksi", "Satuan", "No. HP", "Lintang", "Bujur",
     "Mitra/Juragan", "Izin titik", "Ket"],
    [None] * 9 + ["L", "P", "Jml"],
    ["(1)", "(2)", "(3)", "(4)", "(5)", "(6)", "(7)", "(8)", "(9)", "(10)", "(11)", "(12)"],
    [1, "Batik A", "Siti", 3375012345678901, "Jl. Melati 3", "02/05", "Sukamaju", "Utara",
     "batik tulis/cap", 2, 3, 5, "12,5", "kodi/bulan", "0812-3456-7890", "-6,889", "109.675",
     "Batik Induk", "ya", None],
    [2, "Batik B", "Budi", None, "Jl. Mawar", None, "Sukamaju", "Utara", "Konveksi", 1, 1, 2,
     "1.468", "potong/tahun", "+62 812 3456 7890", "6°53'24\" LS", "109°40'30\" BT", "-", "tidak",
     "baru"],
    [],
    ["No", "Nama Usaha", "Nama Pemilik", "NIK", "Alamat", "RT/RW", "Desa/Kel"],
    [3, "Total Batik", "Ani", None, "Gg. 1", None, "Desa B", "Utara", "Tenun ATBM; pewarnaan",
     None, None, None, None, None, None, None, None, None, None, None],
    ["Jumlah", None, None, None, None, None, None, None, None, 3, 4, 7],
    ["Sumber: Dinas Perindustrian"],
]  # fmt: skip


@pytest.mark.parametrize("suffix", [".xlsx", ".csv"])
def test_a_messy_sheet(read_rows: Read, told: Told, suffix: str) -> None:
    found = read_rows(MESSY, suffix=suffix)
    assert not found.has_errors, told(found)
    firms = found.firms.set_index("firm_name")
    assert list(firms.index) == ["Batik A", "Batik B", "Total Batik"]
    assert list(firms["row_number"]) == [7, 8, 11]
    assert list(firms["firm_id"]) == ["F0001", "F0002", "F0003"]
    one = firms.loc["Batik A"]
    assert one["raw_address"] == "Jl. Melati 3, RT/RW 02/05"
    assert one["specialisation"] == "pembatikan_tulis; pembatikan_cap"
    assert one["technique"] == "tulis; cap"
    assert (one["workers_count"], one["workers_male_count"]) == (5, 2)
    assert (one["production_amount"], one["production_unit"]) == (12.5, "kodi")
    assert one["production_pieces_year"] == 3000
    assert (one["longitude_deg"], one["latitude_deg"]) == (109.675, -6.889)
    assert (one["principal"], one["has_point_consent"]) == ("Batik Induk", True)
    two = firms.loc["Batik B"]
    assert (two["production_amount"], two["production_pieces_year"]) == (1468, 1468)
    assert (two["latitude_deg"], two["same_phone_as"], two["note"]) == (-6.89, "F0001", "baru")
    assert pd.isna(two["principal"])
    assert not two["has_point_consent"]
    three = firms.loc["Total Batik"]
    assert three["specialisation"] == "tenun_atbm; pewarnaan"
    assert pd.isna(three["workers_count"])
    assert dict(found.rejected.itertuples(index=False, name=None)) == {
        6: "numbers of the columns",
        9: "empty row",
        10: "header repeated",
        12: "total row",
        13: "note or heading",
    }
    assert set(found.firms["status"]) == {"register"}
    assert set(found.firms["source_ids"]) == {"register"}


def everything(register: Register) -> str:
    """Return all that a register says, as text."""
    frames = (register.firms, register.rejected, register.problems, register.understood)
    return "\n".join(
        [*(frame.to_csv() for frame in frames), str(register.conversions),
         problems_csv(register.problems)]
    )  # fmt: skip


def test_personal_data_leave_no_trace(read_rows: Read) -> None:
    found = read_rows(MESSY)
    text = everything(found)
    for secret in ("Siti", "Budi", "Ani", "3375012345678901", "3456", "62812"):
        assert secret not in text, secret
    how = found.understood.set_index("header")["how"]
    assert how["Nama Pemilik"] == how["NIK"] == "personal data, dropped"
    assert how["No. HP"].endswith("compared, never stored")
    assert list(found.personal.columns) == ["firm_id"]


def test_personal_data_in_running_text_are_taken_out_and_told(read_rows: Read) -> None:
    found = read_rows(
        [
            ["Nama Usaha", "Alamat", "Jenis Usaha", "Ket"],
            ["Batik A", "Jl. A, HP 0812 3456 7890", "Las 0812 3456 7890", "NIK 3375012345678901"],
        ]
    )
    assert found.firms.loc[0, "raw_address"] == "Jl. A, HP [...]"
    text = everything(found)
    assert "3456" not in text
    assert "33750" not in text
    assert (found.problems["expected"] == "no personal data").sum() == 2


def test_personal_data_are_kept_where_the_settings_say(read_rows: Read) -> None:
    found = read_rows(MESSY, "keep_personal: [owner_name]\n")
    assert list(found.personal["owner_name"]) == ["Siti", "Budi", "Ani"]
    assert "Siti" not in everything(found)
    assert list(found.personal.columns) == ["firm_id", "owner_name"]


def test_settings_shape_the_reading(read_rows: Read, told: Told) -> None:
    found = read_rows(
        [
            ["Bengkel", "Ikut", "Tempat", "Kerjaan", "Orang", "Jadi", "Sisa"],
            ["A", "B", "Jl. C", "batik sogan", "1.468", "10", "x"],
            [None, None, "Jl. D", "batik sogan", "2500", "1,5", "x"],
        ],
        "columns: {firm_name: Bengkel, principal: ikut, raw_address: Tempat,\n"
        "  specialisation: Kerjaan, workers_count: Orang, production_amount: Jadi}\n"
        "ignore: [Sisa]\n"
        "header_row: 1\n"
        "thousands: point\n"
        "production_unit: kodi\n"
        "production_period: day\n"
        "working_days_year: 250\n"
        "specialisations: {batik sogan: pembatikan_tulis}\n"
        "year: 2016\n"
        "fill_down: [firm_name]\n",
    )
    assert not found.has_errors, told(found)
    firms = found.firms
    assert list(firms["firm_name"]) == ["A", "A"]
    assert list(firms["workers_count"]) == [1468, 2500]
    assert list(firms["production_pieces_year"]) == [50000, 7500]
    assert list(firms["specialisation"]) == ["pembatikan_tulis"] * 2
    assert list(firms["year"]) == [2016, 2016]
    what = {(one["column"], one["what"]): one["rows"] for one in found.conversions}
    assert what[("production_pieces_year", "a day to a year: 250 working days")] == 2
    assert what[("firm_name", "empty cells filled from above, as the settings say")] == 1
    assert what[("year", "from the settings where the register has none")] == 2
    assert found.settings_path is not None


def test_own_ids_are_kept_and_leading_zeros_too(read_rows: Read) -> None:
    found = read_rows([["Kode", "Nama Usaha", "Desa"], ["007", "A", "X"], [8, "B", "Y"]])
    assert list(found.firms["firm_id"]) == ["007", "8"]


def test_ids_that_are_identity_numbers_are_dropped(read_rows: Read) -> None:
    found = read_rows(
        [["Kode", "Nama Usaha"], ["3375012345678901", "A"], ["3375012345678902", "B"]]
    )
    assert list(found.firms["firm_id"]) == ["F0001", "F0002"]
    assert "33750" not in everything(found)


def test_a_stated_technique_narrows_batik(read_rows: Read) -> None:
    found = read_rows(
        [
            ["Nama Usaha", "Jenis Usaha", "Teknik"],
            ["A", "Batik", "tulis"],
            ["B", "Batik; konveksi", "cap dan tulis"],
            ["C", "Konveksi", "-"],
            ["D", None, "printing"],
            ["E", "Printing", "cap"],
        ]
    )
    assert found.firms["specialisation"].fillna("").tolist() == [
        "pembatikan_tulis",
        "pembatikan_cap; pembatikan_tulis; konveksi"
        if found.firms.loc[1, "specialisation"].startswith("pembatikan_cap")
        else "pembatikan_tulis; pembatikan_cap; konveksi",
        "konveksi",
        "",
        "printing",
    ]
    assert found.firms["technique"].fillna("").tolist() == [
        "tulis", "tulis; cap", "", "printing", "cap; printing",
    ]  # fmt: skip


def test_workers_are_summed_where_only_the_sexes_are_given(read_rows: Read) -> None:
    found = read_rows(
        [
            ["Nama Usaha", "Alamat", "L", "P", "Jumlah"],
            ["A", "x", 2, 3, None],
            ["B", "y", 2, None, 4],
        ]
    )
    assert found.firms["workers_count"].tolist() == [5, 4]
    assert not found.has_errors
    alone = read_rows([["Nama Usaha", "Alamat", "L", "P"], ["A", "x", 2, 3]])
    assert alone.firms["workers_count"].tolist() == [5]


def test_phones_are_compared_over_several_columns(read_rows: Read) -> None:
    found = read_rows(
        [
            ["Nama Usaha", "Telepon", "No HP"],
            ["A", "0285 421234", "08123456789"],
            ["B", None, "0812 9999 111"],
            ["C", "8123456789 / 0812 9999 111", None],
            ["D", 628129999111, None],
        ]
    )
    assert found.firms["same_phone_as"].fillna("").tolist() == ["", "", "F0001", "F0002"]


def test_one_column_of_coordinates_and_metres_of_the_area(read_rows: Read, told: Told) -> None:
    found = read_rows([["Nama Usaha", "Koordinat"], ["A", "-6.889, 109.675"], ["B", None]])
    assert found.firms["latitude_deg"].fillna(0).tolist() == [-6.889, 0]
    rows = [["Nama Usaha", "X", "Y"], ["A", 353600, 9238300]]
    metres = read_rows(rows, assumed_crs="EPSG:32749")
    assert metres.firms.loc[0, "longitude_deg"] == pytest.approx(109.67, abs=0.02)
    assert told(metres)[0].startswith("warning | 2 | Y")
    assert read_rows(rows).has_errors
    named = read_rows([["Nama Usaha", "X (UTM 49S)", "Y"], ["A", 353600, 9238300]])
    assert named.firms.loc[0, "latitude_deg"] == pytest.approx(-6.89, abs=0.02)


def test_one_of_two_coordinate_columns(read_rows: Read, told: Told) -> None:
    found = read_rows([["Nama Usaha", "Alamat", "Lintang"], ["A", "x", -6.8]])
    assert "a column of latitudes and one of longitudes" in told(found)[0]


def test_years_and_dates(read_rows: Read) -> None:
    rows = [["Nama Usaha", "Alamat", "Tahun"], ["A", "x", 2016], ["B", "y", "2017-05-01"],
            ["C", "z", 20166], ["D", "z", None]]  # fmt: skip
    found = read_rows(rows, "year: 2000\n")
    assert found.firms["year"].fillna(0).tolist() == [2016, 2017, 0, 2000]
    assert found.problems["expected"].tolist() == ["a year from 1700 to 2100"]


def test_notes_and_address_parts_are_joined(read_rows: Read) -> None:
    found = read_rows(
        [
            ["Nama Usaha", "Alamat", "Dusun", "RT", "RW", "Kode Pos", "Ket", "Catatan"],
            ["A", "Jl. X", "Krajan", "02", "05", 51119, "a", "b"],
            ["B", None, "Dusun Lor", None, "1", None, None, "c"],
            ["C", None, None, None, None, None, None, None],
        ]
    )
    assert found.firms["raw_address"].fillna("").tolist() == [
        "Jl. X, Dusun Krajan, RT 02, RW 05, 51119", "Dusun Lor, RW 1", "",
    ]  # fmt: skip
    assert found.firms["note"].fillna("").tolist() == ["a; b", "c", ""]


def test_hidden_rows_are_data(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    for row in (["Nama Usaha", "Alamat"], ["A", "x"], ["B", "y"]):
        page.append(row)
    page.row_dimensions[2].hidden = True
    book.save(tmp_path / "a.xlsx")
    assert len(read_register(tmp_path / "a.xlsx").firms) == 2


def test_blank_rows_at_the_end_are_no_data(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.append(["Nama Usaha", "Alamat"])
    page.append(["A", "x"])
    for number in range(3, 3000):
        page.cell(number, 1).font = openpyxl.styles.Font(bold=True)
        page.cell(number, 2).value = "  "
    book.save(tmp_path / "a.xlsx")
    found = read_register(tmp_path / "a.xlsx")
    assert (found.rows, len(found.firms), len(found.rejected)) == (1, 1, 0)
    (tmp_path / "a.csv").write_text("Nama Usaha;Alamat\nA;x\n" + ";\n" * 100_000)
    assert read_register(tmp_path / "a.csv").rows == 1


def test_hostile_names_are_data_and_the_list_of_problems_is_harmless(read_rows: Read) -> None:
    names = [
        "<script>alert(1)</script>",
        '=HYPERLINK("http://x","y")',
        'O\'Brien "Batik"',
        "@SUM(1)",
    ]
    rows = [["Nama Usaha", "Jenis Usaha"], *([name, "=cmd|' /C calc'!A0"] for name in names)]
    for suffix in (".xlsx", ".csv"):
        found = read_rows(rows, suffix=suffix)
        assert list(found.firms["firm_name"]) == names
        text = problems_csv(found.problems)
        assert text.count("'=cmd|") == 4
        assert not any(line.split(",")[4].startswith(("=", "+", "-", "@")) for line in
                       text.splitlines()[1:])  # fmt: skip


@pytest.mark.parametrize("name", ["a.gpkg", "a.geojson", "a.shp"])
def test_vector_files(tmp_path: Path, name: str) -> None:
    frame = gpd.GeoDataFrame(
        {"nama_usaha": ["A", "B", "C"], "alamat": ["x", None, "z"], "tk": [3, None, 5],
         "pemilik": ["Siti", "Budi", "Ani"]},
        geometry=[shapely.Point(109.675, -6.889), shapely.Point(109.7, -6.9), None],
        crs=4326,
    )  # fmt: skip
    if name != "a.geojson":
        frame = frame.to_crs(32749)
    frame.to_file(tmp_path / name)
    found = read_register(tmp_path / name)
    assert not found.has_errors, found.problems
    assert list(found.firms["row_number"]) == [1, 2, 3]
    assert found.firms["longitude_deg"].fillna(0).round(5).tolist() == [109.675, 109.7, 0]
    assert found.firms["latitude_deg"].fillna(0).round(5).tolist() == [-6.889, -6.9, 0]
    assert found.firms["workers_count"].fillna(0).tolist() == [3, 0, 5]
    assert "Siti" not in everything(found)


def test_one_layer_of_many(tmp_path: Path) -> None:
    points = gpd.GeoDataFrame({"nama_usaha": ["A"], "alamat": ["x"]},
                              geometry=[shapely.Point(109.7, -6.9)], crs=4326)  # fmt: skip
    roads = gpd.GeoDataFrame({"kelas": [1]}, geometry=[shapely.Point(1, 1)], crs=4326)
    points.to_file(tmp_path / "a.gpkg", layer="ikm")
    roads.to_file(tmp_path / "a.gpkg", layer="roads")
    assert read_register(tmp_path / "a.gpkg").sheet == "ikm"
    points.to_file(tmp_path / "a.gpkg", layer="umkm")
    found = read_register(tmp_path / "a.gpkg")
    assert "2 of 3: 'ikm', 'umkm'" in found.problems.loc[0, "value"]
    assert read_register(f"{tmp_path / 'a.gpkg'}#umkm").sheet == "umkm"


def test_sheets_are_chosen_or_named(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.title = "Sampul"
    page.append(["Laporan tahunan"])
    for title in ("2015", "2016"):
        data = book.create_sheet(title)
        data.append(["Nama Usaha", "Alamat"])
        data.append([f"Batik {title}", "x"])
    path = tmp_path / "a.xlsx"
    book.save(path)
    found = read_register(path)
    problem = found.problems.loc[0]
    assert problem["expected"] == "one sheet that looks like a register"
    assert problem["value"] == "2 of 3: '2015', '2016'"
    assert "REGISTER='a.xlsx#2015'" in problem["hint"]
    assert read_register(f"{path}#2016").firms.loc[0, "firm_name"] == "Batik 2016"
    (tmp_path / "a.yaml").write_text("sheet: '2015'\n")
    assert read_register(path).sheet == "2015"
    (tmp_path / "a.yaml").unlink()
    wrong = read_register(f"{path}#2017").problems.loc[0]
    assert wrong["value"] == "sheets 'Sampul', '2015', '2016'"
    del book["2015"]
    book.save(path)
    assert read_register(path).sheet == "2016"


@pytest.mark.parametrize("language", ["id", "en"])
def test_the_template_is_read_as_it_is_meant(tmp_path: Path, language: str) -> None:
    path = tmp_path / "template.xlsx"
    path.write_bytes(template_bytes(language))  # type: ignore[arg-type]
    assert template_bytes(language) == path.read_bytes()  # type: ignore[arg-type]
    empty = read_register(path)
    assert [one["value"] for one in empty.problems.to_dict("records")] == ["none"]
    assert set(empty.understood["how"]) == {"recognised", "recognised; compared, never stored"}
    book = openpyxl.load_workbook(path)
    page, guide, lists = book.worksheets
    titles = [cell.value for cell in page[1]]
    examples = {row[0]: row[3] for row in guide.iter_rows(min_row=5, values_only=True)}
    assert list(examples) == titles
    for position, title in enumerate(titles, start=1):
        page.cell(2, position).value = examples[title]
    rules = {str(rule.sqref).split(":")[0]: rule for rule in page.data_validations.dataValidation}
    listed = 0
    for position, _ in enumerate(titles, start=1):
        rule = rules.get(f"{openpyxl.utils.get_column_letter(position)}2")
        if rule is None or rule.type != "list":
            continue
        listed += 1
        cells = lists[rule.formula1.split("!")[1].replace("$", "")]
        for number, cell in enumerate(cells, start=3):
            page.cell(number, position).value = cell[0].value
            page.cell(number, 1).value = f"U{number}"
            page.cell(number, 2).value = f"Batik {number}"
    assert listed == 5
    book.save(path)
    found = read_register(path)
    assert not found.has_errors, found.problems.to_string()
    first = found.firms.iloc[0]
    assert first["specialisation"] == "pewarnaan; pembatikan_tulis" or (
        first["specialisation"] == "pembatikan_tulis; pewarnaan"
    )
    assert (first["workers_count"], first["production_pieces_year"]) == (5, 3000)
    assert bool(first["has_point_consent"])


def test_the_lines_say_what_was_understood(read_rows: Read, tmp_path: Path) -> None:
    read_rows(MESSY)
    lines, problems, has_errors = check_register(tmp_path / "firms.xlsx")
    text = "\n".join(lines)
    assert not has_errors
    assert problems.empty
    assert "firms.xlsx, sheet Data (format xlsx)" in lines[0]
    assert "Tenaga Kerja / L" in text
    assert "8 rows: 3 firms, 5 not firms" in text
    assert "a month to a year: 12 months (1 rows)" in text
    assert lines[-1] == "No problems found."


def test_errors_become_one_error(read_rows: Read) -> None:
    found = read_rows([["Nama Usaha", "Alamat", "TK"], ["A", "x", "lima"], ["B", "y", "2,5"]])
    with pytest.raises(InputError) as caught:
        found.require_sound()
    assert caught.value.exit_code == 2
    assert len(caught.value.faults) == 2
    assert "row 2, column TK: expected a number of workers, in digits, found 'lima'" in str(
        caught.value
    )
    sound = read_rows([["Nama Usaha", "Alamat"], ["A", "x"]])
    assert sound.require_sound() is sound


CELL = st.one_of(
    st.none(),
    st.integers(-10, 10**7),
    st.floats(-1e6, 1e6),
    st.sampled_from(["Jumlah", "Total", "Batik A", "1.468", "12,5", "kodi/bulan", "Sumber: x", "-",
                     "Nama Usaha", "#REF!", "ya", "0812 3456 7890", "batik tulis", "109.6", "-6.9",
                     "<b>", "Kecamatan X", "(1)"]),
    st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12),
)  # fmt: skip
HEAD = ["No", "Kode", "Nama Usaha", "Alamat", "Jenis Usaha", "L", "P", "Jumlah", "Produksi",
        "Satuan", "Lintang", "Bujur", "HP", "Izin titik", "Tahun", "Ket"]  # fmt: skip


@settings(max_examples=30)
@given(st.lists(st.lists(CELL, max_size=len(HEAD)), max_size=12))
def test_nothing_is_lost_whatever_the_cells(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[object]]
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle, delimiter=";").writerows(
            ["" if cell is None else cell for cell in row] for row in [HEAD, *rows]
        )
    found = read_register(path)
    if found.rows:
        assert len(found.firms) + len(found.rejected) == found.rows
        numbers = [*found.firms["row_number"], *found.rejected["row_number"]]
        assert sorted(numbers) == list(range(2, found.rows + 2))
    check(found.firms, "register")
    assert register_lines(found)
