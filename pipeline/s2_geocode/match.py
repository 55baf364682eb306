"""Find the village a name or an address means, from all the evidence in it, and show that evidence.

Every name found in the words is a *mention*: its role word (Desa, Kec., Jl. ...), its spelling and
what it may stand for give it a weight. The weights of all mentions add up, for each village, as
log-odds; agreement of a kecamatan or Kota/Kab word adds, contradiction subtracts, nothing is
filtered out. The weights of all villages and of the other explanations (the kecamatan of the same
name, a place outside, some other place) are turned into probabilities by the logistic (softmax)
rule, and a village is given only if its probability reaches :data:`ACCEPT`. What stays below is
left open with its candidates.

The weights are judgements tuned on generated addresses, not estimates from labelled data; the
score orders answers by trust and is not a frequency.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from operator import attrgetter
from typing import Any, NamedTuple

import pandas as pd

from pipeline.contracts.errors import InvalidArgument
from pipeline.s2_geocode import names
from pipeline.s2_geocode.gazetteer import Gazetteer, Near, Reading

ACCEPT = 0.75
"""Least probability at which a village is given."""

METHODS = (
    "exact",
    "joined",
    "abbreviation",
    "old_name",
    "alias",
    "kampung",
    "landmark",
    "stem",
    "typo",
    "district_only",
    "outside",
    "ambiguous",
    "weak",
    "unmatched",
)
"""All values of ``Match.method``; from exact to typo a village is given."""

# Log-odds that a name with this role word names the village the firm is in. A street often leads
# to the village of its name from another one; a hamlet may bear the name of a village elsewhere.
_VILLAGE_WEIGHT = {
    "village": 6.0,
    "bare": 5.0,
    "loose": 4.0,
    "kampung": 3.5,
    "hamlet": 1.8,
    "street_tail": 3.4,
    "business_tail": 3.4,
    "district": 3.0,
    "regency": 2.0,
    "city": 2.0,
    "province": 0.0,
    "larger": -1.5,
    "street": 1.0,
    "building": 0.5,
    "business": 0.5,
}
# The same where the name is a kampung or landmark, which is what those role words announce.
_PLACE_WEIGHT = {**_VILLAGE_WEIGHT, "village": 4.5, "bare": 4.0, "kampung": 4.5, "hamlet": 4.5}
_PLACE_WEIGHT |= {"business": 3.5, "building": 4.0, "loose": 4.0}
_DISTRICT_WEIGHT = {
    "district": 3.0,
    "bare": 2.5,
    "loose": 2.2,
    "regency": 1.5,
    "city": 1.5,
    "street": 0.7,
    "street_tail": 1.5,
    "business": 0.7,
    "business_tail": 1.5,
    "building": 0.7,
    "kampung": 0.7,
    "hamlet": 0.7,
    "village": 0.5,
    "larger": 0.5,
    "province": 0.0,
}
_KIND_PENALTY = {
    "exact": 0.0,
    "abbreviation": 0.1,
    "old_name": 0.2,
    "alias": 0.2,
    "kampung": 0.2,
    "landmark": 0.4,
    "stem": 2.5,
}
_EXPLICIT_LEVELS = frozenset({"village", "district", "regency", "city", "province", "kampung"})
_ADDRESS_LEVELS = _EXPLICIT_LEVELS | {"street"}
_PLAIN = frozenset({"bare", "loose"})
_HOPELESS = frozenset({"street", "business", "building"})  # too weak to look for slips in
_NAMESAKE_ROLES = _PLAIN | {"street", "street_tail"}
_SURE_ROLES = _PLAIN | {"village"}
_INSIDE_ONLY = frozenset({"village", "kampung", "hamlet"})
_ASIDE = frozenset({"street", "hamlet"})  # names often borrowed from a village elsewhere
_OUTSIDE_ONLY = frozenset({"outside"})
_DISTRICT_ONLY = frozenset({"district"})
_RAYA = "raya"  # opens a street name ("Raya Barat No. 3") or closes one ("Melati Raya")

_UNKNOWN_REGENCY = 5.0  # "Kab." or "Kota" before a name of no regency of the area
_OTHER_PLACE = 2.0  # some place the gazetteer does not hold
_DISTRICT_CONFLICT = {"district": 1.5, "bare": 1.2, "loose": 1.0}
_REGENCY_AGREES = 1.0
_REGENCY_CONFLICT = 1.5
_IN_AREA = 0.3  # a regency named without Kota or Kab: of little help to tell villages apart
_REPEATED = 0.7  # the village named a second time in other words
_OTHER_VILLAGE = 1.5  # a name after Desa or Kel. that is not listed: some other village
_EXACT_BESIDE = 2.4  # a slip supposed where the words as printed are a name already
_WRONG_LEVEL = 0.3  # "Desa" before a kelurahan or the other way round: often so in print
_POSTAL = 0.4  # a tie-break: far too little to decide alone
_OUTSIDE = {
    "regency": 7.0,
    "city": 7.0,
    "district": 6.0,
    "province": 6.0,
    "bare": 5.5,
    "loose": 5.0,
    "street_tail": 2.5,
    "business_tail": 2.5,
}
_OUTSIDE_NAMED = 1.5  # what a place outside costs a village inside, named in its own right
_NAMESAKE_INSIDE = 3.0  # a kecamatan's name beside another village of that kecamatan
_NAMESAKE_AFTER = 4.0  # a kecamatan's name after another village: addresses go from small to large
_SEEN_LIMIT = 50_000
_CLOSE = 3.0  # candidates this much below the best are still named


@dataclass(frozen=True)
class Match:
    """Where a name or address lies, how surely, and why.

    Attributes
    ----------
    village_code, village_name : str or None
        Given at precision ``village`` only.
    district_name, regency_name : str or None
        Given at precision ``village`` and ``district``.
    precision : str
        ``village``, ``district`` or ``none``.
    score : float
        Between 0 and 1; the trust in the answer at its precision (for open ones: in the first
        candidate).
    method : str
        One of :data:`METHODS`.
    evidence : str
        Which words gave what.
    candidates : str
        Codes of villages (and districts, where a name may mean one), best first, separated by
        semicolons.
    """

    village_code: str | None
    village_name: str | None
    district_name: str | None
    regency_name: str | None
    precision: str
    score: float
    method: str
    evidence: str
    candidates: str


COLUMNS = tuple(field.name for field in fields(Match))
"""Columns of the table :func:`geocode_addresses` returns."""


class _Mention(NamedTuple):
    """A name found at words ``start`` to ``end`` after a role word."""

    start: int
    end: int
    role: str
    key: str
    readings: tuple[Reading, ...]
    distance: int
    written: str
    rival: bool = False  # of an exact name


class _Parsed(NamedTuple):
    """Mentions of a text and the words that are none, by position, with their role."""

    words: list[str]
    written: list[str]
    breaks: list[int]
    mentions: list[_Mention]
    unknown: dict[int, str]
    postal_codes: list[str]


def _find(gazetteer: Gazetteer, words: list[str], breaks: list[int], at: int) -> tuple[int, str]:
    """Return the length in words and the key of the longest name that starts at a word; or 0."""
    readings, starts = gazetteer.readings, gazetteer.starts
    key = words[at]
    length, found = (1, key) if key in readings else (0, "")
    end = at + 1
    # A joint may change the last letter of the part before it, hence the look at all but that.
    while end < len(words) and breaks[end] < 2 and (key in starts or key[:-1] in starts):
        longer = names.join(key, words[end])
        if longer == key:
            break  # a single letter that was taken for a doubled one is no part of the name
        key = longer
        end += 1
        if key in readings:
            length, found = end - at, key
    return length, found


def _parse(gazetteer: Gazetteer, text: str, default: str = "bare") -> _Parsed:
    """Find the exact mentions in a text."""
    words, written, breaks, postal_codes = names.split_words(text)
    roles, starts = names.ROLES, gazetteer.starts
    mentions: list[_Mention] = []
    unknown: dict[int, str] = {}
    role: str | None = None  # of the last role word, while it lasts
    fresh = False  # no word has followed the role word yet
    offset = 0  # unknown words since a street word
    on_road = False  # the next name is the street's other end
    after_street = False  # the name before was a street's
    at = 0
    while at < len(words):
        word = words[at]
        if breaks[at] and not (fresh and role in _EXPLICIT_LEVELS) and not on_road:
            role, offset = None, 0
        on_road = False
        word_role = roles.get(word)
        length, key = 0, ""
        if word in starts or word[:-1] in starts:
            length, key = _find(gazetteer, words, breaks, at)
        # A role word that is also a name ("Dukuh") is a name unless it has one itself.
        if (
            word_role is not None
            and length == 1
            and role not in ("village", "district")
            and _has_name(gazetteer, words, breaks, at + 1, word_role)
        ):
            length = 0
        if word == _RAYA and length == 0 and not breaks[at] and role != "street":
            at += 1
            continue
        if role in _INSIDE_ONLY and length and gazetteer.levels[key] == _OUTSIDE_ONLY:
            length = 0  # no place outside is meant, but perhaps a slip
        if word_role is not None and length == 0:
            if role == "hamlet" and word_role == "business":
                offset += 1  # "Dukuh Pesantren": the hamlet's own name
            elif not (role == "kampung" and word_role == "business"):
                if role == "regency" and fresh and word_role == "city":
                    word_role = None
                role, fresh, offset = word_role, True, 0
            at += 1
            continue
        if length == 0:
            if word in names.FILLERS or (word in names.TITLES and role == "street"):
                at += 1
                continue
            parts = gazetteer.parts(word) if word_role is None else (word,)
            if len(parts) > 1:
                words[at : at + 1] = parts
                written[at : at + 1] = parts
                breaks[at + 1 : at + 1] = [0] * (len(parts) - 1)
                continue
            unknown[at] = _tail(role, offset) or default
            if role in ("village", "district", "regency", "city"):
                role = None
            offset += 1
            fresh = False
            at += 1
            continue
        readings = gazetteer.readings[key]
        end = at + length
        here = _tail(role, offset) or default
        if here == "street_tail" and end < len(words) and breaks[end] == 3:
            here = "street"  # what the house number follows is the street's name
        if role is None and after_street and not breaks[at] and here == "bare":
            here = "loose"
        if (
            end < len(words)
            and not breaks[end]
            and words[end] in names.SUFFIX_ROLES
            and (end + 1 == len(words) or breaks[end + 1])
        ):
            here, role = roles[words[end]], None
            at = end + 1
        else:
            at = end
        mentions.append(
            _Mention(
                end - length, end, here, key, readings, 0, " ".join(written[end - length : end])
            )
        )
        # A road is often named by two ends: a further end outside is still the road's.
        after_street = here in ("street", "street_tail")
        on_road = here == "street" and _goes_on(gazetteer, words, breaks, at, gazetteer.levels[key])
        if not on_road:
            role, offset = None, 0
        fresh = False
    mentions = _settle_regencies(gazetteer, _loosen(mentions, unknown, breaks))
    return _Parsed(words, written, breaks, mentions, unknown, postal_codes)


def _tail(role: str | None, offset: int) -> str | None:
    """Return what a role word says of a name that comes after unknown words."""
    if offset and role in ("street", "business"):
        return f"{role}_tail"
    return "loose" if offset and role in ("kampung", "hamlet", "building") else role


def _has_name(
    gazetteer: Gazetteer, words: list[str], breaks: list[int], at: int, role: str
) -> bool:
    """Tell whether a role word is followed by a name of its own, not by that of a larger place."""
    if at >= len(words) or breaks[at] or names.ROLES.get(words[at]) in _ADDRESS_LEVELS:
        return False
    if role in _EXPLICIT_LEVELS:
        return True
    length, key = _find(gazetteer, words, breaks, at)
    return length == 0 or "village" in gazetteer.levels[key]


def _goes_on(
    gazetteer: Gazetteer, words: list[str], breaks: list[int], at: int, levels: frozenset[str]
) -> bool:
    """Tell whether a road named by the place before is named by the next one as well.

    Roads are named by their two ends: after a regency a kecamatan or a place outside, after
    another place only one outside.
    """
    if at >= len(words) or breaks[at] > 1:
        return False
    length, key = _find(gazetteer, words, breaks, at)
    if not length:
        return False
    after = gazetteer.levels[key]
    return after == _OUTSIDE_ONLY or ("regency" in levels and "district" in after)


def _loosen(mentions: list[_Mention], unknown: dict[int, str], breaks: list[int]) -> list[_Mention]:
    """Mark bare names that have an unknown word beside them as loose."""
    return [
        one._replace(role="loose")
        if one.role == "bare"
        and (
            (one.start - 1 in unknown and not breaks[one.start])
            or (one.end in unknown and not breaks[one.end])
        )
        else one
        for one in mentions
    ]


def _settle_regencies(gazetteer: Gazetteer, mentions: list[_Mention]) -> list[_Mention]:
    """Read a plain name that is a regency's and a smaller place's as the regency's last of all.

    Addresses go from small to large: only where the regency is named again after it is such a
    name the smaller place.
    """
    if all(one.key not in gazetteer.mixed for one in mentions):
        return mentions
    settled: list[_Mention] = []
    later: set[str] = set()
    for one in reversed(mentions):
        levels = gazetteer.levels[one.key]
        if "regency" in levels:
            if one.role in _PLAIN and one.key in gazetteer.mixed:
                if one.key in later:
                    smaller = tuple(r for r in one.readings if r.level != "regency")
                    one = one._replace(readings=smaller)
                else:
                    one = one._replace(role="larger")
            later.add(one.key)
        settled.append(one)
    return settled[::-1]


def _add_near(gazetteer: Gazetteer, parsed: _Parsed) -> _Parsed:
    """Add mentions of listed names within an edit distance of words that are no name."""
    words, breaks, unknown = parsed.words, parsed.breaks, parsed.unknown
    taken = {at: one for one in parsed.mentions for at in range(one.start, one.end)}
    found: list[tuple[int, int, int, _Mention]] = []
    for start in range(len(words)):
        key, news = "", 0
        inside: list[_Mention] = []
        for end in range(start + 1, min(len(words), start + 3) + 1):
            word = words[end - 1]
            mention = taken.get(end - 1)
            if key and breaks[end - 1]:
                break
            if (mention is None and word in names.ROLES) or word in names.STREET_NAMES:
                break
            key = names.join(key, word) if key else word
            if end - 1 in unknown:
                if unknown[end - 1] in _HOPELESS:
                    break
                news += 1
            elif mention is not None and mention not in inside:
                inside.append(mention)
            # Names inside the span give way only if they are no more than a part of it.
            if (
                not news
                or len(key) < 3
                or any(
                    one.start < start
                    or one.end > end
                    or (not _is_weak(one) and len(one.key) + 4 > len(key))
                    for one in inside
                )
            ):
                continue
            role = unknown.get(start) or (inside[0].role if inside else "loose")
            written = "".join(parsed.written[start:end]).lower()
            for near in _near(gazetteer, key, written, role):
                if end - start > 1 and near.distance >= 2 and len(near.key) < 10:
                    continue
                if not _may_be_typo(gazetteer.levels[near.key], role, len(key)):
                    continue
                one = _Mention(
                    start,
                    end,
                    role,
                    near.key,
                    gazetteer.readings[near.key],
                    near.distance,
                    " ".join(parsed.written[start:end]),
                )
                found.append((near.distance - news, start - end, near.distance, one))
    if not found:
        return parsed
    # Few edits for many words explained come first, so that a name is read as a whole.
    found.sort(key=lambda one: one[:3])
    kept: list[_Mention] = []
    for *_, one in found:
        clash = [held for held in kept if held.start < one.end and one.start < held.end]
        same = all(held.start == one.start and held.end == one.end for held in clash)
        if same:
            kept.append(one)
    ends = {one.end for one in kept}
    exact = [
        # What follows a name is no longer the street's or firm's.
        held._replace(role="loose")
        if held.start in ends and held.role.endswith("_tail") and not breaks[held.start]
        else held
        for held in parsed.mentions
        if not any(one.start < held.end and held.start < one.end for one in kept)
    ]
    covered = {at for one in kept for at in range(one.start, one.end)}
    rest = {at: role for at, role in unknown.items() if at not in covered}
    mentions = sorted([*exact, *kept])
    return parsed._replace(mentions=mentions, unknown=rest)


def _add_lookalikes(gazetteer: Gazetteer, parsed: _Parsed) -> _Parsed:
    """Add villages of the stated kecamatan that differ by one letter from a village elsewhere.

    A slip can make one village's name of another's.
    """
    stated = {
        reading.code
        for one in parsed.mentions
        if one.role in _DISTRICT_CONFLICT
        for reading in one.readings
        if reading.level == "district"
    }
    found: list[_Mention] = []
    for one in parsed.mentions if stated else ():
        homes = {
            gazetteer.villages[r.code].district_code for r in one.readings if r.level == "village"
        }
        if one.distance or one.role not in _SURE_ROLES or not homes or homes & stated:
            continue
        for near in gazetteer.near(one.key, 1):
            there = tuple(
                reading
                for reading in gazetteer.readings[near.key]
                if reading.level == "village"
                and reading.kind != "stem"
                and gazetteer.villages[reading.code].district_code in stated
            )
            if near.distance and there:
                found.append(one._replace(key=near.key, readings=there, distance=1, rival=True))
    return parsed._replace(mentions=sorted([*parsed.mentions, *found])) if found else parsed


def _near(gazetteer: Gazetteer, key: str, written: str, role: str) -> Iterable[Near]:
    """Return the listed keys near a written name.

    A slip can look like an old spelling or a doubled letter and be folded further away, so the
    letters as written are tried too.
    """
    found = gazetteer.near(key, _reach(role, len(key)))
    if written == key:
        return found
    nearest = {one.key: one for one in gazetteer.near(written, _reach(role, len(written)))}
    for one in found:
        if one.key not in nearest or one.distance < nearest[one.key].distance:
            nearest[one.key] = one
    return nearest.values()


def _reach(role: str, length: int) -> int:
    """Return the edit distance to look within: a role word lets shorter names be read."""
    if role == "district":
        return 2 if length >= 4 else 1
    if role == "village":
        return 2 if length >= 6 else 1 if length >= 4 else 0
    return 2 if length >= 7 else 1 if length >= 4 else 0


def _may_be_typo(levels: frozenset[str], role: str, length: int) -> bool:
    """Tell whether a written word may be a slip for a listed name in its place."""
    if role == "district":
        return "district" in levels or (length >= 6 and levels == _OUTSIDE_ONLY)
    if levels == _OUTSIDE_ONLY:
        return role in ("regency", "city", "province") and length >= 5
    return True


def _is_weak(mention: _Mention) -> bool:
    """Tell whether a mention is a stem or a regency: a first word of many longer names."""
    return all(
        one.kind == "stem" or one.level in ("regency", "outside") for one in mention.readings
    )


class _Evidence(NamedTuple):
    """What one mention says about a village, district or regency."""

    mention: int
    weight: float
    reading: Reading


def _typo_penalty(mention: _Mention) -> float:
    """Return what the edit distance of a mention costs: more for short names."""
    if mention.distance == 0:
        return 0.0
    cost = 3.5 if mention.distance > 1 else 1.2 if len(mention.key) > 5 else 2.0
    cost += _EXACT_BESIDE if mention.rival else 0.0
    return cost + (0.8 if mention.role.endswith("_tail") else 0.0)


@dataclass(slots=True)
class _Case:
    """All evidence of one address, sorted by what it is about."""

    villages: dict[str, list[_Evidence]]
    districts: list[_Evidence]
    regencies: list[tuple[int, bool, list[str]]]  # mention, with a Kota or Kab word, codes
    outside: list[_Evidence]
    plain: list[tuple[int, str]]  # villages named, if not by a building only, by mention
    outside_named: str  # a place outside named in its own right, not as a street's end
    unknown_regency: bool
    unknown_village: bool


def _regency_kind(name: str) -> str:
    """Return whether a regency is called city or regency by its official name."""
    first = name.split(maxsplit=1)[0].lower() if name else ""
    return "city" if first == "kota" else "regency"


def _sort_evidence(gazetteer: Gazetteer, parsed: _Parsed) -> _Case:
    """Sort the readings of all mentions by level."""
    roles = parsed.unknown.values()
    case = _Case({}, [], [], [], [], "", "regency" in roles or "city" in roles, "village" in roles)
    for number, one in enumerate(parsed.mentions):
        levels = gazetteer.levels[one.key]
        typo = _typo_penalty(one)
        regencies: list[str] = []
        for reading in one.readings:
            # Where the short name is a kecamatan's own it is no village's first name.
            if reading.kind == "stem" and "district" in levels and one.role != "village":
                continue
            cost = typo + _KIND_PENALTY[reading.kind]
            if reading.level == "village":
                table = (
                    _PLACE_WEIGHT if reading.kind in ("kampung", "landmark") else _VILLAGE_WEIGHT
                )
                weight = table[one.role]
                if (one.role == "district" and "district" in levels) or (
                    one.role in ("regency", "city", "province") and levels & {"regency", "outside"}
                ):
                    weight = 0.0
                case.villages.setdefault(reading.code, []).append(
                    _Evidence(number, weight - cost, reading)
                )
                if one.role not in ("business", "building") and reading.kind != "stem":
                    case.plain.append((number, reading.code))
            elif reading.level == "district":
                weight = _DISTRICT_WEIGHT[one.role] - 0.5 * typo
                if weight > 0:
                    case.districts.append(_Evidence(number, weight, reading))
            elif reading.level == "regency":
                regencies.append(reading.code)
            elif one.role in _OUTSIDE and (
                levels == _OUTSIDE_ONLY or one.role in ("regency", "city", "province")
            ):
                weight = _OUTSIDE[one.role] - typo
                case.outside.append(_Evidence(number, weight, reading))
                if not one.role.endswith("_tail"):
                    case.outside_named = reading.name
        if regencies and one.role not in ("street", "street_tail", "building"):
            explicit = one.role in ("regency", "city")
            typed = [
                code
                for code in regencies
                if explicit and one.role == _regency_kind(gazetteer.regencies[code])
            ]
            case.regencies.append((number, explicit, typed or regencies))
    case.unknown_regency = case.unknown_regency and not case.regencies
    if case.unknown_regency and not case.outside_named:
        case.outside_named = "a Kota or Kabupaten"
    return case


class _Weighed(NamedTuple):
    """A village with its summed weight and the evidence used."""

    weight: float
    code: str
    name: _Evidence
    district: _Evidence | None
    notes: tuple[str, ...]


def _weigh_village(
    gazetteer: Gazetteer, parsed: _Parsed, case: _Case, code: str, held: list[_Evidence]
) -> _Weighed:
    """Sum the evidence for one village."""
    village = gazetteer.villages[code]
    home = village.district_code
    best, best_total = held[0], -math.inf
    for one in held:
        total = one.weight
        for other in case.districts:
            if other.reading.code == home and other.mention != one.mention:
                total = max(total, one.weight + other.weight)
        if total > best_total:
            best, best_total = one, total
    own = {one.mention for one in held}
    weight = best.weight
    notes: list[str] = []
    # The same village in other words (an old and the present name) is a second witness.
    others = {one.mention for one in held if one.mention != best.mention and one.weight > 0}
    weight += min(_REPEATED * len(others), 2 * _REPEATED)
    if case.unknown_village and parsed.mentions[best.mention].role != "village":
        weight -= _OTHER_VILLAGE
    agreeing: _Evidence | None = None
    against: _Evidence | None = None
    for one in case.districts:
        if one.reading.code == home:
            if one.mention != best.mention and (agreeing is None or one.weight > agreeing.weight):
                agreeing = one
        elif (
            one.mention not in own
            and parsed.mentions[one.mention].role in _DISTRICT_CONFLICT
            and (against is None or one.weight > against.weight)
        ):
            against = one
    weight -= _namesake_penalty(gazetteer, parsed, case, best, own, home if agreeing else "")
    if agreeing is not None:
        weight += agreeing.weight
    elif against is not None:
        role = parsed.mentions[against.mention].role
        weight -= _DISTRICT_CONFLICT[role]
        if gazetteer.regency_of[against.reading.code] != village.regency_code:
            weight -= 0.5
        notes.append(
            f"conflict: kecamatan {against.reading.name} stated, village is in "
            f"{village.district_name}"
        )
    for number, explicit, codes in case.regencies:
        if number in own:
            continue
        weight += _regency_weight(gazetteer, village.regency_code, explicit, codes)
        if village.regency_code not in codes:
            notes.append(
                f"conflict: {gazetteer.regencies[codes[0]]} stated, village is in "
                f"{village.regency_name}"
            )
    if case.outside_named:
        weight -= _OUTSIDE_NAMED if agreeing is None else 0.0
        notes.append(f"conflict: {case.outside_named} outside the area named")
    for postal in parsed.postal_codes:
        places = gazetteer.postal.get(postal)
        if places is not None and not places.isdisjoint((code, village.district_code)):
            weight += _POSTAL
    mention = parsed.mentions[best.mention]
    if mention.role == "village" and len(code) > 4:
        role_word = parsed.words[mention.start - 1] if mention.start else ""
        # The last four digits of a Kemendagri code begin with 1 for a kelurahan, 2 for a desa.
        if code[-4] == ("1" if role_word in names.DESA_WORDS else "2"):
            weight -= _WRONG_LEVEL
    return _Weighed(weight, code, best, agreeing, tuple(notes))


def _regency_weight(
    gazetteer: Gazetteer, regency: str, explicit: bool, codes: Sequence[str]
) -> float:
    """Return what a mention of a Kota or Kabupaten weighs for a place in a regency."""
    if regency not in codes:
        return -_REGENCY_CONFLICT if explicit else -0.5
    return _REGENCY_AGREES if len(codes) < len(gazetteer.regencies) else _IN_AREA


def _is_sure_district(mention: _Mention, levels: frozenset[str]) -> bool:
    """Tell whether a mention of a kecamatan can hardly be one of a village or place outside."""
    if mention.role == "district":
        return True
    return mention.role in _PLAIN and levels == _DISTRICT_ONLY


def _namesake_penalty(
    gazetteer: Gazetteer, parsed: _Parsed, case: _Case, name: _Evidence, own: set[int], home: str
) -> float:
    """Return the cost of reading a name as a village that is as well a kecamatan's.

    `home` is the village's own kecamatan if that is named apart, else empty.
    """
    mention = parsed.mentions[name.mention]
    if mention.role not in _PLAIN or "district" not in gazetteer.levels[mention.key]:
        return 0.0
    namesakes = {one.code for one in mention.readings if one.level == "district"}
    penalty = 0.0
    for number, code in case.plain:
        other = parsed.mentions[number]
        if number in own or other.key == mention.key:
            continue
        inside = gazetteer.villages[code].district_code
        if home and inside != home:
            continue
        aside = other.role in _ASIDE
        if inside in namesakes:
            penalty = max(penalty, _NAMESAKE_INSIDE * (0.5 if aside else 1.0))
        elif number < name.mention and (
            other.role == "village" or (not other.distance and not aside)
        ):
            penalty = max(penalty, _NAMESAKE_AFTER)
    return penalty


def _namesakes(
    gazetteer: Gazetteer, parsed: _Parsed, case: _Case, best: _Weighed | None
) -> dict[str, float]:
    """Weigh the kecamatan a village's name may mean as well, by code.

    Only the name the best village is read from can do so: other names serve that village.
    """
    found: dict[str, float] = {}
    for one in case.districts:
        mention = parsed.mentions[one.mention]
        if (
            mention.role not in _NAMESAKE_ROLES
            or (best is not None and one.mention != best.name.mention)
            or not any(r.level == "village" and r.kind != "stem" for r in mention.readings)
        ):
            continue
        value = _VILLAGE_WEIGHT[mention.role] - _typo_penalty(mention)
        regency = gazetteer.regency_of[one.reading.code]
        for number, explicit, codes in case.regencies:
            if number != one.mention:
                value += _regency_weight(gazetteer, regency, explicit, codes)
        if case.outside_named:
            value -= _OUTSIDE_NAMED
        for other in case.districts:
            role = parsed.mentions[other.mention].role
            if other.mention != one.mention and other.reading.code != one.reading.code:
                value -= _DISTRICT_CONFLICT.get(role, 0.0)
        found[one.reading.code] = max(value, found.get(one.reading.code, -math.inf))
    return found


def _outside_weight(gazetteer: Gazetteer, parsed: _Parsed, case: _Case) -> float:
    """Weigh that the place is outside: less where the area is named too."""
    weight = max((one.weight for one in case.outside), default=-math.inf)
    if case.unknown_regency:
        weight = max(weight, _UNKNOWN_REGENCY)
    for one in case.districts:
        mention = parsed.mentions[one.mention]
        if _is_sure_district(mention, gazetteer.levels[mention.key]):
            return weight - 3.0
    if any(explicit for _, explicit, _ in case.regencies):
        return weight - 3.0
    return weight - 1.5 if case.regencies else weight


def _probability(weight: float, rivals: Iterable[float]) -> float:
    """Return the softmax of a weight among its rivals'."""
    return 1.0 / (1.0 + sum(math.exp(rival - weight) for rival in rivals))


