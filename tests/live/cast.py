"""The agents of the live tests: one on each model skill, with money and keys around them."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam

from tests.live.witness import AsyncWatchedTransport, WatchedTransport, Witness

CREDIT_NANOS = 100_000_000_000
PER_RUN_NANOS = 1_000_000
PROVIDER = "deepseek"


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Acme's agents as Globex calls them, and a key of each."""

    acme: Any
    globex: Any
    acme_key: str
    globex_key: str
    upstream_url: str

    def publish(self, *, model: str, **fields: Any) -> str:
        """Publish an agent of Acme's or another `owner`'s, open to all; answers its full address."""
        import outbound
        from agents.services.drafts import SkillChoice
        from tests import make

        # A draft's address is checked as it is saved.
        outbound.configure(allow=[urlsplit(self.upstream_url).netloc, *fields.pop("allow", ())])
        skills = [SkillChoice(skill="calculator"), *fields.pop("skills", ())]
        options = fields.pop("options", {})
        # Whoever uses litellm first waits for its import; only where the upstream says nothing is the wait the point.
        patience = {"idle_timeout_s": 1, "first_byte_timeout_s": 1 if "mute" in model else 30}
        provider = model.partition("/")[0]
        if provider in ("openai", "anthropic"):
            skills.append(SkillChoice(skill=provider, options={"base_url": self.upstream_url, **patience, **options}))
        elif not model.startswith("scripted/"):
            skills.append(SkillChoice(skill="litellm", options={**patience, **options}))
        elif options:
            skills.append(SkillChoice(skill="scripted", options=options))
        price = {"price_per_run_nanos": PER_RUN_NANOS, "output_price_pico": 1_000_000_000, **fields}
        owner = price.pop("owner", self.acme)
        agent = make.published(owner, model=model, visibility="public", skills=skills, **price)
        return f"{owner.slug}/{agent.slug}"

    def talker(self, skill: str = "scripted", order: str = "echo") -> str:
        """Publish an agent that repeats what it is told, or follows the order."""
        if skill == "scripted":
            return self.publish(
                model="scripted/persona", options={"rules": [{"match": "Hello", "text": "Hello there."}]}
            )
        return self.publish(model=model_on(skill, order))

    def client(
        self, base_url: str, *, key: str | None = None, witness: Witness | None = None, **options: Any
    ) -> OpenAI:
        """The official SDK, as Globex, without retries of its own; closing it fails when an answer was not OpenAI's."""
        watched = httpx.Client(transport=WatchedTransport(witness or Witness()), timeout=60)
        return OpenAI(http_client=watched, **self._options(base_url, key, options))

    def async_client(
        self, base_url: str, *, key: str | None = None, witness: Witness | None = None, **options: Any
    ) -> AsyncOpenAI:
        """The same, asynchronous."""
        watched = httpx.AsyncClient(transport=AsyncWatchedTransport(witness or Witness()), timeout=60)
        return AsyncOpenAI(http_client=watched, **self._options(base_url, key, options))

    def _options(self, base_url: str, key: str | None, options: dict[str, Any]) -> dict[str, Any]:
        return {"base_url": f"{base_url}/v1", "api_key": key or self.globex_key, "max_retries": 0, **options}


def ask(words: str) -> list[ChatCompletionMessageParam]:
    """A conversation that the user begins."""
    return [{"role": "user", "content": words}]


def model_on(skill: str, order: str) -> str:
    """The model's name by which `skill` asks the fake upstream for `order`."""
    return f"{skill if skill in ('openai', 'anthropic') else PROVIDER}/{order}"
