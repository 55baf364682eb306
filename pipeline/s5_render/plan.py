"""Resolve each layer once: classes, colours, labels, sizes, counts, notes.

Web atlas, QGIS project and figures draw an :class:`AtlasPlan` and nothing else, so that one
declaration looks the same in all three. This module reads no files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import jenkspy
import numpy as np
import pandas as pd
from numpy.typing import NDArray

import geopandas as gpd
import shapely
from pyproj import CRS

from pipeline.contracts.columns import COLUMNS, Column
from pipeline.contracts.crs import GEOGRAPHIC
from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.layer import LayerCatalogue, LayerSpec, Palettes, Scheme
from pipeline.contracts.specialisations import split, vocabulary
from pipeline.contracts.tables import TABLES
from pipeline.contracts.text import LANGUAGES, Language, Text, catalogue, number_text, same, t

UNCATEGORISED = "uncategorised"
"""Key of the class of features whose category the source does not give."""

GRID_M = 0.1
"""Grid on which polygons are joined, metres, so that what touches leaves no sliver."""

_OF_FIRMS = "register_"
"""Tables of sums over the firms of a register begin so."""

_SUM = Text(id="Jumlah: {sums}", en="Sum: {sums}")
_UNPLACED = Text(id="Tidak ditempatkan di {unit}: {n}", en="Not placed in a {unit}: {n}")

OFFSET_SHARE = 0.4
"""Drawing-only offset of points in one place, as a share of the unit's equivalent radius."""

DISTRICT_SHARE = 0.5
"""How much of a district's radius counts for its points: they stay recognisably together."""

OFFSET_MOST_M = 1500.0
"""The largest such offset, metres."""


@dataclass(frozen=True)
class ClassPlan:
    """One class of a layer as every target shows it.

    ``lower`` and ``upper`` are the limits of a numeric class, ``lower < value <= upper`` (the
    first class includes its lower limit); ``category`` is the value of a class of categories;
    both are None for the class of missing values. ``count`` is the number of features;
    ``is_hollow`` says that none of its symbols has a value, so that all are rings.
    """

    key: str
    label: Text
    colour: str
    count: int
    lower: float | None = None
    upper: float | None = None
    category: str | None = None
    is_missing: bool = False
    is_hollow: bool = False


@dataclass(frozen=True)
class SizePlan:
    """One entry of the size legend of proportional symbols."""

    value: float
    label: Text
    diameter_mm: float


@dataclass(frozen=True)
class FieldPlan:
    """One column as popups, aliases and table headers show it.

    ``values`` translates the codes of a column with a vocabulary (status, precision, activity).
    """

    name: str
    kind: str
    label: Text
    unit: Text | None
    decimals: int
    role: str
    values: Mapping[str, Text]

    @property
    def is_year(self) -> bool:
        """Return whether the number is a year: printed without a thousands separator."""
        return COLUMNS[self.name].unit == "year"


@dataclass(frozen=True)
class LayerPlan:
    """One layer, ready to be drawn.

    Attributes
    ----------
    class_of : (n,) array of int
        Index into `classes` for each row of the layer's table.
    diameter_mm : (n,) array of float
        Diameter of each symbol; empty for other geometries.
    hollow : ClassPlan or None
        Symbols without a value: drawn as a ring of their class's colour, `missing_mm` wide; None
        if every symbol has one.
    caption : Text
        What the numbers are: n, status, uncertainty, year, source.
    """

    id: str
    title: Text
    note: Text
    group: str
    geometry: str
    table: str
    key: str
    value: str | None
    category: str | None
    unit: Text | None
    classes: tuple[ClassPlan, ...]
    class_of: NDArray[np.int64]
    diameter_mm: NDArray[np.float64]
    sizes: tuple[SizePlan, ...]
    max_value: float | None
    max_mm: float | None
    missing_mm: float | None
    hollow: ClassPlan | None
    fields: tuple[FieldPlan, ...]
    caption: Text
    is_visible: bool
    has_figure: bool

    @property
    def title_field(self) -> str:
        """Return the column that names a feature."""
        return next(field.name for field in self.fields if field.role == "title")


@dataclass(frozen=True)
class GroupPlan:
    """A group of layers, top first."""

    id: str
    title: Text
    layers: tuple[str, ...]


