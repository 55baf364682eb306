"""Noisy Indonesian addresses with known truth, drawn from the gazetteer of an area.

Each kind of noise that registers show is one function. The demonstration register is written
with it, and the tests of the geocoder draw from it; what is particular to a region (its
provinces, postal codes, places outside) is passed in.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from pipeline.contracts.demonstration import AddressKind, Outside, Region

T = TypeVar("T")
Village = Mapping[str, str]
"""A row of the gazetteer."""

STREETS = (
    "Sudirman",
    "Jend. Sudirman",
    "Diponegoro",
    "Imam Bonjol",
    "KH. Mas Mansyur",
    "HOS Cokroaminoto",
    "Dr. Sutomo",
    "Gajah Mada",
    "Hayam Wuruk",
    "Urip Sumoharjo",
    "Ahmad Yani",
    "KH. Wahid Hasyim",
    "Gatot Subroto",
    "Semarang",
    "Bandung",
    "Manunggal",
    "Pelita II",
    "Karya Bakti",
    "Melati",
    "Kenanga",
    "Teratai",
    "Kartini",
    "Pahlawan",
    "Veteran",
    "Raya",
    "Sultan Agung",
    "Patriot",
    "Otto Iskandardinata",
    "Truntum",
    "Jlamprang",
    "Cempaka",
    "Seruni",
)
_FIRMS = (
    "Batik {}",
    "UD. {}",
    "CV {}",
    "Toko {}",
    "Batik Tulis {}",
    "PT. {}",
    "Konveksi {}",
    "IKM {}",
)
_HAMLETS = ("Krajan", "Wringin", "Pesantren", "Gumuk", "Ngemplak", "Sambiroto Lor", "Blok Manis")
_SHORT = {
    "Utara": ["Utr.", "Utara"],
    "Selatan": ["Sel.", "Slt."],
    "Barat": ["Bar.", "Brt"],
    "Timur": ["Tim.", "Tmr"],
}
_ENGLISH = {"Utara": "North", "Selatan": "South", "Barat": "West", "Timur": "East"}
_ENDS = (
    "kulon",
    "wetan",
    "kidul",
    "lor",
    "tengah",
    "ageng",
    "alit",
    "rejo",
    "sari",
    "mulyo",
    "anyar",
)
_OLD_SPELLING = (("u", "oe"), ("j", "dj"), ("y", "j"))


def _key(name: str) -> str:
    """Return the letters of a name: what two names have in common if they are the same."""
    return re.sub(r"[\W\d_]", "", name.lower())


@dataclass(frozen=True)
class Address:
    """A made address: its text, the kind of noise, and where it is.

    Parameters
    ----------
    text : str
    kind : str
        A key of :meth:`Addresses.kinds`.
    village_code, district_name : str or None
        The truth, as far as the address tells it.
    """

    text: str
    kind: str
    village_code: str | None
    district_name: str | None


@dataclass(frozen=True)
class Parts:
    """The parts of an address before they are written in a line."""

    name: str
    district: str
    regency: str
    is_desa: bool


@dataclass(frozen=True)
class Named:
    """A village under a name of its own: a former village, a kampung or a landmark."""

    name: str
    level: str
    village: Village


class Addresses:
    """Draw addresses of an area.

    Parameters
    ----------
    village : pandas.DataFrame
        ``village_code``, ``village_name``, ``district_name``, ``regency_name``.
    old_name : pandas.DataFrame
        ``old_name``, ``village_code``.
    alias : pandas.DataFrame
        ``alias``, ``level``, ``code``.
    region : Region
        Words around an address.
    rng : numpy.random.Generator
        Source of all randomness.
    """

    def __init__(
        self,
        village: pd.DataFrame,
        old_name: pd.DataFrame,
        alias: pd.DataFrame,
        region: Region,
        rng: np.random.Generator,
    ) -> None:
        self.rng = rng
        self.region = region
        columns = ["village_code", "village_name", "district_name", "regency_name"]
        self.village: list[Village] = [
            dict(zip(columns, row, strict=True)) for row in village[columns].to_numpy().tolist()
        ]
        self.by_code = {row["village_code"]: row for row in self.village}
        self.districts = {
            row["village_code"][:8]: (row["district_name"], row["regency_name"])
            for row in self.village
        }
        self.regencies = sorted({row["regency_name"] for row in self.village})
        former = list(zip(old_name["old_name"], old_name["village_code"], strict=True))
        variants = [
            (name, level, code)
            for name, level, code in zip(alias["alias"], alias["level"], alias["code"], strict=True)
            if level in ("village", "kampung", "landmark")
        ]
        # A name is shared if it stands for more than one village, or for a kecamatan as well.
        owners: dict[str, set[str]] = defaultdict(set)
        for row in self.village:
            owners[_key(row["village_name"])].add(row["village_code"])
        present = set(owners)
        for name, code in former:
            owners[_key(name)].add(code)
        for name, level, code in variants:
            if level != "landmark":
                owners[_key(name)].add(code)
        for code, (name, _) in self.districts.items():
            owners[_key(name)].add(code)
        self.owners = owners
        self.old = [
            Named(name, "village", self.by_code[code])
            for name, code in former
            if _key(name) not in present
        ]
        self.kampung = [
            Named(name, level, self.by_code[code])
            for name, level, code in variants
            if level != "village" and code in self.by_code
        ]
        self.unique = [row for row in self.village if not self.is_shared(row["village_name"])]
        self.shared = [row for row in self.village if self.is_shared(row["village_name"])]

    def is_shared(self, name: str) -> bool:
        """Return whether a name stands for several places of the area."""
        return len(self.owners[_key(name)]) > 1

    def pick(self, items: Sequence[T]) -> T:
        """Draw one of the items."""
        return items[int(self.rng.integers(len(items)))]

    def chance(self, share: float) -> bool:
        """Draw true with the given probability."""
        return bool(self.rng.random() < share)

    # What can be drawn -----------------------------------------------------------------------

    @cached_property
    def _kinds(self) -> dict[AddressKind, tuple[Sequence[Any], Callable[[Any], str]]]:
        """Return for each kind of noise what can be written so, and the function that does it."""
        rows = self.village
        several = len(self.regencies) > 1
        return {
            "plain": (rows, self._plain),
            "typo": ([row for row in rows if len(row["village_name"]) >= 5], self._typo),
            "two typos": ([row for row in rows if len(row["village_name"]) >= 8], self._typos),
            "district typo": (rows, self._district_typo),
            "respaced": (rows, self._respaced),
            "old spelling": (rows, self._old_spelling),
            "old name": (self.old, self._old_name),
            "old name typo": ([one for one in self.old if len(one.name) >= 6], self._old_name_typo),
            "kampung": (self.kampung, self._kampung),
            "no district": (self.unique, self._no_district),
            "only name": (self.unique, self._only_name),
            "wrong district": (
                [row for row in self.unique if self._other_districts(row)],
                self._wrong_district,
            ),
            "wrong regency": (rows if several else [], self._wrong_regency),
            "wrong postal": (rows, self._wrong_postal),
            "street": (rows, self._street_of_other),
            "map service": (rows, self._map_service),
            "run together": (rows, self._run_together),
            "ambiguous": (self.shared, self._ambiguous),
            "district only": (sorted(self.districts), self._district_only),
            "outside": (self.region.outside, self._outside),
        }

    @cached_property
    def _by_village(self) -> dict[tuple[str, str], list[Any]]:
        """Return what can be written of each kind about each village."""
        found: dict[tuple[str, str], list[Any]] = defaultdict(list)
        for kind, (subjects, _) in self._kinds.items():
            for one in subjects:
                if isinstance(one, Outside):
                    continue
                row = one.village if isinstance(one, Named) else one
                found[kind, row if isinstance(row, str) else row["village_code"]].append(one)
        return found

    def subjects(self, kind: AddressKind, village_code: str, name: str = "") -> Sequence[Any]:
        """Return what an address of this kind can be about, for a firm of the village.

        Parameters
        ----------
        kind : str
            A key of :meth:`kinds`.
        village_code : str
        name : str
            Former name to prefer among several.

        Returns
        -------
        sequence
            Subjects :meth:`compose` takes; none where the kind does not suit the village.
        """
        if kind == "outside":
            return self.region.outside
        code = village_code[:8] if kind == "district only" else village_code
        found = self._by_village.get((kind, code), [])
        return [one for one in found if isinstance(one, Named) and one.name == name] or found

    def compose(self, kind: AddressKind, subject: Any) -> str:
        """Write an address of this kind about one of its subjects."""
        return self._kinds[kind][1](subject)

    def kinds(self) -> dict[AddressKind, Callable[[], Address]]:
        """Return for each kind something can be written of a function that draws an address."""
        return {
            kind: partial(self._drawn, kind)
            for kind, (subjects, _) in self._kinds.items()
            if subjects
        }

    def draw(self, each: int) -> list[Address]:
        """Draw as many addresses of each kind."""
        return [make() for make in self.kinds().values() for _ in range(each)]

    def _drawn(self, kind: AddressKind) -> Address:
        subject = self.pick(self._kinds[kind][0])
        text = self.compose(kind, subject)
        if isinstance(subject, Outside):
            return Address(text, kind, None, None)
        if isinstance(subject, str):
            return Address(text, kind, None, self.districts[subject][0])
        row = subject.village if isinstance(subject, Named) else subject
        return Address(text, kind, row["village_code"], row["district_name"])

    # How the parts are written ---------------------------------------------------------------

    def parts(self, row: Village, name: str | None = None) -> Parts:
        """Return the parts of the address of a village, perhaps under another name."""
        return Parts(
            name or row["village_name"],
            row["district_name"],
            row["regency_name"],
            row["village_code"][-4] == "2",
        )

    def front(self) -> list[str]:
        """Draw what stands before the village: firm, street, number, RT/RW, hamlet, Plus Code."""
        out = []
        if self.chance(0.15):
            out.append(self.pick(_FIRMS).format(self.pick(self.region.firms)))
        if self.chance(0.05):
            out.append("4M7G+QF" if self.chance(0.5) else "3MX9+2VJ")
        if self.chance(0.75):
            street = f"{self.pick(['Jl.', 'Jl', 'Jln.', 'Jalan', 'JL.'])} {self.pick(STREETS)}"
            if self.chance(0.3):
                street += f" {self.pick(['Gg.', 'Gg', 'Gang'])} {self.rng.integers(1, 20)}"
            if self.chance(0.6):
                street += f" {self.pick(['No.', 'No', 'no.', 'Nomor'])} {self.rng.integers(1, 300)}"
            out.append(street)
        if self.chance(0.4):
            rt, rw = self.rng.integers(1, 12, size=2)
            out.append(
                self.pick(
                    ["RT {0:02d}/RW {1:02d}", "RT.{0}/{1}", "RT {0} RW {1}", "Rt{0}/Rw{1}"]
                ).format(rt, rw)
            )
        if self.chance(0.1):
            out.append(f"{self.pick(['Dk.', 'Dukuh', 'Dusun', 'Dk'])} {self.pick(_HAMLETS)}")
        return out

    def write_village(self, parts: Parts) -> str:
        """Write the village with or without its word."""
        words = (
            ["Desa", "Ds.", "Ds", "DESA"] if parts.is_desa else ["Kelurahan", "Kel.", "Kel", "Kel."]
        )
        if self.chance(0.08):
            words = ["Desa", "Kel."]
        return f"{self.pick(words)} {parts.name}" if self.chance(0.55) else parts.name

    def write_district(self, parts: Parts) -> str:
        """Write the kecamatan with or without its word, perhaps as map services do."""
        name = parts.district
        last = name.rsplit(" ", 1)[-1]
        if last in _SHORT and self.chance(0.35):
            name = name.removesuffix(last) + self.pick(_SHORT[last])
        word = self.pick(["Kec.", "Kec", "Kecamatan", "kec."])
        return f"{word} {name}" if self.chance(0.7) else name

    def write_regency(self, parts: Parts) -> str:
        """Write the Kota or Kabupaten with or without its word."""
        base = parts.regency.split(" ", 1)[1]
        if self.chance(0.35):
            return base
        if parts.regency.startswith("Kota"):
            return f"Kota {base}"
        return f"{self.pick(['Kab.', 'Kabupaten', 'Kab'])} {base}"

    def line(
        self,
        parts: Parts,
        *,
        district: bool = True,
        regency: bool | None = None,
        postal: str | None = None,
        front: list[str] | None = None,
    ) -> str:
        """Write the parts in a line and draw separators, case and province."""
        out = self.front() if front is None else list(front)
        out.append(self.write_village(parts) if parts.name else "")
        if district:
            out.append(self.write_district(parts))
        if self.chance(0.8) if regency is None else regency:
            out.append(self.write_regency(parts))
        if self.chance(0.4):
            out.append(self.pick(self.region.provinces))
        if postal is not None:
            out[-1] += f" {postal}"
        out = [part for part in out if part]
        text = self.pick([", ", ", ", ", ", " ", ",", " - ", "; "]).join(out)
        draw = self.rng.random()
        if draw < 0.12:
            text = text.upper()
        elif draw < 0.2:
            text = text.lower()
        elif draw < 0.26:
            text = re.sub(r"\b(Ds|Kel|Kec|Kab|Jl)\. ", r"\1.", text)
        elif draw < 0.28:
            text = text.replace("  ", " ").replace(" ", "  ")
        return text

    def postal(self) -> str:
        """Draw a postal code of the region, right or wrong."""
        low, high = self.region.postal_codes
        return str(self.rng.integers(low, high + 1))

    # Noise in names --------------------------------------------------------------------------

    def mistype(self, name: str, edits: int = 1) -> str:
        """Change letters: drop, double, swap, replace or add."""
        for _ in range(edits):
            letters = [at for at, one in enumerate(name) if one.isalpha() and at > 0]
            at = int(self.rng.choice(letters))
            draw = self.rng.integers(5)
            other = "abcdefghijklmnoprstuwy"[int(self.rng.integers(22))]
            if draw == 0:
                name = name[:at] + name[at + 1 :]
            elif draw == 1:
                name = name[:at] + name[at] + name[at:]
            elif draw == 2 and at + 1 < len(name) and name[at + 1].isalpha():
                name = name[:at] + name[at + 1] + name[at] + name[at + 2 :]
            elif draw == 3:
                name = name[:at] + other + name[at + 1 :]
            else:
                name = name[:at] + other + name[at:]
        return name

    def respace(self, name: str) -> str:
        """Join the words of a name, or split it before a usual ending."""
        if " " in name:
            return name.replace(" ", "")
        for end in _ENDS:
            if name.endswith(end) and len(name) - len(end) >= 3:
                return f"{name.removesuffix(end)} {end.capitalize()}"
        return name

    def spell_old(self, name: str) -> str:
        """Write a name as before 1972."""
        new, old = _OLD_SPELLING[int(self.rng.integers(3))]
        if new == "j" and "nj" in name:
            return name
        return name.replace(new, old) if new in name[1:] else name.replace("u", "oe")

    # Kinds of noise --------------------------------------------------------------------------

    def _plain(self, row: Village) -> str:
        postal = self.postal() if self.chance(0.5) else None
        return self.line(self.parts(row), postal=postal)

    def _typo(self, row: Village) -> str:
        return self.line(self.parts(row, self.mistype(row["village_name"])), regency=True)

    def _typos(self, row: Village) -> str:
        return self.line(self.parts(row, self.mistype(row["village_name"], 2)), regency=True)

    def _district_typo(self, row: Village) -> str:
        return self.line(replace(self.parts(row), district=self.mistype(row["district_name"])))

    def _respaced(self, row: Village) -> str:
        return self.line(self.parts(row, self.respace(row["village_name"])))

    def _old_spelling(self, row: Village) -> str:
        return self.line(self.parts(row, self.spell_old(row["village_name"])))

    def _old_name(self, one: Named) -> str:
        district = self.is_shared(one.name) or self.chance(0.7)
        return self.line(self.parts(one.village, one.name), district=district)

    def _old_name_typo(self, one: Named) -> str:
        return self.line(self.parts(one.village, self.mistype(one.name)))

    def _kampung(self, one: Named) -> str:
        named = _key(one.name).startswith("kampung") or one.level == "landmark"
        word = "" if named else self.pick(["", "Kampung ", "Dukuh ", "Kp. ", "Perum "])
        parts = Parts("", one.village["district_name"], one.village["regency_name"], False)
        front = self.front()[:1] if self.chance(0.5) else []
        return self.line(parts, regency=True, front=[*front, word + one.name])

    def _no_district(self, row: Village) -> str:
        return self.line(self.parts(row), district=False)

    def _only_name(self, row: Village) -> str:
        return self.line(self.parts(row), district=False, regency=False)

    def _other_districts(self, row: Village) -> list[str]:
        return [
            name
            for name, regency in self.districts.values()
            if name != row["district_name"] and regency == row["regency_name"]
        ]

    def _wrong_district(self, row: Village) -> str:
        return self.line(replace(self.parts(row), district=self.pick(self._other_districts(row))))

    def _wrong_regency(self, row: Village) -> str:
        other = next(name for name in self.regencies if name != row["regency_name"])
        return self.line(replace(self.parts(row), regency=other), regency=True)

    def _wrong_postal(self, row: Village) -> str:
        return self.line(self.parts(row), postal=self.postal())

    def _street_of_other(self, row: Village) -> str:
        """Write a street that bears the name of another village."""
        name = self.pick(self.village)["village_name"]
        street = f"Jl. {self.pick(['', 'Raya '])}{name} No. {self.rng.integers(1, 99)}"
        return self.line(self.parts(row), front=[street])

    def _map_service(self, row: Village) -> str:
        """Write as map services print it, in Indonesian or half English."""
        base = row["regency_name"].split(" ", 1)[1]
        last = row["district_name"].rsplit(" ", 1)[-1]
        district = row["district_name"]
        front = f"Jl. {self.pick(STREETS)} No.{self.rng.integers(1, 99)}"
        if self.chance(0.5):
            if last in _SHORT:
                district = district.removesuffix(last) + self.pick(_SHORT[last])
            place = f"Kec. {district}, {row['regency_name']}, {self.region.provinces[0]}"
        else:
            if last in _ENGLISH:
                district = f"{_ENGLISH[last]} {district.removesuffix(last).strip()}"
            kind = "City" if row["regency_name"].startswith("Kota") else "Regency"
            place = f"{district}, {base} {kind}, {self.region.provinces[-1]}"
        return f"{front}, {row['village_name']}, {place} {self.postal()}, Indonesia"

    def _run_together(self, row: Village) -> str:
        """Write words without the spaces between them."""
        word = "Ds" if row["village_code"][-4] == "2" else "Kel"
        village, district = row["village_name"], row["district_name"]
        regency = self.write_regency(self.parts(row))
        if self.chance(0.5):
            return f"{word}.{village},Kec.{district},{regency}"
        return f"{word}{village} Kec{district} {regency}"

    def _ambiguous(self, row: Village) -> str:
        """Write a shared name and nothing that tells which."""
        base = row["regency_name"].split(" ", 1)[1]
        return ", ".join([*self.front(), row["village_name"], base])

    def _district_only(self, code: str) -> str:
        name, regency = self.districts[code]
        front = [part for part in self.front() if not part.startswith(("Dk", "Du"))]
        out = [*front, f"{self.pick(['Kec.', 'Kecamatan', 'Kec'])} {name}"]
        if self.chance(0.8):
            out.append(self.write_regency(Parts("", name, regency, False)))
        return ", ".join(out)

    def _outside(self, place: Outside) -> str:
        word = "Kota" if place.is_city else self.pick(["Kab.", "Kabupaten", "Kab"])
        if self.chance(0.3):
            word = ""
        text = ", ".join([*self.front(), f"{self.pick(['Ds. ', 'Kel. ', ''])}{place.village}"])
        if self.chance(0.7):
            text += f", Kec. {place.district}"
        return f"{text}, {word} {place.regency}"
