"""The reference of the API: every endpoint, parameter, header and refusal, drawn from its OpenAPI document."""

import json
from collections.abc import Iterator
from typing import Any

PAGE = """\
# The API

{note}

What OpenAI's clients speak, at `/v1`, and what they need besides. The whole of it is described for machines at
`/v1/openapi.json`, and for people at `/v1/docs`; both are open to everybody. The fields of a completion are in
[Chat completions](chat-completions.md), what ends a request that takes too long in [Timeouts](timeouts.md).

| | address | what it does |
|---|---|---|
{endpoints}

All but the pages of the platform and of public agents need a key: `Authorization: Bearer rb_live_…`. To ask agents, and
to price that, a key needs the permission `chat:write`. With `usage:read` it reads the usage and the runs of its whole
organization, without it those of its own; `whose=key` and `whose=organization` say which are meant.

## An example

```python
import os

import httpx
from openai import OpenAI

client = OpenAI(base_url=os.environ["ROBUTLER_URL"], api_key=os.environ["ROBUTLER_KEY"])
asked = {{
    "model": os.environ["ROBUTLER_AGENT"],
    "messages": [{{"role": "user", "content": "Hello!"}}],
}}

estimate = client.post("/estimate", body=asked, cast_to=httpx.Response).json()
answer = client.chat.completions.with_raw_response.create(**asked, extra_headers={{"Idempotency-Key": "order-4711"}})
run = client.get(f"/runs/{{answer.headers['x-robutler-run-id']}}", cast_to=httpx.Response).json()

print(answer.parse().choices[0].message.content)
print(f"{{run['usage']['output_tokens']}} tokens for {{run['charged_usd']}} of at most {{estimate['max_usd']}} dollars")
```

## Parameters

| address | parameter | what it may be | |
|---|---|---|---|
{parameters}

A parameter that an address does not have is refused: 400 `unknown_parameter`.

## Money

Amounts are whole nanodollars, as strings (`…_nanos`), and exact dollars (`…_usd`): never floating point. What was
paid for a run is what the ledger settled, also where the process that ran it was killed. `GET /v1/runs/{{run_id}}`
shows every charge of the run with what was held for it, cost, markup and fee, what was charged of that, who got which
part, and the transfers that moved it. It can be asked for as soon as an answer, or its stream, has ended, of any
process; lists and sums follow within a second. An estimate is made by the arithmetic that reserves money for the run
itself.

## Asking once

A POST that costs something may carry `Idempotency-Key`: 1 to 255 printable ASCII characters of the client's choice,
such as the id of an order. The key belongs to the organization for {hours} hours and stands for one request: method,
address and the exact bytes of the body.

- The same request again is told the same answer: status, body, the frames of a stream, and the headers of its run, with
  `Idempotent-Replayed: true`. Nothing is run, nothing is charged.
- While the first is being answered: 409 `request_in_progress`, `Retry-After: 1`, `x-should-retry: true`. OpenAI's SDKs
  then wait and ask again by themselves.
- Another request with the key: 422 `idempotency_key_reused`.
- A client that leaves finds the whole answer when it comes back: the run goes on for it, for up to
  `ROBUTLER_FINISH_ALONE_S`. A run that is stopped after that and was charged is told as 408 `request_timeout`.
- An answer of 200 that came to its end is kept, and any other outcome that was charged for. What cost nothing leaves
  the key free. So does a process that died, once nothing is held for its run any more; that takes about a minute.
- An answer of more than `ROBUTLER_IDEMPOTENCY_ANSWER_BYTES` is not kept, and not run again: 409 `answer_not_kept`.

Without a key, a request that OpenAI's SDK sends again by itself (`x-stainless-retry-count`), before the first try was
sent a byte, is told the answer to that one in the same way, streams at their end, and is charged once. An answer waits
for `ROBUTLER_RETRY_WINDOW_S` for that. See [who pays](../explanation/who-pays.md).

Kept answers are content of the organization's: nobody else reads them, no page shows them, and they are removed when
their time is over.

## Headers of answers

| header | |
|---|---|
{headers}

## Refusals

`{{"error": {{"message", "type", "code", "param"}}}}`, with `metadata` and `retry_after` where a machine can use them.

| status | |
|---|---|
{refusals}
"""


def api_page(note: str, *, hours: int) -> str:
    """The page. Needs Django to be set up."""
    from api.openai.document import document

    described = json.loads(document())
    return PAGE.format(
        note=note,
        hours=hours,
        endpoints="\n".join(_endpoints(described)),
        parameters="\n".join(_parameters(described)),
        headers="\n".join(_headers(described)),
        refusals="\n".join(
            f"| {status} | {found['description']} |" for status, found in described["components"]["responses"].items()
        ),
    )


def _operations(described: Any) -> Iterator[tuple[str, str, Any]]:
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            yield method.upper(), path, operation


def _endpoints(described: Any) -> Iterator[str]:
    for method, path, operation in _operations(described):
        text = " ".join(operation.get("description", operation["summary"]).split())
        yield f"| {method} | `{path}` | {text.rstrip('.')}. |"


def _parameters(described: Any) -> Iterator[str]:
    for _, path, operation in _operations(described):
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "query":
                schema = parameter["schema"]
                meaning = schema.get("description", parameter.get("description", ""))
                yield f"| `{path}` | `{parameter['name']}` | {_kind(schema, described)} | {meaning} |"


def _kind(schema: Any, described: Any) -> str:
    if "$ref" in schema:
        return _kind(described["components"]["schemas"][schema["$ref"].rpartition("/")[2]], described)
    if "anyOf" in schema:
        return " or ".join(_kind(one, described) for one in schema["anyOf"] if one.get("type") != "null")
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"any of {_kind(schema['items'], described)}"
    limits = f" from {schema['minimum']} to {schema['maximum']}" if "maximum" in schema else ""
    return f"{schema.get('format', schema.get('type', 'anything'))}{limits}"


def _headers(described: Any) -> Iterator[str]:
    found: dict[str, str] = {}
    for _, _, operation in _operations(described):
        found |= {name: header["description"] for name, header in operation["responses"]["200"]["headers"].items()}
    yield from (f"| `{name}` | {text} |" for name, text in found.items())
