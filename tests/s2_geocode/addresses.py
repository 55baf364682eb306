"""The generator of noisy addresses, with the region around the first study area."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.contracts.demonstration import Outside, Region
from pipeline.s1_sources import messy
from pipeline.s1_sources.messy import Address

__all__ = ["Address", "Addresses"]

_OUTSIDE = (
    ("Sambong", "Batang", "Batang"),
    ("Proyonanggan Tengah", "Batang", "Batang"),
    ("Kauman", "Batang", "Batang"),
    ("Sidorejo", "Warungasem", "Batang"),
    ("Masin", "Warungasem", "Batang"),
    ("Purwoharjo", "Comal", "Pemalang"),
    ("Mulyoharjo", "Pemalang", "Pemalang"),
    ("Kauman", "Comal", "Pemalang"),
    ("Wonokromo", "Comal", "Pemalang"),
    ("Procot", "Slawi", "Tegal"),
    ("Laweyan", "Laweyan", "Surakarta"),
    ("Kauman", "Pasar Kliwon", "Surakarta"),
    ("Bangetayu", "Genuk", "Semarang"),
    ("Karanganyar", "Tugu", "Semarang"),
    ("Limpung", "Limpung", "Batang"),
    ("Trusmi Kulon", "Plered", "Cirebon"),
)
_CITIES = frozenset({"Surakarta", "Semarang"})

REGION = Region(
    provinces=("Jawa Tengah", "Jateng", "Central Java"),
    postal_codes=(51111, 51198),
    firms=(
        "Sekar Arum",
        "Barokah",
        "Putra Jaya",
        "Mega Mulya",
        "Larasati",
        "Sinar Abadi",
        "Tiga Dara",
    ),
    outside=tuple(
        Outside(village=village, district=district, regency=regency, is_city=regency in _CITIES)
        for village, district, regency in _OUTSIDE
    ),
)


class Addresses(messy.Addresses):
    """Draw addresses of the first study area; the parameters are those of the generator."""

    def __init__(
        self,
        village: pd.DataFrame,
        old_name: pd.DataFrame,
        alias: pd.DataFrame,
        rng: np.random.Generator,
    ) -> None:
        super().__init__(village, old_name, alias, REGION, rng)
