"""Answers that are kept for an Idempotency-Key."""

import django.db.models.deletion
from django.db import migrations, models

WALLS = """
ALTER TABLE agents_idempotentanswer ENABLE ROW LEVEL SECURITY;
ALTER TABLE agents_idempotentanswer FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON agents_idempotentanswer TO robutler_app
    USING (organization_id = robutler_organization()) WITH CHECK (organization_id = robutler_organization());
CREATE POLICY owner ON agents_idempotentanswer TO robutler_owner USING (true) WITH CHECK (true);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0010_runs_by_key"),
        ("tenants", "0005_audit_events"),
    ]

    operations = [
        migrations.CreateModel(
            name="IdempotentAnswer",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("key", models.CharField(max_length=255)),
                (
                    "digest",
                    models.BinaryField(
                        help_text="Of the request: another one may not have the same key.", max_length=32
                    ),
                ),
                ("run_id", models.UUIDField(help_text="The run that answers, which is what its charge is called too.")),
                (
                    "leased_until",
                    models.DateTimeField(help_text="While it is being answered; prolonged by who answers.", null=True),
                ),
                ("status", models.PositiveSmallIntegerField(null=True)),
                ("headers", models.JSONField(default=list)),
                (
                    "body",
                    models.BinaryField(
                        help_text="Null if there is none yet, or if it was too large to keep.", null=True
                    ),
                ),
                ("expires_at", models.DateTimeField()),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.organization"
                    ),
                ),
            ],
            options={
                "abstract": False,
                "base_manager_name": "objects",
                "indexes": [models.Index(fields=["expires_at"], name="agents_answer_expiring")],
                "constraints": [
                    models.UniqueConstraint(fields=("organization", "key"), name="agents_answer_key_once"),
                    models.UniqueConstraint(fields=("organization", "id"), name="agents_answer_organization_id"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("leased_until__isnull", False), ("status__isnull", True)),
                            models.Q(("leased_until__isnull", True), ("status__isnull", False)),
                            _connector="OR",
                        ),
                        name="agents_answer_leased_or_given",
                    ),
                ],
            },
        ),
        migrations.RunSQL(WALLS, migrations.RunSQL.noop),
    ]
