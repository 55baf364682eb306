"""One index over the places of an area: present and old names, aliases, and their writings.

The tables say which places exist; this module adds the ways a name is written by rule (split and
joined, short and English compass words, a bare first name) and finds names from folded words,
exactly or within an edit distance.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rapidfuzz.distance import OSA

from pipeline.contracts.errors import Fault, InputError
from pipeline.s2_geocode import names

VILLAGE_COLUMNS = (
    "village_code",
    "village_name",
    "district_code",
    "district_name",
    "regency_code",
    "regency_name",
)
OLD_NAME_COLUMNS = ("old_name", "village_code", "valid_until", "confidence")
ALIAS_COLUMNS = ("alias", "level", "code", "note")
ALIAS_LEVELS = ("village", "district", "regency", "kampung", "landmark", "outside")

# How a name came to stand for its place, the surest first; a surer kind hides a weaker one.
KINDS = ("exact", "old_name", "alias", "abbreviation", "kampung", "landmark", "stem")

# A cache is emptied when full: bounded memory, and nothing to keep in order.
_CACHE_LIMIT = 200_000
_POSTAL_CODE = re.compile(r"\d{5}")
_TYPED_REGENCY = re.compile(r"^(kota|kabupaten|kab\.?|city of)\s+", re.IGNORECASE)


class Village(NamedTuple):
    """A village and what it lies in."""

    code: str
    name: str
    district_code: str
    district_name: str
    regency_code: str
    regency_name: str


class Reading(NamedTuple):
    """One place that a written name may stand for.

    ``level`` is village, district, regency or outside; ``kind`` is one of :data:`KINDS`;
    ``name`` is the place as officially written (for old names and aliases: that name);
    ``words`` counts the words of the listed writing.
    """

    level: str
    code: str
    kind: str
    name: str
    words: int


class Near(NamedTuple):
    """A listed key within an edit distance of a written one."""

    key: str
    distance: int


def _require(table: pd.DataFrame, name: str, columns: Iterable[str]) -> list[Fault]:
    """Return one fault for each column that is missing."""
    return [
        Fault(name, f"a column {column}", f"columns {', '.join(map(str, table.columns)) or 'none'}")
        for column in columns
        if column not in table.columns
    ]


def _text(value: object) -> str:
    """Return a cell as stripped text, an absent one as the empty string."""
    return "" if value is None or value is pd.NA or value != value else str(value).strip()


def _short_writings(name: str) -> Iterable[str]:
    """Yield short and English writings: of a compass word at the end, of a usual first part."""
    joined = names.fold(name)
    for start, shorts in names.ABBREVIATED_STARTS.items():
        rest = joined.removeprefix(names.fold_word(start))
        if rest != joined and len(rest) >= 3:
            yield from (names.fold_word(short) + rest for short in shorts)
    for compass, shorts in names.COMPASS.items():
        base = joined.removesuffix(compass)
        if base != joined and len(base) >= 4:
            for short in map(names.fold_word, shorts):
                # English words stand before the name.
                yield short + base if short in names.ENGLISH_COMPASS else base + short


def _stem(name: str) -> str | None:
    """Return the first name of a village told apart by a qualifier, if it is long enough."""
    joined = names.fold(name)
    for qualifier in names.QUALIFIERS:
        base = joined.removesuffix(names.fold_word(qualifier))
        if base != joined and len(base) >= 4:
            return base
    return None


def _letters(key: str) -> np.uint32:
    """Return the set of letters of a key as bits; letters beyond a-z share one."""
    bits = 0
    for letter in key:
        bits |= 1 << min(max(ord(letter) - ord("a"), 0), 26)
    return np.uint32(bits)


@dataclass(frozen=True)
class Gazetteer:
    """Index over the villages of one area and the names they are known by.

    Build it with :meth:`from_tables`.

    Attributes
    ----------
    villages : mapping of str to Village
        By village code.
    districts, regencies : mapping of str to str
        Official name by code.
    regency_of : mapping of str to str
        Regency code by district code.
    readings : mapping of str to tuple of Reading
        Places by folded name.
    levels : mapping of str to frozenset of str
        Levels of the places by folded name.
    mixed : frozenset of str
        Folded names of a regency that are those of a smaller place as well.
    starts : frozenset of str
        All beginnings of folded names.
    postal : mapping of str to frozenset of str
        Village and district codes by postal code.
    """

    villages: Mapping[str, Village]
    districts: Mapping[str, str]
    regencies: Mapping[str, str]
    regency_of: Mapping[str, str]
    readings: Mapping[str, tuple[Reading, ...]]
    levels: Mapping[str, frozenset[str]]
    mixed: frozenset[str]
    starts: frozenset[str]
    postal: Mapping[str, frozenset[str]]
    _keys_by_length: tuple[str, ...] = field(repr=False)
    _length_ends: tuple[int, ...] = field(repr=False)  # keys of at most n letters
    _letters: NDArray[np.uint32] = field(repr=False, compare=False)  # sets of letters, as bits
    _near: dict[tuple[str, int], tuple[Near, ...]] = field(
        default_factory=dict, repr=False, compare=False
    )
    _parts: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_tables(
        cls, village: pd.DataFrame, old_name: pd.DataFrame, alias: pd.DataFrame
    ) -> Gazetteer:
        """Build the index.

        Parameters
        ----------
        village : DataFrame
            Columns village_code, village_name, district_code, district_name, regency_code,
            regency_name; one row a village.
        old_name : DataFrame
            Columns old_name, village_code, valid_until, confidence; former names and the present
            village each belongs to.
        alias : DataFrame
            Columns alias, level, code, note; level is village, district, regency, kampung,
            landmark or outside. `code` is that of the village, district or regency meant, empty
            for outside. An alias of five digits is a postal code of the village or district.

        Returns
        -------
        Gazetteer

        Raises
        ------
        InputError
            Columns missing, codes twice or unknown, levels unknown; all faults at once.

        Examples
        --------
        >>> village = pd.DataFrame(
        ...     [["1.1.1", "Sukamaju", "1.1", "Mekar", "1", "Kota Mekar"]],
        ...     columns=list(VILLAGE_COLUMNS),
        ... )
        >>> old = pd.DataFrame([["Sukasari", "1.1.1", 2014, ""]], columns=list(OLD_NAME_COLUMNS))
        >>> alias = pd.DataFrame([["Negeri", "outside", "", ""]], columns=list(ALIAS_COLUMNS))
        >>> gazetteer = Gazetteer.from_tables(village, old, alias)
        >>> gazetteer.readings["sukasari"][0].kind
        'old_name'
        """
        faults = [
            *_require(village, "village", VILLAGE_COLUMNS),
            *_require(old_name, "old_name", OLD_NAME_COLUMNS),
            *_require(alias, "alias", ALIAS_COLUMNS),
        ]
        if faults:
            raise InputError(faults)
        villages: dict[str, Village] = {}
        for row, cells in enumerate(village[list(VILLAGE_COLUMNS)].itertuples(index=False), 2):
            one = Village(*map(_text, cells))
            if not all(one):
                faults.append(Fault("village", "no empty cell", str(tuple(one)), row=row))
            if one.code in villages:
                faults.append(Fault("village", "each code once", one.code, row=row))
            villages[one.code] = one
        districts = {one.district_code: one.district_name for one in villages.values()}
        regencies = {one.regency_code: one.regency_name for one in villages.values()}
        known: dict[str, Mapping[str, object]] = {
            "village": villages,
            "district": districts,
            "regency": regencies,
        }

        writings: dict[str, dict[tuple[str, str], Reading]] = defaultdict(dict)
        postal: dict[str, set[str]] = defaultdict(set)

        def add(key: str, level: str, code: str, kind: str, name: str) -> None:
            if len(key) < 2:
                return
            words = len(re.findall(r"[^\W\d_]+", name))
            held = writings[key].get((level, code))
            if held is None or KINDS.index(kind) < KINDS.index(held.kind):
                writings[key][level, code] = Reading(level, code, kind, name, words)

        def add_all(level: str, code: str, kind: str, name: str) -> None:
            key = names.fold(name)
            add(key, level, code, kind, name)
            # The letters as written are kept for measuring slips: folding can hide or add edits.
            add("".join(re.findall(r"[^\W\d_]+", name)).lower(), level, code, kind, name)
            # Before 1972 the present y was written j.
            if "y" in key:
                add(key.replace("y", "j"), level, code, kind, name)
            for writing in _short_writings(name):
                add(writing, level, code, "abbreviation", name)

        for one in villages.values():
            add_all("village", one.code, "exact", one.name)
        for code, name in districts.items():
            add_all("district", code, "exact", name)
        for code, name in regencies.items():
            add_all("regency", code, "exact", _TYPED_REGENCY.sub("", name))
        for row, (name, code) in enumerate(
            zip(
                map(_text, old_name["old_name"]), map(_text, old_name["village_code"]), strict=True
            ),
            2,
        ):
            if code not in villages:
                faults.append(Fault("old_name", "a code of the village table", repr(code), row=row))
            else:
                add_all("village", code, "old_name", name)
        for row, (name, level, code) in enumerate(
            zip(
                map(_text, alias["alias"]),
                map(_text, alias["level"]),
                map(_text, alias["code"]),
                strict=True,
            ),
            2,
        ):
            if level not in ALIAS_LEVELS:
                faults.append(
                    Fault("alias", f"one of {', '.join(ALIAS_LEVELS)}", repr(level), row=row)
                )
                continue
            if level == "outside":
                add(names.fold(name), "outside", "", "exact", name)
                continue
            target = level if level in known else "village"
            if level in ("kampung", "landmark") and code in districts:
                target = "district"
            if code not in known[target]:
                faults.append(Fault("alias", f"a known {target} code", repr(code), row=row))
            elif _POSTAL_CODE.fullmatch(name):
                postal[name].add(code)
            elif level in ("kampung", "landmark"):
                add(names.fold(name), target, code, level, name)
            else:
                add_all(target, code, "alias", name)
        if faults:
            raise InputError(faults)

        listed = [
            reading
            for readings in list(writings.values())
            for reading in readings.values()
            if reading.level == "village" and reading.kind in ("exact", "old_name")
        ]
        for reading in listed:
            stem = _stem(reading.name)
            # The stem of a name is no name of its own where such a name exists.
            if stem and not any(
                held.level == "village" and held.kind != "stem" for held in writings[stem].values()
            ):
                add(stem, "village", reading.code, "stem", reading.name)
        readings = {key: tuple(held.values()) for key, held in writings.items() if held}
        fuzzy = sorted(
            (
                key
                for key, held in readings.items()
                if any(
                    reading.kind not in ("stem", "abbreviation")
                    or (reading.kind == "abbreviation" and reading.level == "district")
                    for reading in held
                )
            ),
            key=lambda key: (len(key), key),
        )
        lengths = [len(key) for key in fuzzy]
        return cls(
            villages=MappingProxyType(villages),
            districts=MappingProxyType(districts),
            regencies=MappingProxyType(regencies),
            regency_of=MappingProxyType(
                {one.district_code: one.regency_code for one in villages.values()}
            ),
            readings=MappingProxyType(readings),
            levels=MappingProxyType(
                {key: frozenset(one.level for one in held) for key, held in readings.items()}
            ),
            mixed=frozenset(
                key
                for key, held in readings.items()
                if any(one.level == "regency" for one in held)
                and any(one.level != "regency" for one in held)
            ),
            starts=frozenset(key[:end] for key in readings for end in range(1, len(key) + 1)),
            postal=MappingProxyType({code: frozenset(held) for code, held in postal.items()}),
            _keys_by_length=tuple(fuzzy),
            _letters=np.array([_letters(key) for key in fuzzy], dtype=np.uint32),
            _length_ends=tuple(
                bisect_right(lengths, length) for length in range(max(lengths, default=0) + 1)
            ),
        )

    def near(self, key: str, distance: int) -> tuple[Near, ...]:
        """Find listed keys within an edit distance.

        Parameters
        ----------
        key : str
            Folded name.
        distance : int
            Largest number of insertions, deletions, substitutions and swaps of neighbours
            (optimal string alignment).

        Returns
        -------
        tuple of Near
            The keys, nearest first.
        """
        held = self._near.get((key, distance))
        if held is None:
            ends = self._length_ends
            first = ends[min(max(len(key) - distance - 1, 0), len(ends) - 1)]
            last = ends[min(len(key) + distance, len(ends) - 1)]
            # An edit changes at most two letters of the set a name is made of, so names whose
            # letters differ more need no measuring.
            apart = np.bitwise_count(self._letters[first:last] ^ _letters(key))
            held = tuple(
                Near(near, edits)
                for at in np.flatnonzero(apart <= 2 * distance).tolist()
                if (
                    edits := OSA.distance(
                        key, near := self._keys_by_length[first + at], score_cutoff=distance
                    )
                )
                <= distance
            )
            held = tuple(sorted(held, key=lambda one: (one.distance, one.key)))
            if len(self._near) >= _CACHE_LIMIT:
                self._near.clear()
            self._near[key, distance] = held
        return held

    def parts(self, word: str) -> tuple[str, ...]:
        """Split a word that was written without spaces into role words and names.

        Parameters
        ----------
        word : str
            A folded word that is no name.

        Returns
        -------
        tuple of str
            The parts; the word alone if it is no chain of known ones.
        """
        held = self._parts.get(word)
        if held is None:
            held = self._split(word) or (word,)
            if len(self._parts) >= _CACHE_LIMIT:
                self._parts.clear()
            self._parts[word] = held
        return held

    def _split(self, word: str) -> tuple[str, ...] | None:
        """Split a word into a leading role word or name and a rest that is one or splits too."""
        if len(word) < 6:
            return None
        for cut in range(len(word) - 4, 1, -1):
            head, rest = word[:cut], word[cut:]
            is_name = len(head) >= 4 and self._is_full_name(head)
            if is_name or names.ROLES.get(head) in (
                "village",
                "district",
                "regency",
                "city",
                "street",
            ):
                if self._is_full_name(rest):
                    return head, rest
                further = self._split(rest)
                if further:
                    return head, *further
        return None

    def _is_full_name(self, key: str) -> bool:
        """Tell whether a key is a listed name, not a mere stem."""
        return any(reading.kind != "stem" for reading in self.readings.get(key, ()))
