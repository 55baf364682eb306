"""Lattice statistics beside esda, pygeoda and libpysal: same data, same run, one core.

    OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1 python bench/stats_lattice.py [name ...]

Times are seconds of this process's processor time (median of three runs, of seven for
ours), which other work on the machine disturbs less than wall time; that stands beside it.
Each peer gets its own structure of the very same links. Results go to ``results.json``.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
from record import record

sys.path.insert(0, str(Path(__file__).parents[1]))
from pipeline.stats import autocorrelation, weights

warnings.simplefilter("ignore")
N, K, DRAWS = 100_000, 8, 999


def timed(call: Callable[[], Any], runs: int = 3) -> tuple[float, float]:
    """Median processor and wall seconds; a first run that compiles does not move a median."""
    spent = []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        spent.append((time.process_time() - cpu, time.perf_counter() - wall))
    return tuple(round(statistics.median(part), 4) for part in zip(*spent, strict=True))  # type: ignore[return-value]


def compare(key: str, goal: str, ours: Callable[[], Any], **peers: Callable[[], Any]) -> None:
    """Record our time, the peers' times and how many times longer they take."""
    cpu, wall = timed(ours, 7)
    figures: dict[str, Any] = {"goal": goal, "cpu_s": cpu, "wall_s": wall}
    record(f"lattice/{key}", **figures)
    for name, call in peers.items():  # kept one by one: a slow peer may be interrupted
        peer_cpu, peer_wall = timed(call)
        figures |= {f"{name}_cpu_s": peer_cpu, f"{name}_wall_s": peer_wall}
        figures[f"{name}_ratio"] = round(peer_cpu / cpu, 1)
        record(f"lattice/{key}", **figures)


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def sites(n: int) -> tuple[Any, Any]:
    source = np.random.default_rng(1)
    return source.random((n, 2)) * 1e5, source.normal(size=n)


def geoda_weights(w: weights.W, xy: Any) -> Any:
    """Let pygeoda read the points and find the same K nearest neighbours."""
    import pygeoda

    import geopandas

    folder = tempfile.mkdtemp()
    path = Path(folder) / "points.shp"
    geopandas.GeoDataFrame(geometry=geopandas.points_from_xy(*xy.T)).to_file(path)
    found = pygeoda.knn_weights(pygeoda.open(str(path)), K)
    assert set(found.get_neighbors(7)) == set(w.indices[w.indptr[7] : w.indptr[8]].tolist())
    return found


def bench_knn() -> None:
    from libpysal.graph import Graph

    xy, _ = sites(N)
    compare(
        "knn 1e5 k=8",
        "<= 0.3 s and <= 1/3 of libpysal Graph",
        lambda: weights.knn(xy, K),
        libpysal=lambda: Graph.build_knn(xy, k=K),
    )


def bench_local() -> None:
    import esda
    import pygeoda

    xy, y = sites(N)
    w = weights.knn(xy, K)
    rows = w.row_standardised()
    graph = rows.to_graph()
    geoda = geoda_weights(w, xy)
    goal = ">= 100x esda, >= 18x pygeoda lookup"
    compare(
        "local moran 1e5 999",
        goal,
        lambda: autocorrelation.local_moran(y, rows, DRAWS, rng()),
        pygeoda_lookup=lambda: pygeoda.local_moran(
            geoda, y, permutations=DRAWS, permutation_method="lookup-table", cpu_threads=1
        ),
        esda=lambda: esda.Moran_Local(y, graph, permutations=DRAWS, n_jobs=1, seed=1),
        pygeoda_complete=lambda: pygeoda.local_moran(
            geoda, y, permutations=DRAWS, permutation_method="complete", cpu_threads=1
        ),
    )
    binary = w.to_graph()
    compare(
        "local g* 1e5 999",
        goal,
        lambda: autocorrelation.local_g(y, w, star=True, permutations=DRAWS, rng=rng()),
        pygeoda_lookup=lambda: pygeoda.local_gstar(
            geoda, y, permutations=DRAWS, permutation_method="lookup-table", cpu_threads=1
        ),
        esda=lambda: esda.G_Local(
            y, binary, transform="B", permutations=DRAWS, star=1.0, n_jobs=1, seed=1
        ),
    )
    compare(
        "local geary 1e5 999",
        "no goal",
        lambda: autocorrelation.local_geary(y, rows, DRAWS, rng()),
        pygeoda_lookup=lambda: pygeoda.local_geary(
            geoda, y, permutations=DRAWS, permutation_method="lookup-table", cpu_threads=1
        ),
    )


def bench_large() -> None:
    xy, y = sites(N)
    rows = weights.knn(xy, K).row_standardised()
    compare(
        "local moran 1e5 99999",
        "< 1 s",
        lambda: autocorrelation.local_moran(y, rows, 99_999, rng()),
    )
    xy, y = sites(1_000_000)
    w = weights.knn(xy, K)
    rows = w.row_standardised()
    for name, call in (
        ("moran", lambda: autocorrelation.local_moran(y, rows, DRAWS, rng())),
        ("g*", lambda: autocorrelation.local_g(y, w, star=True, permutations=DRAWS, rng=rng())),
    ):
        compare(f"local {name} 1e6 999", "< 1 s", call)


