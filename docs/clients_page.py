"""Writes the page of the clients that Robutler works with, from what the last run of their cases found."""

from collections.abc import Iterator

from tests.live.results import CLIENTS, HERE, kept
from tests.locks import pins

ROOT = HERE.parents[1]

PAGE = """\
# Works with

{note}

Whatever speaks OpenAI's Chat Completions works with an agent: give it `https://…/v1` as the base URL, an API key of
Robutler's, and the agent's name, `agent` or `organization/agent`, as the model.

These are proven by `make prove`: each client, as its users install it, in an environment of its own made from a lock
file with hashes, against one real server. The cases are, as far as the client has them, whole and streamed answers,
system prompts, conversations with a past, tools of the client's (one, several, streamed, demanded), structured output,
usage, pictures, errors with the client's own classes, streams that break and clients that leave in the middle.
Afterwards every run is settled and the books balance. The official Python SDK ({own}) is also part of `make test`,
where each of its answers is held against OpenAI's own types with no further field allowed.

| client | versions | cases passed | not run | pointed at us by |
|---|---|---|---|---|
{clients}

The Python clients are the newest of their kind at the time. The Node clients are the newest that run on Node 20.

## Cases that are not run

| client | case | why |
|---|---|---|
{missed}

## What does not work

- The Responses API, the Assistants API and what is built on them. Libraries that can do both have to be told to use
  Chat Completions: `OpenAIChatModel` and not `OpenAIResponsesModel` in Pydantic AI, `OpenAIChatCompletionsModel` in the
  Agents SDK, `createOpenAI(…).chat(…)` in the Vercel AI SDK, no `use_responses_api` in LangChain.
- Custom tools with free-form input: 400 `unsupported_parameter`. Function tools take their place.
- Pictures and documents inside the answer of a tool. OpenAI's own messages of this kind hold text as well.
- What the agent's model cannot do: a 400 names the field, or, if the agent's owner wants it so, it is left out and
  named in `x-robutler-ignored-params`. [Chat completions](chat-completions.md) has every field.
"""


def clients_page(note: str) -> str:
    """The table of clients, versions and cases, the cases that are not run, and what does not work."""
    own = pins((ROOT / "requirements.lock").read_text())["openai"]
    return PAGE.format(note=note, own=own, clients="\n".join(_clients()), missed="\n".join(_missed()))


def _clients() -> Iterator[str]:
    for client in CLIENTS:
        found = kept(client)
        versions = ", ".join(f"{name} {version}" for name, version in found["packages"].items())
        pointed = client.pointed if client.pointed.startswith("`") else f"`{client.pointed}`"
        missed = len(found["not passed"]) or "—"
        yield f"| {client.title} | {versions} | {found['passed']} | {missed} | {pointed} |"


def _missed() -> Iterator[str]:
    for client in CLIENTS:
        for each in kept(client)["not passed"]:
            yield f"| {client.name} | `{each['case']}` | {each['reason']} |"
