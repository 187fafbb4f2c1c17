"""Who asks: every budget belongs to a visitor, which is a key, a person who signed in, or else an address."""

from __future__ import annotations

from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TypeAlias

Visitor: TypeAlias = str

HERE = "127.0.0.1"
UNKNOWN = ""  # the visitor of all whose address is none
SUBSCRIBER = 64  # bits of an IPv6 address that one household or server is given as a whole
DIGITS = 16  # of a hash: keys and names are told apart by it, and not kept


def visitor_of(address: str | None) -> Visitor:
    """One name for whoever asks from this address: the IPv4 address, or the IPv6 network of 64 bits.

    >>> visitor_of("192.0.2.7"), visitor_of("::ffff:192.0.2.7"), visitor_of("2001:db8:1:2:3:4:5:6")
    ('192.0.2.7', '192.0.2.7', '2001:db8:1:2::/64')
    """
    try:
        found = ip_address(plain(address or ""))
    except ValueError:
        return UNKNOWN
    if isinstance(found, IPv6Address):
        return str(ip_network((int(found), SUBSCRIBER), strict=False))
    return str(found)


def plain(address: str) -> str:
    """An IPv4 address as such, where a socket of both kinds wrote it as one of IPv6."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)


def bearer_of(key: str) -> Visitor:
    """Whoever bears this key of the REST interface."""
    return f"key {sha256(key.encode()).hexdigest()[:DIGITS]}"


def person_of(identity: str) -> Visitor:
    """Whoever signed in as this person."""
    return f"person {sha256(identity.encode()).hexdigest()[:DIGITS]}"
