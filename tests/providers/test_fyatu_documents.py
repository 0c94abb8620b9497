"""The documentation's own example calls: what the contract sends and reads is what the pages print."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from auth_plugins.core import Answer, Purpose, Token, TokenRequest, TokenResponse
from auth_plugins.providers.fyatu import FyatuContract

PAGES = Path(__file__).parents[1] / "simulators" / "pages"
LOGIN: Any = json.loads((PAGES / "fyatu_token.json").read_text())
REFRESH: Any = json.loads((PAGES / "fyatu_refresh.json").read_text())
SCOPES = ("collect:write", "collect:read", "payout:write", "payout:read")
CONTRACT = FyatuContract("A1B2C3D4E5F6G7H8", "your_secret_key_here")


def answer(page: Any) -> TokenResponse:
    headers = {"content-type": "application/json"}
    return TokenResponse(page["answer"]["status"], headers, json.dumps(page["answer"]).encode())


def moment(page: Any) -> float:
    return datetime.fromisoformat(page["answer"]["meta"]["timestamp"]).timestamp()


def first_token() -> Token:
    return CONTRACT.read(Answer(CONTRACT.login(), answer(LOGIN), CONTRACT.error_info(answer(LOGIN))), moment(LOGIN))


def sent(request: TokenRequest) -> dict[str, Any]:
    """The request in the form in which the pages are kept."""
    headers = {name.lower(): str(value) for name, value in request.headers.items()}
    shown: dict[str, Any] = {"method": "POST", "url": request.url, "headers": headers}
    return {**shown, "body": json.loads(request.body)} if request.body else shown


def documented(page: Any, token: str = "") -> dict[str, Any]:
    request = page["request"]
    headers = {name.lower(): value.replace("<token>", token) for name, value in request["headers"].items()}
    return {**request, "headers": headers}


class TestLogin:
    def test_request_is_the_documented_one(self) -> None:
        assert sent(CONTRACT.login()) == documented(LOGIN)

    def test_body_has_the_documented_fields_in_their_order(self) -> None:
        body = json.dumps(LOGIN["request"]["body"], separators=(",", ":")).encode()
        assert CONTRACT.login().body == body

    def test_answer_is_read_as_the_token_it_describes(self) -> None:
        issued = moment(LOGIN)
        assert first_token() == Token(
            access_token=LOGIN["answer"]["data"]["accessToken"],
            issued_at=issued,
            expires_at=issued + 86_400.0,
            refreshable_until=issued + 86_400.0 + 300.0,
            scopes=SCOPES,
            extra={"app_type": "collection", "request_id": "req_9f3e2a1b4c5d67e8"},
        )

    def test_token_ends_when_the_page_says(self) -> None:
        written = LOGIN["answer"]["data"]["expiresAt"]
        assert first_token().expires_at == datetime.fromisoformat(written).timestamp()

    def test_token_is_used_as_the_page_says(self) -> None:
        assert CONTRACT.headers(first_token()) == {"Authorization": f"Bearer {LOGIN['answer']['data']['accessToken']}"}


class TestRefresh:
    def test_request_is_the_documented_one_without_any_body(self) -> None:
        token = first_token()
        request = CONTRACT.refresh(token, moment(REFRESH))
        assert sent(request) == documented(REFRESH, token.access_token)
        assert request.body == b""
        assert request.purpose is Purpose.REFRESH

    def test_answer_is_read_as_the_token_it_describes(self) -> None:
        issued = moment(REFRESH)
        request = CONTRACT.refresh(first_token(), issued)
        assert CONTRACT.read(Answer(request, answer(REFRESH), CONTRACT.error_info(answer(REFRESH))), issued) == Token(
            access_token=REFRESH["answer"]["data"]["accessToken"],
            issued_at=issued,
            expires_at=datetime.fromisoformat(REFRESH["answer"]["data"]["expiresAt"]).timestamp(),
            refreshable_until=issued + 86_400.0 + 300.0,
            scopes=SCOPES,
            extra={"app_type": "collection", "request_id": "req_2c4f5a8b1d3e6790"},
        )

    def test_is_possible_up_to_five_minutes_after_the_end(self) -> None:
        token = first_token()
        assert token.refreshable(token.issued_at)
        assert token.refreshable(token.expires_at + 299.0)
        assert not token.refreshable(token.expires_at + 300.0)


@pytest.mark.parametrize("page", [LOGIN, REFRESH], ids=["token", "refresh"])
def test_pages_end_of_the_token_is_that_of_its_lifetime(page: Any) -> None:
    data = page["answer"]["data"]
    ends = datetime.fromisoformat(data["expiresAt"]).timestamp()
    assert ends - moment(page) == data["expiresIn"] == 86_400


@pytest.mark.parametrize("page", [LOGIN, REFRESH], ids=["token", "refresh"])
def test_answer_without_its_lifetime_still_ends_when_it_says(page: Any) -> None:
    data = {name: value for name, value in page["answer"]["data"].items() if name != "expiresIn"}
    response = answer({**page, "answer": {**page["answer"], "data": data}})
    token = CONTRACT.read(Answer(CONTRACT.login(), response, CONTRACT.error_info(response)), moment(page))
    assert token.expires_at == datetime.fromisoformat(data["expiresAt"]).timestamp()
