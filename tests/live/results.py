"""What the last run of the clients' cases found, kept for the page that says what Robutler works with."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
KEPT = HERE / "results"

PYTHON_CLIENTS = (
    "openai", "langchain", "pydantic-ai", "openai-agents", "litellm", "instructor", "llama-index", "llm",
)  # fmt: skip
NODE_CLIENTS = ("openai-node", "ai-sdk")
NODE_PACKAGES = {"openai-node": ("openai",), "ai-sdk": ("ai", "@ai-sdk/")}


def keep(client: str, cases: Iterable[dict[str, str]]) -> None:
    """Write down how a client's cases went: how many passed, and which did not and why."""
    ordered = sorted(cases, key=lambda case: case["name"])
    found: dict[str, Any] = {
        "packages": packages(client),
        "passed": sum(case["outcome"] == "passed" for case in ordered),
        "not passed": [
            {"case": case["name"], "outcome": case["outcome"], "reason": case["reason"]}
            for case in ordered
            if case["outcome"] != "passed"
        ],
    }
    KEPT.mkdir(exist_ok=True)
    (KEPT / f"{client}.json").write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")


def packages(client: str) -> dict[str, str]:
    """The packages that make up a client, with the versions its lock file has."""
    if client in NODE_CLIENTS:
        locked = json.loads((HERE / "node" / "package-lock.json").read_text())["packages"]
        wanted = {name for name in locked[""]["dependencies"] if name.startswith(NODE_PACKAGES[client])}
        return {name: locked[f"node_modules/{name}"]["version"] for name in sorted(wanted)}
    asked = {line.partition("[")[0].strip() for line in (HERE / "clients" / f"{client}.in").read_text().splitlines()}
    pins = dict(
        line.split(" ")[0].split("==")
        for line in (HERE / "clients" / f"{client}.lock").read_text().splitlines()
        if "==" in line and not line.startswith(" ")
    )
    return {name: pins[name] for name in sorted(asked | {"openai"}) if name in pins and not name.startswith("pytest")}
