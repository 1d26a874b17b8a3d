"""Every fault of a provider × every skill that asks one × streaming and whole: what is answered, charged and counted.

The charge is read from the books: a token of output costs a thousandth of a cent here, and a run as much as one. What
was delivered before a fault is counted by its bytes, four to a token; of a reply that was to come whole nothing was.
"""

import json
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import httpx
import pytest

from tests import make
from tests.fakes.untrusted import untrusted
from tests.fakes.upstream import Upstream
from tests.live.books import Books
from tests.live.cast import CREDIT_NANOS, PER_RUN_NANOS, Cast
from tests.live.conftest import Start
from tests.live.server import LiveServer
from tests.scrapes import Grown

NOBODY = "127.0.0.1:9"
PER_TOKEN_NANOS = 1_000_000
SECRETS = ("sk-upstream", "10.0.0.7", "127.0.0.1")
Place = Literal["upstream", "nobody", "untrusted"]

PROVIDERS: dict[str, dict[Place, str]] = {
    "openai": dict.fromkeys(("upstream", "nobody", "untrusted"), "openai"),
    "anthropic": dict.fromkeys(("upstream", "nobody", "untrusted"), "anthropic"),
    "litellm": {"upstream": "deepseek", "nobody": "hosted_vllm", "untrusted": "moonshot"},
}
"""By skill: which provider is asked at which place. For litellm the platform's credential says where that is."""
SKILLS = tuple(PROVIDERS)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What a provider does, and what becomes of it. `tokens` were delivered before; None of it if it never began."""

    order: str = "echo"
    place: Place = "upstream"
    status: int
    type: str
    code: str
    retry_after: str | None = None
    tokens: int | None = None
    impatient: bool = False


FAULTS = {
    "429": Fault(
        order="fault-429:after=7", status=429, type="rate_limit_error", code="rate_limit_exceeded", retry_after="7"
    ),
    "500": Fault(order="fault-500", status=502, type="upstream_error", code="upstream_failed", retry_after="1"),
    "503 overloaded": Fault(
        order="fault-503:after=9", status=503, type="upstream_error", code="upstream_overloaded", retry_after="9"
    ),
    "401": Fault(order="fault-401", status=502, type="upstream_error", code="upstream_failed"),
    "connection refused": Fault(
        place="nobody", status=502, type="upstream_error", code="upstream_failed", retry_after="1"
    ),
    "untrusted certificate": Fault(
        place="untrusted", status=502, type="upstream_error", code="upstream_failed", retry_after="1"
    ),
    "cut before the first byte": Fault(
        order="fault-cut-early", status=502, type="upstream_error", code="upstream_failed", retry_after="1"
    ),
    "never a byte": Fault(
        order="fault-mute", status=504, type="timeout_error", code="upstream_timeout", impatient=True
    ),
    "cut after the first byte": Fault(
        order="fault-cut", status=502, type="upstream_error", code="upstream_failed", tokens=2
    ),
    "half a JSON event": Fault(order="fault-half", status=502, type="upstream_error", code="upstream_failed", tokens=2),
    "bad JSON": Fault(order="fault-badjson", status=502, type="upstream_error", code="upstream_failed", tokens=2),
    "stall": Fault(
        order="fault-stall", status=504, type="timeout_error", code="upstream_timeout", tokens=2, impatient=True
    ),
    "error event": Fault(order="fault-error", status=502, type="upstream_error", code="upstream_failed", tokens=2),
    "no end": Fault(order="fault-nofinish", status=502, type="upstream_error", code="upstream_failed", tokens=13),
    "16 MB line": Fault(order="fault-longline", status=502, type="upstream_error", code="upstream_failed", tokens=2),
}

CASES = [
    pytest.param(name, skill, stream, id=f"{name}-{skill}-{'stream' if stream else 'whole'}")
    for name, fault in FAULTS.items()
    for skill in SKILLS
    for stream in ((True, False) if fault.tokens is not None else (True,))
]
"""What never began is answered in the same way, streaming or whole."""

USAGES = {"none": 13, "every": 20, "last": 20, "huge": 13, "negative": 13, "digits": 13, "float": 13}
"""By how the provider tells it (missing, again and again, with the end; 10^9, -5, "12", 3.7): tokens that are charged.

Twenty numbers are said, in 51 bytes.
"""


@dataclass(frozen=True, eq=False, kw_only=True)
class Stage:
    """A server, and Acme's agents on it by skill, place and patience."""

    live: LiveServer
    cast: Cast
    places: dict[Place, str]
    allowed: list[str]

    @cache  # noqa: B019  # as long as the module
    def agent(self, skill: str, place: Place, *, impatient: bool = False) -> str:
        """The address of an agent whose provider is at that place."""
        patience = {"first_byte_timeout_s": 1, "idle_timeout_s": 0.5} if impatient else {"first_byte_timeout_s": 30}
        options: dict[str, Any] = {"retries": 0, "idle_timeout_s": 30, **patience}
        if skill != "litellm":
            options["base_url"] = self.places[place]
        return self.cast.publish(model=f"{PROVIDERS[skill][place]}/echo", options=options, allow=self.allowed)


