"""Where everything came from: hashes, atomic writes, stage records, staleness.

A stage declares its inputs, parameters and code; together they are its *recipe*. The recipe and
the hash of every output go into the stage's ``manifest.json``, written last. A stage whose
recipe has not changed and whose outputs are whole is not run again.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

import geopandas as gpd

from pipeline import __version__
from pipeline.contracts.errors import Fault, InputError, OutputError
from pipeline.contracts.reading import check
from pipeline.contracts.tables import TABLES

PROJECT = Path(__file__).resolve().parents[2]
"""Root of the checkout."""

DEMONSTRATION = "demonstration"
"""The edition made from an invented register."""

STAGES = ("sources", "geocode", "analyse", "release", "render")
_STAGE_FOLDER = {name: f"s{number}_{name}" for number, name in enumerate(STAGES, start=1)}
_NAMED_PACKAGES = (
    "geopandas",
    "pandas",
    "numpy",
    "shapely",
    "pyproj",
    "pyogrio",
    "pyarrow",
    "folium",
    "matplotlib",
    "jenkspy",
)


@dataclass(frozen=True)
class Paths:
    """The folders a run reads and writes.

    Parameters
    ----------
    areas, layers, outputs : Path
        Input areas, layer declarations, products.
    edition : str
        Empty, or a folder of its own inside the area's products: ``demonstration``, whose
        synthetic figures never mix with the published ones.
    """

    areas: Path = PROJECT / "areas"
    layers: Path = PROJECT / "layers"
    outputs: Path = PROJECT / "outputs"
    edition: str = ""

    def product(self, area: str) -> Path:
        """Return the folder of an area's products."""
        return self.outputs / area / self.edition

    def stage(self, area: str, stage: str) -> Path:
        """Return the folder a stage hands over in."""
        return self.product(area) / "stages" / stage


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def digest(value: Any) -> str:
    """Return the SHA-256 of a JSON-able value, independent of key order.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it into place only if the block succeeds.

    A killed or failing run leaves the last good file as it was.

    Raises
    ------
    OutputError
        The folder is read-only, the disk is full or the file is held open by another program.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except InputError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{path}: expected to write it, found: {reason}. The last good file is untouched. "
            "Free space, allow writing, or close the program that has it open, and run again"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` atomically; a file that already holds it is left alone."""
    if path.is_file() and path.read_bytes() == content:
        path.touch()
        return
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write UTF-8 text with LF line ends atomically."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON with two-space indentation atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def timestamp() -> datetime | None:
    """Return the time that products carry: SOURCE_DATE_EPOCH, else the commit's, else none.

    Raises
    ------
    InputError
        SOURCE_DATE_EPOCH is not a whole number.
    """
    named = os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct")
    if not named:
        return None
    try:
        return datetime.fromtimestamp(int(named), tz=UTC)
    except ValueError as error:
        raise InputError(
            Fault("SOURCE_DATE_EPOCH", "seconds since 1970 as a whole number", repr(named))
        ) from error


