"""Recognise the header of a register: which row it is, what each column becomes.

``headers.yaml`` holds the words. Personal data and money are recognised before anything near
enough is guessed, so that a guess never keeps what should be dropped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from pydantic import Field
from rapidfuzz.distance import DamerauLevenshtein

from pipeline.contracts.model import Strict, load_model
from pipeline.contracts.register import RegisterSettings
from pipeline.contracts.text import Text

FILE = Path(__file__).with_name("headers.yaml")
NEAR = 0.85
"""Least similarity of a header that is only near a known one (one letter in seven)."""
SEARCHED_ROWS = 40
"""Rows from the top in which the header is looked for."""
IDENTIFYING = frozenset(
    ("firm_id", "firm_name", "raw_address", "village_stated", "district_stated", "specialisation",
     "principal", "coordinates", "latitude_deg")
)  # fmt: skip
"""A header has one of these; so has every row that is a firm."""
SEVERAL = frozenset(("phone", "note", "neighbourhood"))
"""Fields that several columns of a register may share."""


class Words(Strict):
    """How the headers of one kind of column read."""

    words: tuple[str, ...] = Field(description="Sure words.")
    weak: tuple[str, ...] = Field(default=(), description="Words where no sure one is found.")
    tokens: tuple[str, ...] = Field(default=(), description="Single words that settle the kind.")
    title: Text | None = Field(default=None, description="Header in the template.")
    guide: Text | None = Field(default=None, description="What to fill in, for the template.")
    example: str | float | int | None = Field(default=None, description="Example of a cell.")


class HeaderWords(Strict):
    """The model of ``headers.yaml``."""

    fields: dict[str, Words] = Field(description="Columns that are read.")
    personal: dict[str, Words] = Field(description="Columns with personal data.")
    ignored: dict[str, Words] = Field(description="Columns that are known and not needed.")
    abbreviations: dict[str, str] = Field(description="Abbreviation: words; nothing to drop it.")
    template: dict[str, Text] = Field(description="Words of the template.")


@dataclass(frozen=True)
class Header:
    """What one column of the register was taken for.

    Parameters
    ----------
    position : int
        Column of the sheet, 0 for the first.
    text : str
        The header as it reads; the two lines of a two-line header joined by " / ".
    kind : str
        field, personal, ignored, unused (another column says it better), unknown or empty.
    name : str
        The field, the kind of personal data or why it is ignored; empty if unknown.
    how : str
        settings, exact, near or weak.
    unit, period : str
        Unit and period of production that stand in the header.
    """

    position: int
    text: str
    kind: str
    name: str = ""
    how: str = ""
    unit: str = ""
    period: str = ""

    @property
    def letter(self) -> str:
        """Return the column's letter in a spreadsheet."""
        return column_letter(self.position)


def column_letter(position: int) -> str:
    """Return the letters of a spreadsheet column, 0 for the first.

    Examples
    --------
    >>> column_letter(0), column_letter(25), column_letter(26), column_letter(701)
    ('A', 'Z', 'AA', 'ZZ')
    """
    letters = ""
    rest = position + 1
    while rest:
        rest, digit = divmod(rest - 1, 26)
        letters = chr(65 + digit) + letters
    return letters


@cache
def header_words() -> HeaderWords:
    """Return the words of ``headers.yaml``."""
    return load_model(HeaderWords, FILE)


def tokens(text: str) -> tuple[str, ...]:
    """Return the words of a header as they are compared: folded, abbreviations written out.

    Examples
    --------
    >>> tokens("Jml. TK (L)"), tokens("Desa/Kel.")
    (('jumlah', 'tenaga', 'kerja', 'laki'), ('desa', 'kelurahan'))
    """
    plain = unicodedata.normalize("NFKD", text).casefold().replace("laki-laki", "laki")
    found = re.findall(r"[a-z0-9]+", plain)
    abbreviations = header_words().abbreviations
    written = [word for one in found for word in abbreviations.get(one, one).split()]
    return tuple(dict.fromkeys(written))


def _key(words: Sequence[str]) -> str:
    return " ".join(sorted(words))


@cache
def _sure() -> Mapping[str, tuple[str, str]]:
    groups = header_words()
    return {
        _key(tokens(words)): (kind, name)
        for kind, group in (
            ("ignored", groups.ignored),
            ("personal", groups.personal),
            ("field", groups.fields),
        )
        for name, entry in group.items()
        for words in entry.words
    }


