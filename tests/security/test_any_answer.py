"""Any answer of a token endpoint, for every provider: a token that can be used, or an error of ours. See tools/fuzz."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from auth_plugins.core import Answer, InvalidTokenResponse, LoginRequired, TokenRequest, TokenResponse

FUZZ = Path(__file__).parents[2] / "tools" / "fuzz" / "answers.py"


def _answers() -> Any:
    spec = importlib.util.spec_from_file_location("fuzz_answers", FUZZ)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


answers = _answers()
NAMES = sorted(
    {name for good in answers.GOOD for part in (good, good.get("data"), good.get("error")) for name in part or ()}
)
ODD_TEXTS = [
    "",
    " ",
    "at",
    answers.JWT,
    answers.SECRET,
    "at\r\nX: y",
    "\ud800",
    "é",
    "Bearer",
    "mac",
    "Infinity",
    "1e999",
]
ODD_NUMBERS = [0, -1, 1, 3600, 2**63, 10**400, -0.0, 1e308, True, False, None]
texts = st.sampled_from([*ODD_TEXTS, "2027-01-15T09:00:00+05:30", "x" * 400]) | st.text(max_size=40)
leaves = texts | st.sampled_from(ODD_NUMBERS) | st.floats() | st.integers()
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), values, max_size=10)


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """A good answer in which something is another, or missing."""
    good = json.loads(json.dumps(draw(st.sampled_from(answers.GOOD))))
    parts = [part for part in (good, good.get("data"), good.get("error")) if isinstance(part, dict)]
    part = draw(st.sampled_from(parts))
    name = draw(st.sampled_from(sorted(part)))
    if draw(st.booleans()):
        part[name] = draw(values)
    else:
        del part[name]
    return json.dumps(good).encode()


bodies = changed() | objects.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60)
bodies |= st.sampled_from(answers.seeds())
statuses = st.sampled_from([200, 200, 200, 201, 202, 204, 301, 400, 401, 403, 404, 405, 424, 429, 500, 503, 599, 0])
waits = st.sampled_from(
    ["", "1", "-1", "9" * 400, "nan", "Fri, 15 Jan 2027 08:00:00 GMT", "Fri, 31 Feb 99999", "\u0661"]
)


@pytest.mark.matrix(
    group="Any input",
    case="Any bytes, any JSON, and any change of a good answer, from the token endpoint",
    outcome="a token that fits into a header and ends some day, or an error without the secret",
)
@pytest.mark.parametrize("provider", answers.CONTRACTS)
@settings(max_examples=60)
@given(body=bodies, status=statuses, wait=waits | st.text(max_size=10), renewal=st.booleans())
@example(body=b"[" * 100_000, status=200, wait="", renewal=False)
@example(body=b"9" * 10_000, status=400, wait="", renewal=True)
def test_any_answer_is_a_good_token_or_an_error_of_ours(
    provider: str, body: bytes, status: int, wait: str, renewal: bool
) -> None:
    contract = answers.CONTRACTS[provider]
    request = answers.requests_of(contract)[renewal]
    answers.judge(contract, request, TokenResponse(status, {"retry-after": wait}, body))


@pytest.mark.matrix(
    group="Any input",
    case="A token with CR/LF, blanks, controls, half a surrogate pair or other than ASCII in it",
    outcome="InvalidTokenResponse: it never gets into a header",
)
@pytest.mark.parametrize("provider", answers.CONTRACTS)
def test_no_token_breaks_out_of_its_header(provider: str) -> None:
    contract = answers.CONTRACTS[provider]
    for good in answers.GOOD[:4]:
        for odd in [
            "a\r\nX: y",
            "a\nb",
            "a b",
            "a\x00",
            "a\x7f",
            "\ud800",
            "\u00e9",
            "\u2028",
            " ",
            "",
            7,
            True,
            None,
            ["a"],
        ]:
            changed = {**good, **{name: odd for name in good if "token" in name}}
            if "data" in good:
                changed["data"] = {**good["data"], "accessToken": odd}
            response = TokenResponse(200, {}, json.dumps(changed).encode())
            for request in answers.requests_of(contract):
                with pytest.raises((InvalidTokenResponse, LoginRequired)):
                    contract.read(answered(contract, request, response), answers.NOW)
                answers.judge(contract, request, response)


def answered(contract: Any, request: TokenRequest, response: TokenResponse) -> Answer:
    return Answer(request, response, contract.error_info(response), answers.NOW, answers.NOW)


def test_every_provider_is_among_those_that_were_read() -> None:
    from auth_plugins import providers

    rooms = {type(contract).__module__.split(".")[2] for contract in answers.CONTRACTS.values()}
    assert rooms == {getattr(providers, name).__module__.split(".")[2] for name in providers.__all__}


@pytest.mark.parametrize("good", answers.GOOD[:4], ids=["fyatu", "fyatu-by-date", "oauth2", "jwtplus"])
def test_a_good_answer_is_a_token_for_somebody(good: dict[str, Any]) -> None:
    """Else all of this would only ever look at errors."""
    response = TokenResponse(200, {}, json.dumps(good).encode())
    read = []
    for contract in answers.CONTRACTS.values():
        try:
            read.append(contract.read(answered(contract, contract.login(), response), answers.NOW).access_token)
        except Exception as error:
            assert type(error).__name__ == "InvalidTokenResponse"  # noqa: PT017
    assert read
