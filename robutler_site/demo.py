"""The demonstration: two organizations with agents, keys and money, and people who may look at them."""

import asyncio
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from django.conf import settings

from agents.models import Agent
from agents.services import publishing
from agents.services.drafts import SkillChoice
from billing import top_ups
from robutler_site import provider
from tenants import selectors
from tenants.context import atomic, organization_context, platform_context
from tenants.errors import InvalidCredential, InvalidKey, OrganizationSuspended
from tenants.models import User
from tenants.roles import Role as Seat
from tenants.secret import Secret
from tenants.services import add_member, create_organization, issue_key, store_credential

ADMIN = "admin@robutler.example"
MEMBER = "owner@acme.example"
TOP_UP_NANOS = 10 * 1_000_000_000
PRICE_PER_RUN_NANOS = 1_000_000

_ASSISTANT = "You are a helpful assistant. Use the clock for the time and the calculator for arithmetic. Be brief."
_GREETER = "You greet whoever writes to you, in one friendly sentence."
_ANALYST = "You answer questions about numbers, with the calculator."


@dataclass(frozen=True, kw_only=True)
class Role:
    """An agent of the demonstration."""

    slug: str
    name: str
    description: str
    instructions: str
    visibility: str = "private"
    skills: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Everything somebody needs in order to try the platform."""

    url: str
    organization_id: UUID
    api_key: str
    neighbour_key: str
    admin_password: str
    is_new: bool
    provider: provider.Provider


ACME = (
    Role(
        slug="assistant",
        name="Assistant",
        description="Tells the time and calculates.",
        instructions=_ASSISTANT,
        skills=("clock", "calculator"),
    ),
    Role(
        slug="greeter",
        name="Greeter",
        description="Says hello to everyone.",
        instructions=_GREETER,
        visibility="public",
    ),
)
GLOBEX = (
    Role(
        slug="analyst",
        name="Analyst",
        description="Calculates for Globex only.",
        instructions=_ANALYST,
        skills=("calculator",),
    ),
)


def prepare(url: str, chosen: provider.Provider) -> Cast:
    """Create what is not there yet, keep what is, and write `demo.json` for programs to read."""
    path = settings.ROBUTLER.var_dir / "demo.json"
    stored = _read(path)
    with platform_context(reason="set up the demonstration"):
        password, is_new = _admin(stored.get("admin_password", ""))
        member = _member(password)
        _store(chosen)
    acme, globex = _organization("Acme", "acme", member), _organization("Globex", "globex", None)
    _seat_administrator(acme)
    before = _model_before()
    for organization_id, roles in ((acme, ACME), (globex, GLOBEX)):
        with organization_context(organization_id):
            for role in roles:
                _agent(role, model=chosen.model, before=before)
    _remember_model(chosen.model)
    neighbour = stored.get("second_organization", {})
    cast = Cast(
        url=url,
        organization_id=acme,
        api_key=_key(acme, "acme", stored.get("api_key", "")),
        neighbour_key=_key(globex, "globex", neighbour.get("api_key", "")),
        admin_password=password,
        is_new=is_new,
        provider=chosen,
    )
    _write(path, document(cast))
    return cast


def document(cast: Cast) -> dict[str, Any]:
    """What programs may want to know, as it stands in `demo.json`."""
    return {
        "base_url": f"{cast.url}/v1",
        "api_key": cast.api_key,
        "model": ACME[0].slug,
        "console_url": f"{cast.url}/console/",
        "admin_url": f"{cast.url}/admin/",
        "admin_user": ADMIN,
        "admin_password": cast.admin_password,
        "second_organization": {"api_key": cast.neighbour_key, "model": GLOBEX[0].slug},
    }


def environment(chosen: provider.Provider) -> dict[str, str]:
    """Return what the platform's processes need to know: that a server of one's own may be reached."""
    places = [*settings.ROBUTLER.outbound_allow, *filter(None, [chosen.place])]
    return {"ROBUTLER_OUTBOUND_ALLOW": ",".join(places)} if places else {}


def _admin(stored: str) -> tuple[str, bool]:
    """Return the administrator's password; a new one when there is no administrator or nobody wrote it down."""
    admin = User.objects.filter(email=ADMIN).first()
    if admin is not None and stored:
        return stored, False
    password = secrets.token_urlsafe(15)
    if admin is None:
        User.objects.create_superuser(ADMIN, password, name="Administrator")
    else:
        admin.set_password(password)
        admin.save(update_fields=["password"])
    return password, True


