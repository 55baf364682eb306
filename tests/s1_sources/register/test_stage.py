"""A register in stage 1: what is written, what is refused, what personal data becomes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pipeline.__main__ import main
from pipeline.contracts.errors import InputError
from pipeline.contracts.provenance import PROJECT, Paths, read_manifest, read_table
from pipeline.s1_sources.run import PROBLEMS_FILE, run
from pipeline.s4_release.run import run as release

TESTS = PROJECT / "tests"
HEADER = "Nama Usaha,Nama Pemilik,Alamat,Kecamatan,Jenis Usaha,TK L,TK P,Jumlah TK\n"
ROW = "Batik Contoh,Ibu Contoh,Kel. Melati,Kartala Barat,Batik cap,1,2,{total}\n"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(areas=TESTS / "areas", outputs=tmp_path / "outputs")


def write(folder: Path, total: int = 3, settings: str = "") -> Path:
    path = folder / "firms.csv"
    path.write_text(HEADER + ROW.format(total=total))
    if settings:
        path.with_suffix(".yaml").write_text(settings)
    return path


def test_a_register_is_cited_by_what_its_settings_call_it(paths: Paths, tmp_path: Path) -> None:
    assert run(paths, "toy", None, write(tmp_path, settings="source: Dinas Contoh 2023\n"))
    sources = read_table(paths, "toy", "sources", "sources").set_index("source_id")
    assert sources.loc["register", "citation"] == "Dinas Contoh 2023: firms.csv"
    inputs = read_manifest(paths, "toy", "sources")["recipe"]["inputs"]
    assert {"register/firms.csv", "register/firms.yaml"} <= set(inputs)


def test_changed_settings_run_the_stage_again(paths: Paths, tmp_path: Path) -> None:
    path = write(tmp_path)
    assert run(paths, "toy", None, path)
    assert not run(paths, "toy", None, path)
    write(tmp_path, settings="year: 2023\n")
    assert run(paths, "toy", None, path)
    assert read_table(paths, "toy", "sources", "register")["year"].tolist() == [2023]


def test_an_error_leaves_the_last_good_result_and_lists_itself(
    paths: Paths, tmp_path: Path
) -> None:
    run(paths, "toy", None, write(tmp_path))
    good = (paths.stage("toy", "sources") / "register.parquet").read_bytes()
    with pytest.raises(InputError, match="sum to the total"):
        run(paths, "toy", None, write(tmp_path, total=4))
    assert (paths.stage("toy", "sources") / "register.parquet").read_bytes() == good
    problems = pd.read_csv(paths.product("toy") / PROBLEMS_FILE)
    assert problems["severity"].tolist() == ["error"]


def test_personal_data_are_in_no_file(paths: Paths, tmp_path: Path) -> None:
    run(paths, "toy", None, write(tmp_path))
    for path in paths.outputs.rglob("*"):
        assert not path.is_file() or b"Ibu Contoh" not in path.read_bytes()
    frames = [pd.read_parquet(path) for path in paths.outputs.rglob("*.parquet")]
    assert not any("Ibu Contoh" in str(frame.to_dict()) for frame in frames)


def test_kept_personal_data_stay_in_stage_1(
    paths: Paths, tmp_path: Path, run_stages: object
) -> None:
    path = write(tmp_path, settings="keep_personal: [owner_name]\n")
    run_stages(paths, "toy", register=path)  # type: ignore[operator]
    kept = read_table(paths, "toy", "sources", "register_personal")
    assert kept["owner_name"].tolist() == ["Ibu Contoh"]
    assert not release(paths, "toy")
    for parquet in (paths.product("toy") / "stages").rglob("*.parquet"):
        if parquet.parent.name != "sources":
            assert "Ibu Contoh" not in str(pd.read_parquet(parquet).to_dict()), parquet.name


def test_check_says_all_and_exits_with_2(
    paths: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--area", "toy", "--areas-folder", str(paths.areas)]
    options += ["--outputs-folder", str(paths.outputs)]
    assert main(["check", "--register", str(write(tmp_path)), *options]) == 0
    with pytest.raises(SystemExit) as stopped:
        main(["check", "--register", str(write(tmp_path, total=4)), *options])
    assert stopped.value.code == 2
    said = capsys.readouterr().out
    assert "owner_name" in said
    assert "personal data, dropped" in said
    assert "sum to the total, found '4'" in said


def test_check_without_a_register_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 2
    assert "--register FILE" in capsys.readouterr().err


def test_template_is_written_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "empty.xlsx"
    assert main(["template", str(out)]) == 0
    assert main(["template", str(out)]) == 2
    assert "does not exist yet" in capsys.readouterr().err


def test_stage_2_refuses_another_register(paths: Paths, tmp_path: Path) -> None:
    from pipeline.s2_geocode.run import run as geocode

    run(paths, "toy", None, write(tmp_path))
    with pytest.raises(InputError, match=r"the register stage 1 read, firms\.csv"):
        geocode(paths, "toy")
