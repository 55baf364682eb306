"""Specialisation of villages, districts and regencies, by firms and by workers.

From the placed firms of a register: share and location quotient of each specialisation in each
unit, and the *sentra industri* test. What the data cannot carry is refused in its row, with the
reason. ``docs/methods-specialisation.md`` has formulas and sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.contracts.area import Policy
from pipeline.contracts.columns import COLUMNS
from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.reading import empty
from pipeline.contracts.specialisations import JOINER, ancestors, vocabulary
from pipeline.contracts.tables import DTYPES, TABLES
from pipeline.s3_analyse.inequality import Bools, Floats, Ints
from pipeline.s3_analyse.quotient import quotient_interval, shrinkage

LEVELS = ("village", "district", "regency")
WEIGHTS = ("firms", "workers")
NO_FIRM, NO_WORKERS, FEW_UNIT, FEW_KIND, ONE_UNIT, NO_HOUSEHOLDS = (
    "no firm of the register in the unit",
    "no firm with workers in the unit",
    "too few firms in the unit",
    "too few firms of the specialisation",
    "all firms of the reference in one unit",
    "no households in the unit",
)
QUOTIENT_INTERVAL = (
    "95 % score interval (Koopman 1984), carried over to the quotient; superpopulation: every "
    "firm takes up the specialisation independently with its unit's probability"
)


@dataclass(frozen=True)
class Kinds:
    """The firms of known specialisation, and which specialisations each holds.

    Parameters
    ----------
    firms : pandas.DataFrame
        n rows, sorted by ``firm_id``, so that results do not depend on the order of a register.
    members : array of bool, shape (n, m)
        A firm holds what it states and everything that is part of.
    names : tuple of str, length m
        In the order of the vocabulary: those some firm holds.
    parents : tuple of str or None, length m
        The next wider specialisation; None for a main one.
    status : str
    unknown : int
        Firms left out because they state no specialisation.
    """

    firms: pd.DataFrame
    members: Bools
    names: tuple[str, ...]
    parents: tuple[str | None, ...]
    status: str
    unknown: int


def read_kinds(firms: pd.DataFrame) -> Kinds:
    """Read the specialisations of placed firms.

    Parameters
    ----------
    firms : pandas.DataFrame
        Table ``firm``: ``firm_id``, ``specialisation`` (ids joined by ``"; "``), ``status``.

    Raises
    ------
    InputError
        An id that is not in the vocabulary.

    Examples
    --------
    >>> firms = pd.DataFrame({"firm_id": ["a", "b", "c"], "status": "register",
    ...                       "specialisation": ["konveksi", "pembatikan_cap; konveksi", None]})
    >>> kinds = read_kinds(firms)
    >>> kinds.names, kinds.members.sum(axis=0).tolist(), kinds.unknown
    (('pembatikan', 'pembatikan_cap', 'konveksi'), [1, 1, 2], 1)
    """
    known = firms[firms["specialisation"].notna()].sort_values("firm_id", kind="stable")
    held = known["specialisation"].astype(str)
    order = list(vocabulary())
    cells = {cell: cell.split(JOINER) for cell in held.unique()}
    strange = sorted({one for ids in cells.values() for one in ids} - set(order))
    if strange:
        raise InputError(
            Fault("table firm", "ids of the vocabulary", repr(one), column="specialisation")
            for one in strange
        )
    rows = {
        cell: np.isin(order, [name for one in ids for name in (one, *ancestors(one))])
        for cell, ids in cells.items()
    }
    members = np.array([rows[cell] for cell in held], dtype=bool).reshape(len(held), len(order))
    present = np.flatnonzero(members.any(axis=0))
    names = tuple(order[place] for place in present)
    synthetic = (firms["status"] == "synthetic").any()
    return Kinds(
        firms=known.reset_index(drop=True),
        members=members[:, present],
        names=names,
        parents=tuple(vocabulary()[name].parent for name in names),
        status="synthetic" if synthetic else str(firms["status"].iloc[0]) if len(firms) else "",
        unknown=len(firms) - len(known),
    )


@dataclass(frozen=True)
class Layout:
    """The firms that count at one level with one weight.

    Parameters
    ----------
    level, weight : str
    codes, labels : array of str, shape (u,)
        All units of the level.
    land : array of float, shape (u,)
        Share of each unit in the land area.
    unit : array of int, shape (n,)
        Unit of each firm.
    size : array of float, shape (n,)
        Its weight, > 0.
    members : array of bool, shape (n, m)
    placed : array of int, shape (u,)
        Firms of each unit, those without workers included.
    left_out : int
        Placed firms that do not count because they have no number of workers, or zero.
    """

    level: str
    weight: str
    codes: Any
    labels: Any
    land: Floats
    unit: Ints
    size: Floats
    members: Bools
    placed: Ints
    left_out: int

    @property
    def units(self) -> int:
        """Number of units."""
        return len(self.codes)

    @property
    def firms(self) -> int:
        """Number of firms of the reference."""
        return int(self.size.size)

    @property
    def is_in_one_unit(self) -> bool:
        """Whether nothing can be concentrated, because there is one unit with firms, or none."""
        return np.unique(self.unit).size < 2

    def enough(self, policy: Policy) -> Bools:
        """Return which specialisations have the firms the policy asks for, shape (m,)."""
        return self.members.sum(axis=0) >= policy.min_firms_specialisation

    def sums(self, values: Floats) -> Floats:
        """Return sums over the firms of each unit: (n,) to (u,), (n, m) to (u, m)."""
        table = np.zeros((self.units, *values.shape[1:]))
        np.add.at(table, self.unit, values)
        return table


def lay_out(kinds: Kinds, units: pd.DataFrame, level: str, weight: str) -> Layout:
    """Return the firms of `kinds` that are placed at a level and, by workers, have some.

    Raises
    ------
    InputError
        A firm lies in a unit that `units` does not have.
    """
    codes = units[f"{level}_code"].astype(str).to_numpy()
    at = kinds.firms[f"{level}_code"]
    placed = at.notna().to_numpy(dtype=bool)
    number = pd.Index(codes).get_indexer(pd.Index(at.fillna("").astype(str)))
    lost = np.flatnonzero(placed & (number < 0))
    if lost.size:
        raise InputError(
            Fault(
                "table firm",
                f"a {level} of the area",
                repr(str(at.iloc[lost[0]])),
                column=f"{level}_code",
                hint=f"{lost.size} firms in all; geocode the register with this area's gazetteer",
            )
        )
    size: Any = np.ones(len(kinds.firms))
    if weight == "workers":
        size = kinds.firms["workers_count"].astype("Float64").fillna(0.0).to_numpy(dtype=np.float64)
    counted = placed & (size > 0)
    land = units["area_km2"].to_numpy(dtype=np.float64)
    return Layout(
        level=level,
        weight=weight,
        codes=codes,
        labels=units[f"{level}_name"].astype(str).to_numpy(),
        land=land / land.sum(),
        unit=number[counted],
        size=size[counted],
        members=kinds.members[counted],
        placed=np.bincount(number[placed], minlength=len(codes)),
        left_out=int((placed & ~counted).sum()),
    )


def frame(rows: Mapping[str, Any], table: str) -> pd.DataFrame:
    """Return columns, some of one value for all rows, as a table of the contracts.

    Parameters
    ----------
    rows : mapping of str to array or value
        NaN and None are missing.
    table : str
        Name in :data:`pipeline.contracts.tables.TABLES`.

    Examples
    --------
    >>> frame({"village_code": ["11.01.01.1001"], "households_count": [9.0], "year": None,
    ...        "source_ids": "x"}, "households")["households_count"].dtype
    Int64Dtype()
    """
    columns = TABLES[table].columns
    dtypes = {name: DTYPES[COLUMNS[name].kind] for name in columns}
    return pd.DataFrame({name: rows[name] for name in columns}).astype(dtypes)


def by_unit(
    kinds: Kinds, units: Mapping[str, pd.DataFrame], area_name: str, policy: Policy
) -> pd.DataFrame:
    """Return share, location quotient, interval and shrunken quotient of every cell.

    Parameters
    ----------
    kinds : Kinds
    units : mapping of str to pandas.DataFrame
        Tables ``village``, ``district``, ``regency``: code, name, ``area_km2``.
    area_name : str
        Names the reference: all firms of the register placed at the level in this area.
    policy : Policy
        Minima; a cell below them has counts and a refusal, but no ratio.

    Returns
    -------
    pandas.DataFrame
        Table ``specialisation_unit``: a row a level, unit, specialisation and weight. A unit
        without firms has rows too, refused.

    Raises
    ------
    InputError
        A firm in a unit that is not in `units`.
    """
    parts = [
        frame(
            _cells(lay_out(kinds, units[level], level, weight), kinds, policy)
            | {"reference_area": area_name, "interval": QUOTIENT_INTERVAL, "status": kinds.status},
            "specialisation_unit",
        )
        for level in units
        for weight in WEIGHTS
    ]
    return pd.concat(parts, ignore_index=True)


def _cells(at: Layout, kinds: Kinds, policy: Policy) -> dict[str, Any]:
    """Columns of one level and weight, unit by unit, specialisation by specialisation."""
    held = at.members * at.size[:, None]
    amount, total = at.sums(held), at.sums(at.size)[:, None]
    squares = at.sums(at.size**2)[:, None]
    count, firms = at.sums(at.members.astype(np.float64)), at.sums(np.ones(at.size.size))[:, None]
    whole, whole_amount = total.sum(), amount.sum(axis=0)
    largest = np.zeros(amount.shape)
    np.maximum.at(largest, at.unit, held)
    with np.errstate(divide="ignore", invalid="ignore"):
        share, reference = amount / total, whole_amount / whole
        effective = total**2 / squares
        rest_share = (whole_amount - amount) / (whole - total)
        rest_size = (whole - total) ** 2 / (squares.sum() - squares)
        lq = share / reference
        top = largest / amount
    refusal = np.select(
        [
            np.broadcast_to(at.placed[:, None] == 0, amount.shape),
            np.broadcast_to(firms == 0, amount.shape),
            np.broadcast_to(firms == at.firms, amount.shape),
            np.broadcast_to(~at.enough(policy), amount.shape),
            np.broadcast_to(firms < policy.min_firms_unit, amount.shape),
        ],
        [NO_FIRM, NO_WORKERS, ONE_UNIT, FEW_KIND, FEW_UNIT],
        "",
    )
    given = refusal == ""
    low, high, kept = (np.full(amount.shape, np.nan) for _ in range(3))
    wide = [np.broadcast_to(one, amount.shape)[given] for one in (effective, rest_size, total)]
    low[given], high[given] = quotient_interval(
        share[given], wide[0], np.clip(rest_share[given], 0.0, 1.0), wide[1], wide[2] / whole
    )
    lived = total[:, 0] > 0
    if lived.any():
        kept[lived] = shrinkage(share[lived], effective[lived, 0], reference)
    only = lambda values: np.where(given, values, np.nan).ravel()  # noqa: E731
    k, m = amount.shape
    return {
        "level": at.level,
        "unit_code": np.repeat(at.codes, m),
        "unit_name": np.repeat(at.labels, m),
        "specialisation": np.tile(np.array(kinds.names, dtype=object), k),
        "parent": np.tile(np.array(kinds.parents, dtype=object), k),
        "weight": at.weight,
        "firms_count": count.astype(np.int64).ravel(),
        "specialisation_amount": amount.ravel(),
        "unit_firms_count": np.repeat(firms.astype(np.int64), m),
        "unit_amount": np.repeat(total, m),
        "reference_firms_count": at.firms,
        "effective_firms": only(np.broadcast_to(effective, amount.shape)),
        "specialisation_share_pct": only(100.0 * share),
        "reference_share_pct": only(np.broadcast_to(100.0 * reference, amount.shape)),
        "lq": only(lq),
        "lq_low": only(low),
        "lq_high": only(high),
        "lq_shrunken": only(1.0 + kept * (lq - 1.0)),
        # By firms every firm is as large as another: the share of workers stands by workers alone.
        "largest_firm_share_pct": only(100.0 * top) if at.weight == "workers" else np.nan,
        "is_refused": ~given.ravel(),
        "refusal": pd.Series(refusal.ravel(), dtype="string").mask(given.ravel()),
    }


def sentra(
    kinds: Kinds, villages: pd.DataFrame, households: pd.DataFrame, policy: Policy
) -> pd.DataFrame:
    """Hold the firms of one kind in a village against its households.

    Parameters
    ----------
    kinds : Kinds
    villages : pandas.DataFrame
        Table ``village``.
    households : pandas.DataFrame
        Table ``households``; a village it does not have is not tested.
    policy : Policy
        ``sentra_households_pct``: 20 unless the area says otherwise.

    Returns
    -------
    pandas.DataFrame
        Table ``sentra_test``: a row a village with households and specialisation. A village
        without a firm in the register is refused: the register does not say that there is none.

    Raises
    ------
    InputError
        Households of a village that is not in `villages`.
    """
    if households.empty or not kinds.names:
        return empty("sentra_test")
    at = lay_out(kinds, villages, "village", "firms")
    number = pd.Index(at.codes).get_indexer(households["village_code"].astype(str))
    if (number < 0).any():
        lost = households["village_code"][number < 0]
        raise InputError(
            Fault("table households", "a village of the area", repr(one), column="village_code")
            for one in lost
        )
    count = at.sums(at.members.astype(np.float64))[number]
    m = len(kinds.names)
    homes = households["households_count"].to_numpy(dtype=np.float64)
    refusal = np.repeat(
        np.select([at.placed[number] == 0, homes == 0], [NO_FIRM, NO_HOUSEHOLDS], ""), m
    )
    given = refusal == ""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (100.0 * count / homes[:, None]).ravel()
    reached = share >= policy.sentra_households_pct
    return frame(
        {
            "village_code": np.repeat(at.codes[number], m),
            "village_name": np.repeat(at.labels[number], m),
            "specialisation": np.tile(np.array(kinds.names, dtype=object), len(homes)),
            "parent": np.tile(np.array(kinds.parents, dtype=object), len(homes)),
            "firms_count": count.ravel(),
            "households_count": np.repeat(homes, m),
            "household_share_pct": np.where(given, share, np.nan),
            "threshold_pct": policy.sentra_households_pct,
            "is_sentra": pd.Series(reached, dtype="boolean").where(given),
            "year": households["year"].repeat(m).to_numpy(),
            "is_refused": ~given,
            "refusal": pd.Series(refusal, dtype="string").mask(given),
            "source_ids": households["source_ids"].repeat(m).to_numpy(),
            "status": kinds.status,
        },
        "sentra_test",
    )
