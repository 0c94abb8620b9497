"""Which bodies of httpx can be sent once more."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiofiles.threadpool  # type: ignore[import-untyped]
import anyio
import httpx
import httpx2
import pytest
import trio

from auth_plugins.clients.bodies import Body


class Silent:
    """A file that does not say whether it can be rewound."""

    def read(self, _size: int = -1) -> bytes:
        return b""


class Forward(io.BytesIO):
    def seekable(self) -> bool:
        return False


class Lost(io.BytesIO):
    """A file that can be rewound, and does not know where it is."""

    def tell(self) -> int:
        raise OSError


class Nowhere:
    """A file that can be rewound, and cannot be asked where it is."""

    def read(self, _size: int = -1) -> bytes:
        return b""

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def seekable(self) -> bool:
        return True


class Turns:
    """A body that makes an iterator for each turn: whether there is anything left for it, nobody knows."""

    def __iter__(self) -> Iterator[bytes]:
        raise NotImplementedError


class AsyncTurns:
    """The same, asynchronously."""

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
        ({"content": Lost(b"body")}, False),
        ({"content": Nowhere()}, False),
        ({"content": [b"bo", b"dy"]}, True),
        ({"content": (b"bo", b"dy")}, True),
        ({"content": pieces()}, False),
        ({"content": Turns()}, False),
        ({"content": AsyncTurns()}, False),
        ({"content": async_pieces()}, False),
    ],
    ids=[
        "bytes", "form", "none", "multipart", "multipart of text", "multipart of a file that goes forward only",
        "multipart of a file that does not say", "a file", "a file that goes forward only", "a file that is lost",
        "a file that cannot tell", "a list", "a tuple", "a generator", "an iterable", "an asynchronous iterable",
        "an asynchronous generator",
    ],
)  # fmt: skip
def test_a_body_is_replayable_if_its_library_or_its_file_can_begin_anew(
    library: Any, body: dict[str, Any], replayable: bool
) -> None:
    stream = stream_of(library, **body)
    made = Body(stream, library)
    assert made.replayable is replayable
    assert made.can_be_resent(stream) is replayable
    assert made.rewind(stream) is replayable


KINDS = {"ByteStream": "_content", "MultipartStream": "_multipart"}
KINDS |= dict.fromkeys(("IteratorByteStream", "AsyncIteratorByteStream"), "_content")


def own_kind(name: str, base: type) -> Any:
    """A user's class of bodies that has the name of a library's."""
    return type(name, (base,), {"__init__": lambda _self: None, "__iter__": lambda _self: iter([b"body"])})


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize("name", KINDS)
def test_a_class_of_the_users_is_not_replayed_whatever_its_name_and_its_base(library: Any, name: str) -> None:
    theirs = getattr(getattr(library, KINDS[name]), name)
    for base in (object, library.SyncByteStream, library.ByteStream, theirs):
        stream = own_kind(name, base)()
        assert not Body(stream, library).replayable
        assert not Body(stream, library).rewind(stream)


@pytest.mark.parametrize("name", KINDS)
def test_a_body_of_the_other_library_is_not_replayed(name: str) -> None:
    kind: Any = getattr(getattr(httpx, KINDS[name]), name)
    stream = kind.__new__(kind)
    stream._stream, stream.fields = b"", []
    assert not Body(stream, httpx2).replayable


def test_a_class_that_a_version_of_the_library_does_not_have_is_no_bodys() -> None:
    class Library:
        ByteStream = httpx.ByteStream

    assert Body(httpx.ByteStream(b"body"), Library).replayable
    for body in ({"content": [b"body"]}, multipart(io.BytesIO(b"body"))):
        assert not Body(stream_of(httpx, **body), Library).replayable


def test_after_a_redirect_it_is_the_new_body_that_counts() -> None:
    body = Body(stream_of(httpx, content=pieces()), httpx)
    assert body.can_be_resent(stream_of(httpx))
    assert body.rewind(stream_of(httpx))
    other = Body(stream_of(httpx), httpx)
    assert not other.can_be_resent(stream_of(httpx, content=pieces()))
    assert not other.rewind(stream_of(httpx, content=pieces()))


def test_a_file_goes_back_to_where_it_began() -> None:
    file = io.BytesIO(b"not this, but the body")
    file.seek(14)
    stream = stream_of(httpx, content=file)
    body = Body(stream, httpx)
    assert file.read() == b"the body"
    assert body.rewind(stream)
    assert file.read() == b"the body"


def test_a_file_that_was_closed_meanwhile_does_not() -> None:
    file = io.BytesIO(b"body")
    stream = stream_of(httpx, content=file)
    body = Body(stream, httpx)
    file.close()
    assert not body.rewind(stream)
    assert not Body(stream, httpx).replayable


def test_a_closed_file_in_a_form_is_not_replayable() -> None:
    file = io.BytesIO(b"body")
    stream = stream_of(httpx, files={"file": file})
    file.close()
    assert not Body(stream, httpx).replayable


ASYNC_FILES = pytest.mark.parametrize(
    ("wrap", "loop"),
    [
        (anyio.wrap_file, "asyncio"),
        (anyio.wrap_file, "trio"),
        (trio.wrap_file, "trio"),
        (aiofiles.threadpool.wrap, "asyncio"),
    ],
    ids=["anyio on asyncio", "anyio on trio", "trio", "aiofiles"],
)


@ASYNC_FILES
@pytest.mark.parametrize("library", [httpx, httpx2])
class TestAnAsynchronousFile:
    def test_goes_back_to_where_it_began(self, library: Any, wrap: Any, loop: str, tmp_path: Path) -> None:
        async def read_twice() -> tuple[bool, bytes, bool, bytes]:
            stream = stream_of(library, content=file)
            body = Body(stream, library)
            await body.aprobe()
            return body.replayable, await file.read(), await body.arewind(stream), await file.read()

        with on_disk(tmp_path, b"not this, but the body") as opened:
            opened.seek(14)
            file = wrap(opened)
            assert anyio.run(read_twice, backend=loop) == (True, b"the body", True, b"the body")

    def test_that_was_closed_meanwhile_does_not(self, library: Any, wrap: Any, loop: str, tmp_path: Path) -> None:
        async def closed() -> tuple[bool, bool, bool]:
            stream = stream_of(library, content=file)
            body, late = Body(stream, library), Body(stream, library)
            await body.aprobe()
            opened.close()
            await late.aprobe()
            return body.replayable, await body.arewind(stream), late.replayable

        with on_disk(tmp_path, b"body") as opened:
            file = wrap(opened)
            assert anyio.run(closed, backend=loop) == (True, False, False)

    def test_that_goes_forward_only_does_not(self, library: Any, wrap: Any, loop: str) -> None:
        async def forward() -> tuple[bool, bool]:
            stream = stream_of(library, content=file)
            body = Body(stream, library)
            await body.aprobe()
            return body.replayable, await body.arewind(stream)

        reading, writing = os.pipe()
        with os.fdopen(writing, "wb"), os.fdopen(reading, "rb") as opened:
            file = wrap(opened)
            assert anyio.run(forward, backend=loop) == (False, False)

    def test_is_not_taken_for_another_one(self, library: Any, wrap: Any, loop: str, tmp_path: Path) -> None:
        with on_disk(tmp_path, b"body") as opened:
            stream = stream_of(library, content=wrap(opened))
            body = Body(stream, library)
            assert (body.replayable, body.rewind(stream)) == (False, False), "nobody has asked it"


def on_disk(folder: Path, content: bytes) -> io.BufferedReader:
    (folder / "body").write_bytes(content)
    return (folder / "body").open("rb")
