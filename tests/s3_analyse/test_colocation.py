"""Co-location: against the statistics core and slow loops, planted pairs, refusals, error rate."""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
import pandas as pd
import pytest

import geopandas as gpd
import shapely

from pipeline.contracts.area import Policy
from pipeline.contracts.reading import check
from pipeline.s3_analyse.colocation import Colocation, colocation, size_class
from pipeline.s3_analyse.specialisation import read_kinds
from pipeline.stats.colocation import cross_k, m_function, quotient

CRS = "EPSG:32749"
WEST, SOUTH, SIDE = 350_000.0, 9_230_000.0, 800.0
FAST = Policy(permutations_global=99)


def world(
    rows: int = 4, columns: int = 4, kind: str = "published"
) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    cells = [(i, j) for i in range(rows) for j in range(columns)]
    code = {cell: f"11.01.01.{2000 + number}" for number, cell in enumerate(cells)}
    villages = gpd.GeoDataFrame(
        {
            "village_code": list(code.values()),
            "village_name": [f"V{i}{j}" for i, j in cells],
            "area_km2": SIDE**2 / 1e6,
            "boundary_kind": kind,
        },
        geometry=[
            shapely.box(WEST + j * SIDE, SOUTH + i * SIDE, WEST + (j + 1) * SIDE,
                        SOUTH + (i + 1) * SIDE) for i, j in cells
        ],
        crs=CRS,
    ).to_crs(4326)  # fmt: skip
    pairs = [
        (code[a], code[b])
        for a in cells
        for b in cells
        if a < b and abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1
    ]
    table = pd.DataFrame(pairs, columns=["village_code_a", "village_code_b"])
    return villages, table.assign(shared_border_m=SIDE)


def firms_at(
    xy: Any, kinds: Any, villages: gpd.GeoDataFrame, precision: Any = "gps", seed: int = 1
) -> gpd.GeoDataFrame:
    xy = np.asarray(xy, dtype=float)
    columns = int(np.sqrt(len(villages)))
    where = (xy[:, 1] // SIDE).astype(int) * columns + (xy[:, 0] // SIDE).astype(int)
    rng = np.random.default_rng(seed)
    return gpd.GeoDataFrame(
        {
            "firm_id": [f"F{i:04d}" for i in range(len(xy))],
            "specialisation": pd.array(list(kinds), dtype="string"),
            "village_code": villages["village_code"].to_numpy()[where],
            "workers_count": pd.array(rng.integers(1, 40, len(xy)), dtype="Int64"),
            "precision": precision,
            "status": "register",
        },
        geometry=gpd.points_from_xy(xy[:, 0] + WEST, xy[:, 1] + SOUTH),
        crs=CRS,
    ).to_crs(4326)


def run(
    firms: gpd.GeoDataFrame,
    villages: gpd.GeoDataFrame,
    neighbours: pd.DataFrame,
    seed: int = 1,
    policy: Policy = FAST,
    **options: Any,
) -> Colocation:
    options = {"draws": 19, "curve_permutations": 39} | options
    found = colocation(firms, villages, neighbours, CRS, policy, np.random.default_rng(seed),
                       **options)  # fmt: skip
    for table, name in zip(found, ("pair", "curve", "local"), strict=True):
        check(table, f"colocation_{name}")
    return found


def value(found: Colocation, one: str, a: str, b: str, column: str = "statistic_value") -> Any:
    table = found.pairs
    here = (table["statistic"] == one) & (table["specialisation_a"] == a)
    return table.loc[here & (table["specialisation_b"] == b), column].item()


def reasons(found: Colocation, *statistics: str) -> set[str]:
    return set(found.pairs.loc[found.pairs["statistic"].isin(statistics), "refusal"])


@pytest.fixture(scope="module")
def scattered() -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame, pd.DataFrame]:
    """120 firms with coordinates, three kinds at random; a tenth hold two of them."""
    rng = np.random.default_rng(11)
    villages, neighbours = world()
    kinds = rng.choice(["printing", "konveksi", "pembatikan_cap"], 120)
    kinds = np.where(rng.random(120) < 0.1, "pembatikan_cap; konveksi", kinds)
    return firms_at(rng.uniform(0, 4 * SIDE, (120, 2)), kinds, villages), villages, neighbours


# Values


