"""TLS contexts with the certificate authorities for token calls, each built once and shared by all threads."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from requests.utils import DEFAULT_CA_BUNDLE_PATH, extract_zipped_paths
from urllib3.util import create_urllib3_context

from ..core.errors import ConfigurationError
from ..engine import BuiltOnce

__all__ = ["bundle_for_requests", "context_for_httpx", "context_for_requests", "context_without_authorities"]

_contexts = BuiltOnce()
_OPENSSL = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_REQUESTS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def context_for_httpx(library: Any) -> Any:
    """Return a context like that of a client of `library` (httpx or httpx2), which also reads `SSL_CERT_FILE`.

    Raises:
        ConfigurationError: the file that the variable names is missing, or has no certificates.
    """

    def make() -> Any:
        file = os.environ.get("SSL_CERT_FILE")
        if file:
            os.stat(file)  # httpx 0.27 ignores a file that is missing; later versions raise this error, too.
        return library.create_ssl_context()

    return _context(library.__name__, _OPENSSL, make)


def context_for_requests() -> Any:
    """Return a context with the authorities of requests, and those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.

    The latter two are variables of httpx: `auth.token()` uses requests even in a program that uses only httpx. They
    are added to the authorities of certifi, so a token call does not fail where a request of requests succeeds.

    Raises:
        ConfigurationError: the file of `REQUESTS_CA_BUNDLE` or `CURL_CA_BUNDLE` is missing, or has no certificates.
    """
    return _context("requests", (*_REQUESTS, *_OPENSSL), _make_for_requests)


def bundle_for_requests() -> str | None:
    """Return the file or the folder from which requests reads its authorities, or None for those of certifi."""
    return next(filter(None, map(os.environ.get, _REQUESTS)), None)


def context_without_authorities() -> Any:
    """Return a context without authorities, for a call without TLS: it must not fail for a missing CA file."""
    return _contexts.get("no authorities", None, lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


def _make_for_requests() -> ssl.SSLContext:
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    bundle = bundle_for_requests()
    _load(context, bundle or extract_zipped_paths(DEFAULT_CA_BUNDLE_PATH))
    if bundle is None:
        for name in filter(None, map(os.environ.get, _OPENSSL)):
            with suppress(OSError):  # requests ignores these variables, so they must not fail the call.
                _load(context, name)
    return context


def _load(context: ssl.SSLContext, path: str) -> None:
    if os.path.isdir(path):
        context.load_verify_locations(capath=path)
    else:
        context.load_verify_locations(cafile=path)


def _context(library: str, variables: tuple[str, ...], make: Callable[[], Any]) -> Any:
    """Return the context of a library in this environment. It is built again after a CA file has been replaced."""
    values = tuple(map(os.environ.get, variables))
    default = ssl.get_default_verify_paths()
    paths = (*values, DEFAULT_CA_BUNDLE_PATH, default.openssl_cafile, default.openssl_capath)
    try:
        return _contexts.get((library, values), tuple(map(_version, paths)), lambda: _shared(make()))
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError.
        missing = isinstance(error, FileNotFoundError)
    name = next((name for name, value in zip(variables, values, strict=True) if value), None)
    place = f"the CA file that {name} names" if name else "the library's own CA file"
    raise ConfigurationError(
        f"A token call cannot be sent: {place} {'does not exist' if missing else 'cannot be read as certificates'}",
        hint=f"Set {name or variables[0]} to a file of PEM certificates, or pass a token_client= with its own.",
    )


def _shared(context: Any) -> Any:
    """Make a context safe to use in many threads at once.

    For each connection, urllib3 and httpcore set the same protocols again, which frees a buffer that OpenSSL may be
    copying for another thread's connection.
    """
    context.set_alpn_protocols(["http/1.1"])
    context.set_alpn_protocols = lambda _: None
    return context


def _version(path: str | None) -> tuple[int, ...] | None:
    """Return values that change when the file is replaced or written to, or None if it cannot be read."""
    if not path:
        return None
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)
