"""Fold Indonesian place names to one spelling and cut addresses into words with roles.

Two writings of one name (``Suka Maju`` and ``SUKAMAJU``, ``Soekamadjoe`` and ``Sukamaju``,
``Sukamajju`` and ``Sukamaju``) fold to one key, so that everything after this module compares
plain strings. The module knows the language of addresses, not the places of any area.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

# Spelling before 1972 (van Ophuijsen and Soewandi) and romanised Javanese, to present spelling;
# order matters: a digraph is replaced before the letters it leaves behind are looked at.
_SPELLING = (
    ("oe", "u"),
    ("dj", "j"),
    ("tj", "c"),
    ("nj", "ny"),
    ("sj", "sy"),
    ("dh", "d"),
    ("th", "t"),
    ("iya", "ia"),
    ("iyo", "io"),
    ("uwa", "ua"),
    ("uwe", "ue"),
    ("uwi", "ui"),
)
_DOUBLED = re.compile(r"(.)\1+")


@lru_cache(maxsize=65_536)
def fold_word(word: str) -> str:
    """Fold one word: lower case, no accents, present spelling, no doubled letter.

    Parameters
    ----------
    word : str
        A run of letters; other characters are kept as they are.

    Returns
    -------
    str
        The folded word, the same for all accepted spellings.

    Examples
    --------
    >>> fold_word("Soekamadjoe"), fold_word("SUKAMAJJU"), fold_word("Tjempaka")
    ('sukamaju', 'sukamaju', 'cempaka')
    """
    text = word.lower()
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text)
        text = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    # A replacement can leave letters that are to be replaced in turn.
    before = ""
    while text != before:
        before = text
        text = _DOUBLED.sub(r"\1", text)
        for old, new in _SPELLING:
            if old in text:
                text = text.replace(old, new)
    return text


def _roles(**words: str) -> dict[str, str]:
    """Turn ``role="word word"`` into a mapping from each folded word to its role."""
    return {fold_word(word): role for role, listed in words.items() for word in listed.split()}


def _words(listed: str) -> frozenset[str]:
    """Fold the words of a list."""
    return frozenset(fold_word(word) for word in listed.split())


ROLES = MappingProxyType(
    _roles(
        village="desa ds des dsa kel kelurahan klurahan kelrahan lurah kl village",
        district="kec kecamatan kcamatan kecamtan kcmtn kecmatan district subdistrict",
        regency="kab kabupaten kabupatn kbupaten regency",
        city="kota kotamadya kodya kotamdya city",
        province="prov provinsi propinsi province",
        kampung="kampung kp kpg kamp",
        hamlet="dukuh dk dkh dukuhan dusun dsn pedukuhan pedukuan lingkungan lingk",
        street="jl jln jalan jlan jaln raya gg gang gng lorong street road lane",
        building="perum perumahan prum perumnas komplek kompleks komp kompl griya ruko blok blk "
        "gedung lantai",
        business="batik toko butik grosir pasar psr pusat sentra galeri gallery konveksi pabrik "
        "cv pt ud pd koperasi kub showroom workshop museum masjid mushola musola sd sdn smp smpn "
        "sma sman smk mts tk ponpes pesantren rs rsi rsu rsud puskesmas kantor balai polsek spbu "
        "atm stasiun terminal rumah hotel bank outlet kios warung industri tenun kerajinan umkm "
        "shop store center bordir sablon printing garmen alfamart indomaret mall",
    )
)
"""Words that say what the next name is; keys are folded words."""

DESA_WORDS = _words("desa ds des dsa village")
"""Words of a rural village; the other village words are of an urban one (kelurahan)."""

SUFFIX_ROLES = _words("village district subdistrict regency city kota")
"""Role words that may stand after their name (``Sukamaju District``)."""

NUMBER_WORDS = _words("no nomor nmr nmor num km kav telp tlp hp wa fax")
"""Words that announce a number; like numbers they end a name."""

_BLOCK_WORDS = _words("rt rw rtrw")

FILLERS = _words(
    "besar dan di of the eks ex bekas lama depan belakang samping sebelah dekat utama "
    "sebrang seberang nama alamat kode pos kodepos indonesia id tulis cap wisata jawa tengah "
    "jateng java central"
)
"""Words that neither name nor end anything."""

TITLES = _words(
    "dr drs ir prof kh k h hj ki ny nyai raden jend jendral jenderal letjen letjend mayjen brigjen "
    "kol kolonel kapten kap mayor mgr pangeran p r a tgk"
)
"""Titles before the name of a person; a street's name goes on after them."""

STREET_NAMES = _words(
    "sudirman diponegoro sutomo setiabudi urip sumoharjo imam bonjol hasanudin patimura kartini "
    "dewi sartika ahmad yani gajah mada hayam wuruk wahid hasyim asyari dahlan mansyur mansur agus "
    "salim hos cokroaminoto cokro aminoto dewantara dewantoro hajar suprapto parman siswondo "
    "panjaitan haryono gatot subroto cipto mangunkusumo wahidin sudirohusodo supratman sutami "
    "samanhudi kusuma bangsa merdeka kemerdekaan perintis pahlawan veteran pemuda pramuka sultan "
    "agung slamet riyadi sisingamangaraja teuku umar cut nyak dien hata sukarno sriwijaya "
    "majapahit mataram singosari pajajaran jayabaya otista iskandardinata juanda thamrin "
    "rajawali melati mawar kenanga cempaka teratai flamboyan anggrek"
)
"""Words of street names found in every town: never a slip for a village's name."""

_ROMAN = frozenset(["ii", "iii", "iv", "vi", "vii", "viii", "ix", "xi", "xii"])

