"""What a member of Acme can find out about Globex on the console: nothing, on any page, by any way in."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from agents.models import Agent
from robutler_site.admin import console
from tenants.context import organization_context
from tenants.models import ApiKey, Membership, Organization, ProviderCredential
from tests import make
from tests.admin.cast import member, page, submit, text
from tests.admin.neighbour import Neighbour
from tests.billing import calendar

MODELS = sorted(console._registry, key=lambda model: model._meta.label)
KINDS = ("change", "delete", "history")

of_every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)


@pytest.fixture
def us(acme: Organization) -> Client:
    """An owner's browser, in an organization with things of its own."""
    make.wallet(acme, 10**9)
    make.published(acme)
    make.approval(acme)
    make.tool_execution(acme)
    make.memory(acme)
    make.mcp_server(acme)
    make.key(acme)
    make.payment_token(acme)
    make.budget(acme, 10**9)
    make.dispute(acme)
    calendar.close(acme, calendar.JANUARY)
    return member(acme)


def absent(model: type[Model]) -> Any:
    """An id that no row has."""
    return uuid4() if model._meta.pk.get_internal_type() == "UUIDField" else 9_000_000_000_000


@of_every_model
def test_the_list_shows_ours_only(us: Client, neighbour: Neighbour, model: type[Model]) -> None:
    shown = us.get(page("console", model, "changelist"))

    assert shown.status_code == 200
    assert shown.context["cl"].result_count > 0 or model.__name__ in {
        *("Payout", "ProviderCredential", "RateLimit", "Run"),
    }
    assert neighbour.canary not in text(shown)
    assert str(neighbour.row(model).pk) not in [str(row.pk) for row in shown.context["cl"].result_list]


@pytest.mark.parametrize("kind", KINDS)
@of_every_model
def test_theirs_is_answered_like_the_absent(us: Client, neighbour: Neighbour, model: type[Model], kind: str) -> None:
    theirs = us.get(page("console", model, kind, neighbour.row(model).pk))
    nobodys = us.get(page("console", model, kind, absent(model)))

    assert (theirs.status_code, theirs.content) == (nobodys.status_code, nobodys.content)
    assert theirs.status_code == (403 if kind == "delete" and not deletable(model) else 404)


@pytest.mark.parametrize("kind", ["change", "delete"])
@of_every_model
def test_writing_to_theirs_is_answered_like_the_absent(
    us: Client, neighbour: Neighbour, model: type[Model], kind: str
) -> None:
    row = neighbour.row(model)
    theirs = us.post(page("console", model, kind, row.pk), {"post": "yes", "name": "taken over"})
    nobodys = us.post(page("console", model, kind, absent(model)), {"post": "yes", "name": "taken over"})

    assert (theirs.status_code, theirs.content) == (nobodys.status_code, nobodys.content)
    with organization_context(neighbour.organization.id):
        assert type(row)._default_manager.filter(pk=row.pk).exists()


@of_every_model
def test_searching_finds_nothing_of_theirs(us: Client, neighbour: Neighbour, model: type[Model]) -> None:
    for words in ("canary", "Globex", str(neighbour.row(model).pk)):
        shown = us.get(page("console", model, "changelist"), {"q": words})

        assert neighbour.canary not in text(shown)


@of_every_model
def test_no_free_look_up_is_answered(us: Client, neighbour: Neighbour, model: type[Model]) -> None:
    lookups = [f"{field.name}__regex" for field in model._meta.concrete_fields]
    lookups += ["organization", "organization__id__exact", "organization__slug__startswith", "pk__in", "id__startswith"]
    lookups += ["user__password__startswith", "created_by__password__regex", "agent__organization__name__contains"]

    for lookup in lookups:
        answer = us.get(page("console", model, "changelist"), {lookup: "canary"})

        assert answer.status_code in {302, 400}, lookup
        assert neighbour.canary not in text(answer)


@of_every_model
def test_every_offered_filter_stays_within_ours(us: Client, neighbour: Neighbour, model: type[Model]) -> None:
    offered = us.get(page("console", model, "changelist")).context["cl"].filter_specs

    for choice in [choice for spec in offered for choice in spec.choices(_changelist(us, model))]:
        shown = us.get(page("console", model, "changelist") + choice["query_string"])

        assert shown.status_code == 200
        assert neighbour.canary not in text(shown)


