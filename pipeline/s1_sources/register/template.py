"""The empty register: an xlsx with the columns that are read, a guide and drop-down lists."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import xlsxwriter

from pipeline.contracts.specialisations import JOINER, TECHNIQUES, vocabulary
from pipeline.contracts.text import Language
from pipeline.s1_sources.register.headers import Words, header_words

ROWS = 5_000
"""Rows that the drop-down lists and checks reach down to."""
_ORDER = (
    "firm_id", "firm_name", "raw_address", "village_stated", "district_stated", "regency_stated",
    "specialisation", "technique", "workers_male_count", "workers_female_count", "workers_count",
    "production_amount", "production_unit", "production_period", "principal", "latitude_deg",
    "longitude_deg", "has_point_consent", "phone", "year", "note",
)  # fmt: skip
_SEVERAL = ("specialisation", "technique")
_WIDE = {"raw_address": 40, "firm_name": 28, "specialisation": 28, "note": 30}
_COUNTS = ("workers_male_count", "workers_female_count", "workers_count", "year")


def template_bytes(language: Language) -> bytes:
    """Return the empty register in one language; the same bytes every time.

    Parameters
    ----------
    language : {"id", "en"}

    Returns
    -------
    bytes
        An xlsx of three sheets: the register with its header, a guide that says what each
        column is, and the lists behind the drop-downs.

    Examples
    --------
    >>> template_bytes("id")[:2]
    b'PK'
    """
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"in_memory": True})
    # A clock would change the bytes from run to run.
    book.set_properties({"created": dt.datetime(2000, 1, 1)})
    words = header_words().template
    register = book.add_worksheet(words["register"][language])
    guide = book.add_worksheet(words["guide"][language])
    lists = book.add_worksheet(words["lists"][language])
    choices = {name: _choices(name, language) for name in _ORDER}
    ranges = _write_lists(lists, words["lists"][language], choices)
    _write_register(book, register, language, ranges)
    _write_guide(book, guide, language, choices)
    book.close()
    return target.getvalue()


def _entry(name: str) -> Words:
    return header_words().fields[name]


def _title(name: str, language: Language) -> str:
    title = _entry(name).title
    assert title is not None
    return title[language]


def _choices(name: str, language: Language) -> list[str]:
    """Return what a column may hold; nothing for free text and numbers."""
    if name == "specialisation":
        return [entry.label[language] for entry in vocabulary().values()]
    if name == "technique":
        return list(TECHNIQUES)
    text = header_words().template.get(f"choices.{name}")
    return text[language].split(JOINER) if text else []


def _write_lists(sheet: Any, name: str, choices: dict[str, list[str]]) -> dict[str, str]:
    """Write each list into a column, without a header; return where each stands."""
    ranges = {}
    for column, (field, values) in enumerate((k, v) for k, v in choices.items() if v):
        sheet.write_column(0, column, values)
        letter = xlsxwriter.utility.xl_col_to_name(column)
        ranges[field] = f"='{name}'!${letter}$1:${letter}${len(values)}"
    sheet.set_column(0, len(ranges), 30)
    return ranges


def _write_register(book: Any, sheet: Any, language: Language, ranges: dict[str, str]) -> None:
    bold = book.add_format({"bold": True, "bg_color": "#E8E4DA", "bottom": 1, "text_wrap": True})
    as_text = book.add_format({"num_format": "@"})
    several = header_words().template["several"][language]
    for column, name in enumerate(_ORDER):
        sheet.write_string(0, column, _title(name, language), bold)
        # Phone numbers and codes keep their leading zeros as text.
        kept = as_text if name in ("firm_id", "phone") else None
        sheet.set_column(column, column, _WIDE.get(name, 16), kept)
        if name in ranges:
            rule: dict[str, Any] = {"validate": "list", "source": ranges[name]}
            if name in _SEVERAL:
                rule |= {"error_type": "information", "input_message": several}
        elif name in _COUNTS:
            rule = {"validate": "integer", "criteria": ">=", "value": 0}
        elif name == "production_amount":
            rule = {"validate": "decimal", "criteria": ">=", "value": 0}
        else:
            continue
        sheet.data_validation(1, column, ROWS, column, rule)
    sheet.freeze_panes(1, 2)


def _write_guide(book: Any, sheet: Any, language: Language, choices: dict[str, list[str]]) -> None:
    bold = book.add_format({"bold": True, "bottom": 1})
    wrapped = book.add_format({"text_wrap": True, "valign": "top"})
    words = header_words().template
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 2, 60)
    sheet.set_column(3, 3, 36)
    for row, key in enumerate(("intro", "privacy")):
        sheet.merge_range(row, 0, row, 3, words[key][language], wrapped)
        sheet.set_row(row, 48)
    for column, text in enumerate(words["head"][language].split(JOINER)):
        sheet.write_string(3, column, text, bold)
    for row, name in enumerate(_ORDER, start=4):
        entry = _entry(name)
        assert entry.guide is not None
        shown = "" if entry.example is None else str(entry.example)
        cells = (_title(name, language), entry.guide[language], ", ".join(choices[name]), shown)
        for column, text in enumerate(cells):
            sheet.write_string(row, column, text, wrapped)
