"""Programs that examine the package and are no part of it: `python -m tools.NAME`. See README.md."""
