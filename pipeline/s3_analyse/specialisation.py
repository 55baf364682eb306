"""Specialisation of villages, districts and regencies, by firms and by workers.

Four tables from the placed firms of a register: quotients by unit, concentration of each
specialisation, coagglomeration of each pair, and the *sentra industri* test. What the data cannot
carry is refused in its row, with the reason. ``docs/methods-specialisation.md`` has formulas and
sources.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from pipeline.contracts.area import Policy
from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.reading import empty
from pipeline.contracts.specialisations import JOINER, ancestors, vocabulary
from pipeline.s3_analyse.inequality import (
    INDICES,
    Bools,
    Floats,
    Ints,
    basic_interval,
    expected_by_chance,
    indices,
    resampled,
)
from pipeline.s3_analyse.quotient import quotient_interval, shrinkage
from pipeline.stats.concentration import coagglomeration, ellison_glaeser
from pipeline.stats.inference import adjust, draw_warnings

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
INDEX_INTERVAL = (
    "95 % basic bootstrap interval over firms, drawn with replacement; superpopulation of firms"
)
_DOMINANT = 0.25
_MEASURED = [
    f"{name}{part}" for name in (*INDICES, "gamma") for part in ("", "_low", "_high", "_expected")
]


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
    number = pd.Index(codes).get_indexer(at.fillna("").astype(str))
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
    size = np.ones(len(kinds.firms))
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


def _frame(rows: Mapping[str, Any], table: str) -> pd.DataFrame:
    """Type columns as table `table` asks; NaN is missing."""
    made = pd.DataFrame(rows)
    for name, dtype in empty(table).dtypes.items():
        made[str(name)] = made[str(name)].convert_dtypes().astype(dtype)
    return made[list(empty(table).columns)]


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
        _frame(
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
        "refusal": np.where(given, None, refusal).ravel(),
    }


def summary(
    kinds: Kinds,
    units: Mapping[str, pd.DataFrame],
    area_name: str,
    policy: Policy,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return how concentrated each specialisation is over the units of each level.

    Parameters
    ----------
    kinds, units, area_name, policy
        As in :func:`by_unit`.
    rng : numpy.random.Generator
        Each level, weight and reference draws from a child of its own.

    Returns
    -------
    pandas.DataFrame
        Table ``specialisation_summary``: a row a level, specialisation, weight and reference
        (``register``: shares of all firms or workers; ``area``: shares of the land). The family
        of the tests is all specialisations of one level, weight and reference.

    Raises
    ------
    InputError
        A firm in a unit that is not in `units`.
    """
    parts = []
    for at, reference, stream in _cases(kinds, units, ("register", "area"), rng):
        given = at.enough(policy) & (not at.is_in_one_unit)
        x = _reference(at, reference, kinds, policy)
        held = at.members * at.size[:, None]
        amount = at.sums(held)
        rows = {
            "level": at.level,
            "specialisation": kinds.names,
            "parent": kinds.parents,
            "weight": at.weight,
            "reference": reference,
            "reference_area": area_name,
            "firms_count": at.members.sum(axis=0),
            "specialisation_amount": amount.sum(axis=0),
            "reference_firms_count": at.firms,
            "reference_share_pct": _only(given, 100 * held.sum(axis=0) / max(at.size.sum(), 1)),
            "units_count": (amount > 0).sum(axis=0),
            "reference_units_count": int((x > 0).sum()),
            "interval": INDEX_INTERVAL,
            "is_refused": ~given,
            "refusal": _refusal(given, at),
            "status": kinds.status,
            "permutations_count": given * policy.permutations_global,
            "bootstrap_count": given * policy.bootstrap_draws,
        }
        missing = dict.fromkeys((*_MEASURED, "p", "q", "family_count"), np.nan)
        rows |= missing | dict.fromkeys(("family", "null", "seed", "warnings"), None)
        if given.any():
            rows |= _concentration(at, kinds, given, x, reference, policy, stream)
        parts.append(_frame(rows, "specialisation_summary"))
    return pd.concat(parts, ignore_index=True)


def _cases(
    kinds: Kinds,
    units: Mapping[str, pd.DataFrame],
    references: tuple[str, ...],
    rng: np.random.Generator,
) -> Iterator[tuple[Layout, str, np.random.Generator]]:
    for level in units:
        for weight in WEIGHTS:
            at = lay_out(kinds, units[level], level, weight)
            yield from zip(
                [at] * len(references), references, rng.spawn(len(references)), strict=True
            )


