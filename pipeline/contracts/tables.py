"""The tables the stages agree on: which columns, which key, what each cell must obey.

:data:`TABLES` names each table once; ``reading.py`` holds files and frames against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.contracts.columns import COLUMNS

STATUSES = ("published", "register", "computed", "synthetic")
PRECISIONS = ("gps", "street", "village", "district", "none")
PRODUCTION_UNITS = ("kodi", "potong", "lembar", "meter")
PRODUCTION_PERIODS = ("day", "week", "month", "year")
ACTIVITIES = (
    "batik",
    "konveksi",
    "canting",
    "weaving",
    "market",
    "wastewater_plant",
    "landmark",
    "support",
    "supply",
)
REFUSALS = (
    "no firm of the register in the unit",
    "no firm with workers in the unit",
    "too few firms in the unit",
    "too few firms of the specialisation",
    "all firms of the reference in one unit",
    "no households in the unit",
    "too few units",
    "all firms in one unit",
    "all firms of the specialisation in one unit",
    "no unit has a neighbour",
    "no neighbour with firms",
    "the same value in every unit",
    "every firm has the specialisation",
    "the specialisation is in no unit or in every unit",
    "no firm of the specialisation in the unit",
    "no figure for the unit",
    "too few arrangements for p = 0.05",
    "too few firms with a place of their own",
    "no firm with a place of its own: only statistics of villages are given",
    "approximate boundaries cannot place firms inside their village",
    "too few firms with workers",
    "no firm within the distance",
    "too many firms for draws of places: only statistics of villages are given",
)
"""Why a statistic is not given; it stands in ``refusal``."""
QUANTITIES = (
    "share",
    "presence",
    "count",
    "firms",
    "workers",
    "workers_per_firm",
    "production",
)
LOCAL_CLASSES = (
    "high-high",
    "low-low",
    "high-low",
    "low-high",
    "hot",
    "cold",
    "more",
    "fewer",
    "not significant",
    "refused",
)

VILLAGE_CODE = r"\d{2}\.\d{2}\.\d{2}\.\d{4}"
DISTRICT_CODE = r"\d{2}\.\d{2}\.\d{2}"
REGENCY_CODE = r"\d{2}\.\d{2}"
SLUG = r"[a-z0-9][a-z0-9_.-]*"
SHA256 = r"[0-9a-f]{64}"


@dataclass(frozen=True)
class Rule:
    """What a column of one table must obey."""

    column: str
    nullable: bool = False
    pattern: str | None = None
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None

    def expected(self) -> str:
        """Say in words what a cell must be."""
        spec = COLUMNS[self.column]
        text = {
            "whole": "a whole number in plain digits, such as 1468",
            "real": "a number with a decimal point, such as 13.72",
            "flag": "true or false",
            "text": "text",
            "geometry": "a geometry",
        }[spec.kind]
        if self.pattern == VILLAGE_CODE:
            text = "a village code such as 33.75.01.1002"
        elif self.pattern:
            text = f"text of the form {self.pattern}"
        if self.choices:
            text = f"one of {', '.join(self.choices)}"
        if self.low is not None and self.high is not None:
            text += f", from {self.low:g} to {self.high:g}"
        elif self.low is not None:
            text += f", not below {self.low:g}"
        return text + (" or nothing" if self.nullable else "")


@dataclass(frozen=True)
class Table:
    """A table: its columns in order, its key, what one row is."""

    name: str
    row: str
    rules: tuple[Rule, ...]
    key: tuple[str, ...]

    @property
    def columns(self) -> list[str]:
        """Return the names of the columns in order."""
        return [rule.column for rule in self.rules]


def _rules(*items: Rule | str) -> tuple[Rule, ...]:
    """Read ``"name"`` as a required and ``"name?"`` as a nullable column without further rules."""
    return tuple(
        item if isinstance(item, Rule) else Rule(item.rstrip("?"), nullable=item.endswith("?"))
        for item in items
    )


def _village(nullable: bool = False, name: str = "village_code") -> Rule:
    return Rule(name, nullable, VILLAGE_CODE)


_DISTRICT = Rule("district_code", pattern=DISTRICT_CODE)
_REGENCY = Rule("regency_code", pattern=REGENCY_CODE)
_STATUS = Rule("status", choices=STATUSES)
_KIND = Rule("boundary_kind", choices=("published", "approximate"))
_LONGITUDE = Rule("longitude_deg", low=94, high=142)
_LATITUDE = Rule("latitude_deg", low=-11.5, high=6.5)
_AREA = Rule("area_km2", low=0)
_FIRMS = Rule("firms_count", nullable=True, low=0)
_WORKERS = Rule("workers_count", nullable=True, low=0)
_YEAR = Rule("year", nullable=True, low=1700, high=2100)
_UNIT = ("district_name", _REGENCY, "regency_name")

_LEVEL = Rule("level", choices=("village", "district", "regency"))
_WEIGHT = Rule("weight", choices=("firms", "workers"))
_REFUSED = ("is_refused", Rule("refusal", nullable=True, choices=REFUSALS))
_LABELS = (
    "gamma_labels?",
    Rule("p_labels", True, low=0, high=1),
    Rule("q_labels", True, low=0, high=1),
)
_TESTED = (
    Rule("p", True, low=0, high=1),
    Rule("q", True, low=0, high=1),
    "family?",
    Rule("family_count", True, low=0),
    "null?",
    Rule("permutations_count", low=0),
)
_STATISTIC = (Rule("statistic_value", True), Rule("expected_value", True))
_RESULT = (*_TESTED, "seed?", "warnings?", *_REFUSED, _STATUS)
_STRATA = Rule("strata", choices=("none", "size", "precision"))
_PAIR = ("specialisation_a", "specialisation_b")
_PLACES = (
    Rule("radius_m", True, low=0),
    *_STATISTIC,
    "value_low?",
    "value_high?",
    Rule("draws_count", low=0),
    Rule("smallest_distance_m", True, low=0),
)

_CLUSTER_INPUT = (
    Rule("cluster_id", pattern=SLUG),
    "cluster_name",
    "place_name",
    "district_name",
    "regency_name?",
    "technique?",
    _FIRMS,
    _WORKERS,
    _YEAR,
    "note?",
    "source_ids",
)
_PLACE_INPUT = (
    Rule("place_id", pattern=SLUG),
    Rule("activity", choices=ACTIVITIES),
    "name?",
    "place_name?",
    "district_name?",
    "regency_name?",
    Rule("longitude_deg", nullable=True, low=94, high=142),
    Rule("latitude_deg", nullable=True, low=-11.5, high=6.5),
    Rule("count", nullable=True, low=0),
    "count_unit?",
    "period?",
    "note?",
    "source_ids",
)
_LOCATED = (
    _village(nullable=True),
    "village_name?",
    Rule("district_code", True, DISTRICT_CODE),
    Rule("regency_code", True, REGENCY_CODE),
    Rule("precision", choices=PRECISIONS),
    "method",
    Rule("score", low=0, high=1),
    "evidence",
    "candidates?",
    Rule("geometry", nullable=True),
)
_FIRM = (
    "firm_id",
    "row_number",
    "firm_name?",
    "raw_address?",
    "village_stated?",
    "district_stated?",
    "regency_stated?",
    "specialisation?",
    "technique?",
    _WORKERS,
    Rule("workers_male_count", nullable=True, low=0),
    Rule("workers_female_count", nullable=True, low=0),
    Rule("production_amount", nullable=True, low=0),
    Rule("production_unit", nullable=True, choices=PRODUCTION_UNITS),
    Rule("production_period", nullable=True, choices=PRODUCTION_PERIODS),
    Rule("production_pieces_year", nullable=True, low=0),
    Rule("production_m_year", nullable=True, low=0),
    "principal?",
    Rule("longitude_deg", nullable=True, low=94, high=142),
    Rule("latitude_deg", nullable=True, low=-11.5, high=6.5),
    "has_point_consent",
    "same_phone_as?",
    _YEAR,
    "note?",
    "source_ids",
    _STATUS,
)
_TOTALS = (
    Rule("clusters_count", low=0),
    _FIRMS,
    _WORKERS,
    Rule("workers_per_firm", True, low=0),
    Rule("firms_share_pct", True, low=0, high=100),
    Rule("workers_share_pct", True, low=0, high=100),
    Rule("firms_per_km2", True, low=0),
    Rule("workers_per_km2", True, low=0),
    "period?",
    "source_ids?",
    _STATUS,
)
_FIRM_TOTALS = (
    _FIRMS,
    _WORKERS,
    Rule("workers_male_count", nullable=True, low=0),
    Rule("workers_female_count", nullable=True, low=0),
    Rule("firms_without_workers_count", nullable=True, low=0),
    Rule("workers_per_firm", True, low=0),
    Rule("firms_share_pct", True, low=0, high=100),
    Rule("workers_share_pct", True, low=0, high=100),
    Rule("firms_per_km2", True, low=0),
    Rule("workers_per_km2", True, low=0),
    "period?",
    "source_ids?",
    Rule("status", nullable=True, choices=STATUSES),
)

_ALL = (
    # Committed inputs, one file each in an area folder
    Table(
        "gazetteer",
        "a village",
        _rules(
            _village(),
            "village_name",
            "district_name",
            "regency_name",
            _LONGITUDE,
            _LATITUDE,
            _AREA,
        ),
        ("village_code",),
    ),
    Table(
        "neighbours",
        "a pair of villages with a common border",
        _rules(
            _village(name="village_code_a"),
            _village(name="village_code_b"),
            Rule("shared_border_m", low=0),
        ),
        ("village_code_a", "village_code_b"),
    ),
    Table(
        "old_names",
        "a former village and the present one it lies in",
        _rules(
            "old_name",
            _village(),
            Rule("valid_until", low=1900, high=2100),
            Rule("overlap_share", True, low=0, high=1),
            Rule("confidence", choices=("certain", "high", "probable")),
            "note?",
            "source_ids",
        ),
        ("old_name", "village_code"),
    ),
    Table(
        "aliases",
        "another name of a place",
        _rules(
            "alias",
            Rule(
                "level",
                choices=("village", "district", "regency", "kampung", "landmark", "outside"),
            ),
            "code?",
            "note?",
            "source",
        ),
        ("alias", "level", "code"),
    ),
    Table(
        "sources",
        "a publication, a committed table or a boundary file",
        _rules(
            Rule("source_id", pattern=SLUG),
            Rule("kind", choices=("publication", "table", "boundary")),
            "file?",
            "producer",
            "citation",
            "year?",
            "licence",
            Rule("sha256", True, SHA256),
        ),
        ("source_id",),
    ),
    Table("clusters", "a published cluster (sentra)", _rules(*_CLUSTER_INPUT), ("cluster_id",)),
    Table("places", "a named place of the industry", _rules(*_PLACE_INPUT), ("place_id",)),
    Table(
        "facts",
        "a published figure that is not a row of another table",
        _rules(
            Rule("fact_id", pattern=SLUG),
            "topic",
            "place_name?",
            "metric",
            "category?",
            "value?",
            "unit",
            "period?",
            "note?",
            "source_ids",
        ),
        ("fact_id",),
    ),
    Table(
        "stakeholders",
        "a role of an actor's group",
        _rules("group", "actor", "role", "role_scope", "note?", "source_ids"),
        ("group", "actor", "role"),
    ),
    Table(
        "network_actors",
        "an actor the source names in the network",
        _rules(
            "list_order?",
            "actor",
            "level",
            "leading_in",
            "is_score_published",
            "note?",
            "source_ids",
        ),
        ("actor",),
    ),
    Table(
        "specialisations",
        "a specialisation the source reports",
        _rules("specialisation", "spatial_pattern", "reasons_named", "partnership", "source_ids"),
        ("specialisation",),
    ),
    Table(
        "contradictions",
        "two published claims that do not agree",
        _rules("contradiction_id", "subject", "claim_a", "claim_b", "comment?", "source_ids"),
        ("contradiction_id",),
    ),
    Table(
        "crosstabs",
        "a cell of a printed cross table",
        _rules(
            Rule("table_id", pattern=SLUG),
            "variable",
            "category",
            "group",
            Rule("count", nullable=True, low=0),
            Rule("share_pct", nullable=True, low=0, high=100),
            "mean?",
            "note?",
            "source_ids",
        ),
        ("table_id", "variable", "category", "group"),
    ),
    Table(
        "scales",
        "a summed rating scale and its printed class limits",
        _rules(
            Rule("scale_id", pattern=SLUG),
            "variable",
            Rule("items_count", low=1),
            "score_min",
            "score_max",
            Rule("classes_count", low=2),
            "class_names",
            "printed_limits?",
            "note?",
            "source_ids",
        ),
        ("scale_id",),
    ),
    Table(
        "item_scores",
        "a respondent's score of one item",
        _rules("respondent_id", Rule("scale_id", pattern=SLUG), "item_id", "value", "source_ids"),
        ("respondent_id", "scale_id", "item_id"),
    ),
    Table(
        "linkages",
        "a linkage a source reports for a category and variable, in its words",
        _rules(
            "category",
            "variable",
            "horizontal_presence",
            "horizontal_level?",
            "vertical_presence",
            "vertical_dependency_on?",
            "note?",
            "source_ids",
        ),
        ("category", "variable"),
    ),
    Table(
        "ties",
        "a surveyed tie of a firm",
        _rules(
            "firm_id",
            "category",
            "partner",
            Rule("direction", choices=("horizontal", "vertical")),
            "variable",
            _YEAR,
            "note?",
            "source_ids",
        ),
        ("firm_id", "partner", "direction", "variable"),
    ),
    Table(
        "households",
        "the households of a village",
        _rules(
            _village(),
            Rule("households_count", low=0),
            _YEAR,
            "source_ids",
        ),
        ("village_code",),
    ),
    # Stage tables
    Table(
        "village",
        "a village",
        _rules(
            _village(),
            "village_name",
            Rule("village_kind", choices=("desa", "kelurahan")),
            _DISTRICT,
            *_UNIT,
            _AREA,
            _KIND,
            "geometry",
        ),
        ("village_code",),
    ),
    Table(
        "district",
        "a district (kecamatan)",
        _rules(_DISTRICT, *_UNIT, Rule("villages_count", low=1), _AREA, _KIND, "geometry"),
        ("district_code",),
    ),
    Table(
        "regency",
        "a regency or city",
        _rules(_REGENCY, "regency_name", Rule("villages_count", low=1), _AREA, _KIND, "geometry"),
        ("regency_code",),
    ),
    Table(
        "cluster",
        "a published cluster, placed",
        _rules(*_CLUSTER_INPUT, _STATUS, *_LOCATED),
        ("cluster_id",),
    ),
    Table(
        "place", "a named place, placed", _rules(*_PLACE_INPUT, _STATUS, *_LOCATED), ("place_id",)
    ),
    Table(
        "sample",
        "a cell of a survey's sample by kecamatan and group, placed",
        _rules(
            Rule("sample_id", pattern=SLUG),
            "place_name?",
            "district_name",
            "regency_name?",
            "group",
            Rule("count", low=0),
            Rule("share_pct", nullable=True, low=0, high=100),
            "note?",
            "source_ids",
            _STATUS,
            *_LOCATED,
        ),
        ("sample_id",),
    ),
    Table("register", "a firm as the register has it", _rules(*_FIRM), ("firm_id",)),
    Table(
        "register_rejected",
        "a row of the register that is not a firm",
        _rules("row_number", "reason"),
        ("row_number",),
    ),
    Table(
        "demonstration_notes",
        "what is published and what is assumed in an invented register, line by line",
        _rules("list_order", "text_id", "text_en"),
        ("list_order",),
    ),
    Table(
        "firm",
        "a firm of the register, placed",
        _rules(
            *_FIRM,
            "district_name?",
            "regency_name?",
            "conflict?",
            "duplicate_of?",
            "duplicate_reason?",
            "is_decided",
            *_LOCATED,
        ),
        ("firm_id",),
    ),
    Table(
        "village_total",
        "a village's sums over its clusters",
        _rules(_village(), *_TOTALS),
        ("village_code",),
    ),
    Table(
        "district_total",
        "a district's sums over its clusters",
        _rules(_DISTRICT, *_TOTALS),
        ("district_code",),
    ),
    Table(
        "regency_total",
        "a regency's sums over its clusters",
        _rules(_REGENCY, *_TOTALS),
        ("regency_code",),
    ),
    Table(
        "village_firms",
        "a village's sums over the firms of the register",
        _rules(_village(), *_FIRM_TOTALS),
        ("village_code",),
    ),
    Table(
        "district_firms",
        "a district's sums over the firms of the register",
        _rules(_DISTRICT, *_FIRM_TOTALS),
        ("district_code",),
    ),
    Table(
        "crosstab_check",
        "a printed number of a cross table beside the recomputed one",
        _rules(
            "table_id",
            "variable",
            "category",
            "group",
            Rule("measure", choices=("count", "share_pct", "mean")),
            "printed",
            "recomputed?",
            "difference?",
            "is_agreeing",
            "note?",
            "source_ids",
            _STATUS,
        ),
        ("table_id", "variable", "category", "group", "measure"),
    ),
    Table(
        "score_class",
        "a class of a rating scale, rebuilt, beside the printed one",
        _rules(
            "scale_id",
            "variable",
            Rule("class_rank", low=1),
            "class_name",
            "lower_score",
            "upper_score",
            "printed_upper?",
            "is_agreeing?",
            Rule("respondents_count", nullable=True, low=0),
            "note?",
            "source_ids",
            _STATUS,
        ),
        ("scale_id", "class_rank"),
    ),
    Table(
        "linkage",
        "linkage of a category of firms in a variable: as reported, or counted from ties",
        _rules(
            "category",
            "variable",
            Rule("direction", choices=("horizontal", "vertical")),
            "horizontal_level?",
            "vertical_dependency_on?",
            "presence?",
            Rule("ties_count", nullable=True, low=0),
            Rule("firms_count", nullable=True, low=0),
            Rule("partners_count", nullable=True, low=0),
            "note?",
            "source_ids",
            _STATUS,
        ),
        ("category", "variable", "direction", "status"),
    ),
    Table(
        "specialisation_unit",
        "a specialisation in a unit, by firms or by workers",
        _rules(
            _LEVEL,
            "unit_code",
            "unit_name",
            "specialisation",
            "parent?",
            _WEIGHT,
            "reference_area",
            Rule("firms_count", low=0),
            Rule("specialisation_amount", low=0),
            Rule("unit_firms_count", low=0),
            Rule("unit_amount", low=0),
            Rule("reference_firms_count", low=0),
            Rule("effective_firms", True, low=0),
            Rule("specialisation_share_pct", True, low=0, high=100),
            Rule("reference_share_pct", True, low=0, high=100),
            Rule("lq", True, low=0),
            Rule("lq_low", True, low=0),
            Rule("lq_high", True, low=0),
            Rule("lq_shrunken", True, low=0),
            "interval",
            Rule("largest_firm_share_pct", True, low=0, high=100),
            *_REFUSED,
            _STATUS,
        ),
        ("level", "unit_code", "specialisation", "weight"),
    ),
    Table(
        "specialisation_summary",
        "how concentrated a specialisation is over the units of a level",
        _rules(
            _LEVEL,
            "specialisation",
            "parent?",
            _WEIGHT,
            Rule("reference", choices=("register", "area")),
            "reference_area",
            Rule("firms_count", low=0),
            Rule("specialisation_amount", low=0),
            Rule("reference_firms_count", low=0),
            Rule("reference_share_pct", True, low=0, high=100),
            Rule("units_count", low=0),
            Rule("reference_units_count", low=0),
            *(
                Rule(f"{index}{part}", True)
                for index in ("krugman", "hhi", "gini", "theil", "gamma")
                for part in ("", "_low", "_high", "_expected")
            ),
            "interval",
            *_LABELS,
            *_TESTED,
            Rule("bootstrap_count", low=0),
            "seed?",
            "warnings?",
            *_REFUSED,
            _STATUS,
        ),
        ("level", "specialisation", "weight", "reference"),
    ),
    Table(
        "specialisation_pair",
        "how far two specialisations lie in the same units of a level",
        _rules(
            _LEVEL,
            "specialisation_a",
            "specialisation_b",
            _WEIGHT,
            Rule("reference", choices=("register", "area", "mean")),
            "reference_area",
            Rule("firms_a_count", low=0),
            Rule("firms_b_count", low=0),
            Rule("shared_firms_count", low=0),
            Rule("reference_firms_count", low=0),
            "gamma?",
            "gamma_expected?",
            *_LABELS,
            *_TESTED,
            "seed?",
            "warnings?",
            *_REFUSED,
            _STATUS,
        ),
        ("level", "specialisation_a", "specialisation_b", "weight", "reference"),
    ),
    Table(
        "sentra_test",
        "a specialisation in a village held against the village's households",
        _rules(
            _village(),
            "village_name",
            "specialisation",
            "parent?",
            Rule("firms_count", low=0),
            Rule("households_count", low=0),
            Rule("household_share_pct", True, low=0),
            Rule("threshold_pct", low=0, high=100),
            "is_sentra?",
            _YEAR,
            *_REFUSED,
            "source_ids",
            _STATUS,
        ),
        ("village_code", "specialisation"),
    ),
    Table(
        "autocorrelation_global",
        "a statistic of how alike neighbouring units are in a quantity",
        _rules(
            Rule("level", choices=("village", "district", "hexagon_500m", "hexagon_1km")),
            "area_part",
            "spatial_weights",
            "is_main",
            Rule("quantity", choices=QUANTITIES),
            "specialisation?",
            "parent?",
            Rule("statistic", choices=("moran", "geary", "getis_ord_g", "join_count")),
            *_STATISTIC,
            Rule("firms_count", low=0),
            Rule("tested_units_count", low=0),
            Rule("isolated_units_count", low=0),
            *_RESULT,
        ),
        ("level", "area_part", "spatial_weights", "quantity", "specialisation", "statistic"),
    ),
    Table(
        "autocorrelation_local",
        "a statistic of how alike a village and its neighbours are in a quantity",
        _rules(
            _village(),
            "village_name",
            Rule("quantity", choices=QUANTITIES),
            "specialisation?",
            "parent?",
            Rule("statistic", choices=("local_moran", "gi_star", "local_join_count")),
            "spatial_weights",
            Rule("firms_count", low=0),
            Rule("unit_firms_count", low=0),
            Rule("specialisation_share_pct", True, low=0, high=100),
            Rule("shrunken_share_pct", True, low=0, high=100),
            Rule("neighbours_count", low=0),
            *_STATISTIC,
            Rule("local_class", choices=LOCAL_CLASSES),
            *_RESULT,
        ),
        ("village_code", "quantity", "specialisation", "statistic"),
    ),
    Table(
        "colocation_pair",
        "a statistic of how near firms of one specialisation lie to those of another",
        _rules(
            *_PAIR,
            Rule(
                "statistic",
                choices=("clq", "m_workers", "cross_l", "pcf", "village_clq", "join_count"),
            ),
            _STRATA,
            "is_main",
            Rule("rank", True, low=1),
            Rule("firms_a_count", low=0),
            Rule("firms_b_count", low=0),
            Rule("shared_firms_count", low=0),
            Rule("located_firms_count", low=0),
            *_PLACES,
            Rule("significant_draws_pct", True, low=0, high=100),
            *_RESULT,
        ),
        ("statistic", "strata", "specialisation_a", "specialisation_b"),
    ),
    Table(
        "colocation_curve",
        "a point of a curve over distance from one specialisation to another",
        _rules(
            *_PAIR,
            Rule("statistic", choices=("cross_l", "pcf")),
            _STRATA,
            *_PLACES,
            "envelope_low?",
            "envelope_high?",
            "is_outside?",
            Rule("p", True, low=0, high=1),
            Rule("q", True, low=0, high=1),
            Rule("permutations_count", low=0),
            _STATUS,
        ),
        ("statistic", "strata", "specialisation_a", "specialisation_b", "radius_m"),
    ),
    Table(
        "colocation_local",
        "how common a specialisation is around the firms of another in a village",
        _rules(
            _village(),
            "village_name",
            *_PAIR,
            "spatial_weights",
            Rule("firms_a_count", low=0),
            Rule("unit_firms_count", low=0),
            Rule("neighbours_count", low=0),
            *_STATISTIC,
            Rule("local_class", choices=LOCAL_CLASSES),
            *_RESULT,
        ),
        ("village_code", "specialisation_a", "specialisation_b"),
    ),
    # Released tables, as layers are drawn from them
    Table(
        "released_village",
        "a village with its sums",
        _rules(
            _village(),
            "village_name",
            "district_code",
            *_UNIT,
            _AREA,
            Rule("village_kind", choices=("desa", "kelurahan")),
            _KIND,
            *_TOTALS,
            "geometry",
        ),
        ("village_code",),
    ),
    Table(
        "released_district",
        "a district with its sums",
        _rules(
            _DISTRICT, *_UNIT, Rule("villages_count", low=1), _AREA, _KIND, *_TOTALS, "geometry"
        ),
        ("district_code",),
    ),
    Table(
        "released_regency",
        "a regency with its sums",
        _rules(
            _REGENCY,
            "regency_name",
            Rule("villages_count", low=1),
            _AREA,
            _KIND,
            *_TOTALS,
            "geometry",
        ),
        ("regency_code",),
    ),
    Table(
        "register_village",
        "a village with the sums of its firms of the register",
        _rules(
            _village(),
            "village_name",
            "district_code",
            *_UNIT,
            _AREA,
            _KIND,
            *_FIRM_TOTALS,
            "geometry",
        ),
        ("village_code",),
    ),
    Table(
        "register_district",
        "a district with the sums of its firms of the register",
        _rules(_DISTRICT, *_UNIT, _AREA, _KIND, *_FIRM_TOTALS, "geometry"),
        ("district_code",),
    ),
    Table(
        "firm_point",
        "a firm whose own place is known: by coordinates or by street",
        _rules(
            "firm_id",
            "firm_name?",
            "specialisation?",
            "technique?",
            _WORKERS,
            "village_name?",
            "district_name?",
            "regency_name?",
            Rule("precision", choices=PRECISIONS),
            "conflict?",
            _YEAR,
            "source_ids",
            _STATUS,
            Rule("geometry", nullable=True),
        ),
        ("firm_id",),
    ),
    Table(
        "centre",
        "a production centre: a cluster with counts, or a place the sources only name",
        _rules(
            Rule("centre_id", pattern=SLUG),
            "centre_name",
            Rule("activity", choices=ACTIVITIES),
            _FIRMS,
            _WORKERS,
            Rule("count", nullable=True, low=0),
            "count_unit?",
            "village_name?",
            "district_name?",
            "regency_name?",
            Rule("precision", choices=PRECISIONS),
            "period?",
            _STATUS,
            "note?",
            "source_ids",
            Rule("geometry", nullable=True),
        ),
        ("centre_id",),
    ),
    Table(
        "survey_sample",
        "a cell of a survey's sample by kecamatan and group",
        _rules(
            Rule("sample_id", pattern=SLUG),
            "district_name",
            "regency_name?",
            "group",
            Rule("count", low=0),
            Rule("share_pct", nullable=True, low=0, high=100),
            Rule("precision", choices=PRECISIONS),
            _STATUS,
            "note?",
            "source_ids",
            Rule("geometry", nullable=True),
        ),
        ("sample_id",),
    ),
    Table(
        "facility",
        "a market, wastewater plant, landmark or support place",
        _rules(
            Rule("place_id", pattern=SLUG),
            "name?",
            Rule("activity", choices=ACTIVITIES),
            Rule("count", nullable=True, low=0),
            "count_unit?",
            "village_name?",
            "district_name?",
            "regency_name?",
            Rule("precision", choices=PRECISIONS),
            "period?",
            _STATUS,
            "note?",
            "source_ids",
            Rule("geometry", nullable=True),
        ),
        ("place_id",),
    ),
    Table(
        "comparison",
        "a total of the city or the regency, published or computed",
        _rules("place_name", "metric", "value", "unit", "period?", _STATUS, "note?", "source_ids"),
        ("place_name", "metric", "unit", "period", "source_ids"),
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in _ALL}
AREA_TABLES = (
    "clusters",
    "places",
    "facts",
    "stakeholders",
    "network_actors",
    "specialisations",
    "contradictions",
    "crosstabs",
    "scales",
    "item_scores",
    "linkages",
    "ties",
    "households",
)
"""Tables an area may hold in its ``tables/`` folder."""

DTYPES: dict[str, Any] = {"text": "string", "whole": "Int64", "real": "Float64", "flag": "boolean"}
"""pandas type of each kind of column."""
