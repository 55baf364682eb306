"""Draw figures and charts, many at a time: each is a pure function of the plan.

The bytes of a figure do not depend on the process that draws it, so the number of processes
changes only the time it takes.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Collection
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

from pipeline.contracts.text import LANGUAGES
from pipeline.s5_render.chart_plan import ChartPlan, chart_footer
from pipeline.s5_render.plan import AtlasPlan

_FEW = 3
"""So many figures are drawn faster here than other processes start."""


class Easel:
    """Draws the figures of one release, in this process.

    Parameters
    ----------
    plan : AtlasPlan
        The layers.
    charts : tuple of ChartPlan
        The charts.
    """

    def __init__(self, plan: AtlasPlan, charts: tuple[ChartPlan, ...]) -> None:
        self.plan = plan
        self.charts = {chart.id: chart for chart in charts}
        self._drawer: Any = None

    def draw(self, name: str) -> dict[str, bytes]:
        """Return the files of a layer's figure or of a chart, by path under the area's folder.

        Parameters
        ----------
        name : str
            Id of a layer or chart.
        """
        files: dict[str, bytes] = {}
        for language in LANGUAGES:
            place = "figures" if language == self.plan.language else f"figures/{language}"
            if name in self.charts:
                from pipeline.s5_render.chart import draw_chart

                footer = chart_footer(self.plan)
                drawn = draw_chart(
                    self.charts[name], self.plan.title, footer, self.plan.style, language
                )
            else:
                from pipeline.s5_render.figure import Drawer

                self._drawer = self._drawer or Drawer(self.plan)
                drawn = self._drawer.draw(name, language)
            files |= {f"{place}/{name}.{suffix}": content for suffix, content in drawn.items()}
        return files


class Studio:
    """An easel for each processor, once there is enough to draw.

    Use it as a context; leaving it ends the other processes.

    Parameters
    ----------
    easel : Easel
        What draws.
    processes : int, optional
        Processes to draw in; as many as this one may use unless given.
    """

    def __init__(self, easel: Easel, processes: int | None = None) -> None:
        self._easel = easel
        self._processes = processes or _processors()
        self._pool: ProcessPoolExecutor | None = None
        self._begun: dict[str, Future[dict[str, bytes]]] = {}

    def __enter__(self) -> Studio:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def begin(self, names: Collection[str]) -> None:
        """Begin to draw `names` in other processes, if it is worth starting them."""
        if self._processes < 2 or len(names) <= _FEW:
            return
        self._pool = ProcessPoolExecutor(
            min(self._processes, len(names)),
            # A fork of a process with threads (Arrow's, numba's) may hang.
            multiprocessing.get_context("spawn"),
            _set_up,
            (self._easel,),
        )
        self._begun = {name: self._pool.submit(_draw, name) for name in names}

    def draw(self, name: str) -> dict[str, bytes]:
        """Return the files of `name`; see :meth:`Easel.draw`."""
        begun = self._begun.pop(name, None)
        return begun.result() if begun else self._easel.draw(name)


_easel: Easel


def _set_up(easel: Easel) -> None:
    """Give a new process its easel."""
    global _easel
    _easel = easel


def _draw(name: str) -> dict[str, bytes]:
    return _easel.draw(name)


def _processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
