"""Co-location of labelled points: who lies near whom, and is it more than chance.

Points are firms in a projected CRS; labels are specialisations, and a firm may hold several.
Global and local colocation quotients, cross-K, cross-L and cross pair correlation with edge
corrections, Marcon-Puech M and m, Duranton-Overman K-density and the Clark-Evans index; nulls
by random labelling of whole label sets (within strata if asked), by random location and by
random shift; pointwise and global envelopes. ``docs/methods-points.md`` has the formulas.
"""

from __future__ import annotations

from pipeline.stats._cross_k import Curves, cross_k, cross_k_all, cross_l, cross_pcf
from pipeline.stats._curves import Curve
from pipeline.stats._envelopes import Envelope, rank_envelope
from pipeline.stats._labels import Table
from pipeline.stats._m_function import duranton_overman, m_density, m_function
from pipeline.stats._nearest import NearestNeighbourIndex, clark_evans
from pipeline.stats._quotient import LocalQuotient, Quotient, local_quotient, quotient

__all__ = [
    "Curve",
    "Curves",
    "Envelope",
    "LocalQuotient",
    "NearestNeighbourIndex",
    "Quotient",
    "Table",
    "clark_evans",
    "cross_k",
    "cross_k_all",
    "cross_l",
    "cross_pcf",
    "duranton_overman",
    "local_quotient",
    "m_density",
    "m_function",
    "quotient",
    "rank_envelope",
]
