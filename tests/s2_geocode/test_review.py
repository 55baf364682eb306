"""The review loop: questions out, answers in, decisions kept and applied."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

import pipeline.s1_sources.run
from pipeline.contracts import crs as crs_rules
from pipeline.contracts.errors import InputError, OutputError
from pipeline.contracts.provenance import PROJECT, Paths, read_manifest, read_table
from pipeline.s2_geocode import duplicates, review
from pipeline.s2_geocode import run as stage
from pipeline.s2_geocode.firms import place_firms
from tests.s2_geocode.registers import (
    CRS_TOY,
    TOY,
    around,
    hand_over,
    register,
    toy_gazetteer,
    toy_units,
)

MELATI, KENANGA = "99.01.01.1001", "99.01.01.1002"
SUMBER_CITY, SUMBER_REGENCY = "99.01.02.1002", "99.02.01.2001"
GAZETTEER = toy_gazetteer()
VILLAGE, DISTRICT = toy_units()

ROWS: list[dict[str, Any]] = [
    {"firm_name": "Batik Sari", "raw_address": "Kel. Melati"},
    {"firm_name": "Batik Mega", "raw_address": "Sumber"},
    {"firm_name": "Batik Puri", "raw_address": "Sumber"},
    {"firm_name": "Batik Sari", "raw_address": "Jl. 3, Kel. Melati"},
    {"firm_name": "=1+1", "raw_address": "Kel. Kenanga", "village_stated": "Melati"},
    {"firm_name": "Batik Jauh", "raw_address": "Jl. Entah 5"},
    {"firm_name": "Batik Titik", "raw_address": "Kel. Melati", **around(VILLAGE, SUMBER_CITY)},
    {"firm_name": "Batik Kec", "raw_address": "Kec. Segara"},
]


def lines_of(rows: Sequence[Mapping[str, Any]], **more: Any) -> list[dict[str, str | None]]:
    crs = crs_rules.projected(CRS_TOY, "test")
    placed = place_firms(register(rows), GAZETTEER, VILLAGE, DISTRICT, crs, **more)
    return review.questions(duplicates.flag(placed).firm, GAZETTEER, "firms.xlsx")


def firm_ids(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    table = register(rows)
    return dict(zip(table["firm_id"], review.firm_keys(table), strict=True))


# Questions


def test_every_kind_of_question_is_asked_once() -> None:
    lines = lines_of(ROWS)
    assert [(line["firm_id"], line["question"]) for line in lines] == [
        ("F0002", "ambiguous"),
        ("F0003", "ambiguous"),
        ("F0004", "duplicate"),
        ("F0005", "conflict"),
        ("F0006", "unmatched"),
        ("F0007", "conflict"),
        ("F0008", "kecamatan_only"),
    ]
    assert {line["question"] for line in lines} == set(review.QUESTIONS)
    assert all(line["decision"] is None for line in lines)
    assert lines[0]["key"] == lines[1]["key"]
    assert lines[0]["candidates"] in (
        f"{SUMBER_CITY} Sumber, Kartala Timur; {SUMBER_REGENCY} Sumber, Pinggir",
        f"{SUMBER_REGENCY} Sumber, Pinggir; {SUMBER_CITY} Sumber, Kartala Timur",
    )
    assert lines[2]["candidates"] == "same as F0001; not a duplicate"
    assert "Batik Sari, Kel. Melati" in str(lines[2]["why"])


def test_a_firm_can_have_two_questions() -> None:
    rows = [{"firm_name": "Mega", "raw_address": "Sumber"}] * 2
    assert [(line["firm_id"], line["question"]) for line in lines_of(rows)] == [
        ("F0001", "ambiguous"),
        ("F0002", "ambiguous"),
        ("F0002", "duplicate"),
    ]


def test_the_csv_is_harmless_and_reads_back_as_it_was(tmp_path: Path) -> None:
    content = review.review_csv(lines_of(ROWS))
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert [row["firm_name"] for row in rows if row["firm_id"] == "F0005"] == ["'=1+1"]
    path = tmp_path / "review.csv"
    path.write_bytes(content)
    header, cells = review.files.read_csv(path)
    assert [row[header.index("firm_name")] for _, row in cells][3] == "=1+1"


def test_the_workbook_offers_the_candidates_and_says_how(tmp_path: Path) -> None:
    lines = lines_of(ROWS)
    content = review.review_workbook(lines)
    assert content == review.review_workbook(lines)
    path = tmp_path / "review.xlsx"
    path.write_bytes(content)
    book = openpyxl.load_workbook(path)
    sheet, lists = book["review"], book["candidates"]
    assert [cell.value for cell in sheet[1]] == list(review.COLUMNS)
    assert sheet["D5"].value == "=1+1"
    assert sheet["D5"].data_type == "s"
    offers = {}
    for rule in sheet.data_validations.dataValidation:
        assert not rule.showErrorMessage
        start, end = rule.formula1.removeprefix("candidates!").replace("$", "").split(":")
        choices = [cell.value for cell in lists[f"{start}:{end}"][0]]
        for cells in rule.sqref.ranges:
            for row in range(cells.min_row, cells.max_row + 1):
                offers[row] = choices
    assert set(offers) == set(range(2, 9))
    assert f"{SUMBER_CITY} Sumber, Kartala Timur" in offers[2]
    assert offers[2][-2:] == ["outside", "unknown"]
    assert offers[4] == ["same as F0001", "not a duplicate"]
    assert offers[7][-3:] == ["outside", "coordinates", "unknown"]
    told = [cell.value for row in book["how to"].iter_rows() for cell in row if cell.value]
    assert any("register yang sama" in str(text) for text in told)
    assert any("same register" in str(text) for text in told)


def test_a_workbook_beyond_its_limit_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(review, "XLSX_ROWS", 3)
    path = tmp_path / "review.xlsx"
    path.write_bytes(review.review_workbook(lines_of(ROWS)))
    book = openpyxl.load_workbook(path)
    assert book["review"].max_row == 4
    told = [str(cell.value) for row in book["how to"].iter_rows() for cell in row]
    assert "This sheet holds 3 of 7 questions; review.csv holds all of them." in told


# Answers


def filled(
    path: Path, answers: Mapping[int, Any], rows: Sequence[Mapping[str, Any]] = ROWS
) -> Path:
    """Write a review file with answers by line, 0 for the first, as a spreadsheet would."""
    lines = lines_of(rows)
    if path.suffix == ".csv":
        for at, answer in answers.items():
            lines[at]["decision"] = answer
        path.write_bytes(review.review_csv(lines))
        return path
    path.write_bytes(review.review_workbook(lines))
    book = openpyxl.load_workbook(path)
    for at, answer in answers.items():
        book["review"].cell(at + 2, 1).value = answer
    book.save(path)
    return path


def read(*paths: Path, rows: Sequence[Mapping[str, Any]] = ROWS, name: str = "firms.xlsx") -> Any:
    return review.read_answers(paths, firm_ids(rows), GAZETTEER, name)


@pytest.mark.parametrize("name", ["review.csv", "review.xlsx"])
def test_answers_of_every_kind_are_read(tmp_path: Path, name: str) -> None:
    path = filled(
        tmp_path / name,
        {0: f"{SUMBER_CITY} Sumber, Kartala Timur", 2: "Same as F0001", 3: "OUTSIDE ",
         4: "9901011002", 5: "coordinates", 6: "unknown"},
    )  # fmt: skip
    before = path.read_bytes()
    keys = review.place_keys(register(ROWS))
    ids = firm_ids(ROWS)
    assert read(path) == {
        keys[1]: SUMBER_CITY,
        review.pair_key(ids["F0004"], ids["F0001"]): review.SAME,
        keys[4]: review.OUTSIDE,
        keys[5]: KENANGA,
        keys[6]: review.COORDINATES,
        keys[7]: review.UNKNOWN,
    }
    assert path.read_bytes() == before


def test_a_code_a_spreadsheet_took_for_a_number_is_read(tmp_path: Path) -> None:
    path = filled(tmp_path / "review.xlsx", {0: 9901021002})
    assert list(read(path).values()) == [SUMBER_CITY]


def test_a_csv_saved_again_by_an_indonesian_spreadsheet_is_read(tmp_path: Path) -> None:
    path = filled(tmp_path / "review.csv", {0: SUMBER_CITY, 2: "not a duplicate"})
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=";").writerows(rows[:1] + rows[:0:-1])  # sorted anew as well
    path.write_bytes(buffer.getvalue().replace("Batik Mega", "Café").encode("cp1252"))
    assert sorted(read(path).values()) == [SUMBER_CITY, review.DIFFERENT]


def test_all_faulty_answers_are_reported_at_once_with_their_place(tmp_path: Path) -> None:
    path = filled(
        tmp_path / "review.csv",
        {0: "Sumber", 2: "same as F9999", 3: "98.01.01.1001", 4: f"{KENANGA} Melati",
         5: "not a duplicate", 6: "coordinates"},
    )  # fmt: skip
    with pytest.raises(InputError) as caught:
        read(path)
    faults = {fault.row: fault for fault in caught.value.faults}
    assert set(faults) == {2, 4, 5, 6, 7, 8}
    assert all(fault.where == str(path) for fault in faults.values())
    assert all(fault.column == "decision" for fault in faults.values())
    assert faults[2].found == "'Sumber'"
    assert "firm id" in faults[4].expected
    assert "98.01.01.1001" in faults[5].found
    assert faults[6].expected == f"{KENANGA} Kenanga, Kartala Barat"
    assert "village code" in faults[7].expected
    assert faults[8].hint == "The row has no coordinates, or boundaries are approximate"


def test_the_firm_a_line_asked_about_is_meant_whatever_its_identifier_is_now(
    tmp_path: Path,
) -> None:
    path = filled(tmp_path / "review.csv", {2: "same as F0001"})
    moved = [{"firm_name": "Batik Baru", "raw_address": "Kel. Pandan"}, *ROWS]
    ids = firm_ids(ROWS)
    assert read(path, rows=moved) == {review.pair_key(ids["F0001"], ids["F0004"]): review.SAME}
    path = filled(tmp_path / "review.csv", {2: "same as F0004"})
    with pytest.raises(InputError, match="another firm than the row's own"):
        read(path)
    path = filled(tmp_path / "review.csv", {2: "same as F0006"})
    assert set(read(path)) == {review.pair_key(ids["F0004"], ids["F0006"])}


def test_one_question_answered_in_two_ways_is_a_fault(tmp_path: Path) -> None:
    path = filled(tmp_path / "review.csv", {0: SUMBER_CITY, 1: SUMBER_REGENCY})
    with pytest.raises(InputError, match=r"row 3.*answer of .*row 2"):
        read(path)
    assert len(read(filled(tmp_path / "review.csv", {0: SUMBER_CITY, 1: SUMBER_CITY}))) == 1


def test_both_files_edited_differently_are_both_named(tmp_path: Path) -> None:
    text = filled(tmp_path / "review.csv", {0: SUMBER_CITY, 4: "outside"})
    book = filled(tmp_path / "review.xlsx", {0: SUMBER_REGENCY, 5: "unknown"})
    with pytest.raises(InputError) as caught:
        read(text, book)
    assert "review.csv" in str(caught.value)
    assert "review.xlsx" in str(caught.value)
    assert len(caught.value.faults) == 1
    # What only one of them has adds up.
    assert len(read(text, filled(tmp_path / "review.xlsx", {5: "unknown"}))) == 3


def test_answers_for_another_register_are_refused(tmp_path: Path) -> None:
    path = filled(tmp_path / "review.csv", {0: SUMBER_CITY})
    with pytest.raises(InputError, match=r"firms\.xlsx"):
        read(path, name="others.xlsx")
    assert read(filled(tmp_path / "review.csv", {}), name="others.xlsx") == {}


def test_a_lost_key_or_header_is_a_fault_only_where_it_matters(tmp_path: Path) -> None:
    path = filled(tmp_path / "review.csv", {0: SUMBER_CITY})
    text = path.read_text(encoding="utf-8-sig")
    key = review.place_keys(register(ROWS))[1]
    path.write_text(text.replace(key, "1,2E+15"), encoding="utf-8")
    with pytest.raises(InputError, match="key"):
        read(path)
    path.write_text(text.replace("decision", "jawaban", 1), encoding="utf-8")
    with pytest.raises(InputError, match="the column decision"):
        read(path)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04broken", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1xx"]
)
@pytest.mark.parametrize("name", ["review.csv", "review.xlsx"])
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=name):
        read(path)


# Decisions


def test_keys_do_not_depend_on_writing_but_on_place_and_name() -> None:
    rows = [
        {"raw_address": "Jl. Mawar No.3", "village_stated": "Melati", "firm_name": "A"},
        {"raw_address": "JL MAWAR NO 3 ", "village_stated": "Melati", "firm_name": "B"},
        {"raw_address": "Jl. Mawar No.4", "village_stated": "Melati", "firm_name": "A"},
        {"raw_address": "Jl. Mawar No.3 Melati", "firm_name": "A"},
        {"firm_name": "A"},
        {"firm_name": "B"},
        {"firm_name": "A", **around(VILLAGE, MELATI)},
    ]
    keys = review.place_keys(register(rows))
    assert keys[0] == keys[1]
    assert len(set(keys)) == len(rows) - 1
    assert len(set(review.firm_keys(register(rows)))) == len(rows)
    assert all(review._KEY.fullmatch(key) for key in keys)


def test_the_decisions_file_reads_back_and_holds_nothing_personal(tmp_path: Path) -> None:
    decisions = read(filled(tmp_path / "review.csv", {0: SUMBER_CITY, 2: "not a duplicate"}))
    path = review.decisions_path(tmp_path / "firms.xlsx")
    assert path.name == "firms.decisions.csv"
    path.write_text(review.decisions_text(decisions), encoding="utf-8")
    assert review.read_decisions(path) == decisions
    text = path.read_text(encoding="utf-8")
    assert not any(word in text for word in ("Batik", "Sari", "Sumber", "F0001", "Kel."))
    assert review.read_decisions(tmp_path / "none.csv") == {}


def test_a_faulty_decisions_file_is_reported_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "firms.decisions.csv"
    good = "p-0123456789abcdef"
    path.write_text(
        f"key,question,decision\n{good},place,outside\nx,place,outside\n"
        f"{good},place,unknown\n{good[:-1]}0,place,Melati\n",
        encoding="utf-8",
    )
    with pytest.raises(InputError) as caught:
        review.read_decisions(path)
    assert [fault.row for fault in caught.value.faults] == [3, 4, 5]
    path.write_text("a,b\n", encoding="utf-8")
    with pytest.raises(InputError, match="columns key, question, decision"):
        review.read_decisions(path)


def test_decisions_that_no_longer_apply_are_named() -> None:
    table = register(ROWS)
    place, firm = review.place_keys(table), review.firm_keys(table)
    gone = "p-0123456789abcdef"
    decisions = {
        place[1]: SUMBER_CITY,
        place[4]: "98.01.01.1001",
        place[6]: review.COORDINATES,
        gone: review.OUTSIDE,
        review.pair_key(firm[0], firm[3]): review.SAME,
        review.pair_key(firm[0], "0" * 16): review.SAME,
    }
    assert [line.partition(": ")[2] for line in review.unused(decisions, table, GAZETTEER)] == [
        "the area has no such village",
        "no row of the register says this place any more",
        "the register no longer has both rows",
    ]
    told = review.unused(decisions, table, GAZETTEER, is_real=False)
    assert any("boundaries are approximate" in line for line in told)
    assert review.unused({}, table, GAZETTEER) == []


# The whole loop


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    paths = Paths(TOY.parent, PROJECT / "layers", tmp_path_factory.mktemp("outputs"))
    pipeline.s1_sources.run.run(paths, "toy")
    return paths


@pytest.fixture
def paths(sources: Paths, tmp_path: Path) -> Paths:
    """Return folders of their own with the result of stage 1 and a register handed over."""
    shutil.copytree(sources.outputs, tmp_path / "outputs")
    own = Paths(sources.areas, sources.layers, tmp_path / "outputs")
    hand_over(own, register(ROWS), tmp_path / "firms.xlsx")
    return own


def go(paths: Paths, name: str | None = "firms.xlsx") -> bool:
    """Run the stage with the register of that name, which lies beside the outputs."""
    return stage.run(paths, "toy", paths.outputs.parent / name if name else None)


def firm(paths: Paths) -> pd.DataFrame:
    return read_table(paths, "toy", "geocode", "firm").set_index("firm_id")


def answer(paths: Paths, answers: Mapping[str, str], name: str = "review.csv") -> Path:
    """Fill in answers by ``firm question`` in the file the stage wrote."""
    path = paths.product("toy") / name
    header, cells = review.files.read_csv(paths.product("toy") / "review.csv")
    rows = [dict(zip(header, row, strict=True)) for _, row in cells]
    where = {f"{row['firm_id']} {row['question']}": at for at, row in enumerate(rows)}
    if name.endswith("csv"):
        for question, text in answers.items():
            rows[where[question]]["decision"] = text
        path.write_bytes(review.review_csv(rows))
    else:
        book = openpyxl.load_workbook(path)
        for question, text in answers.items():
            book["review"].cell(where[question] + 2, 1).value = text
        book.save(path)
    return path


def asked(paths: Paths) -> list[str]:
    path = paths.product("toy") / "review.csv"
    if not path.is_file():
        return []
    header, cells = review.files.read_csv(path)
    rows = [dict(zip(header, row, strict=True)) for _, row in cells]
    return [f"{row['firm_id']} {row['question']}" for row in rows]


def test_without_a_register_there_are_no_firms_and_no_questions(sources: Paths) -> None:
    stage.run(sources, "toy")
    assert len(read_table(sources, "toy", "geocode", "firm")) == 0
    assert not (sources.product("toy") / "review.csv").exists()


def test_the_loop(paths: Paths, tmp_path: Path) -> None:
    assert go(paths)
    assert not go(paths)
    assert len(asked(paths)) == 7
    manifest = read_manifest(paths, "toy", "geocode")
    assert manifest["rows"]["firm"] == {"in": 8, "out": 8, "dropped": {}}
    assert any(note.startswith("firms: 8 = 2 in a village") for note in manifest["notes"])

    answer(paths, {"F0002 ambiguous": SUMBER_CITY, "F0004 duplicate": "same as F0001"})
    answer(paths, {"F0006 unmatched": "outside"}, "review.xlsx")
    assert go(paths)
    placed = firm(paths)
    assert placed.loc["F0002", "village_code"] == placed.loc["F0003", "village_code"] == SUMBER_CITY
    assert placed.loc["F0006", "method"] == "outside"
    assert "F0004" not in placed.index
    assert asked(paths) == ["F0005 conflict", "F0007 conflict", "F0008 kecamatan_only"]
    manifest = read_manifest(paths, "toy", "geocode")
    assert manifest["rows"]["firm"]["dropped"] == {
        "the same firm as another row, decided by a person": 1
    }
    assert "decisions: 3 known, 3 applied" in manifest["notes"]
    assert set(manifest["recipe"]["inputs"]) == {"firms.decisions.csv"}
    assert not go(paths)

    answer(paths, {"F0005 conflict": KENANGA, "F0007 conflict": "coordinates",
                   "F0008 kecamatan_only": "unknown"})  # fmt: skip
    assert go(paths)
    assert asked(paths) == []
    assert not (paths.product("toy") / "review.xlsx").exists()
    assert len(review.read_decisions(tmp_path / "firms.decisions.csv")) == 6

    # A decision taken back asks again; a row that is gone is reported.
    path = tmp_path / "firms.decisions.csv"
    kept = [line for line in path.read_text(encoding="utf-8").splitlines() if "outside" not in line]
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")
    hand_over(paths, register(ROWS[:7]), tmp_path / "firms.xlsx")
    assert go(paths)
    assert asked(paths) == ["F0006 unmatched"]
    notes = read_manifest(paths, "toy", "geocode")["notes"]
    assert "decisions: 5 known, 4 applied" in notes
    assert any("no row of the register says this place any more" in note for note in notes)


def test_faulty_answers_stop_the_run_and_nothing_is_lost(paths: Paths, tmp_path: Path) -> None:
    go(paths)
    path = answer(paths, {"F0002 ambiguous": SUMBER_CITY, "F0006 unmatched": "somewhere"})
    before = path.read_bytes()
    with pytest.raises(InputError, match="somewhere"):
        go(paths)
    assert path.read_bytes() == before
    assert not (tmp_path / "firms.decisions.csv").exists()


def test_answers_that_cannot_be_stored_are_not_overwritten(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(paths)
    path = answer(paths, {"F0002 ambiguous": SUMBER_CITY})
    before = path.read_bytes()

    def fail(*_: Any) -> None:
        raise OutputError("disk full")

    monkeypatch.setattr(stage, "write_text", fail)
    with pytest.raises(OutputError):
        go(paths)
    assert path.read_bytes() == before


@pytest.mark.parametrize("function", ["run_stage", "_write_review"])
def test_a_run_killed_after_storing_reads_the_same_answers_again(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, function: str
) -> None:
    go(paths)
    answer(paths, {"F0002 ambiguous": SUMBER_CITY})

    def kill(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stage, function, kill)
        with pytest.raises(KeyboardInterrupt):
            go(paths)
    assert len(review.read_decisions(tmp_path / "firms.decisions.csv")) == 1
    assert "F0002 ambiguous" in asked(paths)
    go(paths)
    assert "F0002 ambiguous" not in asked(paths)
    assert len(review.read_decisions(tmp_path / "firms.decisions.csv")) == 1


def test_a_review_file_that_was_deleted_is_made_again(paths: Paths) -> None:
    go(paths)
    (paths.product("toy") / "review.xlsx").unlink()
    assert not go(paths)
    assert (paths.product("toy") / "review.xlsx").is_file()


def test_a_run_without_the_register_leaves_filled_files_alone(
    paths: Paths, sources: Paths, tmp_path: Path
) -> None:
    go(paths)
    path = answer(paths, {"F0002 ambiguous": SUMBER_CITY})
    before = path.read_bytes()
    hand_over(paths, register([]), None)  # stage 1 writes an empty table then
    go(paths, None)
    assert path.read_bytes() == before


def test_answers_for_one_register_stop_a_run_on_another(paths: Paths, tmp_path: Path) -> None:
    go(paths)
    path = answer(paths, {"F0002 ambiguous": SUMBER_CITY})
    before = path.read_bytes()
    hand_over(paths, register(ROWS[:3]), tmp_path / "others.csv")
    with pytest.raises(InputError, match=r"answers for others\.csv"):
        go(paths, "others.csv")
    assert path.read_bytes() == before
    assert not (tmp_path / "others.decisions.csv").exists()


def test_the_stage_is_run_anew_when_a_decision_is_edited(paths: Paths, tmp_path: Path) -> None:
    go(paths)
    key = review.place_keys(register(ROWS))[1]
    for code in (SUMBER_CITY, SUMBER_REGENCY):
        (tmp_path / "firms.decisions.csv").write_text(
            review.decisions_text({key: code}), encoding="utf-8"
        )
        assert go(paths)
        assert firm(paths).loc["F0003", "village_code"] == code


def test_two_runs_write_the_same_bytes(paths: Paths) -> None:
    go(paths)
    files = [paths.product("toy") / name for name in stage.REVIEW_FILES]
    files.append(paths.stage("toy", "geocode") / "firm.parquet")
    first = [path.read_bytes() for path in files]
    (paths.stage("toy", "geocode") / "manifest.json").unlink()
    for path in files:
        path.unlink()
    assert go(paths)
    assert [path.read_bytes() for path in files] == first


def test_another_register_than_stage_1_read_is_refused(paths: Paths) -> None:
    with pytest.raises(InputError, match=r"stage 1 read, firms\.xlsx"):
        go(paths, "others.csv")
    with pytest.raises(InputError, match="none"):
        go(paths, None)
