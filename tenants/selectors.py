"""Reads: who calls, where people sit, which credential reaches a provider, whether the tables are ready."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import connections

from tenants import context, vault
from tenants.caller import Caller
from tenants.models import ApiKey, Membership, Organization, ProviderCredential, belonging_to
from tenants.permissions import BILLING_WRITE
from tenants.recognition import recognition
from tenants.secret import Secret
from tenants.services.credentials import place_of

CHOSEN: Final = "organization"
"""Under this name a member's session keeps the organization that it chose."""


@dataclass(frozen=True, kw_only=True)
class OrganizationCard:
    """What may be known of an organization from outside of it."""

    id: UUID
    slug: str
    name: str
    status: str


@dataclass(frozen=True, kw_only=True)
class Seat:
    """One place a person may sit at."""

    organization: OrganizationCard
    role: str


@dataclass(frozen=True, kw_only=True)
class OpenCredential:
    """A provider's credential, opened for one call."""

    id: UUID
    organization_id: UUID | None
    provider: str
    label: str
    base_url: str
    unpriced_allowed: bool
    secret: Secret


async def caller_for(bearer: str) -> Caller:
    """The party behind an API key; raises InvalidKey, ExpiredKey, OrganizationSuspended or TenantsUnavailable."""
    return await recognition.caller(bearer)


def revoked_among(key_ids: Collection[UUID]) -> set[UUID]:
    """Those of these API keys that are revoked, whoever's they are."""
    with context.platform_context(reason="look for revoked keys"):
        try:
            return set(ApiKey.objects.filter(pk__in=key_ids, revoked_at__isnull=False).values_list("pk", flat=True))
        finally:
            connections[context.PLATFORM].close()


def memberships_of(user_id: int) -> list[Seat]:
    """Every place a person may sit at, by the organization's name."""
    with connections[context.alias()].cursor() as cursor:
        cursor.execute(
            "SELECT organization_id, organization_slug, organization_name, organization_status, role "
            "FROM tenants_memberships_of(%s)",
            [user_id],
        )
        rows = cursor.fetchall()
    return [
        Seat(organization=OrganizationCard(id=id_, slug=slug, name=name, status=status), role=role)
        for id_, slug, name, status, role in rows
    ]


def seat_of(user_id: int, *, chosen: str | None) -> Seat | None:
    """The seat in the organization that a person chose, else the first; None for someone who has none."""
    seats = [seat for seat in memberships_of(user_id) if seat.organization.status == Organization.Status.ACTIVE]
    return next((seat for seat in seats if str(seat.organization.id) == chosen), seats[0] if seats else None)


def mailboxes_of(organization_id: UUID) -> list[str]:
    """The addresses of the people who look after an organization's money, in the order of their seats."""
    seats = Membership.objects.filter(organization_id=organization_id, user__is_active=True).select_related("user")
    return [seat.user.email for seat in seats.order_by("created_at", "id") if BILLING_WRITE in seat.permissions]


def organization_by_slug(slug: str) -> OrganizationCard | None:
    """What may be known of the organization with this slug from outside of it."""
    with connections[context.alias()].cursor() as cursor:
        cursor.execute("SELECT id, slug, name, status FROM tenants_organization_by_slug(%s)", [slug])
        row = cursor.fetchone()
    return OrganizationCard(id=row[0], slug=row[1], name=row[2], status=row[3]) if row else None


def provider_credential(
    *, organization_id: UUID | None, provider: str, reference: str | None = None, base_url: str | None = None
) -> OpenCredential | None:
    """The credential for a provider by its label or id, else the oldest; None when there is none.

    It is looked for in one place only: the organization's own, or with None the platform's; with `base_url` only among
    those stored with that very address.
    """
    scope = (
        context.organization_context(organization_id)
        if organization_id is not None
        else context.platform_context(reason="use the platform's own credential")
    )
    with scope:
        rows = ProviderCredential.objects.filter(belonging_to(organization_id), provider=provider)
        if reference:
            rows = rows.filter(id=reference) if _is_uuid(reference) else rows.filter(label=reference)
        if base_url is not None:
            rows = rows.filter(base_url=base_url)
        row = rows.select_related("data_key").order_by("created_at", "id").first()
        if row is None:
            return None
        secret = vault.unseal(row.sealed, place=place_of(row), data_key=row.data_key)
    return OpenCredential(
        id=row.id,
        organization_id=row.organization_id,
        provider=row.provider,
        label=row.label,
        base_url=row.base_url,
        unpriced_allowed=row.unpriced_allowed,
        secret=secret,
    )


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