@cache
def _weak() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name, entry in header_words().fields.items():
        for words in entry.weak:
            found.setdefault(_key(tokens(words)), []).append(name)
    return {key: tuple(names) for key, names in found.items()}


@cache
def _telling() -> Mapping[str, tuple[str, str]]:
    groups = header_words()
    return {
        token: (kind, name)
        for kind, group in (
            ("ignored", groups.ignored),
            ("field", groups.fields),
            ("personal", groups.personal),
        )
        for name, entry in group.items()
        for token in entry.tokens
    }


UNITS: Mapping[str, tuple[str, float]] = {
    word: (unit, pieces)
    for unit, pieces, words in (
        ("kodi", 1, "kodi kd kod kodian"),
        ("potong", 1, "potong ptg pot pcs pc piece pieces buah bh biji stel"),
        ("potong", 12, "lusin lsn dozen dosin"),
        ("potong", 144, "gros gross"),
        ("lembar", 1, "lembar lbr lb lembaran helai hl sheet sheets"),
        ("meter", 1, "meter m mtr metre metres meters"),
    )
    for word in words.split()
}
"""Words for units of production: the unit, and how many of it the word stands for."""
PERIODS: Mapping[str, str] = {
    word: period
    for period, words in (
        ("day", "hari hr day daily harian sehari perhari"),
        ("week", "minggu mgg mg week weekly mingguan seminggu perminggu pekan"),
        ("month", "bulan bln bl month monthly bulanan sebulan perbulan"),
        ("year", "tahun thn th year yearly annual tahunan setahun pertahun yr annum"),
    )
    for word in words.split()
}
"""Words for the period of production."""
LINKS = frozenset(["per", "tiap", "setiap", "a", "dalam", "rata", "kain", "of"])
"""Words between amount, unit and period that say nothing of their own."""


def _squeeze(text: str) -> str:
    return " ".join(text.split()).casefold()


def recognise(
    texts: Sequence[str], settings: RegisterSettings | None = None, guess: bool = True
) -> list[Header]:
    """Say what each column of a header is.

    Parameters
    ----------
    texts : sequence of str
        Headers from left to right, "" where empty; a two-line header is joined by " / ".
    settings : RegisterSettings, optional
        Headers mapped or ignored by the user go before everything.
    guess : bool
        Whether headers that are only near a known one are read as it.

    Returns
    -------
    list of Header
        One a column. A field may come twice: telling it is left to the caller.

    Examples
    --------
    >>> [one.name for one in recognise(["Nama Usaha", "Tenaga Kerja / L", "No. HP", "Alamatt"])]
    ['firm_name', 'workers_male_count', 'phone', 'raw_address']
    >>> recognise(["Produksi (kodi/bulan)"])[0].unit
    'kodi'
    """
    settings = settings or RegisterSettings()
    groups = header_words()
    mapped = {_squeeze(text): name for name, text in settings.columns.items()}
    ignored = {_squeeze(text) for text in settings.ignore}
    found: list[Header] = []
    for position, text in enumerate(texts):
        squeezed = _squeeze(text)
        if not squeezed:
            found.append(Header(position, "", "empty"))
        elif (name := mapped.get(squeezed)) is not None:
            kind = "personal" if name in groups.personal else "field"
            unit, period, _ = units_in(tokens(text))
            found.append(Header(position, text, kind, str(name), "settings", unit, period))
        elif squeezed in ignored:
            found.append(Header(position, text, "ignored", "settings", "settings"))
        else:
            found.append(_sure_header(position, text))
    found = _name_alone(found)
    found = _weak_headers(found)
    return _near_headers(found) if guess else found


def units_in(words: Sequence[str]) -> tuple[str, str, list[str]]:
    """Take unit and period of production out of the words of a header.

    Examples
    --------
    >>> units_in(["produksi", "kodi", "bulan"])
    ('kodi', 'month', ['produksi'])
    """
    unit = next((UNITS[word][0] for word in words if word in UNITS), "")
    period = next((PERIODS[word] for word in words if word in PERIODS), "")
    rest = [word for word in words if word not in UNITS and word not in PERIODS]
    return unit, period, [word for word in rest if word not in LINKS]