@dataclass(frozen=True)
class AtlasPlan:
    """All layers of one build of one area.

    Attributes
    ----------
    tables : mapping of str to geopandas.GeoDataFrame
        The tables the layers are drawn from, EPSG:4326, drawing offsets applied.
    bounds, focus : tuple of float
        West, south, east, north in degrees: the whole area, and what maps open on.
    sources : mapping of str to str
        Citation by source id.
    footer : Text
        Boundary kind, CRS, build and date; stands on every product.
    version : str
        Version of the code that made the release.
    omitted : tuple of (Text, Text)
        Title of each layer that has nothing to draw here, and why.
    watermark : Text or None
        What every product must say of an edition that is not real; titles and captions say it
        already, so that each legend, popup and layout has it.
    """

    area: str
    title: Text
    language: Language
    crs: CRS
    build: str
    moment: datetime | None
    groups: tuple[GroupPlan, ...]
    layers: tuple[LayerPlan, ...]
    tables: Mapping[str, gpd.GeoDataFrame]
    bounds: tuple[float, float, float, float]
    focus: tuple[float, float, float, float]
    sources: Mapping[str, str]
    footer: Text
    style: Palettes
    version: str = ""
    omitted: tuple[tuple[Text, Text], ...] = ()
    watermark: Text | None = None

    def layer(self, name: str) -> LayerPlan:
        """Return the layer called `name`."""
        return next(layer for layer in self.layers if layer.id == name)

    @property
    def drawing_order(self) -> tuple[str, ...]:
        """Return the layers from bottom to top: fills, then outlines, then symbols.

        Within each kind the panel's order holds, first on top. A fill above an outline would hide
        it wholly, wherever the panel lists the two.
        """
        kinds = ("choropleth", "outline", "symbols")
        return tuple(
            layer.id for kind in kinds for layer in self.layers[::-1] if layer.geometry == kind
        )


def class_limits(values: NDArray[np.floating[Any]], scheme: Scheme, decimals: int) -> list[float]:
    """Return the upper limits of the classes of `values`, rounded up to `decimals`.

    Parameters
    ----------
    values : (n,) array of float
        Values that are not missing.
    scheme : Scheme
        Method and number of classes, or breaks by hand.
    decimals : int
        Decimals the legend prints; limits are rounded up so that no value leaves its class by
        being printed.

    Returns
    -------
    list of float
        Rising; the last is not below the largest value. Never more classes than distinct values.

    References
    ----------
    Fisher, W. D. (1958). On grouping for maximum homogeneity. Journal of the American
    Statistical Association 53:789-798. Jenks, G. F. (1977). Optimal data classification for
    choropleth maps. University of Kansas.

    Examples
    --------
    >>> class_limits(np.array([1.0, 2, 3, 10]), Scheme(method="quantiles", classes=2), 0)
    [3.0, 10.0]
    """
    top = float(values.max())
    if scheme.breaks is not None:
        limits = [value for value in scheme.breaks if value < top]
    else:
        k = min(scheme.classes, len(np.unique(values)))
        limits = _limits(values, str(scheme.method), k) if k > 1 else []
    rounded = {_round_up(value, decimals) for value in limits}
    highest = _round_up(top, decimals)
    return [*sorted(value for value in rounded if value < highest), highest]


def _limits(values: NDArray[np.floating[Any]], method: str, k: int) -> list[float]:
    """Return the `k` - 1 inner limits."""
    if method == "fisher_jenks":
        return [float(value) for value in jenkspy.jenks_breaks(values, n_classes=k)[1:-1]]
    steps = np.arange(1, k) / k
    if method == "quantiles":
        return [float(value) for value in np.quantile(values, steps)]
    return [float(value) for value in values.min() + steps * (values.max() - values.min())]


def _round_up(value: float, decimals: int) -> float:
    scale = 10.0**decimals
    return math.ceil(round(value * scale, 6)) / scale


