"""The study read from top to bottom: data, contradictions, results, limits, sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from pipeline.contracts.text import LANGUAGES, Text, number_text, same, t
from pipeline.s5_render.chart_plan import ChartPlan
from pipeline.s5_render.plan import AtlasPlan, FieldPlan, field_plan

_ASSETS = Path(__file__).with_name("assets")


@dataclass(frozen=True)
class Section:
    """One section: a heading, an introduction, a table."""

    id: str
    title: Text
    intro: Text
    columns: tuple[FieldPlan, ...]
    rows: tuple[tuple[Text, ...], ...]


_TABLES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "clusters",
        "cluster",
        ("cluster_name", "place_name", "village_name", "district_name", "firms_count",
         "workers_count", "precision", "method", "source_ids"),
    ),
    ("register", "register_district",
     ("district_name", "regency_name", "firms_count", "firms_share_pct", "workers_count",
      "workers_male_count", "workers_female_count", "firms_without_workers_count",
      "workers_per_firm", "period", "status")),
    ("specialisation_summary", "specialisation_summary",
     ("specialisation", "firms_count", "units_count", "gini", "gini_expected", "gamma",
      "gamma_labels", "p_labels", "q_labels", "refusal", "status")),
    ("comparison", "comparison",
     ("place_name", "metric", "value", "unit", "period", "status", "note", "source_ids")),
    ("contradictions", "contradictions",
     ("contradiction_id", "subject", "claim_a", "claim_b", "comment", "source_ids")),
    ("specialisations", "specialisations",
     ("specialisation", "spatial_pattern", "reasons_named", "partnership", "source_ids")),
    ("network", "network_actors",
     ("list_order", "actor", "level", "leading_in", "is_score_published", "note", "source_ids")),
    ("linkage", "linkage",
     ("category", "variable", "direction", "presence", "horizontal_level",
      "vertical_dependency_on", "ties_count", "firms_count", "status", "source_ids")),
    ("score_class", "score_class",
     ("variable", "class_name", "lower_score", "upper_score", "printed_upper", "is_agreeing",
      "respondents_count", "note")),
    ("crosstab_check", "crosstab_check",
     ("table_id", "variable", "category", "group", "measure", "printed", "recomputed",
      "difference", "is_agreeing", "note")),
    ("stakeholders", "stakeholders", ("group", "actor", "role", "role_scope", "source_ids")),
    ("facts", "facts",
     ("topic", "place_name", "metric", "category", "value", "unit", "period", "note",
      "source_ids")),
)  # fmt: skip


_SHOWN: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    # Units the register does not reach have nothing to say.
    "register_district": lambda frame: frame[frame["firms_count"].notna()],
    # The other levels, weights and references are in tables/.
    "specialisation_summary": lambda frame: frame[
        (frame["level"] == "village")
        & (frame["weight"] == "firms")
        & (frame["reference"] == "register")
    ],
}


def sections(tables: Mapping[str, pd.DataFrame], sources: Mapping[str, str]) -> list[Section]:
    """Return the tables of the report that have rows.

    Parameters
    ----------
    tables : mapping
        Released tables by name.
    sources : mapping
        Citation by source id.
    """
    made = []
    for key, name, columns in _TABLES:
        frame = _SHOWN.get(name, lambda whole: whole)(tables[name])
        if frame.empty:
            continue
        fields = tuple(field_plan(column, cells=frame[column]) for column in columns)
        rows = tuple(
            tuple(cell(row[field.name], field, sources) for field in fields)
            for row in frame.to_dict("records")
        )
        made.append(Section(key, t(f"report.{key}"), t(f"report.{key}_intro"), fields, rows))
    return made


def cell(value: Any, field: FieldPlan, sources: Mapping[str, str]) -> Text:
    """Return one cell as people read it: numbers by language, codes translated, sources cited.

    Examples
    --------
    >>> cell(1468, field_plan("workers_count"), {}).both()
    {'id': '1.468', 'en': '1,468'}
    """
    if pd.isna(value):
        return same("–")
    if field.name == "source_ids":
        ids = [part.strip() for part in str(value).split(";")]
        return same("; ".join(sources.get(name, name) for name in ids))
    if field.name in ("list_order", "contradiction_id", "year"):
        return same(str(value))
    if field.kind in ("whole", "real"):
        return number_text(float(value), _decimals(float(value), field.decimals))
    if field.kind == "flag":
        return t("is_offset.true" if value else "is_offset.false")
    return field.values.get(str(value), same(str(value)))


def _decimals(value: float, most: int) -> int:
    """Return as many decimals as the figure was printed with: at most three, none it lacks."""
    if most == 0:
        return 0
    return next((d for d in range(4) if abs(round(value, d) - value) < 1e-9), 3)


def report_html(
    plan: AtlasPlan,
    about: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    figures: Sequence[str],
    charts: Sequence[ChartPlan] = (),
) -> str:
    """Return the report as one HTML file in both languages.

    Parameters
    ----------
    plan : AtlasPlan
        The layers.
    about : mapping
        ``about.json`` of the release: inputs, rows, notes.
    tables : mapping
        Released tables by name.
    figures : sequence of str
        Layers that have a figure in ``figures/``.
    charts : sequence of ChartPlan
        Charts, which all have one.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_ASSETS), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.globals.update(bi=_bi, t=t)
    counted = [
        (table, rows["in"], rows["out"], rows["dropped"])
        for stage in about["rows"].values()
        for table, rows in stage.items()
        if rows["in"]
    ]
    assumed = tables.get("demonstration_notes")
    lines = [] if assumed is None else assumed.to_dict("records")
    used = {
        part.strip()
        for frame in tables.values()
        if "source_ids" in frame
        for cell_ in frame["source_ids"].dropna()
        for part in str(cell_).split(";")
    }
    listed = tables["sources"]
    return environment.get_template("report.html.j2").render(
        plan=plan,
        layers=[layer for layer in plan.layers if layer.id in figures],
        charts=charts,
        sections=sections(tables, plan.sources),
        counted=counted,
        assumptions=[Text(id=line["text_id"], en=line["text_en"]) for line in lines],
        notes=[note for notes in about["notes"].values() for note in notes],
        inputs=about["inputs"],
        environment=about["environment"],
        publications=listed[listed["source_id"].isin(used) | (listed["kind"] == "boundary")]
        .sort_values("citation")
        .to_dict("records"),
        is_missing=pd.isna,
    )


def _bi(text: Text) -> Markup:
    """Return both languages of a text; the page shows the chosen one."""
    if text.id == text.en:
        return Markup.escape(text.id)
    parts = [
        Markup('<span lang="{}">{}</span>').format(language, text[language])
        for language in LANGUAGES
    ]
    return Markup("").join(parts)
