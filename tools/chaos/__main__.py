"""`python -m tools.chaos`: 1,000 renewals by 8 processes while Redis is restarted, cut off, failed over and emptied."""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from auth_plugins.testing import serve

from .judge import OURS, why
from .provider import Provider
from .servers import Fleet

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("restarted", "cut off", "failed over", "emptied")


@dataclass
class Run:
    """What is asked for, and what came of it."""

    processes: int
    sessions: int
    renewals: int
    each: int
    seed: int
    kinds: tuple[str, ...] = KINDS
    lifetime: float = 4.0
    latency: float = 0.3
    settle_time: float = 5.0
    lines: list[dict[str, Any]] = field(default_factory=list)
    losses: list[tuple[float, float]] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[float, str]] = field(default_factory=list)
    seconds: float = 0.0


def main() -> int:
    """Run, print what came of it, and return 1 if a session was ended by us, or a request failed in vain."""
    parser = argparse.ArgumentParser(prog="python -m tools.chaos", description=__doc__)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--sessions", type=int, default=40)
    parser.add_argument("--renewals", type=int, default=1000, help="at least so many")
    parser.add_argument("--each", type=int, default=30, help="how often each fault happens")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="which faults (default: all)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lifetime", type=float, default=4.0, help="seconds for which an access token lives")
    parser.add_argument("--settle", type=float, default=5.0, help="the settle_time= of the stores")
    parser.add_argument("--server", default="redis-server", help="the program")
    given = parser.parse_args()
    run = Run(given.processes, given.sessions, given.renewals, given.each, given.seed, tuple(given.kinds))
    run.lifetime, run.settle_time = given.lifetime, given.settle
    provider = Provider(run.lifetime, run.latency)
    with tempfile.TemporaryDirectory() as folder, serve(provider) as server:
        fleet = Fleet(Path(folder), given.server)
        try:
            _work(run, provider, fleet, f"{server.url}{provider.base_path}/token")
        finally:
            fleet.close()
    return _report(run, provider)