def _reference(at: Layout, reference: str, kinds: Kinds, policy: Policy) -> Floats:
    """Return the reference shares of units, (u,); zeros where there is no firm at all."""
    if reference == "area":
        return at.land
    size = at.size
    if reference == "mean":
        main = at.enough(policy) & np.array([one is None for one in kinds.parents])
        held = at.members[:, main] * at.size[:, None]
        size = (held / held.sum(axis=0)).mean(axis=1) if main.any() else 0.0 * at.size
    total = at.sums(size)
    return total / total.sum() if total.any() else total


def _named(at: Layout, reference: str) -> str:
    """Say in words what the reference shares are shares of."""
    return {
        "register": f"all {at.weight} of the register",
        "area": "the land area",
        "mean": f"the mean main specialisation's {at.weight}",
    }[reference]


def _only(given: Bools, values: Any) -> Any:
    return np.where(given, values, np.nan if np.asarray(values).dtype.kind == "f" else None)


def _refusal(given: Bools, at: Layout) -> Any:
    return np.where(given, None, ONE_UNIT if at.is_in_one_unit and at.firms else FEW_KIND)


def _null(null: str, at: Layout, reference: str) -> str:
    return null.replace("the reference given", _named(at, reference)).replace(
        "all activity", _named(at, reference)
    )


