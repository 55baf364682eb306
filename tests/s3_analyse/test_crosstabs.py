"""Printed cross tables recomputed: a small table by hand, the published one, invariances."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pipeline.contracts.provenance import PROJECT
from pipeline.contracts.reading import check, empty, read_csv
from pipeline.contracts.tables import TABLES
from pipeline.s3_analyse.crosstabs import recompute

COLUMNS = TABLES["crosstabs"].columns
Key = tuple[str, str, str, str]


def crosstab(*rows: tuple[str, str, float | None, float | None, float | None]) -> pd.DataFrame:
    """Return a table of one variable from category, group, count, share and mean."""
    frame = pd.DataFrame([("t", "v", *row, pd.NA, "s") for row in rows], columns=COLUMNS)
    return frame.astype(empty("crosstabs").dtypes.to_dict())


def results(frame: pd.DataFrame) -> dict[tuple[str, str, str], tuple[float, float, bool]]:
    table = check(recompute(frame), "crosstab_check")
    return {
        (row["category"], row["group"], row["measure"]): (
            row["printed"],
            row["recomputed"],
            bool(row["is_agreeing"]),
        )
        for row in table.to_dict("records")
    }


SMALL = (
    ("a", "x", 1, 25, None),
    ("a", "y", 3, 50, None),
    ("a", "total", 4, 40, None),
    ("b", "x", 3, 75, None),
    ("b", "y", 3, 50, None),
    ("b", "total", 7, 60, None),  # 3 + 3 = 6
    ("Total", "x", 4, 100, None),
    ("Total", "y", 6, 100, None),
    ("Total", "total", 10, 100, None),
    ("mean", "x", None, None, 2.0),
    ("mean", "y", None, None, 3.0),
    ("mean", "total", None, None, 2.5),  # (4 x 2 + 6 x 3) / 10 = 2.6
)


def test_a_small_table_by_hand() -> None:
    found = results(crosstab(*SMALL))
    assert found == {
        ("a", "x", "share_pct"): (25, 25, True),
        ("a", "y", "share_pct"): (50, 50, True),
        ("a", "total", "count"): (4, 4, True),
        ("a", "total", "share_pct"): (40, 40, True),
        ("b", "x", "share_pct"): (75, 75, True),
        ("b", "y", "share_pct"): (50, 50, True),
        ("b", "total", "count"): (7, 6, False),
        ("b", "total", "share_pct"): (60, 60, True),
        ("Total", "x", "count"): (4, 4, True),
        ("Total", "x", "share_pct"): (100, 100, True),
        ("Total", "y", "count"): (6, 6, True),
        ("Total", "y", "share_pct"): (100, 100, True),
        ("Total", "total", "count"): (10, 10, True),
        ("Total", "total", "share_pct"): (100, 100, True),
        ("mean", "total", "mean"): (2.5, 2.6, False),
    }


def test_a_number_agrees_to_the_decimals_it_was_printed_with() -> None:
    thirds = [("a", "x", 1, 33.3, None), ("b", "x", 1, 33.33, None), ("c", "x", 1, 33.4, None)]
    found = results(crosstab(*thirds))
    assert [found[(name, "x", "share_pct")][2] for name in "abc"] == [True, True, False]


def test_shares_that_do_not_sum_to_100_are_found() -> None:
    found = results(crosstab(("a", "x", 1, 60, None), ("b", "x", 1, 60, None)))
    assert {key: value[2] for key, value in found.items()} == {
        ("a", "x", "share_pct"): False,
        ("b", "x", "share_pct"): False,
    }


def test_what_cannot_be_recomputed_is_left_out() -> None:
    rows = [
        ("a", "x", None, 40, None),
        ("mean", "x", None, None, 2),
        ("mean", "total", None, None, 2),
    ]
    assert results(crosstab(*rows)) == {}
    assert recompute(crosstab()).empty


def test_a_mean_without_one_groups_mean_is_not_recomputed() -> None:
    rows = [row for row in SMALL if row[:2] != ("mean", "y")]
    assert ("mean", "total", "mean") not in results(crosstab(*rows))


def test_order_of_rows_and_names_of_groups_do_not_matter() -> None:
    frame = crosstab(*SMALL)
    turned = results(frame.iloc[::-1].reset_index(drop=True))
    assert turned == results(frame)
    renamed = frame.assign(group=frame["group"].replace({"x": "z"}).astype("string"))
    assert sorted(results(renamed).values()) == sorted(results(frame).values())


DISAGREEING = {
    ("tabel1", "Kerek", "mikro", "share_pct"): (45.46, 45.4545),
    ("tabel1", "Palang", "total", "share_pct"): (16.66, 16.6667),
    ("tabel3", "laki-laki", "mikro", "share_pct"): (6.3, 6.8182),
    ("tabel3", "SD", "total", "count"): (30, 29),
    ("tabel3", "SD", "total", "share_pct"): (35.7, 34.5238),
    ("tabel3", "universitas", "total", "count"): (4, 5),
    ("tabel3", "universitas", "total", "share_pct"): (4.8, 5.9524),
    ("tabel3", "tidak pernah", "total", "share_pct"): (17.8, 17.8571),
    ("tabel3", "rata-rata (tahun)", "total", "mean"): (1.87, 1.8386),
    ("tabel4", "rata-rata", "total", "mean"): (17.17, 16.0029),
}


def test_the_published_tables_disagree_in_exactly_ten_numbers() -> None:
    path: Path = PROJECT / "areas" / "tuban" / "tables" / "crosstabs.csv"
    table = check(recompute(read_csv(path, "crosstabs")), "crosstab_check")
    wrong = table[~table["is_agreeing"]]
    found = {
        (row["table_id"], row["category"], row["group"], row["measure"]): (
            row["printed"],
            row["recomputed"],
        )
        for row in wrong.to_dict("records")
    }
    assert len(wrong) == 10
    assert found == {key: pytest.approx(value) for key, value in DISAGREEING.items()}
    assert wrong["variable"].tolist()[-2:] == ["pengalaman organisasi", "kerugian"]
    assert len(table) == 148
    assert wrong["difference"].to_numpy(dtype=float) == pytest.approx(
        [printed - recomputed for printed, recomputed in DISAGREEING.values()], abs=1e-4
    )
