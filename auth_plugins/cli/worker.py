"""One worker of the demo: a process of its own, told by its standard input what to do.

The first line brings the auth object, pickled: never on the command line, which everybody on the machine can read.
Each line after it is a signal to send a request from each of a few threads; the answer is how many got a 200.
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
    """Make the first line."""
    return base64.b64encode(pickle.dumps((auth, url))).decode() + "\n"


def work(orders: TextIO, answers: TextIO) -> None:
    """Do as told, until there is no more to do."""
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