def test_with_known_places_they_are_those_of_the_statistics_core(scattered: Any) -> None:
    firms, _villages, _neighbours = scattered
    found = run(*scattered)
    points = firms.geometry.to_crs(CRS)
    xy = np.column_stack([points.x, points.y])
    sets = [set(cell.split("; ")) | ({"pembatikan"} if "cap" in cell else set())
            for cell in firms["specialisation"]]  # fmt: skip
    clq = quotient(xy, sets, radius=250.0, permutations=0)
    window = shapely.convex_hull(shapely.multipoints(xy)).buffer(1e-3)
    workers = firms["workers_count"].to_numpy(float)
    for a in ("printing", "konveksi", "pembatikan_cap"):
        for b in ("printing", "konveksi", "pembatikan_cap"):
            assert value(found, "clq", a, b) == pytest.approx(clq.table[a, b], rel=1e-4)
            m = m_function(xy, sets, a, b, [250.0], workers)
            assert value(found, "m_workers", a, b) == pytest.approx(m.observed[0], rel=1e-4)
            k = cross_k(xy, sets, a, b, [250.0, 375.0], window).observed
            assert value(found, "cross_l", a, b) == pytest.approx(np.sqrt(k[0] / np.pi), rel=1e-4)
            ring = (k[1] - k[0]) / (np.pi * (375.0**2 - 250.0**2))
            assert value(found, "pcf", a, b) == pytest.approx(ring, rel=1e-3)


def test_village_statistics_by_slow_loops(scattered: Any) -> None:
    firms, _villages, neighbours = scattered
    found = run(*scattered)
    home = firms["village_code"].tolist()
    held = [set(cell.split("; ")) for cell in firms["specialisation"]]
    n = len(home)
    for a, b in (("printing", "konveksi"), ("konveksi", "pembatikan_cap"), ("konveksi",) * 2):
        shares = []
        for i in range(n):
            others = [j for j in range(n) if j != i and home[j] == home[i]]
            if a in held[i] and others:
                shares.append(sum(b in held[j] for j in others) / len(others))
        base = (sum(b in one for one in held) - (a == b)) / (n - 1)
        assert value(found, "village_clq", a, b) == pytest.approx(np.mean(shares) / base)
        has = {kind: {home[i] for i in range(n) if kind in held[i]} for kind in (a, b)}
        joins = sum(
            ((one in has[a]) & (other in has[b])) + ((other in has[a]) & (one in has[b]))
            for one, other in neighbours.iloc[:, :2].itertuples(index=False)
        )
        assert value(found, "join_count", a, b) == joins / (2 if a == b else 1)


def test_a_village_of_one_firm_has_no_others() -> None:
    villages, neighbours = world()
    xy = [[100, 100], [200, 200], [300, 100], [1000, 100], [1800, 900], *[[2600, 2600]] * 7]
    kinds = ["printing"] * 4 + ["konveksi"] * 5 + ["printing"] * 3
    found = run(firms_at(xy, kinds, villages), villages, neighbours)
    # printing with others: three in V00 (no konveksi there), three among seven in the far village
    expected = (3 * 0 + 3 * 4 / 6) / 6 / (5 / 11)
    assert value(found, "village_clq", "printing", "konveksi") == pytest.approx(expected)


def test_local_quotient_by_the_law_summed_slowly(scattered: Any) -> None:
    firms, _villages, neighbours = scattered
    local = run(*scattered, local_pairs=[("printing", "konveksi")]).local
    table = local.set_index("village_code")
    home, kinds = firms["village_code"], firms["specialisation"]
    n, held = len(firms), int(kinds.str.contains("konveksi").sum())
    code = home[kinds == "printing"].iloc[0]
    pairs = neighbours.iloc[:, :2].to_numpy().tolist()
    around = {code} | {b for a, b in pairs if a == code} | {a for a, b in pairs if b == code}
    k = int(home.isin(around).sum()) - 1
    seen = int((home.isin(around) & kinds.str.contains("konveksi")).sum())
    law = [comb(held, x) * comb(n - 1 - held, k - x) / comb(n - 1, k) for x in range(k + 1)]
    slow = min(1.0, 2 * min(sum(law[seen:]), sum(law[: seen + 1])))
    assert table.loc[code, "p"] == pytest.approx(slow)
    assert table.loc[code, "statistic_value"] == pytest.approx(seen / k / (held / (n - 1)))


# Draws of places


@pytest.fixture(scope="module")
def half_known(scattered: Any) -> Any:
    firms, villages, neighbours = scattered
    precision = np.where(np.arange(len(firms)) % 2, "village", "gps")
    return firms.assign(precision=precision), villages, neighbours


