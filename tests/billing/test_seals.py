"""The journal is sealed: one bit changed afterwards, and every look finds it."""

import json
from collections.abc import Mapping
from random import Random

import psycopg
import pytest
from django.db import IntegrityError, connections

from billing import seals
from billing.models import Seal
from tenants.models import Organization
from tests import make
from tests.billing import figures, money

CHANGES = {
    "an amount": "UPDATE billing_transfer SET amount = amount # %(bit)s::bigint WHERE id = %(id)s",
    "a side": "UPDATE billing_transfer SET credit_id = credit_id + %(bit)s WHERE id = %(id)s",
    "a moment": "UPDATE billing_transfer SET created_at = created_at + interval '1 microsecond' WHERE id = %(id)s",
    "a key": "UPDATE billing_transfergroup SET key = key || ' ' WHERE id = %(group)s",
    "a reason": "UPDATE billing_transfergroup SET memo = memo || '.' WHERE id = %(group)s",
    "an actor": "UPDATE billing_transfergroup SET actor = '' || actor || '.' WHERE id = %(group)s",
    "its place": "UPDATE billing_transfer SET id = id + 1000000 WHERE id = %(id)s",
    "a line taken out": "DELETE FROM billing_transfer WHERE id = %(id)s",
}


@pytest.fixture
def sealed(acme: Organization, globex: Organization) -> int:
    """A few movements under seal; answers the number of the seal."""
    for _ in range(3):
        money.settle(money.hold(make.wallet(acme, 10_000), 500, creator=globex), cost=100, markup=40)
    figures.sealed()
    assert seals.check().broken == ()
    return _last()


def broken_after(urls: Mapping[str, str], sealed: int, *changes: str) -> list[int]:
    """The seals that do not hold once somebody above all rules has made these changes; they are taken back again."""
    with psycopg.connect(money.superuser(urls)) as session:
        session.execute("SET LOCAL session_replication_role = replica")
        row = session.execute(
            "SELECT t.id, t.group_id FROM billing_transfer t JOIN billing_seal s ON t.id BETWEEN s.first AND s.last"
            " WHERE s.number = %s ORDER BY t.id DESC LIMIT 1",
            (sealed,),
        ).fetchone()
        assert row is not None
        values = {"id": row[0], "group": row[1], "seal": sealed, "bit": 1 << Random(str(changes)).randrange(40)}
        for change in changes:
            assert session.execute(change.encode(), values).rowcount == 1
        found = session.execute("SELECT billing_broken_seals()").fetchall()
        session.rollback()
    return [number for (number,) in found]


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_is_changed_breaks_the_seal(change: str, sealed: int, database_urls: Mapping[str, str]) -> None:
    assert broken_after(database_urls, sealed, CHANGES[change]) == [sealed]


def test_a_seal_made_anew_does_not_follow_on_the_one_before(
    sealed: int, acme: Organization, database_urls: Mapping[str, str]
) -> None:
    make.wallet(acme, 5)
    figures.sealed()
    forged = "UPDATE billing_seal SET digest = billing_digest(first - 1, last, previous) WHERE number = %(seal)s"

    found = broken_after(database_urls, sealed, CHANGES["an amount"], forged)

    assert found == [sealed + 1]


def test_books_older_than_what_is_known_outside_are_noticed(sealed: int) -> None:
    newer = {"number": sealed + 1, "last": 10**9, "digest": "00", "at": ""}
    kept = seals.path().read_text()
    assert seals.check().forgotten == ()

    seals.path().write_text(kept + json.dumps(newer) + "\n")
    found = seals.check()
    seals.path().write_text(kept)

    assert found.forgotten == (sealed + 1,)
    assert found.broken == ()


def test_nothing_new_is_not_sealed(sealed: int) -> None:
    assert seals.seal() == 0


def test_seals_are_history_themselves(sealed: int) -> None:
    with connections["owner"].cursor() as cursor, pytest.raises(IntegrityError, match="what happened stays"):
        cursor.execute("UPDATE billing_seal SET digest = ''")


def _last() -> int:
    with money.everything():
        return Seal.objects.order_by("-number").values_list("number", flat=True).first() or 0
