"""The rows of one sheet to the table ``register``: field by field, every fault told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contracts.columns import COLUMNS
from pipeline.contracts.reading import check
from pipeline.contracts.register import RegisterSettings
from pipeline.contracts.specialisations import JOINER, TECHNIQUES, recognise, vocabulary
from pipeline.contracts.tables import DTYPES, TABLES
from pipeline.s1_sources.register import rows as row_kinds
from pipeline.s1_sources.register.coordinates import Places, angles, pairs, places, utm_zone
from pipeline.s1_sources.register.grid import Cells, Grid
from pipeline.s1_sources.register.headers import (
    IDENTIFYING,
    SEVERAL,
    Header,
    HeaderRows,
    column_letter,
    tokens,
)
from pipeline.s1_sources.register.personal import phone_numbers, scrub
from pipeline.s1_sources.register.problems import (
    Problems,
    errors_of,
    to_error,
)
from pipeline.s1_sources.register.production import production
from pipeline.s1_sources.register.values import (
    NOTHING,
    Issue,
    Read,
    each,
    flags,
    numbers,
    positions,
    rows_by_code,
    spread,
)

SOURCE_ID = "register"
"""What ``source_ids`` says of every firm; the settings' ``source`` says it in words."""
MAX_CHARACTERS = 2_000
"""Most characters of a cell that is read; an address has fifty."""
UNDERSTOOD = ("letter", "header", "read_as", "how", "detail")
_ERROR_VALUE = r"^(?:#(?:REF!|N/A|VALUE!|DIV/0!|NAME\?|NULL!|NUM!|SPILL!|CALC!)|Err:\d+)$"
_ODD_SPACE = r"[\p{Cf}\p{Cc}\p{Zl}\p{Zp}\x{a0}\x{2000}-\x{200a}\x{202f}\x{3000}]|  "
_RUNNING_TEXT = ("firm_name", "raw_address", "hamlet", "village_stated", "district_stated",
                 "regency_stated", "principal", "note")  # fmt: skip


@dataclass(frozen=True)
class Register:
    """A register that has been read.

    Parameters
    ----------
    file : str
        The file as the user named it.
    sheet : str or None
        Sheet or layer that was read.
    settings : RegisterSettings
    settings_path : Path or None
        The settings file beside the register, an input like the register itself.
    rows : int
        Rows below the header down to the last that holds something; firms and rejected rows
        together are as many.
    firms : pandas.DataFrame
        Table ``register``, checked. Where a cell is at fault its value is missing here.
    rejected : pandas.DataFrame
        Table ``register_rejected``.
    problems : pandas.DataFrame
        ``file, sheet, row, column, value, expected, severity, hint``; severity is error or
        warning.
    understood : pandas.DataFrame
        ``letter, header, read_as, how, detail``: what each column of the sheet was taken for.
    conversions : tuple of mapping
        ``column``, ``what`` and ``rows`` of everything normalised or assumed, for the manifest.
    personal : pandas.DataFrame
        ``firm_id`` and the personal data that the settings keep; never to be released.
    """

    file: str
    sheet: str | None
    settings: RegisterSettings
    settings_path: Path | None
    rows: int
    firms: pd.DataFrame
    rejected: pd.DataFrame
    problems: pd.DataFrame
    understood: pd.DataFrame
    conversions: tuple[Mapping[str, Any], ...]
    personal: pd.DataFrame
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_errors(self) -> bool:
        """Return whether anything stops a run."""
        return not errors_of(self.problems).empty

    def require_sound(self) -> Register:
        """Return the register if it has no errors.

        Raises
        ------
        InputError
            Every error of the register.
        """
        if self.has_errors:
            raise to_error(self.problems)
        return self


