"""A new study area: scaffolded from invented polygons with real codes, read by the stages."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pooch
import pytest

import geopandas as gpd
import shapely
from pyproj import CRS

from pipeline.__main__ import main
from pipeline.contracts.area import list_areas, load_area
from pipeline.contracts.columns import COLUMNS
from pipeline.contracts.errors import InputError, OutputError
from pipeline.contracts.provenance import PROJECT, Paths, read_manifest, read_table, sha256
from pipeline.contracts.reading import read_csv
from pipeline.contracts.tables import TABLES
from pipeline.s1_sources import new_area as writing
from pipeline.s1_sources.boundaries import coverage, read_polygons
from pipeline.s1_sources.fetch import NetworkError, upstream_url
from pipeline.s1_sources.new_area import new_area
from pipeline.s1_sources.published import read_area
from pipeline.s1_sources.scaffold import choose_crs, neighbours
from pipeline.s5_render.load import load_plan

Run = Callable[..., list[bool]]
CELL = 0.01
# Two districts of Makassar, in zone 50: a row of three villages each.
CODES = ["73.71.01.1001", "73.71.01.1002", "73.71.01.1003",
         "73.71.02.1001", "73.71.02.1002", "73.71.02.1003"]  # fmt: skip


def grid(
    codes: list[str] = CODES, west: float = 119.4, south: float = -5.15, **columns: object
) -> gpd.GeoDataFrame:
    """Return cells of 0.01 degrees, three in a row."""
    cells = [
        shapely.box(
            west + x * CELL, south + y * CELL, west + (x + 1) * CELL, south + (y + 1) * CELL
        )
        for y, x in (divmod(number, 3) for number in range(len(codes)))
    ]
    return gpd.GeoDataFrame({"kode": codes, **columns}, geometry=cells, crs=4326)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "villages.gpkg"
    grid().to_file(path)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def refused(areas: Path, name: str, codes: str, boundaries: Path | str | None) -> str:
    """Return the message; nothing may have been made."""
    before = contents(areas)
    with pytest.raises(InputError) as caught:
        new_area(areas, name, codes, str(boundaries) if boundaries else None)
    assert contents(areas) == before
    assert not areas.is_dir() or not list(areas.glob(".*"))
    return str(caught.value)


# What is made


def test_a_new_area_passes_its_own_checks(tmp_path: Path, file: Path, run_stages: Run) -> None:
    paths = Paths(tmp_path / "areas", PROJECT / "layers", tmp_path / "outputs")
    told = new_area(paths.areas, "pesisir-selatan", "73.71", str(file))
    assert told[0] == (
        "areas/pesisir-selatan made: 6 villages, 11 neighbour pairs, EPSG:32750 "
        "(WGS 84 / UTM zone 50S)"
    )
    assert told[-1] == (
        "next: state producer and licence of your file in sources.csv; "
        f"make maps AREA=pesisir-selatan BOUNDARIES={file}"
    )
    assert list_areas(paths.areas) == ["pesisir-selatan"]
    assert run_stages(paths, "pesisir-selatan", str(file)) == [True] * 4
    village = read_table(paths, "pesisir-selatan", "sources", "village")
    assert village["boundary_kind"].eq("published").all()
    rows = read_manifest(paths, "pesisir-selatan", "sources")["rows"]
    assert rows["boundaries"] == {"in": 6, "out": 6, "dropped": {"outside the area": 0}}
    plan = load_plan(paths, "pesisir-selatan", "internal")
    assert {layer.id for layer in plan.layers} >= {"villages", "districts"}
    assert plan.title.en == "Pesisir Selatan Batik Cluster Atlas"


def test_it_is_drawn_and_approximate_without_the_file(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = ["--areas-folder", str(tmp_path / "areas"), "--outputs-folder", str(tmp_path / "out")]
    asked = ["new-area", "--name", "baru", "--codes", "73.71", "--boundaries", str(file)]
    assert main([*asked, *folders]) == 0
    for stage in ("sources", "geocode", "analyse", "release", "web"):
        assert main([stage, "--area", "baru", *folders]) == 0
    assert "approximate cells" in capsys.readouterr().out
    page = (tmp_path / "out" / "baru" / "atlas.html").read_text()
    assert "Baru Batik Cluster Atlas" in page
    assert "EPSG:32750" in page


def test_area_file(tmp_path: Path, file: Path) -> None:
    new_area(tmp_path / "areas", "baru", "73.71", str(file))
    area = load_area(tmp_path / "areas", "baru")
    text = (tmp_path / "areas" / "baru" / "area.yaml").read_text()
    (regency,) = area.regencies
    assert (regency.code, regency.name) == ("73.71", "Kota Makassar")
    assert regency.area_source == (
        "measured from villages.gpkg, not an official figure: replace it"
    )
    assert area.crs == "EPSG:32750"
    assert area.focus == ()
    assert area.boundaries.path is None
    assert area.boundaries.files == ()
    assert "#   make maps AREA=baru BOUNDARIES=villages.gpkg\n" in text
    assert str(tmp_path) not in text
    measured = grid().to_crs("EPSG:32750").area.sum() / 1e6
    assert regency.area_km2 == pytest.approx(measured, abs=0.005)


def test_a_file_inside_the_areas_folder_is_named_in_area_yaml(
    tmp_path: Path, run_stages: Run
) -> None:
    paths = Paths(tmp_path / "areas", PROJECT / "layers", tmp_path / "outputs")
    (paths.areas / "polygons").mkdir(parents=True)
    inside = paths.areas / "polygons" / "villages.gpkg"
    grid().to_file(inside, layer="desa")
    told = new_area(paths.areas, "baru", "73.71", f"{inside}#desa")
    assert load_area(paths.areas, "baru").boundaries.path == "../polygons/villages.gpkg#desa"
    assert told[-1].endswith("make maps AREA=baru")
    run_stages(paths, "baru")
    assert read_table(paths, "baru", "sources", "village")["boundary_kind"].eq("published").all()


def test_sources_hold_true_hashes_and_the_boundary_file(tmp_path: Path, file: Path) -> None:
    new_area(tmp_path / "areas", "baru", "73.71", str(file))
    folder = tmp_path / "areas" / "baru"
    sources = read_csv(folder / "sources.csv", "sources").set_index("source_id")
    boundary = sources.loc["boundary_file"]
    assert boundary["kind"] == "boundary"
    assert boundary["licence"] == "state the licence of your file"
    assert boundary["sha256"] == sha256(file)
    tables = sources[sources["kind"] == "table"].set_index("file")["sha256"]
    assert {name: sha256(folder / name) for name in tables.index} == tables.to_dict()
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.csv")} == {
        "sources.csv", *tables.index
    }  # fmt: skip


def test_the_readme_says_what_every_column_holds(tmp_path: Path, file: Path) -> None:
    new_area(tmp_path / "areas", "baru", "73.71", str(file))
    text = (tmp_path / "areas" / "baru" / "README.md").read_text()
    sections = dict(part.split("\n", 1) for part in text.split("\n## ")[1:])
    for name in ("gazetteer", "neighbours", "sources", "old_names", "aliases"):
        assert sections[f"{name}.csv"].count("\n| `") == len(TABLES[name].columns)
    for name in ("clusters", "places", "facts", "contradictions"):
        section = sections[f"tables/{name}.csv"]
        for column in TABLES[name].columns:
            assert f"| `{column}` |" in section
            assert COLUMNS[column].meaning in section
        assert "No rows yet." in section
        path = tmp_path / "areas" / "baru" / "tables" / f"{name}.csv"
        assert path.read_text() == ",".join(TABLES[name].columns) + "\n"


def test_neighbours_of_a_grid_with_corners(tmp_path: Path, file: Path) -> None:
    new_area(tmp_path / "areas", "baru", "73.71", str(file))
    pairs = read_csv(tmp_path / "areas" / "baru" / "neighbours.csv", "neighbours")
    assert len(pairs) == 11  # 3 x 2 cells: 4 in rows, 3 in columns, 4 corners
    assert pairs["shared_border_m"].eq(0).sum() == 4
    shape = grid().to_crs("EPSG:32750").geometry
    side = shapely.length(shapely.intersection(shape.iloc[0].boundary, shape.iloc[1].boundary))
    assert float(pairs["shared_border_m"].iloc[0]) == pytest.approx(side, abs=0.06)


def test_isolated_villages_have_no_neighbours() -> None:
    apart = [shapely.box(0, 0, 1, 1), shapely.box(5, 5, 6, 6)]
    frame = gpd.GeoDataFrame({"village_code": CODES[:2]}, geometry=apart, crs=32750)
    assert neighbours(frame).empty


@pytest.mark.parametrize(
    ("longitude", "latitude", "expected"),
    [(95.3, 5.5, 32646), (100.4, -0.9, 32747), (109.3, 0.2, 32649), (119.4, -5.1, 32750),
     (119.99, -5.1, 32750), (120.01, -5.1, 32751), (140.7, -2.5, 32754)],
)  # fmt: skip
def test_zone_and_hemisphere(longitude: float, latitude: float, expected: int) -> None:
    shape = shapely.Point(longitude, latitude).buffer(0.001)
    frame = gpd.GeoDataFrame({"village_code": CODES[:1]}, geometry=[shape], crs=4326)
    assert choose_crs(frame, "v.gpkg") == f"EPSG:{expected}"
    use = CRS.from_epsg(expected).area_of_use
    assert use.west <= longitude <= use.east
    assert use.south <= latitude <= use.north


def test_an_area_over_two_zones_is_told(tmp_path: Path) -> None:
    path = tmp_path / "v.gpkg"
    grid(west=119.988).to_file(path)
    told = new_area(tmp_path / "areas", "baru", "73.71", str(path))
    assert any("2 of 6 villages lie outside EPSG:32751" in line for line in told), told


def test_villages_the_official_list_has_otherwise_are_told(tmp_path: Path) -> None:
    path = tmp_path / "v.gpkg"
    codes = [*CODES[:5], "73.71.02.9999"]
    grid(codes, nama=[None] * 5 + ["Desa Rekaan"]).to_file(path)
    told = "\n".join(new_area(tmp_path / "areas", "baru", "73.71", str(path)))
    assert "the file has beyond it 1: 73.71.02.9999; codes change" in told
    assert "the file lacks 1" in told
    assert " more; codes change" in told
    assert "has beyond it 1: 73.71.02.9999" in (tmp_path / "areas/baru/README.md").read_text()


def test_other_regencies_of_the_file_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "v.gpkg"
    grid([*CODES, "73.06.01.2001"]).to_file(path)
    new_area(tmp_path / "areas", "baru", "73.71", str(path))
    gazetteer = read_csv(tmp_path / "areas" / "baru" / "gazetteer.csv", "gazetteer")
    assert gazetteer["village_code"].tolist() == CODES


# Names


def names(tmp_path: Path, **columns: object) -> pd.DataFrame:
    path = tmp_path / "v.gpkg"
    grid(**columns).to_file(path)
    new_area(tmp_path / "areas", "baru", "73.71", str(path))
    return read_csv(tmp_path / "areas" / "baru" / "gazetteer.csv", "gazetteer")


def test_names_of_the_official_list_where_the_file_has_none(tmp_path: Path) -> None:
    found = names(tmp_path)
    assert found["village_name"].iloc[0] == "Bontorannu"
    assert found["district_name"].unique().tolist() == ["Mariso", "Mamajang"]
    assert found["regency_name"].eq("Kota Makassar").all()


def test_the_files_village_names_come_first_in_the_official_spelling(tmp_path: Path) -> None:
    found = names(
        tmp_path,
        NAMOBJ=["BONTO RANNU", "Nama Baru", None, "-", " Dua\n Kata ", "=x"],
        WADMKC=["MARISO"] * 3 + ["MAMAJANG"] * 3,
        WADMKK=["Makassar"] * 6,
    )
    assert found["village_name"].iloc[0] == "Bontorannu"
    assert found["village_name"].iloc[1] == "Nama Baru"
    assert found["village_name"].iloc[4] == "Dua Kata"
    assert found["village_name"].notna().all()
    assert found["district_name"].unique().tolist() == ["Mariso", "Mamajang"]


def test_names_of_the_sql_form(tmp_path: Path) -> None:
    ring = [[-5.1, 119.4], [-5.1, 119.5], [-5.0, 119.5], [-5.0, 119.4], [-5.1, 119.4]]
    path = tmp_path / "v.sql"
    path.write_text(
        "INSERT INTO wilayah_boundaries(kode,nama,lat,lng,path) VALUES\n"
        f"('73.71.01.1001','Mu\\'ara  ''Baru''',-5,119,'[{ring}]');\n"
    )
    (read,) = read_polygons(path, names=True).to_dict("records")
    assert read["village_name"] == "Mu'ara 'Baru'"
    assert pd.isna(read["district_name"])


def test_a_district_nobody_names(tmp_path: Path) -> None:
    path = tmp_path / "v.gpkg"
    grid([*CODES[:5], "73.71.99.1001"], nama=["A"] * 6).to_file(path)
    assert refused(tmp_path / "areas", "baru", "73.71", path).endswith(
        "does not know it either), found none for 73.71.99.1001"
    )
    grid([*CODES[:5], "73.71.99.1001"], nama=["A"] * 6, kecamatan=["B"] * 6).to_file(path)
    new_area(tmp_path / "areas", "baru", "73.71", str(path))
    gazetteer = read_csv(tmp_path / "areas" / "baru" / "gazetteer.csv", "gazetteer")
    assert gazetteer["district_name"].iloc[-1] == "B"


# Bad input


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (
            "",
            "CODES: expected codes of regencies such as 33.75, separated by commas, found nothing",
        ),
        ("7371", "found '7371'"),
        ("73.71;73.72", "found '73.71;73.72'"),
        ("73.71.01", "found the district 73.71.01. An area is made of whole regencies: 73.71;"),
        ("73.71,73.71", "CODES: expected each code once, found 73.71 2 times"),
        ("73.99", "found 73.99. Known codes of 73 Sulawesi Selatan: 73.01, "),
        ("99.01", "found 99.01. No province has the code 99. Known: 11, "),
    ],
)
def test_codes(tmp_path: Path, file: Path, codes: str, expected: str) -> None:
    assert expected in refused(tmp_path / "areas", "baru", codes, file)


@pytest.mark.parametrize("name", ["", "Baru", "1baru", "../baru", "ba ru", "-baru", "baru\n"])
def test_invalid_names(tmp_path: Path, file: Path, name: str) -> None:
    message = refused(tmp_path / "areas", name, "73.71", file)
    assert "NAME: expected small letters, digits, - and _, a letter first" in message


def test_two_areas_of_one_name(tmp_path: Path, file: Path) -> None:
    areas = tmp_path / "areas"
    new_area(areas, "baru", "73.71", str(file))
    assert refused(areas, "baru", "73.71", file) == (
        "NAME: expected a name that is not taken, found 'baru'. An area is never overwritten. "
        "Taken: baru"
    )
    (areas / "kosong").mkdir()
    assert "not taken" in refused(areas, "kosong", "73.71", file)


def test_all_faults_of_the_command_at_once(tmp_path: Path, file: Path) -> None:
    assert refused(tmp_path / "areas", "Baru", "7371,99.01", file).startswith("3 faults:\n")


def test_a_file_of_another_region(tmp_path: Path, file: Path) -> None:
    assert refused(tmp_path / "areas", "baru", "73.71,73.72", file) == (
        "villages.gpkg: expected villages of 73.72 (Kota Parepare), found villages: 6 of 73.71. "
        "This looks like the file of another region"
    )


def test_a_file_without_codes_and_no_file(tmp_path: Path) -> None:
    path = tmp_path / "v.gpkg"
    assert "found no such file" in refused(tmp_path / "areas", "baru", "73.71", path)
    grid().rename(columns={"kode": "nama"}).to_file(path)
    message = refused(tmp_path / "areas", "baru", "73.71", path)
    assert "expected a column of village codes" in message


def test_a_village_twice(tmp_path: Path, file: Path) -> None:
    other = tmp_path / "other.geojson"
    grid([CODES[0], CODES[0]]).to_file(other)
    assert refused(tmp_path / "areas", "baru", "73.71", other).endswith(
        "expected each village code once, found 73.71.01.1001 again"
    )
    grid(CODES[:1]).to_file(other)
    assert refused(tmp_path / "areas", "baru", "73.71", f"{file},{other}") == (
        "villages.gpkg, other.geojson: expected each village code once, found 73.71.01.1001 "
        "again, in villages.gpkg and other.geojson"
    )


def test_a_village_in_two_districts(tmp_path: Path) -> None:
    path = tmp_path / "v.gpkg"
    grid(WADMKC=["MARISO"] * 2 + ["MAMAJANG"] * 4).to_file(path)
    assert refused(tmp_path / "areas", "baru", "73.71", path) == (
        "v.gpkg: expected village 73.71.01.1003 in the district its code says, Mariso (73.71.01), "
        "found MAMAJANG (73.71.02) in its column of districts. A village lies in one district: "
        "correct the code or the name"
    )


def test_one_district_code_with_two_names(tmp_path: Path) -> None:
    path = tmp_path / "v.gpkg"
    codes = [*CODES[:4], "73.71.99.1001", "73.71.99.1002"]
    grid(codes, nama=["A"] * 6, kecamatan=["X"] * 5 + ["Y"]).to_file(path)
    assert refused(tmp_path / "areas", "baru", "73.71", path) == (
        "v.gpkg: expected one name for district 73.71.99, found X, Y"
    )


def test_swapped_axes(tmp_path: Path) -> None:
    path = tmp_path / "v.gpkg"
    frame = grid()
    turned = shapely.transform(frame.geometry.to_numpy(), lambda points: points[:, ::-1])
    frame.set_geometry(gpd.GeoSeries(turned, crs=4326)).to_file(path)
    assert refused(tmp_path / "areas", "baru", "73.71", path) == (
        "v.gpkg: expected polygons between longitude 94 and 142, latitude -11.5 and 6.5, found "
        "73.71.01.1001 at -5.145, 119.405. The axes may be swapped, or the layer's CRS is wrong"
    )


def test_whole_or_not_at_all(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    areas = tmp_path / "areas"

    def full(*_: object) -> None:
        assert list_areas(areas) == []
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing.os, "rename", full)
    with pytest.raises(OutputError, match="found: No space left on device"):
        new_area(areas, "baru", "73.71", str(file))
    assert list(areas.iterdir()) == []


def test_an_area_that_appeared_meanwhile_is_kept(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    areas = tmp_path / "areas"

    def meanwhile(folder: Path, area: object) -> list[str]:
        (areas / "baru").mkdir()
        (areas / "baru" / "area.yaml").write_text("mine")
        return []

    monkeypatch.setattr(writing, "seal", meanwhile)
    monkeypatch.setattr(writing, "read_area", lambda *_: {})
    with pytest.raises(InputError, match="not taken"):
        new_area(areas, "baru", "73.71", str(file))
    assert contents(areas) == {"baru/area.yaml": b"mine"}


# From the pinned source


class Upstream:
    """Stands for the network."""

    def __init__(self, answer: bytes | OSError) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def __call__(self, url: str, output_file: str, pooch_: object) -> None:
        self.asked.append(url)
        if isinstance(self.answer, OSError):
            raise self.answer
        Path(output_file).write_bytes(self.answer)


def sql(codes: list[str] = CODES) -> bytes:
    rows = ",\n".join(
        f"('{code}','',-5,119,'{[[[y, x] for x, y in shape.exterior.coords]]}')"
        for code, shape in zip(codes, grid(codes).geometry, strict=True)
    )
    return f"INSERT INTO wilayah_boundaries(kode,nama,lat,lng,path) VALUES\n{rows};\n".encode()


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Upstream:
    stand_in = Upstream(sql())
    monkeypatch.setenv("ATLAS_CACHE_DIR", str(tmp_path / "cache"))

    def made(**_: Any) -> Upstream:
        return stand_in

    monkeypatch.setattr(pooch, "HTTPDownloader", made)
    return stand_in


def test_fetched_with_trust_on_first_use(
    tmp_path: Path, upstream: Upstream, run_stages: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = Paths(tmp_path / "areas", PROJECT / "layers", tmp_path / "outputs")
    told = "\n".join(new_area(paths.areas, "baru", "73.71", None))
    (cached,) = (tmp_path / "cache" / "boundaries").iterdir()
    assert upstream.asked == [upstream_url("73.71")]
    assert upstream.asked[0].endswith("/db/kel/73/wilayah_boundaries_kel_73.71.sql")
    assert f"first bytes, SHA-256 {sha256(cached)}" in told
    assert told.endswith("next: make maps AREA=baru")
    area = load_area(paths.areas, "baru")
    assert [item.url for item in area.boundaries.files] == upstream.asked
    assert "trust on first" in (paths.areas / "baru" / "area.yaml").read_text()
    sources = read_csv(paths.areas / "baru" / "sources.csv", "sources").set_index("source_id")
    row = sources.loc["boundary_kel_73_71"]
    assert row["sha256"] == sha256(cached)
    assert "trust on first use" in row["citation"]
    assert row["licence"].startswith("MIT")
    run_stages(paths, "baru")
    assert read_table(paths, "baru", "sources", "village")["boundary_kind"].eq("published").all()
    assert capsys.readouterr() == ("", "")


def test_a_hash_another_area_pins_is_held(tmp_path: Path, upstream: Upstream) -> None:
    areas = tmp_path / "areas"
    new_area(areas, "baru", "73.71", None)
    told = "\n".join(new_area(areas, "lagi", "73.71", None))
    assert "trust" not in told
    assert "trust" not in (areas / "lagi" / "sources.csv").read_text()
    (cached,) = (tmp_path / "cache" / "boundaries").iterdir()
    cached.unlink()
    upstream.answer = sql(CODES[:3])
    assert "found other bytes" in refused(areas, "tiga", "73.71", None)
    (areas / "lagi" / "area.yaml").write_text("broken: [")  # its own runs will say so
    assert "found other bytes" in refused(areas, "tiga", "73.71", None)


def test_no_network_and_no_file(
    tmp_path: Path, upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.answer = ConnectionError("no route")
    with pytest.raises(NetworkError):
        new_area(tmp_path / "areas", "baru", "73.71", None)
    folder = ["--areas-folder", str(tmp_path / "areas")]
    assert main(["new-area", "--name", "baru", "--codes", "73.71", *folder]) == 2
    assert capsys.readouterr().err == (
        f"error: {upstream_url('73.71')}: expected an answer within 30 s, found: ConnectionError. "
        "Try again with a network, or name a file of your own: make new-area NAME=... CODES=... "
        "BOUNDARIES=villages.gpkg\n"
    )
    assert not (tmp_path / "areas").exists()


def test_an_answer_that_is_no_boundary_file_does_not_stay(
    tmp_path: Path, upstream: Upstream
) -> None:
    upstream.answer = b"<html>sign in first</html>"
    assert "expected INSERT INTO" in refused(tmp_path / "areas", "baru", "73.71", None)
    upstream.answer = sql()
    assert new_area(tmp_path / "areas", "baru", "73.71", None)


# The command


def test_the_command_needs_name_and_codes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new-area", "--areas-folder", str(tmp_path / "areas")]) == 2
    assert capsys.readouterr().err.startswith("error: 2 faults:\n  - NAME: expected ")


def test_make_passes_name_codes_and_boundaries() -> None:
    asked = ["make", "-n", "new-area", "NAME=baru", "CODES=73.71,73.72", "BOUNDARIES=v.gpkg#desa"]
    done = subprocess.run(asked, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert (
        "-m pipeline new-area --name='baru' --codes='73.71,73.72' --boundaries='v.gpkg#desa'"
        in done.stdout
    )
    shown = subprocess.run(["make"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert "New study area\n  new-area " in shown


# With real polygons


@pytest.fixture(scope="module")
def polygons() -> Path:
    named = os.environ.get("ATLAS_TEST_BOUNDARIES")
    if not named:
        pytest.skip("ATLAS_TEST_BOUNDARIES names no folder with the villages of the known areas")
    return Path(named)


@pytest.mark.parametrize(
    ("known", "stem"), [("pekalongan", "pekalongan"), ("bayat", "klaten"), ("tuban", "tuban")]
)
def test_known_areas_are_made_again_from_their_polygons(
    polygons: Path, tmp_path: Path, known: str, stem: str
) -> None:
    area = load_area(PROJECT / "areas", known)
    codes = ",".join(regency.code for regency in area.regencies)
    new_area(tmp_path, "salinan", codes, str(polygons / f"villages_{stem}.gpkg"))
    made = read_area(tmp_path / "salinan", load_area(tmp_path, "salinan"))
    committed = read_area(PROJECT / "areas" / known, area)
    for name in ("gazetteer", "neighbours"):
        pd.testing.assert_frame_equal(made[name], committed[name])
    assert load_area(tmp_path, "salinan").crs == area.crs


@pytest.mark.parametrize("stem", ["pekalongan", "klaten", "tuban"])
def test_neighbours_are_the_reference_pairs(polygons: Path, stem: str) -> None:
    villages = read_polygons(polygons / f"villages_{stem}.gpkg")
    found = neighbours(coverage(villages, CRS.from_epsg(32749)))
    pairs = pd.read_csv(polygons / f"queen_pairs_{stem}.csv", dtype={"code_a": str, "code_b": str})
    both = found.merge(
        pairs.set_axis(found.columns, axis=1),
        on=["village_code_a", "village_code_b"],
        how="outer",
        suffixes=("", "_reference"),
    )
    assert both.notna().all(axis=None)
    assert (both["shared_border_m"] - both["shared_border_m_reference"]).abs().max() < 0.11
