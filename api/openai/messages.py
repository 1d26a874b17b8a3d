"""The messages of a request: their shapes by role, and what makes a sequence of them a conversation."""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec
from msgspec import Meta

import outbound
from api.openai.decoding import Fields, decoded
from api.openai.tools import CacheControl, no_custom_tools
from api.problems import InvalidRequest

MAX_MESSAGES = 2048
_MAX_PARTS = 2048
_SHORT = 512
_LONGEST_SCHEME = 64

Message: TypeAlias = dict[str, Any]
Short: TypeAlias = Annotated[str, Meta(max_length=_SHORT)]
CallId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=_SHORT)]


class _Shape(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A piece of a message. `ignored` names fields that other providers' clients add and that are left out."""

    ignored: ClassVar[tuple[str, ...]] = ()


class CacheBreakpoint(_Shape, kw_only=True):
    """The provider's prompt cache ends here."""

    mode: Literal["explicit"]


class _Part(_Shape, kw_only=True):
    prompt_cache_breakpoint: CacheBreakpoint | None = None
    cache_control: CacheControl | None = None


class Text(_Part, kw_only=True, tag="text"):
    """Words. `annotations` come back from clients that echo what they were sent."""

    ignored: ClassVar[tuple[str, ...]] = ("annotations",)

    text: str
    annotations: Any = None


class ImageUrl(_Shape, kw_only=True):
    """Where an image is, or the image itself as a data URL."""

    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class Image(_Part, kw_only=True, tag="image_url"):
    """A picture."""

    image_url: ImageUrl


class AudioData(_Shape, kw_only=True):
    """Sound in base64."""

    data: str
    format: Literal["wav", "mp3"]


class InputAudio(_Part, kw_only=True, tag="input_audio"):
    """A recording."""

    input_audio: AudioData


class FileData(_Shape, kw_only=True):
    """A file in base64, or the provider's id of one."""

    file_data: str | None = None
    file_id: Short | None = None
    filename: Short | None = None


class File(_Part, kw_only=True, tag="file"):
    """A document."""

    file: FileData


class Refusal(_Shape, kw_only=True, tag="refusal"):
    """Words in which the model refused."""

    refusal: str


class Function(_Shape, kw_only=True):
    """What was called, and with which arguments; `parsed_arguments` is what the official SDK made of them."""

    ignored: ClassVar[tuple[str, ...]] = ("parsed_arguments",)

    name: Annotated[str, Meta(max_length=256)]
    arguments: str
    parsed_arguments: Any = None


class Call(_Shape, kw_only=True, tag="function"):
    """A tool call the model made earlier. `index` and `extra_content` come from clients that echo stream fragments."""

    ignored: ClassVar[tuple[str, ...]] = ("index", "extra_content", "provider_specific_fields")

    id: CallId
    function: Function
    index: Any = None
    extra_content: Any = None
    provider_specific_fields: Any = None


class CustomCall(_Shape, kw_only=True, tag="custom"):
    """A call of a custom tool. Known, and refused."""

    id: Any = None
    custom: Any = None


class AudioId(_Shape, kw_only=True):
    """A spoken answer given earlier, of which the id is enough."""

    ignored: ClassVar[tuple[str, ...]] = ("data", "expires_at", "transcript")

    id: Short
    data: Any = None
    expires_at: Any = None
    transcript: Any = None


Words: TypeAlias = str | Annotated[list[Text], Meta(min_length=1, max_length=_MAX_PARTS)]
Content: TypeAlias = str | Annotated[list[Text | Image | InputAudio | File], Meta(min_length=1, max_length=_MAX_PARTS)]
Answer: TypeAlias = str | Annotated[list[Text | Refusal], Meta(max_length=_MAX_PARTS)]


class _Message(_Shape, kw_only=True):
    """What those who speak have in common; `cache_control` here means the end of the content."""

    name: Short | None = None
    cache_control: CacheControl | None = None


class Developer(_Message, kw_only=True, tag="developer", tag_field="role"):
    """Instructions, in the newer role."""

    content: Words


class System(_Message, kw_only=True, tag="system", tag_field="role"):
    """Instructions."""

    content: Words


class User(_Message, kw_only=True, tag="user", tag_field="role"):
    """What the user says."""

    content: Content


class Assistant(_Message, kw_only=True, tag="assistant", tag_field="role"):
    """What the agent said. Clients echo what they or other providers add to it: reasoning, annotations and more."""

    ignored: ClassVar[tuple[str, ...]] = (
        "annotations", "parsed", "provider_specific_fields", "reasoning", "reasoning_content", "reasoning_details",
        "thinking_blocks",
    )  # fmt: skip

    content: Answer | None = None
    refusal: str | None = None
    audio: AudioId | None = None
    tool_calls: Annotated[list[Call | CustomCall], Meta(max_length=128)] | None = None
    function_call: Function | None = None
    annotations: Any = None
    parsed: Any = None
    provider_specific_fields: Any = None
    reasoning: Any = None
    reasoning_content: Any = None
    reasoning_details: Any = None
    thinking_blocks: Any = None


class ToolResult(_Message, kw_only=True, tag="tool", tag_field="role"):
    """What the client's tool returned."""

    content: Words
    tool_call_id: CallId


class FunctionResult(_Shape, kw_only=True, tag="function", tag_field="role"):
    """What the client's function returned, in the legacy form."""

    name: Annotated[str, Meta(max_length=256)]
    content: str | None


AnyMessage: TypeAlias = Developer | System | User | Assistant | ToolResult | FunctionResult

Conversation: TypeAlias = Annotated[list[AnyMessage], Meta(min_length=1, max_length=MAX_MESSAGES)]

_messages = msgspec.json.Decoder(Conversation)


def messages_of(fields: Fields, ignored: set[str]) -> list[Message]:
    """The conversation as the runtime takes it; legacy function calls become tool calls."""
    if "messages" not in fields:
        raise InvalidRequest("'messages' is required.", code="missing_required_parameter", param="messages")
    typed = decoded("messages", fields["messages"], _messages)
    for index, message in enumerate(typed):
        _check_one(index, message, ignored)
    messages: list[Message] = msgspec.to_builtins(typed)
    if any(isinstance(message, FunctionResult) or getattr(message, "function_call", None) for message in typed):
        messages = _modernized(messages)
    _check_calls(messages)
    return messages


def _check_one(index: int, message: AnyMessage, ignored: set[str]) -> None:
    _leave_out("messages[]", message, ignored)
    content = getattr(message, "content", None)
    if isinstance(content, list):
        for position, part in enumerate(content):
            _leave_out("messages[].content[]", part, ignored)
            _check_part(part, f"messages[{index}].content[{position}]")
    if isinstance(message, _Message) and message.cache_control is not None:
        _mark_last_part(message)
    if not isinstance(message, Assistant):
        return
    for position, call in enumerate(message.tool_calls or ()):
        if isinstance(call, CustomCall):
            raise no_custom_tools(f"messages[{index}].tool_calls[{position}].type")
        _leave_out("messages[].tool_calls[]", call, ignored)
        _leave_out("messages[].tool_calls[].function", call.function, ignored)
    if message.audio:
        _leave_out("messages[].audio", message.audio, ignored)
    if message.function_call:
        _leave_out("messages[].function_call", message.function_call, ignored)
    if not (
        message.tool_calls or message.function_call or message.refusal or message.audio or message.content is not None
    ):
        param = f"messages[{index}].content"
        raise InvalidRequest(
            f"'{param}' is required unless the message calls a tool.", code="missing_required_parameter", param=param
        )


def _leave_out(where: str, shape: _Shape, ignored: set[str]) -> None:
    for name in shape.ignored:
        if getattr(shape, name) is not None:
            setattr(shape, name, None)
            ignored.add(f"{where}.{name}")


def _mark_last_part(message: Any) -> None:
    """Put a message's mark where models look for it."""
    mark, message.cache_control = message.cache_control, None
    if isinstance(message.content, str) and message.content:
        message.content = [Text(text=message.content)]
    if message.content and not isinstance(message.content[-1], Refusal):
        message.content[-1].cache_control = mark


def _check_part(part: Any, param: str) -> None:
    if isinstance(part, Image):
        _check_url(part.image_url.url, f"{param}.image_url.url")
    elif isinstance(part, File):
        _check_file(part.file, f"{param}.file")


def _check_url(url: str, param: str) -> None:
    """Nobody here fetches it, but neither shall a model's provider be asked to look inside its own network."""
    if url[:5].lower() == "data:":
        return
    try:
        outbound.check_public_url(url)
    except outbound.ForbiddenAddress:
        raise InvalidRequest(
            "An image must be a public http(s) URL or a data URL.", code="invalid_image_url", param=param
        ) from None


def _check_file(file: FileData, param: str) -> None:
    """The file itself and nothing else: an id would name a file among those of whoever's key is used."""
    if file.file_id is not None:
        raise InvalidRequest(
            "Files cannot be named by an id, which is not yours alone. Send the file itself as 'file_data'.",
            code="unsupported_parameter",
            param=f"{param}.file_id",
        )
    if file.file_data is None:
        raise InvalidRequest(
            f"'{param}.file_data' is required.", code="missing_required_parameter", param=f"{param}.file_data"
        )
    if "://" in file.file_data[:_LONGEST_SCHEME]:
        raise InvalidRequest(
            "A file must be sent in base64 or as a data URL, not as an address.", param=f"{param}.file_data"
        )


def _modernized(messages: Iterable[Message]) -> list[Message]:
    """Give legacy function calls the ids they never had, in order, and their results the same ones."""
    modern: list[Message] = []
    pending = ""
    for index, message in enumerate(messages):
        if call := message.pop("function_call", None):
            pending = f"call_legacy_{index}"
            message["tool_calls"] = [{"id": pending, "type": "function", "function": call}]
        elif message["role"] == "function":
            message = {"role": "tool", "tool_call_id": pending or "unknown", "content": message["content"] or ""}
        modern.append(message)
    return modern


def _check_calls(messages: Iterable[Message]) -> None:
    """Every result answers a call, and every call has its result before anyone else speaks."""
    open_calls: set[str] = set()
    index = -1
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                raise InvalidRequest(
                    "A message with role 'tool' must answer a tool call of the assistant message before it.",
                    param=f"messages[{index}].tool_call_id",
                )
            open_calls.discard(message["tool_call_id"])
            continue
        if open_calls:
            break
        if message["role"] == "assistant":
            message.setdefault("content", None)
            open_calls = {call["id"] for call in message.get("tool_calls", ())}
    if open_calls:
        raise InvalidRequest(
            "An assistant message with 'tool_calls' must be followed by a tool message for each of them; "
            f"there is none for {len(open_calls)} of them.",
            param=f"messages[{index}].role",
        )
