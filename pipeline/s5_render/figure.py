"""Draw the layers of a plan as figures for papers and reports: PNG, SVG and PDF of one drawing.

Everything on the page is laid out in millimetres, in the area's projected CRS, with Matplotlib's
object interface and Agg alone: no pyplot, no window, no settings changed for anybody else. Text
stays text in SVG and PDF (only the halo around labels is outlined), and the font ships with
Matplotlib, so a figure looks the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon, Rectangle
from matplotlib.path import Path as Outline
from matplotlib.patheffects import Stroke
from matplotlib_scalebar.scalebar import ScaleBar
from numpy.typing import NDArray

import geopandas as gpd
import shapely

from pipeline.contracts.crs import GEOGRAPHIC
from pipeline.contracts.text import Language, format_number, t
from pipeline.s5_render._page import (
    BODY,
    EDGE,
    FONT,
    HEAD,
    INCH,
    LEADING,
    POINT,
    SETTINGS,
    SMALL,
    TITLE,
    WIDTH_MM,
    Page,
    height_of,
    is_dark,
    mix,
    printable,
    save,
    text_width,
    wrap,
)
from pipeline.s5_render.plan import AtlasPlan, ClassPlan, LayerPlan

MAX_MAP_MM = 158.0
"""Greatest height of the map, so that a figure and its caption fit an A4 page."""

_GUTTER, _SIDE = 5.0, 44.0
_MAP = WIDTH_MM - 2 * EDGE - _GUTTER - _SIDE
_NAME, _FAINT_NAME = 6.5, 5.4
_MOST_NAMES = 60
_LINES = {"village": 0.25, "district": 0.4, "focus": 0.7, "regency": 1.15}
_HIDDEN_SHARE = 0.1
_ROUNDS = 4
_STRICTLY, _LOOSELY = (True,), (True, False)

Box = tuple[float, float, float, float]


def _outlines(shapes: Iterable[Any]) -> list[Outline]:
    """Return one closed path a polygon or multipolygon, holes running the other way round."""
    paths = []
    for shape in shapely.orient_polygons(np.asarray(shapes, dtype=object)):
        parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
        rings = [ring for part in parts for ring in (part.exterior, *part.interiors)]
        if rings:
            closed = [Outline(shapely.get_coordinates(ring), closed=True) for ring in rings]
            paths.append(Outline.make_compound_path(*closed))
    return paths


@dataclass(frozen=True)
class _Frame:
    """The piece of ground a map shows, and its size on paper."""

    west: float
    south: float
    east: float
    north: float
    height_mm: float

    @property
    def metres_per_mm(self) -> float:
        return (self.east - self.west) / _MAP

    def box(self, shrink_mm: float = 0.0) -> Any:
        d = shrink_mm * self.metres_per_mm
        return shapely.box(self.west + d, self.south + d, self.east - d, self.north - d)


@dataclass
class _Page(Page):
    """A page with room for a map."""

    map: Axes = field(init=False)

    def resize(self, height: float) -> None:
        """Lengthen the page at its lower edge; what is on it keeps its size and place."""
        for axes in self.figure.axes:
            left, bottom, width, share = axes.get_position().bounds
            top = (1 - bottom - share) * self.height
            place = (left, 1 - (top + share * self.height) / height, width)
            axes.set_position((*place, share * self.height / height))
        self.height = height
        self.figure.set_size_inches(WIDTH_MM / INCH, height / INCH)
        self.sheet.set_position((0, 0, 1, 1))
        self.sheet.set_ylim(height, 0)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Return new axes without ticks at a place on the page."""
        place = (
            left / WIDTH_MM,
            1 - (top + height) / self.height,
            width / WIDTH_MM,
            height / self.height,
        )
        axes = self.figure.add_axes(place, zorder=1)
        axes.set(xticks=[], yticks=[], autoscale_on=False)
        return axes


@dataclass(frozen=True)
class _Row:
    """A piece of the side column: its height, and how it is drawn below a given top."""

    height: float
    draw: Callable[[_Page, float], None]


