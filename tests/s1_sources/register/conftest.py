"""Registers made on the spot: rows of cells to a file, read at once."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import openpyxl
import pytest

from pipeline.s1_sources.register.read import read_register
from pipeline.s1_sources.register.reader import Register

Rows = Sequence[Sequence[object]]


def write_xlsx(path: Path, rows: Rows, sheet: str = "Data") -> Path:
    """Write rows as they are: text that begins with = stays text."""
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.title = sheet
    for number, row in enumerate(rows, start=1):
        for position, value in enumerate(row, start=1):
            if value is not None:
                cell = page.cell(number, position)
                cell.value = value  # type: ignore[assignment]
                if isinstance(value, str) and value.startswith("="):
                    cell.data_type = "s"
    book.save(path)
    return path


def write_csv(path: Path, rows: Rows, delimiter: str = ";", encoding: str = "utf-8") -> Path:
    with path.open("w", encoding=encoding, newline="") as handle:
        csv.writer(handle, delimiter=delimiter).writerows(
            ["" if cell is None else cell for cell in row] for row in rows
        )
    return path


@pytest.fixture
def read_rows(tmp_path: Path) -> Callable[..., Register]:
    """Return a function that writes rows (and settings) to a file and reads it."""

    def read(
        rows: Rows, settings: str = "", suffix: str = ".xlsx", assumed_crs: str | None = None
    ) -> Register:
        path = tmp_path / f"firms{suffix}"
        (write_xlsx if suffix == ".xlsx" else write_csv)(path, rows)
        if settings:
            (tmp_path / "firms.yaml").write_text(settings, encoding="utf-8")
        found = read_register(path, assumed_crs=assumed_crs)
        assert len(found.firms) + len(found.rejected) == found.rows
        return found

    return read


@pytest.fixture
def told() -> Callable[[Register], list[str]]:
    """Return a function that gives the problems of a register as short lines."""

    def lines(register: Register) -> list[str]:
        return [
            " | ".join("" if str(cell) == "<NA>" else str(cell) for cell in row)
            for row in register.problems[
                ["severity", "row", "column", "value", "expected"]
            ].itertuples(index=False)
        ]

    return lines
