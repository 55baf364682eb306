"""Delimited text: encoding and delimiter found out or declared, then read in one pass."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.register import RegisterSettings
from pipeline.s1_sources.register.grid import CHUNK_ROWS, Builder, Grid

MAX_LINE = 2**24
SHOWN = 5


class TextFile:
    """A csv file: encoding and delimiter found out or declared, then read in one pass."""

    def __init__(self, file: Path, settings: RegisterSettings, where: str) -> None:
        self.file, self.where = file, where
        self.sheets: tuple[str, ...] = ()
        self.encoding = _encoding(file, settings, where)
        self.delimiter = settings.delimiter or self._delimiter()

    def _records(self, handle: Iterable[str], delimiter: str) -> Iterator[list[str]]:
        return csv.reader(handle, delimiter=delimiter, strict=True)

    def _delimiter(self) -> str:
        with self.file.open(encoding=self.encoding, newline="") as handle:
            lines = list(islice(handle, 300))
        if lines and (named := re.fullmatch(r"sep=(.)\s*", lines[0])):
            return named[1]
        best, delimiter = (0.0, 0), ","
        for candidate in (",", ";", "\t", "|"):
            try:
                widths = [len(row) for row in self._records(lines, candidate) if row]
            except csv.Error:
                # The sample may end inside quotes; the last record is not needed to tell.
                widths = [line.count(candidate) + 1 for line in lines]
            width, times = Counter(widths).most_common(1)[0] if widths else (1, 0)
            score = (times / max(len(widths), 1), width)
            if width > 1 and score > best:
                best, delimiter = score, candidate
        return delimiter

    def load(self, sheet: str | None, limit: int | None = None) -> Grid:
        """Return the file as a grid; rows are records, as a spreadsheet would show them."""
        builder = Builder(self.where, None)
        lengths: list[np.ndarray] = []
        with self.file.open(encoding=self.encoding, newline="") as handle:
            reader = csv.reader(handle, delimiter=self.delimiter, strict=True)
            try:
                while chunk := list(islice(reader, min(CHUNK_ROWS, limit or CHUNK_ROWS))):
                    if builder.rows == 0 and chunk[0] and chunk[0][0].startswith("sep="):
                        chunk[0] = []
                    lengths.append(np.fromiter(map(len, chunk), dtype=np.int32, count=len(chunk)))
                    builder.add(chunk)
                    if limit is not None:
                        break
            except csv.Error as error:
                raise InputError(self._csv_fault(error, reader.line_num)) from error
        encoding = "UTF-8" if self.encoding == "utf-8-sig" else "Windows-1252"
        shown = {"\t": "tab"}.get(self.delimiter, self.delimiter)
        return builder.grid(
            lengths=np.concatenate(lengths) if lengths else np.zeros(0, np.int32),
            notes={"format": "csv", "encoding": encoding, "delimiter": shown},
        )

    def _csv_fault(self, error: csv.Error, line: int) -> Fault:
        if "field larger" in str(error):
            return Fault(
                self.where,
                "cells of at most 131,072 characters",
                "a longer one",
                row=line,
                hint="A quote that is never closed makes everything after it one cell",
            )
        return Fault(
            self.where,
            "delimited text",
            str(error),
            row=line,
            hint='A quote inside a quoted cell is written twice: "Batik ""Sari"""',
        )


def _encoding(file: Path, settings: RegisterSettings, where: str) -> str:
    """Return how to decode a text file; refuse NULs, UTF-16 and mixed encodings, by line."""
    with file.open("rb") as handle:
        start = handle.read(4)
        if start.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise InputError(
                Fault(where, "UTF-8 text", "UTF-16 text", hint="Save it as 'CSV UTF-8'")
            )
        handle.seek(0)
        nul: list[int] = []
        utf8: list[int] = []
        other: list[int] = []
        undefined: list[int] = []
        for number, line in enumerate(handle, start=1):
            if len(line) > MAX_LINE:
                raise InputError(
                    Fault(
                        where,
                        f"lines of at most {MAX_LINE // 2**20} MB",
                        "a longer one",
                        row=number,
                    )
                )
            if b"\0" in line:
                nul.append(number)
            if line.isascii():
                continue
            try:
                line.decode("utf-8-sig")
                utf8.append(number)
            except UnicodeDecodeError:
                other.append(number)
                try:
                    line.decode("cp1252")
                except UnicodeDecodeError:
                    undefined.append(number)
    faults = []
    if nul:
        faults.append(
            Fault(
                where,
                "text",
                f"NUL bytes in {_lines(nul)}",
                row=nul[0],
                hint="The file is damaged or is not text; export it again",
            )
        )
    declared = settings.encoding
    if other and declared == "utf-8":
        faults.append(
            Fault(where, "UTF-8 text, as declared", f"other bytes in {_lines(other)}", row=other[0])
        )
    elif other and utf8 and declared is None:
        faults.append(
            Fault(
                where,
                "one encoding",
                f"UTF-8 in {_lines(utf8)} and another encoding in {_lines(other)}",
                row=other[0],
                hint="Open the file, mend these lines and save it as 'CSV UTF-8'",
            )
        )
    elif undefined and declared != "utf-8":
        faults.append(
            Fault(
                where,
                "UTF-8 or Windows-1252 text",
                f"bytes of neither in {_lines(undefined)}",
                row=undefined[0],
                hint="Save it as 'CSV UTF-8'",
            )
        )
    if faults:
        raise InputError(faults)
    return "cp1252" if other or declared == "cp1252" else "utf-8-sig"


def _lines(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:SHOWN]))
    more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
    return f"line{'s' if len(numbers) > 1 else ''} {shown}{more}"
