from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import geopandas as gpd
import pyogrio
import shapely
from pyproj import CRS

from pipeline.contracts.area import load_area
from pipeline.contracts.errors import InputError
from pipeline.contracts.provenance import PROJECT
from pipeline.contracts.reading import read_csv
from pipeline.s1_sources.approximate import approximate_villages
from pipeline.s1_sources.boundaries import (
    check_areas,
    coverage,
    dissolve,
    read_polygons,
    require_villages,
)
from pipeline.s1_sources.published import villages

AREAS = Path(__file__).parents[1] / "areas"
UTM = CRS.from_epsg(32749)
CODES = ["99.01.01.1001", "99.01.01.1002"]


def squares(codes: list[str] = CODES, **columns: object) -> gpd.GeoDataFrame:
    shapes = [shapely.box(110 + i, -7, 110.5 + i, -6.5) for i in range(len(codes))]
    return gpd.GeoDataFrame({"village_code": codes, **columns}, geometry=shapes, crs=4326)


def message(path: Path | str) -> str:
    with pytest.raises(InputError) as caught:
        read_polygons(Path(path))
    return str(caught.value).replace(str(Path(path).parent) + "/", "")


# Vector files


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "shp"])
def test_vector_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"villages.{suffix}"
    frame = squares().rename(columns={"village_code": "kode_desa"})
    frame.to_file(path)
    read = read_polygons(path)
    assert list(read.columns) == ["village_code", "geometry"]
    assert read["village_code"].tolist() == CODES
    assert read.crs.to_epsg() == 4326
    assert read.geometry.geom_equals(squares().geometry).all()


def test_projected_files_are_turned_to_degrees(tmp_path: Path) -> None:
    squares().to_crs(UTM).to_file(tmp_path / "v.gpkg")
    read = read_polygons(tmp_path / "v.gpkg")
    assert np.allclose(read.total_bounds, squares().total_bounds, atol=1e-9)


@pytest.mark.parametrize("code", ["9901011001", "99.01.01.1001", " 99.01.01.1001 "])
def test_codes_with_and_without_dots(tmp_path: Path, code: str) -> None:
    squares([code]).to_file(tmp_path / "v.gpkg")
    assert read_polygons(tmp_path / "v.gpkg")["village_code"].tolist() == CODES[:1]


def test_the_village_layer_is_taken_from_several(tmp_path: Path) -> None:
    path = tmp_path / "v.gpkg"
    squares().to_file(path, layer="village")
    squares().to_file(path, layer="village_clean")
    district = squares(["99.01.01", "99.01.02"]).rename(columns={"village_code": "code"})
    district.to_file(path, layer="district")
    assert len(read_polygons(path)) == 2


def test_several_layers_without_a_village_layer(tmp_path: Path) -> None:
    path = tmp_path / "v.gpkg"
    squares().to_file(path, layer="old")
    squares(CODES[:1]).to_file(path, layer="new")
    assert message(path) == (
        "v.gpkg: expected one layer with village codes, found old, new. Name the layer: v.gpkg#old"
    )
    assert len(read_polygons(Path(f"{path}#new"))) == 1
    assert message(f"{path}#newer").startswith(
        "v.gpkg: expected a readable GeoPackage, GeoJSON or Shapefile, found "
    )


def test_a_layer_of_districts_is_no_layer_of_villages(tmp_path: Path) -> None:
    path = tmp_path / "v.gpkg"
    squares(["99.01.01", "99.01.02"]).to_file(path, layer="district")
    assert message(path).endswith("found none in layer district")


def test_no_crs(tmp_path: Path) -> None:
    path = tmp_path / "v.shp"
    squares().rename(columns={"village_code": "kode"}).to_file(path)
    path.with_suffix(".prj").unlink()
    assert message(path) == (
        "v.shp: expected a layer that states its CRS, found no CRS. "
        "Set it in QGIS: Layer > Set CRS, then export again"
    )


