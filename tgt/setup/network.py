"""What lets the unit of a whole machine reach one server and nothing else, as a drop-in."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path

from tgt.setup.systemd import FAMILIES
from tgt.sources.address import Address

_RESOLVERS = Path("/etc/resolv.conf")
_THIS_MACHINE = "localhost"
"""A name that systemd knows for both of its addresses."""


def drop_in(address: Address) -> str:
    """The text of the drop-in; it names the addresses that the server has now."""
    allowed = dict.fromkeys((*_addresses(address.host), *_resolvers(address.host)))
    return "\n".join(
        (
            "[Service]",
            "PrivateNetwork=no",
            "RestrictAddressFamilies=",
            f"RestrictAddressFamilies={FAMILIES}",
            f"IPAddressAllow={' '.join(allowed)}",
        )
    )


def _addresses(host: str) -> Iterator[str]:
    try:
        addresses = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return
    for *_, place in addresses:
        address = str(place[0]).partition("%")[0]
        yield _THIS_MACHINE if ipaddress.ip_address(address).is_loopback else address


def _resolvers(host: str) -> Iterator[str]:
    """Whom names are asked of, if the server is called by one."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return
    if host == _THIS_MACHINE:
        return
    try:
        lines = _RESOLVERS.read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for words in map(str.split, lines):
        if words[:1] == ["nameserver"] and len(words) > 1:
            yield words[1]