def _work(run: Run, provider: Provider, fleet: Fleet, url: str) -> None:
    said = {"url": url, "tokens": [provider.session() for _ in range(run.sessions)], "lease": 12.0, "deadline": 5.0}
    said |= {"sentinels": fleet.sentinel_ports, "ports": fleet.ports, "settle_time": run.settle_time}
    command = [sys.executable, "-m", "tools.chaos.worker"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    workers = [subprocess.Popen(command, **pipes) for _ in range(run.processes)]
    readers = []
    for number, worker in enumerate(workers):
        _tell(worker, {**said, "seed": run.seed * 1000 + number})
        readers.append(threading.Thread(target=_listen, args=(worker, number, run, provider)))
        readers[-1].start()
    began = time.monotonic()
    try:
        _break(run, provider, fleet)
        _until(lambda: provider.renewals >= run.renewals or len(provider.ended) == run.sessions, 120.0)
    finally:
        for worker in workers:
            _tell(worker, None)
        for worker, reader in zip(workers, readers, strict=True):
            worker.wait(90.0)
            reader.join()
            worker.stdin.close() if worker.stdin is not None else None
    run.seconds = time.monotonic() - began


def _tell(worker: subprocess.Popen[str], what: object) -> None:
    assert worker.stdin is not None  # noqa: S101 - narrows a type
    worker.stdin.write(json.dumps(what) + "\n")
    worker.stdin.flush()


def _listen(worker: subprocess.Popen[str], number: int, run: Run, provider: Provider) -> None:
    assert worker.stdout is not None  # noqa: S101
    for line in worker.stdout:
        told = {**json.loads(line), "process": number}
        if told["session"] is None and "token" in told:
            told["session"] = provider.families.get(told["token"], -1)
        run.lines.append(told)
    worker.stdout.close()


def _until(what: Any, patience: float) -> None:
    ends = time.monotonic() + patience
    while not what() and time.monotonic() < ends:
        time.sleep(0.005)


def _in_a_call(provider: Provider) -> None:
    """Wait until the provider has just answered: the answer is on its way."""
    since = time.time()
    _until(lambda: provider.last_call > since, 3.0)


def _break(run: Run, provider: Provider, fleet: Fleet) -> None:
    dice = random.Random(run.seed)  # noqa: S311
    kinds = [kind for kind in run.kinds for _ in range(run.each)]
    dice.shuffle(kinds)
    _until(lambda: provider.renewals >= run.sessions, 60.0)
    for number, kind in enumerate(kinds):
        if len(provider.ended) == run.sessions:
            return
        # The renewals are spread over all faults; and every fault finds the fleet at work.
        wanted = run.sessions + (run.renewals - run.sessions) * number // len(kinds)
        _until(lambda wanted=wanted: provider.renewals >= wanted, 6.0)
        _in_a_call(provider)
        began = time.time()
        if kind == "restarted":
            fleet.restart(dice.uniform(0.0, 0.4))
        elif kind == "cut off":
            fleet.cut(dice.uniform(0.2, 3.0))
        elif kind == "emptied":
            fleet.empty()
            run.losses.append((began, time.time()))
        else:
            fleet.stop_replication()
            began = time.time()
            _in_a_call(provider)
            time.sleep(dice.uniform(0.0, 0.5))
            fleet.fail_over()
            run.losses.append((began, time.time()))
            fleet.repair()
        if not fleet.is_as_we_know_it:
            raise RuntimeError("The sentinels failed over during a fault that loses nothing: the machine is too slow")
        run.done[kind] += 1
        run.faults += [(began, f"Redis was {kind}, from here"), (time.time(), f"Redis was {kind}, up to here")]
        print(f"{number + 1}: {kind}; {provider.renewals} renewals, {len(provider.ended)} ended", file=sys.stderr)


def _report(run: Run, provider: Provider) -> int:
    reasons = Counter(why(session, provider, run.lines, run.losses) for session in provider.ended)
    failed = [line for line in run.lines if line["what"] == "failed"]
    in_vain = [line for line in failed if line["valid"]]
    print(f"seed {run.seed}: {run.processes} processes, {run.sessions} sessions, {run.seconds:.0f} s")
    print(
        f"{provider.renewals:,} renewals; Redis was {', '.join(f'{kind} {run.done[kind]} times' for kind in run.kinds)}"
    )
    print(f"sessions ended: {len(provider.ended)}")
    for reason, count in reasons.most_common():
        print(f"    {count}: {reason}")
    print(f"requests that failed though they had a valid token: {len(in_vain)}")
    for (error, text), count in Counter((line["error"], line["text"]) for line in failed).most_common(8):
        print(f"    {count} failed without one: {error}: {text[:100]}")
    ours = [each for each in provider.ended if why(each, provider, run.lines, run.losses) == OURS]
    for session in ours[:2]:
        _print_end(session, run, provider)
    return 1 if ours or in_vain else 0


def _print_end(session: int, run: Run, provider: Provider) -> None:
    at, used = provider.ended[session]
    print(f"session {session}, before {used} was presented again:")
    given_out = [(when, f"the provider gave out {token}") for when, token in provider.given_out[session]]
    given_out += [fault for fault in run.faults if at - 20 < fault[0] < at + 1]
    lines = [
        line
        for line in run.lines
        if ((line["session"] == session and line["what"] != "failed") or line["what"] == "looks")
        and at - 20 < line["at"] < at + 1
    ]
    told = [
        (line["at"], f"process {line['process']} {line['what']} {line.get('token', line.get('text', ''))}")
        for line in lines
    ]
    for when, what in sorted([*given_out, *told])[-60:]:
        print(f"    {when - at:8.3f} s: {what}")


if __name__ == "__main__":
    sys.exit(main())
