"""Explains why a token call got no answer, by the types of the exceptions alone: their texts may quote the request."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterator
from os.path import basename
from typing import TypeVar

from ..core.errors import AuthError, ConfigurationError, TokenEndpointUnavailable
from .route import Route

__all__ = ["built_for", "failure_of", "proxy_refusal"]

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)

_DEFECTS = (AttributeError, TypeError, NameError, LookupError, AssertionError, NotImplementedError)
"""Exceptions that no HTTP library raises for a network failure: a bug, or a library in an unsupported version."""
_REFUSED_BEFORE = frozenset({"InvalidProxyURL", "InvalidSchema", "InvalidURL", "MissingSchema", "UnsupportedProtocol"})
"""Names of the exceptions with which requests and httpx refuse the URL of an endpoint or a proxy before connecting."""
_UNSENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout"})
"""Names of the exceptions with which requests and httpx end before a request is sent."""
_SPEAKS_NO_TLS = frozenset({"HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "WRONG_VERSION_NUMBER"})
_OTHER_NAME = frozenset({62, 64})
_NOT_NOW = frozenset({9, 10})
"""X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH; X509_V_ERR_CERT_NOT_YET_VALID and _HAS_EXPIRED."""
_CONNECT_ANSWER = re.compile(r"(?:Tunnel connection failed: )?([1-5][0-9]{2})\b")
"""Finds the status of a proxy's answer to CONNECT in the text of an exception: http.client and httpcore have no
attribute for it."""


def built_for(route: Route, build: Callable[[], T]) -> T:
    """Return what `build` returns: an object of the library that connects through the route's proxy.

    Raises:
        ConfigurationError: the library cannot use the proxy.
    """
    try:
        return build()
    except Exception as error:
        if route.proxy is None or _is_defect(error):
            raise
        what = type(error).__name__
    if route.proxy.uses_socks and what in ("ImportError", "InvalidSchema"):
        raise ConfigurationError(
            f"A token call cannot be sent: {route.library} lacks the package for the SOCKS proxy {route.proxy}",
            hint=f"Install {route.library}[socks], or name the endpoint's host in NO_PROXY, or pass a token_client=.",
        )
    raise ConfigurationError(
        f"A token call cannot be sent: {route.library} cannot use the proxy that {route.proxy.variable} names ({what})",
        hint=route.proxy_hint,
    )


def proxy_refusal(route: Route, status: int) -> TokenEndpointUnavailable:
    """Return the error for a proxy that did not forward the call (RFC 9110, sections 9.3.6 and 15.5.8)."""
    proxy = f"the proxy {route.proxy}" if route.proxy is not None else "a proxy"
    if status == 407:
        where = route.proxy.variable if route.proxy is not None else "the token_client's proxy"
        failure = route.silence(
            f"{proxy} requires a user name and a password (HTTP 407)",
            f"Put them into {where}, as in http://user:password@host:port, or pass a token_client=.",
        )
    else:
        failure = route.silence(f"{proxy} refused to connect to it (HTTP {status})", route.proxy_hint)
    # The provider has not seen the call: it says nothing about the refresh token, and no password must follow it.
    failure.status, failure.from_intermediary = status, True
    return failure


def failure_of(error: Exception, route: Route) -> AuthError:
    """Return the error for an exception that ended a token call. It contains no part of the exception's text."""
    if _is_defect(error) or isinstance(error, ImportError):
        return _defect(error)
    chain = list(_chain(error))
    for explain in (_certificate, _name, _refused, _tunnel, _no_tls, _refused_before):
        found = explain(chain, route)
        if found is not None:
            return found
    through = f" through the proxy {route.proxy}" if route.proxy is not None else ""
    made = TokenEndpointUnavailable(
        f"The token endpoint at {route.endpoint} gave no answer{through} ({type(error).__name__})",
        hint=route.proxy_hint if through else None,
    )
    made.unsent = type(error).__name__ in _UNSENT
    return made


def _is_defect(error: Exception) -> bool:
    # A few exceptions of requests also derive from TypeError and the like. All of them derive from OSError.
    return isinstance(error, _DEFECTS) and not isinstance(error, (OSError, ValueError))


