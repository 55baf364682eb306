"""Stage 2: place names, firms and addresses to villages and points. The only file that writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.contracts import crs as crs_rules
from pipeline.contracts.area import load_area
from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.provenance import (
    Paths,
    StageRecord,
    read_manifest,
    read_table,
    run_stage,
    sha256,
    write_bytes,
    write_text,
)
from pipeline.contracts.reading import read_csv
from pipeline.s2_geocode import duplicates, firms, online, review
from pipeline.s2_geocode.gazetteer import Gazetteer
from pipeline.s2_geocode.places import locate, sample_cells
from pipeline.s2_geocode.table import Done, geocode_file

REVIEW_FILES = ("review.csv", "review.xlsx")
"""Where open questions stand, in the area's folder of products."""


def run(
    paths: Paths,
    name: str,
    register_file: Path | None = None,
    ask: online.Settings | None = None,
) -> bool:
    """Run the stage unless its result stands; return whether it ran.

    Parameters
    ----------
    paths : Paths
    name : str
        Name of the area.
    register_file : Path, optional
        The register stage 1 read; the decisions file lies beside it.
    ask : online.Settings, optional
        Server to ask about firms still open; no network is touched without it.

    Raises
    ------
    InputError
        Among others every fault of a filled review file; nothing is stored or overwritten then.

    Notes
    -----
    Answers a person filled into the review files are first stored in the decisions file beside the
    register; only then does the stage run and write the questions that are left. A run that is
    stopped in between reads the same answers again.
    """
    area = load_area(paths.areas, name)
    crs = crs_rules.projected(area.crs, str(paths.areas / name / "area.yaml"))
    register = _require_register(paths, name, register_file)
    decisions: dict[str, str] = {}
    inputs: dict[str, str] = {}
    has_answers = False
    if register:
        decisions, has_answers = _take_answers(paths, name, register)
        path = review.decisions_path(register)
        if path.is_file():
            inputs[path.name] = sha256(path)

    def work(record: StageRecord) -> None:
        village = record.read("sources", "village")
        district = record.read("sources", "district")
        gazetteer = _gazetteer(paths, name)
        for table, key in (("clusters", "cluster"), ("places", "place"), ("crosstabs", "sample")):
            published = record.read("sources", table)
            if key == "sample":
                published = sample_cells(published)
            published["status"] = pd.Series("published", index=published.index, dtype="string")
            where = str(paths.areas / name / "tables" / f"{table}.csv")
            decided = {one.id: one for one in area.decisions if one.table == table}
            placed = locate(published, gazetteer, village, district, crs, where, decided)
            record.write(key, placed)
            record.count(key, len(published), len(placed))
        _place_register(record, gazetteer, village, district, crs, decisions, ask)

    ran = run_stage(
        StageRecord(
            paths,
            name,
            "geocode",
            inputs=inputs,
            after=("sources",),
            parameters={
                "crs": area.crs,
                "decisions": [one.model_dump() for one in area.decisions],
                "register_decisions": len(decisions),
                "online": ask.url if ask else None,
            },
        ),
        work,
    )
    if register:
        _write_review(paths, name, register, is_due=ran or has_answers)
    return ran


def geocode_table(
    paths: Paths,
    name: str,
    in_path: Path,
    out_path: Path,
    column: str = "raw_address",
    district: str | None = None,
    regency: str | None = None,
    say: Callable[[str], None] | None = None,
) -> Done:
    """Geocode any table with the names of an area; no stage needs to have run.

    Parameters
    ----------
    paths : Paths
    name : str
        Name of the area.
    in_path, out_path, column, district, regency, say
        As :func:`.table.geocode_file` has them.
    """
    load_area(paths.areas, name)
    folder = paths.areas / name
    gazetteer = read_csv(folder / "gazetteer.csv", "gazetteer")
    gazetteer["district_code"] = gazetteer["village_code"].str[:8]
    gazetteer["regency_code"] = gazetteer["village_code"].str[:5]
    names = Gazetteer.from_tables(
        gazetteer,
        read_csv(folder / "old_names.csv", "old_names"),
        read_csv(folder / "aliases.csv", "aliases"),
    )
    return geocode_file(in_path, out_path, names, column, district, regency, say)


