"""Lattice statistics beside esda, pygeoda and libpysal: same data, same run, one core.

    python bench/stats_lattice.py [name ...]

Times are seconds of processor time, which other work on the machine disturbs less than wall
time; that stands beside it. Ours: median of seven runs, of three
where these take longer than 3 s. A peer runs in a process of its own, on
its own structure of the very same links: a first call on few units, which compiles, is kept
apart; then up to three calls count, no more once they have taken 20 s. A peer that has not
finished one call after 120 s is stopped and recorded as "more than". All runs use one thread.
Results go to ``results.json``.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Callable
from dataclasses import dataclass
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
FEW = 500  # units of a first call that only compiles
ENOUGH, LIMIT = 20.0, 120.0  # seconds a peer may use


@dataclass(frozen=True)
class Peer:
    """A call of another package, a small one before it that compiles, and its share of the work."""

    call: Callable[[], Any]
    first: Callable[[], Any] | None = None
    share: float = 1.0


def spent(call: Callable[[], Any]) -> tuple[float, float]:
    """Processor and wall seconds of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.process_time() - cpu, time.perf_counter() - wall


def medians(times: list[tuple[float, float]]) -> tuple[float, float]:
    cpu, wall = (round(statistics.median(part), 4) for part in zip(*times, strict=True))
    return cpu, wall


def run_peer(peer: Peer, found: Any) -> None:
    """Send the time of the first call, then of those that count."""
    found.send(spent(peer.first) if peer.first else None)
    total = 0.0
    for _ in range(3):
        times = spent(peer.call)
        found.send(times)
        total += times[0]
        if total > ENOUGH:
            break
    found.send(None)


def measured(name: str, peer: Peer, ours_cpu: float) -> dict[str, Any]:
    """Measure a peer in a process of its own, stopped after the limit."""
    here, there = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=run_peer, args=(peer, there))
    child.start()
    there.close()
    first = here.recv()
    figures = {f"{name}_first_call_cpu_s": round(first[0], 2)} if first else {}
    times: list[tuple[float, float]] = []
    ends = time.perf_counter() + LIMIT
    while here.poll(max(0.0, ends - time.perf_counter())):
        if (one := here.recv()) is None:
            break
        times.append(one)
    child.terminate()
    child.join()
    if not times:
        return figures | {
            f"{name}_wall_s": f"more than {LIMIT:g}, stopped",
            f"{name}_ratio": f"more than {LIMIT / ours_cpu:.0f}",
        }
    cpu, wall = medians(times)
    figures |= {f"{name}_cpu_s": cpu, f"{name}_wall_s": wall, f"{name}_runs": len(times)}
    if peer.share != 1.0:
        figures[f"{name}_measured"] = f"a share of {peer.share:g} of the work, ratio multiplied"
    return figures | {f"{name}_ratio": round(cpu / peer.share / ours_cpu, 1)}


def compare(key: str, goal: str, ours: Callable[[], Any], **peers: Peer) -> None:
    """Record our time, the peers' times and how many times longer they take."""
    times = [spent(ours) for _ in range(3)]
    if sum(cpu for cpu, _ in times) < 3.0:
        times += [spent(ours) for _ in range(4)]
    cpu, wall = medians(times)
    figures: dict[str, Any] = {"goal": goal, "cpu_s": cpu, "wall_s": wall, "threads": 1}
    for name, peer in peers.items():
        figures |= measured(name, peer, cpu)
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
        libpysal=Peer(lambda: Graph.build_knn(xy, k=K), lambda: Graph.build_knn(xy[:FEW], k=K)),
    )


def few() -> tuple[Any, Any, Any]:
    """Values and row-standardised and binary libpysal graphs of few units, to compile with."""
    xy, y = sites(FEW)
    w = weights.knn(xy, K)
    return y, w.row_standardised().to_graph(), w.to_graph()


