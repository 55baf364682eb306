"""Resolve each chart once: panels, rows, numbers as printed, keys, caption. Reads no files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.contracts.chart import ChartSpec
from pipeline.contracts.columns import COLUMNS
from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.layer import Palettes
from pipeline.contracts.tables import STATUSES
from pipeline.contracts.text import LANGUAGES, Text, number_text, same, t
from pipeline.s5_render.plan import AtlasPlan, ramp


@dataclass(frozen=True)
class Key:
    """One entry of a chart's legend: how it is drawn and what it stands for."""

    label: Text
    colour: str
    mark: str = "box"


@dataclass(frozen=True)
class Cell:
    """One number or word: where it is drawn, what is printed, the key it is drawn like."""

    value: float | None
    label: Text
    colour: str
    mark: str = "box"


@dataclass(frozen=True)
class Row:
    """One row of a panel; None where nothing is published. `heading` opens a block of rows."""

    label: Text
    cells: tuple[Cell | None, ...]
    heading: Text | None = None
    detail: Text | None = None


@dataclass(frozen=True)
class Span:
    """One class of a rating scale: its limits, the printed upper one, respondents if counted."""

    name: Text
    lower: float
    upper: float
    colour: str
    rebuilt: tuple[Text, Text]
    printed: float | None
    printed_label: Text | None
    is_agreeing: bool
    count: Text | None


@dataclass(frozen=True)
class Panel:
    """One part of a chart, with its own title; `columns` head the cells of a matrix."""

    title: Text
    rows: tuple[Row, ...] = ()
    spans: tuple[Span, ...] = ()
    columns: tuple[Text, ...] = ()
    detail: Text | None = None
    remarks: tuple[Text, ...] = ()


@dataclass(frozen=True)
class ChartPlan:
    """One chart, ready to be drawn."""

    id: str
    kind: str
    title: Text
    note: Text
    caption: Text
    keys: tuple[Key, ...]
    panels: tuple[Panel, ...]
    is_logarithmic: bool = False


def plan_charts(
    specs: Iterable[ChartSpec],
    tables: Mapping[str, pd.DataFrame],
    sources: Mapping[str, str],
    style: Palettes,
) -> list[ChartPlan]:
    """Resolve every chart that has something to show.

    Parameters
    ----------
    specs : iterable of ChartSpec
        The declarations, in order.
    tables : mapping of str to pandas.DataFrame
        Released tables by name.
    sources : mapping of str to str
        Short citation by source id.
    style : Palettes
        Colours.

    Returns
    -------
    list of ChartPlan
        Charts whose table has no row for them are left out; so is a comparison of one figure.

    Raises
    ------
    InputError
        A table that was not released, or more groups than the palette has colours; every chart's
        faults at once.
    """
    plans: list[ChartPlan] = []
    faults: list[Fault] = []
    for spec in specs:
        try:
            plan = _plan(spec, tables, sources, style)
        except InputError as error:
            faults += error.faults
            continue
        if plan is not None:
            plans.append(plan)
    if faults:
        raise InputError(faults)
    return plans


def chart_footer(plan: AtlasPlan) -> Text:
    """Return the line that stands on every chart: build, version and date."""
    date = same(plan.moment.date().isoformat()) if plan.moment else t("footer.no_date")
    build = t(f"footer.build.{plan.build}")
    return t("chart.footer", build=build, version=same(plan.version), date=date)


@dataclass(frozen=True)
class _Chart:
    """A declaration, its rows, and what drawing it takes."""

    spec: ChartSpec
    frame: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    style: Palettes
    sources: Mapping[str, str]

    @property
    def colours(self) -> tuple[str, ...]:
        return self.style.palettes[self.spec.palette].colours

    def column(self, role: Any) -> str:
        return self.spec.columns[role]

    def label(self, value: Any) -> Text:
        return self.spec.label("" if pd.isna(value) else str(value))

    def facets(self, frame: pd.DataFrame) -> list[tuple[Any, pd.DataFrame]]:
        """Return the rows of each facet, in the order of ``where``, else as they come."""
        name = self.column("facet")
        asked = self.spec.where.get(name, tuple(frame[name].unique()))
        parts = [(value, frame[frame[name] == value]) for value in asked]
        return [(value, part) for value, part in parts if not part.empty]

    def group_colours(self, groups: Sequence[str]) -> dict[str, str]:
        """Return the colour of each group: declared ones keep theirs whether they occur or not."""
        declared = [group.value for group in self.spec.groups]
        order = [*declared, *(group for group in groups if group not in declared)]
        if len(order) > len(self.colours):
            raise InputError(
                Fault(
                    f"layers/charts/{self.spec.id}.yaml",
                    f"at most {len(self.colours)} groups, the colours of {self.spec.palette}",
                    f"{len(order)}: {', '.join(order)}",
                    column="groups",
                )
            )
        colours = dict(zip(order, self.colours, strict=False))
        return {group: colours[group] for group in order if group in set(groups)}


