"""The import rule and the other promises a reader of the tree relies on, read from the code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from pipeline.contracts.provenance import PROJECT, STAGES

PACKAGE = PROJECT / "pipeline"
MODULES = sorted(PACKAGE.rglob("*.py"))
STAGE_FOLDERS = [f"s{number}_{name}" for number, name in enumerate(STAGES, start=1)]
TARGETS = ("web", "qgis", "figure", "tables", "report")
STATS_MAY_IMPORT = {"numpy", "scipy", "numba", "shapely", "libpysal"}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def name_of(path: Path) -> str:
    return path.relative_to(PROJECT).with_suffix("").as_posix().replace("/", ".")


def imports(path: Path) -> set[str]:
    """Return the dotted names a module imports, at any depth; ``from a import b`` gives a.b too."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(str(node.module))
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def part_of(module: str) -> str:
    """Return contracts, stats, a stage folder, or nothing, of a module of the package."""
    parts = module.split(".")
    return parts[1] if parts[0] == "pipeline" and len(parts) > 1 else ""


def folder(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def test_the_tree_is_the_declared_one() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders == {"contracts", "stats", *STAGE_FOLDERS}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_import_rule(path: Path) -> None:
    own = folder(path)
    parts = {part_of(module) for module in imports(path)} - {"", "__version__"}
    if own == "contracts":
        assert parts <= {"contracts"}
    elif own == "stats":
        assert parts <= {"contracts", "stats"}
        inner = {one for one in imports(path) if part_of(one) == "contracts"}
        assert all(one.startswith("pipeline.contracts.errors") for one in inner)
    elif own in STAGE_FOLDERS:
        assert parts <= {"contracts", "stats", own}


@pytest.mark.parametrize("path", sorted((PACKAGE / "stats").glob("*.py")), ids=name_of)
def test_stats_is_usable_on_its_own(path: Path) -> None:
    outside = {module.partition(".")[0] for module in imports(path)} - {"pipeline", "__future__"}
    allowed = STATS_MAY_IMPORT | ({"pandas", "geopandas"} if path.stem == "weights" else set())
    assert outside - set(sys.stdlib_module_names) <= allowed


def test_importing_the_statistics_loads_no_tables_and_no_pysal() -> None:
    code = (
        "import sys\n"
        "from pipeline.stats import autocorrelation, colocation, concentration, weights\n"
        "print([n for n in ('pandas', 'geopandas', 'libpysal', 'numba') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_only_rendering_draws() -> None:
    drawing = {
        name_of(path)
        for path in MODULES
        if {"folium", "matplotlib", "branca"}
        & {module.partition(".")[0] for module in imports(path)}
    }
    assert {module.split(".")[1] for module in drawing} <= {"s5_render"}


def target_of(name: str) -> str | None:
    """Return the render target a module of s5_render belongs to, such as qgis for _qgis_xml."""
    stem = name.lstrip("_")
    return next((one for one in TARGETS if stem == one or stem.startswith(f"{one}_")), None)


def test_render_targets_never_import_each_other() -> None:
    for path in sorted((PACKAGE / "s5_render").rglob("*.py")):
        own = target_of(path.stem)
        if own is None:
            continue
        others = {
            target_of(module.split(".")[2])
            for module in imports(path)
            if module.startswith("pipeline.s5_render.")
        } - {None, own}
        assert not others, f"{name_of(path)} imports {others}"


def test_package_files_are_empty() -> None:
    files = [path for path in MODULES if path.name == "__init__.py" and path.parent != PACKAGE]
    assert len(files) == 8
    assert [name_of(path) for path in files if path.read_text().strip()] == []


def docstrings(module: ast.Module) -> Iterator[ast.Constant]:
    """Yield docstrings and the strings under assignments, which document them."""
    for node in ast.walk(module):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def literals(path: Path) -> list[str]:
    skipped = {id(node) for node in docstrings(tree(path))}
    return [
        node.value
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in skipped
    ]


def test_rendering_reads_nothing_but_the_release() -> None:
    for path in sorted((PACKAGE / "s5_render").rglob("*.py")):
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else None
            called = node.func.id if isinstance(node.func, ast.Name) else called
            if called not in ("read_table", "read_manifest", "stage", "read"):
                continue
            words = {
                one.value
                for argument in node.args
                for one in ast.walk(argument)
                if isinstance(one, ast.Constant) and isinstance(one.value, str)
            }
            if called == "read_table":
                words -= {"sources"} if not named_stage(node, 2) else set()
            assert not words & {"sources", "geocode", "analyse"}, f"{path.name}:{node.lineno}"


def named_stage(call: ast.Call, position: int) -> bool:
    """Tell whether the argument that names the stage is one of the stages before the release."""
    argument = call.args[position] if len(call.args) > position else None
    return isinstance(argument, ast.Constant) and argument.value in STAGES[:3]


def area_words() -> set[str]:
    """Return names and codes of the committed areas that code must not know."""
    words = set()
    for path in (PROJECT / "areas").iterdir():
        words.add(path.name)
        if (path / "area.yaml").is_file():
            raw = yaml.safe_load((path / "area.yaml").read_text(encoding="utf-8"))
            for regency in raw["regencies"]:
                words |= {regency["code"], regency["name"].split()[-1].lower()}
    return words


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_code_knows_no_area(path: Path) -> None:
    known = re.compile("|".join(rf"\b{re.escape(word)}\b" for word in sorted(area_words())))
    examples = re.compile(r"such as [^,;()]+|\(33\.75\)|\(33\.75\.01\)")
    # The one place that names an area: which one is made when none is asked for.
    default = ["pekalongan"] if path == PACKAGE / "__main__.py" else []
    texts = literals(path)
    for text in [one for one in texts if one not in default]:
        assert not known.search(examples.sub("", text).lower()), text
    assert sum(text in default for text in texts) == len(default)


def test_the_global_random_state_is_not_used() -> None:
    allowed = {"Generator", "default_rng", "SeedSequence", "BitGenerator", "PCG64", "PCG64DXSM"}
    for path in MODULES:
        used = {
            node.attr
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Attribute)
            and node.value.attr == "random"
        }
        assert used <= allowed, path.name
        assert "random" not in imports(path), path.name


def test_only_run_files_of_a_stage_write() -> None:
    writers = {"write", "write_csv", "write_json", "write_text", "write_bytes", "to_file",
               "to_parquet", "to_csv"}  # fmt: skip
    allowed = {"run", "seal", "fetch", "boundaries"}
    for path in MODULES:
        if folder(path) in STAGE_FOLDERS[:4] and path.stem not in allowed:
            for node in ast.walk(tree(path)):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    assert node.func.attr not in writers, f"{name_of(path)}:{node.lineno}"


def test_stages_never_touch_the_network() -> None:
    networked = {
        name_of(path)
        for path in MODULES
        if {"geopy", "pooch", "requests", "urllib", "http", "socket"}
        & {module.partition(".")[0] for module in imports(path)}
    }
    assert networked <= {"pipeline.s1_sources.fetch", "pipeline.s2_geocode.online"}
    run = PACKAGE / "s1_sources" / "run.py"
    called = {node.attr for node in ast.walk(tree(run)) if isinstance(node, ast.Attribute)}
    assert "fetch" not in called - {"cached_files"}
