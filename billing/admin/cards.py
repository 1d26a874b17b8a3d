"""The figures at the top of the staff's pages, each with what it means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from billing import figures
from billing.admin.periods import Period
from billing.amounts import dollars

WHOLE_BP: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class Card:
    """A figure, how it was in the period before, and its definition. `link` leads to what it is made of."""

    name: str
    value: str
    nanos: int | None
    before: str
    change: str
    definition: str
    link: str = ""


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Everything the cards of one period are made of."""

    usage: figures.Usage
    moved: Mapping[tuple[str, str, str], int]
    payers: int

    def of_kinds(self, *kinds: str) -> int:
        """What moved for these reasons."""
        return sum(amount for (kind, _, _), amount in self.moved.items() if kind in kinds)


def sums_of(period: Period) -> Sums:
    """Three questions to the rollups, however long the period."""
    span = figures.Span(since=period.since, until=period.until)
    return Sums(usage=figures.usage(span), moved=figures.moved(period.since, period.until), payers=figures.payers(span))


def money(nanos: int) -> str:
    """An amount with its sign before the currency."""
    return f"−{dollars(-nanos)}" if nanos < 0 else dollars(nanos)


def percent(part: int, whole: int) -> str:
    """A share in hundredths of a percent, cut off; nothing of nothing is nothing."""
    if not whole:
        return "–"
    basis_points = abs(part) * WHOLE_BP // abs(whole)
    sign = "−" if (part < 0) != (whole < 0) and basis_points else ""
    return f"{sign}{basis_points // 100}.{basis_points % 100:02d} %"


@dataclass(frozen=True, kw_only=True)
class _Figure:
    """How a card is made: of one number, or of a part and its whole. `beneath` says where its rows are."""

    name: str
    definition: str
    of: Callable[[Sums], int]
    whole: Callable[[Sums], int] | None = None
    is_money: bool = True
    beneath: str = ""

    def card(self, now: Sums, before: Sums, links: Mapping[str, str]) -> Card:
        """The figure now and before."""
        value, past = self.of(now), self.of(before)
        return Card(
            name=self.name,
            value=self._said(now),
            nanos=value if self.is_money and not self.whole else None,
            before=self._said(before),
            change="" if self.whole else percent(value - past, past),
            definition=self.definition,
            link=links.get(self.beneath, ""),
        )

    def _said(self, sums: Sums) -> str:
        if self.whole:
            return percent(self.of(sums), self.whole(sums))
        return money(self.of(sums)) if self.is_money else f"{self.of(sums):,}"


FIGURES: Final = (
    _Figure(
        name="Gross volume",
        definition="What wallets were charged for runs.",
        of=lambda sums: sums.usage.charged,
        beneath="margin",
    ),
    _Figure(
        name="Platform revenue",
        definition="The part of the gross volume that stays with the platform: providers' cost passed on, and its fee.",
        of=lambda sums: sums.usage.platform_share,
        beneath="margin",
    ),
    _Figure(
        name="Provider cost",
        definition="What the platform owes providers for runs on its own credentials, unpaid cost included.",
        of=lambda sums: sums.usage.own_cost,
        beneath="margin",
    ),
    _Figure(
        name="Gross margin",
        definition="Platform revenue less provider cost.",
        of=lambda sums: sums.usage.margin,
        beneath="margin",
    ),
    _Figure(
        name="Gross margin %",
        definition="Gross margin as a share of platform revenue.",
        of=lambda sums: sums.usage.margin,
        whole=lambda sums: sums.usage.platform_share,
    ),
    _Figure(
        name="Creator earnings",
        definition="The part of the gross volume that the owners of agents earned.",
        of=lambda sums: sums.usage.creator_share,
        beneath="margin",
    ),
    _Figure(
        name="Top-ups",
        definition="Money that came into wallets from outside.",
        of=lambda sums: sums.of_kinds("top_up"),
        beneath="top_ups",
    ),
    _Figure(
        name="Refunds",
        definition="Charges given back, and payments that banks took back.",
        of=lambda sums: sums.of_kinds("refund", "chargeback"),
        beneath="refunds",
    ),
    _Figure(
        name="Payment fees",
        definition="What payment companies kept of top-ups and payouts.",
        of=lambda sums: figures.payment_fees(sums.moved),
        beneath="fees",
    ),
    _Figure(
        name="Profit after fees",
        definition="Gross margin less payment fees.",
        of=lambda sums: sums.usage.margin - figures.payment_fees(sums.moved),
    ),
    _Figure(
        name="Estimated share",
        definition="The part of the gross volume that no provider measured; the goal is at most 1 %.",
        of=lambda sums: sums.usage.estimated,
        whole=lambda sums: sums.usage.charged,
    ),
    _Figure(
        name="Losses",
        definition="Provider cost that nobody paid.",
        of=lambda sums: sums.usage.loss,
        beneath="margin",
    ),
    _Figure(
        name="Settlements",
        definition="Runs that were charged, or cost something.",
        of=lambda sums: sums.usage.calls,
        is_money=False,
        beneath="margin",
    ),
    _Figure(
        name="Paying organizations",
        definition="Organizations that were charged something.",
        of=lambda sums: sums.payers,
        is_money=False,
        beneath="payers",
    ),
)


def cards(now: Sums, before: Sums, *, query: str, margin: str, journal: str) -> Sequence[Card]:
    """What finance looks at first. `margin` and `journal` are the addresses of what lies beneath."""
    links = {
        "margin": f"{margin}?{query}",
        "payers": f"{margin}?{query}&by=organization",
        "top_ups": f"{journal}?group__kind__exact=top_up",
        "refunds": f"{journal}?group__kind__exact=refund",
        "fees": f"{journal}?group__kind__exact=payment_fee",
    }
    return tuple(figure.card(now, before, links) for figure in FIGURES)
