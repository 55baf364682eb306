from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import geopandas as gpd
from shapely import Point

from pipeline.contracts.columns import COLUMNS
from pipeline.contracts.errors import InputError
from pipeline.contracts.reading import check, empty, read_csv, schema
from pipeline.contracts.tables import AREA_TABLES, TABLES

HEADER = (
    "cluster_id,cluster_name,place_name,district_name,regency_name,technique,"
    "firms_count,workers_count,year,note,source_ids"
)
GOOD = "melati,Melati,Melati,Barat,Kota,cap,10,40,2020,,study"


def write(tmp_path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "clusters.csv"
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


def faults(path: Path, name: str = "clusters") -> list[str]:
    with pytest.raises(InputError) as caught:
        read_csv(path, name, "clusters.csv")
    return [str(fault) for fault in caught.value.faults]


def test_good_file_is_typed(tmp_path: Path) -> None:
    frame = read_csv(write(tmp_path, HEADER, GOOD), "clusters")
    assert frame["firms_count"].tolist() == [10]
    assert frame.dtypes.astype(str).to_dict() == {
        rule.column: {"text": "string", "whole": "Int64"}[COLUMNS[rule.column].kind]
        for rule in TABLES["clusters"].rules
    }
    assert pd.isna(frame["note"].iloc[0])


def test_reals_and_flags(tmp_path: Path) -> None:
    path = tmp_path / "actors.csv"
    header = "list_order,actor,level,leading_in,is_score_published,note,source_ids"
    path.write_text(
        f"{header}\n1,Office,city,degree,true,,study\n,Other,city,degree,false,,study\n"
    )
    frame = read_csv(path, "network_actors")
    assert frame["is_score_published"].tolist() == [True, False]
    assert frame["list_order"].isna().tolist() == [False, True]


def test_byte_order_mark_and_crlf_are_read(tmp_path: Path) -> None:
    path = tmp_path / "clusters.csv"
    path.write_bytes(f"\ufeff{HEADER}\r\n{GOOD}\r\n".encode())
    assert read_csv(path, "clusters")["cluster_id"].tolist() == ["melati"]


def test_spaces_around_a_cell_are_not_content(tmp_path: Path) -> None:
    frame = read_csv(write(tmp_path, HEADER, GOOD.replace(",10,", ", 10 ,")), "clusters")
    assert frame["firms_count"].tolist() == [10]


def test_columns_may_come_in_any_order(tmp_path: Path) -> None:
    names = HEADER.split(",")[::-1]
    frame = read_csv(write(tmp_path, ",".join(names), ",".join(GOOD.split(",")[::-1])), "clusters")
    assert list(frame.columns) == HEADER.split(",")


def test_header_alone_is_an_empty_table(tmp_path: Path) -> None:
    frame = read_csv(write(tmp_path, HEADER), "clusters")
    pd.testing.assert_frame_equal(frame, empty("clusters"), check_index_type=False)


@pytest.mark.parametrize("number", ["1.468", "1,468"])
def test_thousands_separator_gets_its_hint(tmp_path: Path, number: str) -> None:
    path = write(tmp_path, HEADER, GOOD.replace(",40,", f',"{number}",'))
    assert faults(path) == [
        "clusters.csv, row 2, column workers_count: expected a whole number in plain digits, such "
        f"as 1468, not below 0 or nothing, found '{number}'. If a thousand is meant, write 1468; "
        "committed tables hold plain digits"
    ]


@pytest.mark.parametrize("number", ["-5", "12.5", "1e3", "forty", "40 orang", "0x10", "٤٠"])
def test_counts_that_are_no_counts(tmp_path: Path, number: str) -> None:
    path = write(tmp_path, HEADER, GOOD.replace(",40,", f",{number},"))
    assert faults(path) == [
        "clusters.csv, row 2, column workers_count: expected a whole number in plain digits, such "
        f"as 1468, not below 0 or nothing, found '{number}'"
    ]


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("area_km2", "1,5"),
        ("area_km2", "wide"),
        ("area_km2", "nan"),
        ("area_km2", "inf"),
        ("area_km2", "-1"),
        ("longitude_deg", "10.2"),
        ("latitude_deg", "-12"),
        ("village_code", "99.01.01.101"),
        ("village_code", "9901011001"),
    ],
)
def test_cells_of_the_gazetteer(tmp_path: Path, cell: str, found: str) -> None:
    row = {
        "village_code": "99.01.01.1001",
        "village_name": "Melati",
        "district_name": "Barat",
        "regency_name": "Kota",
        "longitude_deg": "110.2",
        "latitude_deg": "-7.2",
        "area_km2": "1.5",
    } | {cell: found}
    text = ",".join(f'"{value}"' for value in row.values())
    path = write(tmp_path, ",".join(row), text)
    (message,) = faults(path, "gazetteer")
    assert message.startswith(f"clusters.csv, row 2, column {cell}: expected ")
    assert f"found {found!r}" in message
    assert ("Write the decimal with a point" in message) == (found == "1,5")


