"""Whether a body of httpx can be sent once more, and what has to be done before."""

from __future__ import annotations

from typing import Any

__all__ = ["Body"]


class Body:
    """Where the body of a request began. Made before it is sent.

    Its library replays bytes and forms by itself, rewinds the files of a multipart form, and would send a file that it
    has read to its end as an empty body, without a word.
    """

    __slots__ = ("_begin", "_file", "_stream", "replayable")

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._file: Any = None
        self._begin = 0
        if type(stream).__name__ == "ByteStream":
            self.replayable = True
        elif type(stream).__name__ == "MultipartStream":
            parts = (getattr(part, "file", b"") for part in stream.fields)
            self.replayable = all(isinstance(part, (str, bytes)) or _seekable(part) for part in parts)
        else:
            self._look_inside(getattr(stream, "_stream", None))

    def _look_inside(self, content: Any) -> None:
        if hasattr(content, "read"):
            self.replayable = _seekable(content)
            if self.replayable:
                self._file, self._begin = content, content.tell()
        else:
            # What makes a new iterator for each turn can be read twice; an iterator cannot.
            again = hasattr(content, "__iter__") or hasattr(content, "__aiter__")
            self.replayable = again and not hasattr(content, "__next__") and not hasattr(content, "__anext__")

    def can_be_resent(self, stream: Any) -> bool:
        """Whether `stream`, which may be another after a redirect, can be sent once more."""
        return self.replayable if stream is self._stream else Body(stream).replayable

    def rewind(self, stream: Any) -> bool:
        """Make `stream` ready to be sent once more; `False` if that cannot be done."""
        if not self.can_be_resent(stream):
            return False
        if self._file is None or stream is not self._stream:
            return True
        try:
            self._file.seek(self._begin)
        except (OSError, ValueError):  # ValueError: the file was closed.
            return False
        return True


def _seekable(file: Any) -> bool:
    try:
        return bool(file.seekable())
    except (AttributeError, ValueError):
        return False