class Drawer:
    """Draws the layers of one plan; projects its tables once and shares them between figures.

    Parameters
    ----------
    plan : AtlasPlan
        What is drawn. Nothing else is read.

    Examples
    --------
    ``Drawer(plan).draw("firms", "en")["pdf"]`` holds the bytes of the figure as PDF.
    """

    def __init__(self, plan: AtlasPlan) -> None:
        self.plan = plan
        self._projected: dict[str, gpd.GeoDataFrame] = {}
        style = plan.style
        self._land = mix(style.paper, style.missing, 0.55)
        self._grey = mix(style.ink, style.line, 0.55)

    def draw(self, layer_id: str, language: Language) -> dict[str, bytes]:
        """Return one layer's figure as PNG (300 dpi), SVG and PDF.

        Parameters
        ----------
        layer_id : str
            A layer of the plan.
        language : {"id", "en"}
            Language of every word and number on it.

        Returns
        -------
        dict of str to bytes
            Keys ``png``, ``svg`` and ``pdf``; the same plan gives the same bytes.
        """
        figure = self.figure(layer_id, language)
        title = printable(
            f"{self.plan.title[language]}: {self.plan.layer(layer_id).title[language]}"
        )
        return save(figure, title)

    def figure(self, layer_id: str, language: Language) -> Figure:
        """Return one layer's figure as a Matplotlib figure, 175 mm wide.

        The artists of a layer carry a ``gid``: ``map-<class>`` on the map, ``legend-<class>``
        in the legend, so that an editor of the SVG finds them.
        """
        with matplotlib.rc_context(SETTINGS):
            return self._compose(self.plan.layer(layer_id), language)

    # The page

    def _compose(self, layer: LayerPlan, language: Language) -> Figure:
        plan, style = self.plan, self.plan.style
        full = WIDTH_MM - 2 * EDGE
        title = wrap(layer.title[language], full, TITLE, "bold")
        note = wrap(layer.note[language], full, BODY)
        head = [printable(plan.title[language]).upper()]
        frame = self._frame(layer, sum(row.height for row in self._legend(layer, language)))
        layer = self._for_print(layer, frame)
        rows = self._legend(layer, language)
        scale = self._scale(frame, language)
        locator = self._locator(frame, language)

        top = EDGE + height_of(head, HEAD) + 0.6 + height_of(title, TITLE) + height_of(note, BODY)
        top += 2.2
        footer = wrap(plan.footer[language], full, SMALL)
        caption = wrap(_caption(layer, language, 0), full, BODY)
        below = 2.4 + 1.2 + height_of(footer, SMALL) + EDGE - 1
        page = _Page(top + frame.height_mm + height_of(caption, BODY) + below)
        if unnamed := self._map(page, layer, frame, top, language):
            caption = wrap(_caption(layer, language, unnamed), full, BODY)
            page.resize(top + frame.height_mm + height_of(caption, BODY) + below)

        ink = style.ink
        y = EDGE
        page.write([head[0]], EDGE, y, HEAD, self._grey, gid="head")
        y += height_of(head, HEAD) + 0.6
        page.write(title, EDGE, y, TITLE, ink, weight="bold", gid="title")
        y += height_of(title, TITLE)
        page.write(note, EDGE, y, BODY, self._grey, gid="note")

        y = top
        for row in rows:
            row.draw(page, y)
            y += row.height
        y = top + frame.height_mm
        for row in (scale, locator):
            y -= row.height
            row.draw(page, y)

        y = top + frame.height_mm + 2.4
        page.write(caption, EDGE, y, BODY, ink, gid="caption")
        y += height_of(caption, BODY) + 1.2
        page.write(footer, EDGE, y, SMALL, self._grey, gid="footer")
        return page.figure

    # The ground

    def _table(self, name: str) -> gpd.GeoDataFrame:
        """Return a table of the plan in the plan's CRS."""
        if name not in self._projected:
            table = self.plan.tables[name].to_crs(self.plan.crs)
            # Rounding in the projection can make thin corners of a valid polygon cross.
            whole = shapely.make_valid(table.geometry.to_numpy(), method="structure")
            self._projected[name] = table.set_geometry(gpd.GeoSeries(whole, table.index, table.crs))
        return self._projected[name]

    @cached_property
    def _regencies(self) -> NDArray[np.object_]:
        district = self._table("district")
        return np.asarray(district.dissolve("regency_code").geometry, dtype=object)

    @cached_property
    def _in_focus(self) -> NDArray[np.bool_]:
        """Tell the districts that lie wholly in the plan's focus."""
        west, south, east, north = self.plan.focus
        bounds = self.plan.tables["district"].geometry.bounds.to_numpy()
        low, high = np.array([west, south]) - 1e-6, np.array([east, north]) + 1e-6
        return np.asarray((bounds[:, :2] >= low).all(axis=1) & (bounds[:, 2:] <= high).all(axis=1))

    def _has_value(self, layer: LayerPlan) -> NDArray[np.bool_]:
        table = self._table(layer.table)
        if layer.value is None:
            return np.ones(len(table), dtype=bool)
        return np.asarray(table[layer.value].notna(), dtype=bool)

    def _frame(self, layer: LayerPlan, legend_mm: float) -> _Frame:
        """Return the ground to show: the focus and all that has data, in a frame that fits."""
        table = self._table(layer.table)
        is_whole = layer.geometry == "outline" and layer.table != "village"
        asked = self.plan.bounds if is_whole else self.plan.focus
        ground = gpd.GeoSeries([shapely.box(*asked)], crs=GEOGRAPHIC).to_crs(self.plan.crs)
        bounds = [ground.total_bounds]
        shown = table if layer.geometry == "symbols" else table[self._has_value(layer)]
        if layer.geometry != "outline" and not shown.empty:
            bounds.append(shown.total_bounds)
        west, south = np.min([b[:2] for b in bounds], axis=0)
        east, north = np.max([b[2:] for b in bounds], axis=0)
        radius = float(layer.diameter_mm.max(initial=0)) / 2
        margin = max(radius + 2.0, 4.0) if layer.geometry == "symbols" else 4.0
        width = max((east - west) / (_MAP - 2 * margin), 1.0) * _MAP
        height = max((north - south) * 1.0, 1.0)
        asked_mm = height / width * _MAP + 2 * margin
        height_mm = max(min(asked_mm, MAX_MAP_MM), legend_mm + 66.0)
        if asked_mm > height_mm:
            width = height / (height_mm - 2 * margin) * _MAP
        x, y = (west + east) / 2, (south + north) / 2
        half = width / _MAP * height_mm / 2
        return _Frame(x - width / 2, y - half, x + width / 2, y + half, height_mm)

    def _for_print(self, layer: LayerPlan, frame: _Frame) -> LayerPlan:
        """Shrink circles that would hide more than a tenth of each other, and their legend."""
        known = self._has_value(layer)
        if layer.geometry != "symbols" or layer.value is None or not known.any():
            return layer
        points = shapely.points(
            shapely.get_coordinates(self._table(layer.table).geometry.to_numpy()[known])
        )
        factor = 1.0
        for factor in (1.0, 0.85, 0.7, 0.55):
            diameter = layer.diameter_mm[known] * factor
            discs = shapely.buffer(points, diameter / 2 * frame.metres_per_mm)
            total = float(shapely.area(discs).sum())
            if shapely.area(shapely.union_all(discs)) >= (1 - _HIDDEN_SHARE) * total:
                break
        return replace(
            layer,
            diameter_mm=np.where(known, layer.diameter_mm * factor, layer.diameter_mm),
            sizes=tuple(
                replace(size, diameter_mm=size.diameter_mm * factor) for size in layer.sizes
            ),
        )

    # The map

    def _map(
        self, page: _Page, layer: LayerPlan, frame: _Frame, top: float, language: Language
    ) -> int:
        """Draw the map; return how many names found no room."""
        style = self.plan.style
        axes = page.map = page.axes(EDGE, top, _MAP, frame.height_mm)
        axes.set(
            xlim=(frame.west, frame.east), ylim=(frame.south, frame.north), facecolor=style.paper
        )
        axes.set_gid("map")
        self._base(axes, layer, frame)
        if layer.geometry == "symbols":
            self._symbols(axes, layer)
        unnamed, taken = self._names(axes, layer, frame)
        self._district_names(axes, layer, frame, taken)
        if self.plan.watermark:
            mark = printable(self.plan.watermark[language])
            size = 0.9 * _MAP / len(mark) / POINT
            look: dict[str, Any] = {"color": style.ink, "alpha": 0.16, "weight": "bold"}
            axes.text(0.5, 0.5, mark, transform=axes.transAxes, rotation=35, size=size,
                      ha="center", va="center", zorder=20, gid="watermark", **look)  # fmt: skip
        page.sheet.add_patch(
            Rectangle((EDGE, top), _MAP, frame.height_mm, fill=False, lw=0.6, ec=style.strong_line)
        )
        return unnamed

    def _shapes(
        self, axes: Axes, shapes: Any, frame: _Frame, gid: str, z: float, **look: Any
    ) -> None:
        """Draw the shapes that the frame shows, cut a little outside it."""
        d = 3 * frame.metres_per_mm
        cut = shapely.clip_by_rect(
            np.asarray(shapes, dtype=object),
            frame.west - d,
            frame.south - d,
            frame.east + d,
            frame.north + d,
        )
        paths = _outlines(cut[~shapely.is_empty(cut)])
        look = {"facecolors": "none", "joinstyle": "round", **look}
        axes.add_collection(PathCollection(paths, zorder=z, gid=gid, **look), autolim=False)

    def _base(self, axes: Axes, layer: LayerPlan, frame: _Frame) -> None:
        """Draw fills and borders, weak below strong."""
        style = self.plan.style
        village, district = self._table("village"), self._table("district")
        main = layer.table if layer.geometry == "outline" else ""
        thin = {"edgecolors": style.line, "linewidths": _LINES["village"]}
        if layer.geometry == "choropleth":
            table = self._table(layer.table)
            for number, one in enumerate(layer.classes):
                chosen = table.geometry[layer.class_of == number]
                look = {**thin, "facecolors": one.colour}
                self._shapes(axes, chosen, frame, f"map-{one.key}", 1.0, **look)
        else:
            if main == "village":
                thin["edgecolors"] = layer.classes[0].colour
            else:
                thin["edgecolors"] = mix(style.line, self._land, 0.45)
            gid = f"map-{layer.classes[0].key}" if main == "village" else "villages"
            self._shapes(axes, village.geometry, frame, gid, 1.0, facecolors=self._land, **thin)
        # In a map of borders every district counts alike; elsewhere those in the focus stand out.
        strong = np.full(len(district), True) if main else self._in_focus
        own = layer.classes[0].colour if main == "district" else style.strong_line
        gid = f"map-{layer.classes[0].key}" if main == "district" else "districts"
        for rows, name, line, colour in (
            (~strong, "districts-outside", "district", mix(style.strong_line, style.line, 0.5)),
            (strong, gid, "focus", own),
        ):
            look = {"linewidths": _LINES[line], "edgecolors": colour}
            self._shapes(axes, district.geometry[rows], frame, name, 1.2, **look)
        own = layer.classes[0].colour if main == "regency" else style.strong_line
        gid = f"map-{layer.classes[0].key}" if main == "regency" else "regencies"
        look = {"linewidths": _LINES["regency"], "edgecolors": own}
        self._shapes(axes, self._regencies, frame, gid, 1.4, **look)

    def _symbols(self, axes: Axes, layer: LayerPlan) -> None:
        """Draw circles of true size, small ones above large ones, hollow without a value."""
        xy = shapely.get_coordinates(self._table(layer.table).geometry.to_numpy())
        known = self._has_value(layer)
        rows = np.argsort(-layer.diameter_mm, kind="stable")
        looks = [self._symbol_look(layer.classes[layer.class_of[i]].colour, known[i]) for i in rows]
        axes.scatter(
            xy[rows, 0],
            xy[rows, 1],
            s=(layer.diameter_mm[rows] / POINT) ** 2,
            zorder=3.0,
            gid="map-symbols",
            facecolors=[look["fc"] for look in looks],
            edgecolors=[look["ec"] for look in looks],
            linewidths=[look["lw"] for look in looks],
        )

    def _symbol_look(self, colour: str, is_known: bool) -> dict[str, Any]:
        paper = self.plan.style.paper
        if is_known:
            return {"fc": to_rgba(colour, 0.88), "ec": to_rgba(paper), "lw": 0.5}
        return {"fc": to_rgba(paper), "ec": to_rgba(colour), "lw": 1.1}

    # Names

    def _names(self, axes: Axes, layer: LayerPlan, frame: _Frame) -> tuple[int, list[Any]]:
        """Name what has a figure; return the number left unnamed and the room taken."""
        table = self._table(layer.table)
        is_outline = layer.geometry == "outline"
        is_large = layer.geometry != "choropleth" and len(table) > _MOST_NAMES
        if is_large and not (is_outline and layer.table == "village"):
            return 0, []
        names = [_shorten(printable(str(name))) for name in table[layer.title_field].fillna("")]
        if layer.geometry == "symbols":
            rank = layer.diameter_mm
        elif layer.value is None:
            rank = np.zeros(len(table))
        else:
            rank = table[layer.value].to_numpy(dtype=float, na_value=np.nan)
        order = np.argsort(-rank, kind="stable")
        rows = [int(i) for i in order if names[i] and not np.isnan(rank[i])]
        if is_outline and layer.table == "village":
            near = set(self._table("district")["district_code"][self._in_focus])
            rows = [i for i in rows if table["district_code"].iloc[i] in near]
            if len(rows) > _MOST_NAMES:
                return 0, []
        places = shapely.point_on_surface(table.geometry.to_numpy())
        style = self.plan.style
        plain = (style.ink, style.paper)
        taken: list[Any] = []
        homeless: list[int] = []
        xy = shapely.get_coordinates(places)
        if layer.geometry == "symbols":
            homes = shapely.buffer(places, layer.diameter_mm / 2 * frame.metres_per_mm)
            rows = _distinct(rows, names, xy, 7 * frame.metres_per_mm)
            seats, homeless = _seats(rows, names, homes, frame)
            taken = [*homes, *(shapely.box(*box) for _, box, _ in seats)]
        else:
            homes = shapely.buffer(places, 0.3 * frame.metres_per_mm)
            fills = [] if is_outline else [table.geometry.iloc[row] for row in rows]
            for row in rows:
                region = shapely.intersection(table.geometry.iloc[row], frame.box(1.0))
                ground = layer.classes[layer.class_of[row]].colour
                dark = not is_outline and is_dark(ground)
                colours = (style.paper, ground) if dark else plain
                if not self._name_inside(
                    axes, names[row], region, frame, taken, _LOOSELY, _NAME, colours, fills=fills
                ):
                    homeless.append(row)
            if is_outline:
                return len(homeless), taken
            seats, homeless = _seats(homeless, names, homes, frame, taken, fills)
            taken += [shapely.box(*box) for _, box, _ in seats]
        for row, box, leader in seats:
            self._name(axes, [names[row]], box, _NAME, *plain)
            if leader is not None:
                x, y = shapely.get_coordinates(leader).T
                axes.plot(x, y, lw=0.5, color=style.ink, zorder=4.0, gid="leader")
                taken.append(leader)
        return len(homeless), taken

    def _name_inside(
        self,
        axes: Axes,
        name: str,
        region: Any,
        frame: _Frame,
        taken: list[Any],
        strictness: Sequence[bool],
        size: float,
        colours: tuple[str, str],
        gid: str = "name",
        fills: Sequence[Any] = (),
    ) -> bool:
        """Write a name inside a region, on one line or two; return whether it found room.

        A name that leaves its region may not hide more than a quarter of any of the `fills`.
        """
        shapely.prepare(region)
        for is_strict in strictness:
            for lines in ([name], _halves(name)):
                box = _inside(region, lines, size, frame, taken, is_strict)
                if box is not None and (is_strict or not _hides(shapely.box(*box), fills)):
                    taken.append(shapely.box(*box))
                    # A name that leaves its region must be read on any ground.
                    shown = colours if is_strict else (self.plan.style.ink, self.plan.style.paper)
                    self._name(axes, lines, box, size, *(shown if gid == "name" else colours), gid)
                    return True
        return False

    def _name(
        self,
        axes: Axes,
        lines: list[str],
        box: Box,
        size: float,
        colour: str,
        halo: str,
        gid: str = "name",
    ) -> None:
        """Write lines of text centred in a box.

        The halo is drawn on its own below, as outlines: one text with both would be outlined as
        a whole in SVG and PDF, and could not be edited or searched.
        """
        step = (box[3] - box[1]) / len(lines)
        for number, line in enumerate(lines):
            place = ((box[0] + box[2]) / 2, box[3] - (number + 0.5) * step)
            look: dict[str, Any] = {"size": size, "ha": "center", "va": "center_baseline"}
            stroke = Stroke(linewidth=size / 4, foreground=halo, joinstyle="round")
            axes.text(*place, line, zorder=4.4, gid="halo", path_effects=[stroke], **look)
            axes.text(*place, line, zorder=5.0, gid=gid, color=colour, **look)

    def _district_names(
        self, axes: Axes, layer: LayerPlan, frame: _Frame, taken: list[Any]
    ) -> None:
        """Name districts in faint capitals where there is room and no name yet."""
        district = self._table("district")
        if layer.table == "district":
            if layer.geometry == "outline":
                return
            is_named = self._has_value(layer)
        else:
            is_named = np.asarray(district["district_name"].isin(self._districts_named(layer)))
        style = self.plan.style
        colours = (mix(style.strong_line, style.line, 0.4), style.paper)
        strictness = _LOOSELY if layer.geometry == "outline" else _STRICTLY
        for row in np.flatnonzero(~is_named):
            name = printable(str(district["district_name"].iloc[row])).upper()
            region = shapely.intersection(district.geometry.iloc[row], frame.box(1.0))
            self._name_inside(
                axes, name, region, frame, taken, strictness, _FAINT_NAME, colours, "district-name"
            )

    def _districts_named(self, layer: LayerPlan) -> set[str]:
        """Return the names of symbols that stand for a whole district."""
        if layer.geometry != "symbols":
            return set()
        table = self._table(layer.table)
        names = table[layer.title_field]
        if "village_name" in table:
            names = names[table["village_name"].isna()]
        return set(names.dropna())

    # The side column

    def _legend(self, layer: LayerPlan, language: Language) -> list[_Row]:
        style = self.plan.style
        header = next(
            (
                field.label
                for field in layer.fields
                if field.name == (layer.category or layer.value)
            ),
            None,
        )
        heading = header[language] if header is not None else t("ui.legend")[language]
        rows = []
        if not (layer.geometry == "symbols" and layer.category is None):
            rows.append(self._heading(heading))
        unit = layer.unit[language] if layer.unit else ""
        if layer.geometry == "choropleth" and unit and unit.lower() != heading.lower():
            rows.append(self._text(unit, self._grey))
        rows += [
            self._entry(layer, one, one.label[language], one.count, language)
            for one in layer.classes
        ]
        if layer.geometry == "symbols" and layer.value is not None:
            if layer.hollow is not None:
                hollow = layer.hollow
                rows.append(
                    self._entry(layer, hollow, hollow.label[language], hollow.count, language)
                )
            if layer.sizes:
                rows.append(_Row(2.0, lambda page, top: None))
                value = next(f for f in layer.fields if f.name == layer.value)
                shown = f"{t('legend.size')[language]}: {value.label[language].lower()}"
                if unit and unit.lower() != value.label[language].lower():
                    shown += f" ({unit})"
                rows.append(self._heading(shown))
                rows.append(self._sizes(layer, language))
        rows.append(_Row(2.0, lambda page, top: None))
        borders = [
            ("regency", "regency", style.strong_line),
            ("focus", "district", style.strong_line),
        ]
        if layer.geometry != "choropleth" or layer.key == "village_code":
            borders.append(("village", "village", style.line))
        for line, name, colour in borders:
            if layer.geometry == "outline" and layer.table == name:
                continue
            rows.append(self._border(t(f"figure.border.{name}")[language], _LINES[line], colour))
        return rows

    @property
    def _left(self) -> float:
        return EDGE + _MAP + _GUTTER

    def _heading(self, text: str) -> _Row:
        lines = wrap(text, _SIDE, BODY, "bold")

        def draw(page: _Page, top: float) -> None:
            page.write(lines, self._left, top, BODY, self.plan.style.ink, weight="bold")

        return _Row(height_of(lines, BODY) + 0.8, draw)

    def _text(self, text: str, colour: str) -> _Row:
        lines = wrap(text, _SIDE, SMALL + 0.5)

        def draw(page: _Page, top: float) -> None:
            page.write(lines, self._left, top - 0.6, SMALL + 0.5, colour)

        return _Row(height_of(lines, SMALL + 0.5) + 0.4, draw)

    def _entry(
        self, layer: LayerPlan, one: ClassPlan, text: str, count: int, language: Language
    ) -> _Row:
        """Return a legend row: swatch, label, number of features."""
        style = self.plan.style
        number = t("legend.count", n=format_number(count, 0, language))[language]
        indent = 8.0
        room = _SIDE - indent - text_width(number, SMALL) - 1.5
        lines = wrap(text, room, BODY)
        height = max(height_of(lines, BODY) + 1.0, 4.6)

        def draw(page: _Page, top: float) -> None:
            middle = top + height / 2
            self._swatch(page, layer, one, self._left + 3.0, middle)
            first = middle - height_of(lines, BODY) / 2
            page.write(lines, self._left + indent, first, BODY, style.ink, gid="legend-label")
            offset = (BODY - SMALL) * 0.95 * POINT
            page.write(
                [number],
                self._left + _SIDE,
                first + offset,
                SMALL,
                self._grey,
                ha="right",
                gid="legend-count",
            )

        return _Row(height, draw)

    def _swatch(self, page: _Page, layer: LayerPlan, one: ClassPlan, x: float, y: float) -> None:
        style = self.plan.style
        gid = f"legend-{one.key}"
        if layer.geometry == "choropleth":
            page.sheet.add_patch(
                Rectangle((x - 3, y - 1.7), 6, 3.4, fc=one.colour, ec=style.line, lw=0.3, gid=gid)
            )
        elif layer.geometry == "outline":
            width = _LINES["focus" if layer.table == "district" else layer.table]
            page.sheet.plot([x - 3, x + 3], [y, y], lw=width, color=one.colour, gid=gid)
        else:
            is_known = not (one.is_missing or one.is_hollow)
            look = self._symbol_look(one.colour, is_known)
            page.sheet.add_patch(
                Circle(
                    (x, y),
                    1.5 if is_known else (layer.missing_mm or 2.0) / 2,
                    gid=gid,
                    **look,
                )
            )

    def _sizes(self, layer: LayerPlan, language: Language) -> _Row:
        """Circles of true size, standing in one another, each with its value."""
        style = self.plan.style
        sizes = sorted(layer.sizes, key=lambda size: -size.diameter_mm)
        widest = sizes[0].diameter_mm
        step = BODY * LEADING * POINT
        tops: list[float] = []
        for size in sizes:
            wanted = widest - size.diameter_mm
            tops.append(max(wanted, tops[-1] + step) if tops else wanted)
        height = max(widest, tops[-1]) + step

        def draw(page: _Page, top: float) -> None:
            floor = top + 0.5 * step + widest
            centre = self._left + widest / 2 + 0.5
            right = self._left + widest + 4.0
            for size, label_top in zip(sizes, tops, strict=True):
                y = floor - size.diameter_mm
                page.sheet.add_patch(
                    Circle(
                        (centre, floor - size.diameter_mm / 2),
                        size.diameter_mm / 2,
                        fc="white",
                        ec=style.ink,
                        lw=0.5,
                        gid="legend-size",
                    )
                )
                label = top + 0.5 * step + label_top
                page.rule([centre, right - 2.0, right - 0.8], [y, y, label], 0.3, self._grey)
                page.sheet.text(
                    right,
                    label,
                    printable(size.label[language]),
                    size=BODY,
                    color=style.ink,
                    va="center_baseline",
                    gid="legend-size-label",
                )

        return _Row(height, draw)

    def _border(self, text: str, width: float, colour: str) -> _Row:
        lines = wrap(text, _SIDE - 8.0, SMALL + 0.5)
        height = height_of(lines, SMALL + 0.5) + 0.6

        def draw(page: _Page, top: float) -> None:
            page.rule([self._left, self._left + 6], [top + height / 2] * 2, width, colour)
            page.write(lines, self._left + 8.0, top + 0.3, SMALL + 0.5, self.plan.style.ink)

        return _Row(height, draw)

    def _scale(self, frame: _Frame, language: Language) -> _Row:
        """Scale bar and north arrow."""
        style = self.plan.style
        most = 28 * frame.metres_per_mm
        power = 10.0 ** math.floor(math.log10(most))
        metres = max(step * power for step in (1, 2, 5) if step * power <= most)
        unit, value = ("km", metres / 1000) if metres >= 1000 else ("m", metres)
        shown = f"{format_number(value, 0, language)} {unit}"
        height = 12.0

        def draw(page: _Page, top: float) -> None:
            page.map.add_artist(
                ScaleBar(
                    1,
                    "m",
                    fixed_value=value,
                    fixed_units=unit,
                    location="lower left",
                    bbox_to_anchor=(self._left, top + height),
                    bbox_transform=page.sheet.transData,
                    width_fraction=0.7 / frame.height_mm,
                    pad=0,
                    border_pad=0,
                    sep=2,
                    rotation="horizontal-only",
                    frameon=False,
                    color=style.ink,
                    scale_formatter=lambda *_: shown,
                    font_properties={"family": FONT, "size": BODY},
                )
            )
            x, base = self._left + _SIDE - 3.5, top + height
            arrow = [(x, base - 8), (x - 2, base), (x, base - 1.6)]
            other = [(x, base - 8), (x + 2, base), (x, base - 1.6)]
            look: dict[str, Any] = {"ec": style.ink, "lw": 0.5, "joinstyle": "miter"}
            page.sheet.add_patch(Polygon(arrow, fc=style.ink, **look))
            page.sheet.add_patch(Polygon(other, fc="white", **look))
            letter = t("figure.grid_north")[language]
            page.sheet.text(
                x, base - 9, letter, size=BODY, color=style.ink, ha="center", weight="bold"
            )

        return _Row(height, draw)

    def _locator(self, frame: _Frame, language: Language) -> _Row:
        """Return a small map of the whole area with the frame of the large one."""
        style = self.plan.style
        shapes = self._regencies
        west, south, east, north = shapely.total_bounds(shapes)
        ground = shapely.box(west, south, east, north)
        if shapely.covered_by(ground, frame.box()):
            return _Row(0.0, lambda page, top: None)
        pad = 0.04 * max(east - west, north - south)
        west, south = min(west - pad, frame.west - pad / 2), min(south - pad, frame.south - pad / 2)
        east, north = max(east + pad, frame.east + pad / 2), max(north + pad, frame.north + pad / 2)
        width = min(_SIDE, 38.0 * (east - west) / (north - south))
        drawn = width * (north - south) / (east - west)
        lines = wrap(t("figure.inset")[language], _SIDE, SMALL + 0.5)
        gap = height_of(lines, SMALL + 0.5) + 0.8

        def draw(page: _Page, top: float) -> None:
            page.write(lines, self._left, top, SMALL + 0.5, self._grey)
            axes = page.axes(self._left, top + gap, width, drawn)
            axes.set(xlim=(west, east), ylim=(south, north), facecolor=style.paper)
            axes.set_gid("locator")
            axes.add_collection(
                PathCollection(
                    _outlines(shapes),
                    facecolors=style.missing,
                    edgecolors=style.strong_line,
                    linewidths=0.5,
                ),
                autolim=False,
            )
            axes.add_patch(
                Rectangle(
                    (frame.west, frame.south),
                    frame.east - frame.west,
                    frame.north - frame.south,
                    fill=False,
                    ec=style.ink,
                    lw=1.0,
                    gid="locator-frame",
                )
            )
            page.sheet.add_patch(
                Rectangle(
                    (self._left, top + gap), width, drawn, fill=False, lw=0.4, ec=style.strong_line
                )
            )

        return _Row(gap + drawn + 4.0, draw)


