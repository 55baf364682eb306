"""A page laid out in millimetres, and text on it: what figures of every kind are drawn on.

Matplotlib's object interface and Agg alone: no pyplot, no window, no settings changed for anybody
else. Text stays text in SVG and PDF, and the font ships with Matplotlib, so that a page looks the
same on every machine.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import matplotlib
from fontTools import subset
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path

WIDTH_MM = 175.0
"""Width of a figure: two columns of a journal page."""

DPI = 300
EDGE = 3.0
HEAD, TITLE, BODY, SMALL = 6.5, 12.0, 7.0, 6.0
LEADING = 1.32
INCH, POINT = 25.4, 25.4 / 72
FONT = "DejaVu Sans"

SETTINGS: Any = {
    **{
        key: value
        for key, value in matplotlib.rcParamsDefault.items()
        if not key.startswith(("backend", "interactive", "toolbar", "webagg", "tk."))
    },
    "font.family": [FONT],
    "svg.fonttype": "none",
    "svg.hashsalt": "batik-cluster-atlas",
    "pdf.fonttype": 42,
    "text.parse_math": False,
    "text.hinting": "no_hinting",
    "axes.linewidth": 0.0,
    "hatch.linewidth": 0.35,
}
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Creator": None, "Date": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
}


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties(family=FONT))).get_charmap())


def printable(text: str) -> str:
    """Return `text` on one line, with a replacement sign for what the font cannot print.

    Examples
    --------
    >>> printable("Kauman  " + chr(7))
    'Kauman �'
    """
    known = _glyphs()
    return "".join(
        sign if ord(sign) in known and sign.isprintable() else "\ufffd"
        for sign in " ".join(part for part in text.split() if part)
    )


@cache
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Return the printed width of `text` in millimetres at `size` points.

    Examples
    --------
    >>> text_width("ii", 7) < text_width("MM", 7)
    True
    """
    font = FontProperties(family=FONT, size=size, weight=weight)
    return float(text_to_path.get_text_width_height_descent(text, font, False)[0]) * POINT


def wrap(text: str, width_mm: float, size: float, weight: str = "normal") -> list[str]:
    """Break `text` into lines that fit `width_mm`; a word wider than that is cut.

    Examples
    --------
    >>> wrap("one two three", 12, 7)
    ['one two', 'three']
    """
    lines = [""]
    for word in printable(text).split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, size, weight) <= width_mm:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for sign in word:
            if lines[-1] and text_width(lines[-1] + sign, size, weight) > width_mm:
                lines.append("")
            lines[-1] += sign
    return lines


def mix(one: str, other: str, share: float) -> str:
    """Return the colour `share` of the way from `one` to `other`.

    Examples
    --------
    >>> mix("#000000", "#ffffff", 0.5)
    '#808080'
    """
    pairs = zip(to_rgb(one), to_rgb(other), strict=True)
    red, green, blue = (a + share * (b - a) for a, b in pairs)
    return to_hex((red, green, blue))


def is_dark(colour: str) -> bool:
    """Return whether light text reads better on `colour` (relative luminance of WCAG 2).

    Examples
    --------
    >>> is_dark("#27487c"), is_dark("#fcf0a2")
    (True, False)
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] < 0.179


def height_of(lines: Sequence[str], size: float) -> float:
    """Return the height of lines of text in millimetres."""
    return len(lines) * LEADING * size * POINT


@dataclass
class Page:
    """A figure and an empty axes over all of it, in millimetres from the top left corner.

    Parameters
    ----------
    height : float
        Height in millimetres; the width is :data:`WIDTH_MM`.
    """

    height: float
    figure: Figure = field(init=False)
    sheet: Axes = field(init=False)

    def __post_init__(self) -> None:
        self.figure = Figure((WIDTH_MM / INCH, self.height / INCH), dpi=DPI, facecolor="white")
        FigureCanvasAgg(self.figure)
        self.sheet = self.figure.add_axes((0, 0, 1, 1), zorder=2)
        self.sheet.set(xlim=(0, WIDTH_MM), ylim=(self.height, 0), autoscale_on=False)
        self.sheet.set_axis_off()

    def write(
        self, lines: Sequence[str], left: float, top: float, size: float, colour: str, **more: Any
    ) -> None:
        """Write lines of text, the first with its top at `top`."""
        for number, line in enumerate(lines):
            baseline = top + (number * LEADING + 0.95) * size * POINT
            self.sheet.text(left, baseline, line, size=size, color=colour, **more)

    def rule(self, xs: Sequence[float], ys: Sequence[float], width: float, colour: str) -> None:
        """Draw a line."""
        self.sheet.plot(xs, ys, lw=width, color=colour, solid_capstyle="butt", zorder=1)

    def box(self, left: float, top: float, width: float, height: float, **look: Any) -> None:
        """Draw a rectangle."""
        self.sheet.add_patch(Rectangle((left, top), width, height, **{"lw": 0, **look}))


@contextmanager
def _without_layout_tables() -> Iterator[None]:
    """Embed fonts without their tables for layout: a PDF places every glyph itself.

    Matplotlib has no setting for it, and to cut those tables to the glyphs in use takes a third of
    the time of a figure.
    """
    usual = subset.Options._drop_tables_default
    subset.Options._drop_tables_default = [*usual, "GDEF", "GPOS", "GSUB", "kern"]
    try:
        yield
    finally:
        subset.Options._drop_tables_default = usual


def save(figure: Figure, title: str) -> dict[str, bytes]:
    """Return a figure as PNG (300 dpi), SVG and PDF; the same figure gives the same bytes."""
    files = {}
    with matplotlib.rc_context(SETTINGS), _without_layout_tables():
        for kind, metadata in _METADATA.items():
            buffer = io.BytesIO()
            # Text and flat colours: more effort saves little and costs most of the time.
            more: dict[str, Any] = {"pil_kwargs": {"compress_level": 4}} if kind == "png" else {}
            labelled = {**metadata, "Title": printable(title)}
            figure.savefig(buffer, format=kind, dpi=DPI, metadata=labelled, **more)
            files[kind] = buffer.getvalue()
    return files
