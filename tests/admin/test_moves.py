"""Money that staff moves: entered on a form, approved by a second person where it is much, moved once."""

import re
from typing import Any
from uuid import UUID

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from billing import ledger, rollups
from billing.models import Account, Adjustment, Grant, OutboxEvent, Refund, TopUp, TransferGroup
from tenants.context import organization_context, platform_context
from tenants.models import AuditEvent, Organization
from tenants.roles import Role
from tests import make
from tests.admin.cast import Form, fields, member, page, person, staff, text
from tests.billing import money

DOLLAR = 10**9


@pytest.fixture
def ann() -> Client:
    """A superuser."""
    return staff()


@pytest.fixture
def ben() -> Client:
    """Another one."""
    return staff()


@pytest.fixture
def payer(acme: Organization) -> Organization:
    """Acme with a hundred dollars."""
    return make.wallet(acme, 100 * DOLLAR)


def entered(client: Client, address: str, **changes: Any) -> tuple[Form, Any]:
    """Fill in a form and send it; answers what was sent, and the page that came in the end."""
    sent = fields(client.get(address), "move_form") | changes
    return sent, client.post(address, sent, follow=True)


def decided(client: Client, row: Any, word: str) -> Any:
    """Approve one, or reject it."""
    address = reverse(f"admin:billing_{row._meta.model_name}_{word}", args=(row.pk,))
    return entered(client, address)[1]


def test_much_money_is_credited_when_a_second_person_has_approved(
    ann: Client, ben: Client, payer: Organization
) -> None:
    address = page("admin", TopUp, "add")
    _, answer = entered(ann, address, organization=payer.slug, amount="500", reference="wire 7")
    with platform_context(reason="a test"):
        row = TopUp.objects.get(organization=payer, reference="wire 7")

    assert "It awaits a second person: $500.00" in text(answer)
    assert "That takes a second person" in text(decided(ann, row, "approve")).replace("that takes", "That takes")
    assert ledger.balance(payer.id).posted == 100 * DOLLAR
    decided(ben, row, "approve")
    decided(ben, row, "approve")
    assert ledger.balance(payer.id).posted == 600 * DOLLAR


def test_who_asked_is_told_that_somebody_else_approves(ann: Client, ben: Client, payer: Organization) -> None:
    entered(ann, page("admin", TopUp, "add"), organization=payer.slug, amount="500", reference="wire 8")
    with platform_context(reason="a test"):
        row = TopUp.objects.get(organization=payer, reference="wire 8")
    here = page("admin", TopUp, "change", row.pk)

    hers, his = text(ann.get(here)), text(ben.get(here))

    assert "it takes another superuser to approve it" in hers
    assert "it takes another superuser to approve it" not in his
    assert ("/approve/" in hers, "/approve/" in his) == (False, True)


def test_what_is_rejected_never_comes(ann: Client, ben: Client, payer: Organization) -> None:
    entered(ann, page("admin", TopUp, "add"), organization=payer.slug, amount="500", reference="wire 8")
    with platform_context(reason="a test"):
        row = TopUp.objects.get(organization=payer, reference="wire 8")

    decided(ben, row, "reject")
    decided(ben, row, "approve")

    assert ledger.balance(payer.id).posted == 100 * DOLLAR


def test_credit_is_given_once_and_says_when_it_expires(ann: Client, payer: Organization) -> None:
    address = f"{page('admin', Grant, 'add')}?organization={payer.slug}"
    sent, answer = entered(
        ann, address, amount="5", source="goodwill", reason="sorry", expires_at_0="2030-01-01", expires_at_1="00:00"
    )
    ann.post(address, sent)

    with platform_context(reason="a test"):
        grant = Grant.objects.get(organization=payer)
        event = AuditEvent.objects.get(organization=payer, action="grant.given")
    assert "Given: $5.00 of credit" in text(answer)
    assert grant.expires_at is not None
    assert (grant.amount, grant.expires_at.year, grant.state) == (5 * DOLLAR, 2030, "given")
    assert event.actor_label == str(person(ann))
    assert ledger.balance(payer.id).posted == 105 * DOLLAR