def _caption(layer: LayerPlan, language: Language, unnamed: int) -> str:
    caption = layer.caption[language]
    return f"{caption} {t('figure.unnamed', n=unnamed)[language]}" if unnamed else caption


def _half_size(lines: Sequence[str], size: float, frame: _Frame) -> tuple[float, float]:
    """Return half the width and height that lines of text take on the ground, in metres."""
    width = max(text_width(line, size) for line in lines) / 2 + 0.4
    return width * frame.metres_per_mm, (height_of(lines, size) / 2 + 0.1) * frame.metres_per_mm


def _free(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    half: tuple[float, float],
    frame: _Frame,
    taken: Sequence[Any],
) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """Return boxes around points, and which of them lie on the map clear of what is taken."""
    boxes = shapely.box(x - half[0], y - half[1], x + half[0], y + half[1])
    west, south, east, north = shapely.bounds(frame.box(0.6))
    is_free = (x - half[0] >= west) & (x + half[0] <= east)
    is_free &= (y - half[1] >= south) & (y + half[1] <= north)
    is_free[is_free] = _is_clear(boxes[is_free], taken)
    return boxes, is_free


def _is_clear(shapes: NDArray[np.object_], taken: Sequence[Any]) -> NDArray[np.bool_]:
    """Tell which shapes touch nothing that is taken."""
    hit, _ = shapely.STRtree(list(taken)).query(shapes, predicate="intersects")
    is_clear = np.ones(len(shapes), dtype=bool)
    is_clear[hit] = False
    return is_clear