def _plan(
    spec: ChartSpec,
    tables: Mapping[str, pd.DataFrame],
    sources: Mapping[str, str],
    style: Palettes,
) -> ChartPlan | None:
    for name in (spec.table, spec.check):
        if name is not None and name not in tables:
            raise InputError(
                Fault(
                    f"layers/charts/{spec.id}.yaml",
                    f"one of {', '.join(sorted(tables))}",
                    repr(name),
                    column="table" if name == spec.table else "check",
                )
            )
    frame = tables[spec.table]
    for column, wanted in spec.where.items():
        frame = frame[frame[column].isin(wanted)]
    if frame.empty:
        return None
    make = _MAKERS[spec.kind]
    drawn = make(_Chart(spec, frame.reset_index(drop=True), tables, style, sources))
    if drawn is None:
        return None
    keys, panels, facts = drawn
    return ChartPlan(
        id=spec.id,
        kind=spec.kind,
        title=spec.title,
        note=spec.note,
        caption=_caption(frame, facts, sources, spec.kind == "comparison"),
        keys=tuple(keys),
        panels=tuple(panels),
        is_logarithmic=spec.axis == "logarithmic",
    )


_Drawn = tuple[list[Key], list[Panel], list[Text]] | None


def _bars(chart: _Chart) -> _Drawn:
    spec, frame = chart.spec, chart.frame
    table, category, group, value, count = (
        chart.column(role) for role in ("table", "category", "group", "value", "count")
    )
    is_sum = pd.Series(False, index=frame.index)
    for name in (category, group):
        is_sum |= frame[name].str.lower().isin(spec.totals)
    cells = frame[~is_sum & frame[value].notna()]
    if cells.empty:
        return None
    groups = chart.group_colours(list(dict.fromkeys(cells[group])))
    panels, sizes = [], []
    for _, block in frame.groupby(table, sort=False):
        for facet, whole in chart.facets(block):
            part = cells.loc[cells.index.intersection(whole.index)]
            if part.empty:
                continue
            wrong = _disagreeing(chart, whole)
            decimals = _decimals(part[value])
            found = {(row[category], row[group]): row for row in part.to_dict("records")}
            rows = []
            for name in dict.fromkeys(part[category]):
                marks: list[Cell | None] = []
                for one, colour in groups.items():
                    row = found.get((name, one))
                    if row is None:
                        marks.append(None)
                        continue
                    share = t("chart.share", share=number_text(float(row[value]), decimals))
                    if (name, one, "share_pct") in wrong:
                        share = _starred(share)
                    if not pd.isna(row[count]):
                        n = number_text(float(row[count]), 0)
                        share = t("chart.share_n", share=share, n=n)
                    marks.append(Cell(float(row[value]), share, colour))
                rows.append(Row(chart.label(name), tuple(marks)))
            size = part.groupby(group, sort=False)[count].sum(min_count=1)
            sizes.append({one: float(size[one]) for one in size.index if not pd.isna(size[one])})
            remarks = [*_means(chart, whole, wrong), *_remarks(chart, part, wrong, decimals)]
            panels.append(Panel(chart.label(facet), tuple(rows), remarks=tuple(remarks)))
    is_same = bool(sizes[0]) and all(size == sizes[0] for size in sizes)
    keys = []
    for one, colour in groups.items():
        label = chart.label(one)
        if is_same and one in sizes[0]:
            label = t("chart.group_n", group=label, n=number_text(sizes[0][one], 0))
        keys.append(Key(label, colour))
    facts = [t("caption.count", n=number_text(sum(sizes[0].values()), 0))] if is_same else []
    return keys, panels, facts


_Wrong = dict[tuple[Any, Any, str], tuple[float, float]]


