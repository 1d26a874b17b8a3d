"""/api/v1/privacy: everything that is kept of one end user, told or erased."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.services import end_users
from api.manage.views import ManageView
from tenants.permissions import AGENTS_WRITE


class EndUserAsked(serializers.Serializer[Any]):
    """Of whom, as requests name them in `safety_identifier` or `user`."""

    end_user = serializers.CharField(min_length=1, max_length=256, trim_whitespace=False)


class Export(ManageView):
    """What is kept of an end user."""

    writes = AGENTS_WRITE

    def post(self, request: Request) -> Response:
        """All of it: memories, runs of agents that keep what is said, stored values, and tools on workers."""
        return Response(end_users.export(self.sent(EndUserAsked)["end_user"]))


class Erasure(ManageView):
    """An end to what is kept of an end user."""

    writes = AGENTS_WRITE

    def post(self, request: Request) -> Response:
        """Remove all of it, now. What was paid stays in the books."""
        return Response({"erased": end_users.erase(self.sent(EndUserAsked)["end_user"])})
