"""/api/v1/billing/budgets: what may be spent in a period, by the organization, a key, an agent or an end user."""

from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.manage.amounts import NanosAskedField, NanosField, UsdField
from api.manage.pages import NumberedPageAsked, PageAsked, page
from api.manage.views import ManageView
from billing import budgets
from tenants.ids import uuid7


class BudgetShown(serializers.Serializer[Any]):
    """A budget, and the period that it is in."""

    id = serializers.UUIDField(source="budget.id")
    object = serializers.CharField(default="budget", read_only=True)
    scope = serializers.CharField(source="budget.scope")
    subject = serializers.CharField(source="budget.subject")
    period = serializers.CharField(source="budget.period")
    time_zone = serializers.CharField(source="budget.time_zone")
    mode = serializers.CharField(source="budget.mode")
    alert_percents = serializers.ListField(child=serializers.IntegerField(), source="budget.alert_percents")
    limit_nanos = NanosField(source="budget.limit")
    limit_usd = UsdField(source="budget.limit")
    held_nanos = NanosField()
    held_usd = UsdField(source="held_nanos")
    spent_nanos = NanosField()
    spent_usd = UsdField(source="spent_nanos")
    remaining_nanos = NanosField()
    remaining_usd = UsdField(source="remaining_nanos")
    resets_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField(source="budget.created_at")


class WindowShown(serializers.Serializer[Any]):
    """A period of a budget."""

    id = serializers.IntegerField()
    object = serializers.CharField(default="budget_window", read_only=True)
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True)
    limit_nanos = NanosField(source="limit")
    limit_usd = UsdField(source="limit")
    held_nanos = NanosField(source="held")
    held_usd = UsdField(source="held")
    spent_nanos = NanosField(source="spent")
    spent_usd = UsdField(source="spent")


class Limits(serializers.Serializer[Any]):
    """What can be changed about a budget."""

    limit_nanos = NanosAskedField(zero=True, required=False)
    mode = serializers.ChoiceField(budgets.MODES, required=False, help_text="hard refuses, soft only warns.")
    alert_percents = serializers.ListField(
        child=serializers.IntegerField(), max_length=budgets.MOST_ALERTS, required=False
    )


class BudgetAsked(Limits):
    """A budget to be set."""

    id = serializers.UUIDField(required=False, help_text="Chosen by you: sent again, it sets no second one.")
    scope = serializers.ChoiceField(budgets.SCOPES)
    subject = serializers.CharField(
        max_length=256, required=False, default="", help_text="The id of the key or agent, or the end user's own."
    )
    period = serializers.ChoiceField(budgets.PERIODS)
    time_zone = serializers.CharField(max_length=64, default="UTC")
    limit_nanos = NanosAskedField(zero=True)
    mode = serializers.ChoiceField(budgets.MODES, default="hard")


class BudgetsAsked(PageAsked):
    """Which budgets to list."""

    scope = serializers.ChoiceField(budgets.SCOPES, required=False)
    subject = serializers.CharField(max_length=256, required=False)


class Budgets(ManageView):
    """The organization's budgets."""

    def get(self, request: Request) -> Response:
        """Those that count, by their ids."""
        asked = self.asked(BudgetsAsked)
        found, has_more = budgets.budgets_page(
            after=asked.get("after"), limit=asked["limit"], scope=asked.get("scope"), subject=asked.get("subject")
        )
        return page([BudgetShown(state).data for state in found], has_more=has_more)

    def post(self, request: Request) -> Response:
        """Set one."""
        asked = self.sent(BudgetAsked)
        state = budgets.set_budget(**{"id": uuid7(), **asked}, actor=self.actor)
        return Response(BudgetShown(state).data, status=201)


class Budget(ManageView):
    """One of them."""

    def get(self, request: Request, budget_id: UUID) -> Response:
        """As it is now."""
        return Response(BudgetShown(budgets.budget_of(budget_id)).data)

    def patch(self, request: Request, budget_id: UUID) -> Response:
        """Other limits, from now on; whose it is and its periods stay."""
        return Response(BudgetShown(budgets.change_budget(budget_id, actor=self.actor, **self.sent(Limits))).data)

    def delete(self, request: Request, budget_id: UUID) -> Response:
        """End it: it refuses nothing more."""
        budgets.end_budget(budget_id)
        return Response(status=204)


class Windows(ManageView):
    """The periods of a budget."""

    def get(self, request: Request, budget_id: UUID) -> Response:
        """The latest first; a period in which nothing was asked for has none."""
        asked = self.asked(NumberedPageAsked)
        found, has_more = budgets.windows_page(budget_id, after=asked.get("after"), limit=asked["limit"])
        return page([WindowShown(window).data for window in found], has_more=has_more)
