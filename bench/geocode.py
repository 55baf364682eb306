"""Measure the geocoder beside lokal.alamat and plain rapidfuzz on the same strings.

Run from the root of the repository: ``PYTHONPATH=. python bench/geocode.py`` (a minute or two),
and the same with ``--million`` for memory and speed on 1,000,000 rows. lokal.alamat is
measured if the package ``lokal-id`` is installed; the project does not need it.
"""

from __future__ import annotations

import importlib
import resource
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rapidfuzz import fuzz, process, utils
from record import record, seconds

from pipeline.s2_geocode.gazetteer import Gazetteer
from pipeline.s2_geocode.match import geocode_addresses, geocode_parts
from tests.s2_geocode.addresses import Address, Addresses

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "s2_geocode" / "data"
# None of them was looked at while the weights were tuned.
SEEDS = (30_001, 30_002, 30_003)
EACH = 100

# An answer: the village given or None, and the codes left open.
Answer = tuple[str | None, list[str]]
Tool = Callable[[list[str]], list[Answer]]


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def tables() -> dict[str, pd.DataFrame]:
    return {
        "village": read(DATA / "gazetteer.csv"),
        "old_name": read(DATA / "old_names.csv"),
        "alias": read(ROOT / "areas" / "pekalongan" / "aliases.csv"),
    }


def ours(gazetteer: Gazetteer) -> Tool:
    def answer(texts: list[str]) -> list[Answer]:
        table = geocode_addresses(gazetteer, texts)
        return [
            (code, candidates.split(";"))
            for code, candidates in zip(table["village_code"], table["candidates"], strict=True)
        ]

    return answer


def plain_rapidfuzz(village: pd.DataFrame) -> Tool:
    """Nearest full name by token set, from a similarity of 80 on."""
    names = village["village_name"] + " " + village["district_name"] + " " + village["regency_name"]
    listed = [utils.default_process(name) for name in names]
    codes = village["village_code"].tolist()

    def answer(texts: list[str]) -> list[Answer]:
        out: list[Answer] = []
        for text in texts:
            hit = process.extractOne(
                utils.default_process(text), listed, scorer=fuzz.token_set_ratio, score_cutoff=80
            )
            out.append((codes[hit[2]], [codes[hit[2]]]) if hit else (None, []))
        return out

    return answer


def lokal_alamat(context: str) -> Tool | None:
    """lokal.alamat, with the context added to every string as its users would."""
    try:
        importlib.import_module("lokal.wilayah")  # first: the two modules import each other
        lokal = importlib.import_module("lokal.alamat")
    except ImportError:
        return None

    def answer(texts: list[str]) -> list[Answer]:
        out: list[Answer] = []
        for text in texts:
            parsed = lokal.parse_alamat(f"{text}{context}")
            village = parsed.kelurahan_desa
            others = [one.code for one in parsed.alternatives]
            out.append((village.code if village else None, others))
        return out

    return answer


def share(hits: list[bool]) -> float:
    return round(float(np.mean(hits)), 4)


def accuracy(
    tool: Tool, drawn: list[Address], real: pd.DataFrame, area: set[str]
) -> dict[str, float]:
    found = tool([one.text for one in drawn])
    pairs = list(zip(drawn, found, strict=True))
    resolvable = [
        (one, code)
        for one, (code, _) in pairs
        if one.village_code is not None and one.kind != "ambiguous"
    ]
    shared = [(one, answer) for one, answer in pairs if one.kind == "ambiguous"]
    # A national tool may well name the village outside the area.
    none = [code if code in area else None for one, (code, _) in pairs if one.village_code is None]
    old = [(one, code) for one, code in resolvable if one.kind.startswith("old name")]
    villages = real[real["expected"] == "village"]
    answers = [code for code, _ in tool(villages["address"].tolist())]
    truth = villages["village_code"].tolist()
    return {
        "generated_top1": share([code == one.village_code for one, code in resolvable]),
        "generated_wrong": share(
            [code is not None and code != one.village_code for one, code in resolvable]
        ),
        "old_names": share([code == one.village_code for one, code in old]),
        "ambiguous_left_open_with_truth": share(
            [code is None and one.village_code in others for one, (code, others) in shared]
        ),
        "village_for_kecamatan_or_outside": share([code is not None for code in none]),
        "real_top1": share([code == true for code, true in zip(answers, truth, strict=True)]),
        "real_wrong": share(
            [code is not None and code != true for code, true in zip(answers, truth, strict=True)]
        ),
        "generated": len(drawn),
        "real": len(villages),
    }


def speed(build: Callable[[], Any], texts: list[str]) -> float:
    """Rows per second with empty caches: the tool is built anew for each run."""
    return round(len(texts) / seconds(lambda: build()(texts)))


def stream(generator: Addresses) -> Iterator[str]:
    makers = list(generator.kinds().values())
    while True:
        yield from (make().text for make in makers)


def million(gazetteer: Gazetteer, rows: int = 1_000_000) -> None:
    """Geocode many different rows part by part; drawing them is not counted."""
    texts = stream(Addresses(**tables(), rng=np.random.default_rng(SEEDS[0])))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    spent, done, open_rows = 0.0, 0, 0
    while done < rows:
        part = list(islice(texts, 50_000))
        start = time.perf_counter()
        for table in geocode_parts(gazetteer, part):
            done += len(table)
            open_rows += int(table["village_code"].isna().sum())
        spent += time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    record(
        "geocode/million",
        rows=done,
        rows_per_second=round(done / spent),
        open_rows=open_rows,
        peak_mb=round(peak / 1024),
        peak_above_start_mb=round((peak - before) / 1024),
    )


def main(arguments: list[str]) -> None:
    listed = tables()
    gazetteer = Gazetteer.from_tables(**listed)
    if "--million" in arguments:
        million(gazetteer)
        return
    drawn = [
        one
        for seed in SEEDS
        for one in Addresses(**listed, rng=np.random.default_rng(seed)).draw(EACH)
    ]
    real = read(DATA / "real_addresses.csv")
    builders: dict[str, Callable[[], Tool | None]] = {
        "ours": lambda: ours(Gazetteer.from_tables(**listed)),
        "rapidfuzz": lambda: plain_rapidfuzz(listed["village"]),
        "lokal.alamat": lambda: lokal_alamat(", Pekalongan, Jawa Tengah"),
    }
    texts = [one.text for one in drawn]
    for name, build in builders.items():
        tool = build()
        if tool is None:
            print(f"geocode/{name}: lokal-id is not installed, not measured")
            continue
        figures: dict[str, Any] = accuracy(tool, drawn, real, set(gazetteer.villages))
        # A peer is timed on fewer strings, for patience.
        figures["rows_per_second"] = speed(build, texts if name == "ours" else texts[::20])
        record(f"geocode/{name}", **figures)


if __name__ == "__main__":
    main(sys.argv[1:])
