"""Webhooks: where organizations want to hear of their money, and how a message proves that it is ours.

Messages follow the Standard Webhooks specification: `webhook-id` stays the same however often a message is sent, and
`webhook-signature` is the HMAC-SHA256 of `id.timestamp.body` under the endpoint's secret.
"""

import base64
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.utils import timezone

import outbound
from billing.errors import InvalidWebhook, WebhookNotFound
from billing.models import Delivery, WebhookEndpoint
from billing.models.webhook import TOPICS
from tenants import audit, vault
from tenants.context import atomic, current_organization
from tenants.errors import SecretUnreadable
from tenants.secret import Secret

__all__ = [
    "MOST_ENDPOINTS", "TOPICS", "Signed", "add_endpoint", "change_endpoint", "deliveries_page", "endpoint_of",
    "endpoints", "remove_endpoint", "rotate_secret", "signed",
]  # fmt: skip

MOST_ENDPOINTS: Final = 20
LONGEST_OVERLAP: Final = timedelta(days=7)

_PREFIX = "whsec_"
_SECRET_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A message as it goes out."""

    body: bytes
    headers: dict[str, str]


def endpoints() -> Sequence[WebhookEndpoint]:
    """The endpoints of the organization that this work belongs to, the oldest first."""
    return list(WebhookEndpoint.objects.filter(organization_id=current_organization()).order_by("created_at", "id"))


def endpoint_of(endpoint_id: UUID) -> WebhookEndpoint:
    """One of them; WebhookNotFound for anything else."""
    row = WebhookEndpoint.objects.filter(organization_id=current_organization(), id=endpoint_id).first()
    if row is None:
        raise WebhookNotFound("There is no such webhook endpoint.")
    return row


def add_endpoint(*, url: str, topics: Sequence[str], description: str = "") -> tuple[WebhookEndpoint, Secret]:
    """Tell `url` of these topics from now on; answers the endpoint and its secret, which is shown this once."""
    organization_id = current_organization()
    _check(url, topics)
    with atomic():
        if WebhookEndpoint.objects.filter(organization_id=organization_id).count() >= MOST_ENDPOINTS:
            raise InvalidWebhook(f"An organization has at most {MOST_ENDPOINTS} endpoints.")
        row = WebhookEndpoint(
            organization_id=organization_id, url=url, topics=sorted(set(topics)), description=description
        )
        secret = _new_secret()
        _seal(row, secret)
        row.save(force_insert=True)
        audit.record(action="webhook.added", object=row)
    return row, secret


def change_endpoint(
    row: WebhookEndpoint,
    *,
    url: str | None = None,
    topics: Sequence[str] | None = None,
    description: str | None = None,
    active: bool | None = None,
) -> WebhookEndpoint:
    """Change what is given; the rest stays."""
    row.url = row.url if url is None else url
    row.topics = row.topics if topics is None else sorted(set(topics))
    row.description = row.description if description is None else description
    row.active = row.active if active is None else active
    _check(row.url, row.topics)
    with atomic():
        row.save(update_fields=["url", "topics", "description", "active"])
        audit.record(action="webhook.changed", object=row)
    return row


def rotate_secret(row: WebhookEndpoint, *, overlap: timedelta) -> Secret:
    """A new secret; for so long the one before signs as well."""
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise InvalidWebhook(f"The secret before may sign for at most {LONGEST_OVERLAP.days} more days.")
    fresh = _new_secret()
    with atomic():
        row = WebhookEndpoint.objects.select_for_update(of=("self",)).select_related("data_key").get(pk=row.pk)
        before = _secrets(row)[0]
        row.previous_until = timezone.now() + overlap
        _seal(row, fresh, before)
        row.save(update_fields=["sealed", "data_key", "previous_until"])
        audit.record(action="webhook.rotated", object=row)
    return fresh


def remove_endpoint(row: WebhookEndpoint) -> None:
    """Forget an endpoint; what was still on its way to it is dropped."""
    with atomic():
        audit.record(action="webhook.removed", object=row)
        row.delete()


def deliveries_page(row: WebhookEndpoint, *, after: UUID | None = None, limit: int) -> Sequence[Delivery]:
    """What went to an endpoint, the latest first; one more than asked for, if there is."""
    found = Delivery.objects.filter(endpoint=row).select_related("event").order_by("-created_at", "-id")
    if after is not None:
        last = Delivery.objects.filter(endpoint=row, id=after).values("created_at")[:1]
        found = found.filter(created_at__lte=last).exclude(created_at=last, id__gte=after)
    return list(found[: limit + 1])


def signed(row: WebhookEndpoint, *, message_id: str, body: bytes, at: datetime) -> Signed:
    """A message for an endpoint, signed with every secret that counts. Needs the row's data key."""
    timestamp = str(int(at.timestamp()))
    content = b".".join((message_id.encode(), timestamp.encode(), body))
    counting = _secrets(row)
    if row.previous_until is None or row.previous_until <= at:
        counting = counting[:1]
    signatures = " ".join(f"v1,{_signature(secret, content)}" for secret in counting)
    headers = {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": signatures,
        "user-agent": "Robutler-Webhooks/1",
    }
    return Signed(body=body, headers=headers)


def _check(url: str, topics: Sequence[str]) -> None:
    unknown = sorted(set(topics) - set(TOPICS))
    if unknown or not topics:
        raise InvalidWebhook(f"Choose topics from: {', '.join(TOPICS)}.", field="topics")
    try:
        parsed = outbound.check_url(url)
    except outbound.OutboundError as error:
        raise InvalidWebhook(str(error), field="url") from None
    if parsed.scheme != "https" and _is_outside(url):
        raise InvalidWebhook("The address starts with https://.", field="url")
    if parsed.user or parsed.password or parsed.fragment:
        raise InvalidWebhook("The address has no user, password or fragment in it.", field="url")


def _is_outside(url: str) -> bool:
    """Whether it is of the public internet, rather than one that the operator opened inside."""
    try:
        outbound.check_public_url(url)
    except outbound.OutboundError:
        return False
    return True


def _new_secret() -> Secret:
    return Secret(_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode())


def _seal(row: WebhookEndpoint, *counting: Secret) -> None:
    row.data_key = vault.data_key_of(row.organization_id)
    written = Secret(" ".join(secret.reveal() for secret in counting))
    row.sealed = vault.seal(written, place=vault.place_in(row), data_key=row.data_key)


def _secrets(row: WebhookEndpoint) -> list[Secret]:
    """The secret, and after it the one before, if there was one."""
    if row.data_key is None:
        raise SecretUnreadable(f"The secret of webhook endpoint {row.pk} was shredded; rotate it.")
    written = vault.unseal(row.sealed, place=vault.place_in(row), data_key=row.data_key)
    return [Secret(text) for text in written.reveal().split(" ")]


def _signature(secret: Secret, content: bytes) -> str:
    key = base64.b64decode(secret.reveal().removeprefix(_PREFIX))
    return base64.b64encode(hmac.digest(key, content, "sha256")).decode()
