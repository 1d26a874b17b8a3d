"""Networks that a key is accepted from: as they are written, and whether an address lies in them."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from tenants.errors import AddressNotAllowed, InvalidNetwork

Network = IPv4Network | IPv6Network


def networks(written: Iterable[str]) -> tuple[Network, ...]:
    """The networks that are meant; a single address is a network of one. InvalidNetwork names what is none."""
    found = []
    for text in written:
        try:
            found.append(ip_network(text.strip()))
        except ValueError:
            raise InvalidNetwork(
                f"{text!r} is no network: write 203.0.113.0/24, 2001:db8::/32 or an address."
            ) from None
    return tuple(found)


def refuse_from_elsewhere(address: str | None, *, allowed: tuple[Network, ...] | None) -> None:
    """Raise AddressNotAllowed unless a request from `address` may come in; an unknown address is in no network."""
    if allowed is None:
        return
    try:
        client = ip_address(address or "")
    except ValueError:
        raise AddressNotAllowed("The client's address is not known.") from None
    if isinstance(client, IPv6Address) and client.ipv4_mapped is not None:
        client = client.ipv4_mapped
    if not any(client in network for network in allowed):
        raise AddressNotAllowed("The key is not accepted from this address.")