def _resolve(gazetteer: Gazetteer, parsed: _Parsed) -> tuple[Match, bool]:
    """Combine the evidence of the mentions; also say whether a look at typos can be spared."""
    case = _sort_evidence(gazetteer, parsed)
    weighed = [
        _weigh_village(gazetteer, parsed, case, code, held)
        for code, held in case.villages.items()
        if any(one.weight > 0 for one in held)
    ]
    weighed.sort(key=lambda one: (-one.weight, one.code))
    best = weighed[0] if weighed else None
    namesakes = _namesakes(gazetteer, parsed, case, best)
    outside = _outside_weight(gazetteer, parsed, case)
    others = [_OTHER_PLACE, outside]
    if namesakes:
        top = max(namesakes, key=lambda code: namesakes[code])
        rivals = [weight for code, weight in namesakes.items() if code != top]
        rivals += [one.weight for one in weighed]
        if _probability(namesakes[top], rivals + others) >= ACCEPT:
            return _open_match(gazetteer, parsed, case, weighed, namesakes, 0.0, top), False
    if best is None:
        if outside > 0 and (case.outside or not case.districts):
            return _outside_match(parsed, case, weighed, outside), False
        return _open_match(gazetteer, parsed, case, weighed, namesakes, 0.0), False
    rivals = [*(one.weight for one in weighed[1:]), *namesakes.values(), *others]
    probability = _probability(best.weight, rivals)
    if probability >= ACCEPT:
        settled = (
            best.district is not None
            and probability > 0.9
            and parsed.mentions[best.name.mention].role in _SURE_ROLES
        )
        match = _village_match(gazetteer, parsed, case, weighed, namesakes, probability)
        return match, settled
    if outside > best.weight:
        return _outside_match(parsed, case, weighed, outside), False
    return _open_match(gazetteer, parsed, case, weighed, namesakes, probability), False


