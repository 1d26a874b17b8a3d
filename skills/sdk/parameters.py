"""The fields of a request that may reach a model, by name: OpenAI's own, and those that only other vendors know."""

OPENAI = frozenset(
    (
        "audio", "frequency_penalty", "logit_bias", "logprobs", "metadata", "modalities", "moderation", "n",
        "parallel_tool_calls", "prediction", "presence_penalty", "prompt_cache_key", "prompt_cache_options",
        "prompt_cache_retention", "reasoning_effort", "response_format", "safety_identifier", "seed", "service_tier",
        "stop", "store", "temperature", "tool_choice", "top_logprobs", "top_p", "user", "verbosity",
        "web_search_options",
    )
)  # fmt: skip
"""Fields of Chat Completions besides messages, tools and limits of tokens. A model that does not take one says so."""

VENDORS = frozenset(
    (
        "add_generation_prompt", "chat_template_kwargs", "continue_final_message", "documents", "early_stopping",
        "enable_thinking", "guided_choice", "guided_grammar", "guided_json", "guided_regex", "ignore_eos",
        "include_reasoning", "include_stop_str_in_output", "length_penalty", "min_p", "min_tokens", "mirostat",
        "mirostat_eta", "mirostat_tau", "num_ctx", "prompt_mode", "provider", "reasoning", "reasoning_format",
        "reasoning_summary", "repeat_penalty", "repetition_penalty", "return_citations", "return_images",
        "return_related_questions", "safe_prompt", "search_domain_filter", "search_recency_filter",
        "skip_special_tokens", "spaces_between_special_tokens", "stop_token_ids", "structured_outputs", "tfs_z",
        "think", "thinking", "thinking_budget", "top_a", "top_k", "transforms", "truncate_prompt_tokens", "typical_p",
    )
)  # fmt: skip
"""Fields that popular clients send to everyone. A model skill says which it takes; the rest is left out and named."""

MARKS = frozenset(("cache_control", "prompt_cache_breakpoint"))
"""What clients put on parts of messages and on tools, to say where a provider's cache of prompts ends. As `VENDORS`."""
