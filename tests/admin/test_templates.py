"""Agents to begin with, from the page of templates to a reply."""

import pytest
from django.urls import reverse

from agents.models import Agent
from agents.services import publishing, templates
from tenants.context import organization_context
from tenants.models import Organization
from tenants.roles import Role
from tests.admin.cast import member, text
from tests.agents.cast import ask, caller_of, converse

ANSWERS = {"assistant": "391", "analyst": "11280", "researcher": "It is 20"}


@pytest.mark.parametrize("name", [template.name for template in templates.TEMPLATES])
async def test_a_template_is_published_as_it_is_and_answers(acme: Organization, name: str) -> None:
    from tenants.threads import in_thread

    template = next(each for each in templates.TEMPLATES if each.name == name)
    with organization_context(acme.id):
        made = await in_thread(templates.create_from, name)
        await in_thread(publishing.publish, made)

    said, _ = await converse(caller_of(acme), made.slug, ask(template.example, end_user="ann"))

    assert ANSWERS[name] in said.replace(",", "")


def test_a_button_makes_a_draft_at_a_free_address(acme: Organization) -> None:
    us = member(acme)
    listed = text(us.get(reverse("console:templates")))
    use = reverse("console:template", args=("assistant",))

    got = us.get(use)
    first, second = us.post(use, follow=True), us.post(use, follow=True)

    with organization_context(acme.id):
        slugs = sorted(Agent.objects.values_list("slug", flat=True))
        assert not any(agent.is_published for agent in Agent.objects.all())
    assert got.status_code == 405
    assert f'action="{use}"' in listed
    assert "is a draft" in text(first)
    assert "long_term_memory" in text(second)
    assert slugs == ["assistant", "assistant-2"]


def test_who_may_not_make_agents_finds_no_templates(acme: Organization) -> None:
    viewer = member(acme, Role.VIEWER)

    assert viewer.get(reverse("console:templates")).status_code == 403
    assert viewer.post(reverse("console:template", args=("assistant",))).status_code == 403
    assert member(acme).post(reverse("console:template", args=("nothing",))).status_code == 404
