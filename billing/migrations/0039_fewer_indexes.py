"""Indexes that others cover, or that nobody asks: each hold and each settlement wrote them."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0038_cheap_news"),
        ("tenants", "0010_time_zones"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="charge",
            name="charge_idempotency_key",
        ),
        migrations.RemoveIndex(
            model_name="transfergroup",
            name="transfer_group_by_owner",
        ),
        migrations.RemoveIndex(model_name="charge", name="charge_by_organization"),
        migrations.AddIndex(
            model_name="charge",
            index=models.Index(fields=["organization", "-started_at", "-id"], name="charge_latest"),
        ),
        migrations.AlterField(
            model_name="account",
            name="organization",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="tenants.organization",
            ),
        ),
        migrations.AlterField(
            model_name="charge",
            name="beneficiary",
            field=models.ForeignKey(
                db_index=False,
                help_text="Who earns the markup.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="tenants.organization",
            ),
        ),
        migrations.AlterField(
            model_name="charge",
            name="organization",
            field=models.ForeignKey(
                db_index=False,
                help_text="Who pays.",
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="tenants.organization",
            ),
        ),
        migrations.AlterField(
            model_name="charge",
            name="parent",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="children",
                to="billing.charge",
            ),
        ),
        migrations.AlterField(
            model_name="hold",
            name="organization",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="tenants.organization",
            ),
        ),
        migrations.AlterField(
            model_name="settlement",
            name="beneficiary",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="tenants.organization",
            ),
        ),
        migrations.AlterField(
            model_name="settlement",
            name="organization",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="tenants.organization",
            ),
        ),
        migrations.AlterField(
            model_name="transfergroup",
            name="organization",
            field=models.ForeignKey(
                db_index=False,
                help_text="Whose doing.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="tenants.organization",
            ),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.UniqueConstraint(
                condition=models.Q(("idempotency_key__isnull", False)),
                fields=("organization", "idempotency_key"),
                name="charge_idempotency_key",
            ),
        ),
    ]
