"""Time point-pattern statistics, and cross-K beside spatstat on the same points.

    python bench/stats_points.py [cross_k] [quotient] [others] [start]

spatstat runs through Rscript where R has it and is skipped with a word where not. Its time is
measured over a few labellings and multiplied: each simulation costs it the same. Both sides
compute the same ordered pairs of labels.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from record import record

import shapely

sys.path.insert(0, str(Path(__file__).parents[1]))
from pipeline.stats import colocation, concentration

POINTS, LABELLINGS, PEER_LABELLINGS, RADIUS = 20_000, 999, 3, 0.02
SPATSTAT = """
suppressMessages({library(spatstat.explore); library(jsonlite)})
a <- commandArgs(TRUE)
d <- fromJSON(a[1])
X <- ppp(d$x, d$y, window = owin(), marks = factor(d$marks), check = FALSE)
r <- d$radii
types <- levels(marks(X))
labellings <- as.integer(a[2])
one <- function(Y, co) for (i in types) for (j in types) {
  if (i == j) Kest(Y[marks(Y) == i], r = r, correction = co)
  else Kcross(Y, i, j, r = r, correction = co)
}
time <- function(co) {
  one(X, co)
  set.seed(1)
  t <- proc.time()
  for (s in seq_len(labellings)) one(rlabel(X), co)
  spent <- proc.time() - t
  list(wall = spent[["elapsed"]] / labellings,
       cpu = (spent[["user.self"]] + spent[["sys.self"]]) / labellings)
}
K <- Kcross(X, types[1], types[2], r = r, correction = "translate")
cat(toJSON(list(none = time("none"), translate = time("translate"), K = K$trans,
                version = as.character(packageVersion("spatstat.explore"))),
           auto_unbox = TRUE, digits = 15))