def test_no_column_of_codes(tmp_path: Path) -> None:
    squares().rename(columns={"village_code": "desa"}).to_file(tmp_path / "v.gpkg")
    assert message(tmp_path / "v.gpkg") == (
        "v.gpkg: expected a column of village codes (village_code, code, kode, kode_desa, kdepum, "
        "kode_kd, id_desa), found none in layer v"
    )


def test_codes_that_are_none(tmp_path: Path) -> None:
    squares([*CODES, "total", "x"]).to_file(tmp_path / "v.gpkg")
    assert message(tmp_path / "v.gpkg") == (
        "v.gpkg, row 3, column village_code: expected village codes such as 33.75.01.1002, "
        "found 'total'. 2 rows in all"
    )


def test_duplicate_codes_and_other_geometries(tmp_path: Path) -> None:
    frame = squares([CODES[0], CODES[0], CODES[1]])
    frame.loc[2, "geometry"] = shapely.Point(110, -7)
    frame.to_file(tmp_path / "v.gpkg")
    assert message(tmp_path / "v.gpkg") == (
        "2 faults:\n"
        "  - v.gpkg: expected each village code once, found 99.01.01.1001 again\n"
        "  - v.gpkg: expected polygons, found Point"
    )


def test_rows_without_geometry(tmp_path: Path) -> None:
    frame = squares()
    frame.loc[1, "geometry"] = None
    frame.to_file(tmp_path / "v.gpkg")
    assert message(tmp_path / "v.gpkg") == (
        "v.gpkg: expected polygons, found rows without geometry"
    )


def test_unreadable_and_missing_files(tmp_path: Path) -> None:
    path = tmp_path / "v.gpkg"
    assert message(path) == "v.gpkg: expected a boundary file, found no such file"
    path.write_bytes(b"not a geopackage")
    assert message(path).startswith(
        "v.gpkg: expected a readable GeoPackage, GeoJSON or Shapefile, found "
    )


def test_an_empty_layer_holds_no_codes(tmp_path: Path) -> None:
    pyogrio.write_dataframe(squares().iloc[:0], tmp_path / "v.gpkg", geometry_type="Polygon")
    assert "expected a column of village codes" in message(tmp_path / "v.gpkg")


# The upstream SQL form

SQUARE = [[-7.0, 110.0], [-7.0, 110.5], [-6.5, 110.5], [-6.5, 110.0], [-7.0, 110.0]]
HOLE = [[-6.9, 110.1], [-6.8, 110.1], [-6.8, 110.2], [-6.9, 110.2], [-6.9, 110.1]]


def sql(tmp_path: Path, *rows: tuple[str, str, object]) -> Path:
    values = ",\n".join(
        f"('{code}','{name}',-7.1,'110.2','{json.dumps(path)}')" for code, name, path in rows
    )
    path = tmp_path / "v.sql"
    path.write_text(
        "/* villages */\nDELETE FROM wilayah_boundaries;\n"
        f"INSERT INTO wilayah_boundaries(kode,nama,lat,lng,path) VALUES\n{values};\n"
    )
    return path


def test_sql_polygon_with_hole_in_lat_lng_order(tmp_path: Path) -> None:
    read = read_polygons(sql(tmp_path, (CODES[0], "Melati", [SQUARE, HOLE])))
    expected = shapely.box(110, -7, 110.5, -6.5) - shapely.box(110.1, -6.9, 110.2, -6.8)
    assert read.geometry.iloc[0].equals(expected)
    assert read.crs.to_epsg() == 4326


def test_sql_multipolygon(tmp_path: Path) -> None:
    other = [[lat + 1, lng + 1] for lat, lng in SQUARE]
    read = read_polygons(sql(tmp_path, (CODES[0], "Melati", [[SQUARE, HOLE], [other]])))
    assert len(read.geometry.iloc[0].geoms) == 2
    assert read.geometry.iloc[0].area == pytest.approx(0.25 - 0.01 + 0.25)


def test_sql_names_with_quotes(tmp_path: Path) -> None:
    rows = [(CODES[0], "O\\'Kali", [SQUARE]), (CODES[1], "O''Kali (1)", [SQUARE])]
    assert read_polygons(sql(tmp_path, *rows))["village_code"].tolist() == CODES