def _disagreeing(chart: _Chart, whole: pd.DataFrame) -> _Wrong:
    """Return printed and recomputed number of each cell of a facet where the two differ."""
    if chart.spec.check is None:
        return {}
    check = chart.tables[chart.spec.check]
    table, facet = chart.column("table"), chart.column("facet")
    first = whole.iloc[0]
    rows = check[
        (check[table] == first[table])
        & (check[facet] == first[facet])
        & ~check["is_agreeing"].fillna(True)
    ]
    return {
        (row[chart.column("category")], row[chart.column("group")], row["measure"]): (
            float(row["printed"]),
            float(row["recomputed"]),
        )
        for row in rows.to_dict("records")
    }


def _means(chart: _Chart, whole: pd.DataFrame, wrong: _Wrong) -> list[Text]:
    """Return one line a row of means: each group's, and of all."""
    name = chart.spec.columns.get("mean")
    if name is None:
        return []
    category, group = chart.column("category"), chart.column("group")
    lines = []
    means = whole[whole[name].notna()]
    for what, part in means.groupby(category, sort=False):
        decimals = _decimals(part[name])
        values = [
            t("chart.group_value", group=chart.label(one), value=number_text(number, decimals))
            for one, number in zip(part[group], part[name].astype(float), strict=True)
        ]
        starred = [
            _starred(text) if (what, one, "mean") in wrong else text
            for one, text in zip(part[group], values, strict=True)
        ]
        lines.append(t("chart.line", what=chart.label(what), values=_join(starred, "; ")))
    return lines


def _remarks(chart: _Chart, part: pd.DataFrame, wrong: _Wrong, decimals: int) -> list[Text]:
    """Return one line for each number of the panel that differs from the recomputed one."""
    category, group = chart.column("category"), chart.column("group")
    drawn = {(*key, "share_pct") for key in zip(part[category], part[group], strict=True)}
    lines = []
    for key, (printed, recomputed) in wrong.items():
        if key not in drawn and key[2] != "mean":
            continue
        places = decimals if key[2] == "share_pct" else 2
        what = _join([chart.label(key[0]), chart.label(key[1])], ", ")
        lines.append(
            t(
                "chart.recomputed",
                what=what,
                printed=number_text(printed, places),
                recomputed=number_text(recomputed, places),
            )
        )
    return lines


def _classes(chart: _Chart) -> _Drawn:
    frame = chart.frame
    lower, upper, printed, agrees = (
        chart.column(role) for role in ("lower", "upper", "printed", "agrees")
    )
    count = chart.spec.columns.get("count")
    panels = []
    differs = set()
    for facet, part in chart.facets(frame):
        part = part.sort_values(lower)
        shades = ramp(chart.colours[:-1], len(part))
        decimals = _decimals([*part[lower], *part[upper], *part[printed]])
        spans = []
        for row, colour in zip(part.to_dict("records"), shades, strict=True):
            low, high = float(row[lower]), float(row[upper])
            mark = None if pd.isna(row[printed]) else float(row[printed])
            is_agreeing = pd.isna(row[agrees]) or bool(row[agrees])
            text = None
            if mark is not None:
                differs.add(not is_agreeing)
                text = t(
                    "chart.limit_printed" if is_agreeing else "chart.limit_differing",
                    printed=number_text(mark, _decimals([mark])),
                    rebuilt=number_text(high, decimals),
                )
            number = None
            if count is not None and not pd.isna(row[count]):
                number = t("chart.respondents", n=number_text(float(row[count]), 0))
            edges = number_text(low, _decimals([low])), number_text(high, _decimals([high]))
            spans.append(
                Span(
                    chart.label(row[chart.column("category")]),
                    low,
                    high,
                    colour,
                    edges,
                    mark,
                    text,
                    is_agreeing,
                    number,
                )
            )
        panels.append(Panel(chart.label(facet), spans=tuple(spans)))
    ink = chart.style.ink
    keys = [Key(t("chart.limit_rebuilt"), ink, "tick")]
    if False in differs:
        keys.append(Key(t("chart.limit_agrees"), ink, "dot"))
    if True in differs:
        keys.append(Key(t("chart.limit_differs"), ALARM, "diamond"))
    return keys, panels, []


ALARM = "#b3361e"
"""Colour of what does not agree."""