def _say(parsed: _Parsed, evidence: _Evidence) -> str:
    """Tell in words what a mention was read as."""
    mention = parsed.mentions[evidence.mention]
    how = f"typo {mention.distance}" if mention.distance else evidence.reading.kind
    role = (
        ""
        if mention.role in _PLAIN or mention.role == "larger"
        else f"{mention.role.replace('_', ' ')} "
    )
    return f'{role}"{mention.written}" = {evidence.reading.name} ({how})'


def _say_district(parsed: _Parsed, evidence: _Evidence) -> str:
    """Tell in words which kecamatan was named."""
    mention = parsed.mentions[evidence.mention]
    how = f"typo {mention.distance}" if mention.distance else evidence.reading.kind
    return f'"{mention.written}" = kecamatan {evidence.reading.name} ({how})'


def _say_regencies(gazetteer: Gazetteer, parsed: _Parsed, case: _Case) -> Iterator[str]:
    """Tell in words which regencies were named."""
    for number, _, codes in case.regencies:
        written = parsed.mentions[number].written
        stated = " or ".join(gazetteer.regencies[code] for code in codes)
        yield f'"{written}" = {stated}'


def _candidates(weighed: Sequence[_Weighed], namesakes: dict[str, float]) -> list[str]:
    """Return the codes near the best one, best first."""
    all_of_them = [(one.weight, one.code) for one in weighed]
    all_of_them += [(weight, code) for code, weight in namesakes.items()]
    all_of_them.sort(key=lambda one: -one[0])
    top = all_of_them[0][0] if all_of_them else 0.0
    return [code for weight, code in all_of_them if weight > max(top - _CLOSE, 0.0)][:10]


