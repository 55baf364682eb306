from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import pipeline.contracts.provenance as provenance
from pipeline.contracts.errors import InputError, OutputError
from pipeline.contracts.provenance import (
    PROJECT,
    Paths,
    StageRecord,
    atomic,
    code_digest,
    digest,
    environment,
    read_manifest,
    read_table,
    run_stage,
    sha256,
    timestamp,
    write_bytes,
    write_json,
    write_text,
)

Run = Callable[..., list[bool]]
RunToy = Callable[[Paths], list[bool]]


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if ".tmp" in path.name]


# Atomic writes


def test_a_failing_block_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("good")

    def write_half() -> None:
        with atomic(path) as temporary:
            temporary.write_text("bad")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half"):
        write_half()
    assert path.read_text() == "good"
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]


def test_bad_input_inside_a_write_stays_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError), atomic(tmp_path / "a.csv"):
        raise InputError([])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("function", "number", "reason"),
    [
        ("replace", errno.EROFS, "Read-only file system"),
        ("fsync", errno.ENOSPC, "No space left on device"),
        ("replace", errno.EACCES, "Permission denied"),
    ],
)
def test_injected_faults_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, number: int, reason: str
) -> None:
    path = tmp_path / "table.csv"
    path.write_text("good")

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(provenance.os, function, fail)
    with pytest.raises(OutputError) as caught:
        write_text(path, "new")
    assert str(caught.value) == (
        f"{path}: expected to write it, found: {reason}. The last good file is untouched. "
        "Free space, allow writing, or close the program that has it open, and run again"
    )
    assert caught.value.exit_code == 2
    assert path.read_text() == "good"
    assert leftovers(tmp_path) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="expected to write it, found: "):
        write_text(tmp_path / "file" / "a.txt", "text")


def test_same_content_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "text\n")
    before = path.stat()
    os.utime(path, (1, 1))
    write_bytes(path, b"text\n")
    after = path.stat()
    assert after.st_ino == before.st_ino
    assert after.st_mtime > 1


def test_text_is_utf8_with_lf(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": "é", "a": 1})
    assert (tmp_path / "a.json").read_bytes() == '{\n  "b": "é",\n  "a": 1\n}\n'.encode()


# Time, hashes, code


def test_time_is_the_one_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    moment = timestamp()
    assert moment is not None
    assert moment.isoformat() == "1970-01-01T00:00:00+00:00"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(InputError, match="SOURCE_DATE_EPOCH: expected seconds since 1970"):
        timestamp()


def test_time_is_the_commits_else_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    monkeypatch.setattr(provenance, "_git", lambda *_: "1700000000")
    assert str(timestamp()) == "2023-11-14 22:13:20+00:00"
    monkeypatch.setattr(provenance, "_git", lambda *_: "")
    assert timestamp() is None


def test_outside_a_checkout_git_answers_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "PROJECT", tmp_path)
    assert provenance._git("rev-parse", "--is-inside-git-dir-of-nothing") == ""
    monkeypatch.setenv("PATH", "")
    assert provenance._git("rev-parse", "HEAD", "--no-such-thing") == ""


def test_digests() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest([1, 2]) != digest([2, 1])
    assert code_digest("sources") != code_digest("geocode")
    assert code_digest("release") == code_digest("release/internal")
    assert set(environment()) == {"version", "commit", "python", "packages"}


# Stage records


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(areas=tmp_path / "areas", layers=tmp_path / "layers", outputs=tmp_path / "out")


def frame(*values: int) -> pd.DataFrame:
    return pd.DataFrame({"value": values})


def record(paths: Paths, **changed: object) -> StageRecord:
    return StageRecord(paths, "toy", "sources", **({"inputs": {"a": "1"}} | changed))  # type: ignore[arg-type]


def work(one: StageRecord) -> None:
    one.write("numbers", frame(1, 2))
    one.count("numbers", 3, 2, {"broken": 1})
    one.notes.append("a note")


def test_nothing_runs_twice(paths: Paths) -> None:
    assert run_stage(record(paths), work)
    manifest = read_manifest(paths, "toy", "sources")
    assert manifest["rows"] == {"numbers": {"in": 3, "out": 2, "dropped": {"broken": 1}}}
    assert manifest["notes"] == ["a note"]
    assert not run_stage(record(paths), work)
    assert read_table(paths, "toy", "sources", "numbers")["value"].tolist() == [1, 2]


