"""The clients of the wild, and what the last run of their cases found, kept for the page about them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.locks import pins

HERE = Path(__file__).parent
KEPT = HERE / "results"


@dataclass(frozen=True, kw_only=True)
class Client:
    """Something that speaks OpenAI, made of these packages; `pointed` is how it is told where we are."""

    name: str
    title: str
    packages: tuple[str, ...]
    pointed: str
    is_node: bool = False


CLIENTS = (
    Client(
        name="openai",
        title="OpenAI's Python SDK",
        packages=("openai",),
        pointed='OpenAI(base_url="https://…/v1", api_key=…)',
    ),
    Client(
        name="langchain",
        title="LangChain, with its own standard tests",
        packages=("langchain-openai", "langchain-core", "langchain-tests"),
        pointed='ChatOpenAI(model="org/agent", base_url="https://…/v1", api_key=…)',
    ),
    Client(
        name="pydantic-ai",
        title="Pydantic AI",
        packages=("pydantic-ai-slim",),
        pointed='OpenAIChatModel("org/agent", provider=OpenAIProvider(base_url="https://…/v1", api_key=…))',
    ),
    Client(
        name="openai-agents",
        title="OpenAI Agents SDK",
        packages=("openai-agents",),
        pointed='OpenAIChatCompletionsModel("org/agent", AsyncOpenAI(base_url="https://…/v1", api_key=…))',
    ),
    Client(
        name="litellm",
        title="LiteLLM",
        packages=("litellm",),
        pointed='completion(model="openai/org/agent", api_base="https://…/v1", api_key=…)',
    ),
    Client(
        name="instructor",
        title="Instructor",
        packages=("instructor",),
        pointed='instructor.from_openai(OpenAI(base_url="https://…/v1", api_key=…))',
    ),
    Client(
        name="llama-index",
        title="LlamaIndex",
        packages=("llama-index-llms-openai-like", "llama-index-core"),
        pointed='OpenAILike(model="org/agent", api_base="https://…/v1", api_key=…, is_chat_model=True)',
    ),
    Client(
        name="llm",
        title="`llm`, the command and the library",
        packages=("llm",),
        pointed="`model_name` and `api_base` in `extra-openai-models.yaml`",
    ),
    Client(
        name="openai-node",
        title="OpenAI's Node SDK",
        packages=("openai",),
        pointed='new OpenAI({ baseURL: "https://…/v1", apiKey: … })',
        is_node=True,
    ),
    Client(
        name="ai-sdk",
        title="Vercel AI SDK, both providers",
        packages=("ai", "@ai-sdk/openai-compatible", "@ai-sdk/openai"),
        pointed='createOpenAICompatible({ name: "robutler", baseURL: "https://…/v1", apiKey: … })("org/agent")',
        is_node=True,
    ),
)


def keep(client: Client, cases: Iterable[dict[str, str]]) -> None:
    """Write down how a client's cases went: how many passed, and which did not and why."""
    ordered = sorted(cases, key=lambda case: case["name"])
    missed = [case for case in ordered if case["outcome"] != "passed"]
    found: dict[str, Any] = {
        "packages": versions(client),
        "passed": len(ordered) - len(missed),
        "not passed": [{"case": case["name"], "reason": case["reason"]} for case in missed],
    }
    KEPT.mkdir(exist_ok=True)
    (KEPT / f"{client.name}.json").write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")


def kept(client: Client) -> dict[str, Any]:
    """What was written down."""
    found: dict[str, Any] = json.loads((KEPT / f"{client.name}.json").read_text())
    return found


def versions(client: Client) -> dict[str, str]:
    """The packages that make up a client, with the versions that its lock file has, and that of the SDK below it."""
    locked = _locked_by_npm() if client.is_node else pins((HERE / "clients" / f"{client.name}.lock").read_text())
    below = () if client.is_node else ("openai",)
    return {name: locked[name] for name in dict.fromkeys((*client.packages, *below))}


def _locked_by_npm() -> Mapping[str, str]:
    packages = json.loads((HERE / "node" / "package-lock.json").read_text())["packages"]
    return {path.removeprefix("node_modules/"): package.get("version", "") for path, package in packages.items()}
