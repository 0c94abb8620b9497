"""Checks of the behaviour that every provider must have.

    ACME = Candidate(AcmeSimulator, acme_auth, wrong_acme_auth, secrets=("s3cret",))

    @pytest.mark.parametrize("kind", CLIENT_KINDS)
    @pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=name_of)
    def test_acme_keeps_its_promises(behaviour, kind):
        behaviour(Stage(ACME, kind))

A behaviour raises `AssertionError` with an explanation. No request goes over a network, and token times follow a
`FakeClock`.
"""

from .behaviours import BEHAVIOURS, Behaviour, name_of
from .stage import Candidate, Stage

__all__ = ["BEHAVIOURS", "Behaviour", "Candidate", "Stage", "name_of"]