class Reader:
    """Reads the rows of one sheet; each method adds columns, problems and conversions."""

    def __init__(
        self,
        where: str,
        grid: Grid,
        header: HeaderRows,
        settings: RegisterSettings,
        assumed_crs: str | None,
    ) -> None:
        self.grid, self.header, self.settings = grid, header, settings
        self.assumed_crs = assumed_crs
        self.problems = Problems(where, grid.name)
        self.where = where
        self.details: dict[int, list[str]] = {}
        self.conversions: list[Mapping[str, Any]] = []
        self.first = header.first_data_row
        reasons = row_kinds.reasons(grid, header)
        self.count = len(reasons)
        self.kept = np.flatnonzero(reasons == None)  # noqa: E711
        self.numbers_of_rows = self.first + np.arange(self.count) + 1
        self.reasons = reasons
        self.fields = self._by_field()
        self.cells: dict[int, Cells] = {}

    # -- telling ---------------------------------------------------------------------------------

    def _label(self, header: Header) -> str:
        return header.text or header.letter

    def _row(self, kept: int) -> int:
        """Return the sheet's row number of a kept row."""
        return int(self.numbers_of_rows[self.kept[kept]])

    def _tell(self, header: Header, issues: Iterable[Issue]) -> None:
        text = self._cells(header).text
        for issue in issues:
            self.problems.add(
                issue.expected,
                row=self._row(issue.row),
                column=self._label(header),
                value=text[issue.row].as_py(),
                hint=issue.hint,
                severity=issue.severity,
            )

    def _convert(self, column: str, what: str, rows: int) -> None:
        self.conversions.append({"column": column, "what": what, "rows": int(rows)})

    def _detail(self, header: Header, *texts: str) -> None:
        self.details.setdefault(header.position, []).extend(texts)

    # -- columns ---------------------------------------------------------------------------------

    def _by_field(self) -> dict[str, list[Header]]:
        """Return the headers of each field; a column twice is a fault, and the first is read."""
        found: dict[str, list[Header]] = {}
        for one in self.header.headers:
            if one.kind == "field":
                found.setdefault(one.name, []).append(one)
        for name, headers in found.items():
            if len(headers) > 1 and name not in SEVERAL:
                shown = " and ".join(f"{one.text!r} ({one.letter})" for one in headers)
                self.problems.add(
                    f"one column for {name}",
                    column=self._label(headers[1]),
                    value=shown,
                    hint="Name the one that is meant in the settings beside the register "
                    f"('columns: {{{name}: ...}}'), and the others under 'ignore'",
                )
        return found

    def _one(self, name: str) -> Header | None:
        return self.fields[name][0] if name in self.fields else None

    def _cells(self, header: Header) -> Cells:
        """Return the kept cells of a column, held against what every cell must be."""
        if header.position not in self.cells:
            column = self.grid.columns[header.position]
            numbers = None if column.numbers is None else column.numbers[self.first :]
            below = Cells(column.text.slice(self.first), numbers)
            # Where every row is a firm the cells need no copy, which counts for a million rows.
            taken = below if len(self.kept) == self.count else below.take(self.kept)
            self.cells[header.position] = self._sound(header, taken)
        return self.cells[header.position]

    def _sound(self, header: Header, cells: Cells) -> Cells:
        """Report error values and overlong cells, and leave them empty."""
        text = cells.text
        is_wrong = _mask(pc.match_substring_regex(text, _ERROR_VALUE))
        is_long = _mask(pc.greater(pc.utf8_length(text), MAX_CHARACTERS))
        for kept in positions(is_wrong):
            self._cell_fault(header, kept, "a value", text[kept].as_py(), _RECALCULATE)
        for kept in positions(is_long):
            length = len(text[kept].as_py())
            self._cell_fault(
                header, kept, f"at most {MAX_CHARACTERS:,} characters", f"{length:,} characters"
            )
        if is_wrong.any() or is_long.any():
            text = pc.if_else(pa.array(is_wrong | is_long), pa.scalar(None, pa.string()), text)
        is_running = header.name in IDENTIFYING or header.name in _RUNNING_TEXT
        if is_running and pc.any(pc.match_substring_regex(text, _ODD_SPACE)).as_py():
            text = pc.replace_substring_regex(text, r"[\p{Cf}]", "")
            text = pc.replace_substring_regex(text, r"[\s\p{Z}\p{Cc}]+", " ")
        return Cells(text, cells.numbers)

    def _cell_fault(
        self, header: Header, kept: int, expected: str, found: str, hint: str = ""
    ) -> None:
        self.problems.add(
            expected, row=self._row(kept), column=self._label(header), value=found, hint=hint
        )

    def _broken(self) -> None:
        """Report error cells and formulas that were never computed, in columns that are read."""
        read = {one.position: one for one in self.header.headers if one.kind == "field"}
        kept = set((self.kept + self.first).tolist())
        for (row, position), found in sorted(self.grid.broken.items()):
            if position in read and row in kept:
                self.problems.add(
                    "a value",
                    row=row + 1,
                    column=self._label(read[position]),
                    value=found,
                    hint=_RECALCULATE,
                )

    def _merged(self) -> None:
        """Report merged cells in columns that are read, unless they are to be filled down."""
        read = {one.position: one for one in self.header.headers if one.kind == "field"}
        kept = set((self.kept + self.first).tolist())
        for top, left, bottom, right in sorted(self.grid.merged):
            inside = [read[one] for one in range(left, right + 1) if one in read]
            rows = [row for row in range(max(top, self.first), bottom + 1) if row in kept]
            if not inside or not rows:
                continue
            place = f"{column_letter(left)}{top + 1}:{column_letter(right)}{bottom + 1}"
            head = inside[0]
            if len(rows) > 1 and head.name not in self.settings.fill_down:
                self.problems.add(
                    "a value in each row",
                    row=rows[0] + 1,
                    column=self._label(head),
                    value=f"merged cells {place}",
                    hint="The value belongs to the first row only: unmerge and fill them in, or "
                    "say that it holds for all of them in the settings beside the register "
                    f"('fill_down: [{head.name}]')",
                )
            elif len(rows) == 1 and len(inside) > 1:
                self.problems.add(
                    "a value in each column",
                    row=rows[0] + 1,
                    column=self._label(head),
                    value=f"merged cells {place}",
                    hint="The value was read as the first column's",
                    severity="warning",
                )

    def _fill_down(self) -> None:
        for name in self.settings.fill_down:
            header = self._one(name)
            if header is None:
                self.problems.add(
                    "a column of the register",
                    value=name,
                    column="fill_down",
                    hint="The settings fill down a column that the register does not have",
                )
                continue
            cells = self._cells(header)
            text = pc.fill_null_forward(cells.text)
            filled = text.null_count != cells.text.null_count
            stored = None if cells.numbers is None else pd.Series(cells.numbers).ffill().to_numpy()
            if filled:
                rows = cells.text.null_count - text.null_count
                self._convert(name, "empty cells filled from above, as the settings say", rows)
                self._detail(header, f"{rows} cells filled from above")
            self.cells[header.position] = Cells(text, stored)

    def _ragged(self) -> None:
        """Report rows of a text file that have more or fewer cells than its header."""
        lengths = self.grid.lengths
        if lengths is None:
            return
        width = max(one.position for one in self.header.headers if one.text) + 1
        counts = lengths[self.first :][self.kept]
        beyond = np.zeros(len(self.kept), bool)
        for column in self.grid.columns[width:]:
            beyond |= _mask(column.text.slice(self.first).is_valid())[self.kept]
        for kept in positions(beyond):
            self.problems.add(
                f"{width} cells",
                row=self._row(kept),
                value=f"{counts[kept]} cells",
                hint="A delimiter inside a text needs quotes around the text",
            )
        for kept in positions(counts < width):
            self.problems.add(
                f"{width} cells",
                row=self._row(kept),
                value=f"{counts[kept]} cells",
                hint="The missing ones at the end were taken as empty",
                severity="warning",
            )

    # -- fields ----------------------------------------------------------------------------------

    def _text(self, name: str) -> pa.Array:
        """Return a text column without personal numbers; nulls where there is none."""
        header = self._one(name)
        if header is None:
            return pa.nulls(len(self.kept), pa.string())
        return self._clean(header)

    def _clean(self, header: Header) -> pa.Array:
        text = self._cells(header).text
        nothing = pc.is_in(pc.utf8_lower(text), pa.array(sorted(NOTHING), pa.string()))
        if pc.any(nothing).as_py():
            text = pc.if_else(nothing, pa.scalar(None, pa.string()), text)
        text, found = scrub(text)
        for kept, name in found:
            self.problems.add(
                "no personal data",
                row=self._row(kept),
                column=self._label(header),
                value=text[kept].as_py(),
                hint=f"It held {name}, which was taken out",
                severity="warning",
            )
        if found:
            rows = len({kept for kept, _ in found})
            self._convert(header.name, "personal numbers taken out of the text", rows)
        return text

    def _numbers(self, name: str, what: str) -> np.ndarray:
        header = self._one(name)
        if header is None:
            return np.full(len(self.kept), np.nan)
        read = numbers(self._cells(header), self.settings.thousands, whole=True, what=what)
        self._take(header, read)
        return read.values

    def _take(self, header: Header, read: Read) -> None:
        self._tell(header, read.issues)
        self._detail(header, *read.detail)
        for text in read.detail:
            self._convert(header.name, text, len(self.kept))

    def _identifiers(self) -> np.ndarray:
        """Return an id for each firm: the register's own, or F0001 and so on."""
        size = len(self.kept)
        made = np.array(
            [f"F{one:0{max(4, len(str(size)))}d}" for one in range(1, size + 1)], object
        )
        header = self._one("firm_id")
        text = None if header is None else self._cells(header).text
        if header is None or text is None or text.null_count == len(text):
            self._convert("firm_id", "made from the order of the rows", size)
            return made
        is_nik = _mask(pc.match_substring_regex(text, r"^\d{16}$"))
        if is_nik.sum() * 2 > size:
            self.problems.add(
                "a firm's own code",
                column=self._label(header),
                value="identity numbers",
                hint="They were dropped, and codes made from the order of the rows",
                severity="warning",
            )
            self._convert("firm_id", "made from the order of the rows", size)
            return made
        codes, _ = each(text, str)
        first = pd.Series(np.arange(size)).groupby(codes).transform("min").to_numpy()
        ids = np.array(text.to_pylist(), dtype=object)
        for kept in positions(codes < 0):
            self._cell_fault(header, kept, "an id in each row, or in none", "nothing")
            ids[kept] = f"(row {self._row(kept)})"
        for kept in positions((first < np.arange(size)) & (codes >= 0)):
            earlier = self._row(int(first[kept]))
            hint = f"It stands in row {earlier} already"
            self._cell_fault(header, kept, "each id once", text[int(kept)].as_py(), hint)
            ids[kept] = f"{ids[kept]} (row {self._row(kept)})"
        return ids

    def _address(self) -> pa.Array:
        """Return the address, joined with hamlet, RT/RW and postal code where they stand apart."""
        parts = [self._text("raw_address")]
        for name in ("hamlet", "neighbourhood", "postal_code"):
            for header in self.fields.get(name, []):
                word = _address_word(header)
                text = self._clean(header)
                told = pc.starts_with(pc.utf8_lower(text), word.lower()) if word else None
                if told is not None:
                    text = pc.if_else(told, text, pc.binary_join_element_wise(word, text, " "))
                parts.append(text)
                self._convert("raw_address", f"{header.text!r} joined to the address",
                              len(text) - text.null_count)  # fmt: skip
        if len(parts) == 1:
            return parts[0]
        joined = pc.binary_join_element_wise(*parts, ", ", null_handling="skip")
        return pc.if_else(pc.equal(joined, ""), pa.scalar(None, pa.string()), joined)

    def _notes(self) -> pa.Array:
        parts = [self._clean(one) for one in self.fields.get("note", [])]
        if len(parts) < 2:
            return parts[0] if parts else pa.nulls(len(self.kept), pa.string())
        joined = pc.binary_join_element_wise(*parts, "; ", null_handling="skip")
        return pc.if_else(pc.equal(joined, ""), pa.scalar(None, pa.string()), joined)

    def _specialisations(self) -> tuple[np.ndarray, np.ndarray]:
        """Return specialisations and techniques of each firm, joined, None where not stated."""
        size = len(self.kept)
        ids = np.full(size, None, dtype=object)
        implied = np.full(size, "", dtype=object)
        header = self._one("specialisation")
        if header is not None:
            codes, read = each(
                self._cells(header).text,
                lambda text: (
                    None
                    if text.casefold() in NOTHING
                    else recognise(text, self.settings.specialisations)
                ),
            )
            rows_of = rows_by_code(codes)
            issues = []
            for code, one in enumerate(read):
                if one is None:
                    continue
                if one.unknown:
                    expected = "specialisations of docs/specialisations.md"
                    hint = (
                        f"Not understood: {', '.join(one.unknown)}. Say what it means in the "
                        f"settings beside the register ('specialisations: {{{one.unknown[0]}: "
                        "...}'; lainnya for another kind)"
                    )
                    issues += [Issue(int(row), expected, hint) for row in rows_of(code)]
                for written, meant in one.guessed:
                    hint = f"{written!r} was read as {meant}"
                    issues += [
                        Issue(int(row), "a known specialisation", hint, "warning")
                        for row in rows_of(code)
                    ]
            self._tell(header, issues)
            known = [one for one in read if one is not None and one.ids]
            ids = spread(codes, [JOINER.join(one.ids) if one else "" for one in read])
            implied = spread(codes, [JOINER.join(one.techniques) if one else "" for one in read])
            self._detail(header, f"{len(known)} wordings read into the vocabulary")
            self._convert(
                "specialisation", "wordings read into the vocabulary", int((ids != "").sum())
            )
        stated = self._techniques()
        together = self._join_techniques(stated, implied)
        ids = self._narrowed(ids, stated)
        return _or_none(ids), _or_none(together)

    def _techniques(self) -> np.ndarray:
        header = self._one("technique")
        if header is None:
            return np.full(len(self.kept), "", dtype=object)

        def read(text: str) -> str | None:
            if text.casefold() in NOTHING:
                return ""
            found = recognise(text, self.settings.specialisations)
            return None if found.unknown or not found.techniques else JOINER.join(found.techniques)

        codes, techniques = each(self._cells(header).text, read)
        rows_of = rows_by_code(codes)
        expected = f"techniques ({', '.join(TECHNIQUES)}, kombinasi)"
        self._tell(
            header,
            [
                Issue(int(row), expected)
                for code, one in enumerate(techniques)
                if one is None
                for row in rows_of(code)
            ],
        )
        return spread(codes, [one or "" for one in techniques])

    def _join_techniques(self, stated: np.ndarray, implied: np.ndarray) -> np.ndarray:
        def join(pair: tuple[str, str]) -> str:
            both = {one for text in pair for one in text.split(JOINER)}
            return JOINER.join(one for one in TECHNIQUES if one in both)

        known = {pair: join(pair) for pair in set(zip(stated, implied, strict=True))}
        return np.array([known[pair] for pair in zip(stated, implied, strict=True)], dtype=object)

    def _narrowed(self, ids: np.ndarray, stated: np.ndarray) -> np.ndarray:
        """Say what kind of batik it is where only the technique column does."""
        wide = "pembatikan"
        narrow = {one.technique: one.id for one in vocabulary().values() if one.parent == wide}
        result = ids.copy()
        changed = 0
        for kept in positions(stated != ""):
            own = str(ids[kept] or "").split(JOINER)
            kinds = [narrow[one] for one in stated[kept].split(JOINER) if one in narrow]
            if wide in own and kinds:
                rest = [one for one in own if one != wide]
                result[kept] = JOINER.join([*kinds, *rest])
                changed += 1
        if changed:
            self._convert("specialisation", f"{wide} narrowed by the stated technique", changed)
        return result

    def _workers(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        what = "a number of workers"
        total = self._numbers("workers_count", what)
        male = self._numbers("workers_male_count", what)
        female = self._numbers("workers_female_count", what)
        both = ~np.isnan(male) & ~np.isnan(female)
        header = self._one("workers_count")
        if header is not None:
            differing = both & ~np.isnan(total) & (male + female != total)
            part = np.fmax(male, female)
            with np.errstate(invalid="ignore"):
                above = ~both & (part > total)
            for kept in positions(differing):
                self._cell_fault(
                    header, kept, "male and female workers that sum to the total",
                    f"{total[kept]:.0f}", f"{male[kept]:.0f} + {female[kept]:.0f} = "
                    f"{male[kept] + female[kept]:.0f}",
                )  # fmt: skip
            for kept in positions(above):
                self._cell_fault(
                    header, kept, f"a total of at least {part[kept]:.0f}, its part by sex",
                    f"{total[kept]:.0f}",
                )  # fmt: skip
            total[differing | above] = np.nan
        summed = both & np.isnan(total)
        if header is not None:
            summed &= ~_mask(self._cells(header).text.is_valid())
        if summed.any():
            total[summed] = male[summed] + female[summed]
            self._convert("workers_count", "summed from male and female", int(summed.sum()))
        return total, male, female

    def _production(self) -> dict[str, Any]:
        header = self._one("production_amount")
        size = len(self.kept)
        if header is None:
            nothing = np.full(size, None, dtype=object)
            missing = np.full(size, np.nan)
            return {
                "production_amount": missing,
                "production_unit": nothing,
                "production_period": nothing,
                "production_pieces_year": missing,
                "production_m_year": missing,
            }
        unit, period = self._one("production_unit"), self._one("production_period")
        found = production(
            self._cells(header),
            None if unit is None else self._cells(unit),
            None if period is None else self._cells(period),
            (header.unit, header.period),
            (self.settings.production_unit or "", self.settings.production_period or ""),
            self.settings.working_days_year,
            self.settings.working_weeks_year,
            self.settings.thousands,
        )
        for name, issue in found.issues:
            self._tell(self._one(name) or header, [issue])
        self._detail(header, *found.detail)
        for text in found.detail:
            self._convert("production_amount", text, size)
        for text, rows in found.converted.items():
            self._detail(header, text)
            self._convert("production_pieces_year", text, rows)
        units = sorted({one for one in found.unit if one})
        if units:
            self._detail(header, f"units: {', '.join(units)}")
        return {
            "production_amount": found.amount,
            "production_unit": found.unit,
            "production_period": found.period,
            "production_pieces_year": np.round(found.pieces_year, 6),
            "production_m_year": np.round(found.m_year, 6),
        }

    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """Return longitude and latitude."""
        if self.grid.points is not None:
            points = self.grid.points[self.kept]
            nowhere = np.full(len(points), "", dtype=object)
            found = places((points[:, 1], nowhere, []), (points[:, 0], nowhere, []), None, None)
            for _, issue in found.issues:
                value = f"{points[issue.row, 1]:.6g}, {points[issue.row, 0]:.6g}"
                self.problems.add(issue.expected, row=self._row(issue.row), column="geometry",
                                  value=value, hint=issue.hint)  # fmt: skip
            return found.longitude, found.latitude
        north, east = self._one("latitude_deg"), self._one("longitude_deg")
        together = self._one("coordinates")
        if north is not None and east is not None:
            named = utm_zone(north.text) or utm_zone(east.text)
            found = places(angles(self._cells(north)), angles(self._cells(east)),
                           self.settings.crs, self.assumed_crs, named)  # fmt: skip
            self._tell_places(found, {"latitude_deg": north, "longitude_deg": east})
        elif together is not None:
            first, second = pairs(self._cells(together))
            found = places(first, second, self.settings.crs, self.assumed_crs,
                           utm_zone(together.text))  # fmt: skip
            self._tell_places(found, {"latitude_deg": together, "longitude_deg": together})
        else:
            alone = north or east
            if alone is not None:
                self.problems.add(
                    "a column of latitudes and one of longitudes",
                    column=self._label(alone),
                    value="one of the two",
                    hint="Name the other in the settings beside the register",
                )
            missing = np.full(len(self.kept), np.nan)
            return missing, missing
        return found.longitude, found.latitude

    def _tell_places(self, found: Places, headers: Mapping[str, Header]) -> None:
        for name, issue in found.issues:
            self._tell(headers[name], [issue])
        self._detail(headers["latitude_deg"], *found.detail)
        for text in found.detail:
            self._convert("latitude_deg", text, int((~np.isnan(found.latitude)).sum()))

    def _years(self) -> np.ndarray:
        header = self._one("year")
        default = np.nan if self.settings.year is None else float(self.settings.year)
        if header is None:
            years = np.full(len(self.kept), default)
        else:
            cells = self._cells(header)
            # A spreadsheet may have made a date of the year.
            text = pc.replace_substring_regex(cells.text, r"^(\d{4})-\d\d-\d\d.*$", r"\1")
            read = numbers(Cells(text, cells.numbers), "none", whole=True, what="a year")
            beyond = ~np.isnan(read.values) & ~((read.values >= 1700) & (read.values <= 2100))
            read.issues += [
                Issue(int(row), "a year from 1700 to 2100") for row in positions(beyond)
            ]
            read.values[beyond] = np.nan
            self._tell(header, read.issues)
            years = np.where(_mask(cells.text.is_valid()), read.values, default)
        if self.settings.year is not None:
            self._convert("year", "from the settings where the register has none",
                          int((years == default).sum()))  # fmt: skip
        return years

    def _consent(self) -> np.ndarray:
        header = self._one("has_point_consent")
        if header is None:
            return np.zeros(len(self.kept), bool)
        read = flags(self._cells(header))
        self._take(header, read)
        return read.values.astype(bool)

    def _same_phone(self, ids: np.ndarray) -> np.ndarray:
        """Return the earliest firm with a phone number of this one; the numbers are forgotten."""
        result = np.full(len(self.kept), None, dtype=object)
        earliest: dict[str, int] = {}
        columns = [
            each(self._cells(one).text, phone_numbers) for one in self.fields.get("phone", [])
        ]
        if not columns:
            return result
        for kept in range(len(self.kept)):
            own = [one for codes, read in columns if codes[kept] >= 0 for one in read[codes[kept]]]
            same = min((earliest[one] for one in own if one in earliest), default=None)
            if same is not None:
                result[kept] = ids[same]
            for one in own:
                earliest.setdefault(one, kept)
        self._convert("same_phone_as", "phone numbers compared, then dropped", len(earliest))
        return result

    # -- the whole -------------------------------------------------------------------------------

    def register(self, status: str, settings_path: Path | None) -> Register:
        """Return the register: every column read, every fault told."""
        if not len(self.kept):
            self.problems.add("at least one firm", value="none",
                              hint="There is no row with a firm below the header")  # fmt: skip
        self._headers()
        self._broken()
        self._merged()
        self._ragged()
        self._fill_down()
        ids = self._identifiers()
        total, male, female = self._workers()
        specialisation, technique = self._specialisations()
        longitude, latitude = self._places()
        size = len(self.kept)
        columns: dict[str, Any] = {
            "firm_id": ids,
            "row_number": self.numbers_of_rows[self.kept],
            "firm_name": self._text("firm_name"),
            "raw_address": self._address(),
            "village_stated": self._text("village_stated"),
            "district_stated": self._text("district_stated"),
            "regency_stated": self._text("regency_stated"),
            "specialisation": specialisation,
            "technique": technique,
            "workers_count": total,
            "workers_male_count": male,
            "workers_female_count": female,
            **self._production(),
            "principal": self._text("principal"),
            "longitude_deg": longitude,
            "latitude_deg": latitude,
            "has_point_consent": self._consent(),
            "same_phone_as": self._same_phone(ids),
            "year": self._years(),
            "note": self._notes(),
            "source_ids": [SOURCE_ID] * size,
            "status": [status] * size,
        }
        firms = pd.DataFrame(
            {name: _typed(name, columns[name]) for name in TABLES["register"].columns}
        )
        out = np.flatnonzero(self.reasons != None)  # noqa: E711
        rejected = pd.DataFrame(
            {
                "row_number": _typed("row_number", self.numbers_of_rows[out]),
                "reason": _typed("reason", self.reasons[out]),
            }
        )
        self._headings_lost()
        return Register(
            self.where,
            self.grid.name,
            self.settings,
            settings_path,
            self.count,
            check(firms, "register", f"{self.where}, as read"),
            check(rejected, "register_rejected", f"{self.where}, as read"),
            self.problems.frame(),
            self._understood(),
            tuple(self.conversions),
            self._personal(ids),
            self.grid.notes,
        )

    def _headers(self) -> None:
        """Report headers that were guessed, and names that may be a person's."""
        for one in self.header.headers:
            row = None if self.grid.header is not None else self.header.row + 1
            if one.kind == "field" and one.how == "near":
                self.problems.add(
                    "a known header",
                    row=row,
                    column=one.text,
                    value=one.text,
                    hint=f"It was read as {one.name}; if that is wrong, name it under 'ignore' in "
                    "the settings beside the register",
                    severity="warning",
                )
            elif one.kind == "personal" and one.how == "weak":
                self.problems.add(
                    "a header that tells whose name it is",
                    row=row,
                    column=one.text,
                    value=one.text,
                    hint="It may be a person's, so it was dropped; if it is the firm's, say so in "
                    f"the settings beside the register ('columns: {{firm_name: {one.text}}}')",
                    severity="warning",
                )
        texts = {_squeezed(one.text) for one in self.header.headers}
        for name, text in self.settings.columns.items():
            if _squeezed(text) not in texts:
                self.problems.add(
                    "a header of the register",
                    column=text,
                    value=text,
                    hint=f"The settings read it as {name}, but the register has no such header",
                )

    def _headings_lost(self) -> None:
        """Warn where headings between the rows may say where firms are."""
        notes = np.flatnonzero(self.reasons == row_kinds.NOTE)
        if len(notes) and len(self.kept) and notes[0] < self.kept[-1]:
            inside = notes[notes < self.kept[-1]]
            self.problems.add(
                "rows of firms only",
                row=int(self.numbers_of_rows[inside[0]]),
                value=f"{len(inside)} rows of notes or headings between the firms",
                hint="If they say something of the firms below them, such as the kecamatan, give "
                "it a column",
                severity="warning",
            )

    def _understood(self) -> pd.DataFrame:
        rows = []
        for one in self.header.headers:
            name, how = _how(one, self.settings)
            is_held = self.grid.columns[one.position].text.null_count < self.grid.rows
            if one.kind == "empty" and not is_held:
                continue
            detail = "; ".join(dict.fromkeys(self.details.get(one.position, [])))
            rows.append((one.letter, one.text, name, how, detail))
        if self.grid.points is not None:
            rows.append(("", "geometry", "longitude_deg, latitude_deg", "recognised", ""))
        return pd.DataFrame(rows, columns=list(UNDERSTOOD), dtype="string")

    def _personal(self, ids: np.ndarray) -> pd.DataFrame:
        """Return the personal data that the settings keep."""
        kept: dict[str, pd.Series] = {"firm_id": _typed("firm_id", ids)}
        for one in self.header.headers:
            if one.kind == "personal" and one.name in self.settings.keep_personal:
                text = self.grid.columns[one.position].text.slice(self.first)
                taken = text.take(pa.array(self.kept)).to_pylist()
                name = one.name if one.name not in kept else f"{one.name}_{one.letter}"
                kept[name] = pd.Series(taken, dtype="string")
        return pd.DataFrame(kept)


_RECALCULATE = "Open the file in Excel or LibreOffice, mend the formula, and save it"


def _how(header: Header, settings: RegisterSettings) -> tuple[str, str]:
    """Say what a column was read as and why, for the table that is printed."""
    if header.kind == "field":
        how = {
            "settings": "from the settings",
            "exact": "recognised",
            "near": "near enough to a known header",
            "weak": "the only such column",
        }[header.how]
        return header.name, f"{how}; compared, never stored" if header.name == "phone" else how
    if header.kind == "personal":
        is_kept = header.name in settings.keep_personal
        return header.name, "personal data, kept" if is_kept else "personal data, dropped"
    if header.kind == "ignored":
        return "", "ignored, as the settings say" if header.how == "settings" else (
            f"not needed ({header.name})"
        )
    if header.kind == "unused":
        return "", f"not used: another column says {header.name}"
    return "", "no header, not read" if header.kind == "empty" else "not understood, not read"


def _squeezed(text: str) -> str:
    return " ".join(text.split()).casefold()


def _address_word(header: Header) -> str:
    """Return the word that goes before a part of the address, such as RT or Dusun."""
    words = tokens(header.text)
    if header.name == "neighbourhood":
        return "/".join(one.upper() for one in words if one in ("rt", "rw"))
    if header.name == "hamlet":
        return next((one.title() for one in words if one != "nama"), "Dusun")
    return ""


def _mask(array: pa.Array) -> np.ndarray:
    return pc.fill_null(array, False).to_numpy(zero_copy_only=False)


def _or_none(values: np.ndarray) -> np.ndarray:
    result = values.astype(object)
    result[result == ""] = None
    return result


def _typed(name: str, values: Any) -> pd.Series:
    """Return values as a column of the contract's type; NaN is missing."""
    kind = COLUMNS[name].kind
    if kind == "text":
        if isinstance(values, pa.Array):
            # The contract's text is Arrow's already: no cell becomes a Python object.
            return pd.Series(pd.arrays.ArrowStringArray(pa.chunked_array([values])))
        return pd.Series(list(values), dtype=DTYPES[kind])
    array = np.asarray(values)
    if array.dtype.kind == "f":
        missing = np.isnan(array)
        if kind == "whole":
            whole = np.where(missing, 0, array).astype(np.int64)
            return pd.Series(pd.arrays.IntegerArray(whole, missing))
        return pd.Series(pd.arrays.FloatingArray(np.where(missing, 0.0, array), missing))
    return pd.Series(array, dtype=DTYPES[kind])