"""


def peer(xy: np.ndarray, labels: np.ndarray, radii: np.ndarray) -> dict | None:
    """Seconds a labelling in spatstat, or None with a word why not."""
    if shutil.which("Rscript") is None:
        print("spatstat skipped: no Rscript")
        return None
    with tempfile.TemporaryDirectory() as folder:
        script, data = Path(folder, "peer.R"), Path(folder, "points.json")
        script.write_text(SPATSTAT, encoding="utf-8")
        data.write_text(
            json.dumps(
                {"x": xy[:, 0].tolist(), "y": xy[:, 1].tolist(), "marks": labels.tolist(),
                 "radii": radii.tolist()}
            ),
            encoding="utf-8",
        )  # fmt: skip
        done = subprocess.run(
            ["Rscript", script, data, str(PEER_LABELLINGS)], capture_output=True, text=True
        )
    if done.returncode:
        print(f"spatstat skipped: {done.stderr.strip().splitlines()[-1]}")
        return None
    return json.loads(done.stdout)


def timed(call: Callable[[], Any], runs: int = 3) -> tuple[float, float]:
    """Median wall and processor seconds after one call that is not counted.

    On a busy machine the wall time says how busy it was; the processor time stays nearer the work.
    """
    call()
    spent = []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        spent.append((time.perf_counter() - wall, time.process_time() - cpu))
    return tuple(round(statistics.median(part), 3) for part in zip(*spent, strict=True))


def cross_k() -> None:
    rng = np.random.default_rng(0)
    xy = rng.random((POINTS, 2))
    labels = rng.choice(list("abcd"), POINTS)
    radii = np.linspace(0, RADIUS, 51)
    window = shapely.box(0, 0, 1, 1)
    theirs = peer(xy, labels, radii)
    common = {
        "points": POINTS,
        "labellings": LABELLINGS,
        "ordered_pairs_of_labels": 16,
        "radii": 51,
        "largest_radius": RADIUS,
        "threads": 1,
    }
    for correction in ("none", "translate", "isotropic", "border"):

        def run(workers: int = 1, correction: str = correction) -> colocation.Curves:
            return colocation.cross_k_all(
                xy, labels, radii, window, correction, LABELLINGS, np.random.default_rng(1),
                workers=workers,
            )  # fmt: skip

        wall, cpu = timed(run)
        figures = {"ours_s": wall, "ours_cpu_s": cpu, "two_threads_s": timed(lambda: run(2))[0]}
        if theirs and correction in theirs:
            spent = {key: value * LABELLINGS for key, value in theirs[correction].items()}
            figures |= {
                "spatstat_s": round(spent["wall"], 1),
                "spatstat_cpu_s": round(spent["cpu"], 1),
                "spatstat": f"{theirs['version']}, {PEER_LABELLINGS} labellings measured, "
                f"times {LABELLINGS / PEER_LABELLINGS:g}",
                "times_faster": round(spent["wall"] / wall, 1),
                "times_less_cpu": round(spent["cpu"] / cpu, 1),
            }
            if correction == "translate":
                difference = np.abs(run()["a", "b"].observed - np.array(theirs["K"]))
                figures["largest_difference_of_k"] = float(difference.max())
        record(f"points/cross_k_{correction}", **common, **figures)


def quotient() -> None:
    rng = np.random.default_rng(0)
    xy = rng.random((100_000, 2)) * 1e5
    for m in (4, 8):
        labels = rng.integers(m, size=100_000)

        def run(workers: int = 1, labels: np.ndarray = labels) -> colocation.Quotient:
            return colocation.quotient(
                xy, labels, k=8, permutations=999, rng=np.random.default_rng(1), workers=workers
            )

        record(
            f"points/quotient_{m}_labels",
            points=100_000,
            k=8,
            permutations=999,
            ordered_pairs_of_labels=m * m,
            **dict(zip(("ours_s", "ours_cpu_s"), timed(run), strict=True)),
            two_threads_s=timed(lambda run=run: run(2))[0],
        )


def others() -> None:
    rng = np.random.default_rng(0)
    n = 2_000
    xy, size = rng.random((n, 2)) * 1e4, rng.integers(1, 50, n)
    labels, region = rng.choice(list("abcd"), n), rng.integers(40, size=n)
    radii = np.linspace(0, 1000, 51)
    tasks = {
        "m_function": lambda: colocation.m_function(
            xy, labels, "a", "b", radii, size, 999, np.random.default_rng(1)
        ),
        "duranton_overman": lambda: colocation.duranton_overman(
            xy, labels, "a", "b", radii, size, 999, np.random.default_rng(1)
        ),
        "local_quotient_exact": lambda: colocation.local_quotient(xy, labels, "a", "b", k=8),
        "clark_evans": lambda: colocation.clark_evans(
            xy, shapely.box(0, 0, 1e4, 1e4), "cdf", 999, np.random.default_rng(1)
        ),
        "ellison_glaeser": lambda: concentration.ellison_glaeser(
            region, labels, size, 999, np.random.default_rng(1)
        ),
        "coagglomeration": lambda: concentration.coagglomeration(
            region, labels, size, 999, np.random.default_rng(1)
        ),
    }
    for name, task in tasks.items():
        wall, cpu = timed(task)
        record(f"points/{name}", points=n, permutations=999, ours_s=wall, ours_cpu_s=cpu)


EVERYTHING = """
import sys
sys.path.insert(0, {root!r})
import numpy as np
import shapely
from pipeline.stats import colocation, concentration
rng = np.random.default_rng(1)
xy = rng.random((312, 2)) * 2e4
labels, size = rng.choice(list("abcd"), 312), rng.integers(1, 50, 312)
window, radii = shapely.box(0, 0, 2e4, 2e4), np.linspace(0, 3000, 31)
colocation.quotient(xy, labels, k=3, permutations=999, rng=rng)
colocation.local_quotient(xy, labels, "a", "b", k=8)
for correction in ("none", "translate"):
    colocation.cross_k(xy, labels, "a", "b", radii, window, correction, 999, rng)
colocation.m_function(xy, labels, "a", "b", radii, size, 999, rng)
colocation.duranton_overman(xy, labels, "a", "b", radii, size, 999, rng)
colocation.clark_evans(xy, window, "cdf", 199, rng)
for index in (concentration.ellison_glaeser, concentration.coagglomeration):
    index(rng.integers(12, size=312), labels, size, 999, rng)
"""


def start() -> None:
    """Time a new process, interpreter and imports included: all statistics of 312 firms."""
    code = EVERYTHING.format(root=str(Path(__file__).parents[1]))

    def run(cache: str) -> tuple[float, float]:
        before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache, "OPENBLAS_NUM_THREADS": "1"}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        return time.perf_counter() - wall, cpu

    with tempfile.TemporaryDirectory() as cache:
        first = run(cache)  # compiles every kernel
        warm = [
            statistics.median(part) for part in zip(*(run(cache) for _ in range(3)), strict=True)
        ]
    record(
        "points/new process n=312, all point statistics",
        goal="< 8 s first ever",
        first_s=round(first[0], 2),
        first_cpu_s=round(first[1], 2),
        warm_s=round(warm[0], 2),
        warm_cpu_s=round(warm[1], 2),
        threads=1,
    )


if __name__ == "__main__":
    known = {task.__name__: task for task in (cross_k, quotient, others, start)}
    for name in sys.argv[1:] or known:
        known[name]()
