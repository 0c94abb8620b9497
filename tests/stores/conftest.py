from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from auth_plugins import Store

Child = Callable[..., Any]
LONG = 30.0
"""Seconds. Only a test that fails waits for so long."""


@contextmanager
def locked_by_a_thread(store: Store) -> Iterator[None]:
    """Let another thread hold the lock of "key" meanwhile."""
    held, enough = threading.Event(), threading.Event()

    def hold() -> None:
        with store.lock("key"):
            held.set()
            enough.wait(LONG)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(LONG)
        yield
    finally:
        enough.set()
        thread.join(LONG)


PRELUDE = """
import json, os, sys
import filelock  # Before the privileges go: the libraries may stand in root's own folder.


def say(what):
    print(json.dumps(what), flush=True)


def drop_privileges():
    # Nothing is forbidden to root, nor does anything belong to somebody else.
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


folder = sys.argv[1]
"""


@pytest.fixture
def start_child() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a program in a process of its own, with a folder in `folder`; it ends with the test at the latest."""
    running: list[subprocess.Popen[str]] = []

    def start(program: str, folder: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PRELUDE + program, str(folder)]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        running.append(child)
        return child

    yield start
    for child in running:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def child(start_child: Callable[..., subprocess.Popen[str]]) -> Child:
    """Run a program to its end and give what it says last."""

    def run(program: str, folder: object = "") -> Any:
        process = start_child(program, folder)
        said, _ = process.communicate(timeout=50)
        assert process.returncode == 0
        return json.loads(said.splitlines()[-1])

    return run


@pytest.fixture
def anybodys_folder() -> Iterator[Path]:
    """A folder that a process without privileges can reach and call its own: pytest's are for root alone."""
    folder = Path(tempfile.mkdtemp(prefix="auth-"))
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    yield folder
    for each in folder.glob("*"):
        each.chmod(0o700)
    shutil.rmtree(folder)
