"""What clients say over a socket: a kind of message, what it is about, and for a chat the fields of a completion."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import msgspec

from api.openai import schemas
from api.openai.decoding import Fields, decoded, fields_of
from api.openai.schemas import Completion
from api.problems import InvalidRequest

Word = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._:/+=@-]+$")]
Kind = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Number = Annotated[int, msgspec.Meta(ge=0, le=2**31)]

_DECODERS: dict[str, "msgspec.json.Decoder[object]"] = {
    "type": msgspec.json.Decoder(Kind),
    "reference": msgspec.json.Decoder(Word | None),
    "conversation": msgspec.json.Decoder(Word | None),
    "key": msgspec.json.Decoder(Key | None),
    "run": msgspec.json.Decoder(UUID | None),
    "after": msgspec.json.Decoder(Number | None),
}


@dataclass(frozen=True, kw_only=True)
class Said:
    """One message of a client's. `rest` are the fields that belong to the kind of message alone, still as JSON."""

    type: str
    rest: Fields
    reference: str | None = None
    conversation: str | None = None
    key: str | None = None
    run: UUID | None = None
    after: int | None = None

    def about_run(self) -> UUID:
        """The run that it is about. Raises InvalidRequest when it names none."""
        if self.run is None:
            raise InvalidRequest("'run' is required.", code="missing_required_parameter", param="run")
        return self.run

    def about_conversation(self) -> str:
        """The conversation that it is about. Raises InvalidRequest when it names none."""
        if self.conversation is None:
            raise InvalidRequest("'conversation' is required.", code="missing_required_parameter", param="conversation")
        return self.conversation

    def completion(self) -> Completion:
        """The completion that is asked for, checked as if it had been posted."""
        return schemas.decode(msgspec.json.encode(self.rest))


def read(text: bytes) -> Said:
    """The message that `text` is. Raises InvalidRequest with the field it is about."""
    fields = fields_of(text)
    if "type" not in fields:
        raise InvalidRequest("'type' is required.", code="missing_required_parameter", param="type")
    known = {name: decoded(name, fields.pop(name), decoder) for name, decoder in _DECODERS.items() if name in fields}
    return Said(rest=fields, **known)  # type: ignore[arg-type]  # each is of the type that its decoder reads


def unknown(said: Said) -> InvalidRequest:
    """The refusal of a kind of message that this socket does not know."""
    return InvalidRequest(f"Messages of type '{said.type}' are not known here.", param="type")