@pytest.mark.parametrize("path", [[[-7.0, 110.0]], [], [[[]]], [[[[SQUARE]]]]])
def test_sql_paths_of_another_depth(tmp_path: Path, path: object) -> None:
    text = message(sql(tmp_path, (CODES[1], "Good", [SQUARE]), (CODES[0], "Bad", path)))
    assert text.startswith("v.sql, row 5: expected rings of [latitude, longitude], found unreadab")


def test_sql_without_rows_or_of_other_bytes(tmp_path: Path) -> None:
    path = tmp_path / "v.sql"
    path.write_text("CREATE TABLE x;")
    assert message(path) == (
        "v.sql: expected INSERT INTO ... VALUES rows with code, name, lat, lng, path, found none"
    )
    path.write_bytes(b"\xff\xfe")
    assert message(path) == "v.sql: expected UTF-8 SQL, found other bytes"


# Coverage, checks, dissolving


def metres(*shapes: shapely.Geometry) -> gpd.GeoDataFrame:
    codes = [f"99.01.01.{1001 + i}" for i in range(len(shapes))]
    return gpd.GeoDataFrame(
        {"village_code": codes}, geometry=gpd.GeoSeries(shapes, crs=UTM)
    ).to_crs(4326)


def box(west: float, south: float, east: float, north: float) -> shapely.Polygon:
    return shapely.box(410_000 + west, 9_200_000 + south, 410_000 + east, 9_200_000 + north)


def test_coverage_closes_a_sliver_and_an_overlap() -> None:
    gap = coverage(metres(box(0, 0, 1000, 1000), box(1020, 0, 2000, 1000)), UTM)
    # A strip open at both ends is not a gap; a third village closes it.
    closed = coverage(
        metres(
            box(0, 0, 1000, 1000),
            box(1020, 0, 2000, 1000),
            box(0, -500, 2000, 0),
            box(0, 1000, 2000, 1500),
        ),
        UTM,
    )
    assert len(gap) == 2
    assert closed.crs == UTM
    assert shapely.coverage_is_valid(closed.geometry.to_numpy())
    assert shapely.union_all(closed.geometry.to_numpy()).area == pytest.approx(4e6, rel=1e-6)
    overlap = coverage(metres(box(0, 0, 1010, 1000), box(1000, 0, 2000, 1000)), UTM)
    assert overlap.area.sum() == pytest.approx(2e6, rel=1e-6)
    assert shapely.coverage_is_valid(overlap.geometry.to_numpy())


def test_coverage_leaves_a_lake_open() -> None:
    ring = box(0, 0, 1000, 1000) - box(300, 300, 700, 700)
    cleaned = coverage(metres(ring, box(1000, 0, 2000, 1000)), UTM)
    assert cleaned.area.iloc[0] == pytest.approx(840_000, rel=1e-6)


def test_coverage_mends_a_bow_tie() -> None:
    bow = shapely.Polygon([(410_000, 9_200_000), (411_000, 9_201_000), (411_000, 9_200_000),
                           (410_000, 9_201_000)])  # fmt: skip
    assert coverage(metres(bow), UTM).geometry.is_valid.all()


def test_foreign_and_incomplete_files() -> None:
    gazetteer = pd.DataFrame({"village_code": [*CODES, "99.01.01.1003"]})
    with pytest.raises(InputError) as caught:
        require_villages(squares(["33.10.01.2001"]), gazetteer, "v.gpkg")
    assert str(caught.value) == (
        "v.gpkg: expected villages of this area, such as 99.01.01.1001, found 1 other villages, "
        "such as 33.10.01.2001. This looks like the file of another region"
    )
    with pytest.raises(InputError) as caught:
        require_villages(squares(), gazetteer, "v.gpkg")
    assert str(caught.value) == (
        "v.gpkg: expected all 3 villages of the gazetteer, found 1 missing: 99.01.01.1003. Codes "
        "change when villages are split or merged; take boundaries of the gazetteer's vintage"
    )
    with pytest.raises(InputError, match="found 0 other villages, such as no rows"):
        require_villages(squares([]), gazetteer, "v.gpkg")