def _concentration(
    at: Layout,
    kinds: Kinds,
    given: Bools,
    x: Floats,
    reference: str,
    policy: Policy,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Columns of the specialisations that are measured; the others stay missing."""
    chance, again, darts = rng.spawn(3)
    names = [name for name, one in zip(kinds.names, given, strict=True) if one]
    members = at.members[:, given]
    held = members * at.size[:, None]
    s = (at.sums(held) / held.sum(axis=0)).T
    found: dict[str, Floats] = indices(s, x)
    test = ellison_glaeser(
        at.codes[at.unit],
        members,
        at.size,
        policy.permutations_global,
        darts,
        x=dict(zip(at.codes, x, strict=True)),
        names=names,
        fdr=policy.fdr,
    )
    found["gamma"] = np.asarray(test.gamma)
    fixed = x if reference == "area" else None
    draws = list(
        resampled(at.unit, at.units, members, at.size, policy.bootstrap_draws, again, fixed)
    )
    made = {}
    for name, value in found.items():
        low, high = basic_interval(name, value, np.concatenate([some[name] for some in draws]))
        made |= {name: value, f"{name}_low": low, f"{name}_high": high}
    random = [
        expected_by_chance(at.size[column], x, policy.bootstrap_draws, one)
        for column, one in zip(members.T, chance.spawn(len(names)), strict=True)
    ]
    made |= {f"{name}_expected": np.array([one[name] for one in random]) for name in INDICES}
    made |= {"gamma_expected": np.asarray(test.null_mean)}
    made |= {"p": np.asarray(test.p), "q": np.asarray(test.q)}
    full = {}
    for name, values in made.items():
        full[name] = np.full(given.size, np.nan)
        full[name][given] = values
    notes = np.full(given.size, None, dtype=object)
    notes[given] = [
        _notes(at, reference, float(own), int(places), test.family, policy)
        for own, places in zip(test.own_share, (s > 0).sum(axis=1), strict=True)
    ]
    return full | {
        "family": _only(
            given,
            f"Ellison-Glaeser gamma of all specialisations, {at.level}, {at.weight}, {reference}",
        ),
        "family_count": _only(given, float(test.family)),
        "null": _only(given, _null(test.null, at, reference)),
        "seed": _only(given, test.seed),
        "warnings": notes,
    }


def _notes(
    at: Layout, reference: str, own: float, places: int, family: int, policy: Policy
) -> str | None:
    notes = list(draw_warnings(policy.permutations_global, family))
    if reference == "register" and own > _DOMINANT:
        notes.append(
            f"it is {own:.0%} of its own reference, which draws gamma and the indices towards 0"
        )
    if places == 1:
        notes.append("all its firms lie in one unit: resampled firms never leave it")
    if at.left_out:
        notes.append(f"{at.left_out} placed firms state no workers, or none, and do not count")
    return "; ".join(notes) or None


def pairs(
    kinds: Kinds,
    units: Mapping[str, pd.DataFrame],
    area_name: str,
    policy: Policy,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return the Ellison-Glaeser-Kerr coagglomeration of every pair of specialisations.

    Parameters
    ----------
    kinds, units, area_name, policy, rng
        As in :func:`summary`.

    Returns
    -------
    pandas.DataFrame
        Table ``specialisation_pair``: a row a level, unordered pair, weight and reference
        (``register``, ``area``, or ``mean``: the mean of the main specialisations' shares, as in
        Ellison, Glaeser & Kerr 2010). No specialisation is paired with a part of itself. The
        family is all pairs of one level, weight and reference.

    Raises
    ------
    InputError
        A firm in a unit that is not in `units`.
    """
    chosen = [
        (a, b)
        for a, b in combinations(range(len(kinds.names)), 2)
        if kinds.names[a] not in ancestors(kinds.names[b])
        and kinds.names[b] not in ancestors(kinds.names[a])
    ]
    if not chosen:
        return empty("specialisation_pair")
    first, second = np.array(chosen).T
    names = np.array(kinds.names, dtype=object)
    parts = []
    for at, reference, stream in _cases(kinds, units, ("register", "area", "mean"), rng):
        enough = at.enough(policy) & (not at.is_in_one_unit)
        x = _reference(at, reference, kinds, policy)
        given = enough[first] & enough[second] & bool((x > 0).sum() > 1)
        count = at.members.sum(axis=0)
        rows: dict[str, Any] = {
            "level": at.level,
            "specialisation_a": names[first],
            "specialisation_b": names[second],
            "weight": at.weight,
            "reference": reference,
            "reference_area": area_name,
            "firms_a_count": count[first],
            "firms_b_count": count[second],
            "shared_firms_count": (at.members[:, first] & at.members[:, second]).sum(axis=0),
            "reference_firms_count": at.firms,
            "is_refused": ~given,
            "refusal": _refusal(given, at),
            "status": kinds.status,
            "permutations_count": given * policy.permutations_global,
        }
        rows |= dict.fromkeys(("gamma", "gamma_expected", "p", "q", "family_count"), np.nan)
        rows |= dict.fromkeys(("family", "null", "seed", "warnings"), None)
        if given.any():
            rows |= _together(at, kinds, enough, given, first, second, x, reference, policy, stream)
        parts.append(_frame(rows, "specialisation_pair"))
    return pd.concat(parts, ignore_index=True)


def _together(
    at: Layout,
    kinds: Kinds,
    enough: Bools,
    given: Bools,
    first: Ints,
    second: Ints,
    x: Floats,
    reference: str,
    policy: Policy,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Columns of the pairs that are measured; the others stay missing."""
    result = coagglomeration(
        at.codes[at.unit],
        at.members[:, enough],
        at.size,
        policy.permutations_global,
        rng,
        x=dict(zip(at.codes, x, strict=True)),
        names=[name for name, one in zip(kinds.names, enough, strict=True) if one],
    )
    place = np.cumsum(enough) - 1
    a, b = place[first], place[second]
    made = {
        name: np.where(given, np.asarray(table)[a, b], np.nan)
        for name, table in
        (("gamma", result.gamma), ("gamma_expected", result.null_mean), ("p", result.p))
    }  # fmt: skip
    # A wider specialisation and its part are no pair, so the family is smaller than all pairs.
    q, family = adjust(made["p"], policy.fdr)
    shared = (at.members[:, first] & at.members[:, second]).any(axis=0)
    common = draw_warnings(policy.permutations_global, family)
    if at.left_out:
        common.append(f"{at.left_out} placed firms state no workers, or none, and do not count")
    held = "firms that hold both tie the two together: compare gamma with its mean by chance"
    notes = [
        "; ".join([*common, held] if both else common) or None if one else None
        for both, one in zip(shared, given, strict=True)
    ]
    return made | {
        "q": q,
        "family": _only(
            given, f"coagglomeration of all pairs, {at.level}, {at.weight}, {reference}"
        ),
        "family_count": _only(given, float(family)),
        "null": _only(given, _null(result.null, at, reference)),
        "seed": _only(given, result.seed),
        "warnings": notes,
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
    return _frame(
        {
            "village_code": np.repeat(at.codes[number], m),
            "village_name": np.repeat(at.labels[number], m),
            "specialisation": np.tile(np.array(kinds.names, dtype=object), len(homes)),
            "parent": np.tile(np.array(kinds.parents, dtype=object), len(homes)),
            "firms_count": count.ravel(),
            "households_count": np.repeat(homes, m),
            "household_share_pct": _only(given, share),
            "threshold_pct": policy.sentra_households_pct,
            "is_sentra": pd.array(reached, dtype="boolean")._where(given, pd.NA),
            "year": households["year"].repeat(m).to_numpy(),
            "is_refused": ~given,
            "refusal": np.where(given, None, refusal),
            "source_ids": households["source_ids"].repeat(m).to_numpy(),
            "status": kinds.status,
        },
        "sentra_test",
    )
