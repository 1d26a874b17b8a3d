"""Callers of a deployment: streams, whole answers, tools, people who hang up, people who ask again."""

import asyncio
import json
import random
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

from tests.chaos.deployment import Web
from tests.live.wire import completion

CALLERS = 20
SILENCE_S = 30.0
PROBE_PAUSE_S = 0.2
PACE_MS = 30
TRIES = 3
PIECE = "word"
"""Four bytes, which is what a token is taken for where nobody counts."""
KINDS = {"stream": 9, "tool": 3, "left": 3, "cut": 1, "whole": 2, "keyed": 2, "poor": 1}
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
_RUN = re.compile(rb"x-robutler-run-id: (\S+)")
_CODE = re.compile(rb'"code": ?"(\w+)"')


@dataclass(kw_only=True)
class Call:
    """One request and what came of it. `is_whole`: the answer came to its proper end, as a success."""

    order: str
    kind: str
    began_at: float
    ended_at: float = 0.0
    server: str = ""
    status: int = 0
    code: str = ""
    run_id: str = ""
    is_whole: bool = False
    hung: bool = False
    is_probe: bool = False


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Who calls what: addresses and keys."""

    plain: str
    tool: str
    key: str
    poor_key: str


@dataclass(kw_only=True)
class Crowd:
    """Callers who keep calling until they are told to stop, and somebody who looks whether a new call gets through."""

    webs: Sequence[Web]
    cast: Cast
    seed: int
    calls: list[Call] = field(default_factory=list)
    _is_over: bool = False

    def stop(self) -> None:
        """Begin no further call."""
        self._is_over = True

    async def call(self) -> None:
        """Go on until stopped, and until every answer has come."""
        async with asyncio.TaskGroup() as group:
            for number in range(CALLERS):
                group.create_task(self._keep_calling(random.Random(f"{self.seed}-{number}")))
            group.create_task(self._probe(group))

    async def _keep_calling(self, dice: random.Random) -> None:
        while not self._is_over:
            kind = dice.choices(list(KINDS), list(KINDS.values()))[0]
            words = f"{PIECE * dice.randint(5, 160)}"
            order = f"echo:size=4:pace={PACE_MS}:id={uuid4().hex}"
            leave_after = dice.randint(0, 40) if kind == "left" else None
            if kind == "cut":
                order += f":cut={dice.randint(1, 20)}"
            if kind == "tool":
                order, words = order.replace("echo", "tool-apple"), "{}"
            done = await self._ask(kind, order, words, leave_after=leave_after)
            for _ in range(TRIES if kind == "keyed" else 0):
                if done.is_whole or self._is_over:
                    break
                await asyncio.sleep(dice.uniform(0.5, 3))
                done = await self._ask(kind, order, words)
            if done.status not in (200, 402):
                await asyncio.sleep(0.3)

    async def _probe(self, group: asyncio.TaskGroup) -> None:
        """Try again and again; one that waits for a server that stands still keeps none of the next from trying."""
        while not self._is_over:
            group.create_task(self._ask("stream", f"echo:size=4:id={uuid4().hex}", PIECE, is_probe=True))
            await asyncio.sleep(PROBE_PAUSE_S)

    async def _ask(
        self, kind: str, order: str, words: str, *, leave_after: int | None = None, is_probe: bool = False
    ) -> Call:
        call = Call(order=order, kind=kind, began_at=time.monotonic(), is_probe=is_probe)
        address = self.cast.tool if kind == "tool" else self.cast.plain
        key = self.cast.poor_key if kind == "poor" else self.cast.key
        body = {"model": address, "stream": kind != "whole", "user": order, "messages": _said(f"/{order} {words}")}
        headers = {"Connection": "close"} | ({"Idempotency_Key": order} if kind == "keyed" else {})
        request = completion(key, body, **headers).encode()
        self.calls.append(call)
        with suppress(OSError):
            await self._converse(call, request, leave_after)
        call.ended_at = time.monotonic()
        return call

    async def _converse(self, call: Call, request: bytes, leave_after: int | None) -> None:
        reader, writer = await self._connected(call)
        try:
            writer.write(request)
            answer = await self._answer(call, reader, leave_after)
        finally:
            writer.transport.abort()
        top, _, content = answer.partition(b"\r\n\r\n")
        call.status = int(found[1]) if (found := _STATUS.match(top)) else 0
        call.run_id = found[1].decode() if (found := _RUN.search(top)) else ""
        call.code = found[1].decode() if (found := _CODE.search(content)) else ""
        call.is_whole = call.status == 200 and not call.code and _is_whole(content, streamed=call.kind != "whole")

    async def _connected(self, call: Call) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """To a server that takes connections, as a load balancer would; one that stands still is known to be ill."""
        webs = [web for web in self.webs if web.frozen_at is None] or list(self.webs)
        random.shuffle(webs)
        for web in webs:
            call.server = web.name
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", web.port)
        raise ConnectionRefusedError

    async def _answer(self, call: Call, reader: asyncio.StreamReader, leave_after: int | None) -> bytes:
        answer = b""
        while leave_after is None or answer.count(b'"content":"word') < leave_after:
            try:
                async with asyncio.timeout(SILENCE_S):
                    piece = await reader.read(65_536)
            except TimeoutError:
                if any(web.name == call.server and web.frozen_at is not None for web in self.webs):
                    continue
                call.hung = True
                return answer
            if not piece:
                break
            answer += piece
        return answer


def _said(words: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": words}]


def _is_whole(content: bytes, *, streamed: bool) -> bool:
    if streamed:
        return b'"finish_reason":"stop"' in content and b"data: [DONE]" in content
    try:
        return bool(json.loads(content)["choices"][0]["finish_reason"] == "stop")
    except ValueError:
        return False
