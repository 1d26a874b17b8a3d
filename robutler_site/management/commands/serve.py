"""`manage.py serve`: one web process, as production has it."""

import socket
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from robutler_site.management.commands.up import port


class Command(BaseCommand):
    """Serve the web application until SIGTERM or SIGINT, which let its streams finish."""

    help = "Serve the web application; SIGTERM lets its streams finish, a second one ends them."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="The address to listen on.")
        parser.add_argument("--port", type=port, default=settings.ROBUTLER.port, help="The port to listen on.")
        parser.add_argument("--fd", type=int, help="A socket that listens already, instead.")

    def handle(self, *args: Any, **options: Any) -> None:
        from robutler_site import web

        try:
            given = options["fd"]
            listener = web.listen(options["host"], options["port"]) if given is None else socket.socket(fileno=given)
        except OSError as error:
            raise CommandError(f"{options['host']}:{options['port']} cannot be listened on: {error.strerror}") from None
        web.serve(listener)
