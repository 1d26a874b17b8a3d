"""What a look at /metrics shows, and what happened between two of them."""

from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families

Values = dict[tuple[str, frozenset[tuple[str, str]]], float]


def values_in(page: str) -> Values:
    """Every sample by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


class Grown:
    """By how much samples have grown since this was made. `look` answers the page of metrics."""

    def __init__(self, look: Callable[[], str]) -> None:
        self._look = look
        self._before = values_in(look())

    def by(self, name: str, **labels: str) -> float:
        """By how much one sample grew."""
        key = (name, frozenset(labels.items()))
        return values_in(self._look()).get(key, 0) - self._before.get(key, 0)
