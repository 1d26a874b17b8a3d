"""Lines of a bill: written with the end of a charge, once, and never again."""

from collections.abc import Sequence
from uuid import UUID

from billing.lines import Line
from billing.models import UsageLine
from tenants.context import organization_context
from tenants.models import Organization
from tests import make
from tests.billing import money

INPUT = Line(
    part="cost", sku="acme/large", unit="input", quantity=40, price_pico=2_500, amount_pico=100_000, source="provider",
    upstream_request_id="req-1",
)  # fmt: skip
RETRY = Line(
    part="cost", sku="acme/large", unit="input", quantity=40, price_pico=2_500, amount_pico=100_000, source="counted",
    billable=False, reason="retry", attempt=2,
)  # fmt: skip
FEE = Line(
    part="fee", sku="platform", unit="basis_points", quantity=100, price_pico=1_000, amount_pico=10_000,
    source="provider",
)  # fmt: skip


def _written(payer: Organization, charge: UUID) -> Sequence[UsageLine]:
    with organization_context(payer.id):
        return list(UsageLine.objects.filter(charge_id=charge).order_by("number"))


def test_a_settlement_keeps_what_it_was_made_of(acme: Organization) -> None:
    id = money.hold(make.wallet(acme, 1_000), 500)

    money.settle(id, cost=100, fee=10, lines=(INPUT, RETRY, FEE))

    lines = _written(acme, id)
    assert [
        (line.number, line.part, line.unit, line.quantity, line.price_pico, int(line.amount_pico)) for line in lines
    ] == [
        (1, "cost", "input", 40, 2_500, 100_000),
        (2, "cost", "input", 40, 2_500, 100_000),
        (3, "fee", "basis_points", 100, 1_000, 10_000),
    ]
    assert [(line.source, line.billable, line.reason, line.attempt, line.upstream_request_id) for line in lines] == [
        ("provider", True, "", 1, "req-1"),
        ("counted", False, "retry", 2, ""),
        ("provider", True, "", 1, ""),
    ]
    assert {(line.sku, line.hold_id) for line in lines} == {("acme/large", id), ("platform", id)}
    assert money.broken_rules() == {}


def test_a_second_settlement_adds_no_lines(acme: Organization) -> None:
    id = money.hold(make.wallet(acme, 1_000), 500)
    money.settle(id, cost=100, lines=(INPUT,))

    money.settle(id, cost=200, lines=(INPUT, INPUT))

    assert len(_written(acme, id)) == 1


def test_free_work_keeps_lines_without_a_hold(acme: Organization) -> None:
    id = money.hold(acme, 0)

    for _ in range(2):
        money.settle(id, cost=100, lines=(INPUT,))

    assert [(line.hold_id, line.number) for line in _written(acme, id)] == [(None, 1)]
    assert money.broken_rules() == {}


def test_what_a_sweep_settles_has_one_line_for_each_part(acme: Organization) -> None:
    id = money.hold(make.wallet(acme, 1_000), 500)
    money.checkpoint(id, cost=100, markup=20)
    money.expire(id)

    money.sweep()

    assert [(line.part, line.sku, line.source, int(line.amount_pico)) for line in _written(acme, id)] == [
        ("cost", "run", "checkpoint", 100_000),
        ("markup", "run", "checkpoint", 20_000),
    ]
    assert money.broken_rules() == {}


def test_what_was_released_has_no_lines(acme: Organization) -> None:
    id = money.hold(make.wallet(acme, 1_000), 500)

    money.release(id)

    assert _written(acme, id) == []
