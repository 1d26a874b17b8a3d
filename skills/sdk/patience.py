"""How much patience this process has with providers that fail: the operator's numbers, for all models alike."""

import msgspec


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """When a route to a provider is left alone, for how long, and how often it may be tried again."""

    failures: int = 5
    """So many failures in a row, none older than `within_s`, and the route rests."""
    within_s: float = 30.0
    """What is longer ago is forgotten; retries are counted over this time, too."""
    rest_s: float = 10.0
    """How long a route rests before one call may try it."""
    refused_rest_s: float = 5.0
    """How long a credential that the provider refused is not sent again."""
    retry_percent: int = 20
    """Retries on a route, as a share of its calls: an outage is not to be multiplied."""
    retries_spare: int = 10
    """So many retries are allowed beside that share, for routes that are seldom used."""
    routes: int = 10_000
    """So many routes are remembered; those not used for longest are forgotten first."""


_patience = Patience()


def configure(patience: Patience | None = None) -> None:
    """Use the operator's numbers, or the usual ones."""
    global _patience  # noqa: PLW0603  # set once, when the process starts
    _patience = patience or Patience()


def current() -> Patience:
    """The numbers that hold now."""
    return _patience
