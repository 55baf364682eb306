"""What a person must look at, the sheet to answer in, and the memory of the answers.

Every open question about a firm is one line of ``review.csv`` (the same lines, with the candidates
as drop-downs, are in ``review.xlsx``). The column ``decision`` is empty. Answers:

====================  ==========================================================================
``33.75.01.1002``     The firm is in this village; a name may follow the code, as in the drop-down.
``outside``           The firm lies outside the area.
``coordinates``       The coordinates are right, the words are wrong.
``unknown``           It cannot be told; the question is not asked again.
``not a duplicate``   The two rows are two firms.
``same as F0012``     The row is the firm F0012 again and is left out of the maps.
(nothing)             The question stays open.
====================  ==========================================================================

The first four answer questions about the place, the next two those about a duplicate. An answer is
stored in ``<register>.decisions.csv`` beside the register, by a key that is a hash: of the
normalised address, the stated columns and the coordinates for a place (so one answer serves all
rows that say the same), with the name of the firm as well for a duplicate. Nothing personal is in
it. To take a decision back, delete its line there.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import xlsxwriter

from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.tables import VILLAGE_CODE
from pipeline.contracts.text import LANGUAGES, t
from pipeline.s2_geocode import files, names
from pipeline.s2_geocode.gazetteer import Gazetteer

OUTSIDE, UNKNOWN, COORDINATES = "outside", "unknown", "coordinates"
SAME, DIFFERENT = "same", "different"
PLACE, DUPLICATE = "place", "duplicate"

QUESTIONS = ("conflict", "ambiguous", "unmatched", "kecamatan_only", "duplicate")
"""Kinds of questions, in the order of a firm's lines."""

COLUMNS = (
    "decision",
    "question",
    "firm_id",
    "firm_name",
    "raw_address",
    "village_stated",
    "district_stated",
    "regency_stated",
    "placed_in",
    "why",
    "candidates",
    "evidence",
    "row_number",
    "register",
    "key",
)
"""Columns of the review sheet."""

DECISION_COLUMNS = ("key", "question", "decision")
"""Columns of the decisions file."""

XLSX_ROWS = 20_000
"""Lines of the workbook; the CSV holds all of them."""

_KEY = re.compile(
    r"p-[0-9a-f]{16}|d-[0-9a-f]{16}-[0-9a-f]{16}"
)  # no spreadsheet takes it for a number
_PLAIN = re.compile(VILLAGE_CODE, re.ASCII)
_CODE = re.compile(r"(\d{2})\.?(\d{2})\.?(\d{2})\.?(\d{4})(?:\s*[,;:-]?\s+(.*))?", re.DOTALL)
_WORDS = re.compile(r"[^\W\d_]+|\d+")
_JOINED = "coordinates: in "  # in the evidence of a row whose coordinates were joined
_SHEET = "review"
_LISTS = "candidates"
_DIFFERENT = "not a duplicate"
_SAME = re.compile(r"same as\s+(\S.*)", re.IGNORECASE | re.DOTALL)


# Keys


_NUMBER_WORDS = frozenset(("no", "nomor", "nmr", "num"))


def normal(text: str | None) -> str:
    """Return the folded words and the numbers of a text, without the word before a number.

    Examples
    --------
    >>> normal("Jl. Melati No.3") == normal("JL MELATI 3")
    True
    """
    if not text:
        return ""
    folded = (
        word if word[0].isdecimal() else names.fold_word(word) for word in _WORDS.findall(text)
    )
    return " ".join(word for word in folded if word not in _NUMBER_WORDS)


def _hash(parts: Iterable[str]) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]


def _identities(register: pd.DataFrame) -> Iterator[tuple[list[str], str]]:
    """Yield the normalised place of each row and the normalised name of its firm."""
    texts = ("raw_address", "village_stated", "district_stated", "regency_stated", "firm_name")
    columns = [
        register[name].astype("object").where(register[name].notna(), None) for name in texts
    ]
    points = [
        register[name].astype("object").where(register[name].notna(), None)
        for name in ("longitude_deg", "latitude_deg")
    ]
    for *place, name, longitude, latitude in zip(*columns, *points, strict=True):
        parts = [normal(text) for text in place]
        if longitude is None or latitude is None:
            parts += ["", ""]
        else:
            parts += [f"{float(longitude):.5f}", f"{float(latitude):.5f}"]
        yield parts, normal(name)


