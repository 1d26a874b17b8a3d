"""Which providers go on working, and billing, when the connection of a streamed call is closed."""

BILLING_ON = frozenset(
    (
        "ai21", "alibaba", "bedrock", "bedrock_converse", "dashscope", "featherless_ai", "gemini", "groq",
        "huggingface", "lambda_ai", "minimax", "mistral", "nebius", "palm", "perplexity", "replicate", "sagemaker",
        "sambanova", "vertex_ai", "vertex_ai_beta",
    )
)  # fmt: skip
"""Providers, by the first part of `provider/model`, that finish a reply which nobody reads and ask to be paid for it.

Source: openrouter.ai/docs/api-reference/streaming, "Stream Cancellation", as it stood in November 2026, in the names
that the model skills use. It lists as stopping at once: OpenAI, Azure, Anthropic, Fireworks, Novita, DeepInfra,
Together, Cohere, Hyperbolic, xAI, Cloudflare, Friendli, DeepSeek and others. A provider on neither list, such as a
server of the owner's own, is taken to stop: that is what the usual servers do.
"""


def bills_on(model: str) -> bool:
    """Whether a call of `provider/model` costs as much when it is broken off as when it is heard out."""
    return model.partition("/")[0] in BILLING_ON
