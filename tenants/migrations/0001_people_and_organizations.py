"""People, organizations, and the first wall: an organization sees its own row only."""

import django.core.validators
import django.db.models.functions.text
from django.db import migrations, models

# Every policy compares with this: the organization the session was told, NULL (so: nothing) without one.
FUNCTION = """
CREATE FUNCTION robutler_organization() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN NULLIF(current_setting('robutler.organization_id', true), '')::uuid;
"""

WALL = """
ALTER TABLE tenants_organization ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants_organization FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenants_organization TO robutler_app
    USING (id = robutler_organization()) WITH CHECK (id = robutler_organization());
CREATE POLICY owner ON tenants_organization TO robutler_owner USING (true) WITH CHECK (true);
REVOKE INSERT, DELETE ON tenants_organization FROM robutler_app;
"""

# Who serves requests lets people sign in and change their password; who may do what is the platform's to say.
PEOPLE = """
REVOKE INSERT, UPDATE, DELETE ON tenants_user, tenants_user_groups, tenants_user_user_permissions,
    auth_group, auth_group_permissions, auth_permission FROM robutler_app;
GRANT UPDATE (password, last_login, name) ON tenants_user TO robutler_app;
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION robutler_organization()"),
        migrations.CreateModel(
            name="Organization",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                (
                    "slug",
                    models.CharField(
                        max_length=63,
                        unique=True,
                        validators=[django.core.validators.RegexValidator("^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")],
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                (
                    "status",
                    models.CharField(
                        choices=[("active", "Active"), ("suspended", "Suspended")], default="active", max_length=16
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("slug__regex", "^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")),
                        name="organization_slug_form",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ("active", "suspended"))), name="organization_status_known"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                ("email", models.EmailField(max_length=254, unique=True)),
                ("name", models.CharField(blank=True, max_length=150)),
                ("is_active", models.BooleanField(default=True, help_text="Unset instead of deleting the person.")),
                ("is_staff", models.BooleanField(default=False, help_text="Whether the person may enter /admin/.")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("email", django.db.models.functions.text.Lower("email"))),
                        name="user_email_lower_case",
                    )
                ],
            },
        ),
        migrations.RunSQL(WALL, migrations.RunSQL.noop),
        migrations.RunSQL(PEOPLE, migrations.RunSQL.noop),
    ]
