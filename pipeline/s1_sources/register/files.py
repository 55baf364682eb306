"""Look at the file of a register before it is read: what it is, and whether it is bearable."""

from __future__ import annotations

from pathlib import Path

from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.register import RegisterSettings
from pipeline.s1_sources.register.grid import Source
from pipeline.s1_sources.register.textfile import MAX_LINE, TextFile
from pipeline.s1_sources.register.vector import VectorFile
from pipeline.s1_sources.register.workbook import Workbook, open_zip

MAX_BYTES = 2**30

_ZIP, _OLE, _SQLITE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"SQLite format 3\0"
_SHP, _PDF = b"\x00\x00\x27\x0a", b"%PDF"
_WANTED = {
    ".xlsx": "an Excel workbook", ".xlsm": "an Excel workbook", ".ods": "an OpenDocument sheet",
    ".csv": "comma-separated text", ".tsv": "tab-separated text", ".txt": "delimited text",
    ".gpkg": "a GeoPackage", ".geojson": "GeoJSON", ".json": "GeoJSON", ".shp": "a Shapefile",
}  # fmt: skip
_TEXT = (".csv", ".tsv", ".txt")


def _what_it_is(file: Path, where: str) -> tuple[str, str]:
    """Return suffixes a file may have by its first bytes, and what it is in words."""
    with file.open("rb") as handle:
        start = handle.read(4096)
    if start.startswith(_ZIP):
        with open_zip(file, where) as archive:
            names = archive.namelist()
        if any(name.startswith("xl/") for name in names):
            return ".xlsx .xlsm", "an Excel workbook"
        if "content.xml" in names:
            return ".ods", "an OpenDocument sheet"
        return "", "a zip archive"
    if start.startswith(_OLE):
        return "", "an old or password-protected Office file"
    for magic, suffix, words in (
        (_SQLITE, ".gpkg", "a GeoPackage"),
        (_SHP, ".shp", "a Shapefile"),
        (_PDF, "", "a PDF document"),
    ):
        if start.startswith(magic):
            return suffix, words
    opening = start.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    if opening.startswith(b"{"):
        return ".geojson .json", "GeoJSON"
    if opening.startswith((b"<!doctype html", b"<html", b"<table", b"<?xml", b"<meta")):
        return "", "a web page or XML, perhaps exported under another name"
    return ".csv .tsv .txt", "plain text, such as csv"


def open_file(file: Path, settings: RegisterSettings, where: str) -> Source:
    """Look at a file and return it ready to be read.

    Parameters
    ----------
    file : Path
        xlsx, xlsm, ods, csv, tsv, txt, gpkg, geojson or shp.
    settings : RegisterSettings
        ``encoding`` and ``delimiter`` of a text file.
    where : str
        How messages name the file.

    Raises
    ------
    InputError
        No such file, an empty one, one that is too large or grows too large when unpacked, one
        that is not what its name says, a damaged or password-protected one.
    """
    if not file.is_file():
        raise InputError(Fault(where, "a register", "no such file"))
    suffix = file.suffix.lower()
    size = file.stat().st_size
    if suffix not in _WANTED:
        hint = "Open it in Excel or LibreOffice and save it as xlsx" if suffix == ".xls" else None
        raise InputError(
            Fault(where, f"one of {', '.join(_WANTED)}", suffix or "no extension", hint=hint)
        )
    if size == 0:
        raise InputError(Fault(where, _WANTED[suffix], "an empty file"))
    if size > MAX_BYTES:
        raise InputError(Fault(where, f"at most {MAX_BYTES // 2**20} MB", f"{size // 2**20} MB"))
    suffixes, words = _what_it_is(file, where)
    if suffix not in suffixes.split():
        raise InputError(_not_what_it_says(file, where, suffix, suffixes, words))
    if suffix in _TEXT:
        return TextFile(file, settings, where)
    if suffix in (".xlsx", ".xlsm", ".ods"):
        return Workbook(file, where)
    return VectorFile(file, where)


def _not_what_it_says(file: Path, where: str, suffix: str, suffixes: str, words: str) -> Fault:
    if words.startswith("an old") and suffix in (".xlsx", ".xlsm", ".ods"):
        with file.open("rb") as handle:
            is_locked = "EncryptedPackage".encode("utf-16-le") in handle.read(MAX_LINE)
        if is_locked:
            return Fault(
                where,
                "a workbook without a password",
                "a password-protected one",
                hint="Open it, remove the password (File > Info > Protect Workbook) and save it",
            )
    better = suffixes.split()[0] if suffixes else ""
    hint = f"Rename it to {file.stem}{better}" if better else "Save it as xlsx or csv"
    return Fault(where, f"{_WANTED[suffix]}, as its name says", words, hint=hint)
