"""Stage 4, the gate: the only reader of stage tables on the way out.

The build ``internal`` shows everything the stages made and says so on every product.
"""

from __future__ import annotations

from pipeline.contracts.area import load_area
from pipeline.contracts.provenance import (
    Paths,
    StageRecord,
    environment,
    read_manifest,
    run_stage,
    sha256,
    timestamp,
    write_json,
)
from pipeline.s4_release.assemble import CENTRES, centres, facilities, samples, unit_table

BUILD = "internal"
UPSTREAM = ("sources", "geocode", "analyse")
_PASSED = (
    "facts",
    "contradictions",
    "sources",
    "stakeholders",
    "network_actors",
    "specialisations",
    "old_names",
    "crosstabs",
)


def run(paths: Paths, name: str) -> bool:
    """Run the stage unless its result stands; return whether it ran."""
    area = load_area(paths.areas, name)
    moment = timestamp()
    record = StageRecord(
        paths,
        name,
        f"release/{BUILD}",
        after=UPSTREAM,
        parameters={"area": area.model_dump(), "timestamp": moment and moment.isoformat()},
    )

    def work(record: StageRecord) -> None:
        for unit in ("village", "district", "regency"):
            units = record.read("sources", unit)
            joined = unit_table(units, record.read("analyse", f"{unit}_total"), f"{unit}_code")
            record.write(unit, joined, schema=f"released_{unit}")
        clusters, places = record.read("geocode", "cluster"), record.read("geocode", "place")
        record.write("cluster", clusters)
        centre, dropped = centres(clusters, places)
        record.write("centre", centre)
        rows_in = len(clusters) + int(places["activity"].isin(CENTRES).sum())
        record.count("centre", rows_in, len(centre), dropped)
        facility = facilities(places)
        record.write("facility", facility)
        record.write("survey_sample", samples(record.read("geocode", "sample")))
        for table in ("crosstab_check", "score_class", "linkage"):
            record.write(table, record.read("analyse", table))
        record.write("comparison", record.read("analyse", "comparison"))
        for table in _PASSED:
            record.write(table, record.read("sources", table))
        upstream = {stage: read_manifest(paths, name, stage) for stage in UPSTREAM}
        about = record.folder / "about.json"
        write_json(
            about,
            {
                "build": BUILD,
                "area": area.model_dump(),
                "timestamp": moment.isoformat() if moment else None,
                "environment": environment(),
                "inputs": upstream["sources"]["recipe"]["inputs"],
                "rows": {stage: manifest["rows"] for stage, manifest in upstream.items()},
                "notes": {stage: manifest["notes"] for stage, manifest in upstream.items()},
            },
        )
        record.outputs[about.name] = sha256(about)

    return run_stage(record, work)
