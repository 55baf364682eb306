"""The settings beside a register: found, read, refused with every fault."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from pipeline.contracts.columns import COLUMNS
from pipeline.contracts.errors import InputError
from pipeline.contracts.register import (
    Personal,
    RegisterField,
    RegisterSettings,
    load_settings,
    settings_file,
)
from pipeline.contracts.tables import TABLES


def test_the_file_of_the_register_goes_before_the_folders(tmp_path: Path) -> None:
    register = tmp_path / "firms.xlsx"
    assert settings_file(register) is None
    (tmp_path / "register.yaml").write_text("year: 2016\n")
    assert load_settings(register)[0].year == 2016
    (tmp_path / "firms.yaml").write_text("year: 2017\n")
    settings, path = load_settings(register)
    assert (settings.year, path) == (2017, tmp_path / "firms.yaml")


def test_all_faults_of_a_file_at_once(tmp_path: Path) -> None:
    (tmp_path / "register.yaml").write_text(
        "thousands: dot\n"
        "header: 3\n"
        "crs: EPSG:1\n"
        "specialisations: {las: welding}\n"
        "columns: {firm_nam: Nama}\n"
        "working_days_year: 400\n"
        "keep_personal: [phone]\n"
    )
    with pytest.raises(InputError) as caught:
        load_settings(tmp_path / "firms.xlsx")
    assert len(caught.value.faults) == 7
    text = str(caught.value)
    for part in ("unknown: welding", "a CRS such as EPSG:32749", "unknown key 'header'"):
        assert part in text


@pytest.mark.parametrize(
    "settings",
    [
        {"columns": {"firm_name": "Nama", "principal": "Nama"}},
        {"columns": {"firm_name": "Nama"}, "ignore": ["Nama"]},
    ],
)
def test_a_header_has_one_meaning(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"each header|not both"):
        RegisterSettings.model_validate(settings)


def test_fields_are_columns_of_the_register_or_are_joined_to_one() -> None:
    fields = set(get_args(RegisterField))
    joined = {"hamlet", "neighbourhood", "postal_code", "coordinates", "phone"}
    made = {"row_number", "production_pieces_year", "production_m_year", "same_phone_as",
            "source_ids", "status"}  # fmt: skip
    assert fields - joined == set(TABLES["register"].columns) - made
    # Nothing personal has a column it could be stored in.
    assert not set(get_args(Personal)) & set(COLUMNS)
    assert not fields & set(get_args(Personal))
