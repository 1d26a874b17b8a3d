"""Disputes over the management API: opened by who paid, decided by a refund or a no, told to who listens."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core import mail
from django.db import connections

from billing import disputes, ledger, outbox, refunds
from billing.errors import MovementRefused
from billing.models import Dispute, OutboxEvent
from tenants.context import platform_context
from tenants.models import AuditEvent
from tenants.permissions import BILLING_READ
from tenants.roles import Role
from tests import make
from tests.api.client import ApiClient
from tests.api.manage.test_moves import Employee
from tests.billing import money

DISPUTES = "/api/v1/billing/disputes"
DOLLAR = 10**9


@pytest.fixture
def charge(acme: Any, globex: Any) -> UUID:
    """A charge of $10 that Acme has paid to Globex's agent."""
    hold = money.hold(make.wallet(acme, 100 * DOLLAR), 10 * DOLLAR, creator=globex)
    money.settle(hold, cost=4 * DOLLAR, markup=6 * DOLLAR)
    return hold


def asked(charge: UUID, **changes: Any) -> dict[str, Any]:
    return {"id": str(uuid4()), "charge_id": str(charge), "reason": "quality", "note": "It made things up."} | changes


def refunded(charge: UUID, *, nanos: int = 3 * DOLLAR, actor: str = "ann") -> str:
    return refunds.refund(
        id=uuid4(), hold_id=charge, amount_nanos=nanos, clawback=False, reason="dispute", remark="Sorry.", actor=actor
    )


def test_a_charge_is_disputed_once_and_read(acme: Any, acme_client: ApiClient, charge: UUID) -> None:
    body = asked(charge)

    made, again = (acme_client.post(DISPUTES, body) for _ in range(2))
    other = acme_client.post(DISPUTES, asked(charge))

    assert (made.status, again.json) == (201, made.json)
    assert made.json | {"charge_id": str(charge), "status": "open", "note": "It made things up."} == made.json
    assert other.code == (409, "conflict_error", "movement_disputed_already")
    assert acme_client.get(f"{DISPUTES}/{made.json['id']}").json == made.json
    assert [row["id"] for row in acme_client.get(f"{DISPUTES}?status=open").json["data"]] == [made.json["id"]]
    assert acme_client.get(f"{DISPUTES}?status=rejected").json["data"] == []
    with platform_context(reason="a test"):
        assert AuditEvent.objects.filter(action="dispute.opened", organization=acme).count() == 1


def test_the_same_id_with_other_words_is_refused(acme_client: ApiClient, charge: UUID) -> None:
    body = asked(charge)
    acme_client.post(DISPUTES, body)

    assert acme_client.post(DISPUTES, body | {"reason": "fraud"}).code == (409, "conflict_error", "id_taken")


