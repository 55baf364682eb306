"""Surveys: score classes rebuilt beside the printed ones, linkages as reported or counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.contracts.errors import Fault, InputError, InvalidArgument
from pipeline.contracts.reading import empty
from pipeline.s3_analyse.aggregate import join_ids
from pipeline.stats.scores import Scale


def score_classes(scales: pd.DataFrame, item_scores: pd.DataFrame, where: str) -> pd.DataFrame:
    """Rebuild the classes of each scale by equal intervals, beside the printed limits.

    Parameters
    ----------
    scales : pandas.DataFrame
        The ``scales`` table.
    item_scores : pandas.DataFrame
        The ``item_scores`` table; may be empty. Where a scale has scores, the respondents of each
        class are counted (those with an unanswered item are not).
    where : str
        Folder of the tables, for messages.

    Returns
    -------
    pandas.DataFrame
        A row a class: limits, the printed upper limit and whether the two agree to the decimals
        printed, number of respondents.

    Raises
    ------
    InputError
        Every scale whose range does not rise, whose printed limits or class names are not as
        many as its classes, and every score outside its item range.
    """
    rows: list[dict[str, Any]] = []
    faults: list[Fault] = []
    for number, row in enumerate(scales.to_dict("records"), start=2):
        try:
            rows += _classes_of(row, item_scores)
        except InvalidArgument as error:
            file = "item_scores.csv" if str(error).startswith("scores") else "scales.csv"
            place = None if file == "item_scores.csv" else number
            faults.append(
                Fault(str(Path(where) / file), "a scale and scores that fit", str(error), row=place)
            )
    if faults:
        raise InputError(faults)
    table = pd.DataFrame(rows, columns=list(empty("score_class").columns))
    return table.astype(empty("score_class").dtypes.to_dict())


def _classes_of(row: dict[Any, Any], item_scores: pd.DataFrame) -> list[dict[str, Any]]:
    scale = Scale(
        int(row["items_count"]),
        int(row["score_min"]),
        int(row["score_max"]),
        int(row["classes_count"]),
    )
    names = [part.strip() for part in str(row["class_names"]).split(";")]
    if len(names) != scale.classes:
        raise InvalidArgument(f"class_names: expected {scale.classes}, found {len(names)}")
    printed: list[float | None] = [None] * scale.classes
    if not pd.isna(row["printed_limits"]):
        limits = [float(part) for part in str(row["printed_limits"]).split(";")]
        if len(limits) != scale.classes - 1:
            raise InvalidArgument(
                f"printed_limits: expected {scale.classes - 1}, found {len(limits)}"
            )
        printed[: len(limits)] = limits
    counts = _respondents(scale, item_scores[item_scores["scale_id"] == row["scale_id"]])
    edges = scale.limits()
    return [
        {
            "scale_id": row["scale_id"],
            "variable": row["variable"],
            "class_rank": rank + 1,
            "class_name": names[rank],
            "lower_score": round(float(edges[rank]), 4),
            "upper_score": round(float(edges[rank + 1]), 4),
            "printed_upper": printed[rank],
            "is_agreeing": _agrees(printed[rank], float(edges[rank + 1])),
            "respondents_count": counts[rank] if counts is not None else None,
            "note": row["note"],
            "source_ids": row["source_ids"],
            "status": "computed",
        }
        for rank in range(scale.classes)
    ]


def _agrees(printed: float | None, rebuilt: float) -> bool | None:
    if printed is None:
        return None
    decimals = 0 if printed == int(printed) else len(repr(printed).partition(".")[2])
    return abs(printed - rebuilt) <= 0.5 * 10.0**-decimals + 1e-9


def _respondents(scale: Scale, scores: pd.DataFrame) -> list[int] | None:
    if scores.empty:
        return None
    wide = scores.pivot(index="respondent_id", columns="item_id", values="value")
    classes = scale.classify(scale.totals(wide.to_numpy(dtype=float, na_value=np.nan)))
    return [int((classes == rank).sum()) for rank in range(scale.classes)]


def linkages(published: pd.DataFrame, ties: pd.DataFrame) -> pd.DataFrame:
    """Return linkages by category, variable and direction: as reported, and counted from ties.

    Parameters
    ----------
    published : pandas.DataFrame
        The ``linkages`` table: what a source reports, in its words.
    ties : pandas.DataFrame
        The ``ties`` table of a survey; may be empty.

    Returns
    -------
    pandas.DataFrame
        Published rows carry the source's words in ``presence`` and
        ``horizontal_level``; computed rows the number of ties, of firms that have one, and of
        distinct partners.
    """
    rows: list[dict[str, Any]] = []
    for row in published.to_dict("records"):
        for direction in ("horizontal", "vertical"):
            is_horizontal = direction == "horizontal"
            rows.append(
                {
                    "category": row["category"],
                    "variable": row["variable"],
                    "direction": direction,
                    "horizontal_level": row["horizontal_level"] if is_horizontal else pd.NA,
                    "vertical_dependency_on": (
                        pd.NA if is_horizontal else row["vertical_dependency_on"]
                    ),
                    "presence": row[f"{direction}_presence"],
                    "note": row["note"],
                    "source_ids": row["source_ids"],
                    "status": "published",
                }
            )
    keys = ["category", "variable", "direction"]
    for key, part in ties.groupby(keys, sort=True):
        rows.append(
            {
                **dict(zip(keys, key, strict=True)),
                "ties_count": len(part),
                "firms_count": part["firm_id"].nunique(),
                "partners_count": part["partner"].nunique(),
                "source_ids": join_ids(part["source_ids"]),
                "status": "computed",
            }
        )
    table = pd.DataFrame(rows, columns=list(empty("linkage").columns))
    return table.astype(empty("linkage").dtypes.to_dict())