def _member(password: str) -> User:
    """Return the member of Acme; on one's own machine the administrator's password serves both."""
    member = User.objects.filter(email=MEMBER).first()
    if member is None:
        return User.objects.create_user(MEMBER, password, name="Owner of Acme")
    if not member.check_password(password):
        member.set_password(password)
        member.save(update_fields=["password"])
    return member


def _seat_administrator(organization_id: UUID) -> None:
    """Let the administrator try the console as well: staff see no organization there without a seat in it."""
    with organization_context(organization_id), atomic():
        admin = User.objects.get(email=ADMIN)
        if all(seat.organization.id != organization_id for seat in selectors.memberships_of(admin.pk)):
            add_member(organization_id=organization_id, user=admin, role=Seat.OWNER)


def _organization(name: str, slug: str, owner: User | None) -> UUID:
    with platform_context(reason="set up the demonstration"):
        card = selectors.organization_by_slug(slug)
        organization_id = card.id if card else create_organization(name=name, slug=slug, owner=owner).id
        top_ups.enter(
            id=uuid5(organization_id, "demonstration"),
            organization_id=organization_id,
            amount_nanos=TOP_UP_NANOS,
            reference="demonstration",
            actor="robutler up",
        )
    return organization_id


def _agent(role: Role, *, model: str, before: str) -> None:
    """Create and publish an agent; give it the model of now if it still has the one we gave it before."""
    with atomic():
        agent = Agent.objects.filter(slug=role.slug).first()
        if agent is None:
            agent = publishing.create_agent(
                slug=role.slug,
                name=role.name,
                description=role.description,
                instructions=role.instructions,
                visibility=role.visibility,
                model=model,
                price_per_run_nanos=PRICE_PER_RUN_NANOS,
                skills=[SkillChoice(skill=skill) for skill in role.skills],
            )
        elif agent.model == before != model:
            agent = publishing.save_draft(agent, model=model)
        else:
            return
        publishing.publish(agent)


def _store(chosen: provider.Provider) -> None:
    if not chosen.secret:
        return
    stored = selectors.provider_credential(organization_id=None, provider=chosen.name, reference="default")
    if stored and stored.base_url == chosen.base_url and stored.secret.reveal() == chosen.secret:
        return
    try:
        store_credential(
            organization_id=None,
            provider=chosen.name,
            secret=Secret(chosen.secret),
            base_url=chosen.base_url,
            unpriced_allowed=bool(chosen.base_url),
        )
    except InvalidCredential as error:
        variables = "OPENAI_BASE_URL or OPENAI_API_KEY" if chosen.base_url else f"{chosen.name.upper()}_API_KEY"
        raise provider.ProviderUnusable(f"{variables} cannot be used. {error}") from None


def _key(organization_id: UUID, slug: str, stored: str) -> str:
    """Return the stored key if it still works, else a new one."""
    if stored and asyncio.run(_opens(stored, slug)):
        return stored
    with organization_context(organization_id):
        _, text = issue_key(organization_id=organization_id, name="Demonstration")
    return text.reveal()


async def _opens(key: str, slug: str) -> bool:
    try:
        caller = await selectors.caller_for(key)
    except (InvalidKey, OrganizationSuspended):
        return False
    return caller.organization_slug == slug


def _model_before() -> str:
    path = settings.ROBUTLER.var_dir / "demo.model"
    return path.read_text().strip() if path.exists() else ""


def _remember_model(model: str) -> None:
    (settings.ROBUTLER.var_dir / "demo.model").write_text(f"{model}\n")


def _read(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _write(path: Path, content: dict[str, Any]) -> None:
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    unfinished.replace(path)
