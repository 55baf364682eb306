"""Generated files are as their sources make them; the message says how to make them again."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from pipeline.contracts import dictionary, schemas
from pipeline.contracts.provenance import PROJECT
from pipeline.contracts.tables import TABLES


def drift(path: Path, wanted: str, command: str) -> str:
    found = path.read_text(encoding="utf-8") if path.is_file() else ""
    lines = difflib.unified_diff(
        found.splitlines(), wanted.splitlines(), str(path), "generated", lineterm=""
    )
    text = "\n".join(lines)
    return f"{text}\nRun: python -m {command}" if text else ""


@pytest.mark.parametrize("name", schemas.MODELS)
def test_schema_has_not_drifted(name: str) -> None:
    path = schemas.FOLDER / f"{name}.schema.json"
    message = drift(path, schemas.schema_text(name), "pipeline.contracts.schemas")
    assert not message, message


def test_dictionary_has_not_drifted() -> None:
    message = drift(dictionary.PATH, dictionary.dictionary(), "pipeline.contracts.dictionary")
    assert not message, message


def test_drift_is_told_with_its_command(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old\n")
    assert drift(path, "old\n", "x") == ""
    assert drift(path, "new\n", "x").endswith("-old\n+new\nRun: python -m x")


def test_schemas_are_written_where_asked(tmp_path: Path) -> None:
    paths = schemas.write_schemas(tmp_path)
    assert [path.name for path in paths] == [f"{name}.schema.json" for name in schemas.MODELS]
    assert all(path.read_text() == schemas.schema_text(path.name[:-12]) for path in paths)


def test_schemas_accept_the_committed_files_and_refuse_unknown_keys() -> None:
    cases = {"area": [PROJECT / "tests" / "areas" / "toy" / "area.yaml"]}
    cases["area"] += sorted(PROJECT.glob("areas/*/area.yaml"))
    for path in sorted((PROJECT / "layers").glob("*.yaml")):
        cases.setdefault(path.stem if path.stem in schemas.MODELS else "layer", []).append(path)
    for name, paths in cases.items():
        schema = json.loads(schemas.schema_text(name))
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        for path in paths:
            raw = yaml.safe_load(path.read_text(encoding="utf-8"))
            assert not [error.message for error in validator.iter_errors(raw)], path
            assert list(validator.iter_errors(raw | {"colour": "red"}))


def models() -> set[type[BaseModel]]:
    found: set[type[BaseModel]] = set()
    stack: list[object] = list(schemas.MODELS.values())
    while stack:
        item = stack.pop()
        if isinstance(item, type) and issubclass(item, BaseModel) and item not in found:
            found.add(item)
            stack += [field.annotation for field in item.model_fields.values()]
        stack += getattr(item, "__args__", ())
    return found


def test_every_field_of_every_model_is_described() -> None:
    assert len(models()) > 10
    undescribed = [
        f"{model.__name__}.{name}"
        for model in models()
        for name, field in model.model_fields.items()
        if not (field.description or "").endswith(".")
    ]
    assert undescribed == []


def test_every_model_forbids_unknown_keys() -> None:
    assert all(model.model_config["extra"] == "forbid" for model in models())


def test_dictionary_names_every_table_and_column() -> None:
    text = dictionary.dictionary()
    for name, table in TABLES.items():
        assert f"### {name}\n" in text
        assert all(f"| `{column}` |" in text for column in table.columns)
