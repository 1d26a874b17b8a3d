"""How often somebody tried to sign in lately."""

from django.db import models


class SignInAttempts(models.Model):
    """Attempts for one address of one person from one place, since the first of them. Who gets in is forgotten."""

    digest = models.CharField(max_length=64, primary_key=True, help_text="Of the e-mail address and the place.")
    attempts = models.PositiveIntegerField()
    since = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=("since",), name="signinattempts_by_time"),)

    def __str__(self) -> str:
        return self.digest[:8]
