"""Whether a body of httpx can be sent once more, and what has to be done before."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from inspect import isawaitable
from typing import Any, NamedTuple

__all__ = ["Body"]


class _Kinds(NamedTuple):
    """A library's own classes of bodies; None for a class that the installed version does not have."""

    bytes: type
    form: type | None
    iterators: tuple[type | None, type | None]


@cache
def _kinds_of(library: Any) -> _Kinds:
    content, multipart = getattr(library, "_content", None), getattr(library, "_multipart", None)
    return _Kinds(
        library.ByteStream,
        getattr(multipart, "MultipartStream", None),
        (getattr(content, "IteratorByteStream", None), getattr(content, "AsyncIteratorByteStream", None)),
    )


class Body:
    """Where the body of a request began. Made before it is sent; and in a task, then awaited (`alook`).

    Its library replays bytes and forms by itself, rewinds the files of a multipart form, and would send a file, or
    anything else that it has read to its end, as an empty body, without a word.

    Only the library's own classes are judged, by identity. A class of the user's, whatever its name or its base, may
    be used up by the first reading.
    """

    __slots__ = ("_begin", "_file", "_library", "_stream", "replayable")

    def __init__(self, stream: Any, library: Any) -> None:
        """`library`: the module `httpx` or `httpx2`, whose request has this stream."""
        self._stream, self._library = stream, library
        self._file: Any = None
        self._begin = 0
        kind, kinds = type(stream), _kinds_of(library)
        if kind is kinds.bytes:
            self.replayable = True
        elif kind is kinds.form:
            parts = (getattr(part, "file", b"") for part in stream.fields)
            self.replayable = all(isinstance(part, (str, bytes)) or _seekable(part) for part in parts)
        elif kind in kinds.iterators:
            self._probe(getattr(stream, "_stream", None))
        else:
            self.replayable = False

    def _probe(self, content: Any) -> None:
        # A list can be read twice. What else makes iterators may have been used up by the first: nobody can tell.
        self.replayable = isinstance(content, Sequence)
        if hasattr(content, "read"):
            self._file = content
            if not hasattr(content, "__aiter__"):
                self._keep(_position(content))

    async def aprobe(self) -> None:
        """Ask where an asynchronous file begins, such as those of anyio, trio and aiofiles."""
        if self._file is not None and not self.replayable:
            try:
                self._keep(await _maybe_await(self._file.tell()) if await _maybe_await(self._file.seekable()) else None)
            except (AttributeError, OSError, ValueError):
                self._keep(None)

    def _keep(self, begin: int | None) -> None:
        self.replayable = begin is not None
        self._begin = begin or 0

    def can_be_resent(self, stream: Any) -> bool:
        """Whether `stream`, which may be another after a redirect, can be sent once more."""
        return self.replayable if stream is self._stream else Body(stream, self._library).replayable

    def rewind(self, stream: Any) -> bool:
        """Make `stream` ready to be sent once more; `False` if that cannot be done."""
        try:
            if self._has_moved(stream):
                self._file.seek(self._begin)
        except (OSError, ValueError):  # ValueError: the file was closed.
            return False
        return self.can_be_resent(stream)

    async def arewind(self, stream: Any) -> bool:
        """Do as `rewind`, with an asynchronous file as well."""
        try:
            if self._has_moved(stream):
                await _maybe_await(self._file.seek(self._begin))
        except (OSError, ValueError):
            return False
        return self.can_be_resent(stream)

    def _has_moved(self, stream: Any) -> bool:
        return self.replayable and self._file is not None and stream is self._stream


def _position(file: Any) -> Any:
    try:
        return file.tell() if file.seekable() else None
    except (AttributeError, OSError, ValueError):
        return None


def _seekable(file: Any) -> bool:
    try:
        return bool(file.seekable())
    except (AttributeError, ValueError):
        return False


async def _maybe_await(found: Any) -> Any:
    # aiofiles has all methods asynchronous; anyio and trio leave `seekable` as it is.
    return await found if isawaitable(found) else found
