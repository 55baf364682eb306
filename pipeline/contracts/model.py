"""Base of the pydantic models of YAML files: unknown keys forbidden, all faults at once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.contracts.errors import Fault, InputError


class Strict(BaseModel):
    """A model that refuses keys it does not know and cannot be changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


M = TypeVar("M", bound=Strict)


class _UniqueKeyLoader(yaml.CSafeLoader):
    """YAML loader that refuses a key given twice instead of taking the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(
                    problem="a key that is no plain word", problem_mark=key_node.start_mark
                )
            key = self.construct_object(key_node, deep=deep)
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"key {key!r} given twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def load_yaml(path: Path) -> Any:
    """Return the content of a YAML file.

    Raises
    ------
    InputError
        File missing, not UTF-8, not YAML, or a key given twice.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except FileNotFoundError as error:
        raise InputError(Fault(str(path), "a YAML file", "no such file")) from error
    except UnicodeDecodeError as error:
        raise InputError(Fault(str(path), "UTF-8 text", "other bytes")) from error
    except yaml.MarkedYAMLError as error:
        row = error.problem_mark.line + 1 if error.problem_mark else None
        raise InputError(Fault(str(path), "valid YAML", str(error.problem), row=row)) from error
    except yaml.YAMLError as error:
        found = str(error).partition("\n")[0]
        raise InputError(Fault(str(path), "valid YAML", found)) from error


def load_model(model: type[M], path: Path) -> M:
    """Read a YAML file into `model`; every fault of the file in one :class:`InputError`.

    Parameters
    ----------
    model : type
        A :class:`Strict` subclass.
    path : Path
        The file.

    Raises
    ------
    InputError
        As :func:`load_yaml`, or keys missing, unknown or of the wrong type.
    """
    raw = load_yaml(path)
    if not isinstance(raw, dict):
        raise InputError(Fault(str(path), "keys and values", type(raw).__name__))
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        found = error.errors()
        inner = {item["loc"][:depth] for item in found for depth in range(len(item["loc"]))}
        # A list of which every item is wrong is also counted as too short: say only the former.
        told = [item for item in found if item["type"] != "too_short" or item["loc"] not in inner]
        raise InputError(_fault(model, str(path), item) for item in told) from error


def _fault(model: type[Strict], path: str, item: Any) -> Fault:
    place = ".".join(str(part) for part in item["loc"]) or "(file)"
    found = repr(item["input"])[:80]
    if item["type"] == "extra_forbidden":
        return Fault(
            path,
            "only known keys",
            f"unknown key {item['loc'][-1]!r}",
            column=place,
            hint=f"Known keys: {', '.join(_model_at(model, item['loc'][:-1]).model_fields)}",
        )
    if item["type"] == "missing":
        return Fault(path, "a value", "nothing", column=place)
    if item["type"] == "value_error" and isinstance(item["input"], dict):
        found = "keys that do not go together"
    wanted = item["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return Fault(path, wanted, found, column=place)


def _model_at(model: type[BaseModel], place: Iterable[str | int]) -> type[BaseModel]:
    """Return the model that rules a place; list positions and names of a mapping stay in it."""
    for part in place:
        if part in model.model_fields:
            model = _model_in(model.model_fields[str(part)].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model an annotation such as ``tuple[Regency, ...]`` is about."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
