"""What is remembered: for one end user of one agent, found by words and by likeness, told and erased."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections

import outbound
from agents.adapters.memory import RowMemory
from agents.models import Memory
from agents.runtime import similarity
from agents.services import end_users, memories
from agents.services.drafts import SkillChoice
from agents.services.memories import Of
from skills.sdk import ToolFailed
from tenants.context import organization_context
from tenants.models import AuditEvent, Organization
from tenants.threads import in_thread
from tests import make
from tests.agents.cast import ask, caller_of, converse, funded, hosted
from tests.agents.labelled_memories import MEMORIES, QUESTIONS
from tests.agents.test_growing import _remove, _store
from tests.fakes.upstream import Upstream

FIRST = 3
"""So many of what is found are looked at."""


def known(organization: Organization, texts: Sequence[str] = MEMORIES, *, end_user: str = "ann") -> Of:
    """An agent that remembers these texts of an end user."""
    of = Of(organization_id=organization.id, agent_id=uuid4(), end_user=end_user, kind="fact")
    with organization_context(organization.id):
        for text in texts:
            memories.save(
                of, text=text, metadata={}, at_most=1_000, agent_organization_id=organization.id, agent_slug="butler"
            )
    return of


def recall_of(of: Of, **halves: bool) -> float:
    """The share of questions whose answer is among the first that are found."""
    with organization_context(of.organization_id):
        found = [
            MEMORIES[answer]
            in [each.text for each in memories.search(of, query=asked, limit=FIRST, min_similarity=0.05, **halves)]
            for asked, answer in QUESTIONS
        ]
    return sum(found) / len(found)


def test_both_halves_together_find_no_less_than_either(acme: Organization) -> None:
    of = known(acme)

    by_words, by_likeness = recall_of(of, likeness=False), recall_of(of, words=False)
    joined = recall_of(of)

    assert joined >= max(by_words, by_likeness)
    assert joined >= 0.9


def test_the_statement_names_the_embedder_that_there_is() -> None:
    assert f"m.embedder = '{similarity.NAME}'" in memories._SEARCH
    assert f"embedding::vector({similarity.DIMENSIONS})" in memories._SEARCH


def test_a_vector_is_the_same_in_every_process_and_has_length_one() -> None:
    vector = similarity.vector_of("Grüße aus Riga, grüße!")

    assert len(vector) == similarity.DIMENSIONS
    assert sum(value * value for value in vector) == pytest.approx(1)
    assert vector[:3] == similarity.vector_of("grüße aus riga, Grüße!")[:3]
    assert similarity.vector_of("… !") == [0.0] * similarity.DIMENSIONS


@pytest.mark.parametrize("query", ["", "   ", "&", "a & b | !c", "'; DROP TABLE agents_memory; --", "\x00", "🦉", "%s"])
async def test_whatever_is_searched_for_is_text(acme: Organization, query: str) -> None:
    of = await in_thread(known, acme, ("Likes tea.",))
    port = RowMemory(version=_version(of, acme), caller_id=acme.id, end_user="ann")

    assert [each.text for each in await port.search(kind="fact", query=query, limit=5)] in ([], ["Likes tea."])


async def test_the_same_is_kept_once_and_the_oldest_goes(acme: Organization) -> None:
    of = await in_thread(known, acme, ("one",))
    port = RowMemory(version=_version(of, acme), caller_id=acme.id, end_user="ann")

    ids = [await port.save(kind="fact", text=text, at_most=3) for text in ("one", "two", "three", "four", " one ")]
    await port.save(kind="note", text="with more", metadata={"about": "tea", "n": [1]}, at_most=3)

    assert [each.text for each in await port.latest(kind="fact", limit=9)] == ["one", "four", "three"]
    assert await port.count(kind="fact") == 3
    for noted in (await port.latest(kind="note", limit=1), await port.search(kind="note", query="more", limit=1)):
        assert [each.metadata for each in noted] == [{"about": "tea", "n": [1]}]
    assert len(set(ids)) == 5
    assert not await port.delete(kind="fact", id="nothing")
    assert not await port.delete(kind="note", id=ids[-1])
    assert await port.delete(kind="fact", id=ids[-1])


async def test_nothing_is_remembered_of_nobody(acme: Organization) -> None:
    port = RowMemory(version=_version(await in_thread(known, acme, ()), acme), caller_id=acme.id, end_user=None)

    with pytest.raises(ToolFailed, match="does not name its end user"):
        await port.save(kind="fact", text="Likes tea.", at_most=3)


@pytest.mark.parametrize("other", ["end user", "agent", "organization", "kind"])
async def test_nobody_else_finds_it(acme: Organization, globex: Organization, other: str) -> None:
    canary = f"The canary of {uuid4().hex} sings."
    of = await in_thread(known, acme, (canary,))
    agent = uuid4() if other == "agent" else of.agent_id
    who = globex if other == "organization" else acme
    port = RowMemory(
        version=_version(Of(**{**vars(of), "agent_id": agent}), acme),
        caller_id=who.id,
        end_user="ben" if other == "end user" else "ann",
    )
    kind = "note" if other == "kind" else "fact"

    assert list(await port.search(kind=kind, query=canary, limit=50)) == []
    assert list(await port.latest(kind=kind, limit=50)) == []
    mine = RowMemory(version=_version(of, acme), caller_id=acme.id, end_user="ann")
    assert [each.text for each in await mine.search(kind="fact", query=canary, limit=50)] == [canary]


def test_the_wall_in_the_database_stands_without_the_statement(acme: Organization, globex: Organization) -> None:
    of = known(acme, ("A canary.",))
    with organization_context(globex.id):
        from tenants.context import alias, atomic

        with atomic(), connections[alias()].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM agents_memory WHERE organization_id = %s", [of.organization_id])
            assert cursor.fetchone() == (0,)


def test_the_nearest_come_from_the_index_and_are_this_end_users(acme: Organization) -> None:
    of = known(acme, ("Likes tea.",))
    with organization_context(acme.id):
        from tenants.context import alias, atomic

        Memory.objects.bulk_create(
            Memory(
                organization_id=acme.id, agent_organization_id=acme.id, agent_id=of.agent_id, agent_slug="butler",
                end_user=f"user {number % 50}", kind="fact", text=f"Likes tea number {number}.",
                embedder=similarity.NAME, embedding=similarity.vector_of(f"Likes tea number {number}."),
                created_at="2026-01-01T00:00:00Z",
            )
            for number in range(1_000)
        )  # fmt: skip
        with atomic(), connections[alias()].cursor() as cursor:
            cursor.execute("SET LOCAL enable_sort = off")
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            cursor.execute(
                "EXPLAIN SELECT id FROM agents_memory WHERE embedder = 'ngrams-256'"
                " ORDER BY embedding::vector(256) <=> %s LIMIT 5",
                [str(similarity.vector_of("tea"))],
            )
            plan = "\n".join(row[0] for row in cursor.fetchall())
        found = memories.search(of, query="tea", limit=5, min_similarity=0.0)

    assert "agents_memory_near_256" in plan
    assert [each.text for each in found] == ["Likes tea."]


def _version(of: Of, owner: Organization) -> Any:
    from agents.loader import Loadable

    return Loadable(version_id=uuid4(), agent_id=of.agent_id, organization_id=owner.id, slug="butler")


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A provider that the platform pays."""
    with Upstream() as running:
        outbound.configure(allow=[running.address])
        key = await in_thread(_store, None, running.base_url)
        yield running
        await in_thread(_remove, key)
        outbound.configure()