def test_choice_and_flag_and_required(tmp_path: Path) -> None:
    path = tmp_path / "places.csv"
    names = TABLES["places"].columns
    row = dict.fromkeys(names, "") | {"place_id": "P 1", "activity": "sewing", "source_ids": ""}
    path.write_text(",".join(names) + "\n" + ",".join(row.values()))
    messages = faults(path, "places")
    assert [message.partition(": ")[0] for message in messages] == [
        "clusters.csv, row 2, column place_id",
        "clusters.csv, row 2, column activity",
        "clusters.csv, row 2, column source_ids",
    ]
    assert "expected one of batik, konveksi, canting" in messages[1]
    assert messages[2].endswith("expected text, found an empty cell")
    actors = tmp_path / "actors.csv"
    actors.write_text(
        "list_order,actor,level,leading_in,is_score_published,note,source_ids\n1,A,b,c,yes,,s"
    )
    assert faults(actors, "network_actors") == [
        "clusters.csv, row 2, column is_score_published: expected true or false, found 'yes'"
    ]


def test_all_faults_of_a_file_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        HEADER,
        GOOD,
        GOOD.replace(",10,", ",ten,").replace("2020", "1492"),
        GOOD.replace("melati,", ",", 1),
        GOOD.replace(",cap,", ",tulis, cap,"),
    )
    assert [message.partition(": expected")[0] for message in faults(path)] == [
        "clusters.csv, row 5",
        "clusters.csv, row 3, column firms_count",
        "clusters.csv, row 3, column year",
        "clusters.csv, row 4, column cluster_id",
        "clusters.csv, row 3, column cluster_id",
    ]
    with pytest.raises(InputError, match=r"^5 faults:\n  - clusters.csv, row 5: expected 11 cells"):
        read_csv(path, "clusters", "clusters.csv")


def test_row_numbers_are_those_of_the_spreadsheet_after_a_broken_row(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, "too,short", GOOD, GOOD)
    assert faults(path)[1] == (
        "clusters.csv, row 4, column cluster_id: expected each cluster_id once, "
        "found melati again (first in row 3)"
    )


def test_header_faults(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER.replace("year", "tahun") + ",note", GOOD + ",x")
    messages = faults(path)
    assert len(messages) == 3
    assert messages[0].startswith("clusters.csv, row 1: expected a column 'year', found columns ")
    assert messages[1].endswith("found unknown column 'tahun'")
    assert messages[2].endswith("expected each column once, found 'note' 2 times")


def test_unreadable_files(tmp_path: Path) -> None:
    assert faults(tmp_path / "no.csv") == [
        "clusters.csv: expected the table clusters, found no such file"
    ]
    assert faults(write(tmp_path, HEADER, GOOD.replace("Kota", "Köta"), encoding="latin-1")) == [
        "clusters.csv: expected UTF-8 text, found other bytes. Save it as 'CSV UTF-8'"
    ]
    path = tmp_path / "empty.csv"
    path.write_text("")
    assert faults(path) == [
        f"clusters.csv: expected columns {HEADER.replace(',', ', ')}, found an empty file"
    ]
    (message,) = faults(write(tmp_path, HEADER, 'melati,"open'))
    assert message.startswith("clusters.csv: expected comma-separated values, found ")