def bench_arbitrary() -> None:
    import esda

    xy, y = sites(N)
    near = weights.knn(xy, K)
    focal = np.repeat(np.arange(N), K)
    distance = np.hypot(*(xy[focal] - xy[near.indices]).T)
    w = weights.from_pairs(N, focal, near.indices, 1 / distance).row_standardised()
    graph = w.to_graph()
    compare(
        "local moran arbitrary weights 1e5 999",
        ">= 10x esda",
        lambda: autocorrelation.local_moran(y, w, DRAWS, rng()),
        esda=lambda: esda.Moran_Local(y, graph, permutations=DRAWS, n_jobs=1, seed=1),
    )


def bench_global() -> None:
    import esda

    xy, y = sites(N)
    positive = y + 10
    w = weights.knn(xy, K)
    rows = w.row_standardised()
    graph = rows.to_graph()
    goal = ">= 5x esda, memory O(n + links)"
    tracemalloc.start()
    autocorrelation.moran(y, weights.W(rows.indptr, rows.indices, rows.values), DRAWS, rng())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    record(
        "lattice/memory of moran 1e5 999",
        goal="O(n + links)",
        peak_mb=round(peak / 1e6, 1),
        bytes_per_unit_and_link=round(peak / (N + rows.links), 1),
    )
    compare(
        "moran 1e5 999",
        goal,
        lambda: autocorrelation.moran(y, rows, DRAWS, rng()),
        esda=lambda: esda.Moran(y, graph, permutations=DRAWS),
    )
    fresh = weights.W
    compare(
        "moran 1e5 999, weights seen for the first time",
        goal,
        lambda: autocorrelation.moran(
            y, fresh(rows.indptr, rows.indices, rows.values), DRAWS, rng()
        ),
    )
    compare(
        "geary 1e5 999",
        goal,
        lambda: autocorrelation.geary(y, rows, DRAWS, rng()),
        esda_a_tenth_of_the_draws=lambda: esda.Geary(y, graph, permutations=99),
    )
    compare("g 1e5 999", goal, lambda: autocorrelation.getis_ord_g(positive, w, DRAWS, rng()))
    labels = np.where(y > 0, "a", "b")
    binary = w.symmetrised()
    compare(
        "join counts 1e5 999",
        "no goal",
        lambda: autocorrelation.join_counts(labels, binary, DRAWS, rng()),
    )
    # esda.G holds a dense n x n array: the largest n both can do is compared.
    n = 5_000
    xy, y = sites(n)
    y += 10
    w = weights.knn(xy, K)
    graph = w.to_graph()
    compare(
        "g 5e3 999",
        goal,
        lambda: autocorrelation.getis_ord_g(y, w, DRAWS, rng()),
        esda=lambda: esda.G(y, graph, permutations=DRAWS),
    )


EVERYTHING = """
import time
start = time.perf_counter()
import sys
sys.path.insert(0, {root!r})
import numpy as np
from pipeline.stats import autocorrelation as ac, weights
rng = np.random.default_rng(1)
xy = rng.random((312, 2)) * 2e4
firms = rng.integers(5, 60, 312)
events = rng.binomial(firms, 0.2)
w = weights.knn(xy, 6)
rows = w.row_standardised()
y = ac.empirical_bayes(events, firms).standardised
for statistic in (ac.moran, ac.geary):
    statistic(y, rows, 9_999, rng)
ac.getis_ord_g(events, w, 9_999, rng)
ac.moran_bivariate(y, firms, rows, 9_999, rng)
ac.join_counts(y > 1, w, 9_999, rng)
for statistic in (ac.local_moran, ac.local_geary):
    statistic(y, rows, 99_999, rng)
ac.local_g(events, w, True, 99_999, rng)
ac.local_join_counts(y > 1, w)
print(time.perf_counter() - start)
"""


def bench_start() -> None:
    """Time a new process that does every lattice statistic of one specialisation."""
    code = EVERYTHING.format(root=str(Path(__file__).parents[1]))

    def run(cache: str) -> float:
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return float(done.stdout)

    with tempfile.TemporaryDirectory() as cache:
        first = run(cache)
        warm = statistics.median(run(cache) for _ in range(3))
    record(
        "lattice/new process n=312, all statistics of one specialisation",
        goal="< 1 s warm, < 8 s first ever",
        first_wall_s=round(first, 2),
        warm_wall_s=round(warm, 2),
        permutations="9,999 global, 99,999 local",
    )


if __name__ == "__main__":
    known = {name[6:]: f for name, f in list(globals().items()) if name.startswith("bench_")}
    for wanted in sys.argv[1:] or known:
        known[wanted]()
