from __future__ import annotations

from importlib.util import find_spec

# niquests replaces urllib3 by its own fork, for every package of an environment: `tox -e niquests` has its own.
collect_ignore = [] if find_spec("niquests") else ["test_niquests.py"]
