"""Servers of others that speak the Model Context Protocol, and what of them was approved."""

from decimal import Decimal
from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from tenants.models import TenantModel

NAME = r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$"


class MCPTransport(models.TextChoices):
    """How a server is spoken to."""

    HTTP = "http", "Streamable HTTP"
    SSE = "sse", "HTTP with server-sent events"
    OPERATOR = "operator", "Run by this platform's operator"


class MCPState(models.TextChoices):
    """What was found when it was looked at last."""

    NEW = "new", "Not looked at yet"
    READY = "ready", "As approved"
    CHANGED = "changed", "Waits for approval"
    FAILING = "failing", "Cannot be used"


class MCPServer(TenantModel):
    """A server that an organization's agents may use. Models are offered what stands in `approved`, and nothing else.

    `approved` and `seen` are lists of definitions: name, description and schema of a tool.
    """

    name = models.CharField(
        max_length=32, validators=[RegexValidator(NAME)], help_text="A short name; tools are called name__tool."
    )
    transport = models.CharField(max_length=8, choices=MCPTransport.choices, default=MCPTransport.HTTP)
    url = models.CharField(max_length=500, blank=True, help_text="Where it is; nothing for one that the operator runs.")
    credential_id = models.UUIDField(null=True, blank=True, help_text="The credential that it is sent.")
    timeout_s = models.FloatField(
        "time for a call",
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(300)],
        help_text="Seconds.",
    )
    most_credits = models.DecimalField(
        "most for a call",
        max_digits=12,
        decimal_places=6,
        default=Decimal(0),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(100))],
        help_text="The most that a call may cost by the server's own account (_metering), in credits; 0: nothing.",
    )
    enabled = models.BooleanField(default=True)
    approved = models.JSONField(default=list, blank=True)
    seen = models.JSONField(default=list, blank=True)
    state = models.CharField(max_length=8, choices=MCPState.choices, default=MCPState.NEW)
    error = models.CharField(max_length=500, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)

    class Meta(TenantModel.Meta):
        ordering = ("name",)
        verbose_name = "MCP server"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("organization", "id"), name="agents_mcpserver_organization_id"),
            models.UniqueConstraint(fields=("organization", "name"), name="agents_mcpserver_name_once"),
            models.CheckConstraint(
                condition=models.Q(transport__in=MCPTransport.values), name="agents_mcpserver_transport_known"
            ),
            models.CheckConstraint(condition=models.Q(state__in=MCPState.values), name="agents_mcpserver_state_known"),
        ]

    def __str__(self) -> str:
        return self.name
