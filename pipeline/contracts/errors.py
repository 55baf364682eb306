"""Error types and their exit codes.

Bad input gets one clear message: what was expected, what was found, where, and what to do.
A reader that finds several faults in one file reports all of them in one :class:`InputError`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One fault of an input, located as closely as its reader can.

    Parameters
    ----------
    where : str
        File the fault is in, as the user named it.
    expected, found : str
        What the contract asks for and what was there instead.
    sheet, row, column : str, int, str, optional
        Place inside the file. ``row`` counts as a spreadsheet does: the header is row 1.
    hint : str, optional
        What to do about it.

    Examples
    --------
    >>> print(Fault("clusters.csv", "a whole number", "'1.468'", row=5, column="workers_count"))
    clusters.csv, row 5, column workers_count: expected a whole number, found '1.468'
    """

    where: str
    expected: str
    found: str
    sheet: str | None = None
    row: int | None = None
    column: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        place = [self.where]
        if self.sheet is not None:
            place.append(f"sheet {self.sheet}")
        if self.row is not None:
            place.append(f"row {self.row}")
        if self.column is not None:
            place.append(f"column {self.column}")
        text = f"{', '.join(place)}: expected {self.expected}, found {self.found}"
        return f"{text}. {self.hint}" if self.hint else text


class AtlasError(Exception):
    """Base of every error this project raises on purpose; ``exit_code`` is for the shell."""

    exit_code = 1


class InputError(AtlasError, ValueError):
    """Input that breaks its contract; carries every fault found, not just the first.

    Examples
    --------
    >>> str(InputError([Fault("area.yaml", "a key of the model", "'colour'")]))
    "area.yaml: expected a key of the model, found 'colour'"
    """

    exit_code = 2

    def __init__(self, faults: Fault | Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = (faults,) if isinstance(faults, Fault) else tuple(faults)
        lines = [str(fault) for fault in self.faults]
        if len(lines) > 1:
            lines = [f"{len(lines)} faults:", *(f"  - {line}" for line in lines)]
        super().__init__("\n".join(lines))


class OutputError(AtlasError, OSError):
    """An output that cannot be written: folder read-only, disk full, file open elsewhere."""

    exit_code = 2


class InvalidArgument(AtlasError, ValueError):
    """An argument of a statistical function that has the wrong shape, type or range."""

    exit_code = 2


class TooFewUnits(InvalidArgument):
    """The units cannot carry the statistic, or no arrangement of them can reach p = 0.05."""


class UndefinedStatistic(InvalidArgument):
    """The statistic is not defined for these values (a constant variable, one label only)."""
