"""What firms do: the controlled vocabulary, its synonyms, and how wordings are read into it.

``specialisations.yaml`` holds the vocabulary, ``docs/specialisations.md`` is generated from it
(``python -m pipeline.contracts.specialisations``). A firm's specialisations are stored as ids
joined by ``"; "``, the most specific that are known, narrow ones first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import Field, model_validator
from rapidfuzz.distance import DamerauLevenshtein

from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.model import Strict, load_yaml
from pipeline.contracts.provenance import PROJECT, write_text
from pipeline.contracts.text import Text

FILE = Path(__file__).with_name("specialisations.yaml")
PATH = PROJECT / "docs" / "specialisations.md"
JOINER = "; "
TECHNIQUES = ("tulis", "cap", "gedog", "printing")


class Specialisation(Strict):
    """One thing a firm can do."""

    id: str = Field(pattern=r"^[a-z]+(_[a-z]+)*$", description="Identifier.")
    label: Text = Field(description="Name in both languages.")
    parent: str | None = Field(default=None, description="Identifier of the wider one.")
    technique: str | None = Field(
        default=None, description="Technique it implies, several joined by '; '."
    )
    synonyms: tuple[str, ...] = Field(default=(), description="Other words for it.")

    @property
    def techniques(self) -> tuple[str, ...]:
        """Return the techniques it implies."""
        return tuple(self.technique.split(JOINER)) if self.technique else ()


class Vocabulary(Strict):
    """All specialisations, held against each other."""

    entries: tuple[Specialisation, ...] = Field(min_length=1, description="The specialisations.")

    @model_validator(mode="after")
    def _consistent(self) -> Vocabulary:
        ids = [entry.id for entry in self.entries]
        if len(set(ids)) != len(ids):
            raise ValueError("each id once")
        seen: set[str] = set()
        for entry in self.entries:
            if entry.parent is not None and entry.parent not in seen:
                raise ValueError(f"parent {entry.parent!r} of {entry.id!r} before it")
            if not set(entry.techniques) <= set(TECHNIQUES):
                raise ValueError(f"techniques of {entry.id!r} among {', '.join(TECHNIQUES)}")
            seen.add(entry.id)
        meaning: dict[str, str] = {}
        for entry in self.entries:
            for words in (entry.id, *entry.label.both().values(), *entry.synonyms):
                other = meaning.setdefault(fold(words), entry.id)
                if other != entry.id:
                    raise ValueError(f"{words!r} means {other!r} or {entry.id!r}, not both")
        return self


@dataclass(frozen=True)
class Recognised:
    """What a wording was read as.

    Parameters
    ----------
    ids : tuple of str
        Specialisations, narrow ones first.
    techniques : tuple of str
        Techniques they imply, in the order of :data:`TECHNIQUES`.
    unknown : tuple of str
        Parts that were not understood.
    guessed : tuple of (str, str)
        Parts read in spite of a typing error, with the id each was read as.
    """

    ids: tuple[str, ...]
    techniques: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    guessed: tuple[tuple[str, str], ...] = ()


# Words that say "a firm that makes" rather than what it makes.
_FILLERS = frozenset(
    re.findall(
        r"\w+",
        "usaha industri kerajinan pengrajin perajin pembuatan pembuat produksi produsen jasa "
        "bidang kegiatan home rumah tangga kecil ikm ukm umkm",
    )
)
# A dash parts only where spaces stand around it; brackets part where the whole is not known.
_SIGNS = re.compile(r"[;,/&+|\n]")
_PARTS = re.compile(
    r"\s*(?:[;,/&+|\n()]|\bdan\b|\band\b|\bserta\b|\b(?:dll|dsb|etc)\b|\s[-–]\s)\s*", re.IGNORECASE
)


def fold(words: str) -> str:
    """Return `words` as they are compared: lower case, letters only, fillers left out.

    Examples
    --------
    >>> fold("Pengrajin BATIK  Tulis"), fold("hand-drawn"), fold("Industri")
    ('batik tulis', 'hand drawn', 'industri')
    """
    plain = unicodedata.normalize("NFKD", words).casefold()
    found = re.findall(r"[a-z]+", plain)
    kept = [word for word in found if word not in _FILLERS]
    return " ".join(kept or found)


@cache
def vocabulary() -> Mapping[str, Specialisation]:
    """Return the specialisations by id, parents before children.

    Raises
    ------
    InputError
        ``specialisations.yaml`` is not consistent.

    Examples
    --------
    >>> vocabulary()["pembatikan_cap"].label.en
    'Stamped batik (cap)'
    """
    raw = load_yaml(FILE)
    try:
        entries = Vocabulary(entries=raw).entries
    except ValueError as error:
        raise InputError(Fault(str(FILE), "a consistent vocabulary", str(error))) from error
    return {entry.id: entry for entry in entries}


@cache
def _words() -> Mapping[str, str]:
    return {
        fold(words): entry.id
        for entry in vocabulary().values()
        for words in (entry.id, *entry.label.both().values(), *entry.synonyms)
    }


@cache
def _parents() -> frozenset[str | None]:
    return frozenset(entry.parent for entry in vocabulary().values() if entry.parent)


def ancestors(specialisation: str) -> tuple[str, ...]:
    """Return the wider specialisations of one, nearest first.

    Raises
    ------
    KeyError
        No such specialisation.

    Examples
    --------
    >>> ancestors("tenun_atbm"), ancestors("tenun")
    (('tenun',), ())
    """
    parent = vocabulary()[specialisation].parent
    return () if parent is None else (parent, *ancestors(parent))


def split(joined: str | None) -> tuple[str, ...]:
    """Return the ids of a stored cell.

    Examples
    --------
    >>> split("pembatikan_cap; konveksi"), split(None)
    (('pembatikan_cap', 'konveksi'), ())
    """
    return tuple(joined.split(JOINER)) if joined else ()


def rollup(ids: Iterable[str], to: Iterable[str] | None = None) -> tuple[str, ...]:
    """Return specialisations at a coarser level, each once, in the order of `ids`.

    Parameters
    ----------
    ids : iterable of str
        Specialisations of a firm.
    to : iterable of str, optional
        The level wanted: each id becomes the nearest of these among itself and its ancestors;
        an id with none is left as it is. Without it, each becomes its widest ancestor.

    Raises
    ------
    KeyError
        An id that is not in the vocabulary.

    Examples
    --------
    >>> rollup(["pembatikan_cap", "pembatikan_tulis", "konveksi"])
    ('pembatikan', 'konveksi')
    >>> rollup(["pembatikan_cap", "tenun_atm"], to=["pembatikan_cap", "tenun"])
    ('pembatikan_cap', 'tenun')
    """
    wanted = None if to is None else frozenset(to)
    found = []
    for one in ids:
        line = (one, *ancestors(one))
        if wanted is None:
            found.append(line[-1])
        else:
            found.append(next((name for name in line if name in wanted), one))
    return tuple(dict.fromkeys(found))


def narrowest(ids: Iterable[str]) -> tuple[str, ...]:
    """Drop what a narrower specialisation already says; put narrow ones first.

    Examples
    --------
    >>> narrowest(["konveksi", "pembatikan", "pembatikan_cap"])
    ('pembatikan_cap', 'konveksi')
    """
    given = list(dict.fromkeys(ids))
    implied = {wider for one in given for wider in ancestors(one)}
    kept = [one for one in given if one not in implied]
    return tuple(sorted(kept, key=lambda one: -len(ancestors(one))))


def recognise(words: str, extra: Mapping[str, str] | None = None) -> Recognised:
    """Read a wording, perhaps of several specialisations, into the vocabulary.

    Parameters
    ----------
    words : str
        A cell of a register, such as "Batik tulis/cap dan konveksi".
    extra : mapping of str to str, optional
        Further words and the ids they mean, from the register's settings; they go first.

    Returns
    -------
    Recognised
        A word that only says how ("cap") belongs to what stands before it ("canting tulis, cap").
        One typing error is forgiven in a word of six letters or more where one reading is left.

    Examples
    --------
    >>> recognise("Batik tulis/cap dan konveksi").ids
    ('pembatikan_tulis', 'pembatikan_cap', 'konveksi')
    >>> recognise("Canting tulis, cap").ids
    ('canting_tulis', 'canting_cap')
    >>> recognise("Pelorotan").guessed, recognise("Mebel").unknown
    ((('Pelorotan', 'pelorodan'),), ('Mebel',))
    """
    own = {fold(word): one for word, one in (extra or {}).items()}
    known = _words()
    if not _SIGNS.search(words) or fold(words) in own:
        whole = own.get(fold(words)) or known.get(fold(words))
        if whole is not None:
            return _told([whole])
    ids: list[str] = []
    unknown: list[str] = []
    guessed: list[tuple[str, str]] = []
    head = ""
    for part in filter(None, (one.strip(" .:") for one in _PARTS.split(words))):
        key = fold(part)
        found = own.get(key)
        if found is None and head and " " not in key:
            found = known.get(f"{head} {key}")
        found = found or known.get(key)
        if found is None and (near := _near(key, known)) is not None:
            guessed.append((part, near))
            found = near
        if found is None:
            unknown.append(part)
        else:
            ids.append(found)
            first = key.partition(" ")[0]
            head = first if known.get(first) in _parents() else head
    return _told(ids, tuple(unknown), tuple(guessed))


def _told(
    ids: Iterable[str],
    unknown: tuple[str, ...] = (),
    guessed: tuple[tuple[str, str], ...] = (),
) -> Recognised:
    kept = narrowest(ids)
    implied = {one for name in kept for one in vocabulary()[name].techniques}
    techniques = tuple(one for one in TECHNIQUES if one in implied)
    return Recognised(kept, techniques, unknown, guessed)


def _near(key: str, known: Mapping[str, str]) -> str | None:
    """Return the one id whose words are one typing error away."""
    if len(key) < 6:
        return None
    found = {
        one
        for words, one in known.items()
        if abs(len(words) - len(key)) < 2
        and DamerauLevenshtein.distance(words, key, score_cutoff=1) == 1
    }
    return found.pop() if len(found) == 1 else None


def document() -> str:
    """Return the vocabulary as Markdown.

    Examples
    --------
    >>> document().splitlines()[0]
    '# Specialisations'
    """
    rows = [
        "| "
        + " | ".join(
            (
                f"`{entry.id}`",
                entry.label.id,
                entry.label.en,
                f"`{entry.parent}`" if entry.parent else "",
                entry.technique or "",
                ", ".join(entry.synonyms),
            )
        )
        + " |"
        for entry in vocabulary().values()
    ]
    return "\n".join(
        [
            "# Specialisations",
            "",
            "Generated by `python -m pipeline.contracts.specialisations` from",
            "`pipeline/contracts/specialisations.yaml`; do not edit it by hand.",
            "",
            "What a firm does, as the column `specialisation` stores it: ids joined by `; `, the",
            "most specific that are known, narrow ones first. A register may use any of the words",
            "below, in one cell several parted by a comma, a semicolon, a slash, `&`, `+` or",
            "*dan*. Upper and lower case do not matter, nor do words such as *usaha*, *pengrajin*",
            "or *pembuatan*. One typing error in a word of six letters or more is forgiven and",
            "told. Words of your own go into the settings beside the register",
            "(`specialisations: {batik sogan: pembatikan_tulis}`).",
            "",
            "| id | Indonesian | English | part of | technique | other words |",
            "| --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    write_text(PATH, document())
