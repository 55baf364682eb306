"""Any table in, the same table with the answers out."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest

import geopandas as gpd
import pyogrio
import shapely

from pipeline.contracts.errors import InputError, OutputError
from pipeline.contracts.provenance import PROJECT, Paths
from pipeline.s2_geocode import files, table
from pipeline.s2_geocode.match import geocode_addresses
from pipeline.s2_geocode.run import geocode_table
from pipeline.s2_geocode.table import ADDED, Done, geocode_file, progress
from tests.s2_geocode.registers import TOY, toy_gazetteer

GAZETTEER = toy_gazetteer()
ADDRESSES = ["Kel. Melati", "Sumber", "Kec. Segara", "Kab. Samudra", "", "Kenanga Lor 3"]
ROWS = [[str(at), address, "x;y"] for at, address in enumerate(ADDRESSES)]
HEADER = ["id", "raw_address", "note"]
ANSWER = geocode_addresses(GAZETTEER, [one or None for one in ADDRESSES])


def write_csv(path: Path, rows: Sequence[Sequence[str]] = ROWS, **how: Any) -> Path:
    buffer = io.StringIO()
    csv.writer(buffer, **how).writerows([HEADER, *rows])
    path.write_bytes(buffer.getvalue().encode("utf-8"))
    return path


def write_xlsx(path: Path, rows: Sequence[Sequence[Any]], header: Sequence[str] = HEADER) -> Path:
    book = openpyxl.Workbook()
    for row in [header, *rows]:
        book.active.append(list(row))
    book.save(path)
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def run(source: Path, target: Path, **more: Any) -> Done:
    return geocode_file(source, target, GAZETTEER, **more)


def test_same_rows_same_columns_and_the_answer_beside(tmp_path: Path) -> None:
    done = run(write_csv(tmp_path / "in.csv"), tmp_path / "out.csv")
    rows = read(tmp_path / "out.csv")
    assert list(rows[0]) == [*HEADER, *ADDED]
    assert [[row[name] for name in HEADER] for row in rows] == ROWS
    assert [row["village_code"] for row in rows] == ANSWER["village_code"].fillna("").tolist()
    assert [row["village"] for row in rows] == ANSWER["village_name"].fillna("").tolist()
    assert [float(row["score"]) for row in rows] == ANSWER["score"].tolist()
    assert done.rows == len(rows) == 6
    assert done.by_precision == {"district": 1, "none": 3, "village": 2}
    assert sum(done.by_precision.values()) == done.rows


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".gpkg", ".parquet"])
@pytest.mark.parametrize(
    "source", [".csv", ".tsv", ".xlsx", ".ods", ".gpkg", ".parquet", ".geojson"]
)
def test_every_kind_in_and_out(tmp_path: Path, source: str, suffix: str) -> None:
    path = tmp_path / f"in{source}"
    frame = pd.DataFrame(ROWS, columns=HEADER).astype({"id": int})
    points = gpd.GeoDataFrame(frame, geometry=shapely.points(range(6), range(6)), crs=4326)
    if source in (".csv", ".tsv"):
        write_csv(path, delimiter="," if source == ".csv" else "\t")
    elif source == ".xlsx":
        write_xlsx(path, [[int(row[0]), row[1] or None, row[2]] for row in ROWS])
    elif source == ".ods":
        write_ods(path)
    elif source == ".parquet":
        frame.to_parquet(path)
    else:
        points.to_file(path)
    target = tmp_path / f"out{suffix}"
    assert run(path, target).rows == 6
    if suffix == ".csv":
        found = pd.DataFrame(read(target))
    elif suffix == ".xlsx":
        found = pd.read_excel(target, dtype=object, engine="openpyxl")
    elif suffix == ".parquet":
        found = pq.read_table(target).to_pandas()
    else:
        found = pyogrio.read_dataframe(target)
    expected = {".gpkg", ".geojson"}
    assert ("geometry" in found) == (source in expected and suffix in {".gpkg", ".parquet"})
    if "geometry" in found:
        read_back = gpd.read_file if suffix == ".gpkg" else gpd.read_parquet
        assert read_back(target).geometry.to_wkt().tolist() == points.geometry.to_wkt().tolist()
        assert read_back(target).crs == points.crs
    assert [name for name in found if name != "geometry"] == [*HEADER, *ADDED]
    assert [str(one) for one in found["id"]] == [row[0] for row in ROWS]
    codes = [None if pd.isna(one) or one == "" else one for one in found["village_code"]]
    assert codes == ANSWER["village_code"].tolist()
    assert [float(one) for one in found["score"]] == ANSWER["score"].tolist()


def write_ods(path: Path) -> None:
    """Write the rows as a minimal OpenDocument sheet."""

    def cell(value: str) -> str:
        if not value:
            return "<table:table-cell/>"
        if value.isdecimal():
            return f'<table:table-cell office:value-type="float" office:value="{value}"/>'
        return (
            '<table:table-cell office:value-type="string">'
            f"<text:p>{value}</text:p></table:table-cell>"
        )

    rows = "".join(
        f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in [HEADER, *ROWS]
    )
    names = "".join(
        f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content{names}><office:body>'
        f'<office:spreadsheet><table:table table:name="a">{rows}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = (
        '<?xml version="1.0"?><manifest:manifest '
        'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", kind)
        archive.writestr("META-INF/manifest.xml", manifest)
        archive.writestr("content.xml", content)


def test_columns_of_kecamatan_and_regency_help(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text(
        "raw_address,kec,kab\nSumber,Pinggir,\nSumber,,Kota Kartala\n", encoding="utf-8"
    )
    run(path, tmp_path / "out.csv", district="kec", regency="kab")
    codes = [row["village_code"] for row in read(tmp_path / "out.csv")]
    assert codes == ["99.02.01.2001", "99.01.02.1002"]
    run(path, tmp_path / "out.csv", regency="kab")
    assert read(tmp_path / "out.csv")[0]["village_code"] == ""


def test_parts_give_what_one_piece_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_csv(tmp_path / "in.csv", ROWS * 5)
    for suffix in (".csv", ".gpkg", ".parquet"):
        monkeypatch.setattr(table, "PART", 20_000)
        run(path, tmp_path / f"whole{suffix}")
        monkeypatch.setattr(table, "PART", 7)
        lines: list[str] = []
        assert run(path, tmp_path / f"parts{suffix}", say=lines.append).rows == 30
        assert len(lines) == 6
        assert lines[-1] == ""
        assert lines[-2].startswith("100% read, 30 rows, ")
        whole, parts = tmp_path / f"whole{suffix}", tmp_path / f"parts{suffix}"
        if suffix == ".csv":
            assert whole.read_bytes() == parts.read_bytes()
        else:
            get = pq.read_table if suffix == ".parquet" else pyogrio.read_dataframe
            assert get(whole).shape == get(parts).shape == (30, 12)


def test_a_column_named_like_an_answer_is_kept_under_another_name(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("raw_address,district,score,score\nSumber,Pinggir,1,2\n", encoding="utf-8")
    done = run(path, tmp_path / "out.csv", district="district")
    with (tmp_path / "out.csv").open(encoding="utf-8") as handle:
        header = next(csv.reader(handle))
    assert header[:4] == ["raw_address", "district_input", "score_input", "score_input"]
    assert read(tmp_path / "out.csv")[0]["district"] == "Pinggir"
    assert done.renamed == {"district": "district_input", "score": "score_input"}
    # What was geocoded before can be geocoded again.
    run(tmp_path / "out.csv", tmp_path / "again.csv")
    run(path, tmp_path / "out.gpkg")
    names = list(pyogrio.read_dataframe(tmp_path / "out.gpkg"))
    assert names[:4] == ["raw_address", "district_input", "score_input", "score_input_2"]


def test_formulas_are_made_harmless_and_numbers_are_left_alone(tmp_path: Path) -> None:
    cells = ['=HYPERLINK("http://x")', "+62 812", "-6.889", "@x", "'=1", "-", "<script>", "+1"]
    path = write_csv(tmp_path / "in.csv", [["1", cell, cell] for cell in cells])
    run(path, tmp_path / "out.csv")
    found = [row["note"] for row in read(tmp_path / "out.csv")]
    assert found == ["'=HYPERLINK(\"http://x\")", "'+62 812", "-6.889", "'@x", "'=1", "'-",
                     "<script>", "+1"]  # fmt: skip
    run(path, tmp_path / "out.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").active
    assert [sheet.cell(row, 3).data_type for row in range(2, 10)] == ["s"] * 8
    assert sheet["C2"].value == cells[0]


# Input that is not as it should be


def test_unknown_columns_are_answered_with_those_there_are(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "in.csv")
    for more in ({"column": "alamat"}, {"district": "alamat"}, {"regency": "alamat"}):
        with pytest.raises(InputError, match="id, raw_address, note"):
            run(path, tmp_path / "out.csv", **more)
    assert not (tmp_path / "out.csv").exists()
    path.write_text("raw_address,raw_address\na,b\n", encoding="utf-8")
    with pytest.raises(InputError, match="2 of that name"):
        run(path, tmp_path / "out.csv")


def test_the_input_is_never_overwritten(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "in.csv")
    before = path.read_bytes()
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    for target in (path, tmp_path / "." / "in.csv", link):
        with pytest.raises(InputError, match="the input itself"):
            run(path, target)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["out.txt", "out", "out.shp", "out.csv.zip"])
def test_an_unknown_output_is_refused_with_those_that_are_known(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"\.csv, \.xlsx, \.gpkg, \.parquet"):
        run(write_csv(tmp_path / "in.csv"), tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("none.csv", None), ("empty.csv", b""), ("blank.csv", b"\n \n"), ("in.pdf", b"%PDF-1.4"),
        ("pdf.csv", b"%PDF-1.4 and so on"), ("zip.csv", b"PK\x03\x04" + bytes(90)),
        ("empty.xlsx", b""), ("text.xlsx", b"id,raw_address\n"), ("cut.xlsx", b"PK\x03\x04abc"),
        ("locked.xlsx", bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600)),
        ("cut.parquet", b"PAR1"), ("cut.gpkg", b"SQLite format 3\0"), ("cut.geojson", b"{"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes | None) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=name):
        run(path, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_a_truncated_workbook_is_named(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "in.xlsx", ROWS)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"in\.xlsx"):
        run(path, tmp_path / "out.csv")


def test_a_zip_bomb_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", bytes(120 * 2**20))
    with pytest.raises(InputError, match="MB when unpacked"):
        run(path, tmp_path / "out.csv")


def test_an_empty_workbook_and_one_with_a_late_header(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only empty sheets"):
        run(write_xlsx(tmp_path / "in.xlsx", [], []), tmp_path / "out.csv")
    book = openpyxl.Workbook()
    sheet = book.create_sheet("second")
    sheet["A3"], sheet["A4"], sheet["B3"], sheet["B4"] = (
        "raw_address",
        "Kel. Melati",
        "day",
        date(2024, 1, 2),
    )
    sheet["A9"] = " "
    book.save(tmp_path / "in.xlsx")
    assert run(tmp_path / "in.xlsx", tmp_path / "out.csv").rows == 1
    assert read(tmp_path / "out.csv")[0]["day"] == "2024-01-02"


@pytest.mark.parametrize(
    "content",
    [
        "id;raw_address\r\n1;Desa Café\r\n".encode("cp1252"),
        "\ufeffid;raw_address\n1;Desa Café\n".encode(),
        "id\traw_address\n1\tDesa Café\n".encode("utf-16"),
        b"id,raw_address\n1,Desa Caf\xe9\n",
        'id|raw_address\n1|"Desa Café"\n'.encode(),
    ],
)
def test_encodings_and_delimiters_are_found(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(content)
    run(path, tmp_path / "out.csv")
    assert read(tmp_path / "out.csv")[0]["raw_address"] == "Desa Café"


def test_two_encodings_in_one_file_are_both_read(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(b"raw_address\n" + "Café\n".encode() + "Café\n".encode("cp1252"))
    run(path, tmp_path / "out.csv")
    assert [row["raw_address"] for row in read(tmp_path / "out.csv")] == ["Café", "Café"]


def test_rows_of_other_lengths(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("id,raw_address\n1\n\n2,Kel. Melati,,\n", encoding="utf-8")
    assert run(path, tmp_path / "out.csv").rows == 2
    path.write_text("id,raw_address\n1,a\n\n2,Kel. Melati, Kec. X\n", encoding="utf-8")
    with pytest.raises(InputError, match="row 4: expected 2 cells, found 3"):
        run(path, tmp_path / "out.csv")
    # One column of addresses may hold commas without quotes.
    path.write_text("raw_address\nKel. Melati, Kota Kartala\n", encoding="utf-8")
    run(path, tmp_path / "out.csv")
    assert read(tmp_path / "out.csv")[0]["village"] == "Melati"


def test_nuls_and_a_megabyte_in_one_cell(tmp_path: Path) -> None:
    long = "Kel. Melati " * 90_000
    path = write_csv(tmp_path / "in.csv", [["1", "Kel.\0Melati", long], ["2", long, "b"]])
    before = csv.field_size_limit()
    assert run(path, tmp_path / "out.csv").rows == 2
    assert csv.field_size_limit() == before
    # Read back beside the csv module, whose own limit is lower.
    assert len((tmp_path / "out.csv").read_bytes()) > 2 * len(long)
    with pytest.raises(InputError, match=r"32,767 characters.*Write csv"):
        run(path, tmp_path / "out.xlsx")
    assert not (tmp_path / "out.xlsx").exists()


def test_more_rows_than_a_sheet_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_SHEET_ROWS", 5)
    with pytest.raises(InputError, match="at most 4 rows"):
        run(write_csv(tmp_path / "in.csv"), tmp_path / "out.xlsx")
    assert list(tmp_path.glob("*out*")) == []


def test_an_output_in_the_way_stays_whole_when_a_run_fails(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("the last good file", encoding="utf-8")
    path = tmp_path / "in.csv"
    path.write_text("raw_address,b\na,b\na,b,c\n", encoding="utf-8")
    with pytest.raises(InputError):
        run(path, target)
    assert target.read_text(encoding="utf-8") == "the last good file"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["in.csv", "out.csv"]
    folder = tmp_path / "file"
    folder.write_text("", encoding="utf-8")
    with pytest.raises(OutputError):
        run(write_csv(path), folder / "out.csv")


def test_a_header_without_rows_gives_a_header(tmp_path: Path) -> None:
    for suffix in (".csv", ".xlsx", ".gpkg", ".parquet"):
        assert run(write_csv(tmp_path / "in.csv", []), tmp_path / f"out{suffix}").rows == 0
        assert (tmp_path / f"out{suffix}").is_file()


# Progress and size


class Stream(io.StringIO):
    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


def test_progress_on_a_terminal_stays_in_one_line_and_in_a_file_is_rare() -> None:
    terminal, file = Stream(True), Stream(False)
    now = iter([0.0, 4.0, 12.0, 12.0])
    for stream in (terminal, file):
        say = progress(stream, lambda: next(now))
        for line in ("1 row", "2 rows", "3 rows", ""):
            say(line)
    assert terminal.getvalue().count("\n") == 1
    assert terminal.getvalue().count("\r") == 4 - 1
    assert file.getvalue() == "1 row\n3 rows\n"


def test_memory_does_not_grow_with_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "PART", 200)

    def peak(rows: int) -> int:
        path = write_csv(
            tmp_path / "in.csv", [[str(at), "Kel. Melati", "n" * 50] for at in range(rows)]
        )
        tracemalloc.start()
        run(path, tmp_path / "out.csv")
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(400)
    assert peak(6_000) < 1.5 * peak(1_000)


def test_an_area_by_name_needs_no_stage(tmp_path: Path) -> None:
    paths = Paths(TOY.parent, PROJECT / "layers", tmp_path / "outputs")
    path = write_csv(tmp_path / "in.csv")
    assert geocode_table(paths, "toy", path, tmp_path / "out.csv").rows == 6
    assert not paths.outputs.exists()
    with pytest.raises(InputError, match="nowhere"):
        geocode_table(paths, "nowhere", path, tmp_path / "out.csv")


def test_the_command_line_geocodes_a_file(tmp_path: Path) -> None:
    write_csv(tmp_path / "in.csv")
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "geocode", str(tmp_path / "in.csv"),
         str(tmp_path / "out.csv"), "--area", "toy", "--areas-folder", str(TOY.parent)],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(read(tmp_path / "out.csv")) == 6


@pytest.mark.parametrize(
    "text", ["=1", "'=1", "''@x", "-6.5", "- x", "'quoted'", "", "\t=1", "x=1"]
)
def test_making_harmless_can_be_taken_back(text: str) -> None:
    assert files.restored(files.neutral(text)) == text
    assert not files.neutral(text).startswith(("=", "@", "\t"))
