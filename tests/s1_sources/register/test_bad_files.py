"""Files no reader should trust: each gets one clear message, and never more memory than needed."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import openpyxl
import pytest

import geopandas as gpd
import shapely

from pipeline.s1_sources.register import grid, textfile, workbook
from pipeline.s1_sources.register import read as reading
from pipeline.s1_sources.register.read import read_register
from pipeline.s1_sources.register.reader import Register

Read = Callable[..., Register]
Told = Callable[[Register], list[str]]

HEAD = ["Nama Usaha", "Alamat"]


def workbook_bytes(*rows: list[object]) -> bytes:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    for row in rows or ([*HEAD], ["Batik A", "Jl. X"]):
        page.append(row)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def with_part(content: bytes, name: str, part: bytes) -> bytes:
    """Return a zip with one part replaced."""
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for info in old.infolist():
            new.writestr(info.filename, part if info.filename == name else old.read(info.filename))
    return target.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def sheet_xml(rows: str, after: str = "") -> bytes:
    return f"<worksheet {MAIN}><sheetData>{rows}</sheetData>{after}</worksheet>".encode()


def text_cell(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


HEAD_XML = f'<row r="1">{text_cell("A1", "Nama Usaha")}{text_cell("B1", "Alamat")}</row>'
FIRM_XML = f'<row r="2">{text_cell("A2", "Batik A")}{text_cell("B2", "Jl. X")}</row>'


def one_problem(path: Path) -> tuple[str, str, str]:
    """Return expected, found and hint of the only problem of a file that cannot be read."""
    found = read_register(path)
    assert (found.rows, len(found.firms), len(found.rejected)) == (0, 0, 0)
    assert found.has_errors
    assert len(found.problems) == 1, found.problems.to_string()
    row = found.problems.iloc[0]
    assert row["file"] == str(path)
    return row["expected"], row["value"], row["hint"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", None, ("a register", "no such file", "")),
        ("a.csv", b"", ("comma-separated text", "an empty file", "")),
        ("a.xlsx", b"Nama Usaha,Alamat\nA,B\n",
         ("an Excel workbook, as its name says", "plain text, such as csv", "Rename it to a.csv")),
        ("a.csv", workbook_bytes(),
         ("comma-separated text, as its name says", "an Excel workbook", "Rename it to a.xlsx")),
        ("a.ods", workbook_bytes(),
         ("an OpenDocument sheet, as its name says", "an Excel workbook", "Rename it to a.xlsx")),
        ("a.xlsx", b"<html><table></table></html>",
         ("an Excel workbook, as its name says",
          "a web page or XML, perhaps exported under another name", "Save it as xlsx or csv")),
        ("a.csv", b"%PDF-1.7", ("comma-separated text, as its name says", "a PDF document",
                                "Save it as xlsx or csv")),
        ("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
         ("a workbook without a password", "a password-protected one",
          "Open it, remove the password (File > Info > Protect Workbook) and save it")),
        ("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600,
         ("an Excel workbook, as its name says", "an old or password-protected Office file",
          "Save it as xlsx or csv")),
        ("a.csv", "Nama Usaha;Alamat\nA;B\n".encode("utf-16"),
         ("UTF-8 text", "UTF-16 text", "Save it as 'CSV UTF-8'")),
        ("a.geojson", b'{"type": "nonsense"}',
         ("a readable GeoPackage, GeoJSON or Shapefile", None, "")),
        ("a.gpkg", b"SQLite format 3\0" + b"\0" * 100,
         ("a readable GeoPackage, GeoJSON or Shapefile", None, "")),
        ("a.csv", b"Warna,Umur\nmerah,3\n",
         ("a header with columns such as Nama Usaha, Alamat, Desa/Kelurahan, Jenis Usaha",
          "'Warna', 'Umur'", None)),
        ("a.csv", b"\n\n\n", ("a header and a row for each firm", "an empty sheet", "")),
    ],
)  # fmt: skip
def test_a_file_that_is_not_what_it_should_be(
    tmp_path: Path, name: str, content: bytes | None, message: tuple[str, str | None, str | None]
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    found = one_problem(path)
    for wanted, got in zip(message, found, strict=True):
        assert wanted is None or wanted == got


@pytest.mark.parametrize("suffix", [".xls", ".pdf", ""])
def test_other_extensions(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"x")
    expected, value, hint = one_problem(path)
    assert expected.startswith("one of .xlsx, .xlsm, .ods, .csv")
    assert value == (suffix or "no extension")
    assert ("save it as xlsx" in hint) == (suffix == ".xls")


def test_a_truncated_workbook_wherever_it_ends(tmp_path: Path) -> None:
    content = workbook_bytes()
    path = tmp_path / "a.xlsx"
    for length in range(40, len(content) - 1, len(content) // 25):
        path.write_bytes(content[:length])
        expected, value, hint = one_problem(path)
        assert expected == "a whole workbook"
        assert value.startswith("a truncated or damaged one")
        assert hint == "Copy or download it again"


def test_damaged_bytes_are_told_or_do_no_harm(tmp_path: Path) -> None:
    content = bytearray(workbook_bytes())
    path = tmp_path / "a.xlsx"
    for position in range(30, len(content), len(content) // 60):
        damaged = content.copy()
        damaged[position] ^= 0xFF
        path.write_bytes(bytes(damaged))
        found = read_register(path)
        assert found.has_errors or len(found.firms) == 1


@pytest.mark.parametrize(
    "part",
    [
        "xl/workbook.xml",
        "xl/_rels/workbook.xml.rels",
        SHEET,
        "xl/styles.xml",
    ],
)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<a",
        b"\0\1\2",
        b"<?xml version='1.0' encoding='UTR-8'?><a/>",
        b"<a/>",
        b"<?xml version='1.0'?><b><c/></b>",
    ],
)
def test_nonsense_inside_a_workbook(tmp_path: Path, part: str, content: bytes) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(with_part(workbook_bytes(), part, content))
    found = read_register(path)
    assert found.has_errors or len(found.firms) == 1


def test_entities_that_grow(tmp_path: Path) -> None:
    names = "abcdefghijklmnop"
    entities = "<!ENTITY a 'lolololololololol'>" + "".join(
        f"<!ENTITY {one} '{f'&{before};' * 10}'>" for before, one in pairwise(names)
    )
    bomb = f"<?xml version='1.0'?><!DOCTYPE w [{entities}]><workbook>&p;</workbook>"
    path = tmp_path / "a.xlsx"
    path.write_bytes(with_part(workbook_bytes(), "xl/workbook.xml", bomb.encode()))
    assert one_problem(path)[0] == "a whole workbook"


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(with_part(workbook_bytes(), SHEET, b" " * (2**25)))
    expected, value, hint = one_problem(path)
    assert expected == "parts that unpack to at most 250 times their size"
    assert value.startswith(f"'{SHEET}', ")
    assert hint == "This is no honest workbook (a zip bomb)"


def test_a_zip_that_lies_about_its_size(tmp_path: Path) -> None:
    content = workbook_bytes()
    bomb = bytearray(with_part(content, SHEET, b" " * (2**25)))
    # The directory says 1,000 bytes; the part unpacks to 32 MB.
    with zipfile.ZipFile(io.BytesIO(bytes(bomb))) as archive:
        name = archive.getinfo(SHEET).filename.encode()
    directory = bomb.rindex(b"PK\x01\x02", 0, bomb.rindex(name))
    bomb[directory + 24 : directory + 28] = (1000).to_bytes(4, "little")
    path = tmp_path / "a.xlsx"
    path.write_bytes(bytes(bomb))
    assert one_problem(path)[0] == "a whole workbook"


def test_too_much_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MAX_UNPACKED", 2**10)
    path = tmp_path / "a.xlsx"
    path.write_bytes(workbook_bytes())
    assert one_problem(path)[2] == "Save the sheet as csv"


def test_a_file_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.s1_sources.register import files

    monkeypatch.setattr(files, "MAX_BYTES", 2**10)
    path = tmp_path / "a.xlsx"
    path.write_bytes(workbook_bytes())
    assert one_problem(path)[0] == "at most 0 MB"


def test_an_encrypted_part(tmp_path: Path) -> None:
    content = bytearray(workbook_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path = tmp_path / "a.xlsx"
    path.write_bytes(bytes(content))
    assert one_problem(path)[1] == "a password-protected one"


def test_a_stray_cell_at_the_far_end(tmp_path: Path) -> None:
    stray = f'<row r="1048576">{text_cell("XFD1048576", "x")}</row>'
    path = tmp_path / "a.xlsx"
    path.write_bytes(with_part(workbook_bytes(), SHEET, sheet_xml(HEAD_XML + FIRM_XML + stray)))
    expected, value, hint = one_problem(path)
    assert expected == "cells within a rectangle of 60,000,000"
    assert value == "16,384 columns and 1,048,576 rows"
    assert "stray cell" in hint


def test_formatted_cells_at_the_far_end_are_nothing(tmp_path: Path) -> None:
    blank = '<row r="1048576"><c r="XFD1048576" s="1"/></row>'
    path = tmp_path / "a.xlsx"
    path.write_bytes(with_part(workbook_bytes(), SHEET, sheet_xml(HEAD_XML + FIRM_XML + blank)))
    assert len(read_register(path).firms) == 1


def test_a_million_blank_rows(tmp_path: Path) -> None:
    blank = "".join(f'<row r="{row}" ht="15"/>' for row in range(3, 1_048_577))
    path = tmp_path / "a.xlsx"
    path.write_bytes(with_part(workbook_bytes(), SHEET, sheet_xml(HEAD_XML + FIRM_XML + blank)))
    found = read_register(path)
    assert (found.rows, len(found.firms), len(found.rejected)) == (1, 1, 0)


def test_too_many_columns_and_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Nama Usaha;Alamat\n" + ";".join("x" * 600) + "\n")
    assert one_problem(path)[:2] == ("at most 512 columns", "600")
    path.write_text("Nama Usaha;Alamat\n" + "a;b\n" * 20)
    monkeypatch.setattr(grid, "MAX_ROWS", 10)
    assert one_problem(path)[0] == "at most 10 rows"


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_a_megabyte_in_one_cell(tmp_path: Path, read_rows: Read, told: Told, suffix: str) -> None:
    if suffix == ".csv":
        path = tmp_path / "a.csv"
        path.write_text(f"Nama Usaha;Alamat\nA;{'x' * 2**20}\n")
        expected, value, _ = one_problem(path)
        assert (expected, value) == ("cells of at most 131,072 characters", "a longer one")
    found = read_rows([HEAD, ["A", "x" * 30_000], ["B", "y"]], suffix=suffix)
    assert told(found) == ["error | 2 | Alamat | 30,000 characters | at most 2,000 characters"]
    assert len(found.firms) == 2


def test_a_very_long_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textfile, "MAX_LINE", 2**10)
    path = tmp_path / "a.csv"
    path.write_text("Nama Usaha;Alamat\n" + "x" * 2**11)
    assert one_problem(path)[1] == "a longer one"


def test_nul_bytes_name_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"Nama Usaha;Alamat\nA;B\nC;\0\nD;\0\n")
    found = read_register(path).problems.iloc[0]
    assert (found["row"], found["value"]) == (3, "NUL bytes in lines 3, 4")


def test_mixed_encodings_name_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("Nama Usaha;Alamat\nCafé;x\n".encode() + "Café;y\n".encode("cp1252"))
    found = read_register(path).problems.iloc[0]
    assert (found["row"], found["value"]) == (3, "UTF-8 in line 2 and another encoding in line 3")
    (tmp_path / "a.yaml").write_text("encoding: utf-8\n")
    assert read_register(path).problems.loc[0, "value"] == "other bytes in line 3"
    (tmp_path / "a.yaml").write_text("encoding: cp1252\n")
    assert list(read_register(path).firms["firm_name"]) == ["CafÃ©", "Café"]


def test_bytes_of_no_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"Nama Usaha;Alamat\nA\x81;x\n")
    assert one_problem(path)[:2] == ("UTF-8 or Windows-1252 text", "bytes of neither in line 2")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encodings_and_delimiters(tmp_path: Path, encoding: str, delimiter: str) -> None:
    rows = [["Nama Usaha", "Alamat", "Produksi (kodi/bulan)"],
            ["Café “Batik”", "Jl. A; 3, RT 1 | x", "12,5"], ["Batik B", "", "3,5"]]  # fmt: skip
    text = "".join(
        delimiter.join(f'"{cell}"' if set(cell) & set(",;|") else cell for cell in row) + "\r\n"
        for row in rows
    )
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(encoding))
    found = read_register(path)
    assert not found.has_errors, found.problems
    assert list(found.firms["firm_name"]) == ["Café “Batik”", "Batik B"]
    assert found.firms.loc[0, "raw_address"] == "Jl. A; 3, RT 1 | x"
    assert list(found.firms["production_amount"]) == [12.5, 3.5]
    assert found.notes["encoding"] == ("Windows-1252" if encoding == "cp1252" else "UTF-8")


def test_the_delimiter_line_of_excel_and_a_declared_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("sep=|\nNama Usaha|Alamat\nA|Jl; X\n")
    assert read_register(path).firms.loc[0, "raw_address"] == "Jl; X"
    path.write_text("Nama Usaha|Alamat;Desa\nA|x;y\n")
    (tmp_path / "a.yaml").write_text("delimiter: ';'\ncolumns: {firm_name: 'Nama Usaha|Alamat'}\n")
    assert read_register(path).firms.loc[0, "firm_name"] == "A|x"


def test_line_breaks_inside_quotes_keep_the_rows_of_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('Nama Usaha;Alamat\nA;"Jl. X\nGg. 2"\nB;y\n')
    found = read_register(path)
    assert list(found.firms["row_number"]) == [2, 3]
    assert found.firms.loc[0, "raw_address"] == "Jl. X Gg. 2"


@pytest.mark.parametrize("line", ['"Batik "Sari" Jaya";x', '"never closed;x'])
def test_quotes_that_do_not_match(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"Nama Usaha;Alamat\nA;b\n{line}\nC;d\n")
    assert one_problem(path)[2].startswith("A quote inside a quoted cell is written twice")
    assert read_register(path).problems.loc[0, "row"] >= 3


def test_rows_of_other_lengths(tmp_path: Path, told: Told) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Nama Usaha;Alamat;Desa\nA;b;c;d\nB;x\nC;y;z;;\n\nD;d;d\n")
    found = read_register(path)
    assert told(found) == [
        "error | 2 |  | 4 cells | 3 cells",
        "warning | 3 |  | 2 cells | 3 cells",
    ]
    assert found.rejected["reason"].tolist() == ["empty row"]


def test_merged_cells(tmp_path: Path, told: Told) -> None:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    for row in (
        ["Nama Usaha", "Kecamatan", "Nama Pemilik", "Alamat", "Desa"],
        ["A", "Utara", "x", "Jl. 1", None],
        ["B", None, None, "Jl. 2", "D"],
        ["C", None, None, "Jl. 3", "D"],
    ):
        page.append(row)
    page.merge_cells("B2:B4")
    page.merge_cells("C2:C4")
    page.merge_cells("D2:E2")
    path = tmp_path / "a.xlsx"
    book.save(path)
    found = read_register(path)
    assert told(found) == [
        "error | 2 | Kecamatan | merged cells B2:B4 | a value in each row",
        "warning | 2 | Alamat | merged cells D2:E2 | a value in each column",
    ]
    assert found.firms["district_stated"].fillna("").tolist() == ["Utara", "", ""]
    assert "fill_down: [district_stated]" in found.problems.loc[0, "hint"]
    (tmp_path / "a.yaml").write_text("fill_down: [district_stated]\n")
    filled = read_register(path)
    assert not filled.has_errors
    assert filled.firms["district_stated"].tolist() == ["Utara"] * 3


def test_formulas_and_error_cells(tmp_path: Path, told: Told) -> None:
    rows = (
        f'<row r="1">{text_cell("A1", "Nama Usaha")}{text_cell("B1", "L")}{text_cell("C1", "P")}'
        f"{text_cell('D1', 'Jumlah')}{text_cell('E1', 'Nama Pemilik')}</row>"
        f'<row r="2">{text_cell("A2", "A")}<c r="B2"><v>2</v></c><c r="C2"><v>3</v></c>'
        '<c r="D2"><f>B2+C2</f><v>5</v></c><c r="E2" t="e"><v>#N/A</v></c></row>'
        f'<row r="3">{text_cell("A3", "B")}<c r="B3"><v>2</v></c><c r="C3"><v>3</v></c>'
        '<c r="D3"><f>B3+C3</f></c></row>'
        f'<row r="4">{text_cell("A4", "C")}<c r="B4" t="e"><v>#REF!</v></c>'
        '<c r="C4" t="e"><f>1/0</f><v>#DIV/0!</v></c>'
        '<c r="D4" s="1"><f ca="1">X</f><v></v></c></row>'
        '<row r="5"><c r="A5" t="str"><f>""</f><v></v></c></row>'
        f'<row r="6">{text_cell("A6", "Jumlah")}<c r="D6"><f>SUM(D2:D4)</f></c></row>'
    )
    path = tmp_path / "a.xlsx"
    path.write_bytes(with_part(workbook_bytes(), SHEET, sheet_xml(rows)))
    found = read_register(path)
    assert told(found) == [
        "error | 3 | Jumlah | a formula without a stored value | a value",
        "error | 4 | L | #REF! | a value",
        "error | 4 | P | #DIV/0! | a value",
        "error | 4 | Jumlah | a formula without a stored value | a value",
    ]
    assert found.firms["workers_count"].fillna(0).tolist() == [5, 5, 0]
    assert found.rejected["reason"].tolist() == ["empty row", "total row"]


def test_error_values_in_text(read_rows: Read, told: Told) -> None:
    found = read_rows([[*HEAD, "TK"], ["A", "#REF!", "#VALUE!"], ["#N/A", "x", 3]], suffix=".csv")
    assert told(found) == [
        "error | 2 | TK | #VALUE! | a value",
        "error | 2 | Alamat | #REF! | a value",
        "error | 3 | Nama Usaha | #N/A | a value",
    ]


def test_a_row_of_nothing_but_broken_cells_is_not_lost(tmp_path: Path) -> None:
    broken = '<row r="3"><c r="A3"><f>X!A3</f></c><c r="B3"><f>X!B3</f></c></row>'
    path = tmp_path / "a.xlsx"
    path.write_bytes(with_part(workbook_bytes(), SHEET, sheet_xml(HEAD_XML + FIRM_XML + broken)))
    found = read_register(path)
    assert (found.rows, len(found.firms), len(found.problems)) == (2, 2, 2)


def test_a_column_twice(read_rows: Read, told: Told) -> None:
    rows = [["Nama Usaha", "Alamat", "Alamat Usaha"], ["A", "x", "y"]]
    found = read_rows(rows)
    assert told(found) == [
        "error |  | Alamat Usaha | 'Alamat' (B) and 'Alamat Usaha' (C) | one column for raw_address"
    ]
    assert not read_rows(rows, "ignore: [Alamat Usaha]\n").has_errors


def test_ids_twice_and_missing(read_rows: Read, told: Told) -> None:
    found = read_rows([["Kode", "Nama Usaha"], ["1", "A"], ["1", "B"], [None, "C"], ["1", "D"]])
    assert told(found) == [
        "error | 3 | Kode | 1 | each id once",
        "error | 4 | Kode | nothing | an id in each row, or in none",
        "error | 5 | Kode | 1 | each id once",
    ]
    assert list(found.firms["firm_id"]) == ["1", "1 (row 3)", "(row 4)", "1 (row 5)"]


def test_all_faults_of_a_file_at_once(read_rows: Read, told: Told) -> None:
    found = read_rows(
        [
            ["Nama Usaha", "Alamat", "Jenis Usaha", "L", "P", "Jumlah", "Produksi", "Lintang",
             "Bujur", "Izin titik"],
            ["A", "x", "Las", 2, 3, 6, "1.468 kodi/bulan", "109.675", "-6.889", "mungkin"],
            ["B", "y", "Batik cap", "dua", 3, 1, "12.5 kodi/bulan", "6°53'24\"", None, "ya"],
        ]
    )  # fmt: skip
    assert told(found) == [
        "error | 2 | Jumlah | 6 | male and female workers that sum to the total",
        "error | 2 | Jenis Usaha | Las | specialisations of docs/specialisations.md",
        "error | 2 | Lintang | 109.675 | latitude first, then longitude",
        "error | 2 | Produksi | 1.468 kodi/bulan | an amount that can be read in one way only",
        "error | 2 | Izin titik | mungkin | ya or tidak (yes or no)",
        "error | 3 | L | dua | a number of workers, in digits",
        "error | 3 | Jumlah | 1 | a total of at least 3, its part by sex",
        "error | 3 | Bujur |  | a longitude too",
    ]
    assert len(found.firms) == 2


def test_settings_that_do_not_fit(read_rows: Read, told: Told) -> None:
    rows = [HEAD, ["A", "x"]]
    found = read_rows(rows, "columns: {principal: Juragan X}\nfill_down: [district_stated]\n")
    assert [line.split(" | ")[2:4] for line in told(found)] == [
        ["Juragan X", "Juragan X"], ["fill_down", "district_stated"],
    ]  # fmt: skip
    broken = read_rows(rows, "thousands: dot\nyear: x\n")
    assert len(broken.problems) == 2
    assert broken.problems["file"].str.endswith("firms.yaml").all()


def test_headings_between_the_firms_are_warned_of(read_rows: Read, told: Told) -> None:
    found = read_rows(
        [HEAD, ["Kecamatan Utara", None], ["A", "x"], ["KECAMATAN SELATAN", None], ["B", "y"]]
    )
    assert found.rejected["reason"].tolist() == ["note or heading"] * 2
    assert told(found) == [
        "warning | 2 |  | 2 rows of notes or headings between the firms | rows of firms only"
    ]


def test_rows_without_anything_that_identifies_a_firm(read_rows: Read) -> None:
    found = read_rows([[*HEAD, "TK", "Lebar"], [None, None, 5, 3], ["A", "x", 2, 1]])
    assert found.rejected["reason"].tolist() == ["nothing that identifies a firm"]


def test_geometries_that_are_no_points_and_a_missing_crs(tmp_path: Path) -> None:
    box = shapely.box(109, -7, 110, -6)
    frame = gpd.GeoDataFrame({"nama_usaha": ["A"], "alamat": ["x"]}, geometry=[box], crs=4326)
    frame.to_file(tmp_path / "a.gpkg")
    expected, value, hint = one_problem(tmp_path / "a.gpkg")
    assert (expected, value) == ("points", "1 other geometries, such as a Polygon")
    assert "Centroids" in hint
    points = gpd.GeoDataFrame({"nama_usaha": ["A"]}, geometry=[shapely.Point(109, -7)])
    with pytest.warns(UserWarning, match="crs"):
        points.to_file(tmp_path / "b.shp")
    assert one_problem(tmp_path / "b.shp")[:2] == ("a layer that states its CRS", "no CRS")


def test_points_outside_indonesia(tmp_path: Path, told: Told) -> None:
    frame = gpd.GeoDataFrame({"nama_usaha": ["A"]}, geometry=[shapely.Point(-6.9, 109.7)], crs=4326)
    frame.to_file(tmp_path / "a.gpkg")
    found = read_register(tmp_path / "a.gpkg")
    assert told(found) == ["error | 1 | geometry | 109.7, -6.9 | latitude first, then longitude"]
    multi = frame.set_geometry([shapely.MultiPoint([(109.7, -6.9)])], crs=4326)
    multi.to_file(tmp_path / "b.gpkg")
    assert read_register(tmp_path / "b.gpkg").firms.loc[0, "longitude_deg"] == 109.7


# --- OpenDocument, written by hand ---------------------------------------------------------------

_NAMES = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
)
_EMPTY = '<table:table-cell table:number-columns-repeated="16380"/>'


def ods_cell(text: str, more: str = "") -> str:
    return (
        f'<table:table-cell office:value-type="string" {more}><text:p>{text}</text:p>'
        "</table:table-cell>"
    )


def ods_row(*cells: str, more: str = "") -> str:
    return f"<table:table-row {more}>{''.join(cells)}{_EMPTY}</table:table-row>"


def write_ods(path: Path, *rows: str) -> Path:
    blank = f'<table:table-row table:number-rows-repeated="1048000">{_EMPTY}</table:table-row>'
    content = (
        f"<?xml version='1.0' encoding='UTF-8'?><office:document-content {_NAMES}><office:body>"
        f'<office:spreadsheet><table:table table:name="Data">{"".join(rows)}{blank}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/>'
        "</manifest:manifest>"
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", kind, zipfile.ZIP_STORED)
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", manifest)
    return path


ODS_HEAD = ods_row(ods_cell("Nama Usaha"), ods_cell("Alamat"), ods_cell("TK"))


def ods_number(value: str, more: str = "") -> str:
    return (
        f'<table:table-cell office:value-type="float" office:value="{value}" {more}>'
        f"<text:p>{value}</text:p></table:table-cell>"
    )


def test_an_opendocument_sheet(tmp_path: Path) -> None:
    path = write_ods(
        tmp_path / "a.ods",
        ODS_HEAD,
        ods_row(ods_cell("A"), ods_cell("Jl. X"), ods_number("3")),
        ods_row(ods_cell("B"), ods_cell("Jl. Y"), ods_number("5", 'table:formula="of:=2+3"')),
    )
    found = read_register(path)
    assert not found.has_errors, found.problems.to_string()
    assert list(found.firms["workers_count"]) == [3, 5]
    assert list(found.firms["row_number"]) == [2, 3]


def test_faults_of_an_opendocument_sheet(tmp_path: Path, told: Told) -> None:
    error = 'table:formula="of:=1/0" calcext:value-type="error" office:string-value=""'
    path = write_ods(
        tmp_path / "a.ods",
        ODS_HEAD,
        ods_row(ods_cell("A"), ods_cell("x", 'table:number-rows-spanned="2"'), ods_number("3")),
        ods_row(ods_cell("B"), "<table:covered-table-cell/>",
                '<table:table-cell table:formula="of:=1+1"/>'),
        ods_row(ods_cell("C"), ods_cell("y"), ods_cell("#DIV/0!", error)),
    )  # fmt: skip
    assert told(read_register(path)) == [
        "error | 2 | Alamat | merged cells B2:B3 | a value in each row",
        "error | 3 | TK | a formula without a stored value | a value",
        "error | 4 | TK | #DIV/0! | a value",
    ]


@pytest.mark.parametrize(
    "row",
    [
        ods_row(ods_cell("A"), ods_cell("x"), more='table:number-rows-repeated="1000000"'),
        ods_row(ods_cell("A", 'table:number-columns-repeated="16000"')),
    ],
)
def test_repeated_cells_that_would_fill_the_memory(tmp_path: Path, row: str) -> None:
    path = write_ods(tmp_path / "a.ods", ODS_HEAD, row)
    expected, value, _ = one_problem(path)
    assert expected == "cells repeated at most 1,000 times"
    assert "repeated 1" in value


def test_the_reader_never_raises_for_a_file(tmp_path: Path) -> None:
    for content in (b"\xff", b"\xef\xbb\xbf", b'"', b"\r\r\r", b"PK\x03\x04", b"a;b\n" * 3, b"{"):
        for suffix in (".csv", ".xlsx", ".ods", ".gpkg", ".geojson", ".shp", ".txt", ".tsv"):
            path = tmp_path / f"a{suffix}"
            path.write_bytes(content)
            lines, problems, has_errors = reading.check_register(path)
            assert has_errors
            assert len(problems)
            assert lines
