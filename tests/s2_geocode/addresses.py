"""Noisy Indonesian addresses with known truth, drawn from the tables of an area.

Each kind of noise a register shows is one function; every draw comes from the generator passed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pipeline.s2_geocode.names import fold

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
FIRMS = (
    "Batik {}",
    "UD. {}",
    "CV {}",
    "Toko {}",
    "Batik Tulis {}",
    "PT. {}",
    "Konveksi {}",
    "IKM {}",
)
WORDS = (
    "Sekar Arum",
    "Barokah",
    "Putra Jaya",
    "Mega Mulya",
    "Larasati",
    "Sinar Abadi",
    "Tiga Dara",
)
HAMLETS = ("Krajan", "Wringin", "Pesantren", "Gumuk", "Ngemplak", "Sambiroto Lor", "Blok Manis")
OUTSIDE = (
    ("Sambong", "Batang", "Batang"),
    ("Proyonanggan Tengah", "Batang", "Batang"),
    ("Kauman", "Batang", "Batang"),
    ("Sidorejo", "Warungasem", "Batang"),
    ("Masin", "Warungasem", "Batang"),
    ("Purwoharjo", "Comal", "Pemalang"),
    ("Mulyoharjo", "Pemalang", "Pemalang"),
    ("Kauman", "Comal", "Pemalang"),
    ("Wonokromo", "Comal", "Pemalang"),
    ("Procot", "Slawi", "Tegal"),
    ("Laweyan", "Laweyan", "Surakarta"),
    ("Kauman", "Pasar Kliwon", "Surakarta"),
    ("Bangetayu", "Genuk", "Semarang"),
    ("Karanganyar", "Tugu", "Semarang"),
    ("Limpung", "Limpung", "Batang"),
    ("Trusmi Kulon", "Plered", "Cirebon"),
)
CITIES = frozenset({"Surakarta", "Semarang"})

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


@dataclass(frozen=True)
class Address:
    """A made address: its text, the kind of noise, and where it is."""

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


class Addresses:
    """Draw addresses of an area.

    Parameters
    ----------
    village, old_name, alias : DataFrame
        The tables of the gazetteer.
    rng : numpy.random.Generator
        Source of all randomness.
    """

    def __init__(
        self,
        village: pd.DataFrame,
        old_name: pd.DataFrame,
        alias: pd.DataFrame,
        rng: np.random.Generator,
    ) -> None:
        self.rng = rng
        self.village = village.to_dict("records")
        self.by_code = {row["village_code"]: row for row in self.village}
        self.districts = {
            row["district_code"]: (row["district_name"], row["regency_name"])
            for row in self.village
        }
        self.regencies = sorted({row["regency_name"] for row in self.village})
        # A name is shared if it stands for more than one village, or for a kecamatan as well.
        owners: dict[str, set[str]] = defaultdict(set)
        for row in self.village:
            owners[fold(row["village_name"])].add(row["village_code"])
        for name, code in zip(old_name["old_name"], old_name["village_code"], strict=True):
            owners[fold(name)].add(code)
        variants = alias[alias["level"].isin(["village", "kampung"])]
        for name, code in zip(variants["alias"], variants["code"], strict=True):
            owners[fold(name)].add(code)
        for code, (name, _) in self.districts.items():
            owners[fold(name)].add(code)
        self.owners = owners
        present = {fold(row["village_name"]) for row in self.village}
        self.old = [
            (name, self.by_code[code])
            for name, code in zip(old_name["old_name"], old_name["village_code"], strict=True)
            if fold(name) not in present
        ]
        places = alias[alias["level"].isin(["kampung", "landmark"])]
        self.kampung = [
            (name, level, self.by_code[code])
            for name, level, code in zip(
                places["alias"], places["level"], places["code"], strict=True
            )
            if code in self.by_code
        ]
        self.unique = [row for row in self.village if len(owners[fold(row["village_name"])]) == 1]
        self.shared = [row for row in self.village if len(owners[fold(row["village_name"])]) > 1]

    def pick(self, items: Sequence) -> object:
        """Draw one of the items."""
        return items[int(self.rng.integers(len(items)))]

    def chance(self, share: float) -> bool:
        """Draw true with the given probability."""
        return bool(self.rng.random() < share)

    def parts(self, row: dict, name: str | None = None) -> Parts:
        """Return the parts of the address of a village."""
        return Parts(
            name or row["village_name"],
            row["district_name"],
            row["regency_name"],
            row["village_code"][-4] == "2",
        )

    # How the parts are written ---------------------------------------------------------------

    def front(self) -> list[str]:
        """Draw what stands before the village: firm, street, number, RT/RW, hamlet, Plus Code."""
        out = []
        if self.chance(0.15):
            out.append(str(self.pick(FIRMS)).format(self.pick(WORDS)))
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
                str(
                    self.pick(
                        ["RT {0:02d}/RW {1:02d}", "RT.{0}/{1}", "RT {0} RW {1}", "Rt{0}/Rw{1}"]
                    )
                ).format(rt, rw)
            )
        if self.chance(0.1):
            out.append(f"{self.pick(['Dk.', 'Dukuh', 'Dusun', 'Dk'])} {self.pick(HAMLETS)}")
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
            name = name.removesuffix(last) + str(self.pick(_SHORT[last]))
        word = str(self.pick(["Kec.", "Kec", "Kecamatan", "kec."]))
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
            out.append(str(self.pick(["Jawa Tengah", "Jateng", "Central Java"])))
        if postal is not None:
            out[-1] += f" {postal}"
        out = [part for part in out if part]
        joiner = str(self.pick([", ", ", ", ", ", " ", ",", " - ", "; "]))
        text = joiner.join(out)
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

    def postal(self, row: dict, wrong: bool = False) -> str:
        """Draw a postal code: one of the region, whichever."""
        return str(self.rng.integers(51111, 51199))

    # Noise in names --------------------------------------------------------------------------

    def typo(self, name: str, edits: int = 1) -> str:
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

    def old_spelling(self, name: str) -> str:
        """Write a name as before 1972."""
        new, old = _OLD_SPELLING[int(self.rng.integers(3))]
        if new == "j" and "nj" in name:
            return name
        return name.replace(new, old) if new in name[1:] else name.replace("u", "oe")

    # Kinds of noise --------------------------------------------------------------------------

    def plain(self) -> Address:
        row = self.pick(self.village)
        postal = self.postal(row) if self.chance(0.5) else None
        return self.given("plain", row, self.line(self.parts(row), postal=postal))

    def given(self, kind: str, row: dict, text: str) -> Address:
        return Address(text, kind, row["village_code"], row["district_name"])

    def with_typo(self) -> Address:
        row = self.pick([row for row in self.village if len(row["village_name"]) >= 5])
        name = row["village_name"]
        return self.given("typo", row, self.line(self.parts(row, self.typo(name)), regency=True))

    def with_two_typos(self) -> Address:
        row = self.pick([row for row in self.village if len(row["village_name"]) >= 8])
        parts = self.parts(row, self.typo(row["village_name"], 2))
        return self.given("two typos", row, self.line(parts, regency=True))

    def with_district_typo(self) -> Address:
        row = self.pick(self.village)
        parts = replace(self.parts(row), district=self.typo(row["district_name"]))
        return self.given("district typo", row, self.line(parts))

    def respaced(self) -> Address:
        row = self.pick(self.village)
        parts = self.parts(row, self.respace(row["village_name"]))
        return self.given("respaced", row, self.line(parts))

    def in_old_spelling(self) -> Address:
        row = self.pick(self.village)
        parts = self.parts(row, self.old_spelling(row["village_name"]))
        return self.given("old spelling", row, self.line(parts))

    def old_name(self) -> Address:
        name, row = self.pick(self.old)
        shared = len(self.owners[fold(name)]) > 1
        text = self.line(self.parts(row, name), district=shared or self.chance(0.7))
        return self.given("old name", row, text)

    def old_name_typo(self) -> Address:
        name, row = self.pick([pair for pair in self.old if len(pair[0]) >= 6])
        return self.given("old name typo", row, self.line(self.parts(row, self.typo(name))))

    def kampung_name(self) -> Address:
        name, level, row = self.pick(self.kampung)
        named = fold(name).startswith("kampung") or level == "landmark"
        word = "" if named else str(self.pick(["", "Kampung ", "Dukuh ", "Kp. ", "Perum "]))
        parts = Parts("", row["district_name"], row["regency_name"], False)
        front = self.front()[:1] if self.chance(0.5) else []
        return self.given(
            "kampung", row, self.line(parts, regency=True, front=[*front, word + name])
        )

    def no_district(self) -> Address:
        row = self.pick(self.unique)
        return self.given("no district", row, self.line(self.parts(row), district=False))

    def only_name(self) -> Address:
        row = self.pick(self.unique)
        return self.given(
            "only name", row, self.line(self.parts(row), district=False, regency=False)
        )

    def wrong_district(self) -> Address:
        row = self.pick(self.unique)
        others = [
            name
            for name, regency in self.districts.values()
            if name != row["district_name"] and regency == row["regency_name"]
        ]
        parts = replace(self.parts(row), district=str(self.pick(others)))
        return self.given("wrong district", row, self.line(parts))

    def wrong_regency(self) -> Address:
        row = self.pick(self.village)
        other = next(name for name in self.regencies if name != row["regency_name"])
        parts = replace(self.parts(row), regency=other)
        return self.given("wrong regency", row, self.line(parts, regency=True))

    def wrong_postal(self) -> Address:
        row = self.pick(self.village)
        return self.given(
            "wrong postal", row, self.line(self.parts(row), postal=self.postal(row, wrong=True))
        )

    def street_of_other(self) -> Address:
        """A street that bears the name of another village."""
        row, other = self.pick(self.village), self.pick(self.village)
        street = (
            f"Jl. {self.pick(['', 'Raya '])}{other['village_name']} No. {self.rng.integers(1, 99)}"
        )
        return self.given("street", row, self.line(self.parts(row), front=[street]))

    def map_service(self) -> Address:
        """As map services print it, in Indonesian or half English."""
        row = self.pick(self.village)
        base = row["regency_name"].split(" ", 1)[1]
        last = row["district_name"].rsplit(" ", 1)[-1]
        district = row["district_name"]
        front = f"Jl. {self.pick(STREETS)} No.{self.rng.integers(1, 99)}"
        if self.chance(0.5):
            if last in _SHORT:
                district = district.removesuffix(last) + str(self.pick(_SHORT[last]))
            place = f"Kec. {district}, {row['regency_name']}, Jawa Tengah"
        else:
            if last in _ENGLISH:
                district = f"{_ENGLISH[last]} {district.removesuffix(last).strip()}"
            kind = "City" if row["regency_name"].startswith("Kota") else "Regency"
            place = f"{district}, {base} {kind}, Central Java"
        text = f"{front}, {row['village_name']}, {place} {self.postal(row)}, Indonesia"
        return self.given("map service", row, text)

    def run_together(self) -> Address:
        """Words without the spaces between them."""
        row = self.pick(self.village)
        word = "Ds" if row["village_code"][-4] == "2" else "Kel"
        village, district = row["village_name"], row["district_name"]
        regency = self.write_regency(self.parts(row))
        if self.chance(0.5):
            text = f"{word}.{village},Kec.{district},{regency}"
        else:
            text = f"{word}{village} Kec{district} {regency}"
        return self.given("run together", row, text)

    def ambiguous(self) -> Address:
        """A shared name and nothing that tells which."""
        row = self.pick(self.shared)
        base = row["regency_name"].split(" ", 1)[1]
        front = self.front()
        name = row["village_name"]
        return self.given("ambiguous", row, ", ".join([*front, name, base]))

    def district_only(self) -> Address:
        code = str(self.pick(sorted(self.districts)))
        name, regency = self.districts[code]
        parts = Parts("", name, regency, False)
        front = [part for part in self.front() if not part.startswith(("Dk", "Du"))]
        out = [*front, f"{self.pick(['Kec.', 'Kecamatan', 'Kec'])} {name}"]
        if self.chance(0.8):
            out.append(self.write_regency(parts))
        return Address(", ".join(out), "district only", None, name)

    def outside(self) -> Address:
        village, district, regency = self.pick(OUTSIDE)
        word = "Kota" if regency in CITIES else str(self.pick(["Kab.", "Kabupaten", "Kab"]))
        if self.chance(0.3):
            word = ""
        text = ", ".join([*self.front(), f"{self.pick(['Ds. ', 'Kel. ', ''])}{village}"])
        if self.chance(0.7):
            text += f", Kec. {district}"
        return Address(f"{text}, {word} {regency}", "outside", None, None)

    def kinds(self) -> dict[str, Callable[[], Address]]:
        """Return all kinds by their name."""
        return {
            "plain": self.plain,
            "typo": self.with_typo,
            "two typos": self.with_two_typos,
            "district typo": self.with_district_typo,
            "respaced": self.respaced,
            "old spelling": self.in_old_spelling,
            "old name": self.old_name,
            "old name typo": self.old_name_typo,
            "kampung": self.kampung_name,
            "no district": self.no_district,
            "only name": self.only_name,
            "wrong district": self.wrong_district,
            "wrong regency": self.wrong_regency,
            "wrong postal": self.wrong_postal,
            "street": self.street_of_other,
            "map service": self.map_service,
            "run together": self.run_together,
            "ambiguous": self.ambiguous,
            "district only": self.district_only,
            "outside": self.outside,
        }

    def draw(self, each: int) -> list[Address]:
        """Draw as many addresses of each kind."""
        return [make() for make in self.kinds().values() for _ in range(each)]
