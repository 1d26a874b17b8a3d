"""The forms on which staff moves money, and the service that each of them asks."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from unfold import widgets

from billing import adjustments, grants, refunds, top_ups, wallets
from billing.amounts import NANOS_PER_DOLLAR, dollars
from billing.dollar_fields import DollarsField
from billing.models import Account, Grant, Refund, TransferGroup
from billing.top_ups import MOST_DOLLARS
from tenants.models import Organization

WAITS = "It awaits a second person: {}."
_TEXT = widgets.UnfoldAdminTextInputWidget
_SELECT = widgets.UnfoldAdminSelectWidget


def amount_field(**options: Any) -> DollarsField:
    """Dollars that move."""
    limits = {"least": 1, "most": MOST_DOLLARS * NANOS_PER_DOLLAR}
    return DollarsField(scale=NANOS_PER_DOLLAR, label="Amount ($)", **{**limits, **options})


def words(label: str, *, longest: int = 200, help_text: str = "") -> forms.CharField:
    """A reason; it stays in the books."""
    return forms.CharField(label=label, max_length=longest, widget=_TEXT(), help_text=help_text)


class MoveForm(forms.Form):
    """What is to move, and why. `id` makes it happen once. `about` is what the page is about already."""

    title: ClassVar = ""
    verb: ClassVar = ""
    id = forms.UUIDField(widget=forms.HiddenInput())

    def __init__(self, *args: Any, about: Mapping[str, Any], **options: Any) -> None:
        super().__init__(*args, **options)
        self.about = about

    def move(self, *, actor: str) -> str:
        """Do it, and say what was done. Raises what the books say instead."""
        raise NotImplementedError


class _OfOrganization(MoveForm):
    organization = forms.ModelChoiceField(
        Organization.objects.order_by("slug"), to_field_name="slug", widget=_SELECT(), label="Organization"
    )


class TopUpForm(_OfOrganization):
    """Money that came in from outside."""

    title = "Top-up"
    verb = "Credit the wallet"
    amount = amount_field()
    reference = words(
        "Reference", help_text="Such as the bank's reference or the ticket; it stays in the books for good."
    )

    def move(self, *, actor: str) -> str:
        """Enter it."""
        asked = self.cleaned_data
        state = top_ups.enter(
            id=asked["id"], organization_id=asked["organization"].id, amount_nanos=asked["amount"],
            reference=asked["reference"], actor=actor,
        )  # fmt: skip
        told = f"{dollars(asked['amount'])} for {asked['organization']}"
        return (
            WAITS.format(told)
            if state == "pending"
            else f"{dollars(asked['amount'])} credited to {asked['organization']}."
        )


class GrantForm(_OfOrganization):
    """Credit that a wallet is given."""

    title = "Grant"
    verb = "Give the credit"
    amount = amount_field()
    source = forms.ChoiceField(label="What for", choices=Grant.Source.choices, widget=_SELECT())
    cost_basis = forms.ChoiceField(label="Who paid", choices=Grant.CostBasis.choices, initial="zero", widget=_SELECT())
    expires_at = forms.SplitDateTimeField(
        label="Expires", required=False, widget=widgets.UnfoldAdminSplitDateTimeWidget(), help_text="Empty for never."
    )
    reason = words("Reason")

    def move(self, *, actor: str) -> str:
        """Give it."""
        asked = self.cleaned_data
        state = grants.give(
            id=asked["id"], organization_id=asked["organization"].id, source=asked["source"],
            amount_nanos=asked["amount"], reason=asked["reason"], actor=actor, cost_basis=asked["cost_basis"],
            expires_at=asked["expires_at"],
        )  # fmt: skip
        told = f"{dollars(asked['amount'])} of credit for {asked['organization']}"
        return WAITS.format(told) if state == "requested" else f"Given: {told}."


class RefundForm(MoveForm):
    """Money of a settlement that goes back."""

    title = "Refund"
    verb = "Give it back"
    hold_id = forms.UUIDField(label="Charge", widget=_TEXT(), help_text="Its id, as the charge's page shows it.")
    amount = amount_field()
    reason = forms.ChoiceField(label="Why", choices=Refund.Reason.choices, widget=_SELECT())
    clawback = forms.BooleanField(
        label="The creator returns its part", required=False, widget=widgets.UnfoldBooleanWidget(),
        help_text="Otherwise the creator keeps it, and the platform pays.",
    )  # fmt: skip
    remark = words("Remark")

    def move(self, *, actor: str) -> str:
        """Give it back."""
        asked = self.cleaned_data
        state = refunds.refund(
            id=asked["id"], hold_id=asked["hold_id"], amount_nanos=asked["amount"], clawback=asked["clawback"],
            reason=asked["reason"], remark=asked["remark"], actor=actor,
        )  # fmt: skip
        told = f"a refund of {dollars(asked['amount'])}"
        return WAITS.format(told) if state == "requested" else f"Made: {told}."


class AdjustmentForm(MoveForm):
    """A correction: money from one account to another, or a group of transfers the other way around."""

    title = "Adjustment"
    verb = "Post it"
    kind = forms.ChoiceField(
        label="Kind",
        choices=(("adjustment", "Adjustment"), ("write_off", "Write-off"), ("reversal", "Reversal")),
        widget=_SELECT(),
        help_text="A reversal takes back every line of a group; the others move an amount between two accounts.",
    )
    debit = forms.ModelChoiceField(  # type: ignore[var-annotated]  # its rows come with the request
        queryset=None, to_field_name="code", required=False, label="From", widget=_TEXT(),
        help_text="The code of the account that is debited, such as platform:overrun_loss.",
    )  # fmt: skip
    credit = forms.ModelChoiceField(  # type: ignore[var-annotated]  # its rows come with the request
        queryset=None, to_field_name="code", required=False, label="To", widget=_TEXT(),
        help_text="The code of the account that is credited.",
    )  # fmt: skip
    amount = amount_field(required=False)
    group = forms.ModelChoiceField(  # type: ignore[var-annotated]  # its rows come with the request
        queryset=None, required=False, label="Group to reverse", widget=_TEXT(),
        help_text="Its number in the journal.",
    )  # fmt: skip
    reason = words("Reason")
    ticket = words("Ticket", longest=64, help_text="Where the matter is written up.")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        rows = {"debit": Account.objects.all(), "credit": Account.objects.all(), "group": TransferGroup.objects.all()}
        for name, choices in rows.items():
            self.fields[name].queryset = choices  # type: ignore[attr-defined]  # a ModelChoiceField

    def clean(self) -> dict[str, Any]:
        """Each kind has fields of its own."""
        entered: dict[str, Any] = super().clean() or {}
        needed = ("group",) if entered.get("kind") == "reversal" else ("debit", "credit", "amount")
        for name in needed:
            if not entered.get(name) and name not in self.errors:
                self.add_error(name, "This is needed for this kind.")
        return entered

    def move(self, *, actor: str) -> str:
        """Post it."""
        asked = self.cleaned_data
        why = {"id": asked["id"], "reason": asked["reason"], "ticket": asked["ticket"], "actor": actor}
        if asked["kind"] == "reversal":
            state = adjustments.reverse(group_id=asked["group"].pk, **why)
        else:
            post = adjustments.write_off if asked["kind"] == "write_off" else adjustments.adjust
            state = post(debit_id=asked["debit"].pk, credit_id=asked["credit"].pk, amount_nanos=asked["amount"], **why)
        told = {"adjustment": "an adjustment", "write_off": "a write-off", "reversal": "a reversal"}[asked["kind"]]
        return WAITS.format(told) if state == "requested" else f"Posted: {told}."


class StandingForm(MoveForm):
    """Whether a wallet starts anything."""

    title = "Standing"
    verb = "Set it"
    standing = forms.ChoiceField(
        label="Standing",
        choices=(("frozen", "Frozen: starts nothing; what was held is still paid"), ("open", "Open"),
                 ("closed", "Closed for good: only an empty one")),
        widget=_SELECT(),
    )  # fmt: skip
    reason = words("Reason", help_text="The organization's members may read it.")

    def move(self, *, actor: str) -> str:
        """Set it."""
        asked, organization = self.cleaned_data, self.about["organization"]
        wallets.set_standing(
            organization_id=organization.id, standing=asked["standing"], reason=asked["reason"], actor=actor
        )
        return f"The wallet of {organization} is {asked['standing']}."


class LimitForm(MoveForm):
    """How far a wallet may go below zero."""

    title = "Credit limit"
    verb = "Set it"
    amount = amount_field(least=0)
    reason = words("Reason")

    def move(self, *, actor: str) -> str:
        """Set it."""
        asked, organization = self.cleaned_data, self.about["organization"]
        wallets.set_credit_limit(
            organization_id=organization.id, limit_nanos=asked["amount"], reason=asked["reason"], actor=actor
        )
        return f"{organization} may go {dollars(asked['amount'])} below zero."


class ChargebackForm(MoveForm):
    """What a bank took back."""

    title = "Chargeback"
    verb = "Book it, and freeze the wallet"
    amount = amount_field()
    reason = words("Reason")
    ticket = words("Ticket", longest=64)

    def move(self, *, actor: str) -> str:
        """Book it."""
        asked, organization = self.cleaned_data, self.about["organization"]
        adjustments.charge_back(
            id=asked["id"], organization_id=organization.id, amount_nanos=asked["amount"], reason=asked["reason"],
            ticket=asked["ticket"], actor=actor,
        )  # fmt: skip
        return f"Booked: a bank took {dollars(asked['amount'])} back from {organization}. The wallet is frozen."