def _sure_header(position: int, text: str) -> Header:
    sure = _sure()
    words = tokens(text)
    last = tokens(text.rpartition(" / ")[2])
    outside = tokens(re.sub(r"\(.*?\)|\[.*?\]", " ", text))
    without_year = [word for word in words if not re.fullmatch(r"(19|20)\d\d", word)]
    if (hit := sure.get(_key(words))) is not None:
        return Header(position, text, *hit, how="exact")
    if (hit := next((_telling()[one] for one in words if one in _telling()), None)) is not None:
        return Header(position, text, *hit, how="exact")
    unit, period, rest = units_in(without_year)
    if (unit or period) and sure.get(_key(rest)) == ("field", "production_amount"):
        return Header(position, text, "field", "production_amount", "exact", unit, period)
    for shorter in (outside, without_year, last):
        if shorter and (hit := sure.get(_key(shorter))) is not None:
            return Header(position, text, *hit, how="exact")
    return Header(position, text, "unknown")


def _name_alone(found: list[Header]) -> list[Header]:
    """Read a column headed "Nama" only: the other kind of name than the one that has a column."""
    names = {one.name for one in found}
    if "firm_name" not in names and "owner_name" in names:
        name = Header(0, "", "field", "firm_name", "weak")
    else:
        # Nothing tells whose name it is, so it is treated as a person's.
        name = Header(0, "", "personal", "owner_name", "weak")
    return [
        replace(name, position=one.position, text=one.text)
        if one.kind == "unknown" and tokens(one.text) in (("nama",), ("name",))
        else one
        for one in found
    ]


def _weak_headers(found: list[Header]) -> list[Header]:
    taken = {one.name for one in found if one.kind == "field"}
    by_sex = {"workers_male_count", "workers_female_count"} & taken
    result = []
    for one in found:
        names = _weak().get(_key(tokens(one.text)), ()) if one.kind == "unknown" else ()
        if "workers_count" in names and not by_sex:
            names = ()
        free = next((name for name in names if name not in taken), None)
        if free is not None:
            taken.add(free)
            result.append(replace(one, kind="field", name=free, how="weak"))
        elif names:
            result.append(replace(one, kind="unused", name=names[0], how="weak"))
        else:
            result.append(one)
    return result


def _near_headers(found: list[Header]) -> list[Header]:
    taken = {one.name for one in found if one.kind == "field"}
    result = []
    for one in found:
        near = _near(" ".join(tokens(one.text))) if one.kind == "unknown" else None
        if near is not None and (near[0] != "field" or near[1] not in taken):
            result.append(replace(one, kind=near[0], name=near[1], how="near"))
        else:
            result.append(one)
    return result


@cache
def _spelled() -> Mapping[str, tuple[str, str]]:
    groups = header_words()
    return {
        " ".join(tokens(words)): (kind, name)
        for kind, group in (("personal", groups.personal), ("field", groups.fields))
        for name, entry in group.items()
        for words in entry.words
    }


def _near(text: str) -> tuple[str, str] | None:
    """Return the one meaning whose words are near enough to the text."""
    if len(text) < 5:
        return None
    hits: dict[tuple[str, str], float] = {}
    for words, meaning in _spelled().items():
        likeness = DamerauLevenshtein.normalized_similarity(words, text, score_cutoff=NEAR)
        if likeness:
            hits[meaning] = max(likeness, hits.get(meaning, 0.0))
    return next(iter(hits)) if len(hits) == 1 else None


@dataclass(frozen=True)
class HeaderRows:
    """Where the header is and what it says.

    Parameters
    ----------
    row : int
        Row of the sheet's grid that holds it (the upper one of two), 0 for the first.
    lines : int
        1 or 2; 0 for a file whose columns are named outside its rows.
    headers : tuple of Header
        One a column.
    """

    row: int
    lines: int
    headers: tuple[Header, ...]

    @property
    def first_data_row(self) -> int:
        """Return the first row below the header."""
        return self.row + self.lines


def _score(headers: Sequence[Header]) -> float:
    """Return how much a row looks like a header; 0 if it does not."""
    known = {one.name for one in headers if one.kind == "field"}
    if len(known) < 2 or not known & IDENTIFYING:
        return 0.0
    others = sum(one.kind in ("personal", "ignored", "unused") for one in headers)
    strange = sum(one.kind == "unknown" for one in headers)
    return len(known) + 0.5 * others - 0.25 * strange


