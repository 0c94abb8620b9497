from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from auth_plugins.simulators import FyatuSimulator
from auth_plugins.testing import FakeClock, serve

if TYPE_CHECKING:
    from auth_plugins.testing.server import SimulatorServer


def address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return str(parts.hostname), int(parts.port or 0)


def login_request(base_url: str, simulator: FyatuSimulator) -> bytes:
    fields = {
        "appId": simulator.app_id,
        "secretKey": "your_secret_key_here",
        "grantType": "client_credentials",
    }
    body = json.dumps(fields)
    head = f"POST {urlsplit(base_url).path}/auth/token HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


def exchange(url: str, request: bytes) -> bytes:
    """Everything the server sends until it closes the connection."""
    with socket.create_connection(address(url), timeout=5) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.mark.parametrize("outage", ["drop", "lost"])
def test_a_broken_connection_is_closed_without_a_byte(server: SimulatorServer, outage: str) -> None:
    simulator = FyatuSimulator()
    base = server.mount(f"broken-{outage}", simulator)
    request = login_request(base, simulator).replace(b"Connection: close\r\n", b"")
    simulator.outage = "drop" if outage == "drop" else "lost"
    assert exchange(base, request) == b""
    simulator.outage = None
    assert exchange(base, login_request(base, simulator)).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("outage", [None, "lost"])
def test_a_delay_is_waited_for(server: SimulatorServer, outage: str | None) -> None:
    simulator = FyatuSimulator()
    base = server.mount(f"slow-{outage}", simulator)
    simulator.latency, simulator.outage = 0.15, "lost" if outage else None
    started = time.monotonic()
    exchange(base, login_request(base, simulator))
    assert 0.15 <= time.monotonic() - started < 2


def test_a_slow_answer_holds_up_nobody_else(server: SimulatorServer) -> None:
    simulator = FyatuSimulator()
    base = server.mount("slow-burst", simulator)
    simulator.latency = 0.15

    async def login() -> bytes:
        reader, writer = await asyncio.open_connection(*address(base))
        writer.write(login_request(base, simulator))
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def burst() -> list[bytes]:
        return await asyncio.gather(*(login() for _ in range(200)))

    started = time.monotonic()
    answers = asyncio.run(burst())
    assert [answer[:15] for answer in answers] == [b"HTTP/1.1 200 OK"] * 200
    assert time.monotonic() - started < 10  # one after the other would be half a minute
    assert simulator.ledger.count("login") == 200


def test_two_hundred_threads_at_once_are_all_answered(server: SimulatorServer) -> None:
    simulator = FyatuSimulator()
    base = server.mount("threads", simulator)
    request = login_request(base, simulator)
    barrier = threading.Barrier(200)
    answers: list[bytes] = []

    def work() -> None:
        barrier.wait()
        answers.append(exchange(base, request)[:15])

    threads = [threading.Thread(target=work) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [b"HTTP/1.1 200 OK"] * 200


def test_simulators_are_told_apart_by_prefix_which_they_do_not_see() -> None:
    plain, deep = FyatuSimulator(), FyatuSimulator()
    with serve({"": plain, "/a/b/": deep}) as server, httpx.Client(base_url=server.url) as client:
        assert server.mount("c", plain) == f"{server.url}/c/api/v3"
        for path in ("/a/b/x", "/a/b", "/a/bc/x", "/"):
            assert client.get(path).status_code == 401
    assert [call.path for call in deep.ledger.calls()] == ["/x", "/"]
    assert [call.path for call in plain.ledger.calls()] == ["/a/bc/x", "/"]


def test_a_path_without_a_simulator_is_not_found(server: SimulatorServer) -> None:
    assert httpx.get(server.url + "/nobody/here").status_code == 404


def test_one_simulator_alone_answers_everything_at_the_given_time() -> None:
    clock = FakeClock()
    with serve(FyatuSimulator(), clock=clock) as server:
        answer = httpx.get(server.url + "/x").json()
    assert answer["meta"]["timestamp"] == "2027-01-15T08:00:00+00:00"


def test_headers_that_come_twice_are_joined(server: SimulatorServer) -> None:
    base = server.mount("twice", FyatuSimulator())
    head = f"GET {urlsplit(base).path}/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    answer = exchange(base, f"{head}Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n".encode())
    assert b"AUTH_TOKEN_INVALID" in answer


def test_a_client_that_leaves_in_the_middle_harms_nobody(server: SimulatorServer) -> None:
    base = server.mount("quitter", FyatuSimulator())
    with socket.create_connection(address(base), timeout=5) as connection:
        connection.sendall(b"POST /quitter/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
    assert httpx.get(base + "/x").status_code == 401


def test_a_server_stops_in_time_whatever_is_still_open() -> None:
    simulator = FyatuSimulator()
    with serve(simulator) as server:
        idle = socket.create_connection(address(server.url), timeout=5)
        busy = socket.create_connection(address(server.url), timeout=5)
        simulator.latency = 60
        busy.sendall(login_request(server.url + "/api/v3", simulator))
        while not simulator.ledger.count("login"):
            time.sleep(0.01)
        started = time.monotonic()
    assert time.monotonic() - started < 5
    idle.close()
    busy.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(address(server.url), timeout=5).close()


def test_a_failing_block_stops_the_server_and_keeps_its_exception() -> None:
    before = set(threading.enumerate())
    with pytest.raises(ZeroDivisionError), serve(FyatuSimulator()):
        1 / 0  # noqa: B018
    assert set(threading.enumerate()) <= before
