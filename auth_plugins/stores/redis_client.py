"""How a Redis client is made from a URL, and what is asked of one that the caller made."""

from __future__ import annotations

import inspect
import logging
import math
import re
from typing import Any

__all__ = ["check_client", "connected", "eval_and_wait", "time_outs_of", "warn_of_its_pool"]

_log = logging.getLogger("auth_plugins")
CONNECTIONS = 64
"""The most that `from_url` opens; further commands wait for one of them ..."""
POOL_TIMEOUT = 20.0
"""... for so many seconds."""
_TIMEOUT = 5.0
_REPLICATION_MS = 1000


def connected(url: object) -> Any:
    """Return a client of redis-py for `url`, with a pool that waits.

    Raises:
        ImportError: redis is not installed.
        TypeError: `url` is no `str`.
        ValueError: it has another scheme, or an option that redis-py does not know or cannot read.
    """
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError:
        raise ImportError("RedisStore.from_url needs: pip install 'auth-plugins[redis]'") from None
    if not isinstance(url, str):
        raise TypeError("url must be a str")
    # One more try, at once: a connection that rested may have been cut. Not after a time-out, which has used its time.
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    options: dict[str, Any] = {"socket_timeout": _TIMEOUT, "socket_connect_timeout": _TIMEOUT, "retry": retry}
    options |= {"max_connections": CONNECTIONS, "timeout": POOL_TIMEOUT}
    try:
        pool: Any = redis.BlockingConnectionPool.from_url(url, **options)
        pool.make_connection()  # Does not connect: an option that no connection knows fails here.
        pool.reset()
        return redis.Redis(connection_pool=pool)
    except (ValueError, TypeError) as error:  # Its text may quote the URL, which may have a password.
        wrong = _option_in(str(error), url)
    raise ValueError(f"url must be redis://, rediss:// or unix://{wrong}")


def _option_in(text: str, url: str) -> str:
    names = re.findall(r"[?&]([a-z_]+)=", url)
    wrong = next((name for name in names if f"'{name}'" in text or f"`{name}`" in text), None)
    return "" if wrong is None else f", and its option {wrong} one that redis-py knows, with a value of the right type"


def check_client(client: Any) -> Any:
    """Return `client`, which must be a synchronous client of redis-py or valkey-py.

    Raises:
        TypeError: it is asynchronous, lacks a method, or is a pipeline: that answers a command with itself, and
            executes nothing.
    """
    if _is_asynchronous(type(client)):
        raise TypeError("client must be a synchronous one: a renewal runs in a thread of its own, and blocks no loop")
    if not all(callable(getattr(client, name, None)) for name in ("get", "set", "hmget", "hdel", "eval", "delete")):
        raise TypeError("client must be a redis.Redis or a valkey.Valkey")
    if callable(getattr(client, "execute", None)):
        raise TypeError("client must be a client, and not a pipeline of one")
    return client


def _is_asynchronous(kind: type) -> bool:
    # Not by its methods alone: those of redis-py are the same functions in both of its clients.
    methods = (getattr(kind, name, None) for name in ("execute_command", "get", "eval"))
    only_async = hasattr(kind, "__aenter__") and not hasattr(kind, "__enter__")
    return only_async or any(map(inspect.iscoroutinefunction, methods))


def eval_and_wait(client: Any, replicas: int, script: str, *arguments: Any) -> list[Any]:
    """Run a script over two keys, and wait until so many replicas have what it wrote; return both answers."""
    pipeline = client.pipeline(transaction=False)  # One connection: WAIT looks at what that has written.
    pipeline.eval(script, 2, *arguments)
    pipeline.execute_command("WAIT", replicas, _REPLICATION_MS)
    answers: list[Any] = pipeline.execute()
    return answers


def time_outs_of(client: Any) -> float:
    """Return the seconds that one command may take by the client's own time-outs, as far as they can be seen."""
    settings = getattr(getattr(client, "connection_pool", None), "connection_kwargs", None)
    known = settings if isinstance(settings, dict) else {}
    limits = [known.get(name) for name in ("socket_timeout", "socket_connect_timeout")]
    return sum(each for each in limits if isinstance(each, int | float) and 0 < each < math.inf)


def warn_of_its_pool(client: Any) -> None:
    """Log a warning about a pool that raises an error once all its connections are in use."""
    pool = getattr(client, "connection_pool", None)
    if pool is not None and not any(kind.__name__ == "BlockingConnectionPool" for kind in type(pool).__mro__):
        _log.warning(
            "The pool of the Redis client raises an error when its connections are all in use, and a renewal then"
            " fails; give RedisStore a client with a BlockingConnectionPool"
        )
