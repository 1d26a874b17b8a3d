"""The options of every skill that asks a provider over the network: whose key, and how patiently."""

import re

from pydantic import Field, field_validator

from skills.sdk.retries import RetryPolicy
from skills.sdk.skill import CredentialReference, Skill

FALLBACKS_MAX = 5
_MODEL = re.compile(r"[^\s/]{1,64}/\S{1,200}")


class ProviderOptions(Skill.Options):
    """Subclass it for what one skill adds."""

    credential: CredentialReference | None = None
    """Which of the organization's keys to use; without one, its own for the provider, else the platform's."""
    fallbacks: tuple[str, ...] = Field(default=(), max_length=FALLBACKS_MAX)
    """Models (provider/model) that answer in order when the agent's own does not, each at its own price."""
    retries: int = Field(default=2, ge=0, le=5)
    """How often to try again before the first piece of the reply has come, whatever the failures were."""
    rate_limited_retries: int | None = Field(default=None, ge=0, le=5)
    """How often at most after the provider's limit was reached (429)."""
    overloaded_retries: int | None = Field(default=None, ge=0, le=5)
    """How often at most after the provider was overloaded (503, 529)."""
    unreachable_retries: int | None = Field(default=None, ge=0, le=5)
    """How often at most after a broken connection or any other failure of the provider (5xx)."""
    connect_timeout_retries: int | None = Field(default=None, ge=0, le=5)
    """How often at most after the provider was not reached in time."""
    connect_timeout_s: float = Field(default=3.0, ge=0.1, le=10)
    """Seconds to reach the provider."""
    first_byte_timeout_s: float = Field(default=60.0, ge=0.1, le=300)
    """Seconds until the reply begins."""
    idle_timeout_s: float = Field(default=30.0, ge=0.1, le=300)
    """Seconds of silence within the reply."""
    total_timeout_s: float = Field(default=300.0, ge=0.1, le=3_600)
    """Seconds for the whole reply."""

    @field_validator("fallbacks")
    @classmethod
    def _name_models(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for model in value:
            if not _MODEL.fullmatch(model):
                raise ValueError(f"{model!r} is not a model: write it as provider/model.")
        if len(set(value)) < len(value):
            raise ValueError("A model is named twice.")
        return value

    @property
    def retry_policy(self) -> RetryPolicy:
        """How often to try again."""
        return RetryPolicy(
            most=self.retries,
            rate_limited=self.rate_limited_retries,
            overloaded=self.overloaded_retries,
            unreachable=self.unreachable_retries,
            connect_timeout=self.connect_timeout_retries,
        )
