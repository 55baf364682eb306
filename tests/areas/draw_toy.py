"""Draw the invented area: villages are sets of 1 km grid cells, so every area is a whole number.

``python tests/areas/draw_toy.py`` writes ``toy/villages.geojson``; a test holds the committed file
against this drawing. North is up::

    y=3   Melati   Kenanga   Anggrek   Sumber (K)
    y=2   Cempaka  Cempaka   Dahlia    Dahlia                         Karang (island)
    y=1   Sumber   Pandan    Lontar    Kelapa
    y=0   Sumber   Pandan    Nipah     Nipah      Lontar (2nd part)
"""

from __future__ import annotations

import json
from pathlib import Path

from pyproj import Transformer

CELL_M = 1000
ORIGIN_M = (410_000, 9_200_000)  # lower left corner, EPSG:32749
CELLS: dict[str, list[list[tuple[int, int]]]] = {
    "99.01.01.1001": [[(0, 3)]],
    "99.01.01.1002": [[(1, 3)]],
    "99.01.01.1003": [[(0, 2), (1, 2)]],
    "99.01.02.1001": [[(2, 3)]],
    "99.01.02.1002": [[(3, 3)]],
    "99.01.02.1003": [[(2, 2), (3, 2)]],
    "99.02.01.2001": [[(0, 0), (0, 1)]],
    "99.02.01.2002": [[(1, 0), (1, 1)]],
    "99.02.01.2003": [[(2, 1)], [(4, 0)]],
    "99.02.02.2001": [[(3, 1)]],
    "99.02.02.2002": [[(2, 0), (3, 0)]],
    "99.02.02.2003": [[(6, 2)]],
}
"""Cells of each part of each village; the cells of a part lie in one row or one column."""


def ring(cells: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the closed, counter-clockwise ring around a row or column of cells.

    It has a vertex at every grid point, so that neighbours share their vertices.
    """
    west, south = min(cells)
    east, north = max(cells)[0] + 1, max(cells)[1] + 1
    lower = [(x, south) for x in range(west, east)]
    right = [(east, y) for y in range(south, north)]
    upper = [(x, north) for x in range(east, west, -1)]
    left = [(west, y) for y in range(north, south, -1)]
    return [*lower, *right, *upper, *left, (west, south)]


def metres(point: tuple[float, float]) -> tuple[float, float]:
    """Return easting and northing (EPSG:32749) of a grid point."""
    return ORIGIN_M[0] + CELL_M * point[0], ORIGIN_M[1] + CELL_M * point[1]


def drawing() -> str:
    """Return the GeoJSON text of all villages, EPSG:4326 with seven decimals (1 cm)."""
    to_degrees = Transformer.from_crs("EPSG:32749", "EPSG:4326", always_xy=True).transform

    def degrees(point: tuple[int, int]) -> list[float]:
        return [round(value, 7) for value in to_degrees(*metres(point))]

    features = [
        {
            "type": "Feature",
            "properties": {"village_code": code},
            "geometry": {
                "type": "MultiPolygon",
                "coordinates": [[[degrees(p) for p in ring(part)]] for part in parts],
            },
        }
        for code, parts in CELLS.items()
    ]
    lines = ",\n".join(json.dumps(feature) for feature in features)
    return f'{{"type": "FeatureCollection", "features": [\n{lines}\n]}}\n'


if __name__ == "__main__":
    target = Path(__file__).parent / "toy" / "villages.geojson"
    target.write_text(drawing(), encoding="utf-8")