def test_villages_come_in_the_gazetteers_order_and_others_are_counted() -> None:
    gazetteer = pd.DataFrame({"village_code": CODES[::-1]})
    kept, outside = require_villages(squares([*CODES, "33.10.01.2001"]), gazetteer, "v")
    assert kept["village_code"].tolist() == CODES[::-1]
    assert outside == 1


def test_areas_are_held_against_the_official_ones() -> None:
    area = load_area(AREAS, "toy")
    villages = metres(box(0, 0, 2000, 4000), box(5000, 0, 7200, 4000)).to_crs(UTM)
    villages["village_code"] = ["99.01.01.1001", "99.02.01.2001"]
    with pytest.raises(InputError) as caught:
        check_areas(villages, area, "v.gpkg")
    assert str(caught.value) == (
        "v.gpkg: expected 10.00 km2 for Kabupaten Kartala (ten grid cells of "
        "tests/areas/draw_toy.py), within 0.1 %, found 8.80 km2. Another vintage, or a "
        "generalised file"
    )
    generous = area.model_copy(
        update={"boundaries": area.boundaries.model_copy(update={"area_tolerance_pct": 20.0})}
    )
    assert check_areas(villages, generous, "v.gpkg") == {"99.01": 8.0, "99.02": 8.8}


def test_dissolve() -> None:
    villages = metres(box(0, 0, 1000, 1000), box(1000, 0, 2000, 1000), box(0, 1000, 1000, 2000))
    villages = villages.to_crs(UTM).assign(
        district_code=["99.01.02", "99.01.01", "99.01.02"],
        area_km2=pd.Series([1.1, 2.2, 3.3], dtype="Float64"),
        boundary_kind="published",
    )
    district = dissolve(villages, ["district_code"])
    assert district["district_code"].tolist() == ["99.01.01", "99.01.02"]
    assert district["villages_count"].tolist() == [1, 2]
    assert district["area_km2"].tolist() == [2.2, 4.4]
    assert district.area.tolist() == pytest.approx([1e6, 2e6])
    assert district.geometry.iloc[1].geom_type == "Polygon"


@pytest.mark.parametrize("name", ["bayat", "pekalongan", "tuban"])
def test_units_of_approximate_cells_stay_valid_in_degrees(name: str) -> None:
    gazetteer = read_csv(PROJECT / "areas" / name / "gazetteer.csv", "gazetteer")
    cells = approximate_villages(gazetteer, UTM)
    table = villages(gazetteer).assign(boundary_kind="approximate")
    units = gpd.GeoDataFrame(table, geometry=list(cells.geometry), crs=UTM)
    for by in ("district_code", "regency_code"):
        dissolved = dissolve(units, [by])
        degrees = dissolved.to_crs(4326)
        assert degrees.is_valid.all()
        assert degrees.to_crs(UTM).is_valid.all()
        assert dissolved.area.sum() == pytest.approx(
            shapely.union_all(cells.geometry.to_numpy()).area, rel=1e-5
        )


def test_the_committed_drawing_is_the_drawn_one() -> None:
    spec = importlib.util.spec_from_file_location("draw_toy", AREAS / "draw_toy.py")
    assert spec is not None
    assert spec.loader is not None
    draw = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(draw)
    assert (AREAS / "toy" / "villages.geojson").read_text() == draw.drawing()


def test_neighbours_of_the_invented_area_are_those_of_its_polygons() -> None:
    villages = coverage(read_polygons(AREAS / "toy" / "villages.geojson"), UTM)
    shapes = villages.set_index("village_code").geometry
    touching = {}
    for i, a in enumerate(shapes.index):
        for b in shapes.index[i + 1 :]:
            if shapes[a].intersects(shapes[b]):
                touching[a, b] = shapes[a].intersection(shapes[b]).length
    listed = read_csv(AREAS / "toy" / "neighbours.csv", "neighbours")
    pairs = zip(listed["village_code_a"], listed["village_code_b"], strict=True)
    assert touching == pytest.approx(
        dict(zip(pairs, listed["shared_border_m"], strict=True)), abs=0.1
    )