def _method(parsed: _Parsed, name: _Evidence) -> str:
    """Name the way the village's name was read."""
    mention = parsed.mentions[name.mention]
    if mention.distance:
        return "typo"
    if name.reading.kind == "exact" and mention.end - mention.start != name.reading.words:
        return "joined"
    return name.reading.kind


def _village_match(
    gazetteer: Gazetteer,
    parsed: _Parsed,
    case: _Case,
    weighed: Sequence[_Weighed],
    namesakes: dict[str, float],
    probability: float,
) -> Match:
    """Write the answer for a village."""
    best = weighed[0]
    village = gazetteer.villages[best.code]
    said = [_say(parsed, best.name)]
    if village.name != best.name.reading.name:
        said[0] += f" in present {village.name}"
    if best.district is not None:
        said.append(_say_district(parsed, best.district))
    said += _say_regencies(gazetteer, parsed, case)
    said += best.notes
    return Match(
        village.code,
        village.name,
        village.district_name,
        village.regency_name,
        "village",
        round(probability, 3),
        _method(parsed, best.name),
        "; ".join(said),
        ";".join(_candidates(weighed, namesakes)),
    )


def _outside_match(
    parsed: _Parsed, case: _Case, weighed: Sequence[_Weighed], outside: float
) -> Match:
    """Write the answer for a place outside the area."""
    if case.outside:
        said = _say(parsed, max(case.outside, key=lambda one: one.weight)) + ", outside the area"
    else:
        at = next(at for at, role in parsed.unknown.items() if role in ("regency", "city"))
        said = f'{parsed.unknown[at]} "{parsed.written[at]}" is not in the area'
    probability = _probability(outside, [_OTHER_PLACE, *(one.weight for one in weighed)])
    return Match(None, None, None, None, "none", round(probability, 3), "outside", said, "")


