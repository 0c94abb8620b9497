"""An answer is read whole, within its bounds, by its deadline."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib

import pytest

from auth_plugins import InvalidTokenResponse, TokenEndpointUnavailable
from auth_plugins.clients.reading import Deadline, read_whole

LATER = Deadline.after(1e6)
BODY = b"0123456789"


class TestADeadline:
    @pytest.mark.parametrize(("timeout", "least", "most"), [(None, 99, 100), (5.0, 5, 5), (500.0, 99, 100)])
    def test_cuts_a_time_out_to_what_is_left(self, timeout: float | None, least: float, most: float) -> None:
        assert least <= Deadline.after(100.0).cut(timeout) <= most

    @pytest.mark.parametrize("timeout", [None, 5.0])
    def test_leaves_nothing_once_it_has_come(self, timeout: float | None) -> None:
        with pytest.raises(TimeoutError):
            Deadline(time.monotonic()).cut(timeout)


class TestAnAnswer:
    @pytest.mark.parametrize(
        ("encoding", "packed"),
        [
            ("", BODY),
            ("identity", BODY),
            ("Identity", BODY),
            ("gzip", gzip.compress(BODY, mtime=0)),
            ("GZIP", gzip.compress(BODY, mtime=0)),
            ("x-gzip", gzip.compress(BODY, mtime=0)),
            ("X-Gzip", gzip.compress(BODY, mtime=0)),
            ("deflate", zlib.compress(BODY)),
            ("Deflate", zlib.compress(BODY)),
        ],
    )
    @pytest.mark.parametrize("most", [10, 11])
    def test_is_unpacked_and_may_be_just_as_long_as_is_allowed(self, encoding: str, packed: bytes, most: int) -> None:
        assert read_whole([packed], LATER, most, encoding) == BODY
        pieces = [packed[at : at + 1] for at in range(len(packed))]
        assert read_whole(pieces, LATER, most, encoding) == BODY

    @pytest.mark.parametrize(("encoding", "packed"), [("", BODY), ("gzip", gzip.compress(BODY, mtime=0))])
    def test_may_not_be_longer(self, encoding: str, packed: bytes) -> None:
        with pytest.raises(InvalidTokenResponse, match="longer than 9 bytes"):
            read_whole([packed], LATER, 9, encoding)

    @pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "x"])
    def test_is_refused_if_it_is_packed_in_another_way(self, encoding: str) -> None:
        with pytest.raises(InvalidTokenResponse, match="Content-Encoding that was not asked for"):
            read_whole([BODY], LATER, 100, encoding)

    def test_is_refused_if_it_cannot_be_unpacked(self) -> None:
        with pytest.raises(InvalidTokenResponse, match="cannot be decoded"):
            read_whole([BODY], LATER, 100, "gzip")

    def test_is_not_unpacked_any_further_than_it_may_be_long(self) -> None:
        bomb = gzip.compress(bytes(10_000_000))
        tracemalloc.start()
        try:
            with pytest.raises(InvalidTokenResponse):
                read_whole([bomb], LATER, 1000, "gzip")
            assert tracemalloc.get_traced_memory()[1] < 1_000_000
        finally:
            tracemalloc.stop()

    def test_is_kept_if_it_was_whole_when_the_time_had_come_and_refused_if_it_goes_on(self) -> None:
        over = Deadline(time.monotonic() - 1)
        assert read_whole([BODY], over, 100, "") == BODY
        with pytest.raises(TokenEndpointUnavailable, match="did not end in time"):
            read_whole([BODY, BODY], over, 100, "")
