"""What can go wrong in a skill, named after the fact and without any idea of HTTP."""


class SkillError(Exception):
    """Anything that a skill or the runtime refuses; its message is safe to show to a caller."""


class ToolRetry(SkillError):
    """The model called the tool wrongly; the message tells it how to call it right."""


class ToolFailed(SkillError):
    """The tool cannot do what was asked; calling it again will not help."""


class ToolTimedOut(ToolFailed):
    """The tool did not finish in the time it has."""


class NotAvailable(SkillError):
    """The platform does not offer this port, or not here."""


class RunRefused(SkillError):
    """Ends a run: a hook's verdict that nothing may swallow. Subclasses say why."""


class AccessDenied(RunRefused):
    """Who calls may not do this."""


class ReplyWithheld(RunRefused):
    """A guard keeps back what the model has generated. The work was done, but its creator earns nothing by it."""


class PaymentRequired(RunRefused):
    """What was asked for is not paid for."""


class BudgetExhausted(PaymentRequired):
    """The money reserved for this run is used up and there is no more to reserve; `on` says what there is none of."""

    def __init__(self, message: str, *, on: str = "budget") -> None:
        super().__init__(message)
        self.on = on


class ModelFailed(SkillError):
    """A model's provider did not deliver. Subclasses say why; none carries a key, a URL or the provider's own words
    unless they are about the request.

    `retry_after_s` is what the provider asked for; `retryable` whether the same request may succeed later.
    """

    retryable = False

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ModelRejected(ModelFailed):
    """The provider found the request itself wrong (its 400, 404, 413, 422); `parameter` names the field when known."""

    def __init__(self, message: str, *, parameter: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter
        self.code = code


class ModelUnauthorized(ModelFailed):
    """The provider refuses the credential; the agent's owner has to mend it.

    `perhaps_request`: it may be about this request alone, as its 403 sometimes is.
    """

    def __init__(self, message: str, *, perhaps_request: bool = False) -> None:
        super().__init__(message)
        self.perhaps_request = perhaps_request


class CredentialMissing(ModelUnauthorized):
    """Nobody stored a credential for the provider, so it was not asked."""


class ModelRateLimited(ModelFailed):
    """The provider's limit is reached (its 429)."""

    retryable = True


class ModelOverloaded(ModelFailed):
    """The provider is up but will not serve now (its 503, 529)."""

    retryable = True


class ModelUnreachable(ModelFailed):
    """No connection, a broken one, or a reply that is no reply (its 5xx, bad JSON, a cut stream)."""

    retryable = True


class ModelTimeout(ModelFailed):
    """The provider took longer than allowed to connect, to begin or to go on."""

    retryable = True


class ReplyUnfit(ModelFailed):
    """The model's reply is not in the form that the request asks for, also when it was asked again."""


class RunTimedOut(SkillError, TimeoutError):
    """The run took longer than its agent allows."""


class InvalidAgent(SkillError):
    """An agent cannot be built as it is described; the message says what to change."""
