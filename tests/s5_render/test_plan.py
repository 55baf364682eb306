"""The plan: classes, labels, sizes, captions, offsets; faults of layer files."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import geopandas as gpd
import shapely
import shapely.affinity
from pyproj import CRS

from pipeline.contracts.errors import InputError
from pipeline.contracts.layer import LayerSpec, Scheme, load_layers
from pipeline.contracts.provenance import PROJECT
from pipeline.s5_render.load import read_release
from pipeline.s5_render.plan import (
    class_limits,
    drawable,
    fill_gaps,
    opening,
    plan_atlas,
    plan_layer,
    ramp,
    spread_points,
)

if TYPE_CHECKING:
    from pipeline.contracts.provenance import Paths
    from pipeline.s5_render.plan import AtlasPlan, LayerPlan

STYLE = load_layers(PROJECT / "layers").palettes
UTM = CRS.from_epsg(32749)


def villages(firms: list[int | None]) -> gpd.GeoDataFrame:
    """Return one square village a count."""
    n = len(firms)
    return gpd.GeoDataFrame(
        {
            "village_code": pd.Series([f"99.01.01.10{i:02d}" for i in range(n)], dtype="string"),
            "village_name": pd.Series([f"Desa {i}" for i in range(n)], dtype="string"),
            "firms_count": pd.Series(firms, dtype="Int64"),
        },
        geometry=[shapely.box(i, 0, i + 1, 1) for i in range(n)],
        crs="EPSG:4326",
    )


def choropleth(**changes: object) -> LayerSpec:
    """Return a choropleth of firms, changed as asked."""
    return LayerSpec.model_validate(
        {
            "id": "firms",
            "title": {"id": "Usaha", "en": "Firms"},
            "note": {"id": "Catatan", "en": "Note"},
            "table": "village",
            "geometry": "choropleth",
            "value": "firms_count",
            "scheme": {"breaks": [10, 20]},
            "palette": "soga",
            "missing": {"id": "tidak ada", "en": "none"},
            "fields": {
                "village_code": "popup",
                "village_name": "title",
                "firms_count": "popup",
            },
            **changes,
        }
    )


def test_classes_are_lower_open_upper_closed_and_counted() -> None:
    layer = plan_layer(choropleth(), "g", villages([3, 10, 11, 20, 21, None]), STYLE, {})
    assert [c.count for c in layer.classes] == [2, 2, 1, 1]
    assert [c.label.id for c in layer.classes] == ["3–10", "11–20", "21", "tidak ada"]
    assert list(layer.class_of) == [0, 0, 1, 1, 2, 3]
    assert layer.classes[-1].is_missing
    assert layer.classes[-1].colour == STYLE.missing


def test_numbers_print_as_the_language_does() -> None:
    layer = plan_layer(choropleth(scheme={"breaks": [1000]}), "g", villages([900, 1468]), STYLE, {})
    assert layer.classes[1].label.id == "1.001–1.468"
    assert layer.classes[1].label.en == "1,001–1,468"


def test_all_missing_still_makes_a_layer() -> None:
    layer = plan_layer(choropleth(), "g", villages([None, None]), STYLE, {})
    assert [c.key for c in layer.classes] == ["missing"]


def test_undeclared_and_missing_fields_are_both_listed() -> None:
    spec = choropleth(
        fields={
            "village_code": "popup",
            "village_name": "title",
            "firms_count": "popup",
            "workers_count": "popup",
        }
    )
    frame = villages([1, 2])
    frame["area_km2"] = 1.0
    with pytest.raises(InputError) as caught:
        plan_layer(spec, "g", frame, STYLE, {})
    assert "not in the table: workers_count" in str(caught.value)
    assert "not declared: area_km2" in str(caught.value)


def test_missing_values_need_a_declared_class() -> None:
    with pytest.raises(InputError, match="a label for missing values"):
        plan_layer(choropleth(missing=None), "g", villages([1, None]), STYLE, {})


def test_unknown_category_is_refused() -> None:
    spec = choropleth(
        geometry="symbols",
        value=None,
        scheme=None,
        category="village_name",
        categories=[{"value": "Desa 0", "label": {"id": "a", "en": "a"}}],
        symbols={"max_mm": 5, "missing_mm": 1},
    )
    with pytest.raises(InputError, match="Desa 1"):
        plan_layer(spec, "g", villages([1, 2]), STYLE, {})


@given(
    st.lists(st.integers(0, 10_000), min_size=1, max_size=60),
    st.sampled_from(["fisher_jenks", "quantiles", "equal_interval"]),
    st.integers(2, 7),
)
def test_limits_rise_hold_every_value_and_leave_no_class_too_many(
    numbers: list[int], method: str, classes: int
) -> None:
    values = np.array(numbers, dtype=float)
    limits = class_limits(values, Scheme(method=method, classes=classes), 0)
    assert limits == sorted(set(limits))
    assert limits[-1] >= values.max()
    assert len(limits) <= min(classes, len(set(numbers)))


def test_fisher_jenks_splits_where_it_should() -> None:
    values = np.array([1, 2, 3, 50, 51, 52, 100.0])
    assert class_limits(values, Scheme(method="fisher_jenks", classes=3), 0) == [3, 52, 100]


def test_limits_are_rounded_up_so_that_no_value_leaves_its_class() -> None:
    values = np.array([1.11, 2.22, 9.99])
    limits = class_limits(values, Scheme(method="quantiles", classes=3), 1)
    classes = np.searchsorted(limits, values, side="left")
    assert list(classes) == [0, 1, 2]
    assert all(round(limit, 1) == limit for limit in limits)


@pytest.mark.parametrize("k", range(1, 8))
def test_ramp_gives_distinct_colours_with_the_dark_end(k: int) -> None:
    colours = STYLE.palettes["indigo"].colours
    found = ramp(colours, k)
    assert len(set(found)) == k
    assert k == 1 or found[-1] == colours[-1]


@pytest.mark.parametrize("name", ["soga", "indigo", "mengkudu"])
def test_sequential_palettes_get_steadily_darker(name: str) -> None:
    def lightness(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    levels = [lightness(colour) for colour in STYLE.palettes[name].colours]
    assert levels == sorted(levels, reverse=True)
    assert all(a - b > 0.01 for a, b in itertools.pairwise(levels))


def test_symbol_area_is_proportional_to_the_value(toy_plan: AtlasPlan) -> None:
    layer = toy_plan.layer("clusters")
    frame = toy_plan.tables["cluster"]
    workers = frame["workers_count"].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    known = ~np.isnan(workers)
    ratio = layer.diameter_mm[known] ** 2 / workers[known]
    assert np.allclose(ratio, ratio[0])
    assert set(layer.diameter_mm[~known]) == {layer.missing_mm}
    for size in layer.sizes:
        assert size.diameter_mm == pytest.approx(math.sqrt(size.value * ratio[0]))
        assert size.value <= np.nanmax(workers)


def test_symbols_without_any_value_are_rings_without_a_unit_and_cite_their_source() -> None:
    spec = choropleth(
        geometry="symbols",
        scheme=None,
        category="village_name",
        categories=[{"value": f"Desa {i}", "label": {"id": "a", "en": "a"}} for i in range(3)],
        symbols={"max_mm": 5, "missing_mm": 1},
        palette="activity",
        fields={
            "village_code": "popup",
            "village_name": "title",
            "firms_count": "popup",
            "period": "popup",
            "status": "popup",
            "source_ids": "popup",
        },
    )
    frame = villages([None, None, 7])
    for name, cells in (
        ("period", ["2010", "n.d.", "2012"]),
        ("status", "published"),
        ("source_ids", ["a", "a", "b"]),
    ):
        frame[name] = pd.Series(cells, index=frame.index, dtype="string")
    cited = {"a": "One (2010)", "b": "Two (2012)"}

    mixed = plan_layer(spec, "g", frame, STYLE, cited)
    assert [item.is_hollow for item in mixed.classes] == [True, True, False]
    assert mixed.unit is not None
    assert mixed.caption.en.startswith("n = 1 of 3 have a figure. ")
    assert "Year: 2012. Source: Two (2012)." in mixed.caption.en

    bare = plan_layer(spec, "g", frame.iloc[:2].reset_index(drop=True), STYLE, cited)
    assert [item.is_hollow for item in bare.classes] == [True, True]
    assert bare.unit is None
    assert bare.caption.en == "n = 2. Status: published. Year: 2010. Source: One (2010)."


def test_counts_are_summed_and_what_has_no_place_here_is_said() -> None:
    frame = villages([1000, 468, None])
    plain = plan_layer(choropleth(), "g", frame, STYLE, {}, unplaced=23.0)
    assert "Jumlah: 1.468 unit usaha. Tidak ditempatkan di desa/kelurahan: 23 unit usaha." in (
        plain.caption.id
    )
    assert "Sum: 1,468 firms. Not placed in a village: 23 firms." in plain.caption.en
    frame["period"] = pd.Series(["2010", "2012", "2012"], dtype="string")
    fields = {**choropleth().fields, "period": "popup"}
    layer = plan_layer(choropleth(fields=fields), "g", frame, STYLE, {})
    assert "Sum:" not in layer.caption.en


def test_what_is_known_only_to_a_larger_unit_is_said_where_sums_stand(
    toy_plan: AtlasPlan,
) -> None:
    cluster = toy_plan.tables["cluster"]
    (workers,) = cluster.loc[cluster["village_code"].isna(), "workers_count"]
    assert f"Not placed in a village: {workers} persons." in toy_plan.layer("employment").caption.en
    assert "Not placed" not in toy_plan.layer("district_employment").caption.en
    assert "Not placed" not in toy_plan.layer("clusters").caption.en


def measured(plan: AtlasPlan, *without: str) -> list[LayerPlan]:
    """Return the published layers without those that measure one of these columns."""
    published = [layer for layer in plan.layers if layer.group != "register"]
    return [layer for layer in published if layer.value not in without]


def shown(layers: list[LayerPlan]) -> set[str]:
    return {layer.id for layer in opening(layers) if layer.is_visible}


def test_a_map_opens_with_what_there_is_to_see(toy_plan: AtlasPlan) -> None:
    borders = {"regencies", "districts", "villages"}
    assert shown(measured(toy_plan)) == {"firms", "clusters", *borders}
    # Another measure than the circles on top; of the same one, the largest units.
    assert shown(measured(toy_plan, "firms_count")) == {"workers_per_firm", "clusters", *borders}
    same = measured(toy_plan, "firms_count", "workers_per_firm", "firms_per_km2")
    assert shown(same) == {"district_employment", "clusters", *borders}
    # No fill at all, and no circles that are declared visible.
    points = [layer for layer in same if layer.value is None or layer.geometry == "outline"]
    assert shown(points) == {"facilities", *borders}
    assert shown([layer for layer in points if layer.geometry == "outline"]) == borders


def test_one_fill_is_shown_where_two_are_declared_visible(toy_plan: AtlasPlan) -> None:
    layers = [
        replace(layer, is_visible=layer.geometry == "choropleth") for layer in measured(toy_plan)
    ]
    assert shown(layers) == {"firms"}


def test_gaps_go_to_the_nearest_unit_and_nothing_is_lost() -> None:
    cells = [
        shapely.box(0, 0, 10_000, 10_000),
        shapely.box(10_400, 0, 20_000, 10_000),
        shapely.box(0, 10_600, 20_000, 20_000),
        shapely.box(40_000, 0, 50_000, 10_000),
    ]
    origin = gpd.GeoSeries.from_xy([700_000], [9_200_000], crs=UTM).iloc[0]
    there = gpd.GeoSeries(
        [shapely.affinity.translate(cell, origin.x, origin.y) for cell in cells], crs=UTM
    )
    filled = fill_gaps(gpd.GeoDataFrame(geometry=there.to_crs("EPSG:4326")), 800.0, UTM)
    found = filled.geometry.to_crs(UTM).to_numpy()
    assert shapely.coverage_is_valid(found)
    before = there.to_numpy()
    assert (shapely.area(shapely.difference(before, found)) < 2 * 40**2).all()
    assert shapely.area(found[3]) == pytest.approx(1e8, rel=1e-6)
    assert len(shapely.get_parts(shapely.union_all(found))) == 2
    for x, y, nearest in [(10_150, 5_000, 0), (10_250, 5_000, 1), (5_000, 10_500, 2)]:
        point = shapely.Point(origin.x + x, origin.y + y)
        assert list(shapely.contains(found, point)) == [i == nearest for i in range(4)]


def test_borders_of_approximate_cells_are_drawn_without_their_gaps(
    toy_release: tuple[Paths, str],
) -> None:
    release = read_release(*toy_release, "internal")
    tables = {name: release.tables[name] for name in release.plan.tables}
    kinds = pd.Series("approximate", index=tables["village"].index, dtype="string")
    cells = {
        name: tables[name].set_geometry(
            tables[name].geometry.to_crs(UTM).buffer(-60.0).to_crs("EPSG:4326")
        )
        for name in ("district", "regency")
    }
    plan = plan_atlas(
        release.about,
        {**tables, **cells, "village": tables["village"].assign(boundary_kind=kinds)},
        release.tables["sources"],
        load_layers(PROJECT / "layers"),
        UTM,
    )
    district, regency = (plan.tables[name].to_crs(UTM).geometry for name in ("district", "regency"))
    assert shapely.coverage_is_valid(district.to_numpy())
    assert district.area.sum() > 1.01 * cells["district"].to_crs(UTM).area.sum()
    assert regency.area.sum() == pytest.approx(district.area.sum(), rel=1e-6)
    assert release.plan.tables["district"].geometry.equals(tables["district"].geometry)


def test_two_clusters_of_one_village_are_moved_apart_and_say_so(toy_plan: AtlasPlan) -> None:
    frame = toy_plan.tables["cluster"].set_index("cluster_id")
    pair = frame.loc[["toy-kenanga-lor", "toy-kenanga-kidul"]]
    assert pair["is_offset"].all()
    assert not frame.loc["toy-melati", "is_offset"]
    points = pair.geometry.to_crs(UTM)
    area = toy_plan.tables["village"].set_index("village_code").loc["99.01.01.1002", "area_km2"]
    radius = 0.4 * math.sqrt(area * 1e6 / math.pi)
    assert points.iloc[0].distance(points.iloc[1]) == pytest.approx(2 * radius, rel=1e-4)


def test_points_of_one_district_are_moved_apart_by_a_part_of_its_size(toy_plan: AtlasPlan) -> None:
    """Wider than in a village, so that circles of one kecamatan do not hide each other."""
    frame = toy_plan.tables["centre"].iloc[:2].copy()
    district = toy_plan.tables["district"].iloc[0]
    frame["village_name"] = pd.NA
    frame["district_name"] = district["district_name"]
    middle = shapely.point_on_surface(district.geometry)
    tables = {**toy_plan.tables, "centre": frame.set_geometry([middle, middle], crs="EPSG:4326")}
    moved = drawable(tables["centre"], "centre", tables, UTM).geometry.to_crs(UTM)
    apart = moved.iloc[0].distance(moved.iloc[1])
    radius = math.sqrt(district["area_km2"] * 1e6 / math.pi)
    assert apart == pytest.approx(2 * min(0.2 * radius, 1500), rel=1e-4)


def test_offsets_do_not_depend_on_the_order_of_rows() -> None:
    frame = gpd.GeoDataFrame(
        {"cluster_id": ["b", "a", "c"]},
        geometry=gpd.points_from_xy([110, 110, 110.1], [-7, -7, -7]),
        crs="EPSG:4326",
    )
    radius = pd.Series(500.0, index=frame.index)
    once = spread_points(frame, "cluster_id", radius, UTM).set_index("cluster_id").geometry
    turned = frame.iloc[::-1].reset_index(drop=True)
    again = spread_points(turned, "cluster_id", radius, UTM).set_index("cluster_id").geometry
    for key in ("a", "b", "c"):
        assert once[key].equals_exact(again[key], 1e-9)


def test_captions_carry_n_status_uncertainty_year_and_source(toy_plan: AtlasPlan) -> None:
    caption = toy_plan.layer("firms").caption
    for part in ("n = ", "Status: ", "Uncertainty: ", "Year: ", "Source: "):
        assert part in caption.en
        assert part in toy_plan.layer("clusters").caption.en
    assert "INTERNAL" in toy_plan.footer.en
    assert "EPSG:32749" in toy_plan.footer.id


def test_every_layer_of_the_project_draws_the_toy_area(toy_plan: AtlasPlan) -> None:
    declared = load_layers(PROJECT / "layers")
    tables = {name for name, frame in toy_plan.tables.items() if len(frame)}
    wanted = [layer.id for layer in declared.ordered() if layer.table in tables]
    assert [layer.id for layer in toy_plan.layers] == wanted
    for layer in toy_plan.layers:
        counted = sum(c.count for c in layer.classes)
        assert counted == len(toy_plan.tables[layer.table])
