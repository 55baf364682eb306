"""Autocorrelation: by hand, against slow loops, what must not change it, and its error rate."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product
from math import comb
from typing import Any

import numpy as np
import pandas as pd
import pytest

import geopandas as gpd
import shapely

from pipeline.contracts.area import Policy
from pipeline.contracts.errors import InputError
from pipeline.contracts.reading import check
from pipeline.s3_analyse.autocorrelation import (
    Autocorrelation,
    _drawn,
    _occupied,
    _occupied_drawn,
    _overall,
    _subsets,
    autocorrelation,
    hexagons,
    share_statistics,
    village_units,
)
from pipeline.s3_analyse.specialisation import read_kinds
from pipeline.stats import autocorrelation as lattice
from pipeline.stats import weights

CRS = "EPSG:32749"
WEST, SOUTH = 350_000.0, 9_230_000.0
FAST = Policy(permutations_global=99)


def grid(rows: int, columns: int, side: float = 800.0) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    """Villages of a chessboard in two regencies (west, east), and who shares a border."""
    cells = list(product(range(rows), range(columns)))
    code = {
        (i, j): f"11.0{1 + (j >= columns // 2)}.{1 + i // 3:02d}.{2000 + i * columns + j}"
        for i, j in cells
    }
    boxes = [
        shapely.box(
            WEST + j * side, SOUTH + i * side, WEST + (j + 1) * side, SOUTH + (i + 1) * side
        )
        for i, j in cells
    ]
    villages = gpd.GeoDataFrame(
        {
            "village_code": [code[cell] for cell in cells],
            "village_name": [f"V{i}{j}" for i, j in cells],
            "area_km2": side**2 / 1e6,
            "boundary_kind": "published",
        },
        geometry=boxes,
        crs=CRS,
    ).to_crs(4326)
    pairs = [
        (code[a], code[b])
        for a, b in combinations(cells, 2)
        if abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1
    ]
    neighbours = pd.DataFrame(pairs, columns=["village_code_a", "village_code_b"])
    return villages, neighbours.assign(shared_border_m=side)


def register(
    villages: gpd.GeoDataFrame, size: Any, kinds: list[str], rng: np.random.Generator
) -> gpd.GeoDataFrame:
    """Firms: `size` in each village, specialisations in the order given, all with coordinates."""
    where = np.repeat(np.arange(len(villages)), size)
    centre = villages.geometry.to_crs(CRS).centroid.iloc[where]
    shift = rng.uniform(-300, 300, (2, where.size))
    return gpd.GeoDataFrame(
        {
            "firm_id": [f"F{i:04d}" for i in range(where.size)],
            "specialisation": pd.array(kinds, dtype="string"),
            "village_code": villages["village_code"].to_numpy()[where],
            "workers_count": pd.array(rng.integers(1, 30, where.size), dtype="Int64"),
            "production_pieces_year": pd.array(rng.gamma(2, 100, where.size), dtype="Float64"),
            "precision": "gps",
            "status": "register",
        },
        geometry=gpd.points_from_xy(centre.x + shift[0], centre.y + shift[1]),
        crs=CRS,
    ).to_crs(4326)


def run(
    firms: gpd.GeoDataFrame,
    villages: gpd.GeoDataFrame,
    neighbours: pd.DataFrame,
    seed: int = 1,
    policy: Policy = FAST,
    **options: Any,
) -> Autocorrelation:
    options = {"local_permutations": 999, "variants": False} | options
    found = autocorrelation(
        firms, villages, neighbours, CRS, policy, np.random.default_rng(seed), **options
    )
    check(found.overall, "autocorrelation_global")
    check(found.local, "autocorrelation_local")
    return found


@pytest.fixture(scope="module")
def board() -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame, pd.DataFrame]:
    """A board of 6 x 6 villages with 2 to 12 firms; printing only in the south-west corner."""
    rng = np.random.default_rng(5)
    villages, neighbours = grid(6, 6)
    size = rng.integers(2, 13, 36)
    corner = np.isin(np.repeat(np.arange(36), size), [0, 1, 2, 6, 7, 8, 12, 13, 14])
    draw = rng.random(size.sum())
    kinds = np.where(
        corner & (draw < 0.6), "printing", np.where(draw < 0.8, "konveksi", "pembatikan_cap")
    )
    return register(villages, size, kinds.tolist(), rng), villages, neighbours


# Global


def test_share_statistics_by_hand() -> None:
    """Four villages in a row with 2, 2, 0, 0 of 2 firms: shares 1, 1, 0, 0."""
    path = weights.from_pairs(4, [0, 1, 2], [1, 2, 3], both_ways=True)
    found = share_statistics(np.array([[2, 2, 0, 0]]), np.full(4, 2), path)
    # z = 1, 1, -1, -1 up to scale. Row-standardised: lags 1, 0, 0, -1 (of z), S0 = 4.
    assert found["moran"][0] == pytest.approx(4 / 4 * (1 + 0 + 0 + 1) / 4)
    # The links 2-3 and 3-2 weigh 1/2 each and differ by 2.
    assert found["geary"][0] == pytest.approx(3 / (2 * 4) * (0.5 * 4 + 0.5 * 4) / 4)
    # Products of shares: link 1-2 both ways; over all pairs of different villages also 2.
    assert found["getis_ord_g"][0] == pytest.approx(2 / 2)
    assert found["join_count"][0] == 1


def test_share_statistics_equal_those_of_the_statistics_core() -> None:
    rng = np.random.default_rng(2)
    size = rng.integers(1, 40, 30)
    w = weights.knn(rng.random((30, 2)), 4)
    count = rng.multivariate_hypergeometric(size, 90, 20, method="marginals")
    found = share_statistics(count, size, w)
    for row, one in enumerate(count):
        z = lattice.empirical_bayes(one, size).standardised
        rows = w.row_standardised()
        assert found["moran"][row] == pytest.approx(lattice.moran(z, rows, 0).statistic)
        assert found["geary"][row] == pytest.approx(lattice.geary(z, rows, 0).statistic)
        g = lattice.getis_ord_g(one / size, w, 0).statistic
        assert found["getis_ord_g"][row] == pytest.approx(g)
        joins = lattice.join_counts(one > 0, w).counts[True, True] if (one == 0).any() else None
        assert joins is None or found["join_count"][row] == pytest.approx(joins)


def test_draws_of_counts_are_firms_with_permuted_labels() -> None:
    """Mean and variance of a village's count agree with shuffles of firms, one by one."""
    rng = np.random.default_rng(3)
    size = np.array([5, 9, 2, 14])
    village = np.repeat(np.arange(4), size)
    labels = np.arange(30) < 11
    shuffled = np.array([np.bincount(village, rng.permutation(labels), 4) for _ in range(4000)])
    drawn = rng.multivariate_hypergeometric(size, 11, 4000, method="marginals")
    assert np.abs(shuffled.mean(axis=0) - drawn.mean(axis=0)).max() < 0.15
    assert np.cov(drawn.T) == pytest.approx(np.cov(shuffled.T), abs=0.25)


