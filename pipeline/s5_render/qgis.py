"""The QGIS package: ``atlas.gpkg`` with the data, ``atlas.qgz`` with everything about drawing it.

The project is written as XML of our own, so that no QGIS is needed to make it. Each layer of it
carries its renderer, since a project does not look at the styles inside the GeoPackage; those are
for people who open the GeoPackage alone.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from pipeline.s5_render._qgis_gpkg import write_geopackage
from pipeline.s5_render._qgis_project import project
from pipeline.s5_render._qgis_xml import GPKG_NAME
from pipeline.s5_render.plan import AtlasPlan


def write_package(plan: AtlasPlan, gpkg: Path, qgz: Path, gpkg_name: str = GPKG_NAME) -> None:
    """Write GeoPackage and project; the same plan gives the same bytes.

    Parameters
    ----------
    plan : AtlasPlan
    gpkg, qgz : Path
        Where to write, perhaps under temporary names.
    gpkg_name : str
        The name the GeoPackage will have beside the project, which refers to it by a relative
        path: the two can be moved together.
    """
    write_geopackage(plan, gpkg)
    member = zipfile.ZipInfo("atlas.qgs", (1980, 1, 1, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    member.create_system = 3
    with zipfile.ZipFile(qgz, "w") as archive:
        archive.writestr(member, project(plan, gpkg_name), compresslevel=9)
