"""Runs the demo: each scene has a new stage, and returns expected and counted values."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Unpack

from auth_plugins.stores import MemoryStore
from auth_plugins.testing import serve

from .cast import Cast

if TYPE_CHECKING:
    from auth_plugins.auth import Options, TokenAuth
    from auth_plugins.simulators import Ledger, Simulator

__all__ = ["Counts", "Result", "Scene", "Stage", "perform"]

Counts = dict[str, int]


@dataclass(frozen=True, slots=True)
class Stage:
    """The set-up of a scene: a simulator behind real HTTP, and a store, which no other scene shares."""

    cast: Cast
    base_url: str
    store: MemoryStore = field(default_factory=MemoryStore)

    def auth(self, *, wrong: bool = False, **options: Unpack[Options]) -> TokenAuth:
        """Return an auth object. All auth objects of a stage share a store."""
        options.setdefault("store", self.store)
        return self.cast.auth(self.base_url, wrong=wrong, **options)

    @property
    def simulator(self) -> Simulator:
        """The simulator of the provider."""
        return self.cast.simulator

    @property
    def ledger(self) -> Ledger:
        """The calls that the simulator received."""
        return self.cast.simulator.ledger

    @property
    def url(self) -> str:
        """The URL of a resource in the API, which answers 200 to requests with a valid token."""
        return f"{self.base_url}/things"

    def answers(self, status: int) -> int:
        """Return how many calls the API answered with `status`."""
        return sum(call.status == status for call in self.ledger.calls("api"))


@dataclass(frozen=True, slots=True)
class Scene:
    """A claim, and the function that shows it."""

    name: str
    sentence: str
    """A description for the output."""
    play: Callable[[Stage], tuple[Counts, Counts]] = field(repr=False)
    """Returns the expected and the counted values, under the same names."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a scene."""

    provider: str
    scene: Scene
    seconds: float
    expected: Mapping[str, int] = field(default_factory=dict)
    counted: Mapping[str, int] = field(default_factory=dict)
    failure: str | None = None
    """The type of the exception that ended the scene, without its text, which may quote a request."""

    @property
    def ok(self) -> bool:
        """Whether the counted values are as expected."""
        return self.failure is None and self.expected == self.counted


def perform(
    casts: Iterable[type[Cast]],
    scenes: Sequence[Scene],
    announce: Callable[[type[Cast], Scene], None] = lambda _cast, _scene: None,
) -> Iterator[Result]:
    """Play every scene with every cast and yield the results. A scene that raises leads to a result, too."""
    with _no_proxy_to_loopback(), serve() as server:
        for cast in casts:
            for number, scene in enumerate(scenes):
                announce(cast, scene)
                made = cast()
                base_url = server.mount(f"{cast.name}-{number}", made.simulator)
                yield _result(scene, Stage(made, base_url))


def _result(scene: Scene, stage: Stage) -> Result:
    began = time.monotonic()
    try:
        expected, counted = scene.play(stage)
    except Exception as error:
        return Result(stage.cast.name, scene, time.monotonic() - began, failure=type(error).__name__)
    return Result(stage.cast.name, scene, time.monotonic() - began, expected, counted)


@contextmanager
def _no_proxy_to_loopback() -> Iterator[None]:
    """Exclude 127.0.0.1 from the environment's proxies, which token calls use."""
    before = os.environ.get("no_proxy")
    os.environ["no_proxy"] = "127.0.0.1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["no_proxy"]
        else:
            os.environ["no_proxy"] = before