def test_the_planted_corner_is_found_and_the_rest_is_not(board: Any) -> None:
    found = run(*board, policy=Policy(permutations_global=999)).overall
    moran = found[(found["statistic"] == "moran") & (found["quantity"] == "share")]
    by_kind = moran.set_index("specialisation")
    assert by_kind.loc["printing", "q"] < 0.01
    assert by_kind.loc["printing", "statistic_value"] > by_kind.loc["printing", "expected_value"]
    assert (by_kind.loc["printing", "tested_units_count"], len(by_kind)) == (36, 4)
    assert by_kind.loc["pembatikan_cap", "parent"] == "pembatikan"
    workers = found[(found["quantity"] == "workers_per_firm") & (found["statistic"] == "moran")]
    assert workers["p"].item() > 0.05


def test_order_of_rows_names_of_firms_and_other_seeds(board: Any) -> None:
    firms, villages, neighbours = board
    first = run(*board)
    turned = run(firms.iloc[::-1], villages, neighbours.iloc[::-1])
    for one, other in zip(first, turned, strict=True):
        pd.testing.assert_frame_equal(one, other)
    again = run(*board, seed=2).overall
    pd.testing.assert_series_equal(again["statistic_value"], first.overall["statistic_value"])
    assert (again["p"] != first.overall["p"]).any()


