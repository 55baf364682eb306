"""JSON Schemas of the YAML files, generated from their models, for editors that complete keys."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.contracts.area import AreaConfig
from pipeline.contracts.chart import ChartOrder, ChartSpec
from pipeline.contracts.demonstration import Demonstration
from pipeline.contracts.layer import AtlasSpec, LayerSpec, Palettes
from pipeline.contracts.model import Strict
from pipeline.contracts.provenance import PROJECT, write_text
from pipeline.contracts.register import RegisterSettings

FOLDER = PROJECT / "docs" / "schemas"
MODELS: dict[str, type[Strict]] = {
    "area": AreaConfig,
    "layer": LayerSpec,
    "atlas": AtlasSpec,
    "palettes": Palettes,
    "chart": ChartSpec,
    "chart_order": ChartOrder,
    "register": RegisterSettings,
    "demonstration": Demonstration,
}


def schema_text(name: str) -> str:
    """Return the JSON Schema of one kind of file as JSON text.

    Parameters
    ----------
    name : str
        A key of :data:`MODELS`.

    Examples
    --------
    >>> json.loads(schema_text("area"))["additionalProperties"]
    False
    """
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema |= MODELS[name].model_json_schema()
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> list[Path]:
    """Write ``<name>.schema.json`` of every model into `folder`; return the paths."""
    paths = [folder / f"{name}.schema.json" for name in MODELS]
    for name, path in zip(MODELS, paths, strict=True):
        write_text(path, schema_text(name))
    return paths


if __name__ == "__main__":
    write_schemas(FOLDER)
