"""The first streamed and billed call, made through the front door, and what a newcomer is told beside it."""

import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO
from urllib.parse import urlsplit

from django.conf import settings
from rich.console import Console

from billing import ledger
from robutler_site import demo, startup

QUESTION = "What is 17 * 23, and what time is it?"
CALL_SECONDS = 60
MOST_ERROR_BYTES = 20_000
_SETTLE_SECONDS = 5.0
_PAUSE_S = 0.02
_NANOS = 1_000_000_000


class CallFailed(Exception):
    """The first call was refused or broke off; the message says what was answered."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came of the first call."""

    text: str
    cost_nanos: int
    seconds: float


def show(cast: demo.Cast, console: Console) -> None:
    """Make the call, print its reply as it comes, and say how to go on."""
    console.print(f"\n[bold]You:[/] {QUESTION}", highlight=False)
    console.print(f"[bold]{demo.ACME[0].slug}:[/] ", end="", highlight=False)
    try:
        reply = call(cast, console)
    except (CallFailed, OSError, http.client.HTTPException) as error:
        console.print(f"\nThe first call did not succeed: {error}", markup=False, highlight=False)
        if cast.provider.advice:
            console.print(cast.provider.advice, markup=False, highlight=False)
    else:
        cost = reply.cost_nanos / _NANOS
        console.print(f"\n[dim]streamed in {reply.seconds:.1f} s, charged ${cost:.6f}[/]", highlight=False)
    _introduce(cast, console)


def call(cast: demo.Cast, console: Console) -> Reply:
    """Ask the assistant one question, streaming, and wait until it is paid for."""
    before = ledger.balance(cast.organization_id)
    started_at = time.monotonic()
    connection = http.client.HTTPConnection(urlsplit(cast.url).netloc, timeout=CALL_SECONDS)
    try:
        connection.request(
            "POST",
            "/v1/chat/completions",
            body=json.dumps(
                {"model": demo.ACME[0].slug, "stream": True, "messages": [{"role": "user", "content": QUESTION}]}
            ),
            headers={"Authorization": f"Bearer {cast.api_key}", "Content-Type": "application/json"},
        )
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise CallFailed(f"HTTP {response.status}, {_message(response.read(MOST_ERROR_BYTES))}")
        words = []
        for word in _words(response):
            console.print(word, end="", markup=False, highlight=False)
            words.append(word)
    finally:
        connection.close()
    seconds = time.monotonic() - started_at
    return Reply(text="".join(words), cost_nanos=_charged(cast, before), seconds=seconds)


def _message(body: bytes) -> str:
    """Return what an error says; the rest of it is for programs."""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return body.decode(errors="replace")


def _words(response: IO[bytes]) -> Iterator[str]:
    for line in response:
        data = line.removeprefix(b"data:").strip()
        if not line.startswith(b"data:") or data == b"[DONE]":
            continue
        chunk = json.loads(data)
        if "error" in chunk:
            raise CallFailed(chunk["error"].get("message", "the stream ended in an error"))
        for choice in chunk.get("choices", []):
            if word := choice.get("delta", {}).get("content"):
                yield word


def _charged(cast: demo.Cast, before: ledger.Balance) -> int:
    """Wait for the settlement, a moment after the last word, and return what it took."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    after = ledger.balance(cast.organization_id)
    while (after.held > before.held or after.posted == before.posted) and time.monotonic() < deadline:
        time.sleep(_PAUSE_S)
        after = ledger.balance(cast.organization_id)
    startup.close_connections()
    return before.posted - after.posted


def _introduce(cast: demo.Cast, console: Console) -> None:
    told = demo.document(cast)
    kept = f"the one printed at the first start; it is in {settings.ROBUTLER.var_dir / 'demo.json'}"
    console.print("\n[bold]Robutler is running.[/]", highlight=False)
    lines = [
        ("Console", f"{told['console_url']}   sign in as {demo.MEMBER}"),
        ("Admin", f"{told['admin_url']}   sign in as {told['admin_user']}"),
        ("Password", f"{told['admin_password']}   for both" if cast.is_new else f"for both, {kept}"),
        ("API", told["base_url"]),
        ("Key", told["api_key"]),
        ("Model", f"{told['model']}   ({cast.provider.model})"),
    ]
    for label, value in lines:
        console.print(f"  {label:<9} {value}", markup=False, highlight=False)
    console.print("\n[bold]curl[/]\n", highlight=False)
    console.print(_CURL.format(**told), markup=False, highlight=False)
    console.print("\n[bold]Python[/] (pip install openai)\n", highlight=False)
    console.print(_PYTHON.format(**told), markup=False, highlight=False)


_CURL = """\
curl -N {base_url}/chat/completions \\
  -H 'Authorization: Bearer {api_key}' -H 'Content-Type: application/json' \\
  -d '{{"model": "{model}", "stream": true, "messages": [{{"role": "user", "content": "What is 12 * 34?"}}]}}'"""
_PYTHON = """\
from openai import OpenAI

client = OpenAI(base_url="{base_url}", api_key="{api_key}")
messages = [{{"role": "user", "content": "What is 12 * 34?"}}]
for chunk in client.chat.completions.create(model="{model}", messages=messages, stream=True):
    for choice in chunk.choices:
        print(choice.delta.content or "", end="", flush=True)
print()"""