def bench_local() -> None:
    import esda
    import pygeoda

    xy, y = sites(N)
    w = weights.knn(xy, K)
    rows = w.row_standardised()
    graph, binary = rows.to_graph(), w.to_graph()
    some, some_rows, some_links = few()
    geoda = geoda_weights(w, xy)
    goal = ">= 100x esda, >= 18x pygeoda lookup"

    def pygeoda_of(function: Any) -> Peer:
        return Peer(
            lambda: function(
                geoda, y, permutations=DRAWS, permutation_method="lookup-table", cpu_threads=1
            )
        )

    def esda_moran(values: Any, of: Any) -> Any:
        return esda.Moran_Local(values, of, permutations=DRAWS, n_jobs=1, seed=1)

    def esda_g(values: Any, of: Any) -> Any:
        return esda.G_Local(
            values, of, transform="B", permutations=DRAWS, star=1.0, n_jobs=1, seed=1
        )

    compare(
        "local moran 1e5 999",
        goal,
        lambda: autocorrelation.local_moran(y, rows, DRAWS, rng()),
        pygeoda_lookup=pygeoda_of(pygeoda.local_moran),
        esda=Peer(lambda: esda_moran(y, graph), lambda: esda_moran(some, some_rows)),
    )
    compare(
        "local g* 1e5 999",
        goal,
        lambda: autocorrelation.local_g(y, w, star=True, permutations=DRAWS, rng=rng()),
        pygeoda_lookup=pygeoda_of(pygeoda.local_gstar),
        esda=Peer(lambda: esda_g(y, binary), lambda: esda_g(some, some_links)),
    )
    compare(
        "local geary 1e5 999",
        "no goal",
        lambda: autocorrelation.local_geary(y, rows, DRAWS, rng()),
        pygeoda_lookup=pygeoda_of(pygeoda.local_geary),
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
    some, some_rows, _ = few()
    compare(
        "local moran arbitrary weights 1e5 999",
        ">= 10x esda",
        lambda: autocorrelation.local_moran(y, w, DRAWS, rng()),
        esda=Peer(
            lambda: esda.Moran_Local(y, graph, permutations=DRAWS, n_jobs=1, seed=1),
            lambda: esda.Moran_Local(some, some_rows, permutations=DRAWS, n_jobs=1, seed=1),
        ),
    )


def bench_global() -> None:
    import esda

    xy, y = sites(N)
    positive = y + 10
    w = weights.knn(xy, K)
    rows = w.row_standardised()
    graph = rows.to_graph()
    some, some_rows, some_links = few()
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
        esda=Peer(
            lambda: esda.Moran(y, graph, permutations=DRAWS),
            lambda: esda.Moran(some, some_rows, permutations=9),
        ),
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
        esda=Peer(
            lambda: esda.Geary(y, graph, permutations=99),
            lambda: esda.Geary(some, some_rows, permutations=9),
            share=100 / 1000,
        ),
    )
    compare(  # esda.G holds a dense table of n x n: 80 GB here, so 1e4 units are compared below
        "g 1e5 999", goal, lambda: autocorrelation.getis_ord_g(positive, w, DRAWS, rng())
    )
    labels = np.where(y > 0, "a", "b")
    binary = w.symmetrised()
    compare(
        "join counts 1e5 999",
        "no goal",
        lambda: autocorrelation.join_counts(labels, binary, DRAWS, rng()),
    )
    n = 10_000
    xy, y = sites(n)
    y += 10
    w = weights.knn(xy, K)
    graph = w.to_graph()
    compare(
        "g 1e4 999",
        goal,
        lambda: autocorrelation.getis_ord_g(y, w, DRAWS, rng()),
        esda=Peer(
            lambda: esda.G(y, graph, permutations=DRAWS),
            lambda: esda.G(some + 10, some_links, permutations=9),
        ),
    )


EVERYTHING = """
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
"""


def bench_start() -> None:
    """Time a new process, interpreter and imports included, that does all for one specialisation.

    312 units: the villages of an area. Nothing is compiled for so few, so the first run ever
    and later ones differ by what the system keeps in memory alone.
    """
    code = EVERYTHING.format(root=str(Path(__file__).parents[1]))

    def run(cache: str) -> tuple[float, float]:
        before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        return cpu, time.perf_counter() - wall

    with tempfile.TemporaryDirectory() as cache:
        first = run(cache)
        warm = medians([run(cache) for _ in range(5)])
    record(
        "lattice/new process n=312, all statistics of one specialisation",
        goal="< 1 s warm, < 8 s first ever",
        first_cpu_s=round(first[0], 2),
        first_wall_s=round(first[1], 2),
        warm_cpu_s=round(warm[0], 2),
        warm_wall_s=round(warm[1], 2),
        permutations="9,999 global, 99,999 local",
        threads=1,
    )


if __name__ == "__main__":
    known = {name[6:]: f for name, f in list(globals().items()) if name.startswith("bench_")}
    for wanted in sys.argv[1:] or known:
        known[wanted]()
