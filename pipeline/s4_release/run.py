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
from pipeline.contracts.tables import TABLES
from pipeline.s4_release.assemble import (
    CENTRES,
    centres,
    facilities,
    firm_points,
    samples,
    unit_table,
)

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
_OF_SPECIALISATIONS = (
    "specialisation_unit",
    "specialisation_summary",
    "specialisation_pair",
    "sentra_test",
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
        parameters={
            "area": area.model_dump(),
            "edition": paths.edition,
            "timestamp": moment and moment.isoformat(),
        },
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
        firms = record.read("geocode", "firm")
        for unit in ("village", "district"):
            units, sums = record.read("sources", unit), record.read("analyse", f"{unit}_firms")
            table = f"register_{unit}"
            record.write(table, unit_table(units, sums, f"{unit}_code")[TABLES[table].columns])
        points = firm_points(firms)
        record.write("firm_point", points)
        record.count(
            "firm_point",
            len(firms),
            len(points),
            {"no place of their own": len(firms) - len(points)},
        )
        record.write("firm", firms)
        for table in ("crosstab_check", "score_class", "linkage", *_OF_SPECIALISATIONS):
            record.write(table, record.read("analyse", table))
        record.write("comparison", record.read("analyse", "comparison"))
        passed = (*_PASSED, "demonstration_notes") if paths.edition else _PASSED
        for table in passed:
            record.write(table, record.read("sources", table))
        upstream = {stage: read_manifest(paths, name, stage) for stage in UPSTREAM}
        about = record.folder / "about.json"
        write_json(
            about,
            {
                "build": BUILD,
                "edition": paths.edition,
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