def _matrix(chart: _Chart) -> _Drawn:
    frame = chart.frame
    words, ties = chart.column("words"), chart.column("count")
    hatches: dict[str, Key] = {}
    panels: list[Panel] = []
    most = float(frame[ties].max()) if frame[ties].notna().any() else 0.0
    for facet, part in chart.facets(frame):
        for title, rows, cell in (
            ("chart.reported", part[part[words].notna()], _reported(chart, hatches)),
            ("chart.counted", part[part[ties].notna()], _counted(chart, most)),
        ):
            if not rows.empty:
                panels.append(
                    _matrix_panel(chart, t(title, direction=chart.label(facet)), rows, cell)
                )
    if not panels:
        return None
    keys = list(hatches.values())
    if most > 0:
        keys.append(Key(t("chart.ties_key"), chart.colours[len(chart.colours) // 2]))
    return keys, panels, []


def _matrix_panel(
    chart: _Chart, title: Text, part: pd.DataFrame, cell: Callable[[Mapping[Any, Any]], Cell]
) -> Panel:
    category, group = chart.column("category"), chart.column("group")
    # Rows and columns of every panel in one order, whatever a panel lacks.
    heads = [name for name in dict.fromkeys(chart.frame[group]) if name in set(part[group])]
    names = [name for name in dict.fromkeys(chart.frame[category]) if name in set(part[category])]
    found = {(row[category], row[group]): cell(row) for row in part.to_dict("records")}
    details = [
        name
        for role, name in sorted(chart.spec.columns.items())
        if role in ("level", "dependency") and part[name].notna().any()
    ]
    rows = []
    for name in names:
        told = [
            chart.label(word)
            for column in details
            for word in dict.fromkeys(part.loc[part[category] == name, column].dropna())
        ]
        cells = tuple(found.get((name, head)) for head in heads)
        rows.append(Row(chart.label(name), cells, detail=_join(told, "; ") if told else None))
    return Panel(
        title,
        tuple(rows),
        columns=tuple(chart.label(head) for head in heads),
        detail=_join([COLUMNS[name].label for name in details], "; ") if details else None,
    )


def _reported(chart: _Chart, hatches: dict[str, Key]) -> Callable[[Mapping[Any, Any]], Cell]:
    """Print a source's words without what stands in brackets; that becomes a hatching."""

    def cell(row: Mapping[Any, Any]) -> Cell:
        word, _, more = str(row[chart.column("words")]).partition(" (")
        more = more.rstrip(")")
        if not more:
            return Cell(None, chart.label(word), chart.style.paper)
        kind = ("hatch", "hatch-back", "hatch-cross")[min(len(hatches), 2)]
        key = hatches.setdefault(more, Key(chart.label(more), chart.style.paper, kind))
        return Cell(None, chart.label(word), key.colour, key.mark)

    return cell


def _counted(chart: _Chart, most: float) -> Callable[[Mapping[Any, Any]], Cell]:
    """Print ties and firms; the more ties, the darker."""

    def cell(row: Mapping[Any, Any]) -> Cell:
        ties = float(row[chart.column("count")])
        shade = chart.colours[math.floor((len(chart.colours) - 1) * ties / most)] if most else ""
        text = t(
            "chart.ties_firms",
            ties=number_text(ties, 0),
            firms=number_text(_number(row[chart.column("firms")]), 0),
        )
        return Cell(ties, text, shade or chart.style.paper)

    return cell


def _comparison(chart: _Chart) -> _Drawn:
    frame, spec = chart.frame, chart.spec
    place, metric, period, value, status = (
        chart.column(role) for role in ("category", "metric", "period", "value", "status")
    )
    frame = frame[frame[value].notna()]
    if spec.axis == "logarithmic":
        frame = frame[frame[value] > 0]
    if len(frame) < 2:
        return None
    looks = {
        name: (chart.colours[min(number, len(chart.colours) - 1)], mark)
        for number, (name, mark) in enumerate(
            zip(
                ("published", "computed", "register", "synthetic"), ("dot", "ring") * 2, strict=True
            )
        )
    }
    panels = []
    for facet, part in chart.facets(frame):
        decimals = _decimals(part[value])
        rows = []
        for where, block in part.groupby(place, sort=False):
            ordered = block.sort_values([period, metric], kind="stable")
            for number, row in enumerate(ordered.to_dict("records")):
                colour, mark = looks[row[status]]
                amount = float(row[value])
                told = chart.label(row[metric])
                if not pd.isna(row[period]):
                    told = t("chart.source_of", metric=told, period=chart.label(row[period]))
                rows.append(
                    Row(
                        told,
                        (Cell(amount, number_text(amount, decimals), colour, mark),),
                        heading=None if number else same(str(where)),
                        detail=_cited([row], chart.sources),
                    )
                )
        title = chart.label(facet)
        if spec.axis == "logarithmic":
            title = t("chart.logarithmic", what=title)
        panels.append(Panel(title, tuple(rows)))
    used = [name for name in STATUSES if (frame[status] == name).any()]
    keys = [Key(t(f"status.{name}"), *looks[name]) for name in used]
    return keys, panels, [t("chart.figures", n=len(frame))]


def _shares(chart: _Chart) -> _Drawn:
    category, group, value = (chart.column(role) for role in ("category", "group", "value"))
    frame = chart.frame[chart.frame[value].notna()]
    if frame.empty:
        return None
    groups = chart.group_colours(list(dict.fromkeys(frame[group])))
    panels = []
    for facet, part in chart.facets(frame):
        decimals = _decimals(part[value])
        rows, remarks = [], []
        for name in dict.fromkeys(part[category]):
            found = part[part[category] == name].set_index(group)[value].astype(float)
            rows.append(
                Row(
                    chart.label(name),
                    tuple(
                        Cell(
                            float(found[one]),
                            t("chart.share", share=number_text(float(found[one]), decimals)),
                            colour,
                        )
                        if one in found.index
                        else None
                        for one, colour in groups.items()
                    ),
                )
            )
            total = float(found.sum())
            if abs(total - 100) > 0.5:
                shown = number_text(total, max(decimals, 1))
                remarks.append(t("chart.sum", what=chart.label(name), sum=shown))
        panels.append(Panel(chart.label(facet), tuple(rows), remarks=tuple(remarks)))
    keys = [Key(chart.label(one), colour) for one, colour in groups.items()]
    return keys, panels, [t("chart.n_unknown")]


_MAKERS: dict[str, Callable[[_Chart], _Drawn]] = {
    "bars": _bars,
    "classes": _classes,
    "matrix": _matrix,
    "comparison": _comparison,
    "shares": _shares,
}


def _starred(text: Text) -> Text:
    return Text(**{language: f"{text[language]}*" for language in LANGUAGES})


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def _decimals(values: Iterable[Any]) -> int:
    """Return the decimals that show every number as it is, at most two."""
    known = [float(value) for value in values if not pd.isna(value)]
    return next((d for d in (0, 1) if all(abs(round(v, d) - v) < 1e-6 for v in known)), 2)


def _join(texts: Sequence[Text], by: str) -> Text:
    return Text(**{language: by.join(text[language] for text in texts) for language in LANGUAGES})


def _cited(rows: Iterable[Mapping[Any, Any]], sources: Mapping[str, str]) -> Text | None:
    ids = [
        part.strip()
        for row in rows
        if not pd.isna(row["source_ids"])
        for part in str(row["source_ids"]).split(";")
    ]
    cited = list(dict.fromkeys(sources.get(name, name) for name in ids))
    return same("; ".join(cited)) if cited else None


def _caption(
    frame: pd.DataFrame, facts: Sequence[Text], sources: Mapping[str, str], is_cited_beside: bool
) -> Text:
    """Say what the numbers are: how many, status, uncertainty, year, source."""
    kinds = [s for s in STATUSES if "status" in frame and (frame["status"] == s).any()]
    statuses = _join([t(f"status.{kind}") for kind in kinds or ["published"]], ", ")
    parts = [*facts, t("caption.status", status=statuses), t("caption.uncertainty")]
    if is_cited_beside:
        parts.append(t("chart.sources_beside"))
        return Text(**{key: ". ".join(part[key] for part in parts) + "." for key in LANGUAGES})
    periods = sorted(set(frame["period"].dropna())) if "period" in frame else []
    if len(periods) == 1:
        parts.append(t("caption.period", period=same(periods[0])))
    cited = _cited(frame.to_dict("records"), sources)
    if cited is not None:
        parts.append(t("caption.source", source=cited))
    return Text(**{key: ". ".join(part[key] for part in parts) + "." for key in LANGUAGES})
