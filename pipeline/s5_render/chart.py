"""Draw the charts of a release, as PNG, SVG and PDF of one drawing each.

Everything is laid out in millimetres on one sheet, like the maps beside them. A chart plan holds
every number and word; nothing is computed here but places.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count as counting

import matplotlib
from matplotlib.figure import Figure

from pipeline.contracts.layer import Palettes
from pipeline.contracts.text import Language, Text, format_number, same, t
from pipeline.s5_render._page import (
    BODY,
    EDGE,
    HEAD,
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
from pipeline.s5_render.chart_plan import ALARM, Cell, ChartPlan, Key, Panel, Row

_FULL = WIDTH_MM - 2 * EDGE
_LABEL = 6.5
_HATCHES = {"hatch": "//////", "hatch-back": "\\" * 6, "hatch-cross": "xxxxx"}
_POINTS = {"dot": "o", "ring": "o", "diamond": "D"}


@dataclass(frozen=True)
class _Block:
    """A piece of the page: its height, and how it is drawn at a given top."""

    height: float
    draw: Callable[[Page, float], None]


def draw_chart(
    chart: ChartPlan, head: Text, footer: Text, style: Palettes, language: Language
) -> dict[str, bytes]:
    """Return a chart as PNG (300 dpi), SVG and PDF.

    Parameters
    ----------
    chart : ChartPlan
        What is drawn; nothing else is read.
    head : Text
        Title of the atlas, above the chart's own.
    footer : Text
        Build, version and date, below it.
    style : Palettes
        Colours of text, lines and paper.
    language : {"id", "en"}
        Language of every word and number on it.

    Returns
    -------
    dict of str to bytes
        Keys ``png``, ``svg`` and ``pdf``; the same plan gives the same bytes.
    """
    figure = chart_figure(chart, head, footer, style, language)
    return save(figure, f"{head[language]}: {chart.title[language]}")


def chart_figure(
    chart: ChartPlan, head: Text, footer: Text, style: Palettes, language: Language
) -> Figure:
    """Return a chart as a Matplotlib figure, 175 mm wide and as high as it needs.

    Numbers and words carry a ``gid`` (``value``, ``label``, ``panel``, ``remark``, ``key``), so
    that an editor of the SVG finds them.
    """
    with matplotlib.rc_context(SETTINGS):
        return _Drawing(chart, style, language).compose(head[language], footer[language])


class _Drawing:
    """One chart in one language."""

    def __init__(self, chart: ChartPlan, style: Palettes, language: Language) -> None:
        self.chart, self.style, self.language = chart, style, language
        self.grey = mix(style.ink, style.line, 0.55)
        self.faint = mix("#ffffff", style.missing, 0.6)

    def compose(self, head: str, footer: str) -> Figure:
        chart, language = self.chart, self.language
        above = [
            self._text([printable(head).upper()], HEAD, self.grey, "head", gap=0.6),
            self._text(
                wrap(chart.title[language], _FULL, TITLE, "bold"),
                TITLE,
                self.style.ink,
                "title",
                weight="bold",
            ),
            self._text(wrap(chart.note[language], _FULL, BODY), BODY, self.grey, "note", gap=2.4),
            self._keys(),
        ]
        body = {
            "bars": self._bars,
            "shares": self._shares,
            "comparison": self._comparison,
            "matrix": self._matrix,
            "classes": self._classes,
        }[chart.kind]()
        caption = wrap(chart.caption[language], _FULL, BODY)
        below = [
            self._text(caption, BODY, self.style.ink, "caption", gap=1.2),
            self._text(wrap(footer, _FULL, SMALL), SMALL, self.grey, "footer"),
        ]
        blocks = [*above, *body, _Block(1.4, lambda page, top: None), *below]
        page = Page(2 * EDGE - 1 + sum(block.height for block in blocks))
        y = EDGE
        for block in blocks:
            block.draw(page, y)
            y += block.height
        return page.figure

    # Pieces

    def _text(
        self,
        lines: Sequence[str],
        size: float,
        colour: str,
        gid: str,
        gap: float = 0.0,
        left: float = EDGE,
        weight: str = "normal",
    ) -> _Block:
        def draw(page: Page, top: float) -> None:
            page.write(lines, left, top, size, colour, gid=gid, weight=weight)

        return _Block(height_of(lines, size) + gap, draw)

    def _line(
        self,
        page: Page,
        text: str,
        x: float,
        middle: float,
        size: float = SMALL,
        colour: str | None = None,
        gid: str = "value",
        ha: str = "left",
        weight: str = "normal",
    ) -> None:
        """Write one line of text, its small letters centred on a height."""
        page.sheet.text(
            x,
            middle + 0.36 * size * POINT,
            printable(text),
            size=size,
            color=colour or self.style.ink,
            gid=gid,
            ha=ha,
            weight=weight,
            zorder=4,
        )

    def _lines(
        self, page: Page, lines: Sequence[str], x: float, middle: float, size: float, **more: str
    ) -> None:
        """Write lines of text centred on a height."""
        step = height_of([""], size)
        for number, line in enumerate(lines):
            y = middle + (number - (len(lines) - 1) / 2) * step
            self._line(page, line, x, y, size, **more)

    def _mark(self, page: Page, mark: str, x: float, y: float, colour: str) -> None:
        """Draw a legend's mark or a dot, centred."""
        if mark == "tick":
            page.rule([x, x], [y - 1.2, y + 1.2], 0.9, colour)
        elif mark in _POINTS:
            hollow = mark == "ring"
            page.sheet.plot(
                [x],
                [y],
                ls="none",
                marker=_POINTS[mark],
                ms=4.2 if mark == "diamond" else 5.2,
                mfc="white" if hollow else colour,
                mec=colour,
                mew=1.3 if hollow else 0.0,
                zorder=3,
                gid=mark,
            )
        else:
            self._ground(page, mark, x - 2, y - 1.3, 4, 2.6, colour)

    def _ground(
        self,
        page: Page,
        mark: str,
        left: float,
        top: float,
        width: float,
        height: float,
        colour: str,
    ) -> None:
        """Fill a rectangle, hatched if the mark says so."""
        hatch = _HATCHES.get(mark)
        look = {"fc": colour, "gid": "bar" if hatch is None else mark}
        if hatch:
            look |= {"hatch": hatch, "ec": self.style.line}
        page.box(left, top, width, height, **look)

    def _keys(self) -> _Block:
        """Lay the legend out on as many lines as it needs."""
        places: list[tuple[float, int, Key, list[str]]] = []
        x, line, deep = EDGE, 0, 1
        for key in self.chart.keys:
            label = wrap(key.label[self.language], _FULL - 8, BODY)
            width = 6 + max(text_width(part, BODY) for part in label) + 6
            if x > EDGE and x + width > WIDTH_MM - EDGE:
                x, line, deep = EDGE, line + deep, 1
            places.append((x, line, key, label))
            x, deep = x + width, max(deep, len(label))
        step = height_of([""], BODY) + 0.6
        if not places:
            return _Block(0.0, lambda page, top: None)

        def draw(page: Page, top: float) -> None:
            for left, number, key, label in places:
                y = top + number * step + 1.5
                self._mark(page, key.mark, left + 2, y, key.colour)
                for extra, part in enumerate(label):
                    self._line(page, part, left + 6, y + extra * step, BODY, gid="key")

        return _Block((line + deep) * step + 2.4, draw)

    def _title(self, text: Text, left: float = EDGE, width: float = _FULL) -> _Block:
        lines = wrap(text[self.language], width, BODY + 0.5, "bold")
        return self._text(
            lines, BODY + 0.5, self.style.ink, "panel", gap=0.9, left=left, weight="bold"
        )

    def _remark(self, panel: Panel, left: float = EDGE, width: float = _FULL) -> list[_Block]:
        return [
            self._text(
                wrap(remark[self.language], width, SMALL), SMALL, self.grey, "remark", left=left
            )
            for remark in panel.remarks
        ]

    # Kinds

    def _bars(self) -> list[_Block]:
        """Two columns of panels, as even as their order allows."""
        gutter = 7.0
        width = (_FULL - gutter) / 2
        lefts = (EDGE, EDGE + width + gutter)
        drawn = [
            [self._bar_panel(panel, left, width) for left in lefts] for panel in self.chart.panels
        ]
        heights = [one.height for one, _ in drawn]
        # The first column may be a little longer than it must: room left over is better below.
        longest = [max(sum(heights[:n]), sum(heights[n:])) for n in range(1, len(drawn) + 1)]
        cut = max(n for n, mm in enumerate(longest, start=1) if mm <= 1.05 * min(longest))

        def draw(page: Page, top: float) -> None:
            for side, part in enumerate((drawn[:cut], drawn[cut:])):
                y = top
                for blocks in part:
                    blocks[side].draw(page, y)
                    y += blocks[side].height

        return [_Block(max(sum(heights[:cut]), sum(heights[cut:])), draw)]

    def _margins(self, most: float) -> tuple[float, float]:
        """Return the room that labels and values of every panel take, so that all bars compare."""
        rows = [row for panel in self.chart.panels for row in panel.rows]
        labels = [wrap(row.label[self.language], most, _LABEL) for row in rows]
        values = [cell.label[self.language] for row in rows for cell in row.cells if cell]
        return (
            max(text_width(line, _LABEL) for lines in labels for line in lines),
            max(text_width(value, SMALL) for value in values) + 1.5,
        )

    def _bar_panel(self, panel: Panel, left: float, width: float) -> _Block:
        thick, between = 2.55, 0.25
        label_mm, value_mm = self._margins(29.0)
        start = left + label_mm + 1.5
        full = width - label_mm - 1.5 - value_mm
        groups = max(len(row.cells) for row in panel.rows)
        deep = groups * (thick + between) - between
        labels = [wrap(row.label[self.language], label_mm, _LABEL) for row in panel.rows]
        heights = [max(deep, height_of(lines, _LABEL)) + 1.3 for lines in labels]
        title = self._title(panel.title, left, width)
        remarks = self._remark(panel, left, width)

        def draw(page: Page, top: float) -> None:
            title.draw(page, top)
            y = first = top + title.height
            for row, lines, height in zip(panel.rows, labels, heights, strict=True):
                middle = y + (height - 1.3) / 2
                self._lines(page, lines, start - 1.5, middle, _LABEL, gid="label", ha="right")
                for number, cell in enumerate(row.cells):
                    bar = middle - deep / 2 + number * (thick + between)
                    page.box(start, bar, full, thick, fc=self.faint, gid="track")
                    end = start
                    if cell is not None and cell.value is not None:
                        end = start + full * cell.value / 100
                        page.box(start, bar, end - start, thick, fc=cell.colour, gid="bar")
                    text = cell.label[self.language] if cell else "–"
                    self._line(page, text, start + full + 1, bar + thick / 2)
                y += height
            page.rule([start, start], [first - 0.3, y - 1.0], 0.6, self.style.strong_line)
            for remark in remarks:
                remark.draw(page, y)
                y += remark.height

        below = sum(remark.height for remark in remarks)
        return _Block(title.height + sum(heights) + below + 3.2, draw)

    def _shares(self) -> list[_Block]:
        blocks: list[_Block] = []
        for panel in self.chart.panels:
            if len(self.chart.panels) > 1:
                blocks.append(self._title(panel.title))
            blocks += [self._share_row(row) for row in panel.rows]
            blocks += self._remark(panel)
            blocks.append(_Block(2.4, lambda page, top: None))
        return blocks

    def _share_row(self, row: Row) -> _Block:
        label_mm, thick = 30.0, 7.0
        start, full = EDGE + label_mm + 2, _FULL - label_mm - 2
        label = wrap(row.label[self.language], label_mm, BODY)
        scale = full / max(100.0, sum(cell.value or 0 for cell in row.cells if cell))
        beside = []
        for key, cell in zip(self.chart.keys, row.cells, strict=True):
            text = cell.label[self.language] if cell else "–"
            if cell is None or text_width(text, BODY) + 1.5 > (cell.value or 0) * scale:
                beside.append(t("chart.line", what=key.label, values=same(text)))
        told = (
            wrap("; ".join(text[self.language] for text in beside), full, SMALL) if beside else []
        )
        deep = max(thick, height_of(label, BODY))

        def draw(page: Page, top: float) -> None:
            middle = top + deep / 2
            self._lines(page, label, start - 2, middle, BODY, gid="label", ha="right")
            x = start
            for cell in row.cells:
                if cell is None or not cell.value:
                    continue
                width = cell.value * scale
                page.box(x, middle - thick / 2, width, thick, fc=cell.colour, gid="bar")
                text = cell.label[self.language]
                if text_width(text, BODY) + 1.5 <= width:
                    colour = self._on(cell.colour)
                    self._line(page, text, x + width / 2, middle, BODY, colour, ha="center")
                x += width
            page.write(told, start, top + deep + 0.6, SMALL, self.grey, gid="value")

        return _Block(deep + height_of(told, SMALL) + (0.6 if told else 0) + 1.8, draw)

    def _on(self, ground: str) -> str:
        return "#ffffff" if is_dark(ground) else self.style.ink

    def _comparison(self) -> list[_Block]:
        blocks: list[_Block] = []
        panels = self.chart.panels
        parts = [panels] if self.chart.is_logarithmic else [[panel] for panel in panels]
        # One ruler for all panels of ratios; amounts of different kinds have one each.
        for part in parts:
            values = [
                cell.value or 0.0
                for panel in part
                for row in panel.rows
                for cell in row.cells
                if cell
            ]
            ticks = (_log_ticks if self.chart.is_logarithmic else _ticks)(values)
            for panel in part:
                blocks += [self._title(panel.title), self._dots(panel, ticks)]
        return blocks

    def _dots(self, panel: Panel, ticks: Sequence[float]) -> _Block:
        label_mm, source_mm, value_mm = 50.0, 43.2, 12.0
        start = EDGE + label_mm + source_mm + 4.3
        full = WIDTH_MM - EDGE - value_mm - start
        low, high = self._place(ticks[0]), self._place(ticks[-1])
        rows = []
        for row in panel.rows:
            label = wrap(row.label[self.language], label_mm - 3, _LABEL)
            source = wrap(row.detail[self.language], source_mm, SMALL) if row.detail else []
            heading = (
                wrap(row.heading[self.language], label_mm, BODY, "bold") if row.heading else []
            )
            deep = max(height_of(label, _LABEL), height_of(source, SMALL)) + 1.0
            rows.append((row, heading, label, source, deep))
        head_mm = height_of([""], BODY) + 1.0
        total = sum(deep + len(heading) * head_mm for _, heading, _, _, deep in rows)

        def draw(page: Page, top: float) -> None:
            bottom = top + total
            for tick in ticks:
                x = start + full * (self._place(tick) - low) / (high - low)
                page.rule([x, x], [top, bottom], 0.4, self.style.missing)
                text = format_number(tick, _tick_decimals(ticks), self.language)
                self._line(page, text, x, bottom + 1.7, SMALL, self.grey, "tick", "center")
            y = top
            for row, heading, label, source, deep in rows:
                for part in heading:
                    self._line(
                        page, part, EDGE, y + head_mm / 2, BODY, None, "label", weight="bold"
                    )
                    y += head_mm
                middle = y + deep / 2
                self._lines(page, label, EDGE + 3, middle, _LABEL, gid="label")
                self._lines(
                    page, source, EDGE + label_mm + 2, middle, SMALL, colour=self.grey, gid="source"
                )
                for cell in row.cells:
                    self._dot(page, cell, start, full, low, high, middle)
                y += deep

        return _Block(total + 6.5, draw)

    def _dot(
        self,
        page: Page,
        cell: Cell | None,
        start: float,
        full: float,
        low: float,
        high: float,
        y: float,
    ) -> None:
        if cell is None or cell.value is None:
            return
        x = start + full * (self._place(cell.value) - low) / (high - low)
        page.rule([start, x], [y, y], 0.3, self.style.missing)
        self._mark(page, cell.mark, x, y, cell.colour)
        text = cell.label[self.language]
        page.box(x, y - 1.1, text_width(text, SMALL) + 2.4, 2.2, fc="white", zorder=2)
        self._line(page, text, x + 2, y)

    def _place(self, value: float) -> float:
        return math.log10(value) if self.chart.is_logarithmic else value

    def _matrix(self) -> list[_Block]:
        blocks: list[_Block] = []
        for panel in self.chart.panels:
            blocks += [self._title(panel.title), self._grid(panel)]
        return blocks

    def _grid(self, panel: Panel) -> _Block:
        label_mm, cell_mm = 36.0, 7.6
        detail_mm = 36.0 if any(one.detail for one in self.chart.panels) else 0.0
        start = EDGE + label_mm + 1.5
        wide = (_FULL - label_mm - 1.5 - detail_mm) / len(panel.columns)
        heads = [wrap(column[self.language], wide - 1.5, SMALL) for column in panel.columns]
        detail = wrap(panel.detail[self.language], detail_mm - 2.5, SMALL) if panel.detail else []
        head_mm = max(height_of(lines, SMALL) for lines in [*heads, detail]) + 0.8
        rows = []
        for row in panel.rows:
            label = wrap(row.label[self.language], label_mm, _LABEL)
            told = wrap(row.detail[self.language], detail_mm - 2.5, SMALL) if row.detail else []
            deep = max(cell_mm, height_of(label, _LABEL) + 1, height_of(told, SMALL) + 1)
            rows.append((row, label, told, deep))
        beside = start + wide * len(panel.columns) + 2.5

        def draw(page: Page, top: float) -> None:
            y = top + head_mm
            for number, lines in enumerate(heads):
                place = start + (number + 0.5) * wide
                page.write(
                    lines,
                    place,
                    y - 0.8 - height_of(lines, SMALL),
                    SMALL,
                    self.style.ink,
                    ha="center",
                    gid="label",
                )
            page.write(
                detail,
                beside,
                y - 0.8 - height_of(detail, SMALL),
                SMALL,
                self.style.ink,
                gid="label",
            )
            for row, label, told, deep in rows:
                middle = y + deep / 2
                self._lines(page, label, start - 1.5, middle, _LABEL, gid="label", ha="right")
                for number, cell in enumerate(row.cells):
                    self._word(page, cell, start + number * wide, y, wide, deep)
                self._lines(page, told, beside, middle, SMALL, colour=self.style.ink, gid="detail")
                y += deep

        return _Block(head_mm + sum(deep for *_, deep in rows) + 5.0, draw)

    def _word(
        self, page: Page, cell: Cell | None, left: float, top: float, width: float, height: float
    ) -> None:
        """Draw one cell of a matrix; what does not fit is cut."""
        inset = 0.4
        if cell is None:
            self._line(
                page, "–", left + width / 2, top + height / 2, _LABEL, self.grey, ha="center"
            )
            return
        place = (left + inset, top + inset, width - 2 * inset, height - 2 * inset)
        self._ground(page, cell.mark, *place, cell.colour)
        page.box(*place, fill=False, ec=self.style.line, lw=0.4)
        text = printable(cell.label[self.language])
        while len(text) > 1 and text_width(text, _LABEL) > width - 3:
            text = f"{text[:-2].rstrip()}…"
        if cell.mark in _HATCHES:
            half = text_width(text, _LABEL) / 2 + 0.9
            page.box(left + width / 2 - half, top + height / 2 - 1.5, 2 * half, 3, fc=cell.colour)
        colour = self._on(cell.colour)
        self._line(page, text, left + width / 2, top + height / 2, _LABEL, colour, ha="center")

    def _classes(self) -> list[_Block]:
        blocks: list[_Block] = []
        low = min(span.lower for panel in self.chart.panels for span in panel.spans)
        high = max(span.upper for panel in self.chart.panels for span in panel.spans)
        for panel in self.chart.panels:
            blocks += [self._title(panel.title), self._number_line(panel, low, high)]
        return blocks

    def _number_line(self, panel: Panel, low: float, high: float) -> _Block:
        """Draw one scale; all scales share one ruler, so that equal lengths are equal scores."""
        margin, thick = 8.0, 7.5
        scale = (_FULL - 2 * margin) / (high - low)

        def x(value: float) -> float:
            return EDGE + margin + (value - low) * scale

        # Printed limits that stand close get a level of their own.
        printed = [
            (span.printed, span.printed_label[self.language], span.is_agreeing)
            for span in panel.spans
            if span.printed is not None and span.printed_label is not None
        ]
        widths = [text_width(text, SMALL, "bold") + 2 for _, text, _ in printed]
        levels = _levels([(x(at), wide) for (at, *_), wide in zip(printed, widths, strict=True)])
        step = height_of([""], SMALL) + 0.4
        above = step * (max(levels, default=0) + 1) + 2.6 if printed else 1.0
        ends = [(panel.spans[0].lower, panel.spans[0].rebuilt[0])]
        ends += [(span.upper, span.rebuilt[1]) for span in panel.spans]
        below = _levels(
            [(x(value), text_width(text[self.language], SMALL) + 2) for value, text in ends]
        )

        def draw(page: Page, top: float) -> None:
            bar = top + above
            for span in panel.spans:
                left, width = x(span.lower), (span.upper - span.lower) * scale
                page.box(left, bar, width, thick, fc=span.colour, gid="bar")
                parts = [span.name] if span.count is None else [span.name, span.count]
                lines = [
                    wrap(part[self.language], max(width - 1.5, 3), _LABEL)[0] for part in parts
                ]
                colour = self._on(span.colour)
                self._lines(
                    page, lines, left + width / 2, bar + thick / 2, _LABEL, colour=colour,
                    gid="label", ha="center",
                )  # fmt: skip
            for (value, limit), level in zip(ends, below, strict=True):
                end = bar + thick + 1.2 + level * step
                page.rule([x(value)] * 2, [bar, end], 0.9, self.style.ink)
                self._line(
                    page,
                    limit[self.language],
                    x(value),
                    end + 1.5,
                    SMALL,
                    None,
                    "rebuilt",
                    "center",
                )
            for (at, text, is_agreeing), level in zip(printed, levels, strict=True):
                colour = self.style.ink if is_agreeing else ALARM
                y = bar - 1.4
                if level:
                    page.rule([x(at)] * 2, [y - 1 - level * step, y], 0.4, colour)
                self._mark(page, "dot" if is_agreeing else "diamond", x(at), y, colour)
                half = text_width(text, SMALL, "bold") / 2
                page.box(
                    x(at) - half, y - 3.4 - level * step, 2 * half, 2.2, fc="white", zorder=2
                )  # fmt: skip
                self._line(
                    page, text, x(at), y - 2.3 - level * step, SMALL, colour, "printed", "center",
                    "normal" if is_agreeing else "bold",
                )  # fmt: skip

        return _Block(above + thick + 1.2 + (max(below) + 1) * step + 4.0, draw)


