"""The idioms that CONTRIBUTING.md rules out become rarer: each area has a budget that only falls.

`python tests/test_words.py [PATH ...]` prints each hit as file, line and text. A hit is a hint to read the sentence
again, not a verdict. Code in texts does not count, nor do generated pages.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What stands first in a docstring or a comment; elsewhere these are plain verbs.
_FIRST = r"Gives?|Do as"
_ANYWHERE = (
    r"who(?:m|so)?ever",
    r"(?:no|some|any)body(?:'s)?",
    r"(?<!-)beside",
    r"at hand",
    r"(?:is|are|was|were) none",
    r"to be had",
    r"brings?|brought",
    r"tells?|told",
    r"lends?|lent",
    r"strangers?",
    r"troubles?",
    r"doors?",
    r"rooms?",
    r"thinks? (?:again|of|about)",
    r"of (?:its|their) own",
)
# "One" as a subject: at the beginning of a clause, before a verb.
_CLAUSE = (
    r"(?:^|[|(]\s*|[.:;,] |\b(?:and|as|because|before|how|if|or|so|than|that|though|until|what|when|where|while) )"
)
_VERBS = (
    r"asks|begins|can|cannot|does|expects|finds|gets|goes|has|knows|logs|looks|may|might|must|needs|reads|really|renews"
    r"|should|signs|starts|takes|thinks|tries|waits|wants|would|writes"
)
_SENTENCE = rf"\b(?:{'|'.join(_ANYWHERE)})\b|{_CLAUSE}one (?:{_VERBS})\b"
IDIOM = re.compile(_SENTENCE.replace(" ", r"\s+"), re.IGNORECASE)
OPENING = re.compile(rf"\A\W*(?:{_FIRST})\b")

_GENERATED = {"docs/explanation/faults.md", "docs/explanation/benchmarks/results.md"}
_INDENTED = r"(?<=\n\n)(?:\n|    .*\n)*    .*\n"
_FOR_TOOLS = re.compile(r"#\s*(?:noqa|type:|pragma|fmt:|codespell)")

AREAS = {
    "package": ["auth_plugins/**/*.py"],
    "explanation": ["docs/explanation/**/*.md"],
    "front pages": ["README.md", "SECURITY.md", "CHANGELOG.md", "CONTRIBUTING.md"],
    "guides": ["docs/index.md", "docs/tutorial/*.md", "docs/how-to/*.md", "docs/reference/**/*.md"],
}
# Hits in 1,000 words. Lower a number when the texts have become better; never raise one.
BUDGETS = {"package": 0.8, "explanation": 0.2, "front pages": 0.2, "guides": 0.2}


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph, a docstring or a comment, without the code in it."""

    file: Path
    line: int
    words: str
    opens: bool
    """Whether it is a docstring or a comment, which must not begin with one of `_FIRST`."""

    def hits(self) -> Iterator[tuple[int, str]]:
        """Yield the line and the words of each idiom."""
        found = [match for pattern in ([OPENING] if self.opens else []) for match in pattern.finditer(self.words)]
        for match in [*found, *IDIOM.finditer(self.words)]:
            at = match.end() - len(match[0].lstrip("\n ,.:;("))
            yield self.line + self.words.count("\n", 0, at), match[0].strip("\n ,.:;(")


def _lines_of(code: re.Match[str]) -> str:
    return " " + "\n" * code[0].count("\n")


def _without_code(text: str) -> str:
    """Blank code and addresses, and keep the number of lines."""
    for pattern in (r"<!--.*?-->", r"^```.*?^```", r"``[^\n]*?``|`[^`]*`", r"\]\([^)\s]*\)", r"https?://\S+"):
        text = re.sub(pattern, _lines_of, text, flags=re.MULTILINE | re.DOTALL)
    return text