def _first(boxes: NDArray[np.object_], fits: NDArray[np.bool_]) -> Box | None:
    """Return the bounds of the first box that fits."""
    if not fits.any():
        return None
    west, south, east, north = shapely.bounds(boxes[int(np.argmax(fits))])
    return float(west), float(south), float(east), float(north)


def _hides(box: Any, fills: Sequence[Any]) -> bool:
    """Tell whether a box covers more than a quarter of a filled unit."""
    units = np.asarray(fills, dtype=object)
    return bool((4 * shapely.area(shapely.intersection(units, box)) > shapely.area(units)).any())


def _seats(
    rows: Sequence[int],
    names: Sequence[str],
    homes: NDArray[np.object_],
    frame: _Frame,
    taken: Sequence[Any] = (),
    fills: Sequence[Any] = (),
) -> tuple[list[tuple[int, Box, Any]], list[int]]:
    """Find room for names beside their homes, or apart with a line to them.

    Names are seated in order; those that found no room go first in the next round, since the
    others have more choice. The round that seats most wins, then that with the shortest lines.
    A name stands on one of the `fills` only where there is no other seat; lines may cross them.

    Returns
    -------
    list of (row, box, line or None)
        The names that have a seat.
    list of int
        The rows that have none.
    """
    best: tuple[list[tuple[int, Box, Any]], list[int]] = ([], list(rows))
    least = (len(rows), math.inf)
    crowd = shapely.buffer(homes[list(rows)], 8 * frame.metres_per_mm)
    neighbours = shapely.intersects(crowd[:, None], homes[None, :]).sum(axis=1)
    order = [rows[i] for i in np.argsort(-neighbours, kind="stable")]
    for _ in range(_ROUNDS if len(rows) <= _MOST_NAMES else 1):
        seats: list[tuple[int, Box, Any]] = []
        missed: list[int] = []
        room = [*homes, *taken]
        for row in order:
            seat = _seat(homes[row], names[row], frame, room, fills)
            if seat is None and len(fills):
                seat = _seat(homes[row], names[row], frame, room)
            if seat is None:
                missed.append(row)
                continue
            box, leader = seat
            room += [shapely.box(*box), *([] if leader is None else [leader])]
            seats.append((row, box, leader))
        length = sum(float(shapely.length(leader)) for *_, leader in seats if leader is not None)
        if (len(missed), length) < least:
            best, least = (seats, missed), (len(missed), length)
        if not missed:
            break
        order = [*missed, *(row for row in order if row not in missed)]
    return best


