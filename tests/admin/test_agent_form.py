"""Making an agent on the console: one form, whose fields are the draft, and buttons that call the services."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from agents.models import Agent, AgentVersion
from agents.services import publishing
from agents.services.drafts import SkillChoice
from tenants.context import organization_context
from tenants.models import AuditEvent, Organization
from tests import make
from tests.admin.cast import buttons, fields, member, page, submit, text

ADD = "console:agents_agent_add"
FORM = "agent_form"


@pytest.fixture
def us(acme: Organization) -> Client:
    return member(acme)


def new(client: Client, slug: str, **changes: Any) -> Any:
    """Fill in the form for a new agent and send it."""
    known = {"name": "Clerk", "slug": slug, "model": "scripted/persona", "instructions": "Be exact."}
    return submit(client, reverse(ADD), FORM, **{**known, **changes})


def agent_of(organization: Organization, slug: str) -> Agent:
    with organization_context(organization.id):
        return Agent.objects.select_related("published_version").get(slug=slug)


def options_of(organization: Organization, agent: Agent) -> dict[str, tuple[bool, Any]]:
    with organization_context(organization.id):
        return {choice.skill: (choice.enabled, choice.options) for choice in publishing.skills_of(agent)}


def problems(answer: Any) -> dict[str, list[str]]:
    return dict(answer.context["adminform"].form.errors)


def test_a_draft_is_what_the_form_says(acme: Organization, us: Client) -> None:
    slug = make.unique("clerk")

    answer = new(us, slug, description="Counts.", visibility="public", **{"calculator.enabled": "on"})

    made = agent_of(acme, slug)
    assert answer.status_code == 302
    assert (made.name, made.description, made.visibility) == ("Clerk", "Counts.", "public")
    assert (made.instructions, made.model, made.published_version) == ("Be exact.", "scripted/persona", None)
    assert options_of(acme, made) == {"calculator": (True, {})}


def test_what_was_left_alone_stays_at_its_default(acme: Organization, us: Client) -> None:
    slug = make.unique("clerk")

    new(us, slug)

    made = agent_of(acme, slug)
    assert (made.sampling, made.limits, made.locked) == ({}, {}, [])
    assert (made.price_per_run_nanos, made.markup_bps) == (0, 0)
    assert (made.input_price_pico, made.output_price_pico) == (None, None)
    assert options_of(acme, made) == {}


def test_saving_an_untouched_form_changes_nothing(acme: Organization, us: Client) -> None:
    slug = make.unique("clerk")
    new(us, slug, input_price_pico="0.15", limits__turns="4", sampling__temperature="0.5", sampling__stop="END\nSTOP")
    before = agent_of(acme, slug)

    submit(us, page("console", Agent, "change", before.pk), FORM)

    after = agent_of(acme, slug)
    assert (after.sampling, after.limits, after.input_price_pico) == (
        {"temperature": 0.5, "stop": ["END", "STOP"]},
        {"turns": 4},
        before.input_price_pico,
    )


@pytest.mark.parametrize(
    ("field", "entered", "column", "kept"),
    [
        ("price_per_run_nanos", "0.0025", "price_per_run_nanos", 2_500_000),
        ("price_per_run_nanos", "0.000000001", "price_per_run_nanos", 1),
        ("input_price_pico", "0.15", "input_price_pico", 150_000),
        ("output_price_pico", "0.000001", "output_price_pico", 1),
        ("output_price_pico", "0", "output_price_pico", 0),
        ("markup_percent", "12.34", "markup_bps", 1234),
    ],
)
def test_a_price_is_kept_exactly(
    acme: Organization, us: Client, field: str, entered: str, column: str, kept: int
) -> None:
    slug = make.unique("clerk")

    new(us, slug, **{field: entered})

    made = agent_of(acme, slug)
    assert getattr(made, column) == kept
    assert fields(us.get(page("console", Agent, "change", made.pk)), FORM)[field] == entered


@pytest.mark.parametrize("entered", ["0.0000000001", "-1", "1e3000", "NaN", "a lot"])
def test_a_price_that_cannot_be_kept_is_refused(us: Client, entered: str) -> None:
    answer = new(us, make.unique("clerk"), price_per_run_nanos=entered)

    assert list(problems(answer)) == ["price_per_run_nanos"]


@pytest.mark.parametrize(
    ("field", "entered"),
    [
        ("calculator.digits", "99"),
        ("clock.zone", "x" * 65),
        ("scripted.chunk_ms", "-1"),
        ("openai.base_url", "ftp://nowhere"),
        ("openai.idle_timeout_s", "0"),
        ("sampling.temperature", "3"),
        ("sampling.stop", "1\n2\n3\n4\n5"),
        ("limits.turns", "0"),
    ],
)
def test_an_invalid_option_is_shown_at_its_field(us: Client, field: str, entered: str) -> None:
    answer = new(us, make.unique("clerk"), **{field: entered})

    assert list(problems(answer)) == [field]


@pytest.mark.parametrize("slug", ["console", "v1", "Up", "two words", "-x", ""])
def test_a_slug_that_cannot_be_is_refused(us: Client, slug: str) -> None:
    assert list(problems(new(us, slug))) == ["slug"]


def test_a_slug_is_ours_once(acme: Organization, us: Client) -> None:
    taken = make.agent(acme)

    assert list(problems(new(us, taken.slug))) == ["slug"]


def test_a_neighbours_slug_is_free(acme: Organization, globex: Organization, us: Client) -> None:
    theirs = make.agent(globex)

    answer = new(us, theirs.slug)

    assert answer.status_code == 302


def test_options_of_a_skill_that_is_off_are_kept(acme: Organization, us: Client) -> None:
    slug = make.unique("clerk")

    new(us, slug, calculator__digits="5")

    assert options_of(acme, agent_of(acme, slug)) == {"calculator": (False, {"digits": 5})}


def test_options_come_back_as_they_were_entered(acme: Organization, us: Client) -> None:
    slug = make.unique("clerk")
    entered = {"calculator.enabled": "on", "calculator.digits": "5", "clock.enabled": "on", "clock.zone": "Europe/Riga"}
    new(us, slug, **entered)

    shown = fields(us.get(page("console", Agent, "change", agent_of(acme, slug).pk)), FORM)

    assert {name: shown[name] for name in entered} == entered


def test_options_that_no_field_can_hold_are_kept(acme: Organization, us: Client) -> None:
    rules = [{"match": "hi", "text": "ho"}]
    made = make.agent(acme, skills=[SkillChoice(skill="scripted", options={"rules": rules})])

    submit(us, page("console", Agent, "change", made.pk), FORM, scripted__chunk_ms="7")

    assert options_of(acme, made)["scripted"] == (True, {"rules": rules, "chunk_ms": 7})


def test_options_that_no_field_can_hold_are_named(us: Client) -> None:
    assert "Its rules cannot be edited on this page; saving keeps them as they are." in text(us.get(reverse(ADD)))


def test_publishing_makes_a_version(acme: Organization, us: Client) -> None:
    slug = make.unique("clerk")

    answer = new(us, slug, agents_agent_publish="1")

    made = agent_of(acme, slug)
    assert made.published_version is not None
    assert made.published_version.number == 1
    assert answer["Location"] == page("console", Agent, "change", made.pk)


@pytest.mark.parametrize(("price", "warned"), [({}, True), ({"input_price_pico": "0"}, False)])
def test_who_publishes_without_a_price_is_warned(us: Client, price: dict[str, str], warned: bool) -> None:
    new(us, make.unique("clerk"), **price, agents_agent_publish="1")

    said = text(us.get(reverse("console:agents_agent_changelist")))
    assert ("every call is refused until you set one" in said) is warned


@pytest.mark.parametrize("chosen", [{}, {"retries": "1"}])
def test_who_sets_a_model_skill_and_leaves_it_off_is_warned(us: Client, chosen: dict[str, str]) -> None:
    options = {f"anthropic.{name}": value for name, value in chosen.items()}

    new(us, make.unique("clerk"), **options, agents_agent_publish="1")

    said = text(us.get(reverse("console:agents_agent_changelist")))
    assert ("The skill anthropic is switched off" in said) is bool(chosen)


def test_a_draft_that_cannot_run_is_saved_but_not_published(acme: Organization, us: Client) -> None:
    slug = make.unique("clerk")

    answer = new(us, slug, model="no-provider", agents_agent_publish="1")

    said = text(us.get(answer["Location"]))
    assert agent_of(acme, slug).published_version is None
    assert "Saved, but not published" in said
    assert "provider/model" in said


def test_unpublishing_takes_it_off_its_address(acme: Organization, us: Client) -> None:
    made = make.published(acme)

    submit(us, page("console", Agent, "change", made.pk), FORM, agents_agent_unpublish="1")

    assert agent_of(acme, made.slug).published_version is None


def test_only_what_is_published_can_be_taken_back(acme: Organization, us: Client) -> None:
    draft, live = make.agent(acme), make.published(acme)

    offered = [text(us.get(page("console", Agent, "change", made.pk))) for made in (draft, live)]

    assert ["_unpublish" in body for body in offered] == [False, True]
    assert buttons(us.get(reverse(ADD)), "no-such-form") == []


def test_an_older_version_can_be_made_live(acme: Organization, us: Client) -> None:
    made = make.published(acme)
    first = agent_of(acme, made.slug).published_version
    submit(us, page("console", Agent, "change", made.pk), FORM, instructions="New.", agents_agent_publish="1")
    second = agent_of(acme, made.slug).published_version

    assert first is not None
    us.post(reverse("console:agents_agent_rollback", args=(made.pk, first.pk)))

    live = agent_of(acme, made.slug).published_version
    assert (live, second and second.number) == (first, 2)
    with organization_context(acme.id):
        assert AgentVersion.objects.filter(agent=made).count() == 2


def test_a_link_rolls_nothing_back(acme: Organization, us: Client) -> None:
    made = make.published(acme)

    answer = us.get(reverse("console:agents_agent_rollback", args=(made.pk, made.published_version_id)))

    assert answer.status_code == 405


def test_who_saves_second_is_told_of_the_first(acme: Organization, us: Client) -> None:
    made = make.agent(acme)
    address = page("console", Agent, "change", made.pk)
    opened = fields(us.get(address), FORM)
    submit(member(acme), address, FORM, instructions="The first.")

    answer = us.post(address, {**opened, "instructions": "The second."})

    assert "Somebody saved this agent" in text(answer)
    assert agent_of(acme, made.slug).instructions == "The first."


def test_the_model_field_suggests_what_can_be_used(us: Client) -> None:
    shown = us.get(reverse(ADD))

    assert "scripted/persona" in shown.context["models"]
    assert not [model for model in shown.context["models"] if model.startswith("bedrock/")]


def test_what_was_done_is_in_the_audit_log_and_the_history(acme: Organization, us: Client) -> None:
    slug = make.unique("clerk")
    new(us, slug, agents_agent_publish="1")
    made = agent_of(acme, slug)

    submit(us, page("console", Agent, "change", made.pk), FORM, instructions="A secret plan.")

    history = text(us.get(page("console", Agent, "history", made.pk)))
    with organization_context(acme.id):
        actions = list(AuditEvent.objects.filter(object_id=made.pk).values_list("action", flat=True))
    assert sorted(actions) == ["agent.created", "agent.published", "agent.saved"]
    assert "Changed Instructions" in history
    assert not LogEntry.objects.filter(object_id=made.pk, change_message__contains="plan").exists()