def _defect(error: Exception) -> AuthError:
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f" in {basename(place.tb_frame.f_code.co_filename)}, line {place.tb_lineno}" if place is not None else ""
    return AuthError(
        f"A token call ended by an error in the code of this program: {type(error).__name__}{where}",
        hint="Report it to the package that this file belongs to: the token endpoint is not at fault.",
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and its causes, the nearest first."""
    queue, seen = [error], {id(error)}
    while queue:
        current = queue.pop(0)
        yield current
        for each in (*current.args, current.__cause__, current.__context__):
            if isinstance(each, BaseException) and id(each) not in seen:
                seen.add(id(each))
                queue.append(each)


def _first(chain: list[BaseException], kind: type[E]) -> E | None:
    return next((each for each in chain if isinstance(each, kind)), None)


def _certificate(chain: list[BaseException], route: Route) -> AuthError | None:
    error = _first(chain, ssl.SSLCertVerificationError)
    if error is None:
        return None
    whose = (
        f"that of the proxy {route.proxy}" if route.proxy is not None and route.proxy.url.startswith("https") else ""
    )
    subject = f"its certificate{', or ' + whose + ',' if whose else ''}"
    return route.silence(
        f"{subject} is not trusted ({error.verify_message.rstrip('.')})", _certificate_hint(error.verify_code, route)
    )


def _certificate_hint(code: int, route: Route) -> str:
    if code in _OTHER_NAME:
        return "Check the host in the endpoint's URL: the certificate is for another host."
    if code in _NOT_NOW:
        return "Check the clock of this machine; if it is right, the endpoint needs another certificate."
    if route.own_client:
        return "Let the token_client trust its authority: the settings of your other clients do not apply to it."
    variable = "REQUESTS_CA_BUNDLE" if route.library == "requests" else "SSL_CERT_FILE"
    return f"Set {variable} to a file with the certificate of its authority, or pass a token_client= that trusts it."


def _name(chain: list[BaseException], route: Route) -> AuthError | None:
    if _first(chain, socket.gaierror) is None:
        return None
    if route.proxy is not None:
        whose = f"{'its host name, or ' if route.proxy.uses_socks else ''}that of the proxy {route.proxy}"
        return route.silence(f"{whose} does not resolve", route.proxy_hint)
    hint = "Check the host in the endpoint's URL, and the DNS of this machine"
    more = (
        "that of the token_client's proxy, if it has any" if route.own_client else "or set HTTPS_PROXY if it needs one"
    )
    return route.silence("its host name does not resolve", f"{hint}; {more}.")


def _refused(chain: list[BaseException], route: Route) -> AuthError | None:
    if _first(chain, ConnectionRefusedError) is None:
        return None
    if route.proxy is not None:
        return route.silence(f"{route.far_end} refused the connection", route.proxy_hint)
    return route.silence(
        "the connection was refused",
        "Check the host and the port of the endpoint's URL; if they are right, try again later.",
    )


def _tunnel(chain: list[BaseException], route: Route) -> AuthError | None:
    for error in chain:
        if type(error).__name__ == "ProxyError" or type(error) is OSError:
            found = _CONNECT_ANSWER.match(str(error))
            if found is not None:
                return proxy_refusal(route, int(found[1]))
    return None


def _no_tls(chain: list[BaseException], route: Route) -> AuthError | None:
    error = _first(chain, ssl.SSLError)
    if error is None or error.reason not in _SPEAKS_NO_TLS:
        return None
    return route.silence(
        f"{route.far_end} speaks no TLS at this port",
        "Check the port of the URL, and that https belongs there.",
    )


def _refused_before(chain: list[BaseException], route: Route) -> AuthError | None:
    """Return the error for what a library refuses before it connects: a URL, or a `token_client`'s CA file."""
    error = chain[0]
    if (
        type(error) is OSError and error.errno is None
    ):  # From `HTTPAdapter.cert_verify`; requests wraps every other OSError.
        return ConfigurationError(
            "A token call cannot be sent: the CA file, or another certificate, of the client does not exist",
            hint="Correct `verify` or `cert` of the token_client.",
        )
    if type(error).__name__ in _REFUSED_BEFORE:
        return ConfigurationError(
            f"A token call cannot be sent: {route.library} does not accept a URL ({type(error).__name__})",
            hint="Check the endpoint's URL, and the proxy of the token_client.",
        )
    return None
