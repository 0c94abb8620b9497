"""Whether a token is valid: asked of the server, and seen from its signature."""

from __future__ import annotations

import base64
import builtins
import hmac
import json
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from auth_plugins import CredentialsRejected, InvalidTokenResponse, RefreshPolicy, TokenEndpointUnavailable
from auth_plugins.core import TokenRequest, TokenResponse
from auth_plugins.providers.jwtplus.auth import JWTPLUS_POLICY
from auth_plugins.providers.jwtplus.verifying import key_id_of, verified
from auth_plugins.simulators import SimResponse
from tests.providers.conftest import JWTPlusWorld

PAGE = json.loads((Path(__file__).parents[1] / "simulators" / "pages" / "jwtplus_renew.json").read_text())
ANSWER = PAGE["answer"]
THEN = 1_740_427_049.0


def by_hand(head: Any, claims: Any, key: bytes) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, claims))
    signed = b".".join(parts)
    mark = hmac.digest(key, signed, "sha256")
    return (signed + b"." + base64.urlsafe_b64encode(mark).rstrip(b"=")).decode()


@pytest.mark.parametrize(
    "head",
    [{"alg": "ES256", "crit": 5}, {"alg": "ES256", "crit": [[]]}, {"alg": "ES256", "crit": [1]}, ["alg"], "alg", 7],
)
def test_a_token_whose_header_is_of_no_sense_is_not_valid(head: Any) -> None:
    token = by_hand(head, {"exp": 1, "nbf": 1}, b"x")
    with pytest.raises(ValueError, match=r"^token is not valid"):
        verified(token, ANSWER["public_key"], THEN, 2.0)


class TestAsked:
    def test_a_fresh_token_is_false_until_the_next_whole_second(self) -> None:
        world = JWTPlusWorld()
        assert not world.auth.verify()
        world.clock.advance(1)
        assert world.auth.verify()
        assert world.token_calls() == ["login", "verify", "verify"]

    def test_others_are_told_apart(self) -> None:
        world = JWTPlusWorld()
        token = world.auth.token()
        world.clock.advance(2)
        assert world.auth.verify(token.access_token)
        assert not world.auth.verify(token.refresh_token)
        assert not world.auth.verify(ANSWER["auth_token"])

    @pytest.mark.parametrize("token", ["", "abc", "a.b.c", "s3cret", 7, b"x"])
    def test_what_is_no_jwt_is_refused_and_not_shown(self, token: Any) -> None:
        world = JWTPlusWorld()
        for verify in (world.auth.verify, world.auth.verify_locally):
            with pytest.raises((TypeError, ValueError), match=r"^token must be a") as caught:
                verify(token)
            assert "s3cret" not in str(caught.value)
        assert world.token_calls() == []

    def test_a_refused_key_is_told(self) -> None:
        world = JWTPlusWorld()
        world.auth.token()
        world.server.rotate_secret("another")
        with pytest.raises(CredentialsRejected):
            world.auth.verify()

    def test_a_server_that_cannot_be_asked_is_told(self) -> None:
        world = JWTPlusWorld()
        world.auth.token()
        for outage in ("unavailable", "drop"):
            world.server.outage = outage
            with pytest.raises(TokenEndpointUnavailable):
                world.auth.verify()

    @pytest.mark.parametrize(
        "answer",
        [
            SimResponse(200, {}),
            SimResponse(200, {}, b'{"verified": "true"}'),
            SimResponse(404, {}, b"x"),
        ],
        ids=["empty", "string", "not-found"],
    )
    def test_an_answer_that_makes_no_sense_is_none(self, answer: SimResponse) -> None:
        world = JWTPlusWorld()
        world.auth.token()
        world.server.answer_token_call = lambda *_: answer  # type: ignore[method-assign]
        with pytest.raises(InvalidTokenResponse):
            world.auth.verify()

    def test_a_verdict_that_comes_with_400_is_not_the_servers(self) -> None:
        world = JWTPlusWorld()
        world.auth.token()
        odd = SimResponse(400, {}, b'{"verified": true}')
        world.server.answer_token_call = lambda *_: odd  # type: ignore[method-assign]
        with pytest.raises(TokenEndpointUnavailable, match="not the provider's"):
            world.auth.verify()

    def test_a_server_that_asks_for_time_is_given_it_from_when_it_was_asked(self) -> None:
        world = JWTPlusWorld()
        world.auth.token()
        date = format_datetime(datetime.fromtimestamp(world.clock() + 90, UTC), usegmt=True)
        world.server.answer_token_call = lambda *_: SimResponse(503, {"retry-after": date})  # type: ignore[method-assign]
        with pytest.raises(TokenEndpointUnavailable) as caught:
            world.auth.verify()
        assert caught.value.retry_after == 90

    def test_neither_the_token_nor_the_key_is_in_an_error(self) -> None:
        world = JWTPlusWorld()
        token, key = world.auth.token().access_token, world.server._secret
        body = json.dumps({"errors": f"{token} and {key}"}).encode()
        world.server.answer_token_call = lambda *_: SimResponse(404, {}, body)  # type: ignore[method-assign]
        with pytest.raises(InvalidTokenResponse) as caught:
            world.auth.verify()
        assert caught.value.provider_message == "*** and ***"

    def test_the_call_keeps_to_the_policy(self) -> None:
        answered = []

        class TokenTransport:
            def send(self, _request: TokenRequest, policy: RefreshPolicy, deadline: float) -> TokenResponse:
                answered.append((policy, deadline))
                return TokenResponse(200, {}, b'{"verified": true}')

        policy = RefreshPolicy(deadline=7.0)
        for auth in (JWTPlusWorld().make(policy=policy), JWTPlusWorld().make(policy=None)):
            auth.token()
            auth._requests.transport = TokenTransport()  # type: ignore[assignment]
            assert auth.verify()
        assert answered == [(policy, 7.0), (JWTPLUS_POLICY, JWTPLUS_POLICY.deadline)]