@of_every_model
def test_autocompletion_offers_nothing_of_theirs(us: Client, neighbour: Neighbour, model: type[Model]) -> None:
    for related in [name.name for name in model._meta.concrete_fields if name.is_relation]:
        asked = {"app_label": model._meta.app_label, "model_name": str(model._meta.model_name), "field_name": related}
        answer = us.get(reverse("console:autocomplete"), {**asked, "term": "canary"})

        assert answer.status_code in {403, 404} or json.loads(answer.content)["results"] == []
        assert neighbour.canary not in text(answer)


@of_every_model
def test_actions_on_theirs_do_nothing(us: Client, neighbour: Neighbour, model: type[Model]) -> None:
    row = neighbour.row(model)
    with organization_context(neighbour.organization.id):
        before = type(row)._default_manager.filter(pk=row.pk).values().get()

    for action in ("revoke", "delete_selected"):
        answer = us.post(
            page("console", model, "changelist"), {"action": action, "_selected_action": str(row.pk), "post": "yes"}
        )

        assert neighbour.canary not in text(answer)
    with organization_context(neighbour.organization.id):
        assert type(row)._default_manager.filter(pk=row.pk).values().get() == before


@pytest.mark.parametrize("model", [Agent, ApiKey, Membership, ProviderCredential])
def test_a_new_row_is_ours_whatever_the_form_says(us: Client, neighbour: Neighbour, model: type[Model]) -> None:
    new = {"name": "Forged", "slug": make.unique("forged"), "model": "scripted/persona", "permissions": "chat:write"}
    new |= {
        "email": make.user().email,
        "role": "viewer",
        "provider": "openai",
        "label": "forged",
        "secret": "sk-forged",
    }
    forged = {"organization": str(neighbour.organization.id), "organization_id": str(neighbour.organization.id)}
    address = page("console", model, "add")

    answer = submit(us, address, f"{model._meta.model_name}_form", **new, **forged)

    assert answer.status_code in {200, 302}
    with organization_context(neighbour.organization.id):
        assert not model._default_manager.filter(**_forged(model, new)).exists()


def test_their_credential_cannot_be_picked(us: Client, acme: Organization, neighbour: Neighbour) -> None:
    answer = submit(
        us,
        page("console", Agent, "add"),
        "agent_form",
        name="Thief",
        slug=make.unique("thief"),
        model="openai/gpt-4o-mini",
        openai__credential=str(neighbour.rows["providercredential"].pk),
    )

    assert "openai.credential" in answer.context["adminform"].form.errors
    assert neighbour.canary not in text(answer)


def test_their_version_cannot_be_made_live(us: Client, acme: Organization, neighbour: Neighbour) -> None:
    ours = make.published(acme)

    answers = [
        us.post(reverse("console:agents_agent_rollback", args=(ours.pk, neighbour.version_id))),
        us.post(reverse("console:agents_agent_rollback", args=(neighbour.rows["agent"].pk, neighbour.version_id))),
        us.post(reverse("console:agents_agent_rollback", args=(ours.pk, uuid4()))),
    ]

    assert {(answer.status_code, answer.content) for answer in answers} == {(404, answers[-1].content)}


def test_their_organization_cannot_be_chosen(us: Client, neighbour: Neighbour) -> None:
    theirs = us.get(reverse("choose_organization", args=(neighbour.organization.id,)))
    nobodys = us.get(reverse("choose_organization", args=(uuid4(),)))

    assert (theirs.status_code, theirs.content) == (404, nobodys.content)
    assert neighbour.canary not in text(us.get(reverse("console:index")))


def deletable(model: type[Model]) -> bool:
    return model.__name__ in {"MCPServer", "Memory", "ProviderCredential", "Membership", "RateLimit"}


def _changelist(client: Client, model: type[Model]) -> Any:
    return client.get(page("console", model, "changelist")).context["cl"]


def _forged(model: type[Model], new: dict[str, str]) -> dict[str, str]:
    if model is Agent or model is ApiKey:
        return {"name": new["name"]}
    return {"user__email": new["email"]} if model is Membership else {"label": new["label"]}
