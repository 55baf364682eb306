"""Chart files: what reads, and what each fault says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from pipeline.contracts import schemas
from pipeline.contracts.chart import ROLES, ChartSpec, load_charts
from pipeline.contracts.errors import InputError
from pipeline.contracts.provenance import PROJECT

CHARTS = PROJECT / "layers" / "charts"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the project's chart files, palettes beside them."""
    shutil.copytree(CHARTS, tmp_path / "layers" / "charts")
    shutil.copy(PROJECT / "layers" / "palettes.yaml", tmp_path / "layers")
    return tmp_path / "layers" / "charts"


def edit(folder: Path, name: str, **keys: Any) -> None:
    path = folder / f"{name}.yaml"
    raw = yaml.safe_load(path.read_text(encoding="utf-8")) | keys
    path.write_text(yaml.safe_dump(raw, allow_unicode=True), encoding="utf-8")


def faults(folder: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_charts(folder)
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]


def test_the_projects_charts_read_in_their_order() -> None:
    order = yaml.safe_load((CHARTS / "order.yaml").read_text(encoding="utf-8"))["charts"]
    specs = load_charts(CHARTS)
    assert [spec.id for spec in specs] == order
    assert {spec.kind for spec in specs} == set(ROLES)


def test_without_a_folder_there_are_no_charts(tmp_path: Path) -> None:
    assert load_charts(tmp_path / "charts") == []


def test_no_chart_file_names_an_area() -> None:
    names = {
        word.lower()
        for path in PROJECT.glob("areas/*/area.yaml")
        for word in [path.parent.name, *yaml.safe_load(path.read_text())["title"]["id"].split()[3:]]
    }
    assert "tuban" in names
    for path in CHARTS.glob("*.yaml"):
        text = path.read_text(encoding="utf-8").lower()
        assert [name for name in names if name in text] == []


def test_order_faults_come_all_at_once(folder: Path) -> None:
    edit(folder, "order", charts=["score_classes", "poster", "score_classes", "cluster_roles"])
    known = "cluster_roles, linkage_matrix, published_totals, respondent_characteristics"
    assert faults(folder) == [
        f"order.yaml, column charts: expected one of {known}, score_classes, "
        "found unknown chart 'poster'",
        "order.yaml, column charts: expected each chart once, found 'linkage_matrix' 0 times",
        "order.yaml, column charts: expected each chart once, found 'published_totals' 0 times",
        "order.yaml, column charts: expected each chart once, "
        "found 'respondent_characteristics' 0 times",
        "order.yaml, column charts: expected each chart once, found 'score_classes' 2 times",
    ]


def test_faults_of_several_files_come_together(folder: Path) -> None:
    edit(folder, "score_classes", colour="red")
    edit(folder, "cluster_roles", id="roles", palette="rainbow")
    (folder / "order.yaml").unlink()
    found = faults(folder)
    assert len(found) == 4
    assert "cluster_roles.yaml, column id: expected the file's name 'cluster_roles'" in found[0]
    assert "found 'rainbow'" in found[1]
    assert "score_classes.yaml, column colour: expected only known keys" in found[2]
    assert "order.yaml: expected a YAML file, found no such file" in found[3]


@pytest.mark.parametrize(
    ("name", "keys", "expected"),
    [
        ("score_classes", {"kind": "pie"}, "'bars', 'classes', 'matrix', 'comparison' or 'shares'"),
        ("score_classes", {"table": "scores"}, "a known table, not 'scores'"),
        (
            "cluster_roles",
            {"columns": {"facet": "metric", "category": "place_name", "value": "score"}},
            "a column for the role 'group'; columns of table facts only, not 'score'",
        ),
        (
            "cluster_roles",
            {"where": {"theme": ["a"]}},
            "columns of table facts only, not 'theme'",
        ),
        ("cluster_roles", {"check": "crosstab_check"}, "check with bars only"),
        ("cluster_roles", {"axis": "logarithmic"}, "an axis with comparison only"),
        ("respondent_characteristics", {"check": "facts"}, "a table with is_agreeing, measure"),
        (
            "cluster_roles",
            {"groups": [{"value": "a", "label": {"id": "a", "en": "a"}}] * 2},
            "each of groups once",
        ),
    ],
)
def test_what_does_not_go_together_is_told(
    folder: Path, name: str, keys: dict[str, Any], expected: str
) -> None:
    edit(folder, name, **keys)
    (found,) = faults(folder)
    assert expected in found


def test_a_role_of_another_kind_is_refused(folder: Path) -> None:
    raw = yaml.safe_load((folder / "cluster_roles.yaml").read_text(encoding="utf-8"))
    edit(folder, "cluster_roles", columns=raw["columns"] | {"mean": "value"})
    (found,) = faults(folder)
    assert "no role 'mean', which shares does not have" in found


def test_words_are_printed_as_declared_or_as_they_are() -> None:
    spec = next(spec for spec in load_charts(CHARTS) if spec.kind == "bars")
    assert spec.label("mikro").en == "micro"
    assert spec.label("usia").id == "Usia (tahun)"
    assert spec.label("$x$ <b>").en == "$x$ <b>"
    assert spec.label("").id == "–"


def test_the_schema_accepts_the_files_and_refuses_unknown_keys() -> None:
    for name, paths in {
        "chart": [path for path in CHARTS.glob("*.yaml") if path.stem != "order"],
        "chart_order": [CHARTS / "order.yaml"],
    }.items():
        validator = jsonschema.Draft202012Validator(json.loads(schemas.schema_text(name)))
        assert paths
        for path in paths:
            raw = yaml.safe_load(path.read_text(encoding="utf-8"))
            assert not [error.message for error in validator.iter_errors(raw)], path
            assert list(validator.iter_errors(raw | {"colour": "red"}))


def test_roles_of_every_kind_are_known_to_the_model() -> None:
    annotation = str(ChartSpec.model_fields["columns"].annotation)
    for needed, optional in ROLES.values():
        assert all(f"'{role}'" in annotation for role in needed | optional)
