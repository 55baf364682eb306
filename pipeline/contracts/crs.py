"""Coordinate reference systems: what is written where, and the checks that go with it."""

from __future__ import annotations

import geopandas as gpd
from pyproj import CRS
from pyproj.exceptions import CRSError

from pipeline.contracts.errors import Fault, InputError

GEOGRAPHIC = "EPSG:4326"
"""CRS of stage files and of the web atlas."""


def projected(code: str, where: str) -> CRS:
    """Return a CRS fit for measuring: projected, in metres.

    Parameters
    ----------
    code : str
        Authority code such as ``EPSG:32749``.
    where : str
        File that names it, for the message.

    Raises
    ------
    InputError
        Unknown code, not projected, or not in metres.

    Examples
    --------
    >>> projected("EPSG:32749", "area.yaml").name
    'WGS 84 / UTM zone 49S'
    """
    wanted = "a projected CRS in metres such as EPSG:32749"
    try:
        crs = CRS.from_user_input(code)
    except CRSError as error:
        raise InputError(Fault(where, wanted, repr(code), column="crs")) from error
    if not crs.is_projected or crs.axis_info[0].unit_name != "metre":
        raise InputError(Fault(where, wanted, f"{code} ({crs.name})", column="crs"))
    return crs


def require_inside(crs: CRS, longitude: float, latitude: float, where: str) -> None:
    """Refuse a projected CRS that is not made for the place it is used at.

    Parameters
    ----------
    crs : pyproj.CRS
        The area's projected CRS.
    longitude, latitude : float
        A point of the area, degrees (EPSG:4326).

    Raises
    ------
    InputError
        The point lies outside the CRS's area of use.

    Examples
    --------
    >>> require_inside(CRS.from_epsg(32749), 109.67, -6.89, "area.yaml")
    """
    use = crs.area_of_use
    if use is None:
        return
    if not (use.west <= longitude <= use.east and use.south <= latitude <= use.north):
        zone = int((longitude + 180) // 6) + 1
        better = f"EPSG:{32700 + zone if latitude < 0 else 32600 + zone}"
        raise InputError(
            Fault(
                where,
                f"a CRS made for longitude {longitude:.2f}, latitude {latitude:.2f}",
                f"{crs.to_string()} (made for {use.name})",
                column="crs",
                hint=f"{better} is the UTM zone of this area",
            )
        )


def to_geographic(frame: gpd.GeoDataFrame, where: str) -> gpd.GeoDataFrame:
    """Return `frame` in EPSG:4326, refusing one that does not say which CRS it is in.

    Raises
    ------
    InputError
        The layer has no CRS.

    Examples
    --------
    >>> from shapely import Point
    >>> frame = gpd.GeoDataFrame(geometry=[Point(109.7, -6.9)], crs=GEOGRAPHIC)
    >>> to_geographic(frame, "points.gpkg").crs.to_epsg()
    4326
    """
    if frame.crs is None:
        raise InputError(
            Fault(
                where,
                "a layer that states its CRS",
                "no CRS",
                hint="Set it in QGIS: Layer > Set CRS, then export again",
            )
        )
    return frame.to_crs(GEOGRAPHIC)
