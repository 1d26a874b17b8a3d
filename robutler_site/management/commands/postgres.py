"""`manage.py postgres`: the embedded database on its own, for tools and tests."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from robutler_site import startup
from robutler_site.database import DatabaseStartFailed

ROLES = ("app", "platform", "owner", "readonly")


class Command(BaseCommand):
    """Start, stop or find the embedded PostgreSQL."""

    help = "Start or stop the embedded PostgreSQL, or print its address."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=("start", "stop", "status", "url"))
        parser.add_argument("--role", choices=ROLES, default="app", help="Whose address to print (default: app).")

    def handle(self, *args: Any, **options: Any) -> None:
        server = startup.own_server()
        if server is None:
            raise CommandError("DATABASE_URL names another database; there is no embedded one here.")
        match options["action"]:
            case "start":
                try:
                    startup.start_database(server)
                except (startup.AnotherInstallation, DatabaseStartFailed) as error:
                    raise CommandError(str(error)) from error
                self.stdout.write(f"PostgreSQL runs in {server.data_dir}.")
            case "stop":
                server.stop()
                self.stdout.write("PostgreSQL is stopped.")
            case "status":
                if not server.is_running():
                    raise CommandError("PostgreSQL does not run.")
                self.stdout.write(f"PostgreSQL runs in {server.data_dir}.")
            case "url":
                self.stdout.write(server.dsn(role=f"robutler_{options['role']}"))
