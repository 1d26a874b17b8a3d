"""Payment tokens: what one allows, what its children may, and that no cap is ever passed."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections

from billing import ledger, tokens
from billing.errors import (
    BudgetExceeded,
    HoldClosed,
    HoldConflict,
    InsufficientFunds,
    InvalidTokenTerms,
    LedgerRefused,
    TokenCapExceeded,
    TokenDepthExceeded,
    TokenExpired,
    TokenInvalid,
    TokenNotFound,
    TokenRevoked,
    TokenWrongAudience,
)
from billing.models import PaymentToken
from billing.tokens import Agent, Permit, Terms
from tenants.context import organization_context
from tenants.models import Organization
from tests import make
from tests.billing import money

HOUR = timedelta(hours=1)


@pytest.fixture
def payer(acme: Organization) -> Organization:
    """Acme with 1,000 nanodollars."""
    return make.wallet(acme, 1_000)


def mint(payer: Organization, cap: int, **terms: Any) -> Permit:
    """A root token of the payer's."""
    wanted = Terms(cap_nanos=cap, **{"lifetime": HOUR, "redelegate": True, **terms})
    return tokens.mint(id=uuid4(), organization_id=payer.id, terms=wanted).permit


def delegate(parent: Permit, cap: int, **terms: Any) -> Permit:
    """A child of a token."""
    wanted = Terms(cap_nanos=cap, **{"redelegate": True, **terms})
    return tokens.delegate(id=uuid4(), parent=parent, terms=wanted).permit


def use(payer: Organization, permit: Permit, amount: int, **options: Any) -> UUID:
    """A hold that a token pays for."""
    return money.hold(payer, amount, parent=permit.hold_id, token_id=permit.id, **options)


def now(permit: Permit) -> Permit:
    """The token as it is by now."""
    return tokens.of(permit.organization_id, permit.id)


