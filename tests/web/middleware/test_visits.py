"""Who gets a secret to keep, and which one."""

from __future__ import annotations

import httpx
import pytest
from httpx import ASGITransport
from starlette.responses import PlainTextResponse

from seewhy.web.middleware.visits import LASTING, PLAYER, VISIT, KeepsVisit, secret_in

PAGE = {"accept": "text/html,application/xhtml+xml"}
KEPT = "k" * 43


async def asked(*, headers: dict[str, str], scheme: str = "http", framed: bool = False) -> httpx.Response:
    app = KeepsVisit(PlainTextResponse("hello"), framed=framed)
    async with httpx.AsyncClient(transport=ASGITransport(app), base_url=f"{scheme}://here") as client:
        return await client.get("/", headers=headers)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_a_browser_gets_its_secrets_with_the_page_that_no_script_reads():
    first, second = [await asked(headers=PAGE) for _ in range(2)]
    given = [secret_in(each.cookies, name) for each in (first, second) for name in (VISIT, PLAYER)]
    assert None not in given
    assert len({*given}) == len(given)
    visit, player = first.headers.get_list("set-cookie")
    assert visit.endswith("; Path=/; HttpOnly; SameSite=Lax")  # gone with the browser
    assert player.endswith("; Path=/; HttpOnly; Max-Age=31536000; SameSite=Lax")
    assert first.headers["cache-control"] == "no-store"


@pytest.mark.anyio
async def test_a_secret_that_is_there_is_not_given_again():
    one = await asked(headers={**PAGE, "cookie": f"a=b; {VISIT}={KEPT}"})
    assert [each.partition("=")[0] for each in one.headers.get_list("set-cookie")] == [PLAYER]
    both = "; ".join(f"{name}={KEPT}" for name in LASTING)
    assert "set-cookie" not in (await asked(headers={**PAGE, "cookie": both})).headers


@pytest.mark.anyio
async def test_programs_get_none():
    assert "set-cookie" not in (await asked(headers={"accept": "*/*"})).headers


@pytest.mark.anyio
async def test_what_we_never_gave_is_none_of_ours():
    for wrong in ("", "short", "../../x", KEPT + "k"):
        assert secret_in({VISIT: wrong}) is None
        assert VISIT in (await asked(headers={**PAGE, "cookie": f'{VISIT}="{wrong}"'})).headers["set-cookie"]


@pytest.mark.anyio
async def test_with_https_it_travels_by_https_alone_and_into_frames_where_these_are_allowed():
    assert "; Secure; SameSite=Lax" in (await asked(headers=PAGE, scheme="https")).headers["set-cookie"]
    framed = (await asked(headers=PAGE, scheme="https", framed=True)).headers["set-cookie"]
    assert "; Secure; SameSite=None; Partitioned" in framed
