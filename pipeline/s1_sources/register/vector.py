"""Vector files (GeoPackage, GeoJSON, Shapefile): fields as columns, points as coordinates."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import geopandas as gpd
import pyogrio
import shapely

from pipeline.contracts.crs import to_geographic
from pipeline.contracts.errors import Fault, InputError
from pipeline.s1_sources.register.grid import MAX_ROWS, Cells, Grid, column_cells, trimmed


class VectorFile:
    """A GeoPackage, GeoJSON or Shapefile of points; features count from 1."""

    def __init__(self, file: Path, where: str) -> None:
        self.file, self.where = file, where
        with self._refusing():
            self.sheets = tuple(str(row[0]) for row in pyogrio.list_layers(file))
        if not self.sheets:
            raise InputError(Fault(where, "a layer of points", "no layer"))

    @contextlib.contextmanager
    def _refusing(self) -> Iterator[None]:
        """Turn what GDAL says of a bad file into one fault; its warnings add nothing to it."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                yield
        except (
            pyogrio.errors.DataSourceError,
            pyogrio.errors.DataLayerError,
            UnicodeDecodeError,
        ) as error:
            found = str(error).partition(";")[0]
            raise InputError(
                Fault(self.where, "a readable GeoPackage, GeoJSON or Shapefile", found)
            ) from error

    def load(self, sheet: str | None, limit: int | None = None) -> Grid:
        """Return a layer as a grid: its fields are the header, its points are coordinates."""
        name = sheet if sheet is not None else self.sheets[0]
        with self._refusing():
            info = pyogrio.read_info(self.file, layer=name, force_feature_count=True)
            if info["features"] > MAX_ROWS:
                found = f"{info['features']:,}"
                raise InputError(Fault(self.where, f"at most {MAX_ROWS:,} rows", found))
            read = pyogrio.read_dataframe(self.file, layer=name, max_features=limit)
        is_spatial = isinstance(read, gpd.GeoDataFrame)
        table = read.drop(columns=read.geometry.name) if is_spatial else read
        points = self._points(read, name) if is_spatial else None
        columns = tuple(_frame_cells(table[one]) for one in table)
        grid = Grid(
            name,
            len(table),
            columns,
            header=tuple(map(str, table.columns)),
            points=points,
            notes={"format": self.file.suffix.lower().lstrip(".")},
        )
        return trimmed(grid)

    def _points(self, frame: gpd.GeoDataFrame, name: str) -> np.ndarray:
        """Return longitude and latitude of each feature."""
        shapes = frame.geometry.to_numpy()
        kinds = shapely.get_type_id(shapes)
        # A multipoint of one point is a point: many exports promote all geometries.
        single = (kinds == 4) & (shapely.get_num_geometries(shapes) == 1)
        shapes = np.where(single, shapely.get_geometry(shapes, 0), shapes)
        is_point = shapely.get_type_id(shapes) == 0
        is_other = ~is_point & (shapely.get_type_id(shapes) != -1) & ~shapely.is_empty(shapes)
        if is_other.any():
            row = int(np.flatnonzero(is_other)[0])
            kind = str(shapes[row].geom_type)
            raise InputError(
                Fault(
                    self.where,
                    "points",
                    f"{int(is_other.sum())} other geometries, such as a {kind}",
                    sheet=name,
                    row=row + 1,
                    hint="Make points of them first (QGIS: Vector > Geometry Tools > Centroids)",
                )
            )
        found = np.full((len(shapes), 2), np.nan)
        usable = is_point & ~shapely.is_empty(shapes)
        if usable.any():
            series = gpd.GeoSeries(shapes[usable], crs=frame.crs)
            placed = to_geographic(gpd.GeoDataFrame(geometry=series), self.where)
            found[usable] = shapely.get_coordinates(placed.geometry.to_numpy())
        return found


def _frame_cells(series: pd.Series) -> Cells:
    values = series.astype("object").where(series.notna(), None).to_list()
    # Scalars of numpy become Python's own, by whose type text and numbers are told apart.
    return Cells(*column_cells([one.item() if hasattr(one, "item") else one for one in values]))