async def test_a_fact_of_one_conversation_is_used_in_the_next_by_the_same_end_user_only(
    acme: Organization, globex: Organization, upstream: Upstream
) -> None:
    for each in (acme, globex):
        await funded(each)
    skills = [SkillChoice(skill=name) for name in ("openai", "long_term_memory", "vector_memory")]
    agent = await hosted(globex, *skills, model="openai/gpt-4o", visibility="public")
    of = Of(organization_id=acme.id, agent_id=agent.id, end_user="ann", kind="fact")
    with organization_context(acme.id):
        await in_thread(
            memories.save, of, text="Is allergic to hazelnuts.", metadata={}, at_most=9,
            agent_organization_id=globex.id, agent_slug=agent.slug,
        )  # fmt: skip

    async def told(payer: Organization, end_user: str | None) -> bool:
        address = f"{globex.slug}/{agent.slug}"
        await converse(caller_of(payer), address, ask("Which cake has no hazelnuts?", end_user=end_user))
        (system, *_) = (upstream.exchanges[-1].body or {})["messages"]
        return "Is allergic to hazelnuts." in str(system)

    assert await told(acme, "ann")
    assert not await told(acme, "ben")
    assert not await told(acme, None)
    assert not await told(globex, "ann")


def test_an_end_user_is_told_and_erased_whole_and_alone(acme: Organization, globex: Organization) -> None:
    for end_user in ("ann", "ben"):
        make.memory(acme, text=f"{end_user} likes tea.", end_user=end_user)
    make.memory(globex, text="Theirs.", end_user="ann")
    make.tool_execution(acme)
    with organization_context(acme.id):
        told = end_users.export("ann")
        gone = end_users.erase("ann")
        left = list(Memory.objects.values_list("text", flat=True))
        noted = list(AuditEvent.objects.filter(action__startswith="end_user.").values_list("action", "detail"))
    with organization_context(globex.id):
        theirs = list(Memory.objects.values_list("text", flat=True))

    assert [row["text"] for row in told["memories"]] == ["ann likes tea."]
    assert told["is_whole"]
    assert (gone["memories"], left, theirs) == (1, ["ben likes tea."], ["Theirs."])
    assert sorted(action for action, _ in noted) == ["end_user.erased", "end_user.exported"]
    assert "ann" not in str([detail for _, detail in noted])
