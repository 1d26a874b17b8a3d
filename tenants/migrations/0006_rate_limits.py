"""How much may be asked for in a time, where the platform's defaults are not to hold."""

import django.db.models.deletion
from django.db import migrations, models

# Members read what staff set, and cannot touch it.
WALL = """
ALTER TABLE tenants_ratelimit ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants_ratelimit FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenants_ratelimit TO robutler_app
    USING (organization_id = robutler_organization())
    WITH CHECK (organization_id = robutler_organization() AND NOT set_by_staff);
CREATE POLICY changed ON tenants_ratelimit AS RESTRICTIVE FOR UPDATE TO robutler_app
    USING (organization_id = robutler_organization() AND NOT set_by_staff);
CREATE POLICY removed ON tenants_ratelimit AS RESTRICTIVE FOR DELETE TO robutler_app
    USING (organization_id = robutler_organization() AND NOT set_by_staff);
CREATE POLICY owner ON tenants_ratelimit TO robutler_owner USING (true) WITH CHECK (true);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0005_audit_events"),
    ]

    operations = [
        migrations.CreateModel(
            name="RateLimit",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("organization", "The organization: all its keys together"),
                            ("key", "An API key"),
                            ("agent", "An agent: all its callers together"),
                            ("end_user", "An end user of the organization"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "subject",
                    models.CharField(
                        blank=True,
                        help_text="The id of the key or agent, or the end user's own; empty for all.",
                        max_length=512,
                    ),
                ),
                ("set_by_staff", models.BooleanField(default=False, editable=False)),
                ("requests_per_second", models.PositiveIntegerField(blank=True, null=True)),
                ("requests_per_minute", models.PositiveIntegerField(blank=True, null=True)),
                ("requests_per_hour", models.PositiveIntegerField(blank=True, null=True)),
                ("requests_per_day", models.PositiveIntegerField(blank=True, null=True)),
                ("tokens_per_minute", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "reads_per_minute",
                    models.PositiveIntegerField(
                        blank=True, help_text="Of requests that run nothing, such as lists.", null=True
                    ),
                ),
                ("max_parallel", models.PositiveIntegerField(blank=True, null=True, verbose_name="requests at once")),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.organization"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("organization", "id"), name="ratelimit_of_organization"),
                    models.UniqueConstraint(
                        fields=("organization", "kind", "subject", "set_by_staff"), name="ratelimit_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "organization"), ("subject", "")),
                            ("kind", "end_user"),
                            models.Q(("kind__in", ("key", "agent")), models.Q(("subject", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="ratelimit_subject",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("requests_per_second__isnull", True), ("requests_per_second__gte", 1), _connector="OR"
                        ),
                        name="ratelimit_requests_per_second",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("requests_per_minute__isnull", True), ("requests_per_minute__gte", 1), _connector="OR"
                        ),
                        name="ratelimit_requests_per_minute",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("requests_per_hour__isnull", True), ("requests_per_hour__gte", 1), _connector="OR"
                        ),
                        name="ratelimit_requests_per_hour",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("requests_per_day__isnull", True), ("requests_per_day__gte", 1), _connector="OR"
                        ),
                        name="ratelimit_requests_per_day",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("tokens_per_minute__isnull", True), ("tokens_per_minute__gte", 1), _connector="OR"
                        ),
                        name="ratelimit_tokens_per_minute",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("reads_per_minute__isnull", True), ("reads_per_minute__gte", 1), _connector="OR"
                        ),
                        name="ratelimit_reads_per_minute",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("max_parallel__isnull", True), ("max_parallel__gte", 1), _connector="OR"),
                        name="ratelimit_max_parallel",
                    ),
                ],
            },
        ),
        migrations.RunSQL(WALL, migrations.RunSQL.noop),
    ]