def test_what_a_neighbour_paid_is_not_there(acme_client: ApiClient, globex_client: ApiClient, charge: UUID) -> None:
    made = acme_client.post(DISPUTES, asked(charge)).json
    body = asked(charge)

    theirs, absent = globex_client.post(DISPUTES, body), globex_client.post(DISPUTES, asked(uuid4()))

    assert theirs.status == absent.status == 404
    assert theirs.json["error"]["message"] == absent.json["error"]["message"]
    assert globex_client.get(f"{DISPUTES}/{made['id']}").status == 404
    assert globex_client.get(DISPUTES).json["data"] == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"reason": "whim"}, "invalid_value"), ({"reason": None}, "invalid_value"),
        ({"note": "x" * 501}, "invalid_value"), ({"charge_id": "x"}, "invalid_value"),
        ({"amount": "1"}, "unknown_parameter"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(
    changes: dict[str, Any], code: str, acme_client: ApiClient, charge: UUID
) -> None:
    answer = acme_client.post(DISPUTES, asked(charge, **changes))

    assert (answer.status, answer.json["error"]["code"]) == (400, code)


def test_who_may_only_read_disputes_nothing(server: Any, acme: Any, charge: UUID) -> None:
    with ApiClient(server.url, make.key(acme, permissions=[BILLING_READ])) as reader:
        assert reader.post(DISPUTES, asked(charge)).status == 403
        assert reader.get(DISPUTES).status == 200


def test_what_cost_nothing_or_came_back_is_not_disputed(acme: Any, acme_client: ApiClient, charge: UUID) -> None:
    free = money.hold(acme, DOLLAR)
    money.release(free)
    refunded(charge, nanos=10 * DOLLAR)

    for id in (free, charge):
        answer = acme_client.post(DISPUTES, asked(id))
        assert answer.code == (409, "conflict_error", "movement_nothing_charged")


def test_a_refund_decides_and_who_listens_hears_once(acme: Any, acme_client: ApiClient, charge: UUID) -> None:
    owner = make.member(acme, Role.OWNER).user
    before = ledger.balance(acme.id).posted
    made = acme_client.post(DISPUTES, asked(charge)).json

    refunded(charge)
    refunded(charge, nanos=DOLLAR)
    outbox.relay()

    decided = acme_client.get(f"{DISPUTES}/{made['id']}").json
    assert (decided["status"], decided["refunded_usd"], decided["answer"]) == ("refunded", "3.000000000", "Sorry.")
    assert ledger.balance(acme.id).posted == before + 4 * DOLLAR
    with platform_context(reason="a test"):
        (event,) = OutboxEvent.objects.filter(organization=acme, topic="dispute.decided")
    assert event.payload == {
        "dispute_id": made["id"], "charge_id": str(charge), "status": "refunded", "answer": "Sorry.",
        "refunded_nanos": str(3 * DOLLAR),
    }  # fmt: skip
    (told,) = [each for each in mail.outbox if each.to == [owner.email]]
    assert told.subject == "$3.00 of a charge that you disputed was given back"
    assert money.broken_rules() == {}


def test_a_refund_that_awaits_a_second_person_decides_when_that_one_has(
    acme: Any, globex: Any, acme_client: ApiClient
) -> None:
    hold = money.hold(make.wallet(acme, 300 * DOLLAR), 200 * DOLLAR, creator=globex)
    money.settle(hold, cost=200 * DOLLAR)
    made = acme_client.post(DISPUTES, asked(hold)).json
    id = uuid4()

    refunds.refund(
        id=id, hold_id=hold, amount_nanos=150 * DOLLAR, clawback=False, reason="dispute", remark="r", actor="ann"
    )
    waiting = acme_client.get(f"{DISPUTES}/{made['id']}").json["status"]
    refunds.decide(id=id, approve=True, actor="ben")

    assert waiting == "open"
    assert acme_client.get(f"{DISPUTES}/{made['id']}").json["status"] == "refunded"


def test_staff_says_no_once_and_the_charge_may_be_disputed_again(
    acme: Any, acme_client: ApiClient, charge: UUID
) -> None:
    ann, viewer = Employee(), Employee(is_superuser=False)
    made = acme_client.post(DISPUTES, asked(charge)).json
    address = f"disputes/{made['id']}/reject"

    assert viewer.send("post", address, answer="no").status_code == 403
    assert ann.send("post", address, answer=" ").status_code == 400
    assert ann.send("post", address, answer="It did what was asked.").json()["status"] == "rejected"
    again = ann.send("post", address, answer="Another reason.")

    assert (again.status_code, again.json()["error"]["code"]) == (409, "movement_rejected")
    decided = acme_client.get(f"{DISPUTES}/{made['id']}").json
    assert (decided["status"], decided["answer"]) == ("rejected", "It did what was asked.")
    assert acme_client.post(DISPUTES, asked(charge)).status == 201
    with platform_context(reason="a test"):
        assert AuditEvent.objects.filter(action="dispute.rejected", organization=acme).count() == 1


def test_many_disputes_and_refunds_at_once_leave_one_decision(acme: Any, charge: UUID) -> None:
    def act(nth: int) -> str:
        try:
            if nth % 2:
                return refunded(charge, nanos=DOLLAR)
            row = disputes.open_dispute(
                id=uuid4(), organization_id=acme.id, charge_id=charge, reason="fault", actor="ann"
            )
            return row.state
        except MovementRefused as refused:
            return refused.outcome
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=8) as pool:
        said = list(pool.map(act, range(16)))

    assert said.count("made") == 8
    with money.everything():
        rows = Dispute.objects.filter(settlement_id=charge)
        opened, decided = rows.count(), rows.filter(state="refunded").count()
    assert opened - decided in (0, 1)
    assert said.count("open") + said.count("refunded") == opened
    assert money.broken_rules() == {}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_dispute SET answer = 'another'",
        "UPDATE billing_dispute SET state = 'open', decided_at = NULL, refund_id = NULL",
        "DELETE FROM billing_dispute",
    ],
)
def test_not_even_the_owner_edits_a_decision(statement: str, acme: Any) -> None:
    row = make.dispute(acme)
    disputes.reject(id=row.pk, answer="no", actor="ann")

    with pytest.raises(Exception, match="stays"), connections["owner"].cursor() as cursor:
        cursor.execute(statement)
