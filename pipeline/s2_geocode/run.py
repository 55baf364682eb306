"""Stage 2: place names to villages and points. The only file here that writes."""

from __future__ import annotations

import pandas as pd

from pipeline.contracts import crs as crs_rules
from pipeline.contracts.area import load_area
from pipeline.contracts.provenance import Paths, StageRecord, run_stage
from pipeline.s2_geocode.gazetteer import Gazetteer
from pipeline.s2_geocode.places import locate, sample_cells


def run(paths: Paths, name: str) -> bool:
    """Run the stage unless its result stands; return whether it ran."""
    area = load_area(paths.areas, name)
    crs = crs_rules.projected(area.crs, str(paths.areas / name / "area.yaml"))

    def work(record: StageRecord) -> None:
        village = record.read("sources", "village")
        district = record.read("sources", "district")
        gazetteer = Gazetteer.from_tables(
            pd.DataFrame(village.drop(columns="geometry")),
            record.read("sources", "old_names"),
            record.read("sources", "aliases"),
        )
        for table, key in (("clusters", "cluster"), ("places", "place"), ("crosstabs", "sample")):
            published = record.read("sources", table)
            if key == "sample":
                published = sample_cells(published)
            published["status"] = pd.Series("published", index=published.index, dtype="string")
            where = str(paths.areas / name / "tables" / f"{table}.csv")
            decisions = {one.id: one for one in area.decisions if one.table == table}
            placed = locate(published, gazetteer, village, district, crs, where, decisions)
            record.write(key, placed)
            record.count(key, len(published), len(placed))

    return run_stage(
        StageRecord(
            paths,
            name,
            "geocode",
            after=("sources",),
            parameters={"crs": area.crs, "decisions": [one.model_dump() for one in area.decisions]},
        ),
        work,
    )
