"""Score classes beside the printed ones, and linkages reported or counted: by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from pipeline.contracts.errors import InputError
from pipeline.contracts.provenance import PROJECT
from pipeline.contracts.reading import check, empty, read_csv
from pipeline.contracts.tables import TABLES
from pipeline.s3_analyse.survey import linkages, score_classes

TUBAN = PROJECT / "areas" / "tuban" / "tables"
BAYAT = PROJECT / "areas" / "bayat" / "tables"


def table(name: str, *rows: tuple[object, ...]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=TABLES[name].columns)
    return frame.astype(empty(name).dtypes.to_dict())


def scale(**change: object) -> tuple[object, ...]:
    row: dict[str, object] = {
        "scale_id": "help",
        "variable": "help",
        "items_count": 2,
        "score_min": 1,
        "score_max": 4,
        "classes_count": 3,
        "class_names": "low; middle; high",
        "printed_limits": "4; 6",
        "note": pd.NA,
        "source_ids": "s",
    }
    return tuple((row | change).values())


def scores(*rows: tuple[str, str, float], scale_id: str = "help") -> pd.DataFrame:
    return table("item_scores", *((who, scale_id, item, value, "s") for who, item, value in rows))


NONE = empty("item_scores")


def test_classes_and_respondents_by_hand() -> None:
    answers = scores(
        ("r1", "i1", 1), ("r1", "i2", 1),  # 2: low
        ("r2", "i1", 1), ("r2", "i2", 3),  # 4: low, on the limit
        ("r3", "i1", 2), ("r3", "i2", 3),  # 5: middle
        ("r4", "i1", 4), ("r4", "i2", 4),  # 8: high
        ("r5", "i1", 4),  # one item unanswered: in no class
    )  # fmt: skip
    found = check(score_classes(table("scales", scale()), answers, "x"), "score_class")
    assert found["class_name"].tolist() == ["low", "middle", "high"]
    assert found["lower_score"].tolist() == [2, 4, 6]
    assert found["upper_score"].tolist() == [4, 6, 8]
    assert found["respondents_count"].tolist() == [2, 1, 1]
    assert found["printed_upper"].tolist()[:2] == [4, 6]
    assert found["is_agreeing"].tolist()[:2] == [True, True]
    assert found["printed_upper"].isna().tolist() == [False, False, True]


def test_without_scores_or_printed_limits_both_stay_missing() -> None:
    found = score_classes(table("scales", scale(printed_limits=pd.NA)), NONE, "x")
    for column in ("printed_upper", "is_agreeing", "respondents_count"):
        assert found[column].isna().all()


def test_scores_of_another_scale_are_not_counted() -> None:
    other = scores(("r1", "i1", 4), scale_id="other")
    found = score_classes(table("scales", scale()), other, "x")
    assert found["respondents_count"].isna().all()


def test_the_published_scales_agree_in_all_limits_but_one() -> None:
    scales = read_csv(TUBAN / "scales.csv", "scales")
    found = score_classes(scales, NONE, "x")
    shown = found[["scale_id", "class_name", "upper_score", "printed_upper", "is_agreeing"]]
    assert [tuple(row) for row in shown.dropna().itertuples(index=False)] == [
        ("kontribusi", "rendah", 14, 14, True),
        ("kontribusi", "moderat", 22, 22, True),
        ("kerugian", "rendah", 11.6667, 11.67, True),
        ("kerugian", "moderat", 18.3333, 18.34, False),
    ]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"class_names": "low; high"}, "class_names: expected 3, found 2"),
        ({"printed_limits": "4; 6; 8"}, "printed_limits: expected 2, found 3"),
        ({"score_max": 1}, "high: expected more than low = 1, found 1"),
        ({"classes_count": 1, "class_names": "all"}, "classes: expected at least 2, found 1"),
    ],
)
def test_a_scale_that_does_not_fit_is_told_with_its_row(
    change: dict[str, object], found: str
) -> None:
    with pytest.raises(InputError, match=found) as caught:
        score_classes(table("scales", scale(), scale(**change)), NONE, "tables")
    assert [(fault.where, fault.row) for fault in caught.value.faults] == [("tables/scales.csv", 3)]


def test_scores_outside_the_item_range_and_bad_scales_come_together() -> None:
    scales = table("scales", scale(), scale(scale_id="b", class_names="one"))
    answers = scores(("r1", "i1", 1), ("r1", "i2", 9))
    with pytest.raises(InputError) as caught:
        score_classes(scales, answers, "tables")
    first, second = caught.value.faults
    assert first.where == "tables/item_scores.csv"
    assert first.row is None
    assert "expected 1 to 4, found 9" in first.found
    assert (second.where, second.row) == ("tables/scales.csv", 3)


def test_a_respondent_who_answered_too_few_items_of_a_scale_is_told() -> None:
    with pytest.raises(InputError, match=r"expected shape \(n, 2\), found \(1, 1\)"):
        score_classes(table("scales", scale()), scores(("r1", "i1", 1)), "tables")


def test_reported_linkages_keep_the_sources_words() -> None:
    reported = table(
        "linkages",
        ("new", "marketing", "yes (all)", "lower", "no", "buyers", "said once", "s"),
    )
    found = check(linkages(reported, empty("ties")), "linkage")
    assert found["direction"].tolist() == ["horizontal", "vertical"]
    assert found["presence"].tolist() == ["yes (all)", "no"]
    assert found["horizontal_level"].fillna("").tolist() == ["lower", ""]
    assert found["vertical_dependency_on"].fillna("").tolist() == ["", "buyers"]
    assert found["ties_count"].isna().all()


def test_ties_are_counted_by_category_variable_and_direction() -> None:
    columns = TABLES["ties"].columns
    rows = [
        {"firm_id": firm, "category": "new", "variable": "marketing", "partner": partner,
         "direction": direction, "source_ids": source}
        for firm, partner, direction, source in (
            ("f1", "p1", "horizontal", "a"),
            ("f1", "p2", "horizontal", "b"),
            ("f2", "p1", "horizontal", "a"),
            ("f2", "p3", "vertical", "a"),
        )
    ]  # fmt: skip
    ties = pd.DataFrame(rows, columns=columns).astype(empty("ties").dtypes.to_dict())
    found = check(linkages(empty("linkages"), ties), "linkage").set_index("direction")
    assert found["ties_count"].to_dict() == {"horizontal": 3, "vertical": 1}
    assert found["firms_count"].to_dict() == {"horizontal": 2, "vertical": 1}
    assert found["partners_count"].to_dict() == {"horizontal": 2, "vertical": 1}
    assert found.loc["horizontal", "source_ids"] == "a; b"
    assert set(found["status"]) == {"computed"}
    assert found["presence"].isna().all()


def test_the_published_matrix_gives_two_rows_a_cell() -> None:
    reported = read_csv(BAYAT / "linkages.csv", "linkages")
    found = linkages(reported, empty("ties"))
    assert len(found) == 2 * len(reported) == 24
    assert set(found["presence"]) == {"yes (not broken down by category)"}
