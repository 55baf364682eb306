"""Registers for tests: rows of the table ``register`` from what matters in a test."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import geopandas as gpd

from pipeline.contracts.columns import COLUMNS
from pipeline.contracts.crs import GEOGRAPHIC
from pipeline.contracts.provenance import Paths, sha256, write_json
from pipeline.contracts.tables import DTYPES, TABLES
from pipeline.s2_geocode.gazetteer import Gazetteer

TOY = Path(__file__).parents[1] / "areas" / "toy"
CRS_TOY = "EPSG:32749"


def register(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a register; what a row does not say is missing, ids are F0001, F0002 ..."""
    filled = [
        {
            "firm_id": f"F{number:04d}",
            "row_number": number + 1,
            "has_point_consent": False,
            "source_ids": "register",
            "status": "register",
            **row,
        }
        for number, row in enumerate(rows, start=1)
    ]
    return pd.DataFrame(
        {
            rule.column: pd.Series(
                [row.get(rule.column, pd.NA) for row in filled],
                dtype=DTYPES[COLUMNS[rule.column].kind],
            )
            for rule in TABLES["register"].rules
        }
    )


def toy_units(kind: str = "published") -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Return villages and districts of the invented area: cells of one kilometre."""
    names = toy_names()
    drawn = gpd.read_file(TOY / "villages.geojson")
    code = next(name for name in drawn if drawn[name].astype(str).str.fullmatch(r"[\d.]{13}").all())
    village = names.merge(drawn[[code, "geometry"]].rename(columns={code: "village_code"}))
    village["boundary_kind"] = kind
    frame = gpd.GeoDataFrame(village, geometry="geometry", crs=GEOGRAPHIC)
    district = frame.dissolve("district_code", as_index=False)
    return frame, district


def toy_names() -> pd.DataFrame:
    names = pd.read_csv(TOY / "gazetteer.csv", dtype=str)
    names["district_code"] = names["village_code"].str[:8]
    names["regency_code"] = names["village_code"].str[:5]
    return names


def toy_gazetteer() -> Gazetteer:
    def read(name: str) -> pd.DataFrame:
        return pd.read_csv(TOY / f"{name}.csv", dtype=str, keep_default_na=False)

    outside = pd.DataFrame(
        [["Samudra", "outside", "", ""]], columns=["alias", "level", "code", "note"]
    )
    aliases = pd.concat([read("aliases"), outside], ignore_index=True)
    return Gazetteer.from_tables(toy_names(), read("old_names"), aliases)


def hand_over(paths: Paths, table: pd.DataFrame, path: Path | None) -> None:
    """Put a register into the result of stage 1, as if it had read it from `path`."""
    folder = paths.stage("toy", "sources")
    file = folder / "register.parquet"
    table.to_parquet(file, index=False)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["recipe"]["parameters"]["register"] = path.name if path else None
    manifest["outputs"][file.name] = sha256(file)
    write_json(folder / "manifest.json", manifest)


def around(village: gpd.GeoDataFrame, code: str, east_m: float = 0.0) -> dict[str, float]:
    """Return coordinates of a village's middle, some metres to the east of it."""
    shapes = village.set_index("village_code").geometry.to_crs(CRS_TOY)
    point = gpd.GeoSeries([shapes.loc[code].centroid], crs=CRS_TOY).translate(east_m).to_crs(4326)
    return {
        "longitude_deg": float(np.round(point.x.iloc[0], 7)),
        "latitude_deg": float(np.round(point.y.iloc[0], 7)),
    }
