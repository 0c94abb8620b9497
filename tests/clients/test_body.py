"""Which bodies of httpx can be sent once more."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import httpx2
import pytest

from auth_plugins.clients.bodies import Body


class ByteStream:
    """Bytes, wherever a library may keep them."""


class Stream(httpx.SyncByteStream):
    """A body of somebody's own."""


class Silent:
    """A file that does not say whether it can be rewound."""

    def read(self, _size: int = -1) -> bytes:
        return b""


class Forward(io.BytesIO):
    def seekable(self) -> bool:
        return False


class Turns:
    """An asynchronous body that begins anew at each turn."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise NotImplementedError


def pieces() -> Iterator[bytes]:
    yield b"body"


async def async_pieces() -> AsyncIterator[bytes]:
    yield b"body"


def stream_of(library: Any, **body: Any) -> Any:
    return library.Request("POST", "https://api.example/x", **body).stream


def multipart(file: Any) -> dict[str, Any]:
    return {"files": {"file": file}, "data": {"a": "text", "b": b"bytes"}}


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize(
    ("body", "replayable"),
    [
        ({"content": b"body"}, True),
        ({"data": {"a": "1"}}, True),
        ({}, True),
        (multipart(io.BytesIO(b"body")), True),
        (multipart(("name", "text")), True),
        (multipart(Forward(b"body")), False),
        (multipart(Silent()), False),
        ({"content": io.BytesIO(b"body")}, True),
        ({"content": Forward(b"body")}, False),
        ({"content": [b"bo", b"dy"]}, True),
        ({"content": pieces()}, False),
        ({"content": Turns()}, True),
        ({"content": async_pieces()}, False),
    ],
    ids=[
        "bytes", "form", "none", "multipart", "multipart of text", "multipart of a file that goes forward only",
        "multipart of a file that does not say", "a file", "a file that goes forward only", "a list", "a generator",
        "an asynchronous iterable", "an asynchronous generator",
    ],
)  # fmt: skip
def test_a_body_is_replayable_if_its_library_or_its_file_can_begin_anew(
    library: Any, body: dict[str, Any], replayable: bool
) -> None:
    stream = stream_of(library, **body)
    made = Body(stream)
    assert made.replayable is replayable
    assert made.can_be_resent(stream) is replayable
    assert made.rewind(stream) is replayable


def test_a_class_is_known_by_its_name_and_anything_else_is_not_replayed() -> None:
    assert Body(ByteStream()).replayable
    assert not Body(Stream()).replayable


def test_after_a_redirect_it_is_the_new_body_that_counts() -> None:
    body = Body(stream_of(httpx, content=pieces()))
    assert body.can_be_resent(stream_of(httpx))
    assert body.rewind(stream_of(httpx))
    other = Body(stream_of(httpx))
    assert not other.can_be_resent(stream_of(httpx, content=pieces()))
    assert not other.rewind(stream_of(httpx, content=pieces()))


def test_a_file_goes_back_to_where_it_began() -> None:
    file = io.BytesIO(b"not this, but the body")
    file.seek(14)
    stream = stream_of(httpx, content=file)
    body = Body(stream)
    assert file.read() == b"the body"
    assert body.rewind(stream)
    assert file.read() == b"the body"


def test_a_file_that_was_closed_meanwhile_does_not() -> None:
    file = io.BytesIO(b"body")
    stream = stream_of(httpx, content=file)
    body = Body(stream)
    file.close()
    assert not body.rewind(stream)
    assert not Body(stream).replayable


def test_a_closed_file_in_a_form_is_not_replayable() -> None:
    file = io.BytesIO(b"body")
    stream = stream_of(httpx, files={"file": file})
    file.close()
    assert not Body(stream).replayable
