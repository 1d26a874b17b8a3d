"""`/ws/chat/{agent}`: talking to one agent, in as many windows as one likes."""

from typing import Any
from uuid import UUID

from agents import selectors
from api.ws import messages, talks
from api.ws.broadcasts import TALK, group_of
from api.ws.following import FollowingSocket
from api.ws.messages import Said
from api.ws.talks import Talk
from tenants.caller import Caller
from tenants.ids import uuid7


class ChatSocket(FollowingSocket):
    """A client says `chat`, `cancel`, `resume` or `follow`; it hears what happens in the runs that it started."""

    route = "ws.chat"

    @property
    def address(self) -> str:
        """The agent that is talked to."""
        address: str = self.scope["url_route"]["kwargs"]["address"]
        return address

    async def opened(self) -> None:
        """Say at once if there is no such agent."""
        assert self.caller is not None
        await selectors.published(self.caller, self.address)

    async def heard(self, said: Said) -> None:
        """Do what is said."""
        assert self.caller is not None
        match said.type:
            case "chat":
                self.beside(self._chat(said, self.caller), said.reference)
            case "cancel":
                await self.stop(said.about_run())
            case "resume":
                self.beside(self._resume(said.about_run(), (-1 if said.after is None else said.after) + 1))
            case "follow":
                await self.join(self._conversation(said.about_conversation()))
            case _:
                raise messages.unknown(said)

    async def _chat(self, said: Said, caller: Caller) -> None:
        completion, run_id = said.completion(), uuid7()
        followed = await self.follow(run_id, kind=TALK)
        talk = Talk(
            run_id=run_id,
            request_id=self.request_id,
            caller=caller,
            owner=self.owner,
            address=self.address,
            completion=completion,
            follower=self.channel_name,
            conversation=said.conversation,
            also_to=(self._conversation(said.conversation),) if said.conversation else (),
            more={"reference": said.reference, "message": _last(completion.messages)},
        )
        try:
            await talks.begin(talk)
        except BaseException:
            followed.is_over = True
            raise

    async def _resume(self, run_id: UUID, number: int) -> None:
        await self.catch_up(run_id, await self.follow(run_id, kind=TALK, number=number))

    def _conversation(self, name: str) -> str:
        """The group of those who follow a conversation with this agent."""
        return group_of("conversation", self.owner, self.address, name)


def _last(said: list[Any]) -> Any:
    return said[-1]
