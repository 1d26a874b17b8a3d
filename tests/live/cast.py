"""The agents of the live tests: one on each model skill, with money and keys around them."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from openai import OpenAI

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
        """Publish an agent of Acme's, open to all; answers its full address."""
        import outbound
        from agents.services.drafts import SkillChoice
        from tests import make

        outbound.configure(allow=[urlsplit(self.upstream_url).netloc])  # a draft's address is checked as it is saved
        skills = [SkillChoice(skill="calculator"), *fields.pop("skills", ())]
        # Whoever uses litellm first waits for its import; only where the upstream says nothing is the wait the point.
        patience = {"idle_timeout_s": 1, "first_byte_timeout_s": 1 if "mute" in model else 30}
        if model.startswith("openai/"):
            skills.append(SkillChoice(skill="openai", options={"base_url": self.upstream_url, **patience}))
        elif not model.startswith("scripted/"):
            skills.append(SkillChoice(skill="litellm", options=patience))
        elif options := fields.pop("options", {}):
            skills.append(SkillChoice(skill="scripted", options=options))
        price = {"price_per_run_nanos": PER_RUN_NANOS, "output_price_pico": 1_000_000_000, **fields}
        agent = make.published(self.acme, model=model, visibility="public", skills=skills, **price)
        return f"{self.acme.slug}/{agent.slug}"

    def client(self, base_url: str, *, key: str | None = None, **options: Any) -> OpenAI:
        """The official SDK, as Globex, without retries of its own."""
        return OpenAI(base_url=f"{base_url}/v1", api_key=key or self.globex_key, **{"max_retries": 0, **options})


def model_on(skill: str, order: str) -> str:
    """The model's name by which `skill` asks the fake upstream for `order`."""
    return f"{'openai' if skill == 'openai' else PROVIDER}/{order}"