def test_families_are_one_statistic_over_the_specialisations(board: Any) -> None:
    found = run(*board).overall
    share = found[(found["quantity"] == "share") & (found["statistic"] == "geary")]
    assert share["family"].unique().tolist() == [
        "geary, share of all specialisations, village, all, contiguity"
    ]
    assert share["family_count"].tolist() == [4] * 4
    p = share["p"].to_numpy(float)
    slow = [min(1.0, min(4 * x / (p <= x).sum() for x in p if x >= one)) for one in p]
    assert share["q"].to_numpy(float) == pytest.approx(slow)


def test_variants_say_what_they_are(board: Any) -> None:
    found = run(*board, variants=True).overall
    assert found.loc[found["is_main"], "level"].unique().tolist() == ["village"]
    settings = found[["level", "area_part", "spatial_weights"]].drop_duplicates()
    assert settings.apply(" / ".join, axis=1).tolist() == [
        "village / all / contiguity",
        *(f"village / all / {name}" for name in ("knn_4", "knn_6", "knn_8")),
        *(f"village / all / distance_{km}km" for km in (1, 2, 3)),
        "village / without 11.01 / contiguity",
        "village / without 11.02 / contiguity",
        "district / all / contiguity",
        "district / all / knn_4",
        "hexagon_500m / all / contiguity",
        "hexagon_1km / all / contiguity",
    ]
    districts = found[found["level"] == "district"]
    assert districts["refusal"].unique().tolist() == ["too few units"]
    half = found[found["area_part"] == "without 11.01"]
    assert set(half["tested_units_count"]) == {18}


# Local


def cell(found: Autocorrelation, statistic: str, kind: str) -> pd.DataFrame:
    table = found.local
    chosen = table[(table["statistic"] == statistic) & (table["specialisation"] == kind)]
    return chosen.set_index("village_name")


def test_local_share_tests_equal_the_hypergeometric_law_summed_slowly(board: Any) -> None:
    firms, villages, neighbours = board
    found = run(*board)
    moran, star = (cell(found, one, "printing") for one in ("local_moran", "gi_star"))
    size = firms["village_code"].value_counts().to_dict()
    printing = firms[firms["specialisation"] == "printing"]["village_code"].value_counts().to_dict()
    whole, held = len(firms), sum(printing.values())

    def two_sided(seen: int, population: int, marked: int, drawn: int) -> float:
        law = [
            comb(marked, x) * comb(population - marked, drawn - x) / comb(population, drawn)
            for x in range(drawn + 1)
        ]
        return min(1.0, 2 * min(sum(law[seen:]), sum(law[: seen + 1])))

    pairs = set(neighbours[["village_code_a", "village_code_b"]].itertuples(index=False, name=None))
    for code, name in villages[["village_code", "village_name"]].itertuples(index=False):
        beside = [b for b in size if (code, b) in pairs or (b, code) in pairs]
        n, c = sum(size[b] for b in beside), sum(printing.get(b, 0) for b in beside)
        own_n, own = size[code], printing.get(code, 0)
        assert moran.loc[name, "neighbours_count"] == len(beside)
        if moran.loc[name, "is_refused"]:
            assert own_n < FAST.min_firms_unit
        else:
            slow = two_sided(c, whole - own_n, held - own, n)
            assert moran.loc[name, "p"] == pytest.approx(slow, abs=1e-9)
        slow = two_sided(c + own, whole, held, n + own_n)
        assert star.loc[name, "p"] == pytest.approx(slow, abs=1e-9)
        ratio = (c + own) / (n + own_n) / (held / whole)
        assert star.loc[name, "statistic_value"] == pytest.approx(ratio)
    assert star.loc["V11", "local_class"] == "hot"
    assert moran.loc["V11", "local_class"] in ("high-high", "refused")
    assert "hot" not in set(star.loc[["V55", "V45", "V54"], "local_class"])


