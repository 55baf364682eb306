"""Tables: nothing lost, nothing a spreadsheet would run, the same bytes twice."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import UTC, datetime
from xml.etree import ElementTree

import pandas as pd
import pytest

import geopandas as gpd

from pipeline.s5_render.tables import csv_bytes, flat, workbook

FRAME = pd.DataFrame(
    {
        "cluster_name": pd.Series(["=HYPERLINK(1)", "+a", "-b", "@c", "Médono"], dtype="string"),
        "firms_count": pd.Series([1, None, 3, 4, -5], dtype="Int64"),
        "workers_per_firm": pd.Series([1.5, None, 2.25, 1 / 3, 0], dtype="Float64"),
    }
)


def test_formula_cells_are_neutralised_and_numbers_are_not() -> None:
    table = flat(FRAME)
    assert table["cluster_name"].tolist() == ["'=HYPERLINK(1)", "'+a", "'-b", "'@c", "Médono"]
    assert table["firms_count"].tolist()[-1] == -5


def test_csv_reads_back_with_missing_cells_empty() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_bytes(FRAME).decode("utf-8-sig"))))
    assert [row["firms_count"] for row in rows] == ["1", "", "3", "4", "-5"]
    assert rows[4]["cluster_name"] == "Médono"


def test_points_become_longitude_and_latitude() -> None:
    points = gpd.GeoDataFrame(
        {"cluster_name": ["a"]}, geometry=gpd.points_from_xy([109.5], [-6.9]), crs="EPSG:4326"
    )
    table = flat(points)
    assert table.loc[0, ["longitude_deg", "latitude_deg"]].tolist() == [109.5, -6.9]


@pytest.mark.parametrize("moment", [None, datetime(2024, 1, 1, tzinfo=UTC)])
def test_workbook_has_every_sheet_plain_text_and_stable_bytes(moment: datetime | None) -> None:
    first = workbook({"cluster": FRAME}, {"": "title"}, "id", moment)
    assert first == workbook({"cluster": FRAME}, {"": "title"}, "id", moment)
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
        names = [node.get("name") for node in book.iter() if node.tag.endswith("}sheet")]
        sheet = archive.read("xl/worksheets/sheet2.xml").decode()
    assert names == ["about", "cluster", "columns"]
    assert "<f>" not in sheet
