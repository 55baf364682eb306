"""Firms that are probably one firm twice: flagged with the reason, never merged by themselves.

Two rows are suspected when they have the same phone number (the register says so; numbers are not
stored), or the same or nearly the same name in one village (firms without a village: at one and
the same written place). Names are compared without the words every firm has (Batik, Toko, CV,
titles), in any order of words; numbers in a name must be equal, so ``Sari Jaya 1`` and
``Sari Jaya 2`` are two firms. Near is one slip in names of five letters and more, two in names of
ten and more.

Equal names are found by looking them up; near names are compared only within blocks: names that
are alike when one letter is taken out (which holds every pair one slip apart), and long names
that share the first or the last four letters. So the cost does not grow with the square of firms.
A block larger than :data:`BLOCK` is compared in sorted order within a window, and that is reported.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from rapidfuzz.distance import OSA
from rapidfuzz.process import cdist

from pipeline.s2_geocode import names, review

BLOCK = 1_000
"""Different names of a block that are compared in full."""

WINDOW = 50
"""Neighbours in sorted order each name of a larger block is compared with."""

_ENDS = 4
_FEW = 20
_FIRST = 3  # rows of one name a further row is suspected to be, so that one can be told apart
_ONE_SLIP, _TWO_SLIPS = 5, 10
_COMMON = frozenset(
    map(
        names.fold_word,
        re.findall(
            r"\w+",
            "batik toko cv pt ud pd pb uf ukm umkm kub usaha konveksi koperasi grosir butik rumah "
            "galeri gallery showroom industri kerajinan h hj haji hajah bapak bpk pak ibu bu mas "
            "mbak kh ki ny dan and the printing sablon canting tenun collection koleksi",
        ),
    )
)
_WORDS = re.compile(r"[^\W\d_]+|\d+")
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x")


class Flags(NamedTuple):
    """What :func:`flag` returns: the table with its flags, and what must be said of the search."""

    firm: pd.DataFrame
    notes: list[str]


class Name(NamedTuple):
    """A name to compare: its letters as written and with the words sorted, and its numbers."""

    letters: str
    ordered: str
    numbers: str


def bare_name(name: str | None) -> Name:
    """Return a firm's own name: the letters of its words without common ones, and its numbers.

    Parameters
    ----------
    name : str or None
        Name as the register has it.

    Returns
    -------
    Name
        Empty if nothing but common words is left.

    Examples
    --------
    >>> bare_name("Batik SARI Jaya 2")
    Name(letters='sarijaja', ordered='jajasari', numbers='2')
    >>> bare_name("CV. Jaya-Sari II").ordered, bare_name("Toko Batik").letters
    ('jajasari', '')
    """
    letters: list[str] = []
    numbers: list[str] = []
    for word in _WORDS.findall(name or ""):
        if word[0].isdecimal():
            numbers.append(word.lstrip("0") or "0")
        elif word.lower() in _ROMAN and letters:
            numbers.append(str(_ROMAN.index(word.lower()) + 1))
        elif (folded := names.fold_word(word)) not in _COMMON:
            letters.append(folded.replace("y", "j"))  # as y was written before 1972
    if not letters:
        return Name("", "", "")
    return Name("".join(letters), "".join(sorted(letters)), " ".join(sorted(numbers)))


def flag(firm: pd.DataFrame, decisions: Mapping[str, str] | None = None) -> Flags:
    """Flag probable duplicates.

    Parameters
    ----------
    firm : pandas.DataFrame
        N rows of the table ``firm``.
    decisions : mapping of str to str, optional
        A person's decisions; pairs told apart are not flagged again, pairs told the same are
        flagged with :data:`review.DECIDED_SAME`.

    Returns
    -------
    Flags
        The table with ``duplicate_of`` (an earlier firm) and ``duplicate_reason``, and a note for
        every block that was not compared in full.
    """
    ids = firm["firm_id"].astype("object").tolist()
    bare = [bare_name(None if pd.isna(name) else str(name)) for name in firm["firm_name"]]
    addresses = [review.normal(None if pd.isna(one) else str(one)) for one in firm["raw_address"]]
    suspects: dict[int, dict[int, list[str]]] = defaultdict(dict)  # later row: earlier: reasons
    notes = _suspect_names(firm, bare, addresses, suspects)
    _suspect_phones(firm, ids, suspects)
    pairs = {key: said for key, said in (decisions or {}).items() if key.startswith("d-")}
    keys = review.firm_keys(firm) if pairs else []
    apart = {key for key, said in pairs.items() if said == review.DIFFERENT}
    of: list[str | None] = [None] * len(firm)
    reasons: list[str | None] = [None] * len(firm)
    told = _told_same(keys, pairs)
    for row, others in suspects.items():
        left: dict[int, list[str]] = {}
        for other, why in others.items():
            # A row a person said is another one again stands for that other one.
            target = told.get(other, other)
            is_apart = apart and review.pair_key(keys[row], keys[target]) in apart
            if target != row and not is_apart:
                left.setdefault(target, why)
        if left and row not in told:
            of[row], reasons[row] = _strongest(row, left, addresses, ids)
    for row, other in told.items():
        of[row], reasons[row] = ids[other], review.DECIDED_SAME
    flagged = firm.copy()
    flagged["duplicate_of"] = pd.Series(of, index=firm.index, dtype="string")
    flagged["duplicate_reason"] = pd.Series(reasons, index=firm.index, dtype="string")
    return Flags(flagged, notes)


def _strongest(
    row: int, left: Mapping[int, list[str]], addresses: Sequence[str], ids: Sequence[str]
) -> tuple[str, str]:
    """Return the firm a row is most probably again, and why: most reasons, then the earliest."""
    alike = {one: addresses[row] != "" and addresses[row] == addresses[one] for one in left}
    other = min(left, key=lambda one: (-len(left[one]) - alike[one], one))
    why = list(left[other])
    if addresses[row] and addresses[other]:
        why.append("same address" if alike[other] else "addresses differ")
    return ids[other], ", ".join(why)


def without_same(firm: pd.DataFrame) -> pd.DataFrame:
    """Return the firms without those a person said are another one again.

    Parameters
    ----------
    firm : pandas.DataFrame
        The table ``firm`` with its flags.
    """
    same = (firm["duplicate_reason"] == review.DECIDED_SAME).fillna(False)
    return firm[~same.astype(bool)].reset_index(drop=True)


def _suspect_phones(
    firm: pd.DataFrame, ids: Sequence[str], suspects: dict[int, dict[int, list[str]]]
) -> None:
    rows = {firm_id: row for row, firm_id in enumerate(ids)}
    for row in np.flatnonzero(firm["same_phone_as"].notna().to_numpy()):
        other = rows.get(firm["same_phone_as"].iloc[row])
        if other is not None and other != row:
            first, later = min(int(row), other), max(int(row), other)
            suspects[later].setdefault(first, []).append("same phone number")


def _suspect_names(
    firm: pd.DataFrame,
    bare: Sequence[Name],
    addresses: Sequence[str],
    suspects: dict[int, dict[int, list[str]]],
) -> list[str]:
    """Suspect equal and near names of one village, or of one written place."""
    villages = firm["village_code"].astype("object").where(firm["village_code"].notna(), None)
    unplaced = [row for row, code in enumerate(villages) if code is None and bare[row].letters]
    keys = dict(zip(unplaced, review.place_keys(firm.iloc[unplaced]), strict=True))
    groups: dict[str, dict[Name, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, (code, name) in enumerate(zip(villages, bare, strict=True)):
        if name.letters:
            groups[code or keys[row]][name].append(row)
    capped: list[str] = []
    for place, named in groups.items():
        where = "at the same place as written" if place.startswith("p-") else "in the same village"
        alike: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        for name, rows in named.items():
            # "Sari Jaya" is "Jaya Sari" by its sorted words and "Sarijaya" by its letters.
            for how in ("letters", "ordered"):
                alike[how, getattr(name, how), name.numbers] += rows
        for rows in alike.values():
            _suspect_equal(sorted(rows), addresses, f"same name {where}", suspects)
        for one, two in _near(list(named), place, capped):
            first, later = sorted((named[one][0], named[two][0]))
            if not suspects[later].get(first):
                suspects[later].setdefault(first, []).append(f"nearly the same name {where}")
    return capped


def _suspect_equal(
    rows: Sequence[int],
    addresses: Sequence[str],
    reason: str,
    suspects: dict[int, dict[int, list[str]]],
) -> None:
    """Suspect each row to be one of the first of its name, or the first of its name and address."""
    firsts: dict[str, int] = {}
    for at, row in enumerate(rows):
        earlier = [*rows[: min(at, _FIRST)]]
        if addresses[row] in firsts and firsts[addresses[row]] not in earlier:
            earlier.append(firsts[addresses[row]])
        for other in earlier:
            reasons = suspects[row].setdefault(other, [])
            if reason not in reasons:
                reasons.append(reason)
        firsts.setdefault(addresses[row], row)


def _near(distinct: list[Name], place: str, capped: list[str]) -> set[tuple[Name, Name]]:
    """Return the pairs of different names of one place that a slip or two part."""
    blocks: dict[tuple[str, str, str], list[Name]] = defaultdict(list)
    for name in distinct:
        text = name.letters
        if len(text) >= _ONE_SLIP:
            # Names one slip apart share what is left when the right letter is taken out.
            for rest in {text, *(text[:at] + text[at + 1 :] for at in range(len(text)))}:
                blocks["have or nearly have", rest, name.numbers].append(name)
        if len(text) >= _TWO_SLIPS:
            blocks["start with", text[:_ENDS], name.numbers].append(name)
            blocks["end with", text[-_ENDS:], name.numbers].append(name)
    pairs: set[tuple[Name, Name]] = set()
    for (how, letters, _), block in blocks.items():
        if len(block) < 2:
            continue
        backwards = how == "end with"
        block.sort(key=lambda name: (name.letters[::-1] if backwards else name.letters, name))
        if len(block) > BLOCK:
            capped.append(
                f"duplicates: {len(block)} names of {place} {how} '{letters}'; each was compared "
                f"with its {WINDOW} neighbours in sorted order only"
            )
            found = [
                (at, at + step)
                for at in range(len(block))
                for step in range(1, min(WINDOW, len(block) - at - 1) + 1)
            ]
        elif len(block) > _FEW:
            texts = [name.letters for name in block]
            apart = cdist(texts, texts, scorer=OSA.distance, score_cutoff=2, dtype=np.uint8)
            found = [(int(one), int(two)) for one, two in np.argwhere(np.triu(apart <= 2, 1))]
        else:
            found = list(combinations(range(len(block)), 2))
        for one, two in found:
            if _is_near(block[one].letters, block[two].letters):
                first, second = sorted((block[one], block[two]))
                pairs.add((first, second))
    return pairs


def _is_near(one: str, two: str) -> bool:
    shorter = min(len(one), len(two))
    slips = 2 if shorter >= _TWO_SLIPS else 1
    return shorter >= _ONE_SLIP and OSA.distance(one, two, score_cutoff=slips) <= slips


def _told_same(keys: Sequence[str], pairs: Mapping[str, str]) -> dict[int, int]:
    """Return for every later row a person said is an earlier one again, that earlier row."""
    same = [key[2:].split("-") for key, said in pairs.items() if said == review.SAME]
    if not same:
        return {}
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent.get(key, key) != key:
            key = parent[key]
        return key

    for one, two in same:
        # A key given with itself: rows that are alike in name and place.
        parent.setdefault(one, one)
        parent.setdefault(two, two)
        parent[root(one)] = root(two)
    alike = {one for one, two in same if one == two}
    first: dict[str, int] = {}
    seen: set[str] = set()
    told = {}
    for row, key in enumerate(keys):
        if key not in parent:
            continue
        group = root(key)
        if group not in first:
            first[group] = row
        elif key not in seen or key in alike:
            told[row] = first[group]
        seen.add(key)
    return told
