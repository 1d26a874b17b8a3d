"""Seals over the journal: made by a job, kept once more outside of the database, and compared with what it says now."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connections

from billing.models import Seal
from tenants.context import PLATFORM, atomic, platform_context

MOST_TRANSFERS = 50_000
MOST_SEALS = 40


@dataclass(frozen=True, kw_only=True)
class SealedHistory:
    """What seals say of the books.

    `broken` are the seals that the journal contradicts. `forgotten` are those that stand in the file outside and not,
    or differently, in the database: the books are older than that file, or were written anew.
    """

    seals: int
    broken: Sequence[int]
    forgotten: Sequence[int]


def seal() -> int:
    """Seal what was written since the last time; answers how many seals that made."""
    for made in range(MOST_SEALS):
        number = _seal_next()
        if number is None:
            return made
        _keep_outside(number)
    return MOST_SEALS


def check() -> SealedHistory:
    """Compute every seal again."""
    with platform_context(reason="check the seals"), connections[PLATFORM].cursor() as cursor:
        cursor.execute("SELECT billing_broken_seals()")
        broken = tuple(int(number) for (number,) in cursor.fetchall())
        kept = {number: bytes(digest).hex() for number, digest in Seal.objects.values_list("number", "digest")}
    forgotten = tuple(number for number, digest in _outside() if kept.get(number) != digest)
    return SealedHistory(seals=len(kept), broken=broken, forgotten=forgotten)


def path() -> Path:
    """The file outside of the database, a line for each seal that a process of this machine has made."""
    directory: Path = settings.ROBUTLER.var_dir
    return directory / "seals.jsonl"


def _seal_next() -> int | None:
    with platform_context(reason="seal the journal"), atomic(durable=True), connections[PLATFORM].cursor() as cursor:
        cursor.execute("SELECT billing_seal(%s)", (MOST_TRANSFERS,))
        (number,) = cursor.fetchone()
    return None if number is None else int(number)


def _keep_outside(number: int) -> None:
    with platform_context(reason="keep a seal outside"):
        made = Seal.objects.get(number=number)
    line = {
        "number": made.number,
        "last": made.last,
        "digest": bytes(made.digest).hex(),
        "at": made.created_at.isoformat(),
    }
    path().parent.mkdir(parents=True, exist_ok=True)
    with path().open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _outside() -> Sequence[tuple[int, str]]:
    """Every line: a number that comes twice with different digests was forgotten once, and stays so."""
    if not path().exists():
        return ()
    lines = [json.loads(line) for line in path().read_text(encoding="utf-8").splitlines()]
    return tuple((line["number"], line["digest"]) for line in lines)
