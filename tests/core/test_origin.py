"""Where a token may go.

The law: what `AllowedOrigins.covers` says yes to goes to the very scheme, host and port of the origin, whoever reads
the URL: urllib, httpx, httpx2, or requests as it prepares it. A URL that a reader refuses goes nowhere.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx
import httpx2
import pytest
import requests
from hypothesis import example, given, settings
from hypothesis import strategies as st

from auth_plugins.clients.origins import AllowedOrigins
from auth_plugins.core import Origin

Place = tuple[str, str, int]
PORTS = {"http": 80, "https": 443}


def plain(value: object) -> str:
    """The value as the name of a test: short, and without what a name cannot hold."""
    written = ascii(value).replace("\\", "/")
    return written if len(written) <= 60 else f"{written[:60]} ({len(written)})"


def origin(url: str) -> Origin:
    found = Origin.of(url)
    assert found is not None
    return found


# Who else reads URLs


def place(parts: SplitResult) -> Place:
    scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
    if not host.isascii():
        host = host.encode("idna").decode()  # As the socket module does.
    return scheme, host, PORTS.get(scheme, 0) if port is None else port


def urllib_reads(url: str) -> Place | None:
    try:
        return place(urlsplit(url))
    except ValueError:
        return None


def requests_reads(url: str) -> Place | None:
    try:
        prepared = requests.Request("GET", url).prepare().url
        assert prepared is not None
        return place(urlsplit(prepared))
    except (requests.RequestException, ValueError):
        return None


def reader_of(library: ModuleType) -> Callable[[str], Place | None]:
    kit: Any = library

    def reads(url: str) -> Place | None:
        try:
            parsed = kit.URL(url)
        except (kit.InvalidURL, ValueError):
            return None
        host = parsed.raw_host.decode("ascii").lower()
        return parsed.scheme, host, PORTS.get(parsed.scheme, 0) if parsed.port is None else parsed.port

    return reads


READERS = {
    "urllib": urllib_reads,
    "requests": requests_reads,
    "httpx": reader_of(httpx),
    "httpx2": reader_of(httpx2),
}


def strangers(scope: AllowedOrigins, url: str) -> Iterator[tuple[str, Place]]:
    """Those readers who would carry the token somewhere else."""
    if not scope.covers(url):
        return
    home = {(one.scheme, one.host, one.port) for one in scope.origins}
    for name, reads in READERS.items():
        seen = reads(url)
        if seen is not None and seen not in home:
            yield name, seen


# What may be in a URL

HOMES = [
    "https://api.example",
    "https://api.example:8443",
    "http://api.example:443",
    "https://api.example:80",
    "https://api.example.",
    "https://strasse.example",
    "https://xn--strae-oqa.example",
    "https://xn--4xa.example",
    "https://127.0.0.1",
    "https://[::1]",
    "https://[fe80::1]:8443",
    "http://localhost",
    "http://localhost:8080",
    "https://a",
]
HOSTS = [
    *("api.example", "API.Example", "api.example.", ".api.example", "api.example..", "evil.example", "a", ""),
    *(
        "api。example",
        "\uff41pi.example",
        "api.exampl\u0435",
        "api.example\u200d",
        "%61pi.example",
        "api%2eexample",
    ),
    *("strasse.example", "straße.example", "\u017ftrasse.example", "straẞe.example", "xn--strae-oqa.example"),
    *("ς.example", "\u03c3.example", "xn--4xa.example", "XN--4XA.example", "xn--3xa.example", "K.example"),
    *("127.0.0.1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "127.0.0.1.", "\uff1127.0.0.1"),
    *("[::1]", "[0:0:0:0:0:0:0:1]", "[::0001]", "[::ffff:127.0.0.1]", "[::1%25lo]", "[::1%lo]", "[fe80::1]"),
    *("[FE80::1]", "[v1.x]", "[", "]", "[]", "[localhost", "localhost]", "localhost", "LOCALHOST"),
]
GLUE = [
    *(
        "@",
        ":",
        "/",
        "//",
        "\\",
        "?",
        "#",
        ";",
        ".",
        "..",
        "*",
        "-",
        "_",
        "&",
        "=",
        "!",
        "|",
        "<",
        "^",
        "`",
        ",",
    ),
    *('"', "'", "{", "(", "$", "~", "%", "%40", "%2f", "%5c", "%00", "%23", "%3a", "%2e"),
    *(
        "\t",
        "\n",
        "\r",
        " ",
        "\x00",
        "\x0b",
        "\x1f",
        "\x7f",
        "\x85",
        "\xa0",
        "\xad",
        "\u2028",
        "\u3000",
        "\ufeff",
    ),
    *(
        "\u200b",
        "\u2044",
        "\u2100",
        "\uff0f",
        "\uff20",
        "\uff1a",
        "\uff03",
        "\uff1f",
        "\uff3c",
        "\u202e",
        "ß",
        "\ud800",
    ),
    *("user@", "user:pw@", "user:pw:x@", "api.example@", "evil.example@", "[::1]@", "@@"),
    *(
        "443",
        "80",
        "8443",
        ":443",
        ":80",
        ":8443",
        ":0443",
        ":0",
        ":",
        ":+443",
        ":-1",
        ":99999",
        ":\uff14\uff14\uff13",
        ":4 43",
    ),
    *(":4\t43", ":1e3", ":x", ":443:80"),
]
SCHEMES = [
    "https",
    "http",
    "HTTPS",
    "hTTp",
    "https ",
    "\thttps",
    "httpx",
    "ftp",
    "javascript",
    "http+unix",
    "",
    "\x00https",
]
SEPARATORS = [
    "://",
    ":/",
    ":",
    ":///",
    ":////",
    ":\\\\",
    ":/\\",
    ":\\/",
    "//",
    "://\t",
    "\t://",
    ":\n//",
    "://@",
]
TAILS = [
    *(
        "",
        "/",
        "/v3",
        "?q",
        "#f",
        "/\\@evil.example",
        "/..//evil.example",
        "?@evil.example/",
        "#@evil.example/",
    ),
    *("\\@evil.example", "/@evil.example", "//evil.example", ";@evil.example", "/é", "/%zz", "/\n", "\n"),
]

hosts, glue = st.sampled_from(HOSTS), st.sampled_from(GLUE)
authorities = st.one_of(
    hosts,
    st.tuples(hosts, glue).map("".join),
    st.tuples(glue, hosts).map("".join),
    st.tuples(hosts, glue, hosts).map("".join),
    st.lists(hosts | glue, min_size=1, max_size=5).map("".join),
)
built = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["https", "http"]) | st.sampled_from(SCHEMES),
    st.just("://") | st.sampled_from(SEPARATORS),
    authorities,
    st.sampled_from(TAILS),
)


@st.composite
def bent(draw: st.DrawFn) -> str:
    """A good URL with something put into it, or taken out."""
    url = draw(st.sampled_from(HOMES)) + draw(st.sampled_from(TAILS))
    for _ in range(draw(st.integers(min_value=1, max_value=3))):
        at, skipped = draw(st.integers(0, len(url))), draw(st.integers(0, 1))
        odd = draw(st.sampled_from([*GLUE, *HOSTS, ""]) | st.characters(exclude_categories=[]))
        url = url[:at] + odd + url[at + skipped :]
    return url


tidy = st.builds("{}://{}{}".format, st.sampled_from(["https", "http"]), authorities, st.sampled_from(TAILS))
hostile = st.one_of(tidy, tidy, built, bent()) | st.text(st.characters(exclude_categories=[]))


class TestTheLaw:
    @settings(max_examples=1500)
    @given(hostile)
    def test_a_token_goes_to_its_own_host_whoever_reads_the_url(self, url: str) -> None:
        for home in HOMES:
            assert list(strangers(AllowedOrigins([origin(home)]), url)) == []

    @pytest.mark.parametrize(
        ("home", "url"),
        [
            # Two standards for names: one reads ß as ss and a final sigma as any other, the other does not.
            ("https://strasse.example", "https://straße.example/"),
            ("https://strasse.example", "HTTPS://stra\u1e9ee.example/"),
            ("https://xn--4xa.example", "https://ς.example/"),
            # What stands behind a bracket: a port, or nothing.
            ("https://[::1]", "https://[::1]80/"),
            ("https://[::1]", "https://[::1]99999/"),
            ("https://[::1]", "https://[::1]evil.example/"),
            ("http://localhost", "http://[localhost/"),
            ("http://localhost", "http://[v1.x]@[localhost#f"),
            ("http://localhost", "http://localhost]/"),
            # The classics.
            ("https://api.example", "https://api.example@evil.example/"),
            ("https://api.example", "https://api.example:443@evil.example/"),
            ("https://api.example", "https://evil.example#@api.example/"),
            ("https://api.example", "https://evil.example?@api.example/"),
            ("https://api.example", "https://evil.example\\@api.example/"),
            ("https://api.example", "https://api.example\\@evil.example/"),
            ("https://api.example", "https:\\\\evil.example\\@api.example/"),
            ("https://api.example", "https://evil.example/@api.example/"),
            ("https://api.example", "https://api.example.evil.example/"),
            ("https://api.example", "https://api.example%2eevil.example/"),
            ("https://api.example", "https://api.example%00.evil.example/"),
            ("https://api.example", "https://api.example\t.evil.example/"),
            ("https://api.example", "https://api.example\uff0fevil.example/"),
            ("https://api.example", "https://a@b@evil.example/"),
            ("https://a", "https://a@b@evil.example/"),
        ],
    )
    def test_holds_where_readers_are_known_to_disagree(self, home: str, url: str) -> None:
        assert list(strangers(AllowedOrigins([origin(home)]), url)) == []

    @given(st.sampled_from(HOMES), st.sampled_from(["", "/", "/v3", "/v3?q=@evil.example", "/v3#f"]))
    def test_does_not_keep_the_token_at_home(self, home: str, tail: str) -> None:
        assert AllowedOrigins([origin(home)]).covers(home + tail)
        assert AllowedOrigins([origin(home)]).covers(home.upper() + tail)


class TestScope:
    SCOPE = AllowedOrigins([origin("https://api.example"), origin("http://localhost:8080"), origin("https://[::1]")])

    @pytest.mark.parametrize(
        "url",
        [
            "https://api.example",
            "https://api.example/",
            "https://api.example:443/x",
            "https://api.example:0443/x",
            "https://api.example:/x",
            "https://user:pw@api.example/x",
            "https://API.EXAMPLE/x",
            "https://api.example?q",
            "https://api.example#f",
            "http://localhost:8080/x",
            "https://[::1]/x",
            "https://[::1]:443",
        ],
    )
    def test_covers_its_origins_however_they_are_written(self, url: str) -> None:
        assert self.SCOPE.covers(url)

    @pytest.mark.parametrize(
        "url",
        [
            None,
            "",
            "/",
            "api.example",
            "//api.example/",
            "https:/api.example/",
            "https:///api.example/",
            "http://api.example/",
            "http://api.example:443/",
            "https://api.example:444/",
            "https://api.example:0/",
            "https://api.example:99999/",
            "https://api.example./",
            "https://www.api.example/",
            "https://api.example.evil.example/",
            "https://xapi.example/",
            "https://api.exampl/",
            "ftp://api.example/",
            "http://localhost/",
            "https://localhost:8080/",
            "https://[::2]/",
            " https://api.example/",
            "https://api.example /",
        ],
    )
    def test_covers_nothing_else(self, url: str | None) -> None:
        assert not self.SCOPE.covers(url)

    @given(hostile)
    def test_answers_whatever_it_is_asked(self, url: str) -> None:
        assert type(self.SCOPE.covers(url)) is bool

    @given(hostile)
    def test_without_origins_covers_nothing(self, url: str) -> None:
        assert not AllowedOrigins([]).covers(url)

    @pytest.mark.parametrize(
        ("parts", "covered"),
        [
            (("https", "api.example", None), True),
            (("https", "api.example", 443), True),
            (("http", "localhost", 8080), True),
            (("https", "::1", None), True),
            (("https", "api.example", 80), False),
            (("https", "api.example", 0), False),
            (("http", "api.example", None), False),
            (("http", "api.example", 443), False),
            (("http", "localhost", None), False),
            (("https", "evil.example", None), False),
            (("ftp", "api.example", None), False),
            (("https", "", None), False),
        ],
        ids=repr,
    )
    def test_covers_parts_of_its_origins_and_of_no_other(
        self, parts: tuple[str, str, int | None], covered: bool
    ) -> None:
        assert self.SCOPE.covers_parts(*parts) is covered


names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]{1,6}){0,3}", fullmatch=True)
addresses = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str)
origins = st.builds(Origin, st.sampled_from(["http", "https"]), names | addresses, st.integers(1, 65535))


class TestOrigin:
    @given(origins)
    @example(Origin("https", "::1", 443))
    @example(Origin("http", "::1", 443))
    def test_is_what_it_writes_and_reads_what_it_wrote(self, one: Origin) -> None:
        assert Origin.of(str(one)) == one
        assert Origin.of(one.prefix) == one

    @given(origins, st.sampled_from(["", "x", "v3/auth?q#f", "@evil.example"]))
    def test_prefix_begins_every_url_of_it(self, one: Origin, tail: str) -> None:
        assert Origin.of(one.prefix + tail) == one
        assert one.prefix.count("/") == 3
        assert one.prefix == f"{one}/"

    @pytest.mark.parametrize(
        ("one", "written"),
        [
            (Origin("https", "api.example", 443), "https://api.example"),
            (Origin("https", "api.example", 80), "https://api.example:80"),
            (Origin("http", "api.example", 80), "http://api.example"),
            (Origin("http", "api.example", 443), "http://api.example:443"),
            (Origin("https", "::1", 443), "https://[::1]"),
            (Origin("https", "::1", 8443), "https://[::1]:8443"),
        ],
        ids=str,
    )
    def test_is_written_in_its_shortest_form(self, one: Origin, written: str) -> None:
        assert (str(one), one.prefix) == (written, f"{written}/")

    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("https://api.example/v3", Origin("https", "api.example", 443)),
            ("http://api.example/v3", Origin("http", "api.example", 80)),
            ("HTTPS://API.Example:8443", Origin("https", "api.example", 8443)),
            ("https://api.example:", Origin("https", "api.example", 443)),
            ("https://api.example:0", Origin("https", "api.example", 0)),
            ("https://api.example:65535", Origin("https", "api.example", 65535)),
            ("https://user:pw@api.example", Origin("https", "api.example", 443)),
            ("https://[FE80::1]:1", Origin("https", "fe80::1", 1)),
            ("https://api.example/!~", Origin("https", "api.example", 443)),
        ],
    )
    def test_of_a_url(self, url: str, expected: Origin) -> None:
        assert Origin.of(url) == expected

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "api.example",
            "/v3",
            "//api.example",
            "https:api.example",
            "https://",
            "https:///v3",
            "https://:443",
            "https://@",
            "ftp://api.example",
            "javascript:alert(1)",
            "https://api.example:65536",
            "https://api.example:-1",
            "https://api.example:x",
            "https://[::1",
            "https://api.example\\",
            "https://api.example/\\",
            *(f"https://api.exa{chr(code)}mple" for code in range(0x21)),
            *(f"https://api.example/{chr(code)}" for code in range(0x21)),
            "https://\ud800.example",
            f"https://{'é' * 100}.example",
        ],
        ids=plain,
    )
    def test_is_none_where_there_is_none_to_be_trusted(self, url: str) -> None:
        assert Origin.of(url) is None

    @given(hostile)
    def test_of_anything_is_an_origin_or_none(self, url: str) -> None:
        found = Origin.of(url)
        assert found is None or (found.scheme in PORTS and found.host.isascii() and 0 <= found.port <= 65535)

    @pytest.mark.parametrize(
        ("host", "here"),
        [
            ("localhost", True),
            ("127.0.0.1", True),
            ("127.255.255.254", True),
            ("::1", True),
            ("localhost.", False),
            ("localhost.example", False),
            ("127.0.0.1.example", False),
            ("126.255.255.255", False),
            ("128.0.0.1", False),
            ("0.0.0.0", False),  # noqa: S104 - not listened on
            ("::", False),
            ("::2", False),
            ("10.0.0.1", False),
            ("127.1", False),
            ("api.example", False),
        ],
    )
    def test_loopback_is_this_machine_by_name_alone(self, host: str, here: bool) -> None:
        assert Origin("http", host, 80).is_loopback is here

    def test_is_a_value(self) -> None:
        one = Origin("https", "api.example", 443)
        assert pickle.loads(pickle.dumps(one)) == one
        assert len({one, origin("https://api.example/v3")}) == 1
        with pytest.raises(AttributeError):
            one.host = "evil.example"  # type: ignore[misc]
