"""Who may begin when all places are taken: in order, each organization in its turn, nobody for ever."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from agents.errors import Draining, TooManyRuns
from agents.services.admission import Admission, Terms

TERMS = Terms(places=4, share_percent=25, wait_s=30, most_waiting=100)
ACME, GLOBEX, INITECH = uuid4(), uuid4(), uuid4()


class House:
    """A process with a few places, and who came in, in order."""

    def __init__(self, terms: Terms = TERMS) -> None:
        self.admission = Admission()
        self.terms = terms
        self.entered: list[UUID] = []
        self._leave: list[tuple[UUID, asyncio.Event]] = []

    async def stay(self, organization: UUID) -> None:
        """Come in, and stay until asked to leave."""
        async with self.admission.place(organization, self.terms):
            asked = asyncio.Event()
            self._leave.append((organization, asked))
            self.entered.append(organization)
            await asked.wait()

    async def one_leaves(self, organization: UUID) -> None:
        """Have one run of the organization end, and see who comes in for it."""
        found = next(pair for pair in self._leave if pair[0] == organization)
        self._leave.remove(found)
        found[1].set()
        await turn()

    def all_leave(self) -> None:
        for _, asked in self._leave:
            asked.set()


async def turn() -> None:
    """Let everybody do what they can do now."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def house() -> House:
    return House()


async def come(group: asyncio.TaskGroup, house: House, *organizations: UUID) -> list[asyncio.Task[None]]:
    """They come one after the other."""
    tasks = []
    for organization in organizations:
        tasks.append(group.create_task(house.stay(organization)))
        await turn()
    return tasks


async def end(house: House, tasks: list[asyncio.Task[None]]) -> None:
    while not all(task.done() for task in tasks):
        house.all_leave()
        await turn()


async def test_one_organization_may_have_everything_while_nobody_else_waits(house: House) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = await come(group, house, *[ACME] * 6)
        assert (len(house.entered), house.admission.waiting) == (4, 2)
        await end(house, tasks)

    assert house.entered == [ACME] * 6


async def test_others_come_first_once_they_wait(house: House) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = await come(group, house, *[ACME] * 6, GLOBEX, INITECH)
        for _ in range(2):
            await house.one_leaves(ACME)
        seen = list(house.entered)
        await end(house, tasks)

    assert seen == [ACME] * 4 + [GLOBEX, INITECH]


async def test_who_wait_take_turns(house: House) -> None:
    house.terms = replace(TERMS, share_percent=100)
    async with asyncio.TaskGroup() as group:
        tasks = await come(group, house, *[INITECH] * 4, *[ACME] * 3, *[GLOBEX] * 2)
        for _ in range(4):
            await house.one_leaves(INITECH)
        seen = house.entered[4:]
        await end(house, tasks)

    assert seen == [ACME, GLOBEX, ACME, GLOBEX]


async def test_places_are_not_kept_empty_for_a_share(house: House) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = await come(group, house, ACME, GLOBEX, INITECH, ACME, ACME, GLOBEX)
        await house.one_leaves(INITECH)
        seen = list(house.entered)
        await end(house, tasks)

    # Both who wait have their share; the place goes to who has least.
    assert seen == [ACME, GLOBEX, INITECH, ACME, GLOBEX]


async def test_who_waits_too_long_is_refused(house: House) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = await come(group, house, *[ACME] * 4)
        house.terms = replace(TERMS, wait_s=0.05)
        with pytest.raises(TooManyRuns):
            await house.stay(GLOBEX)
        waiting = house.admission.waiting
        await end(house, tasks)

    assert waiting == 0


@pytest.mark.parametrize(
    ("terms", "came"), [(replace(TERMS, most_waiting=2, share_percent=100), 6), (replace(TERMS, most_waiting=8), 6)]
)
async def test_only_so_many_wait_of_all_and_of_one(house: House, terms: Terms, came: int) -> None:
    house.terms = terms
    async with asyncio.TaskGroup() as group:
        tasks = await come(group, house, *[ACME] * came)
        with pytest.raises(TooManyRuns):
            await house.stay(ACME)
        await end(house, tasks)


async def gives_up(task: asyncio.Task[None]) -> None:
    task.cancel()
    await turn()


async def test_who_gives_up_waiting_takes_no_place(house: House) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = await come(group, house, *[ACME] * 4, GLOBEX, INITECH)
        await gives_up(tasks[4])
        await house.one_leaves(ACME)
        seen = list(house.entered)
        await end(house, tasks)

    assert seen == [ACME] * 4 + [INITECH]


async def test_who_leaves_at_the_moment_of_being_let_in_gives_the_place_back(house: House) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = await come(group, house, *[ACME] * 4, GLOBEX, INITECH)
        found = house._leave.pop(0)
        found[1].set()
        await asyncio.sleep(0)  # GLOBEX has the place by now, and does not know
        await gives_up(tasks[4])
        seen = list(house.entered)
        await end(house, tasks)

    assert INITECH in seen


async def test_who_waits_for_a_process_that_ends_is_told(house: House) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = await come(group, house, *[ACME] * 4)
        waits = asyncio.create_task(house.stay(GLOBEX))
        await turn()
        house.admission.refuse_all(Draining())
        with pytest.raises(Draining):
            await waits
        await end(house, tasks)


async def test_a_failure_gives_the_place_back(house: House) -> None:
    async def fail() -> None:
        async with house.admission.place(ACME, house.terms):
            raise ZeroDivisionError

    for _ in range(10):
        with pytest.raises(ZeroDivisionError):
            await fail()

    async with AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(house.admission.place(ACME, house.terms))