def _open_match(
    gazetteer: Gazetteer,
    parsed: _Parsed,
    case: _Case,
    weighed: Sequence[_Weighed],
    namesakes: dict[str, float],
    probability: float,
    sure: str | None = None,
) -> Match:
    """Write the answer where no village is sure: the kecamatan if that is, and the candidates.

    `sure` is the kecamatan where its name was weighed against a village's.
    """
    codes = _candidates(weighed, namesakes)
    villages = [code for code in codes if code in gazetteer.villages]
    said = [_say(parsed, one.name) for one in weighed if one.code in codes]
    district, trust, how = _only_district(gazetteer, parsed, case, codes, sure)
    said += how
    said += _say_regencies(gazetteer, parsed, case)
    for at, role in parsed.unknown.items():
        if role in ("village", "kampung"):
            said.append(f'{role} "{parsed.written[at]}" is not in the gazetteer')
    close = [one for one in weighed if one.weight > weighed[0].weight - _CLOSE]
    ambiguous = len(codes) > 1 and (len(close) > 1 or bool(namesakes))
    if district is not None:
        method = "ambiguous" if villages and ambiguous and sure is None else "district_only"
        if not villages and district not in codes:
            codes = [district, *codes]
        regency = gazetteer.regencies[gazetteer.regency_of[district]]
        return Match(
            None,
            None,
            gazetteer.districts[district],
            regency,
            "district",
            round(trust, 3),
            method,
            "; ".join(dict.fromkeys(said)),
            ";".join(codes),
        )
    if not codes:
        # A street's or firm's name is too little even for a kecamatan, but worth a look.
        codes = list(dict.fromkeys(one.reading.code for one in case.districts))
        said += [_say_district(parsed, one) for one in case.districts]
    method = "ambiguous" if ambiguous else "weak" if codes else "unmatched"
    return Match(
        None,
        None,
        None,
        None,
        "none",
        round(probability, 3) if codes else 0.0,
        method,
        "; ".join(dict.fromkeys(said)),
        ";".join(codes),
    )


