"""environment.yml, pyproject.toml, the lock and docs/dependencies.md say the same."""

from __future__ import annotations

import re
import tomllib

import yaml

from pipeline import __version__
from pipeline.contracts.provenance import PROJECT

# conda-forge calls these differently.
_CONDA = {"matplotlib-base": "matplotlib"}


def requirement(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"([A-Za-z0-9_-]+)\s*(.*)", text.strip())
    assert match, text
    return match[1].lower(), match[2].replace(" ", "")


def declared() -> dict[str, str]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    return dict(requirement(text) for text in project["dependencies"])


def test_environment_yml_is_in_step() -> None:
    content = yaml.safe_load((PROJECT / "environment.yml").read_text())
    plain = [item for item in content["dependencies"] if isinstance(item, str)]
    pip = next(item for item in content["dependencies"] if isinstance(item, dict))["pip"]
    found = dict(requirement(text) for text in [*plain, *pip])
    python = found.pop("python")
    assert found.pop("pip") == ""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert python == project["requires-python"]
    assert {_CONDA.get(name, name): limits for name, limits in found.items()} == declared()


def test_locks_hold_every_dependency_with_hashes_and_name_no_host() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (PROJECT / name).read_text()
        locked = set(re.findall(r"^([a-z0-9-]+)==", text, flags=re.MULTILINE))
        assert set(declared()) <= locked
        assert text.count("--hash=sha256:") > len(locked)
        assert "://" not in text


def test_every_dependency_has_its_reason() -> None:
    text = (PROJECT / "docs" / "dependencies.md").read_text()
    to_run = text.split("## To develop")[0]
    listed = set(re.findall(r"^\| ([a-z0-9-]+) \|", to_run, flags=re.MULTILINE)) - {"package"}
    assert listed == set(declared())


def test_one_version() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__