@pytest.fixture(scope="module")
def stage(start: Start, cast: Cast, upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Generator[Stage]:
    """The server of the matrix, which reaches every place."""
    from skills.sdk import Secret
    from tenants.context import platform_context
    from tenants.services import store_credential

    with ExitStack() as stack:
        tls = stack.enter_context(untrusted(tmp_path_factory.mktemp("tls")))
        places: dict[Place, str] = {
            "upstream": upstream.base_url,
            "nobody": f"http://{NOBODY}/v1",
            "untrusted": f"https://{tls}/v1",
        }
        allowed = [upstream.address, NOBODY, tls]
        with platform_context(reason="providers for tests"):
            for place, provider in PROVIDERS["litellm"].items():
                if place != "upstream":
                    store_credential(
                        organization_id=None, provider=provider, secret=Secret("sk-upstream-test"),  # type: ignore[arg-type]
                        base_url=places[place], unpriced_allowed=True,
                    )  # fmt: skip
        live = stack.enter_context(start(ROBUTLER_OUTBOUND_ALLOW=",".join(allowed)))
        made = Stage(live=live, cast=cast, places=places, allowed=allowed)
        for skill in SKILLS:  # whoever uses litellm first waits for its import
            asked(made, cast.globex_key, made.agent(skill, "upstream"), "echo", stream=False).raise_for_status()
        yield made


@pytest.fixture
def payer() -> tuple[Any, str]:
    """Somebody who has asked for nothing yet, and a key."""
    organization = make.wallet(make.organization("Payer"), CREDIT_NANOS)
    return organization, make.key(organization)


def asked(stage: Stage, key: str, address: str, order: str, *, stream: bool) -> httpx.Response:
    body = {"model": address, "messages": [{"role": "user", "content": f"/{order}"}], "stream": stream}
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(f"{stage.live.url}/v1/chat/completions", json=body, headers=headers, timeout=60)


def grown_on(stage: Stage) -> Grown:
    return Grown(lambda: httpx.get(f"{stage.live.url}/metrics").text)


def charged(organization: Any) -> int:
    """What the books say, once nothing is held any more."""
    from billing import ledger

    balance = ledger.balance(organization.id)
    assert balance.held == 0
    return int(CREDIT_NANOS - balance.posted)


def events_of(answer: httpx.Response) -> list[str]:
    return [event.removeprefix("data: ") for event in answer.text.split("\n\n") if event.startswith("data: ")]


@pytest.mark.parametrize(("name", "skill", "stream"), CASES)
def test_a_fault_is_told_charged_and_counted(
    stage: Stage, payer: tuple[Any, str], books: Books, name: str, skill: str, stream: bool
) -> None:
    fault, (organization, key) = FAULTS[name], payer
    address = stage.agent(skill, fault.place, impatient=fault.impatient)
    grown = grown_on(stage)

    answer = asked(stage, key, address, fault.order, stream=stream)

    begun = fault.tokens is not None
    if stream and begun:
        *_, last, end = events_of(answer)
        error = json.loads(last)["error"]
        assert (answer.status_code, end) == (200, "[DONE]")
    else:
        error = answer.json()["error"]
        assert answer.status_code == fault.status
        if not begun:
            assert answer.headers.get("retry-after") == fault.retry_after
    assert (error["type"], error["code"]) == (fault.type, fault.code)
    assert not [secret for secret in SECRETS if secret in answer.text]
    delivered = fault.tokens or 0 if stream else 0
    assert charged(organization) == delivered * PER_TOKEN_NANOS
    assert grown.by("robutler_agent_errors_total", error_type=fault.code) == 1
    assert books.balance()


@pytest.mark.parametrize("skill", SKILLS)
@pytest.mark.parametrize("told", USAGES)
def test_usage_is_believed_as_far_as_it_can_be_and_once(
    stage: Stage, payer: tuple[Any, str], books: Books, told: str, skill: str
) -> None:
    organization, key = payer

    answer = asked(stage, key, stage.agent(skill, "upstream"), f"count-20:usage={told}", stream=True)

    assert answer.status_code == 200
    assert "error" not in answer.text
    assert charged(organization) == PER_RUN_NANOS + USAGES[told] * PER_TOKEN_NANOS
    assert books.balance()


@pytest.mark.parametrize("skill", SKILLS)
def test_a_fault_that_is_tried_again_is_charged_once(
    stage: Stage, payer: tuple[Any, str], upstream: Upstream, skill: str
) -> None:
    organization, key = payer
    address = stage.cast.publish(model=f"{PROVIDERS[skill]['upstream']}/again", options={"retries": 2})
    order = f"count-20:status=503:times=2:of={skill}"

    answer = asked(stage, key, address, order, stream=False)

    assert answer.status_code == 200
    assert [exchange.status for exchange in upstream.exchanges if exchange.order == order] == [503, 503, 200]
    assert charged(organization) == PER_RUN_NANOS + 20 * PER_TOKEN_NANOS


def test_another_provider_answers_for_one_that_is_not_there(
    stage: Stage, payer: tuple[Any, str], upstream: Upstream, books: Books
) -> None:
    organization, key = payer
    own, other = (f"{PROVIDERS['litellm'][place]}/echo" for place in ("nobody", "upstream"))
    address = stage.cast.publish(model=own, options={"retries": 0, "fallbacks": [other]})
    order = "count-20:stand=in"

    answer = asked(stage, key, address, order, stream=False)

    assert answer.status_code == 200
    assert answer.json()["model"] == address
    assert [exchange.order for exchange in upstream.exchanges].count(order) == 1
    assert charged(organization) == PER_RUN_NANOS + 20 * PER_TOKEN_NANOS
    assert books.model_of(answer.headers["x-robutler-run-id"]) == other