def _only_district(
    gazetteer: Gazetteer, parsed: _Parsed, case: _Case, codes: Sequence[str], sure: str | None
) -> tuple[str | None, float, list[str]]:
    """Return the kecamatan that is sure though the village is not, its trust, and why."""
    stated = [
        one
        for one in case.districts
        if parsed.mentions[one.mention].role in _DISTRICT_CONFLICT
        and (sure is None or one.reading.code == sure)
    ]
    if not stated:
        return None, 0.0, []
    best = max(stated, key=lambda one: one.weight)
    code = best.reading.code
    said = [_say_district(parsed, best)]
    if any(one.reading.code != code and one.weight > best.weight - 0.5 for one in stated):
        return None, 0.0, [*said, "conflict: two kecamatan stated"]
    # A bare name that may be a village elsewhere says nothing sure about the kecamatan.
    if sure is None and parsed.mentions[best.mention].role in _PLAIN:
        own = {
            reading.code
            for reading in parsed.mentions[best.mention].readings
            if reading.level == "village" and reading.kind != "stem"
        }
        if any(gazetteer.villages[one].district_code != code for one in own if one in codes):
            return None, 0.0, said
    trust = 0.95 if parsed.mentions[best.mention].role == "district" else 0.85
    regency = gazetteer.regency_of[code]
    for number, explicit, stated_codes in case.regencies:
        if number != best.mention and regency not in stated_codes:
            trust -= 0.3 if explicit else 0.1
            said.append(
                f"conflict: {gazetteer.regencies[stated_codes[0]]} stated, kecamatan is in "
                f"{gazetteer.regencies[regency]}"
            )
    return code, max(trust, 0.1), said


