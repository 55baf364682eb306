"""Keep measured figures in ``bench/results.json``: one key a measurement, sorted, with context."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results.json")


def machine() -> dict[str, Any]:
    """Describe what the figures were measured on, without naming the machine."""
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def seconds(call: Callable[[], Any], runs: int = 3) -> float:
    """Median wall time of `runs` calls after one that is not counted."""
    call()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def record(key: str, **figures: Any) -> None:
    """Write `figures` under `key`, replacing what stood there, and print them."""
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    known[key] = {**figures, "machine": machine()}
    text = json.dumps(dict(sorted(known.items())), indent=2, ensure_ascii=False) + "\n"
    RESULTS.write_text(text, encoding="utf-8")
    print(key, json.dumps(figures, ensure_ascii=False))
