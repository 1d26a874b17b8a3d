"""The built-in persona: what a small, willing model would say, and which of the tools it is offered it would call."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from skills.scripted.samples import sample
from skills.scripted.script import TEXT_MAX, Call, Said
from skills.sdk import Message, ModelRequest
from skills.sdk.model import NOT_THE_USER

COUNT_LIMIT = 10_000
WORDS_READ = 2_000
"""So many characters of what the user says are looked through; patterns take the square of their number."""

_ARITHMETIC = re.compile(r"(?:sqrt\s*|\(\s*)*-?\d[\d.]*\)*(?:\s*(?:\*\*|//|[-+*/%^×÷−x])\s*\(*\s*-?\d[\d.]*\)*)+")
_ROOT = re.compile(r"(?:sqrt\s*\(\s*|(?:square )?root of\s+)(\d[\d.]*)\)?", re.IGNORECASE)
_TIME = re.compile(
    r"\b(what(?:'s| is)? the (?:time|date)|what time|time is it|current time|what day|today's date)\b", re.IGNORECASE
)
_ZONE = re.compile(r"\b(UTC|[A-Z][A-Za-z]+/[A-Z][A-Za-z_]+)\b")
_COUNT = re.compile(r"\bcount (?:from 1 )?to (\d+)", re.IGNORECASE)
_ECHO = re.compile(r"\b(?:say|repeat|echo)(?: exactly)?:?\s+[\"“']?", re.IGNORECASE)
_END = re.compile(r"[\"”']$")
_GREETING = re.compile(r"\s*(hi|hello|hey|good (?:morning|evening|afternoon))\b", re.IGNORECASE)
_WORD = re.compile(r"[a-z]{3,}")
_VAGUE = frozenset(
    [
        "get",
        "set",
        "list",
        "search",
        "find",
        "fetch",
        "make",
        "create",
        "add",
        "the",
        "and",
        "current",
        "tool",
        "call",
        "use",
        "run",
        "show",
        "read",
    ]
)


def reply(request: ModelRequest) -> Said:
    """What the persona says to the conversation so far."""
    words = last_words(request.messages)
    if calls := _calls(request, words[:WORDS_READ]):
        return Said(calls=calls)
    text = _shaped(request, words, " ".join(_tool_answers(request.messages)) or _chat(words))
    return Said(text=text[:TEXT_MAX])


def last_words(messages: Sequence[Message]) -> str:
    """The text of the user's last message."""
    for message in reversed(messages):
        if is_users(message):
            return text_of(message)
    return ""


def is_users(message: Message) -> bool:
    """Whether the user wrote a message: some are only given to models as if."""
    return message.get("role") == "user" and not text_of(message).startswith(NOT_THE_USER)


