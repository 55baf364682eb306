"""``layers/charts/*.yaml``: one declaration a figure that is not a map."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.layer import Category, Identifier, Palettes
from pipeline.contracts.model import Strict, load_model
from pipeline.contracts.tables import TABLES
from pipeline.contracts.text import Text

ChartKind = Literal["bars", "classes", "matrix", "comparison", "shares"]
Role = Literal[
    "agrees",
    "category",
    "count",
    "dependency",
    "facet",
    "firms",
    "group",
    "level",
    "lower",
    "mean",
    "metric",
    "period",
    "printed",
    "status",
    "table",
    "upper",
    "value",
    "words",
]

ROLES: dict[ChartKind, tuple[frozenset[Role], frozenset[Role]]] = {
    "bars": (
        frozenset({"table", "facet", "category", "group", "value", "count"}),
        frozenset({"mean"}),
    ),
    "classes": (
        frozenset({"facet", "category", "lower", "upper", "printed", "agrees"}),
        frozenset({"count"}),
    ),
    "matrix": (
        frozenset({"facet", "category", "group", "words", "status", "count", "firms"}),
        frozenset({"level", "dependency"}),
    ),
    "comparison": (
        frozenset({"facet", "category", "metric", "period", "value", "status"}),
        frozenset(),
    ),
    "shares": (frozenset({"facet", "category", "group", "value"}), frozenset()),
}
"""Roles a kind of chart must give a column, and those it may."""

_CHECKED = {"measure", "printed", "recomputed", "is_agreeing"}


class ChartSpec(Strict):
    """The model of one chart file."""

    id: Identifier = Field(description="Name; equals the file's.")
    title: Text = Field(description="Title of the figure.")
    note: Text = Field(description="What the figure shows and what it does not.")
    kind: ChartKind = Field(
        description="bars: grouped bars; classes: number lines of score classes; matrix: words or "
        "counts by row and column; comparison: dots; shares: stacked bars of 100 %."
    )
    table: Identifier = Field(description="Released table it is drawn from.")
    columns: dict[Role, Identifier] = Field(
        description="Column of the table for each role: facet gives the panels, category the "
        "rows, group the colours or columns; the rest is named after what it holds."
    )
    where: dict[Identifier, tuple[str, ...]] = Field(
        default={}, description="Rows that are drawn: the values wanted of a column, in order."
    )
    totals: tuple[str, ...] = Field(
        default=(), description="Words, in small letters, that mark sums; these are not drawn."
    )
    check: Identifier | None = Field(
        default=None,
        description="Released table of printed beside recomputed numbers; what disagrees is "
        "starred and told.",
    )
    palette: str = Field(description="Palette in palettes.yaml.")
    groups: tuple[Category, ...] = Field(
        default=(), description="Groups that come first, in order, with their labels."
    )
    axis: Literal["linear", "logarithmic"] = Field(
        default="linear", description="Scale of the values of a comparison."
    )
    labels: dict[str, Text] = Field(
        default={}, description="How words of the table are printed; others are printed as is."
    )

    @model_validator(mode="after")
    def _fits_kind(self) -> ChartSpec:
        needed, optional = ROLES[self.kind]
        faults = [f"a column for the role {role!r}" for role in sorted(needed - set(self.columns))]
        faults += [
            f"no role {role!r}, which {self.kind} does not have"
            for role in sorted(set(self.columns) - needed - optional)
        ]
        if self.table in TABLES:
            known = TABLES[self.table].columns
            faults += [
                f"columns of table {self.table} only, not {name!r}"
                for name in dict.fromkeys([*self.columns.values(), *self.where])
                if name not in known
            ]
        else:
            faults.append(f"a known table, not {self.table!r}")
        if self.check is not None and (
            self.check not in TABLES or not set(TABLES[self.check].columns) >= _CHECKED
        ):
            faults.append(f"a table with {', '.join(sorted(_CHECKED))} to check, not {self.check}")
        if self.check is not None and self.kind != "bars":
            faults.append("check with bars only")
        if self.axis != "linear" and self.kind != "comparison":
            faults.append("an axis with comparison only")
        values = [group.value for group in self.groups]
        if len(set(values)) != len(values):
            faults.append("each of groups once")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def label(self, word: str) -> Text:
        """Return how a word of the table is printed.

        Examples
        --------
        ``spec.label("mikro")["en"]`` is ``"micro"`` if the file says so, else ``"mikro"``.
        """
        for group in self.groups:
            if group.value == word:
                return group.label
        return self.labels.get(word, Text(id=word or "–", en=word or "–"))


class ChartOrder(Strict):
    """The model of ``order.yaml``."""

    charts: tuple[Identifier, ...] = Field(description="Every chart, in the order they appear.")


def load_charts(folder: Path) -> list[ChartSpec]:
    """Read ``order.yaml`` and every chart file, in that order; all faults at once.

    Parameters
    ----------
    folder : Path
        The ``layers/charts/`` folder, ``palettes.yaml`` beside it. Without the folder there are
        no charts.

    Raises
    ------
    InputError
        A fault in any file; a chart that the order lacks, repeats or does not know; an unknown
        palette.
    """
    if not folder.is_dir():
        return []
    faults: list[Fault] = []
    read: dict[str, ChartSpec] = {}
    paths = sorted(path for path in folder.glob("*.yaml") if path.stem != "order")
    palettes: Palettes | None = None
    order: ChartOrder | None = None
    try:
        palettes = load_model(Palettes, folder.parent / "palettes.yaml")
    except InputError as error:
        faults.extend(error.faults)
    for path in paths:
        try:
            spec = load_model(ChartSpec, path)
        except InputError as error:
            faults.extend(error.faults)
            continue
        if spec.id != path.stem:
            faults.append(
                Fault(str(path), f"the file's name {path.stem!r}", repr(spec.id), column="id")
            )
        if palettes is not None and spec.palette not in palettes.palettes:
            known = ", ".join(sorted(palettes.palettes))
            faults.append(Fault(str(path), f"one of {known}", repr(spec.palette), column="palette"))
        read[path.stem] = spec
    try:
        order = load_model(ChartOrder, folder / "order.yaml")
    except InputError as error:
        faults.extend(error.faults)
    if order is not None:
        faults += _order_faults(order, {path.stem for path in paths}, str(folder / "order.yaml"))
    if faults or order is None:
        raise InputError(faults)
    return [read[name] for name in order.charts]


def _order_faults(order: ChartOrder, known: set[str], where: str) -> list[Fault]:
    named = list(order.charts)
    faults = [
        Fault(
            where,
            f"one of {', '.join(sorted(known)) or 'no chart'}",
            f"unknown chart {name!r}",
            column="charts",
        )
        for name in dict.fromkeys(named)
        if name not in known
    ]
    faults += [
        Fault(where, "each chart once", f"{name!r} {named.count(name)} times", column="charts")
        for name in sorted(known)
        if named.count(name) != 1
    ]
    return faults
