"""The command line: exit codes, one message for bad input, the same work as make."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pipeline.__main__ import COMMANDS, main, parser
from pipeline.contracts.provenance import PROJECT


def test_unknown_area_lists_the_valid_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sources", "--area", "atlantis"]) == 2
    message = capsys.readouterr().err
    assert "expected one of bayat, pekalongan, tuban" in message
    assert "Traceback" not in message


def test_stage_before_its_predecessor_says_what_to_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["geocode", "--area", "pekalongan", "--outputs-folder", str(tmp_path)]) == 2
    assert "make sources AREA=pekalongan" in capsys.readouterr().err


def test_areas_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["areas"]) == 0
    assert capsys.readouterr().out.split() == ["bayat", "pekalongan", "tuban"]


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_parses(command: str) -> None:
    assert parser().parse_args([command]).command == command


def test_make_alone_prints_help_by_reader() -> None:
    done = subprocess.run(["make"], cwd=PROJECT, capture_output=True, text=True, check=True)
    for reader in ("Analyst", "Author", "Developer"):
        assert reader in done.stdout
    for target in ("maps", "boundaries", "qgis", "test-e2e", "lint"):
        assert re.search(rf"^  .*\b{target}\b", done.stdout, flags=re.MULTILINE)
    assert "AREA is one of: bayat pekalongan tuban" in done.stdout


def test_make_refuses_an_unknown_area_and_lists_the_valid_ones() -> None:
    done = subprocess.run(
        ["make", "maps", "AREA=atlantis"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "expected one of: bayat pekalongan tuban" in done.stderr
    assert not (PROJECT / "outputs" / "atlantis").exists()


def test_every_stage_has_its_make_target() -> None:
    text = (PROJECT / "Makefile").read_text()
    for stage in ("sources", "geocode", "analyse", "release", "render"):
        assert re.search(rf"^{stage}: .*manifest\.json", text, flags=re.MULTILINE)
