"""Stage 3: sums and measures. The only file here that writes."""

from __future__ import annotations

import numpy as np

from pipeline.contracts.area import AreaConfig, load_area
from pipeline.contracts.provenance import Paths, StageRecord, run_stage
from pipeline.contracts.reading import empty
from pipeline.s3_analyse.aggregate import comparison, firm_totals, totals
from pipeline.s3_analyse.concentration import pairs, summary
from pipeline.s3_analyse.crosstabs import recompute
from pipeline.s3_analyse.specialisation import LEVELS, by_unit, read_kinds, sentra
from pipeline.s3_analyse.survey import linkages, score_classes

_OF_SPECIALISATIONS = (
    "specialisation_unit",
    "specialisation_summary",
    "specialisation_pair",
    "sentra_test",
)


def run(paths: Paths, name: str) -> bool:
    """Run the stage unless its result stands; return whether it ran."""
    area = load_area(paths.areas, name)
    folder = str(paths.areas / name / "tables")
    parameters = {"seed": area.seed, "policy": area.policy.model_dump()}
    return run_stage(
        StageRecord(paths, name, "analyse", after=("sources", "geocode"), parameters=parameters),
        lambda record: _work(record, folder, area),
    )


def _work(record: StageRecord, folder: str, area: AreaConfig) -> None:
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
    _specialisation(record, area)


def _specialisation(record: StageRecord, area: AreaConfig) -> None:
    firms = record.read("geocode", "firm")
    if firms.empty:
        for table in _OF_SPECIALISATIONS:
            record.write(table, empty(table))
        return
    units = {level: record.read("sources", level) for level in LEVELS}
    kinds = read_kinds(firms)
    name = " + ".join(regency.name for regency in area.regencies)
    of_summary, of_pairs = np.random.default_rng(area.seed).spawn(2)
    record.write("specialisation_unit", by_unit(kinds, units, name, area.policy))
    record.write("specialisation_summary", summary(kinds, units, name, area.policy, of_summary))
    record.write("specialisation_pair", pairs(kinds, units, name, area.policy, of_pairs))
    households = record.read("sources", "households")
    record.write("sentra_test", sentra(kinds, units["village"], households, area.policy))
    dropped = {"no specialisation stated": kinds.unknown} if kinds.unknown else {}
    record.count("specialisation_unit", len(firms), len(kinds.firms), dropped)
