"""Batches, when there are several."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("billing", "0039_fewer_indexes")]

    operations = [
        migrations.AlterModelOptions(
            name="payoutbatch",
            options={"verbose_name_plural": "payout batches"},
        ),
    ]
