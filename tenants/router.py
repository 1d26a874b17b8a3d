"""Sends work to the connection that its context allows."""

from typing import Any

from django.db.models import Model

from tenants import context


class TenantRouter:
    """Platform work sees every organization through its own role; everything else goes through the walls."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        """The connection of the current context, wherever an object came from."""
        return context.alias()

    def db_for_write(self, model: type[Model], **hints: Any) -> str:
        """The same as for reading: there is one database behind all connections."""
        return context.alias()

    def allow_relation(self, first: Model, second: Model, **hints: Any) -> bool:
        """Objects read through different connections are still rows of one database."""
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Only the owner of the tables changes them."""
        return db == context.OWNER
