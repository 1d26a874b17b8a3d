"""What was answered to a request that may be sent again: it carried an Idempotency-Key, or its SDK repeats it."""

from typing import ClassVar

from django.db import models

from tenants.models import TenantModel


class IdempotentAnswer(TenantModel):
    """A key that a client chose, and the answer that belongs to it: leased while its run goes on, then kept for a day.

    A request without a key, whose SDK left and may repeat it, has one of ours, which no client can send. It is found by
    what was asked, for as long as an SDK may come back.

    The answer is its caller's own content. It is shown to nobody but who asks again with the key and the same body.
    """

    key = models.CharField(max_length=255)
    digest = models.BinaryField(max_length=32, help_text="Of the request: another one may not have the same key.")
    run_id = models.UUIDField(help_text="The run that answers, which is what its charge is called too.")
    leased_until = models.DateTimeField(null=True, help_text="While it is being answered; prolonged by who answers.")
    awaited_until = models.DateTimeField(
        null=True, help_text="Somebody who asked again waits for it; prolonged by them."
    )
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=list)
    body = models.BinaryField(null=True, help_text="Null if there is none yet, or if it was too large to keep.")
    expires_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("organization", "key"), name="agents_answer_key_once"),
            models.UniqueConstraint(fields=("organization", "id"), name="agents_answer_organization_id"),
            models.CheckConstraint(
                condition=models.Q(leased_until__isnull=False, status__isnull=True)
                | models.Q(leased_until__isnull=True, status__isnull=False),
                name="agents_answer_leased_or_given",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=("expires_at",), name="agents_answer_expiring"),
            models.Index(fields=("organization", "digest"), name="agents_answer_to_what"),
        ]

    def __str__(self) -> str:
        return str(self.id)