@pytest.mark.parametrize(
    ("size", "rest", "marked"), [([1, 2, 3], 4, 3), ([4, 1], 2, 5), ([2], 9, 1)]
)
def test_the_law_of_occupied_neighbours_by_enumeration(
    size: list[int], rest: int, marked: int
) -> None:
    firms = np.repeat(np.arange(len(size) + 1), [*size, rest])
    tally = np.zeros(len(size) + 1)
    for chosen in combinations(range(firms.size), marked):
        tally[len(set(firms[list(chosen)]) - {len(size)})] += 1
    law = _occupied(_subsets(np.array(size)), firms.size, marked)
    assert law == pytest.approx(tally / tally.sum(), abs=1e-12)
    drawn = _occupied_drawn(np.array(size), firms.size, marked, 20_000, np.random.default_rng(1))
    assert drawn == pytest.approx(law, abs=0.02)


def test_the_law_keeps_its_precision_with_many_large_neighbours() -> None:
    law = _occupied(_subsets(np.arange(20, 34)), 2000, 60)
    rng = np.random.default_rng(4)
    drawn = _occupied_drawn(np.arange(20, 34), 2000, 60, 200_000, rng)
    assert law == pytest.approx(drawn, abs=0.005)
    assert law.sum() == pytest.approx(1.0)


def test_presence_is_counted_among_neighbours(board: Any) -> None:
    joins = cell(run(*board), "local_join_count", "printing")
    assert joins.loc["V55", "refusal"] == "no firm of the specialisation in the unit"
    given = joins[~joins["is_refused"].astype(bool)]
    assert (given["statistic_value"] <= given["neighbours_count"]).all()
    assert (given["permutations_count"] == 0).all()
    # In the middle of the corner all four neighbours have printing
    assert joins.loc["V11", "statistic_value"] == 4


# What the data cannot carry


def reasons(found: Autocorrelation, **where: str) -> set[str]:
    table = found.overall
    for column, value in where.items():
        table = table[table[column] == value]
    assert table["is_refused"].all()
    assert table[["statistic_value", "p", "q"]].isna().all(axis=None)
    return set(table["refusal"])


def test_few_firms_of_a_specialisation_are_refused(board: Any) -> None:
    firms, villages, neighbours = board
    firms = firms.copy()
    firms.loc[firms.index[:4], "specialisation"] = "tenun"
    found = run(firms, villages, neighbours)
    assert reasons(found, specialisation="tenun") == {"too few firms of the specialisation"}
    assert set(cell(found, "gi_star", "tenun")["local_class"]) == {"refused"}


def test_all_firms_in_one_village_and_none_at_all(board: Any) -> None:
    firms, villages, neighbours = board
    one = run(firms.assign(village_code=firms["village_code"].iloc[0]), villages, neighbours)
    assert one.overall["is_refused"].all()
    assert "all firms in one unit" in set(one.overall["refusal"])
    assert one.local["is_refused"].all()
    none = run(firms.iloc[:0], villages, neighbours)
    assert none.overall.empty
    assert none.local.empty


def test_a_specialisation_of_all_firms_and_one_in_one_village(board: Any) -> None:
    firms, villages, neighbours = board
    found = run(firms.assign(specialisation="konveksi"), villages, neighbours)
    assert reasons(found, quantity="share") == {"every firm has the specialisation"}
    first = firms["village_code"] == firms["village_code"].value_counts().index[0]
    kinds = np.where(first, "canting_cap", "konveksi")
    found = run(firms.assign(specialisation=kinds), villages, neighbours)
    table = found.overall[found.overall["specialisation"] == "canting_cap"]
    g = table[(table["statistic"] == "getis_ord_g") & (table["quantity"] == "share")]
    assert g["refusal"].item() == "all firms of the specialisation in one unit"


