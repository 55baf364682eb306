"""Indonesian and English: bilingual strings, the catalogue, numbers as each prints them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

Language = Literal["id", "en"]
LANGUAGES: tuple[Language, ...] = ("id", "en")

CATALOGUE = Path(__file__).with_name("catalogue.yaml")


class Text(BaseModel):
    """One string in Indonesian and English.

    Examples
    --------
    >>> Text(id="desa", en="village")["en"]
    'village'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1, description="Indonesian text.")
    en: str = Field(min_length=1, description="English text.")

    def __getitem__(self, language: Language) -> str:
        return self.en if language == "en" else self.id

    def both(self) -> dict[str, str]:
        """Return ``{"id": ..., "en": ...}``."""
        return {"id": self.id, "en": self.en}

    def format(self, **values: object) -> Text:
        """Fill ``{placeholders}``; a :class:`Text` value is filled in its own language.

        Examples
        --------
        >>> Text(id="dari {n}", en="of {n}").format(n=13).both()
        {'id': 'dari 13', 'en': 'of 13'}
        """
        filled = {
            language: self[language].format(
                **{k: v[language] if isinstance(v, Text) else v for k, v in values.items()}
            )
            for language in LANGUAGES
        }
        return Text(id=filled["id"], en=filled["en"])


def same(text: str) -> Text:
    """Return a :class:`Text` that reads the same in both languages (names, codes).

    Examples
    --------
    >>> same("Medono").id
    'Medono'
    """
    return Text(id=text, en=text)


@cache
def catalogue() -> Mapping[str, Text]:
    """Return every user-facing string of the project by key (``catalogue.yaml``)."""
    raw = yaml.load(CATALOGUE.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return {key: Text(**value) for key, value in raw.items()}


def t(key: str, **values: object) -> Text:
    """Return the catalogue's text for `key`, placeholders filled.

    Raises
    ------
    KeyError
        The key is not in the catalogue: a programming fault, caught by the tests.

    Examples
    --------
    >>> t("status.published").en
    'published'
    """
    text = catalogue()[key]
    return text.format(**values) if values else text


def format_number(value: float | None, decimals: int, language: Language) -> str:
    """Print a number as the language does: ``1.468,5`` in Indonesian, ``1,468.5`` in English.

    Missing values print as a dash: missing is never zero.

    Examples
    --------
    >>> format_number(1468.46, 1, "id"), format_number(1468.46, 1, "en")
    ('1.468,5', '1,468.5')
    >>> format_number(None, 0, "id")
    '–'
    """
    if value is None or math.isnan(value):
        return "–"
    text = f"{value:,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    if language == "id":
        text = text.translate(str.maketrans(",.", ".,"))
    return text.replace("-", "−")


def number_text(value: float | None, decimals: int) -> Text:
    """Return a number as a :class:`Text`, printed for each language.

    Examples
    --------
    >>> number_text(9.235, 2).both()
    {'id': '9,23', 'en': '9.23'}
    """
    return Text(id=format_number(value, decimals, "id"), en=format_number(value, decimals, "en"))
