"""Who asks: every budget belongs to a visitor, which is a key, a person who signed in, or else an address."""

from __future__ import annotations

from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias

Visitor: TypeAlias = str

HERE = "127.0.0.1"
HOUSEHOLD = 64  # bits of an IPv6 address that one household shares, and may fill up as it likes
DIGITS = 16  # of a hash: keys and names are told apart by it, and not kept


def by_address(host: str | None) -> Visitor:
    """Whoever comes from this address, the peer's own; of IPv6 it is the network of 64 bits that counts.

    >>> by_address("2001:db8:1:2:3::4")
    '2001:db8:1:2::/64'
    >>> by_address("::ffff:192.0.2.7")
    '192.0.2.7'
    """
    try:
        address: IPv4Address | IPv6Address = ip_address((host or HERE).partition("%")[0])
    except ValueError:
        return "elsewhere"
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        if address.is_loopback:
            return HERE
        return str(ip_network((address, HOUSEHOLD), strict=False))
    return str(address)


def by_key(key: str) -> Visitor:
    """Whoever bears this key of the REST interface."""
    return f"key {sha256(key.encode()).hexdigest()[:DIGITS]}"


def by_person(identity: str) -> Visitor:
    """Whoever signed in as this person."""
    return f"person {sha256(identity.encode()).hexdigest()[:DIGITS]}"
