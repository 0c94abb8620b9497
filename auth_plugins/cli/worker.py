"""A worker process of the demo, controlled by its standard input.

The first line contains the pickled auth object. It is not an argument, because all users of the machine can read
command lines. Each further line is a signal to send a request from each of a few threads; the worker answers with the
number of 200s.
"""

from __future__ import annotations

import base64
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TextIO

import requests

from .users import PATIENCE

__all__ = ["THREADS", "order", "work"]

THREADS = 8


def order(auth: object, url: str) -> str:
    """Return the first line of a worker's input."""
    return base64.b64encode(pickle.dumps((auth, url))).decode() + "\n"


def work(orders: TextIO, answers: TextIO) -> None:
    """Follow the lines of `orders` until its end, and write the results to `answers`."""
    auth, url = pickle.loads(base64.b64decode(orders.readline()))  # noqa: S301 - from the process that started this one

    def send(_: int) -> bool:
        with requests.Session() as session:
            session.auth, session.trust_env = auth, False
            return session.get(url, timeout=PATIENCE).status_code == 200

    with ThreadPoolExecutor(THREADS) as pool:
        print("ready", file=answers, flush=True)
        for _ in orders:
            print(sum(pool.map(send, range(THREADS))), file=answers, flush=True)


if __name__ == "__main__":
    work(sys.stdin, sys.stdout)