def _seat(
    home: Any, name: str, frame: _Frame, taken: Sequence[Any], fills: Sequence[Any] = ()
) -> tuple[Box, Any] | None:
    """Return a free box for a name and the line that leads to it, if it needs one."""
    box = _beside(home, name, frame, [*taken, *fills])
    return _apart(home, name, frame, taken, fills) if box is None else (box, None)


def _disc(home: Any) -> tuple[float, float, float]:
    """Return centre and radius of a disc."""
    west, south, east, north = shapely.bounds(home)
    return (west + east) / 2, (south + north) / 2, (east - west) / 2


def _beside(home: Any, name: str, frame: _Frame, taken: Sequence[Any]) -> Box | None:
    """Return a free box for a name that touches its disc: right, left, above, below, aslant."""
    half = _half_size([name], _NAME, frame)
    x, y, radius = _disc(home)
    reach = radius + 0.25 * frame.metres_per_mm
    sides: list[tuple[float, float]] = [(1, 0), (-1, 0), (0, 1), (0, -1)]
    sides += [(1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0.5), (1, -0.5), (-1, 0.5), (-1, -0.5)]
    turns = np.array(sides)
    steps = turns / np.linalg.norm(turns, axis=1, keepdims=True) * reach + turns * half
    return _first(*_free(x + steps[:, 0], y + steps[:, 1], half, frame, taken))