def charged(payer: Organization, creator: Organization, nanos: int) -> UUID:
    hold = money.hold(payer, nanos, creator=creator)
    money.settle(hold, cost=nanos // 2, markup=nanos - nanos // 2)
    return hold


def test_f63_two_people_approve_the_same_refund_and_it_is_made_once(
    ann: Client, ben: Client, payer: Organization, globex: Organization
) -> None:
    make.wallet(payer, 400 * DOLLAR)
    hold = charged(payer, globex, 300 * DOLLAR)
    with organization_context(payer.id):
        from billing import webhooks

        webhooks.add_endpoint(url="https://hooks.example.com/", topics=["refund.made"])
    entered(
        ann,
        page("admin", Refund, "add"),
        hold_id=str(hold),
        amount="200",
        reason="fault",
        remark="it broke",
        clawback="on",
    )
    with money.everything():
        row = Refund.objects.get(settlement_id=hold)
    before = ledger.balance(payer.id).posted

    decided(ben, row, "approve")
    decided(staff(), row, "approve")

    assert ledger.balance(payer.id).posted == before + 200 * DOLLAR
    with money.everything():
        assert OutboxEvent.objects.filter(organization_id=payer.id, topic="refund.made").count() == 1
    assert money.broken_rules() == {}


def test_a_refund_is_entered_from_the_charges_page_and_shown_there(
    ann: Client, payer: Organization, globex: Organization
) -> None:
    hold = charged(payer, globex, 3 * DOLLAR)
    chain = reverse("admin:billing_chain", args=(hold,))
    (link,) = re.findall(r'href="([^"]+)">Refund up to \$3\.00<', text(ann.get(chain)))

    entered(ann, link.replace("&amp;", "&"), amount="1", reason="fault", remark="it broke", clawback="on")

    page_of_charge = text(ann.get(chain))
    assert "Refund up to $2.00" in page_of_charge
    assert "it broke" in re.findall(r'id="refunds".*?</table>', page_of_charge, re.DOTALL)[0]
    assert "Refund up to" not in text(staff(is_superuser=False).get(chain))


def test_more_than_was_charged_is_not_given_back(ann: Client, payer: Organization, globex: Organization) -> None:
    hold = charged(payer, globex, 3 * DOLLAR)

    _, answer = entered(
        ann, page("admin", Refund, "add"), hold_id=str(hold), amount="3.000000001", reason="fault", remark="x"
    )

    assert "That is more than there is left of it." in text(answer)
    assert ledger.balance(payer.id).posted == 97 * DOLLAR


def test_an_adjustment_names_two_accounts_or_a_group(ann: Client, payer: Organization) -> None:
    add = page("admin", Adjustment, "add")
    wallet = f"organization:{payer.id}:wallet"
    _, lacking = entered(ann, add, kind="adjustment", reason="r", ticket="T-1")
    _, unknown = entered(
        ann, add, kind="adjustment", debit="platform:nothing", credit=wallet, amount="1", reason="r", ticket="T-1"
    )
    _, posted = entered(
        ann, add, kind="adjustment", debit="platform:promo_expense", credit=wallet, amount="2", reason="r", ticket="T-1"
    )
    assert ledger.balance(payer.id).posted == 102 * DOLLAR
    with platform_context(reason="a test"):
        group = TransferGroup.objects.get(adjustment__organization=payer)
    _, reversed_ = entered(ann, add, kind="reversal", group=str(group.pk), reason="wrong", ticket="T-2")

    assert text(lacking).count("This is needed for this kind.") == 3
    assert "Select a valid choice" in text(unknown)
    assert "Posted: an adjustment" in text(posted)
    assert "Posted: a reversal" in text(reversed_)
    assert ledger.balance(payer.id).posted == 100 * DOLLAR
    assert money.broken_rules() == {}


def wallet_page(organization: Organization, name: str) -> str:
    with platform_context(reason="a test"):
        wallet = Account.objects.get(organization=organization, kind=Account.Kind.WALLET)
    return reverse(f"admin:billing_account_{name}", args=(wallet.pk,))


def test_a_frozen_wallet_starts_nothing_until_it_is_opened(ann: Client, payer: Organization) -> None:
    from billing.errors import WalletFrozen

    _, answer = entered(ann, wallet_page(payer, "standing"), standing="frozen", reason="looked at")
    with pytest.raises(WalletFrozen):
        money.hold(payer, 5)
    entered(ann, wallet_page(payer, "standing"), standing="open", reason="all is well")
    _, closing = entered(ann, wallet_page(payer, "standing"), standing="closed", reason="gone")

    assert f"The wallet of {payer} is frozen." in text(answer)
    assert "only an empty one is closed" in text(closing)
    money.hold(payer, 5)


def test_a_frozen_wallet_stands_on_its_owners_home_page_with_the_reason(ann: Client, payer: Organization) -> None:
    owner, developer = member(payer), member(payer, Role.DEVELOPER)
    before = text(owner.get(reverse("console:index")))
    entered(ann, wallet_page(payer, "standing"), standing="frozen", reason="unusual spending")

    home = text(owner.get(reverse("console:index")))

    assert "The wallet is" not in before
    assert "The wallet is frozen: no run can start" in home
    assert "Why: unusual spending" in home
    assert "unusual spending" not in text(developer.get(reverse("console:index")))


def test_home_says_how_long_the_money_lasts(payer: Organization, globex: Organization) -> None:
    owner = member(payer)
    before = text(owner.get(reverse("console:index")))
    charged(payer, globex, 20 * DOLLAR)
    rollups.refresh()

    home = text(owner.get(reverse("console:index")))

    assert "not known yet" in before
    assert ">28 days<" in home


def test_a_credit_limit_lets_a_wallet_go_below_zero_so_far(ann: Client, payer: Organization) -> None:
    entered(ann, wallet_page(payer, "limit"), amount="50", reason="pays by invoice")

    assert ledger.balance(payer.id).available == 150 * DOLLAR


def test_a_chargeback_takes_what_there_is_and_freezes_the_wallet(ann: Client, payer: Organization) -> None:
    _, answer = entered(ann, wallet_page(payer, "chargeback"), amount="120", reason="card stolen", ticket="D-9")

    assert "The wallet is frozen." in text(answer)
    assert (ledger.balance(payer.id).posted, ledger.balance(payer.id).status) == (0, "frozen")
    assert money.broken_rules() == {}


@pytest.mark.parametrize("model", [TopUp, Grant, Refund, Adjustment])
def test_nobody_but_superusers_moves_money(model: type[Model], payer: Organization) -> None:
    looks = staff(is_superuser=False)

    assert looks.get(page("admin", model, "add")).status_code == 403
    assert looks.post(page("admin", model, "add"), {}).status_code == 403
    assert looks.get(wallet_page(payer, "standing")).status_code == 403
    assert member(payer).get(page("admin", model, "add")).status_code == 302
