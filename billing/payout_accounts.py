"""Where creators want their money: sealed when it comes in, opened only to be paid."""

import json
import re
from dataclasses import asdict
from uuid import UUID

from django.db.models.functions import Now

from billing.errors import InvalidPayoutAccount
from billing.models import PayoutAccount
from billing.payout_rails import Destination
from tenants import audit, vault
from tenants.context import atomic
from tenants.errors import SecretUnreadable
from tenants.secret import Secret

_NUMBER = re.compile(r"[A-Z0-9]{4,34}")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_BANK_CODE = re.compile(r"[A-Z0-9]{0,11}")
_COUNTRY = re.compile(r"(?:[A-Z]{2})?")
_LONGEST_HOLDER = 70


def store_account(*, organization_id: UUID, destination: Destination, entered_by: str) -> PayoutAccount:
    """Send the organization's earnings there from now on. Payouts that were calculated go where they were going."""
    checked = check_destination(destination)
    with atomic():
        used = PayoutAccount.objects.select_for_update().filter(organization_id=organization_id, replaced_at=None)
        used.update(replaced_at=Now())
        row = PayoutAccount(
            organization_id=organization_id,
            label=f"{checked.holder}, account ending in {checked.number[-4:]}",
            data_key=vault.data_key_of(organization_id),
            entered_by=entered_by,
        )
        assert row.data_key is not None
        row.sealed = vault.seal(Secret(json.dumps(asdict(checked))), place=place_of(row), data_key=row.data_key)
        row.save(force_insert=True)
        audit.record(action="payout_account.changed", object=row, organization_id=organization_id)
    return row


def account_of(organization_id: UUID) -> PayoutAccount | None:
    """The account that is in use, without its secret."""
    return PayoutAccount.objects.filter(organization_id=organization_id, replaced_at=None).defer("sealed").first()


def opened(account: PayoutAccount) -> Destination:
    """Where the money goes; SecretUnreadable when the organization's secrets were destroyed."""
    if account.data_key is None:
        raise SecretUnreadable(f"The account {account.label} was forgotten with its organization's secrets.")
    return Destination(
        **json.loads(vault.unseal(account.sealed, place=place_of(account), data_key=account.data_key).reveal())
    )


def place_of(row: PayoutAccount) -> vault.Place:
    """Where an account's details stand."""
    return vault.place_in(row)


def check_destination(given: Destination) -> Destination:
    """The account as it is kept: no spaces, capital letters; InvalidPayoutAccount says what is wrong with it."""
    holder = " ".join(given.holder.split())
    number, bank_code, country = (
        re.sub(r"[\s-]", "", text).upper() for text in (given.number, given.bank_code, given.country)
    )
    if not holder or len(holder) > _LONGEST_HOLDER or not holder.isprintable():
        raise InvalidPayoutAccount(f"The holder is a name of at most {_LONGEST_HOLDER} characters.")
    if not _NUMBER.fullmatch(number):
        raise InvalidPayoutAccount("The number of the account is an IBAN or 4 to 34 letters and digits.")
    if number[:2].isalpha() and not (_IBAN.fullmatch(number) and _iban_adds_up(number)):
        raise InvalidPayoutAccount("The IBAN has a typing error: its check digits do not fit.")
    if not _BANK_CODE.fullmatch(bank_code):
        raise InvalidPayoutAccount("The code of the bank is a BIC or a routing number: at most 11 letters and digits.")
    if not _COUNTRY.fullmatch(country):
        raise InvalidPayoutAccount("The country is two letters, such as DE.")
    return Destination(holder=holder, number=number, bank_code=bank_code, country=country)


def _iban_adds_up(number: str) -> bool:
    return int("".join(str(int(character, 36)) for character in number[4:] + number[:4])) % 97 == 1
