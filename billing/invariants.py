"""Looking at what must always hold, keeping what was found, and stopping the wallets whose figures are in doubt."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connections
from django.utils import timezone

from billing import rollups, seals, selectors
from billing.models import Account, InvariantRun
from tenants import audit
from tenants.context import PLATFORM, atomic, platform_context

NUMBERS: Final = {
    "debits equal credits": "I1",
    "no wallet is overdrawn": "I2",
    "wallet totals are the sums of their transfers": "I3",
    "pending is the sum of open holds": "I4",
    "a hold is settled if and only if it has a settlement": "I5",
    "a settlement took from the wallet what it charged": "I6",
    "a charge stays within the hold and what the wallet gave beyond": "I7",
    "beyond its hold a charge pays the platform's own cost only": "I7",
    "no group of transfers is empty": "I9",
    "no open hold has outlived its time": "I11",
    "charges end when their holds do": "I12",
    "the provider is owed what its work cost": "I15",
    "seals are unbroken": "I18",
    "every top-up credited its wallet": "I19",
    "what a payment cost is booked as the gateway said": "I19",
    "suspense is empty": "I20",
}
"""By which number each is known; what has none is looked at all the same."""

QUICK: Final = (
    "no wallet is overdrawn",
    "pending is the sum of open holds",
    "no open hold has outlived its time",
)
"""What is looked at every minute: it reads accounts and open holds, and no history."""

KEPT_DAYS: Final = 30

_NAMED = re.compile(r"\s*SELECT '((?:[^']|'')+)'")
_OVERDRAWN = "a.credits_posted + a.credit_limit - a.debits_posted - a.debits_pending < 0"
_PENDING = "a.debits_pending <> coalesce((SELECT r.pending FROM reserved r WHERE r.account_id = a.id), 0)"
_TOTALS = """(a.debits_posted, a.credits_posted) IS DISTINCT FROM (
    coalesce((SELECT m.debits FROM moved m WHERE m.account_id = a.id), 0)::bigint,
    coalesce((SELECT m.credits FROM moved m WHERE m.account_id = a.id), 0)::bigint)"""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was found the last time: violations by name, and when the older of the two looks was made."""

    violations: Mapping[str, int]
    at: datetime | None


def look(*, is_full: bool) -> Mapping[str, int]:
    """Look now and keep what was found; wallets that contradict I2, I3 or I4 reserve no more money."""
    began = time.monotonic()
    found = _everything() if is_full else _run(QUICK)
    with platform_context(reason="keep what a look at the books found"):
        InvariantRun.objects.create(
            is_full=is_full,
            found=found,
            violations=sum(found.values()),
            took_ms=round((time.monotonic() - began) * 1000),
        )
        old = timezone.now() - timedelta(days=KEPT_DAYS)
        InvariantRun.objects.filter(violations=0, created_at__lt=old).delete()
    if any(count for name, count in found.items() if NUMBERS.get(name) in {"I2", "I3", "I4"}):
        _stop_doubtful_wallets(is_full=is_full)
    return found


def last_look() -> Look:
    """The newest full look, and what a quick one has found since."""
    with platform_context(reason="what was last found in the books"):
        runs = InvariantRun.objects.order_by("-id")
        full, quick = runs.filter(is_full=True).first(), runs.filter(is_full=False).first()
    found = sorted((run for run in (full, quick) if run), key=lambda run: run.id)
    return Look(
        violations={name: count for run in found for name, count in run.found.items()},
        at=min((run.created_at for run in found), default=None),
    )


def _everything() -> dict[str, int]:
    history = seals.check()
    return {
        **selectors.invariants(),
        "seals are unbroken": len(history.broken) + len(history.forgotten),
        "suspense is empty": int(selectors.trial_balance().balance("suspense") != 0),
        "figures by the hour are the ledger's": rollups.differences(),
    }


def _run(names: tuple[str, ...]) -> dict[str, int]:
    prelude, checks = _parts()
    wanted = "\nUNION ALL\n".join(checks[name] for name in names)
    with platform_context(reason="check the books"), connections[PLATFORM].cursor() as cursor:
        cursor.execute(prelude + wanted)
        return {name: int(violations) for name, violations in cursor.fetchall()}


def _parts() -> tuple[str, dict[str, str]]:
    """What all checks share, and each of them by its name."""
    text = selectors.INVARIANTS.read_text().strip().removesuffix(";")
    start = text.index("\nSELECT '") + 1
    checks: dict[str, str] = {}
    name = ""
    for part in re.split(r"^UNION ALL$", text[start:], flags=re.MULTILINE):
        if named := _NAMED.match(part):
            name = named[1].replace("''", "'")
            checks[name] = part
        else:
            checks[name] += f"UNION ALL{part}"
    return text[:start], checks


def _stop_doubtful_wallets(*, is_full: bool) -> None:
    """Freeze wallets whose own figures contradict each other: nothing is reserved there until a person has looked."""
    doubts = [_OVERDRAWN, _PENDING, *([_TOTALS] if is_full else [])]
    prelude, _ = _parts()
    statement = f"{prelude} SELECT a.id FROM billing_account a WHERE a.enforced AND ({' OR '.join(doubts)})"  # noqa: S608 - our own words
    with platform_context(reason="stop wallets in doubt"), atomic():
        with connections[PLATFORM].cursor() as cursor:
            cursor.execute(statement)
            ids = [id for (id,) in cursor.fetchall()]
        for wallet in Account.objects.filter(id__in=ids, status=Account.Status.OPEN).order_by("id"):
            Account.objects.filter(id=wallet.id).update(status=Account.Status.FROZEN)
            audit.record(
                action="wallet.frozen",
                object=wallet,
                organization_id=wallet.organization_id,
                detail={"reason": "The books contradict this wallet's figures."},
            )
