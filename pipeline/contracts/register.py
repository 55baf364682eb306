"""``<register>.yaml`` or ``register.yaml`` beside a firm register: what its reader cannot see.

Every key is optional; without the file the register is read by its headers alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from pyproj import CRS
from pyproj.exceptions import CRSError

from pipeline.contracts.model import Strict, load_model
from pipeline.contracts.specialisations import vocabulary

RegisterField = Literal[
    "firm_id",
    "firm_name",
    "raw_address",
    "hamlet",
    "neighbourhood",
    "postal_code",
    "village_stated",
    "district_stated",
    "regency_stated",
    "specialisation",
    "technique",
    "workers_count",
    "workers_male_count",
    "workers_female_count",
    "production_amount",
    "production_unit",
    "production_period",
    "principal",
    "longitude_deg",
    "latitude_deg",
    "coordinates",
    "has_point_consent",
    "phone",
    "year",
    "note",
]
"""What a column of a register can be; ``hamlet``, ``neighbourhood`` (RT/RW) and ``postal_code``
are joined to the address, ``coordinates`` holds latitude and longitude in one cell, ``phone`` is
compared and never stored."""

Personal = Literal[
    "owner_name",
    "identity_number",
    "tax_number",
    "permit_number",
    "email",
    "owner_address",
    "owner_details",
    "bank_account",
]
"""Personal data a register may hold; dropped at reading unless ``keep_personal`` names it."""


class RegisterSettings(Strict):
    """The model of the settings beside a register."""

    sheet: str | None = Field(
        default=None, min_length=1, description="Sheet (or layer) that holds the firms."
    )
    header_row: int | None = Field(
        default=None, ge=1, description="Row of the header, the upper one of two; 1 is the first."
    )
    header_rows: Literal[1, 2] | None = Field(
        default=None, description="Lines of the header; found out where not given."
    )
    columns: dict[Literal[RegisterField, Personal], str] = Field(
        default={},
        description="Our column: the register's header, for headers that are not recognised.",
    )
    ignore: tuple[str, ...] = Field(default=(), description="Headers that are not to be read.")
    thousands: Literal["point", "comma", "none"] | None = Field(
        default=None,
        description="Thousands separator of numbers written as text; the other sign marks "
        "decimals. Without it a column must be of one mind.",
    )
    working_days_year: int = Field(
        default=300, ge=1, le=366, description="Working days a year, for production a day."
    )
    working_weeks_year: int = Field(
        default=50, ge=1, le=53, description="Working weeks a year, for production a week."
    )
    production_unit: Literal["kodi", "potong", "lembar", "meter"] | None = Field(
        default=None, description="Unit of production where the register does not say."
    )
    production_period: Literal["day", "week", "month", "year"] | None = Field(
        default=None, description="Period of production where the register does not say."
    )
    specialisations: dict[str, str] = Field(
        default={}, description="Words of the register: the specialisation they mean."
    )
    fill_down: tuple[RegisterField, ...] = Field(
        default=(),
        description="Columns whose empty cells mean the same as above, such as district_stated "
        "under merged cells.",
    )
    keep_personal: tuple[Personal, ...] = Field(
        default=(), description="Personal data to keep, beside the firms and never released."
    )
    crs: str | None = Field(
        default=None, description="CRS of the coordinates, such as EPSG:32749; degrees if not."
    )
    encoding: Literal["utf-8", "cp1252"] | None = Field(
        default=None, description="Encoding of a csv file; found out where not given."
    )
    delimiter: Literal[",", ";", "\t", "|"] | None = Field(
        default=None, description="Delimiter of a csv file; found out where not given."
    )
    year: int | None = Field(
        default=None, ge=1700, le=2100, description="Year the register is about."
    )
    source: str | None = Field(
        default=None, min_length=1, description="Source of the register in words."
    )

    @field_validator("crs")
    @classmethod
    def _known_crs(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                CRS.from_user_input(value)
            except CRSError as error:
                raise ValueError("a CRS such as EPSG:32749") from error
        return value

    @field_validator("specialisations")
    @classmethod
    def _known_specialisations(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        unknown = [one for one in value.values() if one not in vocabulary()]
        if unknown:
            raise ValueError(
                f"ids of docs/specialisations.md ({', '.join(vocabulary())}); "
                f"unknown: {', '.join(unknown)}"
            )
        return value

    @field_validator("columns")
    @classmethod
    def _each_header_once(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        headers = list(value.values())
        if len(set(headers)) != len(headers):
            raise ValueError("each header for one column")
        return value

    @model_validator(mode="after")
    def _not_both(self) -> RegisterSettings:
        both = set(self.columns.values()) & set(self.ignore)
        if both:
            raise ValueError(f"headers in columns or in ignore, not both: {', '.join(both)}")
        return self


def settings_file(register: Path) -> Path | None:
    """Return the settings beside a register: ``<stem>.yaml``, else ``register.yaml``, else none.

    Examples
    --------
    >>> settings_file(Path("no", "such", "firms.xlsx")) is None
    True
    """
    named = (register.with_suffix(".yaml"), register.with_name("register.yaml"))
    return next((path for path in named if path.is_file()), None)


def load_settings(register: Path) -> tuple[RegisterSettings, Path | None]:
    """Read the settings beside a register, and say which file they are from.

    Raises
    ------
    InputError
        Every fault of the settings file.

    Examples
    --------
    >>> settings, path = load_settings(Path("no", "such", "firms.xlsx"))
    >>> settings.working_days_year, path
    (300, None)
    """
    path = settings_file(register)
    if path is None:
        return RegisterSettings(), None
    return load_model(RegisterSettings, path), path