def test_a_key_of_several_columns_may_hold_missing_values(tmp_path: Path) -> None:
    path = tmp_path / "aliases.csv"
    path.write_text(
        "alias,level,code,note,source\nBatang,outside,,,x\nBatang,village,99.01.01.1001,,x\n"
        "Batang,outside,,again,x\n"
    )
    assert faults(path, "aliases") == [
        "clusters.csv, row 4, column alias: expected each alias + level + code once, "
        "found Batang + outside + <NA> again (first in row 2)"
    ]


# Frames between stages


def frame() -> pd.DataFrame:
    rows = [[GOOD.split(",")[0], *GOOD.split(",")[1:]], ["other", *GOOD.split(",")[1:]]]
    table = pd.DataFrame(rows, columns=HEADER.split(",")).replace("", pd.NA)
    return table.astype(empty("clusters").dtypes.to_dict())


def test_check_returns_declared_order() -> None:
    shuffled = frame()[sorted(frame().columns)]
    assert list(check(shuffled, "clusters").columns) == TABLES["clusters"].columns


def test_check_lists_both_differences() -> None:
    with pytest.raises(InputError, match=r"found missing: year; unknown: tahun$"):
        check(frame().rename(columns={"year": "tahun"}), "clusters")


def test_check_reports_every_fault_with_its_position() -> None:
    bad = frame()
    bad["firms_count"] = pd.Series([-1, 3], dtype="Int64")
    bad["cluster_name"] = pd.Series([pd.NA, "B"], dtype="string")
    bad["cluster_id"] = pd.Series(["same", "same"], dtype="string")
    bad.index = [7, 8]
    with pytest.raises(InputError) as caught:
        check(bad, "clusters", "the table")
    assert sorted(str(fault).partition(": expected")[0] for fault in caught.value.faults) == [
        "the table, row 1, column cluster_name",
        "the table, row 1, column firms_count",
        "the table, row 2, column cluster_id",
    ]


def test_check_refuses_wrong_types() -> None:
    bad = frame()
    bad["firms_count"] = bad["firms_count"].astype("string")
    with pytest.raises(InputError, match="column firms_count: expected a whole number"):
        check(bad, "clusters")


def test_check_wants_geometries() -> None:
    table = gpd.GeoDataFrame(
        {name: pd.Series([], dtype="string") for name in TABLES["village"].columns[:-1]},
        geometry=gpd.GeoSeries([], crs="EPSG:4326"),
    ).astype({"area_km2": "Float64"})
    assert check(table, "village").empty
    with pytest.raises(InputError, match="missing: geometry"):
        check(pd.DataFrame(table.drop(columns="geometry")), "village")


def test_check_keeps_a_geodataframe() -> None:
    row = (
        frame()
        .iloc[:1]
        .assign(
            status="published",
            village_code="99.01.01.1001",
            village_name="Melati",
            district_code="99.01.01",
            regency_code="99.01",
            precision="village",
            method="exact",
            score=0.9,
            evidence="name",
            candidates="x",
        )
    )
    kinds = {
        name: "string" for name in row.columns if row[name].dtype == object or name == "status"
    }
    placed = gpd.GeoDataFrame(
        row.astype(kinds | {"score": "Float64"}).convert_dtypes(),
        geometry=[Point(110, -7)],
        crs=4326,
    )
    checked = check(placed, "cluster")
    assert isinstance(checked, gpd.GeoDataFrame)
    assert checked.crs.to_epsg() == 4326


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_empty_table_fits_its_schema(name: str) -> None:
    if "geometry" not in TABLES[name].columns:
        assert check(empty(name), name).empty
    assert list(schema(name).columns) == TABLES[name].columns


def test_every_table_of_an_area_is_known() -> None:
    assert set(AREA_TABLES) <= set(TABLES)
    assert all(set(table.key) <= set(table.columns) for table in TABLES.values())