def test_draws_give_ranges_and_nothing_below_the_villages_radius(half_known: Any) -> None:
    found = run(*half_known)
    placed = found.pairs[found.pairs["statistic"].isin(["clq", "m_workers", "cross_l", "pcf"])]
    given = placed[~placed["is_refused"].astype(bool)]
    radius = np.sqrt(SIDE**2 / np.pi)
    assert given["smallest_distance_m"].to_numpy(float) == pytest.approx(radius, rel=1e-3)
    assert (given["radius_m"] >= radius).all()
    assert (found.curves["radius_m"] >= radius).all()
    assert (given["draws_count"] == 19).all()
    single = given[given["statistic"] != "pcf"]
    assert (given["value_low"] <= given["value_high"]).all()
    assert single["significant_draws_pct"].between(0, 100).all()


def test_rows_in_another_order_give_the_same_tables(half_known: Any) -> None:
    firms, villages, neighbours = half_known
    for one, other in zip(
        run(*half_known), run(firms.iloc[::-1], villages, neighbours), strict=True
    ):
        pd.testing.assert_frame_equal(one, other)


def test_families_count_symmetric_statistics_once(scattered: Any) -> None:
    pairs = run(*scattered).pairs
    sizes = pairs.groupby("statistic")["family_count"].agg(["min", "max"])
    # four names; pembatikan and its part are no pair: 16 - 2 ordered, 9 unordered
    assert sizes.loc["clq"].tolist() == [14, 14]
    assert sizes.loc["cross_l"].tolist() == [9, 9]
    assert value(run(*scattered), "pcf", "printing", "konveksi", "q") == value(
        run(*scattered), "pcf", "konveksi", "printing", "q"
    )
    first = pairs[(pairs["statistic"] == "clq")].sort_values("rank")
    assert first["rank"].tolist() == list(range(1, 15))
    assert first["q"].is_monotonic_increasing


def planted(precision: str | None = None) -> Any:
    """Dyers stand beside garment makers; printers keep away."""
    rng = np.random.default_rng(4)
    villages, neighbours = world(6, 6)
    centres = rng.uniform(300, 6 * SIDE - 300, (12, 2))
    near = np.repeat(centres, 5, axis=0)
    xy = np.vstack([near + rng.normal(0, 60, near.shape), near + rng.normal(0, 60, near.shape),
                    rng.uniform(0, 6 * SIDE, (120, 2))])  # fmt: skip
    xy = np.clip(xy, 1, 6 * SIDE - 1)
    kinds = ["pewarnaan"] * 60 + ["konveksi"] * 60 + ["printing"] * 120
    known = precision or np.where(np.arange(240) % 3 == 0, "village", "gps")
    return firms_at(xy, kinds, villages, known), villages, neighbours


@pytest.mark.parametrize("precision", ["gps", None])
def test_planted_pairs_are_recovered(precision: str | None) -> None:
    policy = Policy(permutations_global=499)
    found = run(*planted(precision), policy=policy, curve_permutations=199)
    for one in ("clq", "m_workers", "cross_l"):
        assert value(found, one, "pewarnaan", "konveksi", "q") < 0.05
        assert value(found, one, "pewarnaan", "konveksi") > value(
            found, one, "pewarnaan", "konveksi", "expected_value"
        )
    assert value(found, "clq", "printing", "pewarnaan") < 1


def test_village_precision_alone_falls_back_and_still_sees_the_pair() -> None:
    found = run(*planted("village"), policy=Policy(permutations_global=499))
    placed = found.pairs[found.pairs["statistic"].isin(["clq", "m_workers", "cross_l", "pcf"])]
    assert set(placed["refusal"]) == {
        "no firm with a place of its own: only statistics of villages are given"
    }
    assert found.curves.empty
    assert value(found, "village_clq", "pewarnaan", "konveksi", "q") < 0.05