def text_of(message: Message) -> str:
    """A message's text, whether it came whole or in parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))


def _tool_answers(messages: Sequence[Message]) -> list[str]:
    """A sentence per tool result that came in since the model last spoke."""
    asked: Mapping[str, Any] = {}
    answers: list[str] = []
    for message in reversed(messages):
        if message.get("role") != "tool":
            asked = {call["id"]: call.get("function", {}) for call in message.get("tool_calls") or ()}
            break
        answers.insert(0, message.get("tool_call_id", ""))
    results = {message.get("tool_call_id"): text_of(message) for message in messages if message.get("role") == "tool"}
    return [_sentence(asked.get(id, {}), results[id]) for id in answers]


def _sentence(function: Mapping[str, Any], result: str) -> str:
    name = function.get("name", "tool")
    try:
        arguments = json.loads(function.get("arguments") or "{}")
    except (ValueError, RecursionError):
        arguments = {}
    if "calc" in name and isinstance(arguments, dict) and "expression" in arguments:
        return f"{arguments['expression']} = {result}."
    if "time" in name:
        return f"It is {result}."
    return f"{name} says: {result}"


def _calls(request: ModelRequest, words: str) -> tuple[Call, ...]:
    functions = {tool["function"]["name"]: tool["function"] for tool in request.tools if "function" in tool}
    choice, allowed = _choice(request.parameters.get("tool_choice") or "auto")
    if allowed is not None:
        functions = {name: function for name, function in functions.items() if name in allowed}
    called = _called(request.messages)
    if choice == "none" or not functions or (called and choice != "required"):
        return ()
    fitting = [function for name, function in functions.items() if name not in called and _fits(name, words)]
    if not fitting and choice == "required":
        fitting = [[*functions.values()][-1]]
    if request.parameters.get("parallel_tool_calls") is False:
        fitting = fitting[:1]
    return tuple(_call(function, words) for function in fitting)


def _called(messages: Sequence[Message]) -> set[str]:
    """The tools that were called since the user spoke."""
    called: set[str] = set()
    for message in reversed(messages):
        if message.get("role") == "user":
            break
        called |= {call["function"]["name"] for call in message.get("tool_calls") or ()}
    return called


def _choice(choice: Any) -> tuple[str, frozenset[str] | None]:
    """Whether a tool may, must or must not be called, and which ones, if not any."""
    if not isinstance(choice, Mapping):
        return choice, None
    if choice.get("type") == "allowed_tools":
        allowed = choice["allowed_tools"]
        return allowed["mode"], frozenset(tool["function"]["name"] for tool in allowed["tools"])
    return "required", frozenset({choice["function"]["name"]})


def _fits(name: str, words: str) -> bool:
    """Whether the user's words ask for the tool of this name."""
    if "calc" in name:
        return _expression(words) is not None
    if "time" in name or "clock" in name:
        return _TIME.search(words) is not None
    told = set(_WORD.findall(words.casefold()))
    own = set(_WORD.findall(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").casefold()))
    return name.casefold() in words.casefold() or bool((own - _VAGUE) & told)


def _call(function: Mapping[str, Any], words: str) -> Call:
    schema = function.get("parameters") or {}
    properties = schema.get("properties", {})
    if "calc" in function["name"] and "expression" in properties:
        return Call(name=function["name"], arguments={"expression": _expression(words) or words})
    arguments = sample(schema, words) if properties else {}
    if "zone" in properties and (zone := _ZONE.search(words)):
        arguments = {**arguments, "zone": zone[1]}
    return Call(name=function["name"], arguments=arguments)


def _expression(words: str) -> str | None:
    """The arithmetic that the user's words contain."""
    if root := _ROOT.search(words):
        return f"sqrt({root[1]})"
    found = _ARITHMETIC.search(words)
    if found is None:
        return None
    text = found[0].strip().rstrip(".").replace("x", "*").replace("×", "*").replace("÷", "/").replace("−", "-")
    missing = text.count("(") - text.count(")")
    return text + ")" * missing if missing >= 0 else text.rstrip(")") + ")" * text.count("(")


def _shaped(request: ModelRequest, words: str, text: str) -> str:
    """The reply as response_format wants it."""
    wanted = request.parameters.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, Mapping) else None
    if kind == "json_schema":
        assert isinstance(wanted, Mapping)
        return json.dumps(sample(wanted.get("json_schema", {}).get("schema", {}), words))
    if kind == "json_object":
        return json.dumps({"reply": text})
    return text


def _chat(words: str) -> str:
    read = words[:WORDS_READ]
    if counted := _COUNT.search(read):
        return " ".join(str(number) for number in range(1, min(int(counted[1]), COUNT_LIMIT) + 1))
    if (asked := _ECHO.search(read)) and (echoed := _END.sub("", words[asked.end() :].rstrip())):
        return echoed
    if _GREETING.match(read):
        return "Hello! I am a scripted model: no network, no vendor. Ask me to calculate something, or what time it is."
    if not words.strip():
        return "I am listening."
    return f"You said: {words.strip()[:2000]}"
