"""Whose address counts: nobody chooses it by a header that he writes himself."""

import pytest

from classifier.api.addresses import client_address

SPOOFED = "6.6.6.6, 203.0.113.7, 198.51.100.2"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, SPOOFED, "192.0.2.1"),
        (0, "", "192.0.2.1"),
        (1, "", "192.0.2.1"),
        (1, " , ", "192.0.2.1"),
        (1, SPOOFED, "198.51.100.2"),
        (2, SPOOFED, "203.0.113.7"),
        (9, "203.0.113.7", "203.0.113.7"),
        (1, "203.0.113.7:4711", "203.0.113.7"),
        (1, "[2001:db8:1:2:3::4]:4711", "2001:db8:1:2::/64"),
        (1, "2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        (1, "2001:db8:1:2::1", "2001:db8:1:2::/64"),
        (1, "::ffff:203.0.113.7", "203.0.113.7"),
        (1, "a name, unknown", "unknown"),
        (1, "x" * 5000, "x" * 100),
    ],
)
def test_the_address_is_that_before_the_sites_own_proxies(
    proxies: int, forwarded: str, expected: str
) -> None:
    meta = {"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": forwarded}

    assert client_address(meta, proxies=proxies) == expected


def test_a_site_on_a_unix_socket_has_an_address_too() -> None:
    assert client_address({}, proxies=0) == ""
