"""The faults of a register, all of them: gathered, printed, written, raised."""

from __future__ import annotations

import csv
import io
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from pipeline.contracts.errors import Fault, InputError
from pipeline.s1_sources.register.personal import without_personal

COLUMNS = ("file", "sheet", "row", "column", "value", "expected", "severity", "hint")
SHOWN_CHARACTERS = 80
SHOWN_PROBLEMS = 100
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


class Problems:
    """Gathers the faults and warnings of one file."""

    def __init__(self, file: str, sheet: str | None = None) -> None:
        self.file, self.sheet = file, sheet
        self._rows: list[tuple[object, ...]] = []

    def add(
        self,
        expected: str,
        *,
        row: int | None = None,
        column: str | None = None,
        value: str | None = None,
        hint: str = "",
        severity: str = "error",
    ) -> None:
        """Add one fault; personal numbers are taken out of what it quotes."""
        shown = None if value is None else shorten(without_personal(value)[0])
        told = without_personal(hint)[0]
        self._rows.append((self.file, self.sheet, row, column, shown, expected, severity, told))

    def add_faults(self, faults: Iterable[Fault]) -> None:
        """Add the faults of an :class:`InputError`."""
        self._rows += [
            (
                fault.where,
                fault.sheet,
                fault.row,
                fault.column,
                shorten(without_personal(fault.found)[0]),
                fault.expected,
                "error",
                fault.hint or "",
            )
            for fault in faults
        ]

    def frame(self) -> pd.DataFrame:
        """Return the faults: those of the whole file first, then by row."""
        frame = pd.DataFrame(self._rows, columns=list(COLUMNS)).astype("string")
        frame["row"] = pd.Series([row[2] for row in self._rows], dtype="Int64")
        return frame.sort_values("row", kind="stable", na_position="first", ignore_index=True)


def shorten(text: str) -> str:
    """Return a text on one line and of bearable length.

    Examples
    --------
    >>> shorten("  a   b ")
    'a b'
    """
    line = " ".join(text[: 4 * SHOWN_CHARACTERS].split())
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[: SHOWN_CHARACTERS - 3]}..."


def neutral(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula.

    Examples
    --------
    >>> neutral("=HYPERLINK(1)"), neutral("Batik")
    ("'=HYPERLINK(1)", 'Batik')
    """
    return f"'{cell}" if cell.startswith(_FORMULA_SIGNS) else cell


def problems_csv(problems: pd.DataFrame) -> str:
    """Return the faults as CSV text; cells that look like formulas are neutralised.

    Examples
    --------
    >>> print(problems_csv(Problems("firms.csv").frame()))
    file,sheet,row,column,value,expected,severity,hint
    <BLANKLINE>
    """
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(
        ["" if pd.isna(cell) else neutral(str(cell)) for cell in row]
        for row in problems[list(COLUMNS)].itertuples(index=False, name=None)
    )
    return target.getvalue()


def errors_of(problems: pd.DataFrame) -> pd.DataFrame:
    """Return the faults that stop a run; warnings do not."""
    return problems[problems["severity"] == "error"]


def to_error(problems: pd.DataFrame) -> InputError:
    """Return the faults (not the warnings) as one error, exit code 2.

    Examples
    --------
    >>> found = Problems("firms.csv")
    >>> found.add("a whole number", row=3, column="TK", value="1,5")
    >>> print(to_error(found.frame()))
    firms.csv, row 3, column TK: expected a whole number, found '1,5'
    """
    return InputError(map(_fault, errors_of(problems).to_dict("records")))


def _fault(row: Mapping[Hashable, Any]) -> Fault:
    def text(name: str) -> str | None:
        return None if pd.isna(row[name]) else str(row[name])

    value = text("value")
    return Fault(
        str(row["file"]),
        str(row["expected"]),
        "nothing" if value is None else repr(value) if row["row"] is not pd.NA else value,
        sheet=text("sheet"),
        row=None if pd.isna(row["row"]) else int(row["row"]),
        column=text("column"),
        hint=text("hint") or None,
    )


def problem_lines(problems: pd.DataFrame) -> list[str]:
    """Return the faults as lines to print, errors first; the rest is counted.

    Examples
    --------
    >>> problem_lines(Problems("firms.csv").frame())
    ['No problems found.']
    """
    if problems.empty:
        return ["No problems found."]
    counts = {kind: int((problems["severity"] == kind).sum()) for kind in ("error", "warning")}
    lines = [f"{counts['error']} errors, {counts['warning']} warnings:"]
    for kind in ("error", "warning"):
        found = problems[problems["severity"] == kind]
        lines += [
            f"  {kind}: {_fault(row)}" for row in found.head(SHOWN_PROBLEMS).to_dict("records")
        ]
        if len(found) > SHOWN_PROBLEMS:
            lines.append(f"  ... and {len(found) - SHOWN_PROBLEMS:,} more {kind}s")
    return lines


def table_lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with aligned columns, the first row underlined.

    Examples
    --------
    >>> table_lines([["a", "b"], ["long", "x"]])
    ['a     b', '----  -', 'long  x']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    ruled = [rows[0], ["-" * width for width in widths], *rows[1:]]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in ruled
    ]
