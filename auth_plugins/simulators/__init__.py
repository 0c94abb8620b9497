"""Simulators of the providers' servers, for tests: they answer requests at given times, with knobs and a ledger."""

from __future__ import annotations

from .fyatu import FyatuSimulator
from .jwtplus import JWTPlusSimulator
from .ledger import Call, Endpoint, Ledger
from .marketiger import MarketigerSimulator
from .oauth2 import OAuth2Simulator
from .simulator import Issued, Simulator
from .vault import VaultSimulator
from .wire import Dropped, SimRequest, SimResponse, json_object, json_response

__all__ = [
    "Call",
    "Dropped",
    "Endpoint",
    "FyatuSimulator",
    "Issued",
    "JWTPlusSimulator",
    "Ledger",
    "MarketigerSimulator",
    "OAuth2Simulator",
    "SimRequest",
    "SimResponse",
    "Simulator",
    "VaultSimulator",
    "json_object",
    "json_response",
]
