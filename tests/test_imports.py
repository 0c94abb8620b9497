"""What an import brings along, and what it does without: each asked of an interpreter of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import auth_plugins

HOME = str(Path(auth_plugins.__file__).parents[1])

WORKS = """
    import io
    import json
    import httpx, requests
    from requests.adapters import BaseAdapter

    import auth_plugins

    API = "https://api.fyatu.com/api/v3"
    SEEN = []

    def body_of(url, authorization):
        SEEN.append(url)
        if url == API + "/auth/token":
            return 200, {"success": True, "data": {"accessToken": "at"}}
        return (200 if authorization == "Bearer at" else 401), {"authorization": authorization}

    class Adapter(BaseAdapter):
        def send(self, request, **_):
            status, body = body_of(request.url, request.headers.get("authorization"))
            response = requests.Response()
            response.status_code, response.raw = status, io.BytesIO(json.dumps(body).encode())
            response.url, response.request, response.connection = request.url, request, self
            return response

        def close(self):
            pass

    def transport(library):
        def answer(request):
            status, body = body_of(str(request.url), request.headers.get("authorization"))
            return library.Response(status, json=body)

        return library.MockTransport(answer)

    def session():
        made = requests.Session()
        made.mount("https://", Adapter())
        return made

    def auth_with(client):
        return auth_plugins.FyatuAuth(
            "A1B2C3D4E5F6G7H8", "your_secret_key_here", token_client=client, store=auth_plugins.MemoryStore()
        )

    def works_on_requests():
        with session() as one, session() as other:
            one.auth = auth_with(other)
            assert one.get(API + "/collections").json() == {"authorization": "Bearer at"}

    def works_on(library):
        with library.Client(transport=transport(library)) as other:
            auth = auth_with(other)
            with library.Client(transport=transport(library), auth=auth) as one:
                assert one.get(API + "/collections").json() == {"authorization": "Bearer at"}
        return auth

    def works_on_async(library):
        import asyncio

        async def get(auth):
            async with library.AsyncClient(transport=transport(library), auth=auth) as one:
                response = await one.get(API + "/collections")
            assert response.json() == {"authorization": "Bearer at"}

        with library.Client(transport=transport(library)) as other:
            asyncio.run(get(auth_with(other)))
"""
BLOCKED = """
    import sys

    class Blocker:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in BLOCKED:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            return None

    sys.meta_path.insert(0, Blocker())
"""


def python(*parts: str) -> str:
    """Run code, with every warning an error; what it prints is given."""
    code = "\n".join(textwrap.dedent(part) for part in parts)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import sys\nsys.path.insert(0, {HOME!r})\n{code}"],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def modules_after(statement: str) -> set[str]:
    return set(python(statement, "print(*{name.partition('.')[0] for name in sys.modules})").split())


class TestImport:
    def test_of_the_package_brings_none_of_its_rooms(self) -> None:
        assert (
            python("import auth_plugins\nprint(*[name for name in sys.modules if name.startswith('auth_plugins.')])")
            == "\n"
        )

    def test_of_one_provider_brings_no_other(self) -> None:
        found = python("from auth_plugins import VaultAuth\nprint(*sys.modules)").split()
        rooms = {name for name in found if name.startswith("auth_plugins.providers.")}
        assert {name.split(".")[2] for name in rooms} == {"vault"}
        assert not any(name.startswith("auth_plugins.simulators") for name in found)

    def test_brings_nothing_that_only_other_rooms_need(self) -> None:
        brought = modules_after("import auth_plugins") - modules_after("import requests, httpx")
        rooms = {"authlib", "joserfc", "cryptography", "click", "rich", "uvicorn", "responses", "pytest"}
        loops = {"trio", "anyio", "sniffio", "outcome"}
        assert brought & (rooms | loops) == set()

    def test_brings_httpx2_only_if_it_is_there(self) -> None:
        blocked = "BLOCKED = {'httpx2'}" + textwrap.dedent(BLOCKED)
        assert "httpx2" not in modules_after(f"{blocked}import auth_plugins")

    @pytest.mark.parametrize("room", ["core", "stores", "simulators"])
    def test_of_a_pure_room_brings_no_simulator_kit(self, room: str) -> None:
        brought = modules_after(f"import auth_plugins.{room}") - modules_after("import requests, httpx")
        assert brought & {"responses", "uvicorn", "click", "rich"} == set()

    def test_of_the_kit_brings_nothing_before_it_is_used(self) -> None:
        brought = modules_after("import auth_plugins.testing")
        assert brought & {"responses", "uvicorn", "joserfc", "pytest"} == set()

    def test_prints_nothing_starts_no_thread_and_opens_no_file(self) -> None:
        assert python("import auth_plugins, threading\nassert threading.active_count() == 1") == ""

    def test_needs_none_of_what_is_optional(self) -> None:
        blocked = {"httpx2", "authlib", "joserfc", "trio", "click", "rich", "uvicorn", "responses", "pytest"}
        python(f"BLOCKED = {blocked!r}", BLOCKED, WORKS, "works_on_requests()\nworks_on(httpx)")


class TestWithoutHttpx2:
    SETUP = ("BLOCKED = {'httpx2'}", BLOCKED, WORKS)

    @pytest.mark.parametrize("use", ["works_on_requests()", "works_on(httpx)", "works_on_async(httpx)"])
    def test_works(self, use: str) -> None:
        python(*self.SETUP, use)

    def test_is_an_auth_of_both_libraries(self) -> None:
        python(
            *self.SETUP,
            """
            auth = works_on(httpx)
            assert isinstance(auth, requests.auth.AuthBase)
            assert isinstance(auth, httpx.Auth)
            """,
        )


class TestWithHttpx2:
    SETUP = ("import httpx2", WORKS)

    @pytest.mark.parametrize(
        "use",
        [
            "works_on_requests()",
            "works_on(httpx)",
            "works_on(httpx2)",
            "works_on_async(httpx)",
            "works_on_async(httpx2)",
        ],
    )
    def test_works(self, use: str) -> None:
        python(*self.SETUP, use)

    def test_is_an_auth_of_all_three_libraries(self) -> None:
        python(
            *self.SETUP,
            """
            auth = works_on(httpx2)
            assert httpx.Auth is not httpx2.Auth
            assert isinstance(auth, requests.auth.AuthBase)
            assert isinstance(auth, httpx.Auth)
            assert isinstance(auth, httpx2.Auth)
            """,
        )


class TestWithHttpx2InThePlaceOfHttpx:
    SETUP = ("import httpx2\nhttpx2.alias_httpx()", WORKS)

    def test_the_two_are_one(self) -> None:
        python(*self.SETUP, "assert httpx.Auth is httpx2.Auth")

    @pytest.mark.parametrize(
        "use", ["works_on_requests()", "works_on(httpx)", "works_on(httpx2)", "works_on_async(httpx)"]
    )
    def test_works(self, use: str) -> None:
        python(*self.SETUP, use)

    def test_is_an_auth_of_all_three_names(self) -> None:
        python(
            *self.SETUP,
            """
            auth = works_on(httpx)
            for kind in (requests.auth.AuthBase, httpx.Auth, httpx2.Auth):
                assert isinstance(auth, kind)
            """,
        )
