"""Sums of the invented area, worked out by hand, and what must hold of any sums."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts.provenance import Paths, read_manifest, read_table
from pipeline.s3_analyse.aggregate import comparison, join_ids, total, totals

Release = tuple[Paths, str]
NONE = None


def column(release: Release, unit: str, name: str) -> dict[str, object]:
    table = read_table(*release, "analyse", f"{unit}_total")
    values = table.set_index(f"{unit}_code")[name]
    return {code: None if pd.isna(value) else value for code, value in values.items()}


def only(release: Release, unit: str, name: str) -> dict[str, object]:
    """Values that are not missing."""
    return {k: v for k, v in column(release, unit, name).items() if v is not None}


def test_villages_by_hand(toy_release: Release) -> None:
    firms = {
        "99.01.01.1001": 10,  # Melati
        "99.01.01.1002": 10,  # Kenanga: 4 + 6, two clusters
        "99.01.02.1002": 5,  # Sumber of Kartala Timur
        "99.01.02.1003": 25,  # Dahlia
        "99.02.01.2001": 12,  # Sumber of Pinggir
        "99.02.01.2002": 8,  # Pandan
    }
    workers = {
        "99.01.01.1001": 40,
        "99.01.01.1002": 50,  # 24 + 26
        "99.01.02.1002": 25,
        "99.01.02.1003": 135,
        "99.02.01.2001": 30,  # Pandan's workers were not published
    }
    assert only(toy_release, "village", "firms_count") == firms
    assert only(toy_release, "village", "workers_count") == workers
    assert only(toy_release, "village", "workers_per_firm") == pytest.approx(
        {
            "99.01.01.1001": 4.0,
            "99.01.01.1002": 5.0,
            "99.01.02.1002": 5.0,
            "99.01.02.1003": 5.4,
            "99.02.01.2001": 2.5,
        }
    )
    # City: 50 firms; regency: 12 + 8 + 30 (known only to the kecamatan) = 50.
    assert only(toy_release, "village", "firms_share_pct") == pytest.approx(
        {code: 2.0 * count for code, count in firms.items()}
    )
    # City: 250 workers; the regency's total is unknown, so it has no shares.
    assert only(toy_release, "village", "workers_share_pct") == pytest.approx(
        {
            "99.01.01.1001": 16.0,
            "99.01.01.1002": 20.0,
            "99.01.02.1002": 10.0,
            "99.01.02.1003": 54.0,
        }
    )
    assert only(toy_release, "village", "firms_per_km2") == pytest.approx(
        {
            "99.01.01.1001": 10.0,
            "99.01.01.1002": 10.0,
            "99.01.02.1002": 5.0,
            "99.01.02.1003": 12.5,
            "99.02.01.2001": 6.0,
            "99.02.01.2002": 4.0,
        }
    )


def test_missing_is_not_zero(toy_release: Release) -> None:
    clusters = column(toy_release, "village", "clusters_count")
    firms = column(toy_release, "village", "firms_count")
    assert len(firms) == 12
    assert [code for code, count in clusters.items() if count == 0] == [
        code for code, count in firms.items() if count is None
    ]
    assert 0 not in firms.values()
    # A cluster stands there, but its workers were not published.
    assert clusters["99.02.01.2002"] == 1
    assert column(toy_release, "village", "workers_count")["99.02.01.2002"] is None


def test_districts_by_hand(toy_release: Release) -> None:
    assert column(toy_release, "district", "clusters_count") == {
        "99.01.01": 3,
        "99.01.02": 2,
        "99.02.01": 2,
        "99.02.02": 1,
    }
    assert column(toy_release, "district", "firms_count") == {
        "99.01.01": 20,
        "99.01.02": 30,
        "99.02.01": 20,
        "99.02.02": 30,
    }
    assert column(toy_release, "district", "workers_count") == {
        "99.01.01": 90,
        "99.01.02": 160,
        "99.02.01": None,
        "99.02.02": 90,
    }
    assert column(toy_release, "district", "firms_share_pct") == {
        "99.01.01": 40.0,
        "99.01.02": 60.0,
        "99.02.01": 40.0,
        "99.02.02": 60.0,
    }
    assert only(toy_release, "district", "workers_share_pct") == {
        "99.01.01": 36.0,
        "99.01.02": 64.0,
    }
    assert only(toy_release, "district", "workers_per_km2") == {
        "99.01.01": 22.5,
        "99.01.02": 40.0,
        "99.02.02": 22.5,
    }


def test_regencies_by_hand(toy_release: Release) -> None:
    assert column(toy_release, "regency", "firms_count") == {"99.01": 50, "99.02": 50}
    assert column(toy_release, "regency", "workers_count") == {"99.01": 250, "99.02": None}
    assert column(toy_release, "regency", "firms_per_km2") == {"99.01": 6.25, "99.02": 5.0}
    assert column(toy_release, "regency", "workers_per_firm") == {"99.01": 5.0, "99.02": None}
    assert column(toy_release, "regency", "period") == {
        "99.01": "2020–2021",
        "99.02": "2019–2020",
    }
    assert column(toy_release, "regency", "source_ids") == {
        "99.01": "toy_study; toy_register",
        "99.02": "toy_study; toy_register",
    }


def test_shares_sum_to_100_where_complete(toy_release: Release) -> None:
    for unit in ("village", "district", "regency"):
        shares = pd.Series(only(toy_release, unit, "firms_share_pct"))
        sums = shares.groupby(shares.index.str[:5]).sum().to_dict()
        # 30 firms of the regency are known only to their kecamatan.
        assert sums == pytest.approx({"99.01": 100, "99.02": 40 if unit == "village" else 100})


def test_rows_not_placed_are_counted_with_their_reason(toy_release: Release) -> None:
    rows = read_manifest(*toy_release, "analyse")["rows"]
    assert rows["village_total"] == {
        "in": 8,
        "out": 7,
        "dropped": {"known only to a unit larger than the village": 1},
    }
    assert rows["district_total"] == {"in": 8, "out": 8, "dropped": {}}


def test_city_and_regency_side_by_side(toy_release: Release) -> None:
    table = read_table(*toy_release, "analyse", "comparison")
    found = [
        (row.place_name, row.metric, row.value, row.period, row.status)
        for row in table.itertuples()
    ]
    city, regency = "Kota Kartala", "Kabupaten Kartala"
    assert found == [
        (regency, "batik firms", 60.0, "2019", "published"),
        (regency, "firms in published clusters", 50.0, "2019–2020", "computed"),
        (city, "batik firms", 52.0, "2020", "published"),
        (city, "batik workers", 260.0, "2020", "published"),
        (city, "batik workers (men)", 195.0, "2020", "published"),
        (city, "firms in published clusters", 50.0, "2020–2021", "computed"),
        (city, "workers in published clusters", 250.0, "2020–2021", "computed"),
    ]


# Any sums

units_and_clusters = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.one_of(st.none(), st.integers(0, 50)),
        st.one_of(st.none(), st.integers(0, 500)),
        st.booleans(),
    ),
    min_size=1,
    max_size=15,
)


def tables(
    drawn: list[tuple[int, int | None, int | None, bool]],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    codes = [f"99.0{1 + i // 3}.01.100{i}" for i in range(6)]
    units = pd.DataFrame({"village_code": codes, "area_km2": [1.0, 2, 3, 4, 5, 6]})
    clusters = pd.DataFrame(
        {
            "village_code": pd.Series(
                [codes[i] if ok else None for i, _, _, ok in drawn], dtype="string"
            ),
            "regency_code": pd.Series([codes[i][:5] for i, *_ in drawn], dtype="string"),
            "firms_count": pd.Series([firms for _, firms, _, _ in drawn], dtype="Int64"),
            "workers_count": pd.Series([workers for _, _, workers, _ in drawn], dtype="Int64"),
            "year": pd.Series([2020] * len(drawn), dtype="Int64"),
            "source_ids": "study",
        }
    )
    return units, clusters


@settings(max_examples=10)
@given(units_and_clusters, st.randoms(use_true_random=False))
def test_sums_do_not_depend_on_order_or_names(drawn: list, random: object) -> None:
    units, clusters = tables(drawn)
    before = totals(units, clusters, "village_code").set_index("village_code")
    order = list(range(len(clusters)))
    random.shuffle(order)  # type: ignore[attr-defined]
    after = totals(units.iloc[::-1], clusters.iloc[order], "village_code")
    pd.testing.assert_frame_equal(
        after.set_index("village_code").loc[before.index], before, check_exact=False
    )
    relabel = {code: code[:6] + "99" + code[8:] for code in units["village_code"]}
    renamed = totals(
        units.replace({"village_code": relabel}),
        clusters.replace({"village_code": relabel}),
        "village_code",
    )
    numbers = [name for name in before.columns if name != "status"]
    pd.testing.assert_frame_equal(
        renamed[numbers].reset_index(drop=True), before[numbers].reset_index(drop=True)
    )


@settings(max_examples=10)
@given(units_and_clusters)
def test_every_firm_is_in_one_unit_or_in_none(drawn: list) -> None:
    units, clusters = tables(drawn)
    table = totals(units, clusters, "village_code")
    assert int(table["clusters_count"].sum()) == int(clusters["village_code"].notna().sum())
    for row in table.itertuples():
        part = clusters[clusters["village_code"] == row.village_code]["firms_count"]
        known = len(part) > 0 and part.notna().all()
        assert pd.isna(row.firms_count) == (not known)
        if known:
            assert row.firms_count == int(np.sum(part.to_numpy(dtype=int)))
    complete = clusters["firms_count"].notna().all() and clusters["village_code"].notna().all()
    if complete:
        shares = table["firms_share_pct"].groupby(table["village_code"].str[:5]).sum(min_count=1)
        assert np.allclose(shares.dropna().to_numpy(dtype=float), 100)


def test_no_firms_make_no_ratio() -> None:
    units, clusters = tables([(0, 0, 0, True)])
    row = totals(units, clusters, "village_code").iloc[0]
    assert row["firms_count"] == 0
    assert row["firms_per_km2"] == 0
    assert row[["workers_per_firm", "firms_share_pct", "workers_share_pct"]].isna().all()


def test_without_clusters_everything_is_missing() -> None:
    units, clusters = tables([(0, 1, 1, True)])
    table = totals(units, clusters.iloc[:0], "village_code")
    assert table["clusters_count"].eq(0).all()
    assert table["firms_count"].isna().all()
    assert table["source_ids"].isna().all()
    facts = pd.DataFrame(columns=["topic", "place_name", "metric", "category", "value", "unit",
                                  "period", "note", "source_ids"])  # fmt: skip
    regencies = pd.DataFrame({"regency_code": ["99.01"], "regency_name": ["Kota"]})
    assert comparison(facts, clusters.iloc[:0], regencies).empty


def test_small_parts() -> None:
    assert pd.isna(total(pd.Series([], dtype="Int64")))
    assert total(pd.Series([0], dtype="Int64")) == 0
    assert join_ids(["b; a", None, " a;c "]) == "b; a; c"
    assert pd.isna(join_ids([None]))
