"""Ask a Nominatim server about addresses nothing else could place. Off unless asked for.

The addresses leave the machine, so a person must switch this on (``--online``). At most one request
a second is sent, under this project's own name; every answer is kept in a file, so that a further
run asks nothing twice; a cap bounds the requests of one run. What an answer is worth is judged in
:mod:`.firms`: it must lie in a village the words leave possible.

References
----------
Nominatim usage policy, https://operations.osmfoundation.org/policies/nominatim/
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geopy.adapters import URLLibAdapter  # type: ignore[import-untyped]
from geopy.exc import GeocoderRateLimited, GeopyError  # type: ignore[import-untyped]
from geopy.geocoders import Nominatim  # type: ignore[import-untyped]

from pipeline import __version__
from pipeline.contracts.errors import Fault, InputError
from pipeline.s2_geocode.firms import Hit, Reply

USER_AGENT = f"batik-cluster-atlas/{__version__}"
PAUSE_S = 1.0
"""Least time between two requests, in seconds."""

_ADDRESS = re.compile(r"https?://[\w.-]+(:\d+)?(/[\w./-]*)?")
_STREET_RANK = 26  # Nominatim's place_rank: streets 26 and 27, places of interest and houses above
_VILLAGE_RANK = 16  # below: kecamatan, regencies and larger
_LIMIT = 3
_FAILURES = 3  # in a row, after which no more is asked
_LONGEST_WAIT_S = 60.0
_QUERY = 300
_LABEL = 120


@dataclass(frozen=True)
class Settings:
    """How to ask.

    Parameters
    ----------
    url : str
        Address of the server.
    cap : int
        Requests of one run.
    timeout_s : float
        Seconds to wait for one answer.
    """

    url: str = "https://nominatim.openstreetmap.org"
    cap: int = 1_000
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        faults = []
        if not _ADDRESS.fullmatch(self.url):
            faults.append(
                Fault("--nominatim", "an address such as https://host/path", repr(self.url))
            )
        if self.cap < 1:
            faults.append(Fault("cap", "at least 1 request", repr(self.cap)))
        if not self.timeout_s > 0:
            faults.append(Fault("timeout_s", "seconds above 0", repr(self.timeout_s)))
        if faults:
            raise InputError(faults)


@dataclass
class Service:
    """A server, its answers so far, and how often it was asked. Made by :func:`service`.

    Attributes
    ----------
    asked, remembered, failed : int
        Requests sent, answers taken from the file, requests without a usable answer.
    stopped : str
        Why nothing more is asked; empty while asking goes on.
    """

    settings: Settings
    store: sqlite3.Connection = field(repr=False)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    asked: int = 0
    remembered: int = 0
    failed: int = 0
    stopped: str = ""
    _last: float | None = None
    _in_a_row: int = 0

    def __post_init__(self) -> None:
        scheme, _, domain = self.settings.url.partition("://")
        self._server = Nominatim(
            user_agent=USER_AGENT,
            domain=domain.rstrip("/"),
            scheme=scheme,
            timeout=self.settings.timeout_s,
            adapter_factory=URLLibAdapter,
        )

    def ask(self, query: str) -> Reply:
        """Return what the server knows about an address, from the file if it was asked before.

        Parameters
        ----------
        query : str
            Address and the names of the units it lies in.

        Returns
        -------
        Reply
            Hits, best first; or none and the reason. A failure is a reason, never an error.
        """
        query = " ".join(query.split())[:_QUERY]
        row = self.store.execute(
            "SELECT reply FROM answer WHERE url = ? AND query = ?", (self.settings.url, query)
        ).fetchone()
        if row is not None:
            self.remembered += 1
            return _reply(json.loads(row[0]))
        if self.stopped:
            return Reply((), f"not asked: {self.stopped}")
        if self.asked >= self.settings.cap:
            self.stopped = f"the cap of {self.settings.cap} requests is reached"
            return Reply((), f"not asked: {self.stopped}")
        try:
            places = self._send(query)
            reply = _reply(places)
        except GeopyError as error:
            return self._fail(_what(error))
        except (AttributeError, KeyError, TypeError, ValueError):
            return self._fail("an answer that is no list of places")
        self._in_a_row = 0
        with self.store:
            self.store.execute(
                "INSERT OR REPLACE INTO answer VALUES (?, ?, ?)",
                (self.settings.url, query, json.dumps(places, ensure_ascii=False)),
            )
        return reply

    def notes(self) -> list[str]:
        """Say how often the server was asked and what came of it."""
        line = (
            f"online help of {self.settings.url}: {self.asked} requests, {self.remembered} answers "
            f"from earlier runs, {self.failed} failures"
        )
        return [f"{line}; stopped: {self.stopped}" if self.stopped else line]

    def _send(self, query: str) -> list[dict[str, Any]]:
        """Send one request, a second time if the server says it is too busy."""
        for attempt in (1, 2):
            self._wait()
            self.asked += 1
            try:
                found = self._server.geocode(
                    query, exactly_one=False, limit=_LIMIT, country_codes="id"
                )
            except GeocoderRateLimited as error:
                if attempt == 2 or self.asked >= self.settings.cap:
                    self.stopped = "the server says there were too many requests"
                    raise
                self.sleep(min(max(float(error.retry_after or PAUSE_S), PAUSE_S), _LONGEST_WAIT_S))
            else:
                return [_kept(one) for one in found or ()]
        raise AssertionError("unreachable")

    def _wait(self) -> None:
        """Wait until a second has passed since the last request."""
        if self._last is not None:
            rest = PAUSE_S - (self.clock() - self._last)
            if rest > 0:
                self.sleep(rest)
        self._last = self.clock()

    def _fail(self, what: str) -> Reply:
        self.failed += 1
        self._in_a_row += 1
        if self._in_a_row >= _FAILURES and not self.stopped:
            self.stopped = f"{_FAILURES} failures in a row, the last: {what}"
        return Reply((), f"no answer: {what}")


def _what(error: GeopyError) -> str:
    """Name a failure without what the server said, which is not ours to repeat."""
    return {
        "GeocoderTimedOut": "the server took too long",
        "GeocoderRateLimited": "too many requests",
        "GeocoderParseError": "an answer that is no JSON",
        "GeocoderUnavailable": "the server cannot be reached",
        "GeocoderServiceError": "the server failed or cannot be reached",
    }.get(type(error).__name__, f"the server failed ({type(error).__name__})")


def _kept(place: Any) -> dict[str, Any]:
    """Return the parts of one answer that are used and remembered."""
    rank = place.raw.get("place_rank")
    return {
        "longitude": float(place.longitude),
        "latitude": float(place.latitude),
        "rank": int(rank) if rank is not None else 0,
        "label": str(place.raw.get("display_name", ""))[:_LABEL],
    }


def _reply(places: list[dict[str, Any]]) -> Reply:
    """Turn kept answers into hits; what is coarser than a village is none."""
    hits = tuple(
        Hit(one["longitude"], one["latitude"], one["rank"] >= _STREET_RANK, one["label"])
        for one in places
        if one["rank"] >= _VILLAGE_RANK
    )
    if hits:
        return Reply(hits)
    if places:
        return Reply((), f'"{places[0]["label"]}" is no exacter than a kecamatan')
    return Reply((), "nothing found")


@contextmanager
def service(
    settings: Settings,
    cache: Path,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Service]:
    """Open the file of answers and yield the service.

    Parameters
    ----------
    settings : Settings
        Server, cap and time-out.
    cache : Path
        File of the answers; made if it is not there. Every answer is in it before the next request
        is sent.
    clock, sleep : callable
        Time in seconds and waiting; tests put their own in.

    Raises
    ------
    InputError
        The file is no file of answers.
    """
    cache.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(cache)) as store:
        try:
            with store:
                store.execute(
                    "CREATE TABLE IF NOT EXISTS answer "
                    "(url TEXT, query TEXT, reply TEXT, PRIMARY KEY (url, query))"
                )
        except sqlite3.DatabaseError as error:
            raise InputError(
                Fault(
                    str(cache),
                    "the answers of earlier runs",
                    str(error),
                    hint="Delete the file; the questions are then asked again",
                )
            ) from error
        yield Service(settings, store, clock, sleep)
