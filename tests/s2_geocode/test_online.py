"""Online help against a server of our own on the loopback address; nothing leaves the machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import pipeline.s1_sources.run
from pipeline.contracts import crs as crs_rules
from pipeline.contracts.errors import InputError
from pipeline.contracts.provenance import PROJECT, Paths, read_manifest, read_table
from pipeline.s2_geocode import online
from pipeline.s2_geocode import run as stage
from pipeline.s2_geocode.firms import place_firms
from pipeline.s2_geocode.online import Service, Settings, service
from tests.s2_geocode.registers import (
    CRS_TOY,
    TOY,
    around,
    hand_over,
    register,
    toy_gazetteer,
    toy_units,
)

MELATI, CEMPAKA = "99.01.01.1001", "99.01.01.1003"
VILLAGE, DISTRICT = toy_units()
Answer = Callable[[str], tuple[int, dict[str, str], bytes] | None]


def place(code: str, rank: int = 26, name: str = "Jalan Mawar") -> dict[str, Any]:
    """Return one place as Nominatim writes it, in the middle of a village."""
    point = around(VILLAGE, code)
    return {
        "lat": str(point["latitude_deg"]),
        "lon": str(point["longitude_deg"]),
        "place_rank": rank,
        "display_name": name,
    }


def said(*places: dict[str, Any]) -> Answer:
    return lambda _: (200, {}, json.dumps(places).encode())


class Server:
    """A stand-in for Nominatim that answers as a test says and remembers what it was asked."""

    def __init__(self) -> None:
        self.queries: list[str] = []
        self.agents: list[str] = []
        self.paths: list[str] = []
        self.answer: Answer = said()
        self.hold = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = parse_qs(parts.query)["q"][0]
                outer.queries.append(query)
                outer.paths.append(parts.path)
                outer.agents.append(self.headers["User-Agent"])
                found = outer.answer(query)
                if found is None:  # takes too long
                    outer.hold.wait(10)
                    return
                status, headers, body = found
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.hold.set()
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Server()
    yield server
    server.close()


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def help_(server: Server, time: Time, tmp_path: Path) -> Iterator[Service]:
    settings = Settings(server.url, cap=20, timeout_s=5)
    with service(settings, tmp_path / "cache.sqlite", time.clock, time.sleep) as found:
        yield found


def test_a_good_answer_under_our_own_name(server: Server, help_: Service) -> None:
    server.answer = said(place(CEMPAKA), place(MELATI, rank=20))
    reply = help_.ask("  Jl.  Mawar 3 ")
    assert [hit.is_street for hit in reply.hits] == [True, False]
    assert reply.hits[0].label == "Jalan Mawar"
    assert reply.hits[0].longitude_deg == around(VILLAGE, CEMPAKA)["longitude_deg"]
    assert server.queries == ["Jl. Mawar 3"]
    assert server.agents == [online.USER_AGENT]
    assert online.USER_AGENT.startswith("batik-cluster-atlas/")
    assert server.paths == ["/search"]


def test_an_address_with_a_path(server: Server, tmp_path: Path) -> None:
    with service(Settings(f"{server.url}/nominatim/"), tmp_path / "cache.sqlite") as found:
        found.ask("Jl. Mawar")
    assert server.paths == ["/nominatim/search"]


def test_requests_are_a_second_apart(server: Server, help_: Service, time: Time) -> None:
    for query in ("a", "b"):
        help_.ask(query)
    time.now += 0.4
    help_.ask("c")
    time.now += 7
    help_.ask("d")
    assert time.slept == pytest.approx([1.0, 0.6])


def test_an_answer_is_remembered_by_later_runs(server: Server, time: Time, tmp_path: Path) -> None:
    server.answer = said(place(CEMPAKA))
    cache = tmp_path / "deep" / "cache.sqlite"
    for _ in range(2):
        with service(Settings(server.url), cache, time.clock, time.sleep) as found:
            replies = [found.ask("Jl. Mawar"), found.ask("Jl. Mawar")]
    assert replies[0] == replies[1]
    assert len(server.queries) == 1
    assert (found.asked, found.remembered) == (0, 2)
    # Another server is asked again, and nothing found is an answer too.
    server.answer = said()
    with service(Settings(f"{server.url}/other"), cache, time.clock, time.sleep) as found:
        assert found.ask("Jl. Mawar").reason == found.ask("Jl. Mawar").reason == "nothing found"
    assert len(server.queries) == 2


def test_the_cap_bounds_the_requests_but_not_what_is_remembered(
    server: Server, time: Time, tmp_path: Path
) -> None:
    with service(
        Settings(server.url, cap=2), tmp_path / "c.sqlite", time.clock, time.sleep
    ) as found:
        replies = [found.ask(query) for query in "abca"]
    assert server.queries == ["a", "b"]
    assert replies[2].reason == "not asked: the cap of 2 requests is reached"
    assert replies[3].reason == "nothing found"
    assert "stopped: the cap of 2 requests is reached" in found.notes()[0]


def test_too_many_requests_waits_once_as_told_and_then_stops(
    server: Server, help_: Service, time: Time
) -> None:
    server.answer = lambda _: (429, {"Retry-After": "7"}, b"")
    assert help_.ask("a").reason == "no answer: too many requests"
    assert time.slept == [7.0]
    assert len(server.queries) == 2
    assert "too many requests" in help_.ask("b").reason
    assert len(server.queries) == 2
    assert help_.failed == 1


def test_a_busy_server_that_recovers_is_believed(
    server: Server, help_: Service, time: Time
) -> None:
    server.answer = lambda _: (
        (429, {}, b"")
        if len(server.queries) == 1
        else (200, {}, json.dumps([place(MELATI)]).encode())
    )
    assert len(help_.ask("a").hits) == 1
    assert help_.stopped == ""
    assert time.slept[0] >= online.PAUSE_S


def test_a_slow_server_is_given_up_after_three_failures(
    server: Server, time: Time, tmp_path: Path
) -> None:
    server.answer = lambda _: None
    settings = Settings(server.url, timeout_s=0.05)
    with service(settings, tmp_path / "c.sqlite", time.clock, time.sleep) as found:
        replies = [found.ask(query).reason for query in "abcd"]
    assert replies[:3] == ["no answer: the server took too long"] * 3
    assert replies[3].startswith("not asked: 3 failures in a row")
    assert len(server.queries) == 3
    # A failure is not remembered.
    server.answer = said()
    with service(settings, tmp_path / "c.sqlite", time.clock, time.sleep) as found:
        assert found.remembered == 0


@pytest.mark.parametrize(
    "body",
    [
        b"<html>nothing</html>", b"", b"\xff\xfe", b'{"a": 1}', b'"text"', b"[1, 2]", b"[[]]",
        b'[{"lat": "x", "lon": "y", "place_rank": 26}]', b'[{"lat": "99", "lon": "1e9"}]',
        b'[{"lat": "-7", "lon": "110", "place_rank": "many"}]', b'[{"place_rank": 26}]',
        b'[{"lat": "nan", "lon": "nan", "place_rank": 26}]', b'{"error": "Unable to geocode"}',
    ],
)  # fmt: skip
def test_nonsense_is_a_failure_and_never_an_error(
    server: Server, help_: Service, body: bytes
) -> None:
    server.answer = lambda _: (200, {"Content-Type": "application/json"}, body)
    reply = help_.ask("a")
    assert reply.hits == ()
    assert reply.reason
    server.answer = said(place(MELATI))
    assert help_.ask("b").hits


@pytest.mark.parametrize("status", [403, 404, 500, 502, 503])
def test_an_error_of_the_server_is_a_reason(server: Server, help_: Service, status: int) -> None:
    server.answer = lambda _: (status, {}, b"secret of the server")
    reason = help_.ask("a").reason
    assert reason.startswith("no answer: ")
    assert "secret" not in reason
    assert help_.failed == 1


def test_a_server_that_is_not_there_is_a_reason(time: Time, tmp_path: Path) -> None:
    gone = Server()
    gone.close()
    with service(Settings(gone.url), tmp_path / "c.sqlite", time.clock, time.sleep) as found:
        assert found.ask("a").reason == "no answer: the server failed or cannot be reached"


def test_an_answer_coarser_than_a_village_is_none(server: Server, help_: Service) -> None:
    server.answer = said(place(MELATI, rank=12, name="Kota"))
    assert help_.ask("a").reason == '"Kota" is no exacter than a kecamatan'


def test_a_cache_that_is_none_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    path.write_bytes(b"no database at all, but long enough to be looked at" * 40)
    with pytest.raises(InputError, match="Delete the file"), service(Settings(), path):
        pass


def test_settings_are_checked() -> None:
    with pytest.raises(InputError) as caught:
        Settings("ftp://x y", cap=0, timeout_s=0)
    assert len(caught.value.faults) == 3
    assert Settings().url.startswith("https://")


# Firms


def asked(help_: Service, **row: str) -> Any:
    crs = crs_rules.projected(CRS_TOY, "test")
    placed = place_firms(register([row]), toy_gazetteer(), VILLAGE, DISTRICT, crs, ask=help_.ask)
    return next(placed.itertuples())


def test_an_answer_is_checked_by_polygon_and_kecamatan(server: Server, help_: Service) -> None:
    server.answer = said(place(CEMPAKA))
    right = asked(help_, raw_address="Jl. Mawar 3", district_stated="Kartala Barat")
    assert (right.village_code, right.precision, right.method) == (CEMPAKA, "street", "online")
    wrong = asked(help_, raw_address="Jl. Mawar 3", district_stated="Segara")
    assert (wrong.precision, wrong.district_name) == ("district", "Segara")
    assert (
        '"Jalan Mawar" lies in Cempaka (Kartala Barat), not in kecamatan Segara' in wrong.evidence
    )


def test_a_failure_leaves_the_firm_open_with_the_reason(server: Server, help_: Service) -> None:
    server.answer = lambda _: (200, {}, b"nonsense")
    found = asked(help_, raw_address="Jl. Mawar 3")
    assert found.precision == "none"
    assert found.evidence.endswith("online: no answer: an answer that is no JSON")


def test_the_stage_asks_only_when_told_to(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = said(place(CEMPAKA))
    monkeypatch.setattr(online, "PAUSE_S", 0.0)
    paths = Paths(TOY.parent, PROJECT / "layers", tmp_path / "outputs")
    pipeline.s1_sources.run.run(paths, "toy")
    file = tmp_path / "firms.csv"
    hand_over(paths, register([{"raw_address": "Jl. Mawar 3"}, {"raw_address": "Melati"}]), file)
    assert stage.run(paths, "toy", file)
    assert server.queries == []
    for _ in range(2):
        stage.run(paths, "toy", file, Settings(server.url))
    assert server.queries == ["Jl. Mawar 3"]
    firm = read_table(paths, "toy", "geocode", "firm")
    assert firm["precision"].tolist() == ["street", "village"]
    notes = read_manifest(paths, "toy", "geocode")["notes"]
    assert any("1 requests, 0 answers from earlier runs, 0 failures" in note for note in notes)
