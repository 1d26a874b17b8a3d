"""Work on the database on behalf of a caller, off the event loop."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import OperationalError

from agents.errors import AgentsUnavailable
from tenants.caller import Caller
from tenants.context import organization_context
from tenants.threads import answered

P = ParamSpec("P")
T = TypeVar("T")


async def on_behalf_of(caller: Caller, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `work` returns, done within the caller's organization.

    Raises AgentsUnavailable while the database is away, and TenantsUnavailable when it takes too long.
    """
    with organization_context(caller.organization_id):
        try:
            return await answered(work, *args, **kwargs)
        except OperationalError as error:
            raise AgentsUnavailable from error
