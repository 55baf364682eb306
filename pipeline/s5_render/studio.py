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

from pipeline.contracts.text import LANGUAGES, Language
from pipeline.s5_render.chart_plan import ChartPlan, chart_footer
from pipeline.s5_render.plan import AtlasPlan


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

    @property
    def languages(self) -> tuple[Language, ...]:
        """Return the languages to draw in: what is no finding needs one, the area's own."""
        return (self.plan.language,) if self.plan.watermark else LANGUAGES

    def draw(self, name: str, language: Language) -> dict[str, bytes]:
        """Return a layer's figure or a chart, by path under the area's folder.

        Parameters
        ----------
        name : str
            Id of a layer or chart.
        language : {"id", "en"}
            Language of every word and number on it.
        """
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
        place = "figures" if language == self.plan.language else f"figures/{language}"
        return {f"{place}/{name}.{suffix}": content for suffix, content in drawn.items()}


class Studio:
    """An easel for each processor.

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
        self._begun: dict[tuple[str, Language], Future[dict[str, bytes]]] = {}

    def __enter__(self) -> Studio:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def begin(self, names: Collection[str]) -> None:
        """Begin to draw `names` in other processes; this one may do something else meanwhile."""
        if self._processes < 2 or not names:
            return
        self._pool = ProcessPoolExecutor(
            self._processes,
            # A fork of a process with threads (Arrow's, numba's) may hang.
            multiprocessing.get_context("spawn"),
            _set_up,
            (self._easel,),
        )
        self._begun = {
            (name, language): self._pool.submit(_draw, name, language)
            for name in names
            for language in self._easel.languages
        }

    def draw(self, name: str) -> dict[str, bytes]:
        """Return the files of `name` in all languages; see :meth:`Easel.draw`."""
        files: dict[str, bytes] = {}
        for language in self._easel.languages:
            begun = self._begun.pop((name, language), None)
            files |= begun.result() if begun else self._easel.draw(name, language)
        return files


_easel: Easel


def _set_up(easel: Easel) -> None:
    """Give a new process its easel."""
    global _easel
    _easel = easel


def _draw(name: str, language: Language) -> dict[str, bytes]:
    return _easel.draw(name, language)


def _processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
