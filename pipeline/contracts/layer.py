"""``layers/*.yaml``: one declaration a map layer, drawn alike in web atlas, QGIS and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.contracts.columns import COLUMNS
from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.model import Strict, load_model
from pipeline.contracts.text import Text

Colour = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
FieldRole = Literal["title", "popup", "hidden"]
Method = Literal["fisher_jenks", "quantiles", "equal_interval"]


class Palette(Strict):
    """A named set of colours."""

    kind: Literal["sequential", "categorical", "single"] = Field(description="What it is for.")
    colours: tuple[Colour, ...] = Field(min_length=1, description="From low to high, or by class.")
    note: str = Field(default="", description="Where the colours come from.")


class Palettes(Strict):
    """The model of ``palettes.yaml``."""

    missing: Colour = Field(description="Fill of units without a published figure.")
    line: Colour = Field(description="Village borders.")
    strong_line: Colour = Field(description="District and regency borders.")
    ink: Colour = Field(description="Text.")
    paper: Colour = Field(description="Background of the map.")
    palettes: dict[str, Palette] = Field(description="Palettes by name.")


class Scheme(Strict):
    """How a number becomes classes; breaks are rounded and printed as they are used."""

    method: Method | None = Field(
        default=None, description="How the class limits are found; see docs/methods.md."
    )
    classes: int = Field(default=5, ge=2, le=7, description="Number of classes wanted.")
    breaks: tuple[float, ...] | None = Field(
        default=None, description="Upper class limits given by hand; the last class is open."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Scheme:
        if (self.method is None) == (self.breaks is None):
            raise ValueError("either method or breaks, not both")
        if self.breaks is not None and list(self.breaks) != sorted(set(self.breaks)):
            raise ValueError("breaks that rise")
        return self


class Category(Strict):
    """One class of a layer of categories."""

    value: str = Field(description="Value of the category column.")
    label: Text = Field(description="Legend label.")


class Symbols(Strict):
    """Proportional symbols: area proportional to the value."""

    max_mm: float = Field(gt=0, le=30, description="Diameter of the largest symbol.")
    missing_mm: float = Field(
        gt=0, le=10, description="Diameter where no value is published, or where none is shown."
    )


class LayerSpec(Strict):
    """The model of one layer file."""

    id: Identifier = Field(description="Name; equals the file's.")
    title: Text = Field(description="Title in panel, legend and figure.")
    note: Text = Field(description="One sentence: what the layer shows and what it does not.")
    table: Identifier = Field(description="Released table it is drawn from.")
    geometry: Literal["choropleth", "symbols", "outline"] = Field(description="How it is drawn.")
    value: Identifier | None = Field(default=None, description="Column that is classed or sized.")
    scheme: Scheme | None = Field(default=None, description="Classes of a choropleth.")
    category: Identifier | None = Field(default=None, description="Column that gives the colour.")
    categories: tuple[Category, ...] = Field(default=(), description="Classes of that column.")
    symbols: Symbols | None = Field(default=None, description="Sizes of proportional symbols.")
    palette: str = Field(description="Palette in palettes.yaml.")
    missing: Text | None = Field(
        default=None, description="Legend label of units without a value; none if there are none."
    )
    fields: dict[str, FieldRole] = Field(
        description="Every column of the table and its role: the popup's title, a line, or hidden."
    )
    is_visible: bool = Field(default=False, description="Shown when the atlas opens.")
    figure: bool = Field(default=True, description="Whether figures/ holds it.")

    @model_validator(mode="after")
    def _fits_geometry(self) -> LayerSpec:
        faults = []
        if self.geometry == "choropleth" and (self.value is None or self.scheme is None):
            faults.append("a choropleth needs value and scheme")
        if self.geometry == "symbols" and self.symbols is None:
            faults.append("symbols need their sizes under 'symbols'")
        if self.geometry == "outline" and (self.value or self.scheme or self.category):
            faults.append("an outline has no value, scheme or category")
        if (self.category is None) != (not self.categories):
            faults.append("category and categories go together")
        faults += [
            f"unknown column {name!r} in fields" for name in self.fields if name not in COLUMNS
        ]
        for name in (self.value, self.category):
            if name is not None and name not in self.fields:
                faults.append(f"column {name!r} is not in fields")
        if list(self.fields.values()).count("title") != 1:
            faults.append("exactly one field with the role 'title'")
        if faults:
            raise ValueError("; ".join(faults))
        return self


class Group(Strict):
    """A group of layers in the panel and in QGIS."""

    id: Identifier = Field(description="Name.")
    title: Text = Field(description="Title of the group.")
    layers: tuple[Identifier, ...] = Field(min_length=1, description="Layers, top first.")


class AtlasSpec(Strict):
    """The model of ``atlas.yaml``: order and groups, once for all targets."""

    groups: tuple[Group, ...] = Field(min_length=1, description="Groups, top first.")


class LayerCatalogue(Strict):
    """All layer files read and checked together."""

    atlas: AtlasSpec
    palettes: Palettes
    layers: dict[str, LayerSpec]

    def ordered(self) -> list[LayerSpec]:
        """Return the layers from top to bottom."""
        return [self.layers[name] for group in self.atlas.groups for name in group.layers]


def load_layers(folder: Path) -> LayerCatalogue:
    """Read ``atlas.yaml``, ``palettes.yaml`` and every layer file; all faults at once.

    Parameters
    ----------
    folder : Path
        The ``layers/`` folder.

    Raises
    ------
    InputError
        A fault in any file, a layer in no group or in two, a group that names an unknown layer,
        an unknown palette or one with too few colours.
    """
    faults: list[Fault] = []
    read: dict[str, LayerSpec] = {}
    for path in sorted(folder.glob("*.yaml")):
        if path.stem in ("atlas", "palettes"):
            continue
        try:
            layer = load_model(LayerSpec, path)
        except InputError as error:
            faults.extend(error.faults)
            continue
        if layer.id != path.stem:
            faults.append(
                Fault(str(path), f"the file's name {path.stem!r}", repr(layer.id), column="id")
            )
        read[path.stem] = layer
    try:
        atlas = load_model(AtlasSpec, folder / "atlas.yaml")
        palettes = load_model(Palettes, folder / "palettes.yaml")
    except InputError as error:
        raise InputError([*faults, *error.faults]) from error
    faults += _order_faults(atlas, set(read), folder) if not faults else []
    faults += [
        fault for layer in read.values() for fault in _palette_faults(layer, palettes, folder)
    ]
    if faults:
        raise InputError(faults)
    return LayerCatalogue(atlas=atlas, palettes=palettes, layers=read)


def _order_faults(atlas: AtlasSpec, known: set[str], folder: Path) -> list[Fault]:
    where = str(folder / "atlas.yaml")
    named = [name for group in atlas.groups for name in group.layers]
    faults = [
        Fault(
            where,
            f"one of {', '.join(sorted(known))}",
            f"unknown layer {name!r}",
            column=f"groups.{group.id}",
        )
        for group in atlas.groups
        for name in group.layers
        if name not in known
    ]
    faults += [
        Fault(where, "each layer once", f"{name!r} {named.count(name)} times")
        for name in sorted(known)
        if named.count(name) != 1
    ]
    return faults


def _palette_faults(layer: LayerSpec, palettes: Palettes, folder: Path) -> list[Fault]:
    where = str(folder / f"{layer.id}.yaml")
    palette = palettes.palettes.get(layer.palette)
    if palette is None:
        return [
            Fault(
                where,
                f"one of {', '.join(sorted(palettes.palettes))}",
                repr(layer.palette),
                column="palette",
            )
        ]
    wanted = len(layer.categories) or 1
    if len(palette.colours) < wanted:
        return [
            Fault(
                where,
                f"a palette of at least {wanted} colours",
                f"{layer.palette} with {len(palette.colours)}",
                column="palette",
            )
        ]
    return []