def _called(runs: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    villages, neighbours = world()
    xy = np.clip(rng.normal(2 * SIDE, SIDE, (60, 2)), 1, 4 * SIDE - 1)
    kinds = ["pewarnaan"] * 20 + ["konveksi"] * 25 + ["printing"] * 15
    firms = firms_at(xy, kinds, villages, np.where(np.arange(60) % 2, "village", "gps"))
    hits = []
    for _ in range(runs):
        found = colocation(
            firms.assign(specialisation=rng.permutation(kinds)), villages, neighbours, CRS,
            Policy(permutations_global=199), rng, draws=9, curve_permutations=39,
        )  # fmt: skip
        hits.append(value(found, "clq", "pewarnaan", "konveksi", "p") <= 0.05)
    return float(np.mean(hits))


def test_shuffled_labels_are_seldom_called_co_located() -> None:
    assert _called(20, 5) <= 0.25


@pytest.mark.slow
def test_shuffled_labels_are_called_co_located_at_the_level_asked_for() -> None:
    share = _called(1000, 6)
    print(f"called co-located at 5 %: {share:.1%}")
    assert 0.032 <= share <= 0.068


# Strata and refusals


def test_labels_within_strata_stay_there() -> None:
    """Size decides the kind and the place: within sizes nothing is left to explain."""
    rng = np.random.default_rng(9)
    villages, neighbours = world()
    xy = np.vstack([rng.uniform(0, 2 * SIDE, (60, 2)), rng.uniform(2 * SIDE, 4 * SIDE, (60, 2))])
    kinds = rng.permuted(
        np.array([["printing"] * 54 + ["konveksi"] * 6, ["printing"] * 6 + ["konveksi"] * 54]),
        axis=1,
    ).ravel()
    firms = firms_at(xy, kinds, villages).assign(
        workers_count=pd.array([2] * 60 + [30] * 60, dtype="Int64")
    )
    free = run(firms, villages, neighbours)
    within = run(firms, villages, neighbours, strata="size")
    assert value(free, "clq", "printing", "printing", "p") <= 0.05
    assert value(within, "clq", "printing", "printing", "p") > 0.05
    assert within.pairs["strata"].unique().tolist() == ["size"]
    assert not within.pairs["is_main"].any()
    assert within.pairs["null"].str.endswith("within firms of like size").all()


def test_size_classes() -> None:
    workers = pd.Series([0, 4, 5, 19, 20, 99, 100, None], dtype="Int64")
    assert size_class(workers).tolist() == [0, 0, 1, 1, 2, 2, 3, 4]


def test_approximate_boundaries_refuse_places_that_must_be_drawn(half_known: Any) -> None:
    firms, villages, neighbours = half_known
    found = run(firms, villages.assign(boundary_kind="approximate"), neighbours)
    assert reasons(found, "clq", "m_workers", "cross_l", "pcf") == {
        "approximate boundaries cannot place firms inside their village"
    }
    assert not found.pairs[found.pairs["statistic"] == "village_clq"]["is_refused"].any()


def test_few_firms_no_firms_and_no_workers(scattered: Any) -> None:
    firms, villages, neighbours = scattered
    kinds = firms["specialisation"].where(firms["firm_id"] > "F0002", "tenun")
    found = run(
        firms.assign(
            specialisation=kinds, workers_count=pd.array([None] * len(firms), dtype="Int64")
        ),
        villages,
        neighbours,
    )
    assert value(found, "clq", "tenun", "printing", "refusal") == (
        "too few firms of the specialisation"
    )
    assert pd.isna(value(found, "clq", "tenun", "printing"))
    assert value(found, "m_workers", "konveksi", "printing", "refusal") == (
        "too few firms with workers"
    )
    assert all(table.empty for table in run(firms.iloc[:0], villages, neighbours))


def test_one_specialisation_alone_cannot_be_permuted(scattered: Any) -> None:
    firms, villages, neighbours = scattered
    found = run(firms.assign(specialisation="konveksi"), villages, neighbours)
    assert set(found.pairs["refusal"]) == {"too few arrangements for p = 0.05"}
    assert found.pairs[["statistic_value", "p", "q"]].isna().all(axis=None)


def test_no_firm_within_the_distance_and_no_neighbours() -> None:
    villages, neighbours = world()
    xy = [[SIDE * i + 400, SIDE * j + 400] for i in range(4) for j in range(4)]
    found = run(
        firms_at(xy, ["printing"] * 8 + ["konveksi"] * 8, villages), villages, neighbours.iloc[:0]
    )
    assert reasons(found, "clq", "village_clq") == {"no firm within the distance"}
    assert reasons(found, "join_count") == {"no unit has a neighbour"}
    assert set(found.local["refusal"].dropna()) <= {
        "no neighbour with firms",
        "no firm of the specialisation in the unit",
    }


def test_a_part_is_not_paired_with_its_whole(scattered: Any) -> None:
    firms, _villages, _neighbours = scattered
    pairs = run(*scattered).pairs
    parts = pairs[["specialisation_a", "specialisation_b"]].apply(set, axis=1)
    assert {"pembatikan", "pembatikan_cap"} not in parts.tolist()
    assert set(read_kinds(firms).names) == set(pairs["specialisation_a"])