def test_villages_without_neighbours(board: Any) -> None:
    firms, villages, neighbours = board
    corner = villages["village_code"].iloc[0]
    away = neighbours[~(neighbours["village_code_a"] == corner)]
    found = run(firms, villages, away)
    lonely = found.local[found.local["village_code"] == corner]
    assert set(lonely["refusal"]) <= {
        "no neighbour with firms",
        "no firm of the specialisation in the unit",
    }
    assert set(found.overall["isolated_units_count"]) == {1}
    nobody = run(firms, villages, neighbours.iloc[:0])
    assert reasons(nobody) == {"no unit has a neighbour"}


def test_missing_workers_and_production(board: Any) -> None:
    firms, villages, neighbours = board
    firms = firms.assign(
        workers_count=pd.array([0] * len(firms), dtype="Int64"),
        production_pieces_year=pd.array([None] * len(firms), dtype="Float64"),
    )
    found = run(firms, villages, neighbours)
    assert reasons(found, quantity="workers") == {"the same value in every unit"}
    assert reasons(found, quantity="production") == {"too few units"}
    made = found.local[found.local["quantity"] == "production"]
    assert set(made["refusal"]) == {"no figure for the unit"}


def test_villages_outside_the_area_are_errors(board: Any) -> None:
    firms, villages, neighbours = board
    with pytest.raises(InputError, match="table neighbours"):
        run(firms, villages, neighbours.assign(village_code_b="99.99.99.9999"))
    with pytest.raises(InputError, match="a village of the area"):
        run(firms.assign(village_code="99.99.99.9999"), villages, neighbours)


def test_firms_without_a_place_of_their_own_have_no_hexagons(board: Any) -> None:
    firms, villages, neighbours = board
    found = run(firms.assign(precision="village"), villages, neighbours, variants=True).overall
    hexagonal = found[found["level"].str.startswith("hexagon")]
    assert set(hexagonal["refusal"]) == {"too few firms with a place of their own"}


def test_hexagons_tile_the_plane() -> None:
    xy = np.random.default_rng(1).uniform(-3000, 3000, (2000, 2))
    q, r = hexagons(xy, 500.0).T
    centre = 500.0 * np.column_stack([q + r / 2, r * np.sqrt(3) / 2])
    sides = np.deg2rad([0, 60, 120])
    across = (xy - centre) @ np.array([np.cos(sides), np.sin(sides)])
    assert np.abs(across).max() <= 250.0 + 1e-6


# How often chance alone is called clustering


def _called(runs: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    villages, neighbours = grid(5, 6)
    size = 1 + rng.poisson(rng.gamma(0.7, 12, 30))
    whole = int(size.sum())
    kinds = np.array(["konveksi"] * (whole // 4) + ["pembatikan_cap"] * (whole - whole // 4))
    firms = register(villages, size, kinds.tolist(), rng)
    policy = Policy(permutations_global=199)
    hits = []
    for _ in range(runs):
        shuffled = firms.assign(specialisation=rng.permutation(kinds))
        read = read_kinds(shuffled)
        units = replace(village_units(read, shuffled, villages, neighbours, CRS), sums={})
        drawn = _drawn(units, policy, rng.spawn(1)[0])
        found = _overall(units, "contiguity", read, drawn, policy, rng.spawn(1)[0])
        one = found[
            (found["specialisation"] == "konveksi")
            & (found["quantity"] == "share")
            & (found["statistic"] == "moran")
        ]
        hits.append(one["p"].item() <= 0.05)
    return float(np.mean(hits))


def test_shuffled_labels_are_seldom_called_clustered() -> None:
    assert _called(60, 7) <= 0.15


@pytest.mark.slow
def test_shuffled_labels_are_called_clustered_at_the_level_asked_for() -> None:
    """Three standard errors of 1,000 runs round 4.5 to 5 per cent."""
    share = _called(1000, 8)
    print(f"called clustered at 5 %: {share:.1%}")
    assert 0.032 <= share <= 0.068
