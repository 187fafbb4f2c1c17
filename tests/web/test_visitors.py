"""Who counts as one visitor."""

from __future__ import annotations

import pytest

from seewhy.web.services.visitors import HERE, by_address, by_key, by_person


@pytest.mark.parametrize(
    ("host", "visitor"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("127.0.0.1", HERE),
        ("::1", HERE),
        (None, HERE),
        ("", HERE),
        ("no address", "elsewhere"),
    ],
)
def test_an_address_is_one_visitor_and_so_is_a_network_of_64_bits(host, visitor):
    assert by_address(host) == visitor


def test_keys_people_and_addresses_are_never_taken_for_each_other():
    same = "192.0.2.7"
    assert len({by_address(same), by_key(same), by_person(same)}) == 3
    assert same not in by_key(same) + by_person(same)
