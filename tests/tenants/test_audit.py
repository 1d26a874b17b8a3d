"""What was done stays written, with who did it, and nobody changes it."""

from uuid import uuid4

import pytest
from django.db import DatabaseError, connections

from tenants import audit
from tenants.context import organization_context, platform_context
from tenants.models import AuditEvent, Organization


def test_an_event_keeps_who_what_and_where(acme: Organization) -> None:
    key = uuid4()
    with (
        organization_context(acme.id),
        audit.acting(user_id=7, label="ann@acme.test"),
        audit.acting(key_id=key, request_id="req-1"),
    ):
        event = audit.record(action="agent.published", object=acme, detail={"version": 3})

    assert (event.organization_id, event.object_type, event.object_id) == (
        acme.id,
        "tenants.organization",
        str(acme.id),
    )
    assert (event.actor_user_id, event.actor_key_id, event.actor_label, event.request_id) == (
        7,
        key,
        "ann@acme.test",
        "req-1",
    )
    assert str(event) == "agent.published Acme"


def test_platform_work_is_kept_with_its_reason(acme: Organization) -> None:
    with platform_context(reason="ticket 4711"):
        theirs = audit.record(action="limits.raised", organization_id=acme.id)
        own = audit.record(action="clock.checked")

    assert (theirs.organization_id, theirs.reason) == (acme.id, "ticket 4711")
    assert own.organization_id is None


def test_a_member_cannot_write_into_a_neighbours_log(acme: Organization, globex: Organization) -> None:
    with organization_context(acme.id):
        event = audit.record(action="forged.entry", organization_id=globex.id)

    assert event.organization_id == acme.id


def test_a_neighbour_does_not_read_it(acme: Organization, globex: Organization) -> None:
    with organization_context(acme.id):
        event = audit.record(action="secret.plan")
    with organization_context(globex.id):
        seen = AuditEvent.objects.filter(pk=event.pk).exists()

    assert not seen


@pytest.mark.parametrize("alias", ["default", "platform", "owner"])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE tenants_auditevent SET action = 'x'", "DELETE FROM tenants_auditevent", "TRUNCATE tenants_auditevent"],
)
def test_nobody_changes_what_was_written(acme: Organization, alias: str, statement: str) -> None:
    with organization_context(acme.id):
        audit.record(action="done.once")

        with (
            connections[alias].cursor() as cursor,
            pytest.raises(DatabaseError, match=r"append-only|permission denied"),
        ):
            cursor.execute(statement)
