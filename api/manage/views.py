"""What every view of the management API has in common: who may, as whom it works, and how it refuses."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, ClassVar, TypeVar, cast

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.permissions import SAFE_METHODS, AllowAny
from rest_framework.request import Request
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from api import auth
from api.edge import method_not_allowed, recorded
from api.manage.callers import KeyAuthentication, MemberAuthentication
from api.problems import InvalidRequest, Problem, Refused, refused
from tenants.audit import acting
from tenants.caller import Caller
from tenants.context import organization_context, platform_context
from tenants.models import User
from tenants.permissions import BILLING_READ, BILLING_WRITE

Asked = TypeVar("Asked", bound=Serializer[Any])

_SHOWN = 64


class _View(APIView):
    """A view whose refusals are problems in the contract's shape; who may ask is decided before it begins."""

    permission_classes = (AllowAny,)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with ExitStack() as self._within:
            return super().dispatch(request, *args, **kwargs)

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]  # rendered by ourselves
        """Answer with the problem that an exception is."""
        self.headers = {}
        return refused(recorded(_foreseen(exc, self), self.request.headers.get("X-Request-ID", "")))

    def asked(self, question: type[Asked]) -> dict[str, Any]:
        """What stands behind the question mark; names that the view does not know are refused."""
        given = {name: self.request.GET[name] for name in self.request.GET}
        for name in sorted(given.keys() - question().fields.keys()):
            shown = name[:_SHOWN]
            raise InvalidRequest(f"Unrecognized query parameter: '{shown}'.", code="unknown_parameter", param=shown)
        return _valid(question(data=given))

    def sent(self, form: type[Asked]) -> dict[str, Any]:
        """What the body says; fields that the view does not know are refused, as a misspelt one would do nothing."""
        given = self.request.data
        if not isinstance(given, dict):
            raise InvalidRequest("The body must be a JSON object.", code="invalid_json")
        for name in sorted(given.keys() - form().fields.keys()):
            shown = str(name)[:_SHOWN]
            raise InvalidRequest(f"Unrecognized field: '{shown}'.", code="unknown_parameter", param=shown)
        return _valid(form(data=given))


class ManageView(_View):
    """A view for a key or a signed-in member, which works as its organization. Reading takes `reads`, the rest
    `writes`; what a view leaves out, nobody may.
    """

    authentication_classes: Sequence[type[BaseAuthentication]] = (KeyAuthentication, MemberAuthentication)
    reads: ClassVar[str | None] = BILLING_READ
    writes: ClassVar[str | None] = BILLING_WRITE

    @property
    def caller(self) -> Caller:
        """Who asks."""
        return cast(Caller, self.request.auth)

    @property
    def actor(self) -> str:
        """Who asks, as books name them: a person, or a key."""
        return str(self.request.user) if self.caller.user_id else f"key {self.caller.key_id}"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse who may not, then work as the organization of who may."""
        super().initial(request, *args, **kwargs)
        if not isinstance(request.auth, Caller):
            raise Refused(auth.missing_key())
        caller = request.auth
        permission = self.reads if request.method in SAFE_METHODS else self.writes
        if permission is not None:
            auth.require(caller, permission)
        self._within.enter_context(organization_context(caller.organization_id))
        person = str(request.user) if isinstance(request.user, User) else ""
        self._within.enter_context(acting(user_id=caller.user_id, key_id=caller.key_id, label=person))


class StaffView(_View):
    """A view for the platform's staff, signed in, which works across organizations. Money is a superuser's to move."""

    authentication_classes: Sequence[type[BaseAuthentication]] = (SessionAuthentication,)

    @property
    def person(self) -> User:
        """Who asks."""
        return cast(User, self.request.user)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse everybody but staff, and who may only look when something is to be changed."""
        super().initial(request, *args, **kwargs)
        user = request.user
        may_look = isinstance(user, User) and user.is_staff
        if not may_look or (request.method not in SAFE_METHODS and not user.is_superuser):
            raise exceptions.PermissionDenied
        self._within.enter_context(platform_context(reason=f"staff at {request.path}"))
        self._within.enter_context(acting(user_id=user.pk, label=str(user)))


class PublicView(_View):
    """A view for whoever comes: what it does rests on what is sent, not on who sends it."""

    authentication_classes: Sequence[type[BaseAuthentication]] = ()


def _foreseen(error: Exception, view: APIView) -> Exception:
    """Django's and the framework's refusals, in our words; everything else as it is."""
    match error:
        case Http404() | exceptions.NotFound():
            return _problem(404, "not_found", "There is nothing at this address, or it is not yours to see.")
        case exceptions.MethodNotAllowed():
            return method_not_allowed(*view.allowed_methods)
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return Refused(auth.missing_key())
        case exceptions.PermissionDenied():
            return Refused(
                Problem(status=403, type="permission_error", code="forbidden", message="This is not yours to do.")
            )
        case exceptions.ParseError():
            return InvalidRequest("The body is not valid JSON.", code="invalid_json")
        case exceptions.UnsupportedMediaType():
            return _problem(
                415, "unsupported_media_type", "The body must be JSON. Send 'Content-Type: application/json'."
            )
        case exceptions.ValidationError():
            return _invalid(error.get_full_details(), ())
    return error


def _problem(status: int, code: str, message: str) -> Refused:
    return Refused(Problem(status=status, type="invalid_request_error", code=code, message=message))


def _valid(serializer: Serializer[Any]) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _invalid(details: Any, path: tuple[str, ...]) -> InvalidRequest:
    """The first thing that is wrong, by the name of its field."""
    if isinstance(details, dict) and "message" in details and "code" in details:
        return _said(details, ".".join(path))
    if isinstance(details, dict):
        name, inner = next(iter(details.items()))
        return _invalid(inner, path if name == "non_field_errors" else (*path, str(name)))
    for nth, inner in enumerate(details):
        if inner:
            is_list = isinstance(inner, dict) and "message" not in inner
            return _invalid(inner, (*path, str(nth)) if is_list else path)
    return InvalidRequest("The request is not valid.")


def _said(detail: dict[str, Any], param: str) -> InvalidRequest:
    kind, message = str(detail["code"]), str(detail["message"])
    codes = {"required": "missing_required_parameter", "invalid_amount": "invalid_amount"}
    if kind == "required":
        message = f"'{param}' is required."
    elif param:
        message = f"Invalid value for '{param}': {message}"
    return InvalidRequest(message, code=codes.get(kind, "invalid_value"), param=param or None)
