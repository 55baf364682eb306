"""Write the hashes of an area's committed tables into its sources.csv, after they were checked."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from pipeline.contracts.area import AreaConfig
from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.provenance import sha256, write_text
from pipeline.s1_sources.published import area_files


def seal(folder: Path, area: AreaConfig) -> list[str]:
    """Bring the SHA-256 of every committed table in ``sources.csv`` up to date.

    Parameters
    ----------
    folder : Path
        The area folder.
    area : AreaConfig
        Its configuration.

    Returns
    -------
    list of str
        Files whose hash changed.

    Raises
    ------
    InputError
        A committed file has no row of kind ``table``; its producer, citation and licence must be
        written by hand first.
    """
    path = folder / "sources.csv"
    with path.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.DictReader(handle)
        rows = list(reader)
        header = list(reader.fieldnames or [])
    files = {
        file.relative_to(folder).as_posix(): file for file in area_files(folder, area).values()
    }
    listed = {row["file"]: row for row in rows if row["kind"] == "table"}
    missing = [name for name in files if name not in listed]
    if missing:
        raise InputError(
            Fault(
                str(path),
                f"a row of kind 'table' for {name}",
                "none",
                hint="Add it with producer, citation and licence; the hash may be empty",
            )
            for name in missing
        )
    changed = []
    for name, file in files.items():
        if listed[name]["sha256"] != (found := sha256(file)):
            listed[name]["sha256"] = found
            changed.append(name)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, buffer.getvalue())
    return changed
