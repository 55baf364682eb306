"""Which ground a map of the QGIS project shows, and at what scale."""

from __future__ import annotations

from collections.abc import Iterable

from pyproj import Transformer

from pipeline.s5_render.plan import AtlasPlan, LayerPlan

Bounds = tuple[float, float, float, float]

A4_MAP_MM = (200.0, 160.0)
"""Size of the map of an A4 layout, a little less than it is."""


def project_bounds(plan: AtlasPlan, bounds: Bounds) -> Bounds:
    """Return bounds given in degrees in the project's CRS, metres."""
    transformer = Transformer.from_crs("EPSG:4326", plan.crs, always_xy=True)
    west, south, east, north = transformer.transform_bounds(*bounds, densify_pts=21)
    return west, south, east, north


def shown_bounds(plan: AtlasPlan, layers: Iterable[LayerPlan]) -> Bounds:
    """Return the focus, widened to every symbol and every unit with a value, degrees."""
    west, south, east, north = plan.focus
    for layer in layers:
        table = plan.tables[layer.table]
        if layer.geometry == "choropleth":
            table = table[table[layer.value].notna()]
        if layer.geometry != "outline" and len(table):
            x0, y0, x1, y1 = (float(value) for value in table.total_bounds)
            west, south = min(west, x0), min(south, y0)
            east, north = max(east, x1), max(north, y1)
    return west, south, east, north


def window(plan: AtlasPlan, width: float, height: float, shown: Bounds | None = None) -> Bounds:
    """Return the map that shows the focus, or other bounds, in a frame of this shape, metres.

    The room a frame has to spare beside them goes to where the area goes on, not to where there
    is nothing to draw.
    """
    west, south, east, north = shown = shown or plan.focus
    left, low, right, high = project_bounds(plan, shown)
    xmin, ymin, xmax, ymax = fit((left, low, right, high), width, height)
    margin = 0.04 * max(right - left, high - low)
    units = plan.tables["village"].bounds
    beside = units[(units["maxy"] > south) & (units["miny"] < north)]
    above = units[(units["maxx"] > west) & (units["minx"] < east)]
    drawn = project_bounds(
        plan,
        (beside["minx"].min(), above["miny"].min(), beside["maxx"].max(), above["maxy"].max()),
    )
    x = _slide(xmin, xmax, drawn[0] - margin, drawn[2] + margin)
    y = _slide(ymin, ymax, drawn[1] - margin, drawn[3] + margin)
    x = min(max(x, right + margin - xmax), left - margin - xmin)
    y = min(max(y, high + margin - ymax), low - margin - ymin)
    return xmin + x, ymin + y, xmax + x, ymax + y


def _slide(low: float, high: float, least: float, most: float) -> float:
    """Return by how much to move low..high so that it leaves least..most as little as can be.

    Examples
    --------
    >>> _slide(0.0, 10.0, -20.0, 6.0), _slide(0.0, 10.0, 2.0, 6.0), _slide(0.0, 10.0, -5.0, 15.0)
    (-4.0, -1.0, 0.0)
    """
    if high - low >= most - least:
        return (least + most - low - high) / 2
    return min(0.0, most - high) + max(0.0, least - low)


def fit(bounds: Bounds, width: float, height: float, margin: float = 0.04) -> Bounds:
    """Return bounds widened to the shape of a frame, with a margin on every side.

    Examples
    --------
    >>> fit((0, 0, 10, 10), 200, 100, margin=0)
    (-5.0, 0.0, 15.0, 10.0)
    """
    xmin, ymin, xmax, ymax = bounds
    wide, high = (xmax - xmin) * (1 + 2 * margin), (ymax - ymin) * (1 + 2 * margin)
    wide, high = max(wide, high * width / height), max(high, wide * height / width)
    x, y = (xmin + xmax) / 2, (ymin + ymax) / 2
    return x - wide / 2, y - high / 2, x + wide / 2, y + high / 2


def a4_scale(plan: AtlasPlan, layer: LayerPlan) -> float:
    """Return the denominator of the scale at which an A4 layout shows a layer."""
    xmin, ymin, xmax, ymax = project_bounds(plan, shown_bounds(plan, [layer]))
    wide, high = A4_MAP_MM
    return 1000 * 1.08 * max((xmax - xmin) / wide, (ymax - ymin) / high)
