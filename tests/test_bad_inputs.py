"""Each folder of ``bad_inputs`` is one mistake a user makes, and the message it must get.

``case.yaml``: ``stage`` (the one that must refuse), ``edits`` (a file of the invented area or of
``layers/``, what to replace, by what, how often: once, or -1 for always), optionally ``remove``
(files), ``area`` and ``boundaries`` as a user would name them, ``sealed: false`` to leave the
hashes of changed tables as they were. ``expected.txt``: the whole message, folders of the machine
replaced by ``areas`` and ``layers``, lists that grow by ``...``.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import pipeline.contracts.provenance as provenance
from pipeline.contracts.errors import AtlasError, OutputError
from pipeline.contracts.provenance import PROJECT, Paths, sha256
from pipeline.s5_render.load import load_plan

FOLDER = Path(__file__).parent / "bad_inputs"
CASES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
STAGES = ("sources", "geocode", "analyse", "release", "render")
Run = Callable[..., list[bool]]


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def made(tmp_path: Path, toy_release: tuple[Paths, str]) -> Paths:
    """Return a copy of the invented area, the layers and the last good outputs."""
    done, _ = toy_release
    shutil.copytree(done.areas / "toy", tmp_path / "areas" / "toy")
    shutil.copytree(PROJECT / "layers", tmp_path / "layers")
    shutil.copytree(done.outputs, tmp_path / "outputs")
    return Paths(tmp_path / "areas", tmp_path / "layers", tmp_path / "outputs")


def apply(case: dict[str, Any], paths: Paths) -> None:
    folder = paths.areas / "toy"
    for edit in case.get("edits", []):
        file = str(edit["file"])
        path = paths.areas.parent / file if file.startswith("layers/") else folder / file
        text = path.read_text(encoding="utf-8")
        assert edit["old"] in text, f"{file} does not hold {edit['old']!r}"
        before = sha256(path)
        path.write_text(
            text.replace(edit["old"], edit["new"], edit.get("times", 1)), encoding="utf-8"
        )
        if case.get("sealed", True) and path.suffix == ".csv":
            sources = folder / "sources.csv"
            sources.write_text(sources.read_text().replace(before, sha256(path)))
    for file in case.get("remove", []):
        (folder / file).unlink()


def run(case: dict[str, Any], paths: Paths, area: str, run_stages: Run) -> None:
    if case["stage"] == "render":
        load_plan(paths, area, "internal")
    else:
        run_stages(paths, area, case.get("boundaries"))


def agrees(found: str, expected: str) -> bool:
    """Compare messages; ``...`` in the expected one stands for any words."""
    pattern = re.escape(expected).replace(re.escape("..."), ".*")
    return re.fullmatch(pattern, found, re.DOTALL) is not None


@pytest.mark.parametrize("name", CASES)
def test_bad_input(
    name: str, made: Paths, run_stages: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = yaml.safe_load((FOLDER / name / "case.yaml").read_text(encoding="utf-8"))
    apply(case, made)
    monkeypatch.chdir(made.areas / "toy")
    area = case.get("area", "toy")
    # Stages before the refusing one may make their own tables anew; nothing after it may change.
    kept = STAGES[STAGES.index(case["stage"]) : 4]
    before = {stage: hashes(made.stage("toy", stage)) for stage in kept}
    with pytest.raises(AtlasError) as caught:
        run(case, made, area, run_stages)
    found = str(caught.value).replace(str(made.areas), "areas").replace(str(made.layers), "layers")
    expected = FOLDER / name / "expected.txt"
    wanted = expected.read_text(encoding="utf-8") if expected.is_file() else ""
    if os.environ.get("ATLAS_UPDATE_EXPECTED") and not agrees(found + "\n", wanted):
        expected.write_text(found + "\n", encoding="utf-8")
        wanted = found + "\n"
    assert agrees(found + "\n", wanted), f"expected: {wanted}found: {found}"
    assert caught.value.exit_code == 2
    assert {stage: hashes(made.stage("toy", stage)) for stage in kept} == before
    assert not list(made.outputs.rglob("*.tmp*"))


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC])
def test_outputs_that_cannot_be_written(
    made: Paths, run_stages: Run, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    apply({"edits": [{"file": "tables/clusters.csv", "old": "p,4,24", "new": "p,5,24"}]}, made)
    before = hashes(made.outputs)

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(provenance.os, "replace", refuse)
    with pytest.raises(OutputError, match="The last good file is untouched") as caught:
        run_stages(made, "toy")
    assert os.strerror(number) in str(caught.value)
    assert caught.value.exit_code == 2
    assert hashes(made.outputs) == before