def place_keys(register: pd.DataFrame) -> list[str]:
    """Return the key of each row's place: rows that say the same place share it.

    Parameters
    ----------
    register : pandas.DataFrame
        Rows of the table ``register`` or ``firm``.

    Returns
    -------
    list of str
        ``p-`` and sixteen hexadecimal digits. A row that says nothing of its place is told apart
        by the firm's name.

    Examples
    --------
    >>> columns = ("village_stated", "district_stated", "regency_stated", "firm_name",
    ...            "longitude_deg", "latitude_deg")
    >>> rows = pd.DataFrame({"raw_address": ["Jl. Melati 3", "JL MELATI no. 3", "Jl. Melati 4"]})
    >>> rows = rows.assign(**{name: None for name in columns})
    >>> keys = place_keys(rows)
    >>> keys[0] == keys[1], keys[0] == keys[2]
    (True, False)
    """
    keys = []
    for parts, name in _identities(register):
        keys.append(f"p-{_hash(parts if any(parts) else [*parts, name])}")
    return keys


def firm_keys(register: pd.DataFrame) -> list[str]:
    """Return the key of each firm: its place and its name, sixteen hexadecimal digits.

    Parameters
    ----------
    register : pandas.DataFrame
        Rows of the table ``register`` or ``firm``.
    """
    return [_hash([*parts, name]) for parts, name in _identities(register)]


def pair_key(first: str, second: str) -> str:
    """Return the key of two firms, whichever comes first.

    Examples
    --------
    >>> pair_key("b" * 16, "a" * 16) == pair_key("a" * 16, "b" * 16)
    True
    """
    return "d-" + "-".join(sorted((first, second)))


# The decisions file


def decisions_path(register: str | Path) -> Path:
    """Return where the decisions about a register lie: beside it.

    Parameters
    ----------
    register : str or Path
        The register as the user named it; ``file.gpkg#layer`` names a layer.

    Examples
    --------
    >>> decisions_path("data/my_firms.xlsx").as_posix()
    'data/my_firms.decisions.csv'
    """
    path = Path(str(register).partition("#")[0])
    return path.with_name(f"{path.stem}.decisions.csv")


def read_decisions(path: Path) -> dict[str, str]:
    """Read a decisions file; one that is not there holds none.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict of str to str
        ``33.75.01.1002``, ``outside``, ``unknown``, ``coordinates``, ``same`` or ``different`` by
        key; the order of the file.

    Raises
    ------
    InputError
        Every line that is no decision, and keys given twice with different decisions.
    """
    if not path.is_file():
        return {}
    where = str(path)
    header, lines = files.read_csv(path)
    missing = [name for name in DECISION_COLUMNS if name not in header]
    if missing:
        raise InputError(
            Fault(
                where,
                f"columns {', '.join(DECISION_COLUMNS)}",
                f"columns {', '.join(header) or 'none'}",
                row=1,
                hint="This file is written by the pipeline; restore it, or delete it and answer "
                "the questions again",
            )
        )
    decisions: dict[str, str] = {}
    faults = []
    for number, cells in lines:
        line = dict(zip(header, (one.strip() for one in cells), strict=False))
        key, decision = line["key"], line["decision"]
        fits = bool(_KEY.fullmatch(key)) and (
            decision in (SAME, DIFFERENT)
            if key.startswith("d-")
            else decision in (OUTSIDE, UNKNOWN, COORDINATES) or bool(_PLAIN.fullmatch(decision))
        )
        if not fits:
            faults.append(
                Fault(
                    where,
                    "a key and its decision",
                    f"{key!r}: {decision!r}",
                    row=number,
                    hint="Delete the line; the question is then asked again",
                )
            )
        elif decisions.setdefault(key, decision) != decision:
            faults.append(
                Fault(where, "one decision a key", f"{key} again", row=number, column="key")
            )
    if faults:
        raise InputError(faults)
    return decisions


