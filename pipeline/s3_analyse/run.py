"""Stage 3: sums and measures. The only file here that writes."""

from __future__ import annotations

from pipeline.contracts.area import load_area
from pipeline.contracts.provenance import Paths, StageRecord, run_stage
from pipeline.s3_analyse.aggregate import comparison, totals


def run(paths: Paths, name: str) -> bool:
    """Run the stage unless its result stands; return whether it ran."""
    load_area(paths.areas, name)
    return run_stage(StageRecord(paths, name, "analyse", after=("sources", "geocode")), _work)


def _work(record: StageRecord) -> None:
    clusters = record.read("geocode", "cluster")
    for unit in ("village", "district", "regency"):
        units = record.read("sources", unit)
        code = f"{unit}_code"
        record.write(f"{unit}_total", totals(units, clusters, code))
        unplaced = int(clusters[code].isna().sum())
        record.count(
            f"{unit}_total",
            len(clusters),
            len(clusters) - unplaced,
            {f"known only to a unit larger than the {unit}": unplaced} if unplaced else {},
        )
    regencies = record.read("sources", "regency")
    record.write("comparison", comparison(record.read("sources", "facts"), clusters, regencies))