def texts_of(file: Path) -> Iterator[Text]:
    """Yield the texts of a Markdown page, or the docstrings and comments of a module."""
    source = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        yield Text(file, 1, _without_code(re.sub(_INDENTED, _lines_of, source)), opens=False)
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield Text(file, node.lineno, _without_code(node.value.value), opens=True)
    for line, comment in _comments(source):
        yield Text(file, line, _without_code(comment), opens=True)


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield the first line and the text of each comment; lines that follow each other are one."""
    block: list[str] = []
    last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or _FOR_TOOLS.match(token.string):
            continue
        line = token.start[0]
        if block and line != last + 1:
            yield last - len(block) + 1, "\n".join(block)
            block = []
        block.append(token.string.lstrip("#: "))
        last = line
    if block:
        yield last - len(block) + 1, "\n".join(block)


def files_of(area: str) -> list[Path]:
    """The files of an area, without generated ones."""
    found = {file for pattern in AREAS[area] for file in ROOT.glob(pattern)}
    return sorted(file for file in found if file.relative_to(ROOT).as_posix() not in _GENERATED)


def rate(area: str) -> float:
    """Hits in 1,000 words of an area."""
    texts = [text for file in files_of(area) for text in texts_of(file)]
    words = sum(len(re.findall(r"[A-Za-z][\w'-]*", text.words)) for text in texts)
    return 1000 * sum(len(list(text.hits())) for text in texts) / words


@pytest.mark.parametrize("area", AREAS)
def test_house_idioms_stay_within_a_budget_that_is_lowered_when_texts_become_better(area: str) -> None:
    found, budget = rate(area), BUDGETS[area]
    assert found <= budget, f"{found:.1f} in 1,000 words: `python tests/test_words.py` lists them"
    assert found >= budget - max(1.0, budget / 5), f"only {found:.1f} in 1,000 words: lower the budget of {area!r}"


@pytest.mark.parametrize(
    "sentence",
    [
        "What whoever waited in vain gets.",
        "Since when it is there nobody knows: one tries.",
        "A renewal runs beside the requests.",
        "There is none, and no token was to be had.",
        "How long it lives is unknown: one\nlogs in.",
        "A lent client brings a hook that is told.",
        "| an old token | one logs in |",
    ],
)
def test_an_idiom_is_found_in_sentences_and_cells_and_across_lines(sentence: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# A page\n\n{sentence}\n", encoding="utf-8")
    assert [hit for text in texts_of(page) for hit in text.hits()]


def test_code_and_plain_english_are_no_hits(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        '"""Return the token; `tell` and `door` are names here. Give it a longer one."""\n'
        "x = 1  # noqa: S101 - told\n"
        "y = 'nobody'  # Each one has to wait, and this one has to return.\n",
        encoding="utf-8",
    )
    assert [hit for text in texts_of(module) for hit in text.hits()] == []


def test_code_in_a_page_is_no_hit_and_keeps_the_lines_of_the_others(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "See `whoever`:\n\n    nobody()\n\n    told()\n\n```\nlent\n\n    door\n```\nNobody.\n", encoding="utf-8"
    )
    assert [hit for text in texts_of(page) for hit in text.hits()] == [(12, "Nobody")]


def test_a_hit_says_its_line(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('"""Give it.\n\nNobody waits.\n"""\n# A comment,\n# and whoever reads it.\n', encoding="utf-8")
    assert [hit for text in texts_of(module) for hit in text.hits()] == [(1, "Give"), (3, "Nobody"), (6, "whoever")]


def main(paths: list[str]) -> None:
    """Print the hits of some files or folders, or of all areas with their rates."""
    if missing := [path for path in paths if not Path(path).exists()]:
        sys.exit(f"there is no {missing[0]}")
    files = [each for path in map(Path, paths) for each in ([path] if path.is_file() else sorted(path.rglob("*.*")))]
    for file in files or [file for area in AREAS for file in files_of(area)]:
        if file.suffix in {".md", ".py"}:
            lines = file.read_text(encoding="utf-8").splitlines()
            name = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
            for line, words in sorted(hit for text in texts_of(file) for hit in text.hits()):
                print(f"{name}:{line}: [{' '.join(words.split())}] {lines[line - 1].strip()}")
    for area in [] if paths else AREAS:
        print(f"{area}: {rate(area):.1f} in 1,000 words, the budget is {BUDGETS[area]:.1f}")


if __name__ == "__main__":
    main(sys.argv[1:])
