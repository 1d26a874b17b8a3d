"""One WebSocket: who is at its other end, how much and how fast it may say, and how it is closed."""

import asyncio
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

import structlog
from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer
from django.conf import settings

from api import limits, metrics
from api.edge import recorded
from api.places import Held
from api.problems import Problem, Refused, body_of, headers_of
from api.ws import identity, messages
from api.ws.frames import error_of, text_of
from api.ws.identity import Identity
from api.ws.messages import Said
from api.ws.rates import Bucket
from tenants.caller import Caller
from tenants.errors import TenantsUnavailable

UNSUPPORTED: Final = 1003
TOO_LARGE: Final = 1009
UNKNOWN: Final = 4401
NO_KEY_IN_TIME: Final = 4408
TOO_MANY: Final = 4429
ASKED_AGAIN_S: Final = 5.0
"""How often it is asked whether whoever is at the other end still is who it was."""

_log = structlog.get_logger("robutler.socket")


class Socket(AsyncConsumer):
    """What all sockets have in common. A key comes with the handshake, or as the first message."""

    route = "socket"

    def __init__(self) -> None:
        self.request_id = f"req_{uuid4().hex}"
        self.identity: Identity | None = None
        self.caller: Caller | None = None
        self._bucket = Bucket(burst=settings.ROBUTLER.socket_burst, per_s=settings.ROBUTLER.socket_messages_per_s)
        self._place: Held | None = None
        self._is_open = False
        self._closed_with: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._waits_for_key: asyncio.Task[None] | None = None

    # --- what a kind of socket adds -----------------------------------------------------------------------------------

    async def opened(self) -> None:
        """Somebody is there, and is known."""

    async def heard(self, said: Said) -> None:
        """Somebody said something. Raises what is wrong with it."""
        raise messages.unknown(said)

    async def left(self) -> None:
        """The other end is gone."""

    # --- saying something ---------------------------------------------------------------------------------------------

    async def say(self, text: str) -> None:
        """Send a message. Whoever takes nothing in for too long is left."""
        if self._closed_with is not None:
            return
        try:
            async with asyncio.timeout(settings.ROBUTLER.write_stall_s):
                await self.base_send({"type": "websocket.send", "text": text})
        except TimeoutError:
            await self._end()
            raise StopConsumer from None

    async def tell(self, problem: Problem, reference: str | None = None) -> None:
        """Say what went wrong, with which message of the client's."""
        await self.say(text_of({"type": "error", "reference": reference, **error_of(problem)}))

    async def close(self, code: int, reason: str) -> None:
        """Close the socket and say why. What else is said on it is not heard any more."""
        if self._closed_with is None:
            self._closed_with = code
            await self.base_send({"type": "websocket.close", "code": code, "reason": reason})

    def beside(self, work: Coroutine[Any, Any, None], reference: str | None = None) -> None:
        """Do this without keeping waiting what else is said."""
        _ = self._start(work, reference)

    def _start(self, work: Coroutine[Any, Any, None], reference: str | None = None) -> asyncio.Task[None]:
        task = asyncio.create_task(self._attempt_alone(work, reference), name=f"{self.route} {self.request_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- Channels' side -----------------------------------------------------------------------------------------------

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Handle what came from the client, or from the channel layer."""
        handler = getattr(self, message["type"].replace(".", "_"))
        if self._closed_with is None or message["type"] == "websocket.disconnect":
            await self._attempt(handler(message))

    async def websocket_connect(self, _: dict[str, Any]) -> None:
        """Let somebody in who is known, or may still say who it is."""
        self.identity = identity.at_handshake(self.scope)
        if self.identity is not None:
            await self._recognise(self.identity)
        subprotocol = identity.agreed(self.scope["subprotocols"])
        await self.base_send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})
        self._is_open = True
        metrics.sockets.inc()
        if self.caller is None:
            self._waits_for_key = self._start(self._wait_for_key())
        else:
            await self._welcome(self.caller)

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        """Hear a message, within what a client may say."""
        text = message.get("text")
        if not self._bucket.take():
            await self.close(TOO_MANY, "Too many messages.")
        elif text is None:
            await self.close(UNSUPPORTED, "Messages are JSON, as text.")
        elif len(raw := text.encode("utf-8", "surrogatepass")) > settings.ROBUTLER.socket_message_bytes:
            await self.close(TOO_LARGE, "The message is too large.")
        else:
            said = messages.read(raw)
            await self._attempt(self._hear(said), said.reference)

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        """Tidy up."""
        metrics.sockets_closed(self._closed_with or message.get("code")).inc()
        await self._end()
        raise StopConsumer

    # --- who is there -------------------------------------------------------------------------------------------------

    async def _hear(self, said: Said) -> None:
        if self.caller is None:
            if said.type != "authenticate" or said.key is None:
                raise Refused(_no_key())
            self.identity = identity.holder_of(said.key, self.scope)
            await self._welcome(await self._recognise(self.identity))
        elif said.type == "ping":
            await self.say(text_of({"type": "pong", "reference": said.reference}))
        else:
            await self.heard(said)

    async def _recognise(self, who: Identity) -> Caller:
        """Find out who it is, and take one of its places."""
        caller = await who.caller()
        self._place = await limits.take_socket(caller)
        self.caller = caller
        return caller

    async def _welcome(self, caller: Caller) -> None:
        if self._waits_for_key is not None:
            self._waits_for_key.cancel()
        await self.say(text_of({"type": "ready", "organization": caller.organization_slug}))
        self.beside(self._stay_known())
        await self.opened()

    async def _wait_for_key(self) -> None:
        await asyncio.sleep(settings.ROBUTLER.socket_key_s)
        await self.close(NO_KEY_IN_TIME, "No key came in time.")

    async def _stay_known(self) -> None:
        """Ask again and again whether the key still holds, the person is still signed in."""
        while self.identity is not None:
            await asyncio.sleep(ASKED_AGAIN_S)
            try:
                self.caller = await self.identity.caller()
            except TenantsUnavailable:
                continue

    # --- how it ends --------------------------------------------------------------------------------------------------

    async def _attempt(self, work: Awaitable[None], reference: str | None = None) -> None:
        """Do this; what goes wrong is told, and is the end for somebody who is not known, or is not any more."""
        try:
            await work
        except StopConsumer:
            raise
        except Exception as error:  # noqa: BLE001 the edge of a message is where everything ends up
            problem = recorded(error, self.request_id)
            if not self._is_open:
                await self._refuse(problem)
            await self.tell(problem, reference)
            if problem.status == 401:
                await self.close(UNKNOWN, problem.code)

    async def _attempt_alone(self, work: Awaitable[None], reference: str | None) -> None:
        """The same beside the socket's own task, which alone ends the socket."""
        with suppress(StopConsumer):
            await self._attempt(work, reference)

    async def _refuse(self, problem: Problem) -> None:
        """Answer the handshake with the problem, as the API would."""
        headers = [(b"content-type", b"application/json"), *headers_of(problem)]
        await self.base_send({"type": "websocket.http.response.start", "status": problem.status, "headers": headers})
        await self.base_send({"type": "websocket.http.response.body", "body": body_of(problem), "more_body": False})
        await self._end()
        raise StopConsumer

    async def _end(self) -> None:
        """Give back what was taken; doing so again changes nothing."""
        self.identity = None
        if self._is_open:
            self._is_open = False
            metrics.sockets.dec()
        place, self._place = self._place, None
        if place is not None:
            limits.leave_socket(place)
        for task in tuple(self._tasks):
            if task is not asyncio.current_task():
                task.cancel()
        await self.left()


def _no_key() -> Problem:
    message = "Say who you are first: {'type': 'authenticate', 'key': 'rb_live_…'}."
    return Problem(status=401, type="authentication_error", code="missing_api_key", message=message)
