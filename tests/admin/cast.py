"""People at the two sites, and forms filled in as a browser would fill them."""

import asyncio
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

from django.db import connections
from django.test import Client
from django.urls import reverse

from agents.adapters.run_writer import run_writer
from agents.models import Agent, Run
from tenants.context import organization_context
from tenants.models import Organization, User
from tenants.roles import Role
from tests import make
from tests.agents.cast import ask, caller_of, converse, settled

Form = dict[str, str | list[str]]


def person(client: Client) -> User:
    """Who is signed in there."""
    return User.objects.get(pk=client.session["_auth_user_id"])


def member(organization: Organization, role: Role = Role.OWNER, *, who: User | None = None) -> Client:
    """The browser of somebody with that seat."""
    client = Client()
    client.force_login(make.member(organization, role, person=who).user)
    return client


def staff(*, is_superuser: bool = True) -> Client:
    """The browser of somebody who works for the platform."""
    client = Client()
    client.force_login(make.user(is_staff=True, is_superuser=is_superuser))
    return client


def page(site: str, model: Any, kind: str, *args: Any) -> str:
    """The address of a page of a model."""
    return reverse(f"{site}:{model._meta.app_label}_{model._meta.model_name}_{kind}", args=args)


def text(response: Any) -> str:
    """What a page says."""
    said: str = response.content.decode()
    return said


class _Fields(HTMLParser):
    """Reads the successful controls of one form, as a browser sends them."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.values: Form = {}
        self.buttons: list[str] = []
        self._form, self._inside, self._select, self._area = form, False, "", ""
        self._multiple = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = said.get("id") == self._form
        elif not self._inside:
            return
        if tag == "select":
            self._select, self._multiple = said.get("name", ""), "multiple" in said
        elif tag == "option" and self._select:
            self._option(said)
        elif tag == "textarea":
            self._area = said.get("name", "")
            self.values[self._area] = ""
        elif tag == "input" and said.get("name") and "disabled" not in said:
            self._input(said)
        elif tag == "button" and said.get("name"):
            self.buttons.append(said["name"])

    def _input(self, said: dict[str, str]) -> None:
        kind = said.get("type", "text")
        if kind == "submit":
            self.buttons.append(said["name"])
        elif kind not in {"checkbox", "radio"} or "checked" in said:
            self._add(said["name"], said.get("value", "on" if kind == "checkbox" else ""))

    def _option(self, said: dict[str, str]) -> None:
        """The chosen option; where none is, a browser sends the first."""
        chosen = "selected" in said
        if self._multiple and chosen:
            self._add(self._select, said.get("value", ""))
        elif not self._multiple and (chosen or self._select not in self.values):
            self.values[self._select] = said.get("value", "")

    def _add(self, name: str, value: str) -> None:
        known = self.values.get(name)
        if known is None:
            self.values[name] = value
        else:
            self.values[name] = [*known, value] if isinstance(known, list) else [known, value]

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.values[self._area] = f"{self.values[self._area]}{data}".removeprefix("\n").removeprefix("\r\n")


def fields(response: Any, form: str) -> Form:
    """The values that the form of this id would send as the page stands."""
    reader = _Fields(form)
    reader.feed(text(response))
    return reader.values


def buttons(response: Any, form: str) -> list[str]:
    """The names of the buttons of a form."""
    reader = _Fields(form)
    reader.feed(text(response))
    return reader.buttons


def submit(client: Client, address: str, form: str, **changes: Any) -> Any:
    """Open a page, change some fields of its form, send it; `None` clears a field, `__` in a name is a dot."""
    values = fields(client.get(address), form)
    for name, value in changes.items():
        name = name.replace("__", ".")
        if value is None:
            values.pop(name, None)
        else:
            values[name] = value
    return client.post(address, values)


def ran(organization: Organization, agent: Agent | str, said: str = "hello") -> UUID:
    """A run of the agent for the organization, ended and written; answers its id."""

    async def run() -> UUID:
        _, stream = await converse(caller_of(organization), agent, ask(said))
        await settled()
        return stream.run_id

    run_id = asyncio.run(run())
    assert run_writer().flush(timeout_s=10)
    return run_id


def run_of(organization: Organization, run_id: UUID) -> Run:
    """The row of a run."""
    with organization_context(organization.id):
        return Run.objects.get(pk=run_id)


@dataclass
class Statements:
    """How many statements were sent to the database."""

    sent: list[str] = field(default_factory=list)

    def __enter__(self) -> "Statements":
        self._hooks = [connections[alias].execute_wrapper(self._note) for alias in ("default", "platform")]
        for hook in self._hooks:
            hook.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        for hook in self._hooks:
            hook.__exit__(None, None, None)

    def _note(self, execute: Any, sql: Any, parameters: Any, many: bool, context: Any) -> Any:
        self.sent.append(str(sql))
        return execute(sql, parameters, many, context)
