"""`manage.py top_up`: money that came in from outside, credited to a wallet."""

from argparse import ArgumentTypeError
from decimal import Decimal, InvalidOperation
from getpass import getuser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing import ledger, top_ups
from billing.errors import BillingError
from robutler_site import addressing, output
from tenants.ids import uuid7


def nanos(text: str) -> int:
    """Read an amount in dollars exactly."""
    try:
        amount = Decimal(text) * output.NANOS
    except InvalidOperation:
        raise ArgumentTypeError(f"{text!r} is not an amount of dollars, such as 25 or 0.50.") from None
    if not amount.is_finite() or amount != int(amount) or not 0 < amount <= top_ups.MOST_DOLLARS * output.NANOS:
        raise ArgumentTypeError(
            f"An amount is more than 0, at most {top_ups.MOST_DOLLARS}, and has at most nine decimals."
        )
    return int(amount)


class Command(BaseCommand):
    """Credit an organization's wallet; from a limit on, when another person has approved."""

    help = "Credit a wallet with dollars that came in from outside."

    def add_arguments(self, parser: CommandParser) -> None:
        addressing.add_organization_option(parser)
        parser.add_argument("amount", type=nanos, metavar="DOLLARS", help="How much, such as 25 or 0.50.")
        parser.add_argument("--reference", default="manage.py top_up", help="Where the money came from.")
        parser.add_argument("--id", type=UUID, help="Repeating a top-up with the same id credits nothing twice.")
        output.add_json_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        card = addressing.organization(options["organization"])
        top_up_id = options["id"] or uuid7()
        try:
            state = top_ups.enter(
                id=top_up_id,
                organization_id=card.id,
                amount_nanos=options["amount"],
                reference=options["reference"],
                actor=f"{getuser()} at the command line",
            )
        except BillingError as error:
            raise CommandError(str(error)) from error
        balance = ledger.balance(card.id)
        row = {
            "id": top_up_id,
            "organization": card.slug,
            "amount_nanos": str(options["amount"]),
            "state": state,
            "available_nanos": str(balance.available),
            "available": output.dollars(balance.available),
        }
        output.show(self.stdout, [row], as_json=options["as_json"])