@cache
def _git(*arguments: str) -> str:
    """Return git's answer about the checkout, or nothing outside one."""
    try:
        done = subprocess.run(
            ["git", "-C", str(PROJECT), *arguments], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


@cache
def code_digest(stage: str) -> str:
    """Return the digest of the code a stage depends on: its folder, contracts and stats."""
    own = _STAGE_FOLDER[stage.partition("/")[0]]
    folders = [PROJECT / "pipeline" / name for name in ("contracts", "stats", own)]
    files = sorted(
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    return digest({str(path.relative_to(PROJECT)): sha256(path) for path in files})


def environment() -> dict[str, Any]:
    """Describe code and packages: version, commit, Python, the packages that shape outputs."""
    return {
        "version": __version__,
        "commit": _git("rev-parse", "HEAD") or None,
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _NAMED_PACKAGES},
    }


@dataclass
class StageRecord:
    """One run of one stage: what it read, what it wrote, what it counted.

    Parameters
    ----------
    paths : Paths
    area : str
    stage : str
        One of :data:`STAGES`.
    inputs : mapping of str to str
        SHA-256 by name of every outside file the stage reads.
    after : iterable of str
        Stages whose tables it may read.
    parameters : mapping
        Everything else that shapes the result (seed, options).
    """

    paths: Paths
    area: str
    stage: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    after: Iterable[str] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Return the folder of this stage."""
        return self.paths.stage(self.area, self.stage)

    def recipe(self) -> dict[str, Any]:
        """Return what determines the result: inputs, upstream outputs, parameters, code."""
        upstream = {
            name: read_manifest(self.paths, self.area, name)["outputs"] for name in self.after
        }
        return {
            "inputs": dict(sorted(self.inputs.items())),
            "upstream": {name: digest(value) for name, value in upstream.items()},
            "parameters": dict(self.parameters),
            "code": code_digest(self.stage),
            "lock": digest(environment()["packages"]),
        }

    def is_fresh(self) -> bool:
        """Return whether the stage's outputs stand as this recipe would make them."""
        path = self.folder / "manifest.json"
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        whole = all(
            (file := self.folder / name).is_file() and sha256(file) == value
            for name, value in known.get("outputs", {}).items()
        )
        if whole and known.get("recipe") == json.loads(json.dumps(self.recipe(), default=str)):
            path.touch()
            return True
        return False

    def read(self, stage: str, table: str) -> Any:
        """Return a table an earlier stage handed over.

        Raises
        ------
        InputError
            The stage was not declared in `after`, or did not write the table.
        """
        if stage not in self.after:
            raise InputError(
                Fault(f"stage {self.stage}", f"inputs from {', '.join(self.after)}", stage)
            )
        return read_table(self.paths, self.area, stage, table)

    def write(self, table: str, frame: pd.DataFrame, *, schema: str | None = None) -> None:
        """Check `frame` against its schema and write it as (Geo)Parquet."""
        checked = check(frame, schema or table) if (schema or table) in TABLES else frame
        path = self.folder / f"{table}.parquet"
        with atomic(path) as temporary:
            checked.to_parquet(temporary, index=False)
        self.outputs[path.name] = sha256(path)

    def write_csv(self, path: Path, frame: pd.DataFrame) -> None:
        """Write `frame` as CSV where a person will look for it."""
        write_text(path, frame.to_csv(index=False, lineterminator="\n"))

    def count(
        self, table: str, rows_in: int, rows_out: int, dropped: Mapping[str, int] | None = None
    ) -> None:
        """Record rows in, out and dropped with the reason; they must add up.

        Raises
        ------
        InputError
            Rows are unaccounted for.
        """
        lost = dict(dropped or {})
        if rows_in - sum(lost.values()) != rows_out:
            raise InputError(
                Fault(
                    f"stage {self.stage}, table {table}",
                    f"{rows_in} rows accounted for",
                    f"{rows_out} out and {sum(lost.values())} dropped",
                )
            )
        self.rows[table] = {"in": rows_in, "out": rows_out, "dropped": lost}

    def finish(self) -> None:
        """Remove tables of earlier runs that this one did not write; write the manifest."""
        for stale in self.folder.glob("*.parquet"):
            if stale.name not in self.outputs:
                stale.unlink()
        write_json(
            self.folder / "manifest.json",
            {
                "area": self.area,
                "stage": self.stage,
                "recipe": self.recipe(),
                "rows": self.rows,
                "notes": self.notes,
                "outputs": dict(sorted(self.outputs.items())),
            },
        )


def run_stage(record: StageRecord, work: Callable[[StageRecord], None]) -> bool:
    """Run `work` unless its result stands; return whether it ran."""
    if record.is_fresh():
        return False
    work(record)
    record.finish()
    return True


def read_manifest(paths: Paths, area: str, stage: str) -> dict[str, Any]:
    """Return a stage's manifest.

    Raises
    ------
    InputError
        The stage has not run.
    """
    path = paths.stage(area, stage) / "manifest.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            Fault(
                str(path),
                f"the result of stage {stage}",
                "no such file",
                hint=f"Run 'make {stage} AREA={area}' first",
            )
        ) from error
    except ValueError as error:
        raise InputError(
            Fault(
                str(path),
                "JSON",
                "something else",
                hint=f"Delete the file and run 'make {stage} AREA={area}'",
            )
        ) from error


def read_table(paths: Paths, area: str, stage: str, table: str) -> Any:
    """Return a table a stage wrote: a GeoDataFrame where it has a geometry.

    Raises
    ------
    InputError
        The stage has not run or did not write this table.
    """
    manifest = read_manifest(paths, area, stage)
    path = paths.stage(area, stage) / f"{table}.parquet"
    if path.name not in manifest["outputs"] or not path.is_file():
        raise InputError(
            Fault(
                str(path),
                f"a table of stage {stage}",
                "no such table",
                hint=f"It wrote {', '.join(manifest['outputs'])}",
            )
        )
    if table in TABLES and "geometry" in TABLES[table].columns:
        return gpd.read_parquet(path)
    frame = pd.read_parquet(path, dtype_backend="numpy_nullable")
    if "geometry" in frame:
        return gpd.read_parquet(path)
    return frame
