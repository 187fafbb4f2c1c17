"""Who counts as one visitor."""

from __future__ import annotations

import pytest

from seewhy.web.visitors import HERE, UNKNOWN, bearer_of, person_of, visitor_of


@pytest.mark.parametrize(
    ("host", "visitor"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("127.0.0.1", HERE),
        (None, UNKNOWN),
        ("", UNKNOWN),
        ("no address", UNKNOWN),
    ],
)
def test_an_address_is_one_visitor_and_so_is_a_network_of_64_bits(host, visitor):
    assert visitor_of(host) == visitor


def test_keys_people_and_addresses_are_never_taken_for_each_other():
    same = "192.0.2.7"
    assert len({visitor_of(same), bearer_of(same), person_of(same)}) == 3
    assert same not in bearer_of(same) + person_of(same)