def decisions_text(decisions: Mapping[str, str]) -> str:
    """Return the decisions file as text: UTF-8, comma-separated, sorted by key.

    Parameters
    ----------
    decisions : mapping of str to str
        Decisions by key.

    Examples
    --------
    >>> print(decisions_text({"p-0123456789abcdef": "outside"}), end="")
    key,question,decision
    p-0123456789abcdef,place,outside
    """
    rows = [
        (key, DUPLICATE if key.startswith("d-") else PLACE, decision)
        for key, decision in sorted(decisions.items())
    ]
    return files.csv_text([DECISION_COLUMNS, *rows])


def unused(
    decisions: Mapping[str, str],
    register: pd.DataFrame,
    gazetteer: Gazetteer,
    *,
    is_real: bool = True,
) -> list[str]:
    """Say which decisions no longer apply, and why.

    Parameters
    ----------
    decisions : mapping of str to str
        Decisions by key.
    register : pandas.DataFrame
        The table ``register``.
    gazetteer : Gazetteer
        Names of the area.
    is_real : bool
        Whether the polygons are published ones, so that coordinates can be joined.

    Returns
    -------
    list of str
        One sentence a decision; empty if all apply.
    """
    if not decisions:
        return []
    places, firms = set(place_keys(register)), set(firm_keys(register))
    lines = []
    for key, decision in decisions.items():
        reason = ""
        if key.startswith("p-"):
            if key not in places:
                reason = "no row of the register says this place any more"
            elif _PLAIN.fullmatch(decision) and decision not in gazetteer.villages:
                reason = "the area has no such village"
            elif decision == COORDINATES and not is_real:
                reason = "coordinates are not joined while boundaries are approximate"
        elif not set(key[2:].split("-")) <= firms:
            reason = "the register no longer has both rows"
        if reason:
            lines.append(f"decision {key} ({decision}) does not apply: {reason}")
    return lines


# The sheet of open questions


