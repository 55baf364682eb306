"""Stage 3: sums and measures. The only file here that writes."""

from __future__ import annotations

from pipeline.contracts.area import load_area
from pipeline.contracts.provenance import Paths, StageRecord, run_stage
from pipeline.s3_analyse.aggregate import comparison, firm_totals, totals
from pipeline.s3_analyse.crosstabs import recompute
from pipeline.s3_analyse.survey import linkages, score_classes


def run(paths: Paths, name: str) -> bool:
    """Run the stage unless its result stands; return whether it ran."""
    load_area(paths.areas, name)
    folder = str(paths.areas / name / "tables")
    return run_stage(
        StageRecord(paths, name, "analyse", after=("sources", "geocode")),
        lambda record: _work(record, folder),
    )


def _work(record: StageRecord, folder: str) -> None:
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
    firms = record.read("geocode", "firm")
    for unit in ("village", "district"):
        code = f"{unit}_code"
        record.write(f"{unit}_firms", firm_totals(record.read("sources", unit), firms, code))
        unplaced = int(firms[code].isna().sum())
        record.count(
            f"{unit}_firms",
            len(firms),
            len(firms) - unplaced,
            {f"known only to a unit larger than the {unit}, or not at all": unplaced}
            if unplaced
            else {},
        )
    regencies = record.read("sources", "regency")
    record.write("comparison", comparison(record.read("sources", "facts"), clusters, regencies))
    record.write("crosstab_check", recompute(record.read("sources", "crosstabs")))
    scales, scores = record.read("sources", "scales"), record.read("sources", "item_scores")
    record.write("score_class", score_classes(scales, scores, folder))
    reported, ties = record.read("sources", "linkages"), record.read("sources", "ties")
    record.write("linkage", linkages(reported, ties))
