"""Everything a skill author imports."""

from skills.sdk.calls import ModelReply, RunOutcome, ToolCall, ToolOutcome
from skills.sdk.context import RunCaller, RunContext, Scope, current_run
from skills.sdk.decorators import handoff, hook, http, pricing, prompt, tool
from skills.sdk.embedding import EmbeddingInput, EmbeddingRequest, Embeddings
from skills.sdk.errors import (
    AccessDenied,
    BudgetExhausted,
    CredentialMissing,
    InvalidAgent,
    ModelFailed,
    ModelOverloaded,
    ModelRateLimited,
    ModelRejected,
    ModelTimeout,
    ModelUnauthorized,
    ModelUnreachable,
    NotAvailable,
    PaymentRequired,
    ReplyUnfit,
    RunRefused,
    RunTimedOut,
    SkillError,
    ToolFailed,
    ToolRetry,
)
from skills.sdk.model import Chunk, FinishReason, Message, ModelRequest, ModelSkill, ToolCallFragment
from skills.sdk.ports import Credential, Ports, TurnBudget
from skills.sdk.secret import Secret
from skills.sdk.skill import CredentialReference, Skill, StartedAgent
from skills.sdk.specs import HandoffResult, PricingInfo
from skills.sdk.usage import Usage, UsageRecord

__all__ = [
    "AccessDenied",
    "BudgetExhausted",
    "Chunk",
    "Credential",
    "CredentialMissing",
    "CredentialReference",
    "EmbeddingInput",
    "EmbeddingRequest",
    "Embeddings",
    "FinishReason",
    "HandoffResult",
    "InvalidAgent",
    "Message",
    "ModelFailed",
    "ModelOverloaded",
    "ModelRateLimited",
    "ModelRejected",
    "ModelReply",
    "ModelRequest",
    "ModelSkill",
    "ModelTimeout",
    "ModelUnauthorized",
    "ModelUnreachable",
    "NotAvailable",
    "PaymentRequired",
    "Ports",
    "PricingInfo",
    "ReplyUnfit",
    "RunCaller",
    "RunContext",
    "RunOutcome",
    "RunRefused",
    "RunTimedOut",
    "Scope",
    "Secret",
    "Skill",
    "SkillError",
    "StartedAgent",
    "ToolCall",
    "ToolCallFragment",
    "ToolFailed",
    "ToolOutcome",
    "ToolRetry",
    "TurnBudget",
    "Usage",
    "UsageRecord",
    "current_run",
    "handoff",
    "hook",
    "http",
    "pricing",
    "prompt",
    "tool",
]
