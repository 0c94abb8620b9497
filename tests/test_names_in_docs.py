"""The pages name only files and functions that exist: a renaming must reach the documentation, too."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
GENERATED = ROOT / "docs" / "explanation" / "faults.md"
NAMED_ELSEWHERE = {
    # Other projects and the operating system.
    "CERTIFICATE_VERIFY_FAILED",
    "_current_frames",
    "_send_output",
    "preload_app",
    "read_from_replicas",
    "rebuild_auth",
    "replica_read",
    "should_strip_auth",
    # Examples on the pages.
    "acme.py",
    "bad_key",
    "wait_for_token",
}


def named_in_code(text: str) -> set[str]:
    """Return the file names, and the names with an underscore, in the code of a page's sentences and tables."""
    return {
        name
        for code in re.findall(r"`+([^`\n]+)`+", text)
        for name in re.findall(r"[\w-]+\.py\b|\b\w*[A-Za-z]_[A-Za-z]\w*|\b_[A-Za-z]\w+", code)
    }


def test_the_pages_name_only_files_and_functions_that_exist() -> None:
    files = [file for folder in ("auth_plugins", "tests", "docs", "mutation") for file in (ROOT / folder).rglob("*.py")]
    files += [ROOT / name for name in ("pyproject.toml", "setup.cfg", "tox.ini")]
    code = "\n".join(file.read_text(encoding="utf-8") for file in files if file != Path(__file__))
    known = {file.name for file in ROOT.rglob("*.py")} | set(re.findall(r"\w+", code)) | NAMED_ELSEWHERE
    unknown = {
        str(page.relative_to(ROOT)): named_in_code(page.read_text(encoding="utf-8")) - known
        for page in PAGES
        if page != GENERATED
    }
    assert {page: names for page, names in unknown.items() if names} == {}
