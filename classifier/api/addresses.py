"""Who asks without a key: the address, behind as many proxies as the site says there are."""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache

IPV6_NETWORK = 64  # bits; whoever has one address of such a network has all of them


def client_address(meta: Mapping[str, str], *, proxies: int) -> str:
    """The address of the client, or the /64 network of it.

    Each proxy of the site's own appends whom it was asked by to X-Forwarded-For. Only these last
    `proxies` parts are believed: whatever stands further left the client may have written itself.
    """
    found = meta.get("REMOTE_ADDR", "")
    if proxies:
        parts = [part for part in meta.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
        if parts:
            found = parts[-min(proxies, len(parts))]
    return _network(found.strip())


@lru_cache(maxsize=4096)
def _network(address: str) -> str:
    bare = address
    if address.startswith("["):  # [::1]:1234
        bare = address[1:].partition("]")[0]
    elif address.count(":") == 1:  # 127.0.0.1:1234
        bare = address.partition(":")[0]
    try:
        read = ipaddress.ip_address(bare)
    except ValueError:  # a Unix socket, or a name that a proxy wrote
        return address[:100]
    if isinstance(read, ipaddress.IPv4Address):
        return str(read)
    if read.ipv4_mapped:
        return str(read.ipv4_mapped)
    return str(ipaddress.ip_network((int(read), IPV6_NETWORK), strict=False))
