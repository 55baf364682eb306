"""``areas/<area>/area.yaml``: what a study area says about itself. A new area is a new folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.model import Strict, load_model
from pipeline.contracts.text import Text

RegencyCode = Annotated[str, Field(pattern=r"^\d{2}\.\d{2}$")]
AREA_FILES = (
    "area.yaml",
    "sources.csv",
    "gazetteer.csv",
    "neighbours.csv",
    "old_names.csv",
    "aliases.csv",
)
"""Files every area folder has, beside its ``tables/``."""


class Regency(Strict):
    """A regency (kabupaten) or city (kota) of the area."""

    code: RegencyCode = Field(description="Kemendagri code, such as 33.75.")
    name: str = Field(min_length=1, description="Official name, such as Kota Pekalongan.")
    area_km2: float = Field(gt=0, description="Official area; the boundaries are checked on it.")
    area_source: str = Field(min_length=1, description="Source of the official area.")


class BoundaryFile(Strict):
    """One upstream boundary file, pinned by its hash in sources.csv."""

    source_id: str = Field(description="Row of kind 'boundary' in sources.csv (holds the hash).")
    url: str = Field(pattern=r"^https://", description="Pinned address the file is fetched from.")


class Boundaries(Strict):
    """Where village polygons come from and how they are checked."""

    path: str | None = Field(
        default=None,
        description="Boundary file of your own (gpkg, geojson, shp or upstream SQL), relative to "
        "the area folder; it goes before the fetched files.",
    )
    files: tuple[BoundaryFile, ...] = Field(
        default=(), description="Upstream files that `make boundaries` fetches."
    )
    area_tolerance_pct: float = Field(
        default=1.0,
        gt=0,
        le=20,
        description="Allowed difference from the official areas, per cent.",
    )


class Decision(Strict):
    """A place of a published row that its source states wrongly, decided by a person."""

    table: str = Field(pattern="^(clusters|places)$", description="Table of the row.")
    id: str = Field(min_length=1, description="Identifier of the row.")
    village_code: str = Field(
        pattern=r"^\d{2}\.\d{2}\.\d{2}\.\d{4}$", description="The village it lies in."
    )
    because: str = Field(min_length=10, description="Why; stands in the row's evidence.")


class Policy(Strict):
    """What the area asks of its statistics: fewest firms, number of draws, control of families."""

    min_firms_unit: int = Field(
        default=5,
        ge=1,
        description="Fewest firms of a unit for which its shares and quotients are given.",
    )
    min_firms_specialisation: int = Field(
        default=5,
        ge=2,
        description="Fewest firms of a specialisation in the reference area for which anything "
        "is given.",
    )
    sentra_households_pct: float = Field(
        default=20.0,
        gt=0,
        le=100,
        description="Firms of one kind per 100 households that make a village a sentra industri.",
    )
    permutations_global: int = Field(
        default=999, ge=99, description="Random draws of a test of a whole specialisation or pair."
    )
    bootstrap_draws: int = Field(
        default=499, ge=99, description="Samples of firms for an interval of an index."
    )
    fdr: Literal["bh", "by"] = Field(
        default="bh",
        description="Control of false discoveries: Benjamini-Hochberg or Benjamini-Yekutieli.",
    )


class AreaConfig(Strict):
    """The model of ``area.yaml``."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", description="Name; equals the folder's.")
    title: Text = Field(description="Title of the atlas.")
    regencies: tuple[Regency, ...] = Field(min_length=1, description="Regencies and cities.")
    focus: tuple[str, ...] = Field(
        default=(),
        description="Regency or district codes the maps open on; empty means the whole area.",
    )
    crs: str = Field(description="Projected CRS in metres, for measuring and for QGIS.")
    boundaries: Boundaries = Field(default=Boundaries(), description="Village polygons.")
    decisions: tuple[Decision, ...] = Field(
        default=(), description="Places decided by a person where a source contradicts itself."
    )
    tables: tuple[str, ...] = Field(default=(), description="Tables in tables/, without .csv.")
    language: str = Field(
        default="id", pattern="^(id|en)$", description="Language of figures/ and of the first view."
    )
    seed: int = Field(default=1, ge=0, description="Seed of everything random.")
    policy: Policy = Field(default=Policy(), description="Minima and draws of the statistics.")

    @field_validator("regencies")
    @classmethod
    def _unique_codes(cls, value: tuple[Regency, ...]) -> tuple[Regency, ...]:
        codes = [regency.code for regency in value]
        if len(set(codes)) != len(codes):
            raise ValueError("each regency once")
        return value

    @field_validator("focus")
    @classmethod
    def _focus_codes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not re.fullmatch(r"\d{2}\.\d{2}(\.\d{2})?", code) for code in value):
            raise ValueError("codes of regencies (33.75) or districts (33.75.01)")
        return value

    @model_validator(mode="after")
    def _focus_inside(self) -> AreaConfig:
        codes = {regency.code for regency in self.regencies}
        outside = [code for code in self.focus if code[:5] not in codes]
        if outside:
            raise ValueError(f"focus inside the area's regencies; outside: {', '.join(outside)}")
        return self


def list_areas(root: Path) -> list[str]:
    """Return the names of the area folders in `root`, sorted."""
    return sorted(path.parent.name for path in root.glob("*/area.yaml"))


def load_area(root: Path, name: str) -> AreaConfig:
    """Read one area's configuration.

    Parameters
    ----------
    root : Path
        Folder that holds the area folders.
    name : str
        Name of the area.

    Raises
    ------
    InputError
        Unknown area (the message lists those found), a missing file, a fault in area.yaml.
    """
    known = list_areas(root)
    if name not in known:
        raise InputError(
            Fault(
                f"AREA={name}",
                f"one of {', '.join(known) or '(none)'}",
                f"no folder {name!r}",
                hint=f"Areas are the folders of {root} that hold an area.yaml",
            )
        )
    folder = root / name
    missing = [file for file in AREA_FILES if not (folder / file).is_file()]
    if missing:
        raise InputError(Fault(str(folder / file), "a file", "nothing") for file in missing)
    area = load_model(AreaConfig, folder / "area.yaml")
    if area.name != name:
        raise InputError(
            Fault(
                str(folder / "area.yaml"),
                f"the folder's name {name!r}",
                repr(area.name),
                column="name",
            )
        )
    return area
