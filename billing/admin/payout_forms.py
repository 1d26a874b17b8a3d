"""The forms on which payouts are calculated, sent on their way, and what became of them is booked."""

from collections.abc import Callable
from typing import Any

from django import forms
from unfold import widgets

from billing import payouts
from billing.admin.move_forms import MoveForm, words
from billing.amounts import NANOS_PER_DOLLAR, dollars
from billing.dollar_fields import DollarsField
from billing.models import Payout, PayoutBatch
from billing.payouts import Answer, Destination

_TEXT = widgets.UnfoldAdminTextInputWidget
_MOST_FEE_DOLLARS = 1_000

STEPS: dict[str, tuple[str, Callable[..., None], str, tuple[str, ...]]] = {
    "approve": ("Approve", payouts.approve, "approved", ("calculated",)),
    "cancel": ("Cancel", payouts.cancel, "cancelled", ("calculated",)),
    "sent": ("The bank has the file", payouts.mark_sent, "sent", ("approved",)),
}
"""What may be done with a batch: its name, its service, how it is told, and in which states."""

OUTCOMES: dict[str, tuple[str, ...]] = {"sent": ("paid", "failed", "returned"), "paid": ("returned",)}
"""What the bank may say of a payout in each state."""


class BatchForm(MoveForm):
    """A month to be calculated."""

    title = "Payout batch"
    verb = "Calculate"
    period = forms.RegexField(
        r"^[0-9]{4}-(?:0[1-9]|1[0-2])$", label="Month", widget=_TEXT(),
        help_text="Such as 2026-11. Nothing moves before somebody else approves.",
    )  # fmt: skip
    reason = words("Reason")

    def move(self, *, actor: str) -> str:
        """Draw it up."""
        asked = self.cleaned_data
        payouts.calculate(id=asked["id"], period=asked["period"], actor=actor, reason=asked["reason"])
        drawn = payouts.batch(asked["id"])
        many = f"{drawn.count} payout{'' if drawn.count == 1 else 's'}"
        return f"Calculated: {many}, {dollars(drawn.total)}. Somebody else approves."


class StepForm(MoveForm):
    """What is done with a batch; `about` says what, and with which."""

    reason = words("Reason")

    def move(self, *, actor: str) -> str:
        """Do it."""
        batch: PayoutBatch = self.about["batch"]
        self.about["step"](id=batch.pk, actor=actor, reason=self.cleaned_data["reason"])
        return f"{batch}: {self.about['done']}."


class _OfPayout(MoveForm):
    """Something about one attempt at a payout: a page that is out of date is refused."""

    attempt = forms.IntegerField(min_value=0, widget=forms.HiddenInput())

    @property
    def payout(self) -> Payout:
        """Which."""
        found: Payout = self.about["payout"]
        return found


class RetryForm(_OfPayout):
    """Another attempt at a payout that failed."""

    title = "Another attempt"
    verb = "Try again"
    reason = words("Reason")

    def move(self, *, actor: str) -> str:
        """Set the money aside anew."""
        asked = self.cleaned_data
        payouts.retry(id=self.payout.pk, attempt=asked["attempt"], actor=actor, reason=asked["reason"])
        return f"{self.payout} is tried again."


class OutcomeForm(_OfPayout):
    """What the bank said of a payout."""

    title = "What became of it"
    verb = "Book it"
    outcome = forms.ChoiceField(label="The bank says", widget=widgets.UnfoldAdminSelectWidget())
    code = forms.CharField(
        label="Why", max_length=64, required=False, widget=_TEXT(),
        help_text="In a word or two, such as account_closed; the creator reads it. Not for what was paid.",
    )  # fmt: skip
    fee = DollarsField(
        scale=NANOS_PER_DOLLAR, most=_MOST_FEE_DOLLARS * NANOS_PER_DOLLAR, label="Fee ($)", required=False,
        help_text="What the bank took for what was paid. The platform bears it.",
    )  # fmt: skip
    reason = words("Reason", help_text="Such as the bank's statement on which you saw it.")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        offered = OUTCOMES.get(self.payout.state, ())
        self.fields["outcome"].choices = [(each, each.capitalize()) for each in offered]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """What was not paid says why; only what was paid costs a fee."""
        asked: dict[str, Any] = super().clean() or {}
        is_paid = asked.get("outcome") == "paid"
        if not is_paid and not asked.get("code"):
            self.add_error("code", "Say why the money did not arrive.")
        if is_paid and asked.get("code"):
            self.add_error("code", "What was paid needs no reason here.")
        if not is_paid and asked.get("fee"):
            self.add_error("fee", "A fee is booked with what was paid.")
        return asked

    def move(self, *, actor: str) -> str:
        """Book it, once."""
        asked = self.cleaned_data
        answer = Answer(outcome=asked["outcome"], fee_nanos=asked["fee"] or 0, code=asked["code"])
        payouts.record(
            id=self.payout.pk, attempt=asked["attempt"], answer=answer, actor=actor, reason=asked["reason"]
        )  # fmt: skip
        return f"{self.payout}, {dollars(self.payout.amount)}: {asked['outcome']}."


class AccountForm(MoveForm):
    """Where an organization wants its earnings."""

    title = "Payout account"
    verb = "Send earnings there"
    holder = words("Holder", longest=70, help_text="As the bank knows you.")
    number = words("IBAN or account number", longest=64, help_text="Kept sealed; only its end is ever shown.")
    bank_code = forms.CharField(
        label="Bank", max_length=16, required=False, widget=_TEXT(), help_text="A BIC or a routing number."
    )
    country = forms.CharField(
        label="Country", max_length=2, required=False, widget=_TEXT(), help_text="Two letters, such as DE."
    )

    def move(self, *, actor: str) -> str:
        """Use it from now on."""
        asked = {name: self.cleaned_data[name] for name in ("holder", "number", "bank_code", "country")}
        kept = payouts.store_account(
            organization_id=self.about["organization_id"], destination=Destination(**asked), entered_by=actor
        )
        return f"Earnings are sent to {kept.label} from now on. What is on its way goes where it was going."
