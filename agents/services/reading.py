"""Asking the database on behalf of a caller, off the event loop."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import OperationalError

from agents.errors import AgentsUnavailable
from tenants.caller import Caller
from tenants.context import organization_context
from tenants.threads import in_thread

P = ParamSpec("P")
T = TypeVar("T")


async def read_for(caller: Caller, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `read` finds within the caller's organization. Raises AgentsUnavailable while the database is away."""
    with organization_context(caller.organization_id):
        try:
            return await in_thread(read, *args, **kwargs)
        except OperationalError as error:
            raise AgentsUnavailable from error
