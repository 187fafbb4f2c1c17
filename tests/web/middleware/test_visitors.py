"""Who asks: what is believed, and of whom."""

from __future__ import annotations

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from seewhy.web.middleware.visitors import Forwarded, visitor

CLAIMS = {
    "x-forwarded-for": "198.51.100.9",
    "x-real-ip": "198.51.100.9",
    "forwarded": "for=198.51.100.9",
    "x-forwarded-host": "evil.example",
    "x-forwarded-proto": "https",
    "true-client-ip": "198.51.100.9",
    "cf-connecting-ip": "198.51.100.9",
    "x-client-ip": "198.51.100.9",
}


async def told(scope, receive, send):
    await PlainTextResponse(f"{scope['client'][0]} {scope['scheme']}")(scope, receive, send)


def ask(peer, proxies, headers):
    return TestClient(Forwarded(told, proxies), client=(peer, 1)).get("/", headers=headers).text


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "192.0.2.7", "10.0.0.1"])
def test_what_a_header_says_is_not_believed(peer):
    assert ask(peer, (), CLAIMS) == f"{peer} http"


@pytest.mark.parametrize("proxies", [("10.0.0.1",), ("10.0.0.0/8",), ("fc00::/7", "10.0.0.0/8")])
def test_named_proxies_are_believed(proxies):
    assert ask("10.0.0.1", proxies, CLAIMS) == "198.51.100.9 https"
    assert ask("::ffff:10.0.0.1", proxies, CLAIMS) == "198.51.100.9 https"
    assert ask("192.0.2.7", proxies, CLAIMS) == "192.0.2.7 http"


def test_of_several_the_last_that_no_proxy_has_counts():
    header = {"x-forwarded-for": "1.1.1.1, 198.51.100.9, 10.0.0.2"}
    assert ask("10.0.0.1", ("10.0.0.0/8",), header).startswith("198.51.100.9 ")


def test_other_headers_are_not_read_from_a_proxy_either():
    assert ask("10.0.0.1", ("10.0.0.1",), {"x-real-ip": "1.1.1.1", "forwarded": "for=1.1.1.1"}) == "10.0.0.1 http"


def test_a_visitor_is_an_address_or_a_network_of_ipv6():
    assert visitor({"client": ("::ffff:192.0.2.7", 1)}) == visitor({"client": ("192.0.2.7", 2)}) == "192.0.2.7"
    assert visitor({"client": ("2001:db8:1:2:3::4", 1)}) == visitor({"client": ("2001:db8:1:2::5", 1)})
    assert visitor({"client": ("2001:db8:1:3::4", 1)}) != visitor({"client": ("2001:db8:1:2::4", 1)})


@pytest.mark.parametrize("odd", ["unknown", "x" * 60_000, "1.2.3.4.5", "\x1b[2J"])
def test_all_whose_address_is_none_are_one(odd):
    assert visitor({"client": (odd, 1)}) == visitor({"client": ("_hidden", 1)})