def let_expire(permit: Permit) -> None:
    """Let a token's time run out, as if an hour had passed."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER TABLE billing_paymenttoken DISABLE TRIGGER guard")
        cursor.execute(
            "UPDATE billing_paymenttoken SET not_before = now() - interval '2 hours', "
            "expires_at = now() - interval '1 second' WHERE id = %s",
            (permit.id,),
        )
        cursor.execute("ALTER TABLE billing_paymenttoken ENABLE TRIGGER guard")


def test_a_root_token_sets_nothing_aside_before_it_is_used(payer: Organization, globex: Organization) -> None:
    permit = mint(payer, 400)

    assert ledger.balance(payer.id).held == 0
    held = use(payer, permit, 300, creator=globex)
    assert (now(permit).held_nanos, now(permit).available_nanos) == (300, 100)
    money.settle(held, markup=120)

    assert (now(permit).held_nanos, now(permit).spent_nanos, now(permit).available_nanos) == (0, 120, 280)
    assert ledger.balance(payer.id).posted == 880
    assert money.broken_rules() == {}


def test_a_root_token_never_pays_more_than_its_cap(payer: Organization) -> None:
    permit = mint(payer, 400)
    use(payer, permit, 300)

    with pytest.raises(BudgetExceeded) as refused:
        use(payer, permit, 101)

    assert refused.value.budget.scope == "token"
    assert refused.value.available_nanos == 100


def test_a_token_is_known_by_its_text_and_only_by_all_of_it(payer: Organization) -> None:
    minted = tokens.mint(id=uuid4(), organization_id=payer.id, terms=Terms(cap_nanos=5, lifetime=HOUR))
    assert minted.secret is not None
    text = minted.secret.reveal()

    with organization_context(payer.id):
        assert tokens.recognise(text).id == minted.permit.id
        for wrong in (text[:-1] + ("a" if text[-1] != "a" else "b"), text[:-1], "rb_pt_x", "", "x" * 500):
            with pytest.raises(TokenInvalid):
                tokens.recognise(wrong)


def test_a_right_form_with_a_wrong_secret_is_refused(payer: Organization) -> None:
    from tenants import keys

    minted = tokens.mint(id=uuid4(), organization_id=payer.id, terms=Terms(cap_nanos=5, lifetime=HOUR))
    assert minted.secret is not None
    other = keys.generate_as("pt").reveal()
    head, _, tail = other.rpartition("_")
    body = f"{minted.permit.prefix}_{tail[:-6]}"
    forged = body + keys._checksum(body)

    with organization_context(payer.id), pytest.raises(TokenInvalid):
        tokens.recognise(forged)
    assert head


def test_its_text_is_told_once(payer: Organization) -> None:
    id, terms = uuid4(), Terms(cap_nanos=5, lifetime=HOUR)

    first = tokens.mint(id=id, organization_id=payer.id, terms=terms)
    again = tokens.mint(id=id, organization_id=payer.id, terms=terms)

    assert first.secret is not None
    assert again.secret is None
    assert again.permit.id == first.permit.id
    with pytest.raises(HoldConflict):
        tokens.mint(id=id, organization_id=payer.id, terms=Terms(cap_nanos=6, lifetime=HOUR))
    with money.everything():
        kept = bytes(PaymentToken.objects.get(id=id).digest)
    assert first.secret.reveal().encode() not in kept


def test_a_child_is_carved_out_of_what_its_parent_has_left(payer: Organization) -> None:
    root = mint(payer, 400)
    use(payer, root, 150)

    child = delegate(root, 250)

    assert ledger.balance(payer.id).held == 400
    assert now(root).available_nanos == 0
    assert (child.depth, child.root_id, child.available_nanos) == (1, root.id, 250)
    with pytest.raises(TokenCapExceeded) as refused:
        delegate(root, 1)
    assert refused.value.available_nanos == 0
    with pytest.raises(TokenCapExceeded):
        delegate(child, 251)
    assert money.broken_rules() == {}


def test_what_a_child_does_not_spend_returns_to_its_parent(payer: Organization, globex: Organization) -> None:
    root = mint(payer, 400)
    child = delegate(root, 300)
    held = use(payer, child, 100, creator=globex)
    money.settle(held, markup=60)

    tokens.close(child.id, organization_id=payer.id)

    assert (now(root).held_nanos, now(root).spent_nanos) == (0, 60)
    assert (ledger.balance(payer.id).held, ledger.balance(payer.id).posted) == (0, 940)
    assert money.broken_rules() == {}


def test_what_is_under_way_runs_to_its_end_when_its_token_is_closed(payer: Organization, globex: Organization) -> None:
    root = mint(payer, 400)
    child = delegate(root, 300)
    held = use(payer, child, 100, creator=globex)

    tokens.revoke(root.id, organization_id=payer.id)

    assert ledger.balance(payer.id).held == 100
    assert money.settle(held, markup=80).charged_nanos == 80
    assert (ledger.balance(payer.id).held, ledger.balance(payer.id).posted) == (0, 920)
    assert now(child).state == "revoked"
    assert money.broken_rules() == {}


def test_a_revoked_token_pays_for_nothing_new(payer: Organization) -> None:
    root = mint(payer, 400)
    child = delegate(root, 300)

    assert tokens.revoke(root.id, organization_id=payer.id) == 2

    for permit in (root, child):
        with pytest.raises(TokenRevoked):
            now(permit).require_active()
        with pytest.raises((LedgerRefused, HoldClosed)):
            use(payer, permit, 1)
        with pytest.raises(TokenRevoked):
            delegate(permit, 1)
    assert tokens.revoke(root.id, organization_id=payer.id) == 0
    assert ledger.balance(payer.id).held == 0


def test_an_expired_token_pays_for_nothing_and_gives_back_what_it_had(payer: Organization) -> None:
    root = mint(payer, 400)
    child = delegate(root, 300)
    let_expire(child)

    with pytest.raises(TokenExpired):
        now(child).require_active()
    with pytest.raises(TokenExpired):
        delegate(now(child), 1)
    assert tokens.expire_overdue() >= 1

    assert ledger.balance(payer.id).held == 0
    assert now(child).state == "expired"
    assert money.broken_rules() == {}


def test_no_more_than_five_stand_above_a_token(payer: Organization) -> None:
    permit = mint(payer, 400)
    for depth in range(1, 6):
        permit = delegate(permit, 100)
        assert permit.depth == depth

    with pytest.raises(TokenDepthExceeded) as refused:
        delegate(permit, 100)

    assert refused.value.most_depth == 5


def test_only_what_may_be_passed_on_is(payer: Organization) -> None:
    with pytest.raises(TokenDepthExceeded):
        delegate(mint(payer, 400, redelegate=False), 100)


def test_a_child_pays_for_no_more_agents_than_its_parent(payer: Organization) -> None:
    one, two = Agent(id=uuid4(), name="one"), Agent(id=uuid4(), name="two")
    root = mint(payer, 400, audience=[one])

    child = delegate(root, 100)

    assert child.audience == frozenset({one.id})
    with pytest.raises(TokenWrongAudience):
        delegate(root, 100, audience=[one, two])
    with pytest.raises(TokenWrongAudience):
        child.require_audience(two.id)
    child.require_audience(one.id)


def test_a_child_does_not_outlive_its_parent(payer: Organization) -> None:
    root = mint(payer, 400)

    assert delegate(root, 100).expires_at == root.expires_at
    with pytest.raises(InvalidTokenTerms) as refused:
        delegate(root, 100, lifetime=2 * HOUR)
    assert refused.value.field == "expires_in_s"


def test_a_request_of_a_child_costs_no_more_than_one_of_its_parent(payer: Organization) -> None:
    root = mint(payer, 400, max_per_call_nanos=50)

    assert delegate(root, 100).max_per_call_nanos == 50
    with pytest.raises(InvalidTokenTerms):
        delegate(root, 100, max_per_call_nanos=51)


@pytest.mark.parametrize(
    ("field", "terms"),
    [
        ("cap_nanos", {"cap_nanos": 0}),
        ("cap_nanos", {"cap_nanos": 10**18 + 1}),
        ("max_per_call_nanos", {"max_per_call_nanos": 101}),
        ("expires_in_s", {"lifetime": timedelta(seconds=0)}),
        ("expires_in_s", {"lifetime": timedelta(days=367)}),
        ("expires_in_s", {"lifetime": None}),
        ("starts_in_s", {"starts_in": -HOUR}),
        ("audience", {"audience": []}),
    ],
)
def test_senseless_terms_are_refused(payer: Organization, field: str, terms: dict[str, Any]) -> None:
    with pytest.raises(InvalidTokenTerms) as refused:
        tokens.mint(id=uuid4(), organization_id=payer.id, terms=Terms(**{"cap_nanos": 100, "lifetime": HOUR, **terms}))
    assert refused.value.field == field


def test_tokens_of_others_are_absent(payer: Organization, globex: Organization) -> None:
    permit = mint(payer, 400)

    with organization_context(globex.id):
        with pytest.raises(TokenNotFound):
            tokens.permit_of(permit.id)
        assert tokens.page(after=None, limit=10)[0] == []
    with pytest.raises(TokenNotFound):
        tokens.revoke(permit.id, organization_id=globex.id)
    assert now(permit).state == "active"


def test_c06_a_cap_is_never_passed_by_64_at_once(payer: Organization) -> None:
    unfunded = mint(payer, 100)
    funded = delegate(mint(payer, 300), 200)

    async def race() -> list[UUID]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(permit)) for permit in (unfunded, funded) for _ in range(64)]
        return [paid_by for task in tasks if (paid_by := task.result())]

    async def one(permit: Permit) -> UUID | None:
        id = uuid4()
        try:
            await ledger.hold(
                id=id, payer=payer.id, run_id=id, amount_nanos=10, reference="use", price=money.PLATFORM_PAYS,
                beneficiary=None, parent=permit.hold_id, token_id=permit.id,
            )  # fmt: skip
        except InsufficientFunds:
            return None
        return permit.id

    paid = money.run(race())

    assert (paid.count(unfunded.id), paid.count(funded.id)) == (10, 20)
    assert (now(unfunded).held_nanos, now(funded).held_nanos) == (100, 200)
    assert money.broken_rules() == {}
