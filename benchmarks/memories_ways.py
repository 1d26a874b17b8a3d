"""The measuring half of `benchmarks.memories`, in a process of its own: prints its figures as JSON."""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from uuid import UUID, uuid4

import django

django.setup()

from django.utils import timezone  # noqa: E402  # Django must be set up first

from agents.models import Memory  # noqa: E402
from agents.runtime import similarity  # noqa: E402
from agents.services import memories  # noqa: E402
from agents.services.memories import Of  # noqa: E402
from tenants.context import organization_context  # noqa: E402
from tests import make  # noqa: E402

SEED = 20_261_127
SEARCHES = 200
AT_ONCE = 2_000
FEW = 100
THINGS = (
    "train", "allergy", "passport", "invoice", "garden", "cello", "marathon", "database", "school", "office",
    "kitchen", "bridge", "novel", "winter", "door", "dentist", "ticket", "lamp", "river", "contract", "birthday",
    "engine", "coffee", "window", "museum", "recipe", "bicycle", "lawyer", "island", "camera",
)  # fmt: skip
DOINGS = (
    "likes", "avoids", "ordered", "lost", "repairs", "paints", "pays for", "sold", "borrowed", "plans", "cancelled",
    "remembers", "asked about", "measures", "photographs", "renewed", "inherited", "collects", "returned", "designs",
)  # fmt: skip


def main() -> None:
    """Fill, search, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memories", type=int, required=True)
    asked = parser.parse_args()
    drawn = random.Random(SEED)
    organization, agent = make.organization("Acme"), uuid4()
    with organization_context(organization.id):
        fill_s = _seconds(lambda: _fill(organization.id, agent, asked.memories, drawn))
        found = {"memories": float(asked.memories), "fill_s": fill_s}
        for who, end_user, many in (("many", "many", asked.memories // 10), ("few", "user 7", FEW)):
            found |= {f"{who}_{name}": value for name, value in _search(organization.id, agent, end_user, many).items()}
        (some,) = Memory.objects.values_list("id", flat=True)[:1]
        times = [_seconds(lambda: Memory.objects.values_list("text").get(id=some)) for _ in range(SEARCHES)]
        found["bare_p50_ms"] = statistics.median(times) * 1_000
    found["vector_ms"] = _seconds(lambda: [similarity.vector_of(_sentence(n, drawn)) for n in range(SEARCHES)]) * 5
    print(json.dumps(found))


def _fill(organization_id: UUID, agent_id: UUID, count: int, drawn: random.Random) -> None:
    rows = []
    for number in range(count):
        is_many = number % 10 == 0
        text = _sentence(number, drawn)
        end_user = "many" if is_many else f"user {number % (count // FEW)}"
        rows.append(
            Memory(
                organization_id=organization_id, agent_organization_id=organization_id, agent_id=agent_id,
                agent_slug="butler", end_user=end_user, kind="fact", text=text, metadata={"number": number},
                embedder=similarity.NAME, embedding=similarity.vector_of(text), created_at=timezone.now(),
            )
        )  # fmt: skip
        if len(rows) == AT_ONCE:
            Memory.objects.bulk_create(rows)
            rows = []
    Memory.objects.bulk_create(rows)


def _sentence(number: int, drawn: random.Random) -> str:
    one, other = drawn.sample(THINGS, 2)
    return f"{drawn.choice(DOINGS).capitalize()} the {one} near the {other}, number {number}."


def _search(organization_id: UUID, agent_id: UUID, end_user: str, many: int) -> dict[str, float]:
    """Ask for sentences by most of their words; how long it took, and how often the right one was among the first."""
    of = Of(organization_id=organization_id, agent_id=agent_id, end_user=end_user, kind="fact")
    wanted = list(
        Memory.objects.filter(end_user=end_user).order_by("id").values_list("id", "text")[:: max(1, many // SEARCHES)]
    )[:SEARCHES]
    times, right = [], 0
    for id, text in wanted:
        query = text.replace("the ", "").rstrip(".").casefold()
        began = time.perf_counter()
        found = memories.search(of, query=query, limit=3, min_similarity=0.1)
        times.append(time.perf_counter() - began)
        right += id in {each.id for each in found}
    ranked = sorted(times)
    return {
        "p50_ms": statistics.median(ranked) * 1_000,
        "p95_ms": ranked[int(len(ranked) * 0.95)] * 1_000,
        "recall": right / len(wanted),
    }


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
