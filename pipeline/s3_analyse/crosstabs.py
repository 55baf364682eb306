"""Printed cross tables recomputed from their own cells: printed beside recomputed, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

TOTAL = "total"
_KEYS = ["table_id", "variable"]


def recompute(table: pd.DataFrame) -> pd.DataFrame:
    """Recompute every total, share and mean of printed cross tables.

    Parameters
    ----------
    table : pandas.DataFrame
        The ``crosstabs`` table in long form: a row a category and group; the group ``total`` and
        the category ``Total`` are sums; rows with a ``mean`` are means over the variable.

    Returns
    -------
    pandas.DataFrame
        A row a printed number that can be recomputed: ``measure`` (count, share_pct, mean),
        ``printed``, ``recomputed``, ``difference``, ``is_agreeing`` (equal to the decimals
        printed).

    Notes
    -----
    The total count is the sum of the groups; a share is 100 x count / sum of the group's counts
    over the categories; the mean of the total is the mean of the groups weighted by their counts.
    Base of the total's shares is the sum of the groups, not the printed total.
    """
    rows: list[dict[str, Any]] = []
    for _, part in table.groupby(_KEYS, sort=False):
        rows += _of_variable(part)
    columns = ["table_id", "variable", "category", "group", "measure", "printed", "recomputed",
               "difference", "is_agreeing", "note", "source_ids"]  # fmt: skip
    dtypes = dict.fromkeys(columns, "string") | {
        "printed": "Float64",
        "recomputed": "Float64",
        "difference": "Float64",
        "is_agreeing": "boolean",
    }
    result = pd.DataFrame(rows, columns=columns).astype(dtypes)
    result["status"] = pd.Series("computed", index=result.index, dtype="string")
    return result


def _of_variable(part: pd.DataFrame) -> Iterator[dict[str, Any]]:
    is_sum = part["category"].str.lower() == TOTAL
    counts = part[part["count"].notna()]
    cells = counts[~is_sum[counts.index] & (counts["group"] != TOTAL)]
    base = cells.groupby("group", sort=False)["count"].sum()
    by_category = cells.groupby("category", sort=False)["count"].sum()
    groups = [group for group in part["group"].unique() if group != TOTAL]
    for (_, row), is_sum_row in zip(part.iterrows(), is_sum, strict=True):
        group, category = row["group"], row["category"]
        size = float(base.sum()) if group == TOTAL else float(base.get(group, 0))
        if is_sum_row:
            count: float | None = size
        elif group == TOTAL:
            count = float(by_category[category]) if category in by_category else None
        else:
            count = None if pd.isna(row["count"]) else float(row["count"])
        if (group == TOTAL or is_sum_row) and not pd.isna(row["count"]):
            yield _cell(row, "count", row["count"], count)
        if not pd.isna(row["share_pct"]) and count is not None and size > 0:
            yield _cell(row, "share_pct", row["share_pct"], 100 * count / size)
        if not pd.isna(row["mean"]) and group == TOTAL:
            means = part[(part["category"] == category) & part["mean"].notna()]
            means = means.set_index("group")["mean"]
            if set(groups) <= set(means.index) and size > 0:
                weighted = sum(float(means[name]) * float(base[name]) for name in groups) / size
                yield _cell(row, "mean", row["mean"], weighted)


def _cell(row: pd.Series, measure: str, printed: Any, recomputed: float | None) -> dict[str, Any]:
    value = float(printed)
    found = float("nan") if recomputed is None else recomputed
    return {
        **{key: row[key] for key in ("table_id", "variable", "category", "group")},
        "measure": measure,
        "printed": value,
        "recomputed": round(found, 4),
        "difference": round(value - found, 4),
        "is_agreeing": abs(value - found) <= 0.5 * 10.0 ** -_decimals(value) + 1e-9,
        "note": row["note"],
        "source_ids": row["source_ids"],
    }


def _decimals(value: float) -> int:
    """Return the decimals a number was printed with; whole numbers of a share count as none."""
    text = repr(round(value, 6))
    return 0 if text.endswith(".0") else len(text.partition(".")[2])