_NOTHING = Match(None, None, None, None, "none", 0.0, "unmatched", "no text", "")


def _join(first: _Parsed, second: _Parsed) -> _Parsed:
    """Put the words of a further column behind those of the first."""
    shift = len(first.words)
    moved = [one._replace(start=one.start + shift, end=one.end + shift) for one in second.mentions]
    return _Parsed(
        first.words + second.words,
        first.written + second.written,
        first.breaks + second.breaks,
        first.mentions + moved,
        first.unknown | {at + shift: role for at, role in second.unknown.items()},
        first.postal_codes + second.postal_codes,
    )


def _geocode(
    gazetteer: Gazetteer, address: str | None, district: str | None, regency: str | None
) -> Match:
    """Geocode one address with its further columns."""
    parsed: _Parsed | None = None
    for text, default in ((address, "bare"), (district, "district"), (regency, "regency")):
        if text is None or text is pd.NA or text != text or not str(text).strip():
            continue
        one = _parse(gazetteer, str(text), default)
        parsed = one if parsed is None else _join(parsed, one)
    if parsed is None:
        return _NOTHING
    match, settled = _resolve(gazetteer, parsed)
    if settled:
        return match
    near = _add_near(gazetteer, parsed) if parsed.unknown else parsed
    near = _add_lookalikes(gazetteer, near)
    return match if near is parsed else _resolve(gazetteer, near)[0]


