"""The short endpoints beside completions, on django-ninja: models, agents and what they answer, and more."""

from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI
from ninja.errors import ValidationError

from agents import selectors
from agents.errors import AgentNotFound
from agents.selectors import Resolved
from agents.services.descriptions import description_of
from agents.services.handlers import HttpCall, KeyRequired, MethodNotHandled, NoHandler, answer_http
from api import auth, converters
from api.edge import method_not_allowed, recorded
from api.errors import problem_of
from api.openai import discovery, estimates, keys, queries, runs, shapes, usage
from api.openai.access import caller_of, optional, required
from api.openai.document import document
from api.problems import InvalidRequest, Problem, Refused, refused
from skills.sdk import ToolRetry
from tenants import permissions
from tenants.caller import Caller

_READERS = frozenset({permissions.CHAT_WRITE, permissions.AGENTS_READ})
_EVERY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]

api = NinjaAPI(title="Robutler", urls_namespace="openai", docs_url=None, openapi_url=None)


@api.exception_handler(Exception)
def told(request: HttpRequest, error: Exception) -> HttpResponse:
    """Answer with the problem that an exception is."""
    return refused(recorded(error, request.headers.get("X-Request-ID", "")))


@api.exception_handler(ValidationError)
def misasked(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Name the parameter that is wrong."""
    return told(request, queries.invalid(error))


@api.get("/v1/models", auth=required, tags=["Agents"], summary="List agents")
async def models(request: HttpRequest) -> HttpResponse:
    """List the agents that this key may call."""
    caller = caller_of(request, with_any_of=_READERS)
    agents = await selectors.listed_for(caller)
    data = [shapes.model(agent, for_organization=caller.organization_id) for agent in agents]
    return _json({"object": "list", "data": data})


@api.get("/v1/models/{path:id}", auth=required, tags=["Agents"], summary="One agent")
async def one_model(request: HttpRequest, id: str) -> HttpResponse:
    """One of the agents that this key may call, by its name."""
    caller = caller_of(request, with_any_of=_READERS)
    agent = await selectors.published(caller, id)
    return _json(shapes.model(agent, for_organization=caller.organization_id))


for noun in (keys, usage, runs, estimates, discovery):
    api.add_router("/v1", noun.router)


@api.get("/v1/openapi.json", include_in_schema=False)
async def openapi(request: HttpRequest) -> HttpResponse:
    """The description of all this, for machines."""
    return HttpResponse(document(), content_type="application/json")


@api.get("/v1/docs", include_in_schema=False)
async def docs(request: HttpRequest) -> HttpResponse:
    """The same, for people."""
    return render(request, "public/api.html")


@api.get("/", include_in_schema=False)
async def home(request: HttpRequest) -> HttpResponse:
    """The platform: a page for browsers, JSON for everyone else."""
    introduction = shapes.platform(await selectors.listed_publicly())
    if "text/html" in request.headers.get("Accept", ""):
        return render(request, "public/home.html", introduction)
    return _json(introduction)


@api.api_operation(_EVERY_METHOD, f"/{{{converters.AGENT_PATH}:path}}", include_in_schema=False)
async def at_agent(request: HttpRequest, path: str) -> HttpResponse:
    """An agent's information, or what its skills answer under its address."""
    caller = await optional(request)
    segments = path.split("/")
    described = await _described(segments, caller)
    if described is not None and request.method in ("GET", "HEAD"):
        return described
    handled = await _handled(request, segments, caller)
    if handled is not None:
        return handled
    if described is not None:
        raise method_not_allowed("GET", "HEAD")
    return refused(_agent_not_found())


async def _described(segments: list[str], caller: Caller | None) -> HttpResponse | None:
    """The information at `/{agent}` and `/{organization}/{agent}`, both also with `/info`."""
    address = segments[:-1] if segments[-1] == "info" else segments
    agent = await _agent("/".join(address), caller)
    if agent is None:
        return None
    return _json(shapes.information(await description_of(agent, caller=caller), address="/".join(address)))


async def _handled(request: HttpRequest, segments: list[str], caller: Caller | None) -> HttpResponse | None:
    """What a handler answers at `/{agent}/…` or `/{organization}/{agent}/…`, whichever there is."""
    for length in (1, 2):
        agent = await _agent("/".join(segments[:length]), caller) if len(segments) > length else None
        if agent is None:
            continue
        call = HttpCall(
            method=str(request.method),
            subpath="/" + "/".join(segments[length:]),
            request_id=request.headers.get("X-Request-ID", ""),
            query=request.META.get("QUERY_STRING", ""),
            body=request.body,
        )
        try:
            return _answered(await answer_http(agent, caller=caller, call=call))
        except NoHandler:
            continue
        except MethodNotHandled as error:
            raise method_not_allowed(*error.allowed) from None
        except KeyRequired:
            raise Refused(auth.missing_key()) from None
        except ToolRetry as error:
            raise InvalidRequest(str(error)) from None
    return None


async def _agent(address: str, caller: Caller | None) -> Resolved | None:
    """The agent at an address: any that the caller may reach, only public ones for strangers."""
    try:
        if caller is not None:
            return await selectors.published(caller, address)
        organization, _, slug = address.partition("/")
        return await selectors.public_agent(organization, slug)
    except AgentNotFound:
        return None


def _answered(result: Any) -> HttpResponse:
    """A handler's result: bytes and text as they are, anything else as JSON."""
    if isinstance(result, bytes):
        return HttpResponse(result, content_type="application/octet-stream")
    if isinstance(result, str):
        return HttpResponse(result, content_type="text/plain; charset=utf-8")
    return _json(result)


def _json(value: Any) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(value), content_type="application/json")


def _agent_not_found() -> Problem:
    found = problem_of(AgentNotFound())
    return msgspec.structs.replace(
        found, code="agent_not_found", param=None, message="There is no such agent, or it is not public."
    )