def _joined(upper: Sequence[str], lower: Sequence[str], spans: Mapping[int, int]) -> list[str]:
    """Join two header lines; an upper cell reaches right over the cells it is merged with."""
    texts = []
    parent, reach = "", -1
    for position, (above, below) in enumerate(zip(upper, lower, strict=True)):
        if above:
            parent = above
            # Without merged cells an upper text holds for the empty ones right of it.
            reach = spans.get(position, position if not below else len(upper))
            if position in spans and not below:
                reach = position
        over = parent if above or position <= reach else ""
        if over and below and over != below:
            texts.append(f"{over} / {below}")
        else:
            texts.append(below or above)
        if not above and not below:
            reach = -1
    return texts


def find_header(
    rows: Sequence[Sequence[str]],
    settings: RegisterSettings | None = None,
    spans: Mapping[tuple[int, int], int] | None = None,
    numeric: Sequence[Sequence[bool]] | None = None,
) -> HeaderRows | None:
    """Find the header among the first rows of a sheet, below titles, of one line or two.

    Parameters
    ----------
    rows : sequence of sequence of str
        The first rows, "" where a cell is empty, all of one length.
    settings : RegisterSettings, optional
        ``header_row`` and ``header_rows`` settle where it is.
    spans : mapping of (row, column) to int, optional
        Last column of the cells merged to the right of a cell.
    numeric : sequence of sequence of bool, optional
        Cells that the file stores as numbers: a row with one is no second header line.

    Returns
    -------
    HeaderRows or None
        None if no row looks like a header (fewer than two columns understood, or none of those
        that identify a firm).

    Examples
    --------
    >>> found = find_header([["Data IKM", "", ""], ["Nama Usaha", "Tenaga Kerja", ""],
    ...                      ["", "L", "P"], ["Batik A", "2", "3"]])
    >>> found.row, found.lines, [one.text for one in found.headers]
    (1, 2, ['Nama Usaha', 'Tenaga Kerja / L', 'Tenaga Kerja / P'])
    """
    settings = settings or RegisterSettings()
    spans = spans or {}
    fixed = settings.header_row
    candidates = range(len(rows)) if fixed is None else [fixed - 1]
    best: tuple[float, HeaderRows] | None = None
    for row in candidates:
        if row >= len(rows) or not any(rows[row]):
            continue
        for lines in (1, 2):
            if settings.header_rows not in (None, lines):
                continue
            texts = list(rows[row])
            if lines == 2:
                below = row + 1
                if below >= len(rows) or not any(rows[below]):
                    continue
                if numeric is not None and any(numeric[below]):
                    continue
                across = {column: end for (top, column), end in spans.items() if top == row}
                texts = _joined(rows[row], rows[below], across)
            headers = tuple(recognise(texts, settings, guess=False))
            score = _score(headers)
            if fixed is not None and not score:
                score = 0.01 / lines
            # A title line joined to a header line says no more than the header line alone.
            if score and (best is None or score > best[0] + 1e-9):
                best = (score, HeaderRows(row, lines, headers))
    if best is None:
        return None
    found = _lower_line_alone(rows, settings, best)
    texts = [one.text for one in found.headers]
    return replace(found, headers=tuple(recognise(texts, settings)))


def _lower_line_alone(
    rows: Sequence[Sequence[str]], settings: RegisterSettings, best: tuple[float, HeaderRows]
) -> HeaderRows:
    """Take the lower of two lines alone where it says as much (the upper one is a title)."""
    score, found = best
    if found.lines == 2 and settings.header_row is None and settings.header_rows is None:
        headers = tuple(recognise(rows[found.row + 1], settings, guess=False))
        if _score(headers) >= score:
            return HeaderRows(found.row + 1, 1, headers)
    return found


def named_header(
    names: Sequence[str], settings: RegisterSettings | None = None, has_points: bool = False
) -> HeaderRows | None:
    """Return the header of a file that names its columns apart from its rows.

    Parameters
    ----------
    names : sequence of str
        Names of the columns.
    settings : RegisterSettings, optional
    has_points : bool
        Whether every row has a point, which identifies a firm well enough.

    Returns
    -------
    HeaderRows or None
        None if the names do not look like a register's.

    Examples
    --------
    >>> named_header(["nama_usaha", "alamat"]).first_data_row
    0
    """
    headers = tuple(recognise(names, settings))
    is_known = any(one.kind == "field" for one in headers) if has_points else bool(_score(headers))
    return HeaderRows(0, 0, headers) if is_known else None