def _require_register(paths: Paths, name: str, register_file: Path | None) -> str | None:
    """Return the register as named if stage 1 read it, and nothing if it read none."""
    known = read_manifest(paths, name, "sources")["recipe"]["parameters"]["register"]
    named = register_file and register_file.name
    if named != known:
        raise InputError(
            Fault(
                f"REGISTER={register_file or ''}",
                f"the register stage 1 read, {known}" if known else "none, for stage 1 read none",
                str(register_file or "none"),
                hint="Name the register in every command, or run all stages again",
            )
        )
    return str(register_file) if register_file else None


def _gazetteer(paths: Paths, name: str) -> Gazetteer:
    village = read_table(paths, name, "sources", "village")
    return Gazetteer.from_tables(
        pd.DataFrame(village.drop(columns="geometry")),
        read_table(paths, name, "sources", "old_names"),
        read_table(paths, name, "sources", "aliases"),
    )


def _review_paths(paths: Paths, name: str) -> list[Path]:
    return [paths.product(name) / file for file in REVIEW_FILES]


def _register_name(register: str) -> str:
    return Path(register.partition("#")[0]).name


def _take_answers(paths: Paths, name: str, register: str) -> tuple[dict[str, str], bool]:
    """Store what a person filled in; return all decisions and whether there was any new answer."""
    path = review.decisions_path(register)
    decisions = review.read_decisions(path)
    filled = [one for one in _review_paths(paths, name) if one.is_file()]
    if not filled:
        return decisions, False
    rows = read_table(paths, name, "sources", "register")
    answers = review.read_answers(
        filled,
        dict(zip(rows["firm_id"], review.firm_keys(rows), strict=True)),
        _gazetteer(paths, name),
        _register_name(register),
    )
    if any(decisions.get(key) != answer for key, answer in answers.items()):
        decisions |= answers
        write_text(path, review.decisions_text(decisions))
    return decisions, bool(answers)


def _place_register(
    record: StageRecord,
    gazetteer: Gazetteer,
    village: Any,
    district: Any,
    crs: Any,
    decisions: dict[str, str],
    ask: online.Settings | None,
) -> None:
    """Write the table of firms; it has no rows without a register."""
    register = record.read("sources", "register")
    arguments = (register, gazetteer, village, district, crs, decisions)
    if ask and len(register):
        with online.service(ask, record.paths.product(record.area) / "online.sqlite") as service:
            firm = firms.place_firms(*arguments, ask=service.ask)
            record.notes += service.notes()
    else:
        firm = firms.place_firms(*arguments)
    flagged = duplicates.flag(firm, decisions)
    kept = duplicates.without_same(flagged.firm)
    record.write("firm", kept)
    same = len(firm) - len(kept)
    dropped = {"the same firm as another row, decided by a person": same} if same else {}
    record.count("firm", len(register), len(kept), dropped)
    if len(register):
        unused = review.unused(
            decisions,
            register,
            gazetteer,
            is_real=bool((village["boundary_kind"] == "published").all()),
        )
        record.notes += [
            *firms.statistics(kept),
            f"decisions: {len(decisions)} known, {len(decisions) - len(unused)} applied",
            *unused,
            *flagged.notes,
        ]


def _write_review(paths: Paths, name: str, register: str, is_due: bool) -> None:
    """Write the questions that are left, all answers being stored; none are no file."""
    csv_path, book_path = _review_paths(paths, name)
    firm = read_table(paths, name, "geocode", "firm")
    is_asked, is_double = review.open_rows(firm)
    has_questions = bool((is_asked | is_double).any())
    if not is_due and csv_path.is_file() == book_path.is_file() == has_questions:
        return
    if not has_questions:
        csv_path.unlink(missing_ok=True)
        book_path.unlink(missing_ok=True)
        return
    lines = review.questions(firm, _gazetteer(paths, name), _register_name(register))
    write_bytes(csv_path, review.review_csv(lines))
    write_bytes(book_path, review.review_workbook(lines))