def open_rows(firm: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return for each firm whether its place, and whether its being one firm, is to be asked about.

    Parameters
    ----------
    firm : pandas.DataFrame
        The table ``firm``, duplicates flagged.
    """
    is_open = firm["village_code"].isna() & (firm["method"] != "outside")
    is_asked = (firm["conflict"].notna() | is_open) & ~firm["is_decided"]
    is_double = firm["duplicate_of"].notna()
    is_double &= (firm["duplicate_reason"] != DECIDED_SAME).fillna(True)
    return is_asked.astype(bool), is_double.astype(bool)


def questions(
    firm: pd.DataFrame, gazetteer: Gazetteer, register: str
) -> list[dict[str, str | None]]:
    """Return one line for every open question about a firm.

    Parameters
    ----------
    firm : pandas.DataFrame
        The table ``firm``, duplicates flagged.
    gazetteer : Gazetteer
        Names of the area.
    register : str
        Name of the register's file; an answered sheet is given back to it alone.

    Returns
    -------
    list of dict
        Cells by :data:`COLUMNS`, in the order of the firms. A conflict that left a firm placed is
        a question too; without an answer the firm stays where it is.
    """
    is_asked, is_double = open_rows(firm)
    asked = firm[is_asked | is_double]
    if not len(asked):
        return []
    twins = firm[firm["firm_id"].isin(asked["duplicate_of"].dropna())]
    twin_keys = dict(zip(twins["firm_id"], firm_keys(twins), strict=True))
    twin_names = {
        row.firm_id: f"{row.firm_id}: {_plain(row.firm_name)}, {_plain(row.raw_address)}"
        for row in twins.itertuples()
    }
    lines = []
    cells = pd.DataFrame(asked.drop(columns="geometry")).astype("object")
    rows: list[dict[Any, Any]] = cells.where(cells.notna(), None).to_dict("records")
    places, firms = place_keys(asked), firm_keys(asked)
    asks_place = is_asked[asked.index].tolist()
    asks_pair = is_double[asked.index].tolist()
    for at, row in enumerate(rows):
        line = {name: row.get(name) for name in COLUMNS}
        line["decision"] = None
        line["register"] = register
        line["row_number"] = str(row["row_number"])
        line["placed_in"] = _named(gazetteer, row["village_code"] or row["district_code"])
        if asks_place[at]:
            codes = [one for one in (row["candidates"] or "").split(";") if one]
            line["question"] = _question(row)
            line["why"] = row["conflict"] or _why(row["method"])
            line["candidates"] = "; ".join(filter(None, (_named(gazetteer, one) for one in codes)))
            lines.append(line | {"key": places[at]})
        if asks_pair[at]:
            twin = row["duplicate_of"]
            lines.append(
                line
                | {
                    "question": "duplicate",
                    "why": f"{row['duplicate_reason']} ({twin_names[twin]})",
                    "candidates": f"same as {twin}; {_DIFFERENT}",
                    "key": f"d-{firms[at]}-{twin_keys[twin]}",
                }
            )
    return lines


DECIDED_SAME = "decided by a person: the same firm"
"""``duplicate_reason`` of a firm that a person said is another one again."""


def _question(row: Mapping[Any, Any]) -> str:
    if row["conflict"]:
        return "conflict"
    if row["method"] in ("ambiguous", "district_only"):
        return {"ambiguous": "ambiguous", "district_only": "kecamatan_only"}[row["method"]]
    return "unmatched"


def _why(method: str) -> str:
    return {
        "ambiguous": "several places fit",
        "district_only": "only the kecamatan is known",
        "weak": "too little speaks for a village",
    }.get(method, "no village is named that the area has")


def _named(gazetteer: Gazetteer, code: str | None) -> str | None:
    """Return a code with its names: ``33.75.01.1002 Mawar, Melati Barat``."""
    if not code:
        return None
    village = gazetteer.villages.get(code)
    if village is not None:
        return f"{code} {village.name}, {village.district_name}"
    return f"{code} kecamatan {gazetteer.districts[code]}" if code in gazetteer.districts else None


def _plain(cell: Any) -> str:
    return "no entry" if cell is None or pd.isna(cell) else str(cell)


def review_csv(lines: Sequence[Mapping[str, str | None]]) -> bytes:
    """Return the questions as CSV: UTF-8 with a byte-order mark, harmless to open.

    Parameters
    ----------
    lines : sequence of mapping
        As :func:`questions` returns them.
    """
    rows = [[line[name] for name in COLUMNS] for line in lines]
    return files.csv_text([COLUMNS, *rows]).encode("utf-8-sig")


def review_workbook(lines: Sequence[Mapping[str, str | None]]) -> bytes:
    """Return the questions as a workbook: drop-downs of candidates, and how to answer.

    Parameters
    ----------
    lines : sequence of mapping
        As :func:`questions` returns them; the first :data:`XLSX_ROWS` go in.

    Returns
    -------
    bytes
        The same for the same lines.
    """
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(
        buffer, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    book.set_properties({"created": datetime(1980, 1, 1)})
    bold = book.add_format({"bold": True, "bottom": 1})
    fill = book.add_format({"bg_color": "#FFF4CC", "num_format": "@"})
    wrap = book.add_format({"text_wrap": True, "valign": "top"})
    sheet = book.add_worksheet(_SHEET)
    lists = book.add_worksheet(_LISTS)
    lists.hide()
    _write_help(book.add_worksheet("how to"), bold, wrap, len(lines))
    for position, name in enumerate(COLUMNS):
        sheet.write_string(0, position, name, bold)
    sheet.set_column(0, 0, 44, None)
    for position, width in enumerate((14, 10, 24, 40, 18, 18, 18, 34, 40, 50, 40, 8, 16, 8), 1):
        sheet.set_column(position, position, width)
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, max(len(lines[:XLSX_ROWS]), 1), len(COLUMNS) - 1)
    ranges: dict[tuple[str, ...], str] = {}
    for number, line in enumerate(lines[:XLSX_ROWS], start=1):
        for position, name in enumerate(COLUMNS):
            if name == "decision":
                sheet.write_blank(number, position, None, fill)
            elif line[name] is not None:
                sheet.write_string(number, position, str(line[name])[:32_767])
        choices = _choices(line)
        if choices not in ranges:
            at = len(ranges)
            for position, choice in enumerate(choices):
                lists.write_string(at, position, choice)
            ranges[choices] = f"={_LISTS}!$A${at + 1}:${_letter(len(choices))}${at + 1}"
        sheet.data_validation(
            number, 0, number, 0,
            # A village that is no candidate may be typed in.
            {"validate": "list", "source": ranges[choices], "show_error": False},
        )  # fmt: skip
    book.close()
    return buffer.getvalue()


def _choices(line: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return the answers a line offers."""
    named = tuple((line["candidates"] or "").split("; ")) if line["candidates"] else ()
    if line["question"] == "duplicate":
        return named
    villages = tuple(one for one in named if _CODE.fullmatch(one))
    point = (COORDINATES,) if _JOINED in (line["evidence"] or "") else ()
    return (*villages, OUTSIDE, *point, UNKNOWN)


def _letter(count: int) -> str:
    """Return the letter of the last of `count` columns; up to 26."""
    return chr(ord("A") + min(count, 26) - 1)


def _write_help(sheet: Any, bold: Any, wrap: Any, count: int) -> None:
    sheet.set_column(0, 0, 24)
    sheet.set_column(1, 2, 60)
    for position, title in enumerate(("decision", "Bahasa Indonesia", "English")):
        sheet.write_string(0, position, title, bold)
    rows = [
        ("", t("review.how")),
        ("village code", t("review.village")),
        (OUTSIDE, t("review.outside")),
        (COORDINATES, t("review.coordinates")),
        (UNKNOWN, t("review.unknown")),
        (_DIFFERENT, t("review.different")),
        ("same as F0012", t("review.same")),
        ("", t("review.after")),
    ]
    if count > XLSX_ROWS:
        rows.append(("", t("review.cut", shown=XLSX_ROWS, count=count)))
    for number, (word, text) in enumerate(rows, start=1):
        sheet.write_string(number, 0, word)
        for position, language in enumerate(LANGUAGES, start=1):
            sheet.write_string(number, position, text[language], wrap)


# The answers


class _Answer(NamedTuple):
    decision: str
    where: str
    row: int


class _Bad(NamedTuple):
    expected: str
    found: str
    hint: str | None = None


def read_answers(
    paths: Sequence[Path], firm_ids: Mapping[str, str], gazetteer: Gazetteer, register: str
) -> dict[str, str]:
    """Read what a person filled in; the files are only read.

    Parameters
    ----------
    paths : sequence of Path
        ``review.csv`` and ``review.xlsx``, whichever there are.
    firm_ids : mapping of str to str
        Key of every firm of the register (:func:`firm_keys`) by its identifier.
    gazetteer : Gazetteer
        Names of the area.
    register : str
        Name of the register's file.

    Returns
    -------
    dict of str to str
        Decisions by key, to be put over those of earlier runs.

    Raises
    ------
    InputError
        Every answer that is none of the vocabulary or does not fit its question, every line whose
        key was lost, answers that belong to another register, and questions answered differently
        in two lines or files. Nothing is stored then, and the files stay as they are.

    Notes
    -----
    A file without an answer is passed over, whatever its state: it is made again.
    """
    answers: dict[str, _Answer] = {}
    faults: list[Fault] = []
    for path in paths:
        if not path.is_file():
            continue
        where = str(path)
        header, lines = _sheet_of(path)
        if "decision" not in header:
            faults.append(
                Fault(
                    where,
                    "the column decision",
                    f"columns {', '.join(filter(None, header)) or 'none'}",
                    row=1,
                    hint="Put the header back as it was, or delete the file: it is made again",
                )
            )
            continue
        for row, cells in lines:
            line = dict(zip(header, cells, strict=False))
            given = line["decision"].strip()
            if not given:
                continue
            found = _read_answer(given, line, firm_ids, gazetteer, register)
            if isinstance(found, _Bad):
                faults.append(Fault(where, *found[:2], row=row, column="decision", hint=found.hint))
                continue
            key, decision = found
            earlier = answers.setdefault(key, _Answer(decision, where, row))
            if earlier.decision != decision:
                faults.append(
                    Fault(
                        where,
                        f"the answer of {earlier.where}, row {earlier.row}: "
                        f"{_said(earlier.decision)}",
                        repr(given),
                        row=row,
                        column="decision",
                        hint="Both lines ask the same question; make them agree or empty one",
                    )
                )
    if faults:
        raise InputError(faults)
    return {key: answer.decision for key, answer in answers.items()}


def _said(decision: str) -> str:
    return {SAME: "the same firm", DIFFERENT: _DIFFERENT}.get(decision, decision)


def _sheet_of(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return header and rows of a review file; of a workbook, the sheet that has the decisions."""
    if path.suffix.lower() == ".csv":
        return files.read_csv(path)
    sheets = files.read_sheets(path)
    header: list[str] = []
    for rows in sheets.values():
        header = [files.cell_text(cell).strip() for cell in rows[0]] if rows else []
        if "decision" in header and "question" in header:
            return header, [
                (number, [files.cell_text(cell) for cell in row])
                for number, row in enumerate(rows[1:], start=2)
            ]
    return header, []


def _read_answer(
    given: str,
    line: Mapping[str, str],
    firm_ids: Mapping[str, str],
    gazetteer: Gazetteer,
    register: str,
) -> tuple[str, str] | _Bad:
    """Return the key and the decision of an answer, or what is wrong with it."""
    key = line.get("key", "").strip()
    if not _KEY.fullmatch(key):
        return _Bad(
            "the key of the line in the column key", repr(key), "Answer in the newest review file"
        )
    if line.get("register", register).strip() != register:
        return _Bad(
            f"answers for {register}",
            f"an answer for {line['register'].strip()!r}",
            "Run again with that register to store its answers, or move the file away",
        )
    word = " ".join(given.casefold().split())
    if key.startswith("d-"):
        return _read_duplicate(given, word, line, firm_ids)
    if word in (OUTSIDE, UNKNOWN, COORDINATES):
        if word == COORDINATES and _JOINED not in line.get("evidence", ""):
            return _Bad(
                "a village code, outside or unknown",
                repr(given),
                "The row has no coordinates, or boundaries are approximate",
            )
        return key, word
    code = _CODE.fullmatch(given)
    if code is None:
        return _Bad(
            "a village code, outside, coordinates or unknown",
            repr(given),
            "Choose from the drop-down, or write a code such as those in the column candidates",
        )
    village = ".".join(code.groups()[:4])
    if village not in gazetteer.villages:
        return _Bad("the code of a village of the area", village, "See the area's gazetteer.csv")
    name = (code.group(5) or "").partition(",")[0].strip()
    if name and names.fold(name) != names.fold(gazetteer.villages[village].name):
        return _Bad(
            str(_named(gazetteer, village)),
            repr(given),
            "Code and name are of two villages; leave the name out or correct one",
        )
    return key, village


def _read_duplicate(
    given: str, word: str, line: Mapping[str, str], firm_ids: Mapping[str, str]
) -> tuple[str, str] | _Bad:
    """Return the key and the decision of an answer about a duplicate, or what is wrong with it."""
    own, other = line["key"].strip()[2:].split("-")
    if word == _DIFFERENT:
        return pair_key(own, other), DIFFERENT
    same = _SAME.fullmatch(given)
    if same is None:
        return _Bad("'not a duplicate', or 'same as' and a firm id", repr(given))
    named = same.group(1)
    if line.get("candidates", "").startswith(f"same as {named};"):
        # The firm the line asked about, though identifiers may have moved since.
        return pair_key(own, other), SAME
    if named not in firm_ids:
        return _Bad("'same as' and a firm id of the register", repr(named))
    if firm_ids[named] == own:
        return _Bad("another firm than the row's own", repr(named))
    return pair_key(own, firm_ids[named]), SAME