def _levels(texts: Sequence[tuple[float, float]]) -> list[int]:
    """Return for each centred text of a line the lowest level where it touches no earlier one."""
    seats: list[tuple[int, float, float]] = []
    for middle, width in texts:
        left, right = middle - width / 2, middle + width / 2
        level = next(
            level
            for level in counting()
            if all(other != level or right <= a or left >= b for other, a, b in seats)
        )
        seats.append((level, left, right))
    return [level for level, _, _ in seats]


def _ticks(values: Sequence[float]) -> list[float]:
    """Return round numbers that enclose zero and every value, at most seven above zero."""
    top, low = max(*values, 0.0), min(*values, 0.0)
    power = 10.0 ** math.floor(math.log10(max(top, -low) or 1.0))
    steps = [part * power * scale for scale in (0.1, 1.0) for part in (1, 2, 5)]
    step = next(step for step in steps if max(top, -low) <= 6 * step)
    first, last = math.floor(low / step), max(math.ceil(top / step), 1)
    return [round(number * step, 9) for number in range(first, last + 1)]


def _log_ticks(values: Sequence[float]) -> list[float]:
    """Return the numbers 1, 2, 5 x 10^n that enclose every value, at least two."""
    powers = range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 2)
    ticks = [part * 10.0**power for power in powers for part in (1, 2, 5)]
    first = max(tick for tick in ticks if tick <= min(values))
    last = min(tick for tick in ticks if tick >= max(values) and tick > first)
    return [tick for tick in ticks if first <= tick <= last]


def _tick_decimals(ticks: Sequence[float]) -> int:
    return next((d for d in (0, 1, 2) if all(abs(round(x, d) - x) < 1e-9 for x in ticks)), 3)