def ramp(colours: Sequence[str], k: int) -> list[str]:
    """Return `k` colours of a sequential palette, evenly spread, dark end included.

    Examples
    --------
    >>> ramp(["#ffffff", "#888888", "#000000"], 2)
    ['#888888', '#000000']
    """
    if k == 1:
        return [colours[-1 - len(colours) // 3]]
    first = min(1, len(colours) - k)
    positions = np.linspace(max(first, 0), len(colours) - 1, k)
    return [colours[round(float(position))] for position in positions]


def _class_label(lower: float | None, upper: float, spec: Column, low_value: float) -> Text:
    if spec.kind == "whole":
        start = low_value if lower is None else lower + 1
        if start == upper:
            return number_text(upper, 0)
        return t("legend.range", low=number_text(start, 0), high=number_text(upper, 0))
    low = number_text(low_value if lower is None else lower, spec.decimals)
    high = number_text(upper, spec.decimals)
    if low == high:
        return high
    return t("legend.range" if lower is None else "legend.above", low=low, high=high)


def _numeric_classes(
    spec: LayerSpec, values: pd.Series, style: Palettes
) -> tuple[list[ClassPlan], NDArray[np.int64]]:
    column = COLUMNS[str(spec.value)]
    numbers = values.astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    known = numbers[~np.isnan(numbers)]
    colours = style.palettes[spec.palette].colours
    classes: list[ClassPlan] = []
    class_of = np.full(len(numbers), -1, dtype=np.int64)
    if len(known) and spec.scheme is not None:
        limits = class_limits(known, spec.scheme, column.decimals)
        found = np.searchsorted(np.array(limits), numbers, side="left")
        class_of = np.where(np.isnan(numbers), -1, found).astype(np.int64)
        low = math.floor(float(known.min()) * 10**column.decimals) / 10**column.decimals
        for i, (upper, colour) in enumerate(zip(limits, ramp(colours, len(limits)), strict=True)):
            lower = limits[i - 1] if i else None
            classes.append(
                ClassPlan(
                    key=f"class_{i + 1}",
                    label=_class_label(lower, upper, column, low),
                    colour=colour,
                    count=int((class_of == i).sum()),
                    lower=low if lower is None else lower,
                    upper=upper,
                )
            )
    return classes, class_of


def _category_classes(
    spec: LayerSpec, values: pd.Series, style: Palettes, where: str
) -> tuple[list[ClassPlan], NDArray[np.int64]]:
    known = [category.value for category in spec.categories]
    unknown = sorted(set(values.dropna()) - set(known))
    if unknown:
        raise InputError(
            Fault(
                where,
                f"categories among {', '.join(known)}",
                ", ".join(unknown),
                column=str(spec.category),
                hint="Add them to the layer file",
            )
        )
    codes = values.map({value: i for i, value in enumerate(known)})
    known_codes = codes.astype("Int64").to_numpy(dtype=np.int64, na_value=-1)
    colours = style.palettes[spec.palette].colours
    kept = [i for i in range(len(known)) if (known_codes == i).any()]
    renumber = {old: new for new, old in enumerate(kept)}
    class_of = np.array([renumber.get(int(code), -1) for code in known_codes], dtype=np.int64)
    classes = [
        ClassPlan(
            key=known[i],
            label=spec.categories[i].label,
            colour=colours[i],
            count=int((class_of == renumber[i]).sum()),
            category=known[i],
        )
        for i in kept
    ]
    return classes, class_of


def plan_layer(
    spec: LayerSpec,
    group: str,
    frame: gpd.GeoDataFrame,
    style: Palettes,
    sources: Mapping[str, str],
    unplaced: float = 0.0,
) -> LayerPlan:
    """Resolve one layer.

    Parameters
    ----------
    spec : LayerSpec
        The declaration.
    group : str
        The group it stands in.
    frame : geopandas.GeoDataFrame
        Its table.
    style : Palettes
        Colours.
    sources : mapping
        Short citation by source id.
    unplaced : float
        How much of the value belongs to no unit of the table, only to larger ones.

    Raises
    ------
    InputError
        Declared fields that are not the table's columns (both differences listed), values
        without a declared missing class, unknown categories.
    """
    where = f"layers/{spec.id}.yaml"
    columns = [column for column in frame.columns if column != frame.geometry.name]
    missing = [name for name in spec.fields if name not in columns]
    undeclared = [name for name in columns if name not in spec.fields]
    if missing or undeclared:
        raise InputError(
            Fault(
                where,
                f"fields equal to the columns of table {spec.table}",
                f"not in the table: {', '.join(missing) or 'none'}; "
                f"not declared: {', '.join(undeclared) or 'none'}",
                column="fields",
            )
        )
    palette = style.palettes[spec.palette].colours
    if spec.category:
        classes, class_of = _category_classes(spec, frame[spec.category], style, where)
        gone = class_of < 0
        if gone.any():
            class_of = np.where(gone, len(classes), class_of)
            classes.append(
                ClassPlan(UNCATEGORISED, t("legend.uncategorised"), style.line, int(gone.sum()))
            )
    elif spec.scheme:
        classes, class_of = _numeric_classes(spec, frame[str(spec.value)], style)
    else:
        classes = [ClassPlan("all", spec.title, palette[0], len(frame))]
        class_of = np.zeros(len(frame), dtype=np.int64)
    has_no_value = (
        frame[spec.value].isna().to_numpy() if spec.value else np.zeros(len(frame), dtype=bool)
    )
    if (has_no_value | (class_of < 0)).any() and spec.missing is None:
        raise InputError(
            Fault(
                where,
                "a label for missing values",
                f"{int(has_no_value.sum())} rows without {spec.value}",
                column="missing",
            )
        )
    if spec.geometry == "choropleth" and spec.missing is not None:
        gone = class_of < 0
        if gone.any():
            class_of = np.where(gone, len(classes), class_of)
            classes.append(
                ClassPlan("missing", spec.missing, style.missing, int(gone.sum()), is_missing=True)
            )
    hollow = None
    if spec.geometry == "symbols" and spec.missing is not None and has_no_value.any():
        filled = set(class_of[~has_no_value])
        classes = [replace(one, is_hollow=i not in filled) for i, one in enumerate(classes)]
        hollow = ClassPlan(
            "missing", spec.missing, style.strong_line, int(has_no_value.sum()), is_missing=True
        )
    sizes, diameter, top = _sizes(spec, frame)
    return LayerPlan(
        id=spec.id,
        title=spec.title,
        note=spec.note,
        group=group,
        geometry=spec.geometry,
        table=spec.table,
        key=table_key(spec.table),
        value=spec.value,
        category=spec.category,
        unit=COLUMNS[spec.value].unit_text if spec.value and not has_no_value.all() else None,
        classes=tuple(classes),
        class_of=class_of,
        diameter_mm=diameter,
        sizes=tuple(sizes),
        max_value=top,
        max_mm=spec.symbols.max_mm if spec.symbols else None,
        missing_mm=spec.symbols.missing_mm if spec.symbols else None,
        hollow=hollow,
        fields=tuple(field_plan(name, role, frame[name]) for name, role in spec.fields.items()),
        caption=_caption(
            spec, frame, has_no_value, sources, _sums(spec, frame, classes, class_of, unplaced)
        ),
        is_visible=spec.is_visible,
        has_figure=spec.figure,
    )


def table_key(table: str) -> str:
    """Return the key column of a released table."""
    name = f"released_{table}" if f"released_{table}" in TABLES else table
    return TABLES[name].key[0]


def field_plan(name: str, role: str = "popup", cells: pd.Series | None = None) -> FieldPlan:
    """Return how the column `name` is shown.

    Parameters
    ----------
    name : str
        A column of the data dictionary.
    role : str
        As the layer file has it.
    cells : pandas.Series, optional
        The column itself, for the vocabulary of columns whose cells hold several words.

    Examples
    --------
    >>> field_plan("workers_count").unit.en
    'persons'
    """
    spec = COLUMNS[name]
    prefix = f"{name}."
    values = {
        key.removeprefix(prefix): text
        for key, text in catalogue().items()
        if key.startswith(prefix)
    }
    if name == "specialisation" and cells is not None:
        labels = {key: entry.label for key, entry in vocabulary().items()}
        for cell in sorted(set(cells.dropna())):
            values[cell] = _join([labels.get(one, same(one)) for one in split(cell)], "; ")
    return FieldPlan(name, spec.kind, spec.label, spec.unit_text, spec.decimals, role, values)


def _sizes(
    spec: LayerSpec, frame: gpd.GeoDataFrame
) -> tuple[list[SizePlan], NDArray[np.float64], float | None]:
    """Diameters whose squares are proportional to the value, and three legend entries."""
    if spec.symbols is None:
        return [], np.empty(0), None
    if spec.value is None:
        return [], np.full(len(frame), spec.symbols.missing_mm), None
    values = frame[spec.value].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    if np.isnan(values).all():
        return [], np.full(len(values), spec.symbols.missing_mm), None
    top = float(np.nanmax(values))
    diameter = spec.symbols.max_mm * np.sqrt(values / top)
    diameter = np.where(np.isnan(values), spec.symbols.missing_mm, diameter)
    decimals = COLUMNS[spec.value].decimals
    sizes = [
        SizePlan(value, number_text(value, decimals), spec.symbols.max_mm * math.sqrt(value / top))
        for value in _legend_values(top)
    ]
    return sizes, diameter, top


def _legend_values(top: float) -> list[float]:
    """Return three round values for a size legend, the largest not above `top`."""
    power = 10 ** math.floor(math.log10(top))
    first = max(step * power for step in (1, 2, 5) if step * power <= top)
    return [first / 10, first / 2.5 if str(first)[0] != "2" else first / 2, first]


def short_citation(source: Mapping[Any, Any]) -> str:
    """Return a source as a caption cites it: producer and year; the report has it in full.

    Examples
    --------
    >>> short_citation({"producer": "Wijaya et al.", "year": "2021"})
    'Wijaya et al. (2021)'
    >>> short_citation({"producer": "example.org", "year": pd.NA})
    'example.org'
    """
    if pd.isna(source["year"]):
        return str(source["producer"])
    return f"{source['producer']} ({source['year']})"


def _caption(
    spec: LayerSpec,
    frame: gpd.GeoDataFrame,
    has_no_value: NDArray[np.bool_],
    sources: Mapping[str, str],
    sums: Sequence[Text],
) -> Text:
    parts = []
    is_measured = spec.value is not None and not has_no_value.all()
    shown = frame[~has_no_value] if is_measured else frame
    if is_measured:
        parts.append(t("caption.n", n=len(shown), total=len(frame)))
    else:
        parts.append(t("caption.count", n=len(frame)))
    parts += sums
    if "status" in shown and spec.geometry != "outline":
        kinds = sorted(set(shown["status"].dropna()))
        if kinds:
            parts.append(t("caption.status", status=_join([t(f"status.{kind}") for kind in kinds])))
    if is_measured:
        of_firms = "status" in shown and set(shown["status"].dropna()) <= {"register", "synthetic"}
        parts.append(t("caption.uncertainty_firms" if of_firms else "caption.uncertainty"))
    if spec.geometry != "outline" and (years := _years(shown)):
        span = same(years[0] if len(years) == 1 else f"{years[0]} … {years[-1]}")
        parts.append(t("caption.period", period=span))
    if "source_ids" in shown and spec.geometry != "outline":
        used: dict[str, None] = {}
        for cell in shown["source_ids"].dropna():
            used.update(dict.fromkeys(part.strip() for part in str(cell).split(";")))
        cited = list(dict.fromkeys(sources[name] for name in used if name in sources))
        if cited:
            shown_sources = "; ".join(cited[:3])
            text = t("caption.source", source=same(shown_sources))
            if len(cited) > 3:
                text = t("caption.sources_more", source=same(shown_sources), n=len(cited) - 3)
            parts.append(text)
    return Text(
        **{language: ". ".join(part[language] for part in parts) + "." for language in LANGUAGES}
    )


def _sums(
    spec: LayerSpec,
    frame: gpd.GeoDataFrame,
    classes: Sequence[ClassPlan],
    class_of: NDArray[np.int64],
    unplaced: float,
) -> list[Text]:
    """Say what counts add up to, by category where there are some, and what has no place here.

    Only counts of one status and one year are added up.
    """
    if not str(spec.value).endswith("count"):
        return []
    name = str(spec.value)
    parts = []
    known = frame[name].notna().to_numpy()
    shown = frame[known]
    is_mixed = len(_years(shown)) > 1 or ("status" in shown and shown["status"].nunique() > 1)
    if known.any() and not is_mixed:
        values = frame[name].astype("Float64").to_numpy(dtype=float, na_value=0.0)
        sums = [_amount(name, values.sum())]
        if spec.category:
            by_class = [values[class_of == i].sum() for i in range(len(classes))]
            sums = [
                same("{label} {n}").format(label=one.label, n=_amount(name, value))
                for one, value in zip(classes, by_class, strict=True)
                if not one.is_hollow
            ]
        parts.append(_SUM.format(sums=_join(sums, "; ")))
    if unplaced:
        label = COLUMNS[f"{_unit(spec.table)}_name"].label
        unit = Text(id=label.id.lower(), en=label.en.lower())
        parts.append(_UNPLACED.format(unit=unit, n=_amount(name, unplaced)))
    return parts


def _unit(table: str) -> str:
    """Return the kind of unit a table has rows of."""
    return table.removeprefix(_OF_FIRMS)


def _amount(column: str, value: float) -> Text:
    """Return a number with the unit of its column, where it has one."""
    text, unit = number_text(value, 0), COLUMNS[column].unit_text
    return Text(id=f"{text.id} {unit.id}", en=f"{text.en} {unit.en}") if unit else text


def _unplaced(
    spec: LayerSpec, tables: Mapping[str, gpd.GeoDataFrame], rows: Mapping[str, Any]
) -> float:
    """Return how much of a value is known only to units larger than the layer's, or to none."""
    sums = rows.get("analyse", {}).get(f"{_unit(spec.table)}_firms")
    if sums and spec.table.startswith(_OF_FIRMS) and spec.value == "firms_count":
        return float(sums["in"] - sums["out"])
    code = f"{spec.table}_code"
    clusters = tables["cluster"]
    if spec.geometry != "choropleth" or not {code, spec.value} <= set(clusters.columns):
        return 0.0
    return float(clusters.loc[clusters[code].isna(), spec.value].astype("Float64").sum())


def _years(frame: gpd.GeoDataFrame) -> list[str]:
    """Return the years or periods the rows are about, in order, where the source dates them."""
    column = next((name for name in ("period", "year") if name in frame), None)
    found = set() if column is None else {str(cell) for cell in frame[column].dropna()}
    return sorted(found - {"n.d."})


def _join(texts: Sequence[Text], between: str = ", ") -> Text:
    return Text(
        id=between.join(text.id for text in texts), en=between.join(text.en for text in texts)
    )


def spread_points(
    frame: gpd.GeoDataFrame, key: str, radius_m: pd.Series, crs: CRS
) -> gpd.GeoDataFrame:
    """Move points that share one place apart, for drawing only.

    Parameters
    ----------
    frame : geopandas.GeoDataFrame
        Points in EPSG:4326.
    key : str
        Column that orders the points of one place, so that the result is always the same.
    radius_m : pandas.Series
        Equivalent radius of the unit each point stands for, metres; the points of one place are
        put on a circle of 0.4 of it, at most 1500 m.
    crs : pyproj.CRS
        Projected CRS (metres).

    Returns
    -------
    geopandas.GeoDataFrame
        The rows with a column ``is_offset``; moved points have True.
    """
    moved = frame.copy()
    moved["is_offset"] = pd.Series(False, index=frame.index, dtype="boolean")
    xy = shapely.get_coordinates(frame.geometry.to_crs(crs).to_numpy())
    places = pd.Series([tuple(row) for row in np.round(xy, 2)], index=frame.index)
    for index in places.groupby(places).groups.values():
        if len(index) < 2:
            continue
        ordered = frame.loc[index].sort_values(key).index
        for turn, row in enumerate(ordered):
            angle = math.pi / 2 + 2 * math.pi * turn / len(ordered)
            distance = min(OFFSET_SHARE * float(radius_m.loc[row]), OFFSET_MOST_M)
            position = frame.index.get_loc(row)
            xy[position] += distance * np.array([math.cos(angle), math.sin(angle)])
        moved.loc[index, "is_offset"] = True
    points = gpd.GeoSeries(shapely.points(xy), index=frame.index, crs=crs).to_crs(GEOGRAPHIC)
    return moved.set_geometry(points)


def plan_atlas(
    about: Mapping[str, Any],
    tables: Mapping[str, gpd.GeoDataFrame],
    sources: pd.DataFrame,
    catalogue_: LayerCatalogue,
    crs: CRS,
) -> AtlasPlan:
    """Resolve every layer of an area.

    Parameters
    ----------
    about : mapping
        ``about.json`` of the release.
    tables : mapping
        Released tables by name; every table a layer names.
    sources : pandas.DataFrame
        The sources table.
    catalogue_ : LayerCatalogue
        The layer files.
    crs : pyproj.CRS
        The area's projected CRS.

    Raises
    ------
    InputError
        Faults of all layers at once.
    """
    cited = dict(zip(sources["source_id"], sources["citation"], strict=True))
    short = {row["source_id"]: short_citation(row) for row in sources.to_dict("records")}
    area = about["area"]
    drawn = {name: drawable(frame, name, tables, crs) for name, frame in tables.items()}
    if (tables["village"]["boundary_kind"] == "approximate").any():
        drawn |= _without_gaps(drawn, crs)
    layers, faults, omitted = [], [], []
    for group in catalogue_.atlas.groups:
        for name in group.layers:
            spec = catalogue_.layers[name]
            if spec.table not in drawn:
                faults.append(
                    Fault(
                        f"layers/{name}.yaml",
                        f"one of {', '.join(sorted(drawn))}",
                        repr(spec.table),
                        column="table",
                    )
                )
                continue
            if reason := _nothing_to_draw(spec, drawn[spec.table]):
                omitted.append((spec.title, reason))
                continue
            try:
                frame, unplaced = drawn[spec.table], _unplaced(spec, tables, about["rows"])
                layers.append(
                    plan_layer(spec, group.id, frame, catalogue_.palettes, short, unplaced)
                )
            except InputError as error:
                faults += error.faults
    if faults:
        raise InputError(faults)
    village = tables["village"]
    codes = tuple(area["focus"])
    inside = (
        village["village_code"].str.startswith(codes) if codes else village["village_code"].notna()
    )
    moment = about["timestamp"] and datetime.fromisoformat(about["timestamp"])
    layers = opening(layers)
    kept = {layer.id for layer in layers}
    title, footer = Text(**area["title"]), _footer(about, village, crs, moment or None)
    watermark = t(f"edition.{about['edition']}") if about.get("edition") else None
    if watermark:
        layers = [_marked(layer, watermark) for layer in layers]
        title = t("edition.title", mark=watermark, title=title)
        footer = t("edition.title", mark=t(f"edition.{about['edition']}.about"), title=footer)
    return AtlasPlan(
        area=area["name"],
        title=title,
        language=area["language"],
        crs=crs,
        build=about["build"],
        moment=moment or None,
        groups=tuple(
            GroupPlan(group.id, group.title, shown)
            for group in catalogue_.atlas.groups
            if (shown := tuple(name for name in group.layers if name in kept))
        ),
        layers=tuple(layers),
        tables=drawn,
        bounds=_bounds(village),
        focus=_bounds(village[inside]),
        sources=cited,
        footer=footer,
        style=catalogue_.palettes,
        version=about["environment"]["version"],
        omitted=tuple(omitted),
        watermark=watermark,
    )


def opening(layers: Sequence[LayerPlan]) -> list[LayerPlan]:
    """Choose what a map opens with where the layers declared visible leave it empty.

    One fill is shown, since a second would hide it: the first declared visible. Where none of
    those has anything to draw, the first fill of another measure than the symbols on top of it,
    else the fill of the largest units, where symbols of the same measure leave most in sight.
    Where there are no fills and no symbols are shown, the first layer of symbols is.

    Parameters
    ----------
    layers : sequence of LayerPlan
        In the order of the panel.

    Returns
    -------
    list of LayerPlan
        The same layers, some with another ``is_visible``.
    """
    fills = [layer for layer in layers if layer.geometry == "choropleth"]
    symbols = [layer for layer in layers if layer.geometry == "symbols"]
    on_top = {layer.value for layer in symbols if layer.is_visible}
    wanted = [layer for layer in fills if layer.is_visible]
    wanted += [layer for layer in fills if layer.value not in on_top]
    wanted += sorted(fills, key=lambda layer: len(layer.class_of))
    shown = {layer.id for layer in layers if layer.is_visible and layer.geometry != "choropleth"}
    shown |= {layer.id for layer in wanted[:1]}
    if not fills and not on_top:
        shown |= {layer.id for layer in symbols[:1]}
    return [replace(layer, is_visible=layer.id in shown) for layer in layers]


def _marked(layer: LayerPlan, mark: Text) -> LayerPlan:
    """Say in a layer's title and caption that it is not real."""
    title = t("edition.layer", mark=mark, title=layer.title)
    caption = t("edition.title", mark=mark, title=layer.caption)
    return replace(layer, title=title, caption=caption)


def _nothing_to_draw(spec: LayerSpec, frame: gpd.GeoDataFrame) -> Text | None:
    """Return why a layer is left out: no rows, or no published value at all."""
    if frame.empty:
        return t("omitted.no_rows")
    for name in (spec.category, spec.value):
        if name is not None and frame[name].isna().all():
            return t("omitted.no_values", column=COLUMNS[name].label)
        if spec.category is not None:
            break  # symbols by category are drawn hollow where they have no value
    return None


def drawable(
    frame: gpd.GeoDataFrame, name: str, tables: Mapping[str, gpd.GeoDataFrame], crs: CRS
) -> gpd.GeoDataFrame:
    """Leave units as they are; drop points without a place and spread those that coincide.

    Parameters
    ----------
    frame : geopandas.GeoDataFrame
        A released table, EPSG:4326.
    name : str
        Its name.
    tables : mapping
        Released tables; ``village`` and ``district`` give the size of the units.
    crs : pyproj.CRS
        Projected CRS (metres).
    """
    if frame.empty or not (frame.geom_type.dropna() == "Point").any():
        return frame
    placed = frame[frame.geometry.notna()].reset_index(drop=True)
    radius = _radius_m(tables["district"], "district_name", placed) * DISTRICT_SHARE
    if "village_name" in placed:
        radius = _radius_m(tables["village"], "village_name", placed).fillna(radius)
    return spread_points(placed, table_key(name), radius.fillna(OFFSET_MOST_M), crs)


def _radius_m(units: gpd.GeoDataFrame, name: str, points: gpd.GeoDataFrame) -> pd.Series:
    """Return the equivalent radius of the unit each point names, metres."""
    area = units.drop_duplicates(name).set_index(name)["area_km2"].astype(float)
    return np.sqrt(points[name].map(area).astype(float) * 1e6 / math.pi)


def _without_gaps(tables: Mapping[str, gpd.GeoDataFrame], crs: CRS) -> dict[str, gpd.GeoDataFrame]:
    """Close the gaps between approximate cells in every table of districts and of regencies.

    Left open, each of the many gaps would be drawn with the strong line of a district border.
    """
    area = tables["village"]["area_km2"].astype(float)
    reach_m = 1500 * math.sqrt(float(area.median()) / math.pi)
    district = fill_gaps(tables["district"], reach_m, crs)
    shapes = {
        "district_code": district.set_index("district_code").geometry,
        "regency_code": district.dissolve("regency_code").geometry,
    }
    return {
        name: frame.set_geometry(shapes[key].loc[frame[key]].set_axis(frame.index))
        for name, frame in tables.items()
        if (key := table_key(name)) in shapes
    }


def fill_gaps(units: gpd.GeoDataFrame, reach_m: float, crs: CRS) -> gpd.GeoDataFrame:
    """Give the gaps between units to the unit nearest to each place, for drawing only.

    Parameters
    ----------
    units : geopandas.GeoDataFrame
        Polygons in EPSG:4326 that do not overlap.
    reach_m : float
        Half the width of the widest gap and of the widest bay that is closed, metres.
    crs : pyproj.CRS
        Projected CRS (metres).

    Returns
    -------
    geopandas.GeoDataFrame
        The rows with larger polygons, which make a coverage; what was covered stays with its
        unit, but for corners smaller than a twentieth of `reach_m`.
    """
    cells = units.geometry.to_crs(crs).to_numpy()
    whole = shapely.union_all(cells, grid_size=GRID_M)
    closed = shapely.buffer(shapely.buffer(whole, reach_m), -reach_m)
    gaps = shapely.set_precision(shapely.difference(closed, whole), GRID_M)
    if shapely.is_empty(gaps):
        return units
    step = reach_m / 20
    edges = shapely.get_coordinates(shapely.segmentize(gaps.boundary, step))
    seeds = shapely.points(np.unique(np.round(edges, 1), axis=0))
    owner = shapely.STRtree(cells).nearest(seeds)
    zones = np.array(
        shapely.get_parts(
            shapely.voronoi_polygons(shapely.multipoints(seeds), extend_to=gaps, ordered=True)
        )
    )
    filled = []
    for i, cell in enumerate(cells):
        zone = shapely.coverage_union_all(zones[owner == i])
        pieces = shapely.get_parts(shapely.intersection(zone, gaps, grid_size=GRID_M))
        is_beside = (shapely.area(pieces) > 0) & (shapely.distance(pieces, cell) <= GRID_M)
        filled.append(shapely.union_all([cell, *pieces[is_beside]], grid_size=GRID_M))
    # Crumbs that touch another unit than the nearest, and slivers of rounding.
    filled = shapely.coverage_clean(filled, snapping_distance=1.0, gap_width=step)
    filled = shapely.coverage_simplify(filled, step)  # the steps of the points along the gaps
    return units.set_geometry(gpd.GeoSeries(filled, units.index, crs=crs).to_crs(GEOGRAPHIC))


def _bounds(frame: gpd.GeoDataFrame) -> tuple[float, float, float, float]:
    west, south, east, north = (float(value) for value in frame.total_bounds)
    return west, south, east, north


def _footer(
    about: Mapping[str, Any], village: gpd.GeoDataFrame, crs: CRS, moment: datetime | None
) -> Text:
    kind = village["boundary_kind"].iloc[0]
    date = same(moment.date().isoformat()) if moment else t("footer.no_date")
    return t(
        "footer",
        boundaries=t(f"footer.boundaries.{kind}"),
        crs=same(f"{crs.to_string()}"),
        build=t(f"footer.build.{about['build']}"),
        date=date,
        version=same(about["environment"]["version"]),
    )