def match_place(
    gazetteer: Gazetteer, name: str, district: str | None = None, regency: str | None = None
) -> Match:
    """Find the village of a clean place name, as printed in a published table.

    Parameters
    ----------
    gazetteer : Gazetteer
        Index of the area.
    name : str
        Village, old village or kampung name.
    district, regency : str, optional
        Kecamatan and Kota or Kabupaten the table states.

    Returns
    -------
    Match

    Examples
    --------
    >>> from pipeline.s2_geocode.gazetteer import ALIAS_COLUMNS, OLD_NAME_COLUMNS, VILLAGE_COLUMNS
    >>> village = pd.DataFrame(
    ...     [["1.1.1", "Sukamaju", "1.1", "Mekar", "1", "Kota Mekar"]],
    ...     columns=list(VILLAGE_COLUMNS),
    ... )
    >>> old = pd.DataFrame([["Sukasari", "1.1.1", 2014, ""]], columns=list(OLD_NAME_COLUMNS))
    >>> gazetteer = Gazetteer.from_tables(village, old, pd.DataFrame(columns=list(ALIAS_COLUMNS)))
    >>> match = match_place(gazetteer, "Suka Sari")
    >>> match.village_name, match.method, match.evidence
    ('Sukamaju', 'old_name', '"Suka Sari" = Sukasari (old_name) in present Sukamaju')
    """
    return _geocode(gazetteer, name, district, regency)


def geocode_addresses(
    gazetteer: Gazetteer,
    addresses: Sequence[str | None],
    *,
    district: Sequence[str | None] | None = None,
    regency: Sequence[str | None] | None = None,
) -> pd.DataFrame:
    """Geocode addresses, one row each.

    Parameters
    ----------
    gazetteer : Gazetteer
        Index of the area.
    addresses : sequence of str or None
        N addresses as printed.
    district, regency : sequence of str or None, optional
        N kecamatan and Kota or Kabupaten from columns of their own.

    Returns
    -------
    DataFrame
        N rows in the order of the addresses with the columns :data:`COLUMNS`. Memory grows with
        N only by this table; :func:`geocode_parts` bounds it.

    Raises
    ------
    InvalidArgument
        A further column has not N entries.

    Examples
    --------
    >>> from pipeline.s2_geocode.gazetteer import ALIAS_COLUMNS, OLD_NAME_COLUMNS, VILLAGE_COLUMNS
    >>> village = pd.DataFrame(
    ...     [["1.1.1", "Sukamaju", "1.1", "Mekar", "1", "Kota Mekar"]],
    ...     columns=list(VILLAGE_COLUMNS),
    ... )
    >>> old = pd.DataFrame(columns=list(OLD_NAME_COLUMNS))
    >>> gazetteer = Gazetteer.from_tables(village, old, pd.DataFrame(columns=list(ALIAS_COLUMNS)))
    >>> table = geocode_addresses(gazetteer, ["Ds. Soekamadjoe RT 1/2, Kec. Mekar", "Kec. Mekar"])
    >>> table[["village_name", "precision", "method"]].values.tolist()
    [['Sukamaju', 'village', 'exact'], [None, 'district', 'district_only']]
    """
    for label, column in (("district", district), ("regency", regency)):
        if column is not None and len(column) != len(addresses):
            raise InvalidArgument(
                f"{label}: expected {len(addresses)} entries, one for each address, found "
                f"{len(column)}. Pass the column of the same table."
            )
    nothing: Sequence[Any] = [None] * len(addresses)
    district = nothing if district is None else district
    regency = nothing if regency is None else regency
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    adders = [(attrgetter(name), columns[name].append) for name in COLUMNS]
    # Registers repeat themselves: an address seen is not read again.
    seen: dict[tuple[Any, ...], Match] = {}
    for cells in zip(addresses, district, regency, strict=True):
        match = seen.get(cells) or _geocode(gazetteer, *cells)
        if len(seen) >= _SEEN_LIMIT:
            seen.clear()
        seen[cells] = match
        for get, add in adders:
            add(get(match))
    return pd.DataFrame(
        {
            name: pd.Series(values, dtype=float if name == "score" else object)
            for name, values in columns.items()
        }
    )


def geocode_parts(
    gazetteer: Gazetteer, addresses: Iterable[str | None], *, size: int = 50_000
) -> Iterator[pd.DataFrame]:
    """Geocode any number of addresses in bounded memory, part by part.

    Parameters
    ----------
    gazetteer : Gazetteer
        Index of the area.
    addresses : iterable of str or None
        Addresses as printed; read no further than the part at work.
    size : int
        Addresses in a part.

    Yields
    ------
    DataFrame
        The table of :func:`geocode_addresses` for the next `size` addresses.

    Raises
    ------
    InvalidArgument
        `size` is below 1.

    Examples
    --------
    >>> from pipeline.s2_geocode.gazetteer import ALIAS_COLUMNS, OLD_NAME_COLUMNS, VILLAGE_COLUMNS
    >>> columns = VILLAGE_COLUMNS, OLD_NAME_COLUMNS, ALIAS_COLUMNS
    >>> gazetteer = Gazetteer.from_tables(*(pd.DataFrame(columns=list(one)) for one in columns))
    >>> [len(part) for part in geocode_parts(gazetteer, ["a", "b", "c"], size=2)]
    [2, 1]
    """
    if size < 1:
        raise InvalidArgument(f"size: expected at least 1, found {size}.")
    rest = iter(addresses)
    while part := list(islice(rest, size)):
        yield geocode_addresses(gazetteer, part)
