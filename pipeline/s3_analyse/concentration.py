"""How concentrated each specialisation is over units, and how far each pair lies together.

Two tables over the levels, by firms and by workers, each against several reference shares: indices
with interval and value expected by chance, Ellison-Glaeser gamma and coagglomeration with their
dartboard. ``docs/methods-specialisation.md`` has formulas and sources.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd

from pipeline.contracts.area import Policy
from pipeline.contracts.reading import empty
from pipeline.contracts.specialisations import ancestors
from pipeline.s3_analyse.inequality import (
    INDICES,
    Bools,
    Floats,
    Ints,
    expected_by_chance,
    gamma,
    indices,
    recentred_interval,
    relabelled,
    resampled,
)
from pipeline.s3_analyse.specialisation import (
    FEW_KIND,
    ONE_UNIT,
    WEIGHTS,
    Kinds,
    Layout,
    frame,
    lay_out,
)
from pipeline.stats.concentration import coagglomeration, ellison_glaeser
from pipeline.stats.inference import adjust, draw_warnings, p_from_counts

INTERVAL = (
    "95 % recentred bootstrap interval over firms drawn with replacement; superpopulation: "
    "registers of as many firms drawn alike, the bias of few firms included"
)
SWAPPED = (
    "p_labels: sets of specialisations are permuted over the firms that count, whose places and "
    "sizes stay"
)
_DOMINANT = 0.25
_LARGE = (
    "more than 25 % of its own reference, which draws gamma towards 0 and p to 'dispersed': read "
    "p_labels"
)
_TIE = 1e-12
_LABELS = ("gamma_labels", "p_labels", "q_labels")
_MEASURED = [
    f"{name}{part}" for name in (*INDICES, "gamma") for part in ("", "_low", "_high", "_expected")
]


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
            "interval": INTERVAL,
            "is_refused": ~given,
            "refusal": _refusal(given, at),
            "status": kinds.status,
            "permutations_count": given * policy.permutations_global,
            "bootstrap_count": given * policy.bootstrap_draws,
        }
        missing = dict.fromkeys((*_MEASURED, *_LABELS, "p", "q", "family_count"), np.nan)
        rows |= missing | dict.fromkeys(("family", "null", "seed", "warnings"), None)
        if given.any():
            rows |= _concentration(at, kinds, given, x, reference, policy, stream)
        parts.append(frame(rows, "specialisation_summary"))
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
    """Return `values` where given, elsewhere nothing."""
    held = np.broadcast_to(np.asarray(values), given.shape)
    if held.dtype.kind == "f":
        return np.where(given, held, np.nan)
    made = np.full(given.shape, None, dtype=object)
    made[given] = held[given]
    return made


def _refusal(given: Bools, at: Layout) -> Any:
    return _only(~given, ONE_UNIT if at.is_in_one_unit and at.firms else FEW_KIND)


def _null(null: str, at: Layout, reference: str) -> str:
    return f"p: {null.replace('the reference given', _named(at, reference))}. {SWAPPED}"


def _against_labels(
    drawn: list[Floats], value: Floats, fdr: Literal["bh", "by"]
) -> dict[str, Floats]:
    """Return mean, p and q of values (m,) against blocks of draws (some, m)."""
    simulated = np.concatenate(drawn)
    slack = _TIE * np.maximum(1.0, np.abs(value))
    p = p_from_counts(
        (simulated >= value - slack).sum(axis=0),
        (simulated <= value + slack).sum(axis=0),
        len(simulated),
    )
    p = np.where(np.isfinite(value), p, np.nan)
    return dict(zip(_LABELS, (simulated.mean(axis=0), p, adjust(p, fdr)[0]), strict=True))


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
    chance, again, darts, swaps = rng.spawn(4)
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
    made: dict[str, Floats] = {}
    for name, value in found.items():
        low, high = recentred_interval(name, value, np.concatenate([some[name] for some in draws]))
        made |= {name: value, f"{name}_low": low, f"{name}_high": high}
    random = expected_by_chance(members, at.size, x, policy.bootstrap_draws, chance)
    made |= {f"{name}_expected": values for name, values in random.items()}
    made |= {"gamma_expected": np.asarray(test.null_mean)}
    made |= {"p": np.asarray(test.p), "q": np.asarray(test.q)}
    swapped = relabelled(at.unit, at.units, members, at.size, policy.permutations_global, swaps)
    drawn = [gamma(shares, x, h) for shares, h in swapped]
    made |= _against_labels(drawn, found["gamma"], policy.fdr)
    full: dict[str, Any] = {}
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
        notes.append(_LARGE)
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
        rows |= dict.fromkeys(
            ("gamma", "gamma_expected", *_LABELS, "p", "q", "family_count"), np.nan
        )
        rows |= dict.fromkeys(("family", "null", "seed", "warnings"), None)
        if given.any():
            rows |= _together(at, kinds, enough, given, first, second, x, reference, policy, stream)
        parts.append(frame(rows, "specialisation_pair"))
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
    darts, swaps = rng.spawn(2)
    members = at.members[:, enough]
    result = coagglomeration(
        at.codes[at.unit],
        members,
        at.size,
        policy.permutations_global,
        darts,
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
    a, b = a[given], b[given]
    main = np.array([kinds.parents[one] is None for one in np.flatnonzero(enough)])
    drawn = []
    for shares, _ in relabelled(
        at.unit, at.units, members, at.size, policy.permutations_global, swaps
    ):
        # The mean specialisation moves with the labels; all firms and the land do not.
        centre = shares[:, main].mean(axis=1)[:, None] if reference == "mean" else x
        excess = shares - centre
        together = excess @ excess.swapaxes(-1, -2)
        drawn.append(together[:, a, b] / (1.0 - (centre**2).sum(axis=-1)))
    for name, values in _against_labels(drawn, made["gamma"][given], policy.fdr).items():
        made[name] = np.full(given.size, np.nan)
        made[name][given] = values
    shared = np.any(at.members[:, first] & at.members[:, second], axis=0)
    common = draw_warnings(policy.permutations_global, family)
    own = (at.members * at.size[:, None]).sum(axis=0) / at.size.sum()
    large = (np.maximum(own[first], own[second]) > _DOMINANT) & (reference == "register")
    if at.left_out:
        common.append(f"{at.left_out} placed firms state no workers, or none, and do not count")
    held = "firms that hold both tie the two together: compare gamma with its mean by chance"
    notes = [
        "; ".join([*common, *[held] * both, *[_LARGE] * big]) or None if one else None
        for both, big, one in zip(shared.tolist(), large.tolist(), given, strict=True)
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
