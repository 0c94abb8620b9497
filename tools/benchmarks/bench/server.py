"""The other side, in a process of its own: a token endpoint (OAuth 2.0, and Fyatu's JSON), an API, and its knobs.

As little as it can be, so that what is measured is the client. `python -m bench.server` prints its port.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from typing import Any
from urllib.parse import parse_qsl


class State:
    """What the server knows. `lifetime` and `delay` (of a token call) in seconds."""

    def __init__(self) -> None:
        self.lifetime, self.delay, self.down = 3600.0, 0.0, 0
        self.calls, self.rejected = 0, 0
        self.ends: dict[str, float] = {}

    def control(self, query: dict[str, str]) -> dict[str, Any]:
        """Turn the knobs, and tell the counters as they were."""
        told = {"calls": self.calls, "rejected": self.rejected}
        for name, value in query.items():
            if name == "reset":
                self.calls = self.rejected = 0
            elif name == "revoke":
                self.ends.clear()
            else:
                setattr(self, name, float(value))
        return told

    def token(self, path: str) -> tuple[int, dict[str, Any]]:
        """Issue a token."""
        self.calls += 1
        if self.down:
            return 503, {"error": "temporarily_unavailable"}
        token = secrets.token_hex(20)
        self.ends[token] = time.monotonic() + self.lifetime
        if "/auth/" in path:
            data = {"accessToken": token, "tokenType": "Bearer", "expiresIn": int(self.lifetime)}
            return 200, {"success": True, "data": data}
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": int(self.lifetime)}


class Protocol(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, one request after the other."""

    def __init__(self, state: State) -> None:
        self._state, self._buffer = state, b""

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer whatever is whole by now."""
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, rest = self._buffer.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
            length = int(headers.get("content-length", "0"))
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            self._handle(lines[0].split(" ")[1], headers)

    def _handle(self, target: str, headers: dict[str, str]) -> None:
        state = self._state
        path, _, query = target.partition("?")
        if path == "/control":
            self._answer(200, state.control(dict(parse_qsl(query))))
        elif path.endswith(("/token", "/auth/refresh")):
            answer = state.token(path)
            asyncio.get_running_loop().call_later(state.delay, self._answer, *answer)
        elif path == "/open" or state.ends.get(headers.get("authorization", "")[7:], 0.0) > time.monotonic():
            self._answer(200, {"ok": True})
        else:
            state.rejected += 1
            self._answer(401, {"error": "invalid_token"})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n"
        self._transport.write(head.encode() + text)


async def main() -> None:
    """Serve until the process is ended."""
    state = State()
    server = await asyncio.get_running_loop().create_server(lambda: Protocol(state), "127.0.0.1", 0, backlog=16_384)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
