"""What may stand behind the question mark of an address, and how it is refused when it may not."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeAlias
from uuid import UUID

from django.http import HttpRequest
from ninja import Schema
from ninja.errors import ValidationError
from pydantic import AfterValidator, Field

from agents.services.history import MOST_AT_ONCE, RunFilter, RunState
from agents.services.usage import DEFAULT_DAYS, Bucket, Group, UsageQuery
from agents.services.visibility import Whose
from api.problems import InvalidRequest

_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_SHOWN = 64


def _within_reason(moment: datetime) -> datetime:
    known = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not _FIRST <= known < _LAST:
        raise ValueError("a time between 2000 and 2200 is expected")
    return known.astimezone(UTC)


Moment: TypeAlias = Annotated[
    datetime, AfterValidator(_within_reason), Field(description="ISO 8601: a day or a time, in UTC unless it says.")
]


class RunsAsked(Schema):
    """Which runs to list."""

    after: UUID | None = Field(None, description="The last run of the page before.")
    limit: int = Field(20, ge=1, le=MOST_AT_ONCE)
    agent: str | None = Field(
        None, max_length=160, pattern="^[!-~]+$", description="An agent's name, as it was called."
    )
    status: RunState | None = None
    from_: Moment | None = Field(None, alias="from", description="Runs that began then or later.")
    to: Moment | None = Field(None, description="Runs that began before then.")
    whose: Whose | None = Field(None, description="The key's own runs, or all of its organization's.")

    def filter(self) -> RunFilter:
        """The question."""
        return RunFilter(whose=self.whose, agent=self.agent, status=self.status, since=self.from_, until=self.to)


class UsageAsked(Schema):
    """Which usage to add up, and by what."""

    from_: Moment | None = Field(None, alias="from", description=f"{DEFAULT_DAYS} days before `to`, unless given.")
    to: Moment | None = Field(None, description="Now, unless given.")
    bucket: Bucket = "day"
    group_by: list[Group] = Field([], max_length=2)
    whose: Whose | None = Field(None, description="The key's own usage, or all of its organization's.")

    def query(self, now: datetime) -> UsageQuery:
        """The question, as it is asked now."""
        until = self.to or now
        since = self.from_ or until - timedelta(days=DEFAULT_DAYS)
        return UsageQuery(since=since, until=until, bucket=self.bucket, groups=tuple(self.group_by), whose=self.whose)


def refuse_unknown(request: HttpRequest, known: type[Schema]) -> None:
    """Refuse parameters that the endpoint does not have: a misspelt filter would filter nothing."""
    names = {field.alias or name for name, field in known.model_fields.items()}
    for name in sorted(request.GET.keys() - names):
        shown = name[:_SHOWN]
        raise InvalidRequest(f"Unrecognized query parameter: '{shown}'.", code="unknown_parameter", param=shown)


def invalid(error: ValidationError) -> InvalidRequest:
    """What a parameter of the wrong kind is, in our words."""
    first = error.errors[0]
    name = next((str(part) for part in first["loc"][1:] if str(part) not in ("asked", "query")), "query")
    return InvalidRequest(f"Invalid value for '{name}': {first['msg']}.", param=name)
