"""Spatial autocorrelation of units on a lattice, global and local.

Global: :func:`moran`, :func:`moran_bivariate`, :func:`geary`, :func:`getis_ord_g`,
:func:`join_counts`. Local: :func:`local_moran`, :func:`local_moran_bivariate`,
:func:`local_geary`, :func:`local_g`, and the local join counts with exact p-values. Rates of
unequal bases are made comparable by :func:`empirical_bayes` first. All take a
:class:`pipeline.stats.weights.W`; several local results join one family by
:func:`pipeline.stats.inference.pool`.
"""

from pipeline.stats._global import geary, getis_ord_g, moran, moran_bivariate
from pipeline.stats._joins import (
    JoinCounts,
    join_counts,
    local_join_counts,
    local_join_counts_bivariate,
    local_join_counts_colocated,
)
from pipeline.stats._lattice import GlobalResult, LocalCounts, LocalResult
from pipeline.stats._local import local_g, local_geary, local_moran, local_moran_bivariate
from pipeline.stats._rates import Rates, empirical_bayes, empirical_bayes_local

__all__ = [
    "GlobalResult",
    "JoinCounts",
    "LocalCounts",
    "LocalResult",
    "Rates",
    "empirical_bayes",
    "empirical_bayes_local",
    "geary",
    "getis_ord_g",
    "join_counts",
    "local_g",
    "local_geary",
    "local_join_counts",
    "local_join_counts_bivariate",
    "local_join_counts_colocated",
    "local_moran",
    "local_moran_bivariate",
    "moran",
    "moran_bivariate",
]
