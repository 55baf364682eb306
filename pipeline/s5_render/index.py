"""One page that links the atlases of all areas that were made; opens offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2

from pipeline.contracts.provenance import Paths, write_text
from pipeline.contracts.text import Text, t

_ASSETS = Path(__file__).with_name("assets")
_FILES = ("atlas.html", "report.html", "atlas.qgz", "tables.xlsx", "manifest.json")


def index_html(made: list[dict[str, Any]]) -> str:
    """Return the page.

    Parameters
    ----------
    made : list of dict
        One an area: ``folder``, ``title`` (Text), ``build``, ``clusters`` (int), ``files``.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_ASSETS), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("index.html.j2").render(made=made, t=t)


def write_index(paths: Paths) -> list[str]:
    """Write ``index.html`` for every area folder with a manifest; return their names."""
    made = []
    for path in sorted(paths.outputs.glob("*/manifest.json")):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        files = {name for item in manifest["products"].values() for name in item["files"]}
        made.append(
            {
                "folder": path.parent.name,
                "title": Text(**manifest["parameters"]["title"]),
                "build": manifest["build"],
                "clusters": manifest["rows"]["geocode"]["cluster"]["out"],
                "files": [name for name in _FILES if name in files or name == path.name],
            }
        )
    write_text(paths.outputs / "index.html", index_html(made))
    return [item["folder"] for item in made]