class TestSeen:
    @pytest.mark.parametrize("key", [ANSWER["public_key"], base64.b64decode(ANSWER["public_key"])], ids=["b64", "pem"])
    def test_the_example_of_the_page_is_valid(self, key: Any) -> None:
        for given in (key, {ANSWER["key_id"]: key}):
            claims = verified(ANSWER["auth_token"], given, THEN, 2.0)
            assert (claims["sub"], claims["personal"]) == ("test@test.com", {"name": "test-user"})
        assert key_id_of(ANSWER["auth_token"]) == ANSWER["key_id"]

    def test_white_space_around_a_key_makes_no_difference(self) -> None:
        pem = base64.b64decode(ANSWER["public_key"]).decode()
        for key in (ANSWER["public_key"], pem):
            assert verified(ANSWER["auth_token"], f"\n {key}\r\n", THEN, 2.0)
            assert verified(ANSWER["auth_token"], f"\n {key}\r\n".encode(), THEN, 2.0)

    @pytest.mark.parametrize(
        ("now", "reason"),
        [(THEN - 3, "invalid_claim"), (THEN + 3603, "expired_token"), (THEN + 10**8, "expired_token")],
    )
    def test_it_is_not_before_its_time_nor_after(self, now: float, reason: str) -> None:
        with pytest.raises(ValueError, match=reason):
            verified(ANSWER["auth_token"], ANSWER["public_key"], now, 2.0)

    @pytest.mark.parametrize("now", [THEN - 2, THEN + 3601])
    def test_two_seconds_are_allowed(self, now: float) -> None:
        assert verified(ANSWER["auth_token"], ANSWER["public_key"], now, 2.0)
        with pytest.raises(ValueError, match=r"^leeway must"):
            verified(ANSWER["auth_token"], ANSWER["public_key"], now, 1.9)

    @pytest.mark.parametrize("missing", ["exp", "nbf"])
    def test_one_that_says_no_time_is_not_valid(self, missing: str) -> None:
        key = ECKey.generate_key("P-256")
        claims = {"sub": "me", "exp": int(THEN) + 100, "nbf": int(THEN) - 100}
        assert verified(jwt.encode({"alg": "ES256"}, claims, key), key.as_pem(private=False), THEN, 2.0) == claims
        del claims[missing]
        with pytest.raises(ValueError, match=r"^token is not valid: missing_claim$"):
            verified(jwt.encode({"alg": "ES256"}, claims, key), key.as_pem(private=False), THEN, 2.0)

    def test_a_refresh_token_proves_nothing(self) -> None:
        with pytest.raises(ValueError, match=r"^token is not valid: a refresh token proves nothing$"):
            verified(ANSWER["refresh_token"], ANSWER["public_key"], THEN + 60, 2.0)

    def test_a_changed_one_is_not_valid(self) -> None:
        head, body, mark = ANSWER["auth_token"].split(".")
        with pytest.raises(ValueError, match="bad_signature"):
            verified(f"{head}.{body}.{mark[:-4]}AAAA", ANSWER["public_key"], THEN, 2.0)

    def test_the_algorithm_is_the_keys_own(self) -> None:
        """Nobody signs with the public key as if it were a shared secret, nor with no key at all."""
        pem = base64.b64decode(ANSWER["public_key"])
        claims = {"sub": "me", "exp": THEN + 100, "nbf": THEN - 100}
        forged = [
            by_hand({"alg": "HS256"}, claims, pem),
            by_hand({"alg": "none"}, claims, b""),
            jwt.encode({"alg": "ES384"}, claims, ECKey.generate_key("P-384"), algorithms=["ES384"]),
            jwt.encode({"alg": "RS256"}, claims, RSAKey.generate_key(2048)),
        ]
        for token in forged:
            with pytest.raises(ValueError, match="valid"):
                verified(token, pem, THEN, 2.0)

    @pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "RS256", "PS512"])
    def test_the_current_token_by_the_key_that_came_with_it(self, algorithm: Any) -> None:
        world = JWTPlusWorld(skew=86_400.7)
        world.server.algorithm = algorithm
        assert world.auth.verify_locally()["aud"] == "web-app"
        world.clock.advance(3500)
        assert world.auth.verify_locally(world.auth.token().access_token)
        assert set(world.auth.token().extra) == {"key_id", "public_key"}

    def test_a_token_of_an_older_key_needs_that_key(self) -> None:
        world = JWTPlusWorld()
        old = world.auth.token()
        world.server.rotate_pki()
        world.auth.invalidate()
        world.auth.token()
        with pytest.raises(ValueError, match=r"^public_key .*pub-keys"):
            world.auth.verify_locally(old.access_token)
        keys = {old.extra["key_id"]: old.extra["public_key"]}
        assert world.auth.verify_locally(old.access_token, keys)["sub"] == "me"

    def test_no_key_came_with_a_pair_that_was_given(self) -> None:
        with pytest.raises(ValueError, match=r"^(?=[a-z]).*public_key"):
            JWTPlusWorld(pair_only=True).auth.verify_locally()

    def test_with_a_key_nothing_is_called(self) -> None:
        world = JWTPlusWorld()
        with pytest.raises(ValueError, match="expired"):
            world.auth.verify_locally(ANSWER["auth_token"], ANSWER["public_key"])
        assert world.token_calls() == []

    @pytest.mark.parametrize(
        "key",
        ["", "s3cret", b"s3cret!", "-----BEGIN s3cret", ECKey.generate_key().as_pem(private=True)],
        ids=["empty", "text", "bytes", "cut off", "private"],
    )
    def test_what_is_no_public_key_is_refused_and_not_shown(self, key: Any) -> None:
        with pytest.raises(ValueError, match=r"^public_key must") as caught:
            verified(ANSWER["auth_token"], key, THEN, 2.0)
        assert "s3cret" not in str(caught.value)

    @pytest.mark.parametrize("key", [None, 7, ["s3cret"]])
    def test_a_key_of_another_type_too(self, key: Any) -> None:
        with pytest.raises(TypeError, match=r"^public_key must"):
            verified(ANSWER["auth_token"], key, THEN, 2.0)

    def test_without_joserfc_one_is_told_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = builtins.__import__

        def without(name: str, *args: Any, **kwargs: Any) -> Any:
            if name.startswith("joserfc"):
                raise ImportError(name)
            return real(name, *args, **kwargs)

        monkeypatch.setattr(builtins, "__import__", without)
        with pytest.raises(ImportError, match=r"^verify_locally needs .*'auth-plugins\[jwtplus\]'$"):
            verified(ANSWER["auth_token"], ANSWER["public_key"], THEN, 2.0)
