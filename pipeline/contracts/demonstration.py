"""``areas/<area>/demonstration.yaml``: what the demonstration register of an area is drawn from.

Published numbers are named by the identifier of their row in the area's tables, never repeated
here. Everything else is assumed, and every assumption says why in both languages.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.model import Strict, load_model
from pipeline.contracts.specialisations import TECHNIQUES, recognise, vocabulary
from pipeline.contracts.text import Text

FILE = "demonstration.yaml"
CLUSTERS = "clusters"
"""Group of the firms of the published clusters; the other groups have names of their own."""

AddressKind = Literal[
    "columns",
    "plain",
    "typo",
    "two typos",
    "district typo",
    "respaced",
    "old spelling",
    "old name",
    "old name typo",
    "kampung",
    "no district",
    "only name",
    "wrong district",
    "wrong regency",
    "wrong postal",
    "street",
    "map service",
    "run together",
    "ambiguous",
    "district only",
    "outside",
]
"""How an address is written: ``columns`` has village and kecamatan in columns of their own."""
ADDRESS_KINDS: tuple[AddressKind, ...] = get_args(AddressKind)

Percent = Annotated[float, Field(ge=0, le=100)]
_Words = Annotated[tuple[str, ...], Field(min_length=1)]


def _require_whole(shares: Iterable[float], what: str) -> None:
    if abs(sum(shares) - 100) > 1e-9:
        raise ValueError(f"{what} that add up to 100")


class Share(Strict):
    """An assumed percentage."""

    pct: Percent = Field(description="Per cent; counts follow by largest remainder.")
    because: Text = Field(description="Why; printed in the report as an assumption.")


class Number(Strict):
    """An assumed number."""

    value: float = Field(gt=0, description="The number.")
    because: Text = Field(description="Why; printed in the report as an assumption.")


class PublishedShare(Strict):
    """A published percentage, named by the fact that holds it."""

    fact_id: str = Field(description="Row of tables/facts.csv with the percentage.")
    because: Text = Field(description="What it is applied to; printed in the report.")


class Mix(Strict):
    """Shares of first specialisations among the firms of a place."""

    shares_pct: dict[str, Percent] = Field(
        min_length=1, description="Specialisation to per cent; they add up to 100."
    )
    because: Text = Field(description="Why; printed in the report as an assumption.")

    @field_validator("shares_pct")
    @classmethod
    def _whole(cls, value: dict[str, float]) -> dict[str, float]:
        _require_whole(value.values(), "shares")
        return value


class Specialisation(Strict):
    """How firms of one specialisation are called, what they make, how they work."""

    firm: str = Field(min_length=1, description="First words of an invented firm's name.")
    spellings: _Words = Field(description="Ways the register writes it, drawn evenly.")
    has_technique: bool = Field(
        default=True, description="Whether its firms make or sew batik of some technique."
    )
    subcontractors_pct: Percent = Field(
        description="Share of its firms, principals apart, that work for a principal."
    )
    gives_work: bool = Field(
        default=False, description="Whether its larger firms may be principals of others."
    )
    unit: Literal["kodi", "potong", "meter"] = Field(description="Unit of its production.")
    production_month: float = Field(
        gt=0, description="Typical production of one worker in a month, in that unit."
    )
    because: Text = Field(description="Why these numbers; printed in the report.")


class Clusters(Strict):
    """The firms of the published clusters: every row of tables/clusters.csv with counts."""

    mix: str = Field(description="Mix of the clusters not named under mixes.")
    mixes: dict[str, str] = Field(
        default={}, description="Cluster identifier to the name of its mix."
    )
    workers_per_firm: Number | None = Field(
        default=None, description="Assumed mean of workers where a cluster's are not published."
    )


class Place(Strict):
    """A place over which a published number of firms is spread."""

    place_id: str = Field(description="Row of tables/places.csv: a village or a kecamatan.")
    mix: str = Field(description="Name of its mix.")
    weight: float = Field(default=1.0, gt=0, description="Its weight among the group's places.")


class Group(Strict):
    """Firms of which only the number is published, spread over named places."""

    fact_id: str = Field(description="Row of tables/facts.csv with the number of firms.")
    places: tuple[Place, ...] = Field(
        min_length=1, description="Places they are spread over, by weight and largest remainder."
    )
    workers_per_firm: Number = Field(description="Assumed mean of workers per firm.")
    because: Text = Field(description="Rule of the spreading; printed in the report.")


class Sizes(Strict):
    """How workers are shared out among the firms of one place."""

    sigma: float = Field(
        gt=0, description="Spread of the lognormal weights by which workers beyond the first go."
    )
    because: Text = Field(description="Why; printed in the report as an assumption.")


class Spreading(Strict):
    """How firms known only to a kecamatan are spread over its villages."""

    ratio: float = Field(
        gt=0, lt=1, description="Each village, in a drawn order, has this part of the one before."
    )
    because: Text = Field(description="Why; printed in the report as an assumption.")


class Technique(Strict):
    """Techniques of the firms that make or sew batik."""

    published: PublishedShare = Field(description="Published share of the first technique.")
    first: str = Field(description="The technique of which the share is published.")
    other: str = Field(description="Technique of the firms that remain.")

    @field_validator("first", "other")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in TECHNIQUES:
            raise ValueError(f"one of {', '.join(TECHNIQUES)}")
        return value


class Subcontracting(Strict):
    """Who gives work out, and to whom."""

    principals: Share = Field(description="Share of the firms that may give work and do.")
    distance_km: Number = Field(
        description="Distance at which the pull of a principal falls to 37 per cent."
    )


class Written(Strict):
    """A unit and period in which some firms state their production."""

    unit: Literal["kodi", "potong", "meter"] = Field(description="Unit as stated.")
    period: Literal["week", "month", "year"] = Field(description="Period as stated.")
    text: str = Field(min_length=1, description="How the register writes unit and period.")
    pct: Percent = Field(description="Share among the firms whose unit can be stated so.")


class Production(Strict):
    """How production is stated."""

    missing: Share = Field(description="Share of firms that state none.")
    spread: Number = Field(description="Sigma of the lognormal spread between firms.")
    pieces_per_kodi: int = Field(default=20, gt=0, description="Pieces in a kodi.")
    written: dict[str, tuple[Written, ...]] = Field(
        min_length=1, description="Unit of the specialisation to the ways it is stated."
    )
    because: Text = Field(description="Why; printed in the report as an assumption.")

    @field_validator("written")
    @classmethod
    def _whole(cls, value: dict[str, tuple[Written, ...]]) -> dict[str, tuple[Written, ...]]:
        for unit, ways in value.items():
            _require_whole((way.pct for way in ways), "shares of each unit")
            if any((way.unit == "meter") != (unit == "meter") for way in ways):
                raise ValueError("metres stated in metres, pieces in kodi or potong")
        return value


class Points(Strict):
    """GPS points and what their firms agreed to."""

    located: Share = Field(description="Share of all firms with a GPS point.")
    stray: Share = Field(description="Share of the points that lie in a neighbouring village.")
    consent: Share = Field(description="Share of the firms with a point that agreed to show it.")


class Outside(Strict):
    """A place outside the area that addresses may name."""

    village: str = Field(min_length=1, description="Name of the village.")
    district: str = Field(min_length=1, description="Name of its kecamatan.")
    regency: str = Field(min_length=1, description="Name of its regency, without Kota or Kab.")
    is_city: bool = Field(default=False, description="Whether it is a Kota.")


class Region(Strict):
    """Words around an address in this region."""

    provinces: _Words = Field(
        description="Ways to write the province: in full first, in English last."
    )
    postal_codes: tuple[int, int] = Field(description="Lowest and highest postal code.")
    firms: _Words = Field(description="Invented words for a firm written before a street.")
    outside: tuple[Outside, ...] = Field(
        default=(), description="Places outside the area, for addresses that lie there."
    )


class Addresses(Strict):
    """How the addresses are written."""

    kinds_pct: dict[AddressKind, Percent] = Field(
        min_length=1, description="Kind of writing to per cent; they add up to 100."
    )
    former_stated: Share = Field(
        description="Share of the village columns with the former name its cluster is known by."
    )
    district_stated: Share = Field(
        description="Share with the kecamatan in its own column as well, where the address is "
        "right about it."
    )
    because: Text = Field(description="Why; printed in the report as an assumption.")
    region: Region = Field(description="Words around an address.")

    @field_validator("kinds_pct")
    @classmethod
    def _whole(cls, value: dict[AddressKind, float]) -> dict[AddressKind, float]:
        _require_whole(value.values(), "shares")
        return value


class Demonstration(Strict):
    """The model of ``demonstration.yaml``."""

    warning: Text = Field(description="Says loudly that the register is invented.")
    row_note: str = Field(min_length=1, description="The same in a few words, on every row.")
    mixes: dict[str, Mix] = Field(min_length=1, description="Mixes of specialisations by name.")
    specialisations: dict[str, Specialisation] = Field(
        min_length=1, description="Specialisations by their id in the vocabulary."
    )
    second: Share = Field(description="Share of firms with a second specialisation of their mix.")
    clusters: Clusters = Field(description="Firms of the published clusters.")
    groups: dict[str, Group] = Field(default={}, description="Further firms, by group.")
    spreading: Spreading = Field(description="Firms of a kecamatan over its villages.")
    sizes: Sizes = Field(description="Workers over firms.")
    technique: Technique = Field(description="Techniques.")
    male: PublishedShare = Field(description="Published share of male workers.")
    subcontracting: Subcontracting = Field(description="Subcontract ties.")
    production: Production = Field(description="Production.")
    points: Points = Field(description="GPS points and consent.")
    addresses: Addresses = Field(description="Addresses.")

    @field_validator("specialisations")
    @classmethod
    def _of_the_vocabulary(cls, value: dict[str, Specialisation]) -> dict[str, Specialisation]:
        unknown = [name for name in value if name not in vocabulary()]
        if unknown:
            raise ValueError(f"ids of docs/specialisations.md; not there: {', '.join(unknown)}")
        for name, one in value.items():
            misread = [words for words in one.spellings if recognise(words).ids != (name,)]
            if misread:
                raise ValueError(f"spellings that are read as {name}, not {', '.join(misread)}")
        return value

    @model_validator(mode="after")
    def _names_known(self) -> Demonstration:
        used = {self.clusters.mix, *self.clusters.mixes.values()}
        used |= {place.mix for group in self.groups.values() for place in group.places}
        kinds = {name for mix in self.mixes.values() for name in mix.shares_pct}
        units = {one.unit for one in self.specialisations.values()}
        for what, missing in (
            ("mixes", used - set(self.mixes)),
            ("specialisations", kinds - set(self.specialisations)),
            ("production.written", units - set(self.production.written)),
        ):
            if missing:
                raise ValueError(f"names listed under {what}; not there: {', '.join(missing)}")
        if CLUSTERS in self.groups:
            raise ValueError(f"another name than {CLUSTERS!r} for a group")
        if self.addresses.kinds_pct.get("outside") and not self.addresses.region.outside:
            raise ValueError("places under addresses.region.outside for the kind 'outside'")
        return self


def load_demonstration(areas: Path, name: str) -> Demonstration:
    """Read the settings of an area's demonstration register.

    Parameters
    ----------
    areas : Path
        Folder that holds the area folders.
    name : str
        Name of the area.

    Raises
    ------
    InputError
        The area has none, or a fault in the file.
    """
    path = areas / name / FILE
    if not path.is_file():
        having = ", ".join(sorted(one.parent.name for one in areas.glob(f"*/{FILE}")))
        raise InputError(
            Fault(
                str(path),
                "the settings of a demonstration register",
                "no such file",
                hint=f"Areas that have one: {having or '(none)'}. "
                "docs/schemas/demonstration.schema.json describes the file",
            )
        )
    return load_model(Demonstration, path)