COMPASS = MappingProxyType(
    {
        "utara": ("ut", "utr", "north"),
        "selatan": ("sel", "slt", "sltn", "south"),
        "barat": ("bar", "brt", "west"),
        "timur": ("tim", "tmr", "tmur", "east"),
        "tengah": ("teng", "tgh", "central"),
        "kulon": ("kul", "kln"),
        "wetan": ("wet", "wtn"),
        "kidul": ("kid", "kdl"),
        "lor": ("lr",),
    }
)
"""Compass words of Indonesian and Javanese with the short and English forms seen in print."""

ENGLISH_COMPASS = _words("north south west east central")

ABBREVIATED_STARTS = MappingProxyType(
    {
        "tanjung": ("tj", "tjg", "tg"),
        "kebon": ("kb", "kbn"),
        "karang": ("kr", "krg"),
        "kedung": ("kd", "kdg"),
        "sumber": ("sb", "sbr"),
        "banjar": ("bjr",),
        "pasir": ("psr",),
        "panjang": ("pjg",),
        "kampung": ("kp",),
    }
)
"""First parts of many names that map services and writers shorten."""

QUALIFIERS = (*COMPASS, "ageng", "alit", "gede", "cilik", "baru", "lama")
"""Words that tell apart villages sharing a first name; a bare first name leaves them open."""


def fold(name: str) -> str:
    """Fold a name to its key: the folded letters of all its words, joined.

    Parameters
    ----------
    name : str
        A place name in any spelling and spacing.

    Returns
    -------
    str
        Letters only; empty if the name has none.

    Examples
    --------
    >>> fold("Suka Maju") == fold("SUKAMAJU") == fold("Soeka-Madjoe")
    True
    """
    return fold_word("".join(_LETTERS.findall(name)))


MAX_LENGTH = 1_000
"""Characters of an address that are read; what comes after them is no address."""

_LETTERS = re.compile(r"[^\W\d_]+")
# A word, a number, or a sign that ends a name. Dots, quotes, colons, ampersands and tight hyphens
# only divide words: "Kel.Sukamaju", "Suka-Maju".
_TOKEN = re.compile(r"[^\W\d_]+|\d+|\s[–-]+(?=\s)|[^\w\s.'’`\"“”:&–-]")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
# An Open Location Code, short or full, says nothing by its letters.
_PLUS_CODE = re.compile(r"\b[2-9CFGHJMPQRVWX]{2,8}\+[2-9CFGHJMPQRVWX]{0,3}", re.IGNORECASE)


class Words(NamedTuple):
    """The folded words of one address.

    Attributes
    ----------
    words : list of str
        Folded words in order; numbers and signs are gone.
    written : list of str
        The same words as printed.
    breaks : list of int
        What stood before the word: 0 nothing, 1 a spaced hyphen (it ends a name, or joins its
        parts), 2 another sign, RT/RW or the start, 3 a number; no name crosses 2 and 3.
    postal_codes : list of str
        Five-digit numbers met.
    """

    words: list[str]
    written: list[str]
    breaks: list[int]
    postal_codes: list[str]


@lru_cache(maxsize=65_536)
def _classify(token: str) -> tuple[int, str]:
    """Return how strongly a token ends a name (0: it is a word) and its folded word or number.

    Words run together (``KelMawar``) are told by strength -1.
    """
    first = token[0]
    if first.isalpha():
        if not (token.islower() or token.isupper()) and _CAMEL.search(token):
            return -1, token
        word = fold_word(token)
        if word in NUMBER_WORDS or token.lower() in _ROMAN:
            return 3, ""
        return (2, "") if word in _BLOCK_WORDS else (0, word)
    if first.isspace():
        return 1, ""
    return (3, token) if first.isdecimal() else (2, "")


# Letter pairs that change when two folded words are joined.
_JOINTS = frozenset(old[at : at + 2] for old, _ in _SPELLING for at in range(len(old) - 1))


def join(head: str, tail: str) -> str:
    """Join two folded words into the key of both.

    Parameters
    ----------
    head, tail : str
        Folded words, not empty.

    Returns
    -------
    str
        The same as folding the words written as one.

    Examples
    --------
    >>> join("kebon", "jati") == fold("Kebonjati")
    True
    """
    pair = head[-1] + tail[0]
    if pair[0] == pair[1] or pair in _JOINTS:
        return fold_word(head + tail)
    return head + tail


def split_words(text: str) -> Words:
    """Cut an address into folded words.

    Parameters
    ----------
    text : str
        Address as printed.

    Returns
    -------
    Words
        Words, where names end, and postal codes.

    Examples
    --------
    >>> cut = split_words("Jl. Melati No. 3, RT 02/RW 03 Kel.Suka-Maju 51123")
    >>> cut.words, cut.postal_codes
    (['jl', 'melati', 'kel', 'suka', 'maju'], ['51123'])
    >>> cut.breaks
    [2, 0, 3, 0, 0]
    """
    words: list[str] = []
    written: list[str] = []
    breaks: list[int] = []
    postal: list[str] = []
    pending = 2
    text = text[:MAX_LENGTH]
    if "+" in text:
        text = _PLUS_CODE.sub(",", text)
    for token in _TOKEN.findall(text):
        strength, word = _classify(token)
        if strength == 0:
            words.append(word)
            written.append(token)
            breaks.append(pending)
            pending = 0
        elif strength < 0:
            for part in _CAMEL.split(token):
                words.append(fold_word(part))
                written.append(part)
                breaks.append(pending)
                pending = 0
        elif pending < 2:
            pending = strength
        if strength == 3 and len(word) == 5 and word[0] != "0":
            postal.append(word)
    return Words(words, written, breaks, postal)
