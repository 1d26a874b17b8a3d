"""People and their seats."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold import widgets
from unfold.admin import ModelAdmin

from tenants import services
from tenants.admin.seats import MemberAdmin, seat_of
from tenants.models import Membership, User
from tenants.permissions import MEMBERS_WRITE
from tenants.roles import Role

LAST_OWNER = "An organization keeps at least one owner: make somebody else owner first."
OWNERS_ONLY = "Only an owner changes an owner's seat."


def refusals(seats: Iterable[Membership], *, by_owner: bool) -> list[str]:
    """Why these seats cannot be taken away, or become less than an owner's; nothing when they can."""
    owners = [seat for seat in seats if seat.role == Role.OWNER]
    if owners and not by_owner:
        return [OWNERS_ONLY]
    for organization_id in {seat.organization_id for seat in owners}:
        left = Membership.objects.filter(organization_id=organization_id, role=Role.OWNER)
        if not left.exclude(pk__in=[seat.pk for seat in owners]).exists():
            return [LAST_OWNER]
    return []


class SeatForm(forms.ModelForm):
    """A seat for someone who can already sign in."""

    by_owner = True

    email = forms.EmailField(
        help_text="The address they sign in with.", widget=widgets.UnfoldAdminEmailInputWidget(), required=False
    )

    class Meta:
        model = Membership
        fields: ClassVar = ("email", "role")

    def clean(self) -> dict[str, Any]:
        """Find the person, unless the seat has its holder already."""
        cleaned: dict[str, Any] = super().clean() or {}
        if self.instance._state.adding:
            person = User.objects.filter(email=cleaned.get("email", "").lower(), is_active=True).first()
            if person is None or Membership.objects.filter(user=person).exists():
                raise ValidationError("Nobody signs in with this address, or they have a seat already.")
            cleaned["user"] = person
        elif cleaned.get("role") != Role.OWNER:
            for refusal in refusals([self.instance], by_owner=self.by_owner):
                self.add_error("role", refusal)
        return cleaned


class Seats:
    """What holds for seats on both sites."""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Seats that have to stay are shown as protected, with the reason."""
        deleted, counts, needed, protected = super().get_deleted_objects(objs, request)  # type: ignore[misc]  # Django's
        return deleted, counts, needed, [*protected, *refusals(objs, by_owner=self.is_by_owner(request))]

    def is_by_owner(self, request: HttpRequest) -> bool:
        """Whether owners' seats may be changed; staff may."""
        return True

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        """Take the seat away."""
        services.remove_member(obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for seat in queryset:
            services.remove_member(seat)


class MemberSeatAdmin(Seats, MemberAdmin):
    """Who sits in the organization."""

    reads = MEMBERS_WRITE
    writes = MEMBERS_WRITE
    form = SeatForm
    list_display: ClassVar = ("user", "role", "created_at")
    list_select_related: ClassVar = ("user",)
    search_fields: ClassVar = ("user__email", "user__name")
    ordering: ClassVar = ("user__email",)

    def get_fields(self, request: HttpRequest, obj: Membership | None = None) -> Any:
        return ("user", "role", "created_at") if obj else ("email", "role")

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> Any:
        return ("user", "created_at") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)

    def get_form(self, request: HttpRequest, obj: Membership | None = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002  # Django's own signature
        form = super().get_form(request, obj, change=change, **kwargs)
        form.by_owner = self.is_by_owner(request)
        if "role" in form.base_fields and not form.by_owner:
            form.base_fields["role"].choices = [choice for choice in Role.choices if choice[0] != Role.OWNER]
        return form

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's own signature
        """Give the seat, or change what it allows."""
        role = Role(form.cleaned_data["role"])
        if not change:
            given = services.add_member(
                organization_id=seat_of(request).organization.id, user=form.cleaned_data["user"], role=role
            )
            obj.__dict__.update(given.__dict__)
            return
        services.change_role(Membership.objects.get(pk=obj.pk), role=role)

    def is_by_owner(self, request: HttpRequest) -> bool:
        return seat_of(request).role == Role.OWNER


class NewUserForm(forms.ModelForm):
    """A person with a first password."""

    password = forms.CharField(widget=widgets.UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}))

    class Meta:
        model = User
        fields: ClassVar = ("email", "name", "password", "is_staff")

    def clean_email(self) -> str:
        """Compared without case."""
        return str(self.cleaned_data["email"]).lower()

    def clean_password(self) -> str:
        """A password that the platform's rules accept."""
        password = str(self.cleaned_data["password"])
        validate_password(password, self.instance)
        return password


class StaffUserAdmin(ModelAdmin):
    """Everybody who can sign in."""

    list_display: ClassVar = ("email", "name", "is_active", "is_staff", "last_login")
    list_filter: ClassVar = ("is_active", "is_staff")
    search_fields: ClassVar = ("email", "name")
    ordering: ClassVar = ("email",)

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        return (
            ("email", "name", "is_active", "is_staff", "is_superuser", "last_login") if obj else NewUserForm.Meta.fields
        )

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None:
            return ()
        return ("last_login",) if request.user.is_superuser else ("last_login", "is_staff", "is_superuser")

    def get_form(self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002  # Django's own signature
        return super().get_form(request, obj, change=change, **({} if obj else {"form": NewUserForm}), **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """People are deactivated; what they did stays theirs."""
        return False

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's own signature
        """Hash the password of a new person."""
        if not change:
            obj.set_password(form.cleaned_data["password"])
        super().save_model(request, obj, form, change)


class StaffSeatForm(forms.ModelForm):
    """Any seat in any organization."""

    class Meta:
        model = Membership
        fields: ClassVar = ("organization", "user", "role")

    def clean_role(self) -> str:
        """What the seat allows, unless its organization would be left without an owner."""
        role = str(self.cleaned_data["role"])
        if not self.instance._state.adding and role != Role.OWNER:
            for refusal in refusals([self.instance], by_owner=True):
                raise ValidationError(refusal)
        return role


class StaffSeatAdmin(Seats, ModelAdmin):
    """Every seat in every organization."""

    list_display: ClassVar = ("user", "organization", "role", "created_at")
    list_select_related: ClassVar = ("user", "organization")
    list_filter: ClassVar = ("role",)
    search_fields: ClassVar = ("user__email", "organization__slug")
    autocomplete_fields: ClassVar = ("user", "organization")
    form = StaffSeatForm
    ordering: ClassVar = ("organization__slug", "user__email")
    fields: ClassVar = ("organization", "user", "role")

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> Any:
        return ("organization", "user") if obj else ()

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's own signature
        """Give the seat, or change what it allows."""
        role = Role(form.cleaned_data["role"])
        if change:
            services.change_role(Membership.objects.get(pk=obj.pk), role=role)
        else:
            given = services.add_member(organization_id=obj.organization_id, user=obj.user, role=role)
            obj.__dict__.update(given.__dict__)