def test_a_changed_recipe_runs_again(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    run_stage(record(paths), work)
    assert run_stage(record(paths, inputs={"a": "2"}), work)
    assert run_stage(record(paths, inputs={"a": "2"}, parameters={"seed": 1}), work)
    same = record(paths, inputs={"a": "2"}, parameters={"seed": 1})
    assert not run_stage(same, work)
    monkeypatch.setattr(provenance, "code_digest", lambda stage: "other code")
    assert run_stage(record(paths, inputs={"a": "2"}, parameters={"seed": 1}), work)


@pytest.mark.parametrize("damage", ["delete", "alter", "manifest", "no manifest"])
def test_damaged_outputs_are_made_again(paths: Paths, damage: str) -> None:
    run_stage(record(paths), work)
    folder = paths.stage("toy", "sources")
    good = {path.name: path.read_bytes() for path in folder.iterdir()}
    if damage == "delete":
        (folder / "numbers.parquet").unlink()
    elif damage == "alter":
        frame(9).to_parquet(folder / "numbers.parquet")
    elif damage == "manifest":
        (folder / "manifest.json").write_text("{")
    else:
        (folder / "manifest.json").unlink()
    assert run_stage(record(paths), work)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == good


def test_upstream_outputs_are_part_of_the_recipe(paths: Paths) -> None:
    def second(one: StageRecord) -> None:
        one.write("double", one.read("sources", "numbers") * 2)

    def make() -> StageRecord:
        return StageRecord(paths, "toy", "geocode", after=("sources",))

    with pytest.raises(InputError, match=r"Run 'make sources AREA=toy' first"):
        run_stage(make(), second)
    run_stage(record(paths), work)
    assert run_stage(make(), second)
    assert not run_stage(make(), second)
    run_stage(record(paths, inputs={"a": "2"}), lambda one: one.write("numbers", frame(5)))
    assert run_stage(make(), second)
    assert read_table(paths, "toy", "geocode", "double")["value"].tolist() == [10]


def test_undeclared_upstream_is_refused(paths: Paths) -> None:
    run_stage(record(paths), work)
    with pytest.raises(InputError, match="stage analyse: expected inputs from geocode, found sour"):
        StageRecord(paths, "toy", "analyse", after=("geocode",)).read("sources", "numbers")


def test_tables_of_an_earlier_run_do_not_linger(paths: Paths) -> None:
    run_stage(record(paths), work)
    run_stage(record(paths, inputs={}), lambda one: one.write("others", frame(1)))
    assert not (paths.stage("toy", "sources") / "numbers.parquet").exists()
    with pytest.raises(InputError, match=r"expected a table of stage sources, found no such table"):
        read_table(paths, "toy", "sources", "numbers")


def test_rows_must_add_up(paths: Paths) -> None:
    with pytest.raises(InputError) as caught:
        record(paths).count("clusters", 10, 8, {"no village": 1})
    assert str(caught.value) == (
        "stage sources, table clusters: expected 10 rows accounted for, found 8 out and 1 dropped"
    )


def test_tables_are_held_against_their_schema(paths: Paths) -> None:
    with pytest.raises(InputError, match="expected columns village_code_a"):
        record(paths).write("neighbours", frame(1))
    with pytest.raises(InputError, match="expected columns village_code_a"):
        record(paths).write("pairs", frame(1), schema="neighbours")


def test_broken_manifest_says_what_to_do(paths: Paths) -> None:
    run_stage(record(paths), work)
    (paths.stage("toy", "sources") / "manifest.json").write_text("{")
    with pytest.raises(InputError, match=r"Delete the file and run 'make sources AREA=toy'"):
        read_manifest(paths, "toy", "sources")


def test_csv_for_people(paths: Paths) -> None:
    path = paths.outputs / "a.csv"
    record(paths).write_csv(path, frame(1, 2))
    assert path.read_bytes() == b"value\n1\n2\n"


# The whole chain of the invented area


@pytest.fixture
def copied(tmp_path: Path, toy_release: tuple[Paths, str]) -> Paths:
    done, _ = toy_release
    shutil.copytree(done.areas / "toy", tmp_path / "areas" / "toy")
    shutil.copytree(done.outputs, tmp_path / "out")
    return Paths(areas=tmp_path / "areas", layers=done.layers, outputs=tmp_path / "out")


@pytest.fixture
def run_toy(run_stages: Run, toy_register: Path) -> Callable[[Paths], list[bool]]:
    return lambda paths: run_stages(paths, "toy", register=toy_register)


def test_an_unchanged_area_runs_no_stage(copied: Paths, run_toy: RunToy) -> None:
    assert run_toy(copied) == [False, False, False, False]


def test_the_same_bytes_in_another_folder(copied: Paths, run_toy: RunToy, tmp_path: Path) -> None:
    fresh = Paths(areas=copied.areas, layers=copied.layers, outputs=tmp_path / "again")
    assert run_toy(fresh) == [True, True, True, True]

    def hashes(root: Path) -> dict[str, str]:
        files = (path for path in root.rglob("*") if path.is_file())
        return {str(path.relative_to(root)): sha256(path) for path in files}

    assert hashes(fresh.outputs) == hashes(copied.outputs)
    assert len(hashes(fresh.outputs)) > 30


def test_only_what_is_stale_runs_again(copied: Paths, run_toy: RunToy) -> None:
    table = copied.stage("toy", "geocode") / "cluster.parquet"
    table.unlink()
    # Stage 2 makes the same table again, so that those after it still stand.
    assert run_toy(copied) == [False, True, False, False]


def test_a_changed_table_runs_all(copied: Paths, run_toy: RunToy) -> None:
    from pipeline.contracts.area import load_area
    from pipeline.s1_sources.seal import seal

    folder = copied.areas / "toy"
    clusters = folder / "tables" / "clusters.csv"
    clusters.write_text(clusters.read_text().replace("tulis,10,40", "tulis,11,40"))
    assert seal(folder, load_area(copied.areas, "toy")) == ["tables/clusters.csv"]
    assert run_toy(copied) == [True, True, True, True]
    village = read_table(copied, "toy", "release/internal", "village").set_index("village_code")
    assert village.loc["99.01.01.1001", "firms_count"] == 11


def test_manifests_name_no_folder_of_the_machine(toy_release: tuple[Paths, str]) -> None:
    paths, area = toy_release
    for path in paths.product(area).rglob("*.json"):
        text = path.read_text(encoding="utf-8")
        json.loads(text)
        assert str(paths.outputs) not in text
        assert str(PROJECT) not in text
