"""What agents remember of end users."""

import django.contrib.postgres.search
import django.db.models.deletion
import pgvector.django.vector
from django.db import migrations, models

WALLS = """
ALTER TABLE agents_memory ENABLE ROW LEVEL SECURITY;
ALTER TABLE agents_memory FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON agents_memory TO robutler_app
    USING (organization_id = robutler_organization()) WITH CHECK (organization_id = robutler_organization());
CREATE POLICY owner ON agents_memory TO robutler_owner USING (true) WITH CHECK (true);
"""

# One for each kind of vector, each for those that it was made for: an embedder with other dimensions brings its own.
INDEXES = """
CREATE INDEX agents_memory_near_256 ON agents_memory USING hnsw ((embedding::vector(256)) vector_cosine_ops)
    WHERE embedder = 'ngrams-256';
CREATE INDEX agents_memory_words ON agents_memory USING gin (words);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0092_tool_executions"),
        ("tenants", "0010_time_zones"),
    ]

    operations = [
        migrations.CreateModel(
            name="Memory",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("agent_organization_id", models.UUIDField(help_text="The organization whose agent remembers.")),
                ("agent_id", models.UUIDField()),
                ("agent_slug", models.CharField(max_length=64, verbose_name="agent")),
                (
                    "end_user",
                    models.CharField(help_text="Of whom it is remembered, as the caller names them.", max_length=256),
                ),
                ("kind", models.CharField(max_length=32)),
                ("text", models.TextField()),
                ("metadata", models.JSONField(default=dict)),
                ("embedder", models.CharField(max_length=64)),
                ("embedding", pgvector.django.vector.VectorField()),
                (
                    "words",
                    models.GeneratedField(
                        db_persist=True,
                        expression=django.contrib.postgres.search.SearchVector("text", config="english"),
                        output_field=django.contrib.postgres.search.SearchVectorField(),
                    ),
                ),
                ("created_at", models.DateTimeField()),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.organization"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "memories",
                "ordering": ("-created_at",),
                "abstract": False,
                "base_manager_name": "objects",
                "indexes": [
                    models.Index(
                        fields=["organization", "agent_id", "end_user", "kind", "-created_at"],
                        name="agents_memory_of_end_user",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("organization", "id"), name="agents_memory_organization_id"),
                    models.CheckConstraint(
                        condition=models.Q(("end_user", ""), _negated=True), name="agents_memory_of_somebody"
                    ),
                ],
            },
        ),
        migrations.RunSQL(WALLS, migrations.RunSQL.noop),
        migrations.RunSQL(INDEXES, migrations.RunSQL.noop),
    ]