def _apart(
    home: Any, name: str, frame: _Frame, taken: Sequence[Any], fills: Sequence[Any]
) -> tuple[Box, Any] | None:
    """Return a free box at some distance from a disc and a line from the disc to the box.

    The nearest box wins whose line crosses no name, no other symbol and no other line.
    """
    scale = frame.metres_per_mm
    half = _half_size([name], _NAME, frame)
    x, y, radius = _disc(home)
    turn, distance = np.meshgrid(np.arange(0, 360, 10.0), radius + np.arange(1.5, 30, 1.5) * scale)
    turn, distance = np.deg2rad(turn.ravel()), distance.ravel()
    boxes, is_free = _free(
        x + np.cos(turn) * (distance + half[0]),
        y + np.sin(turn) * (distance + half[1]),
        half,
        frame,
        [*taken, *fills],
    )
    near = boxes[is_free]
    leaders = shapely.shortest_line(home, shapely.buffer(near, -0.3 * scale))
    is_clear = _is_clear(leaders, [other for other in taken if other is not home])
    box = _first(near, is_clear)
    return None if box is None else (box, leaders[int(np.argmax(is_clear))])


def _inside(
    region: Any,
    lines: list[str],
    size: float,
    frame: _Frame,
    taken: Sequence[Any],
    is_strict: bool,
) -> Box | None:
    """Return a free box for lines of text in a region, near its middle; None without one.

    A strict box lies inside the region; any other has its centre there.
    """
    if shapely.is_empty(region) or shapely.area(region) == 0:
        return None
    half = _half_size(lines, size, frame)
    west, south, east, north = shapely.bounds(region)
    circle = shapely.maximum_inscribed_circle(region, tolerance=frame.metres_per_mm)
    middle = shapely.get_coordinates(circle)[0]
    steps = np.linspace(0.04, 0.96, 24)
    x, y = np.meshgrid(west + steps * (east - west), south + steps * (north - south))
    x, y = np.append(x, middle[0]), np.append(y, middle[1])
    order = np.argsort((x - middle[0]) ** 2 + (y - middle[1]) ** 2, kind="stable")
    x, y = x[order], y[order]
    boxes, is_free = _free(x, y, half, frame, taken)
    if is_strict:
        is_free[is_free] = shapely.covers(region, boxes[is_free])
    else:
        is_free[is_free] = shapely.contains_xy(region, x[is_free], y[is_free])
    return _first(boxes, is_free)


def _distinct(
    rows: list[int], names: Sequence[str], xy: NDArray[np.float64], within: float
) -> list[int]:
    """Drop rows whose name a neighbour within a distance already carries."""
    kept: list[int] = []
    for row in rows:
        if not any(
            names[other] == names[row] and math.dist(xy[other], xy[row]) <= within for other in kept
        ):
            kept.append(row)
    return kept


def _halves(name: str) -> list[str]:
    """Split a name of several words into two lines of about one length."""
    words = name.split(" ")
    cuts = [(" ".join(words[:i]), " ".join(words[i:])) for i in range(1, len(words))]
    return list(min(cuts, key=lambda cut: max(map(len, cut)))) if cuts else [name]


def _shorten(name: str, most_mm: float = 42.0) -> str:
    """Cut a name that would run over a good part of the map."""
    if text_width(name, _NAME) <= most_mm:
        return name
    while text_width(f"{name}…", _NAME) > most_mm:
        name = name[:-1]
    return f"{name.rstrip()}…"
