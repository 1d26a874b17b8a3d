"""`manage.py up`: run the whole platform on this machine, with a demonstration in it."""

import os
import sys
from argparse import ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console


def port(text: str) -> int:
    """Read the number of a port."""
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise ArgumentTypeError(f"{text!r} is not a port: write a number from 1 to 65535, such as 8000.")
    return int(text)


class Screen(Console):
    """Standard output that may go away: who stops reading along does not stop the platform."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, sys.stdout.fileno())
        os.close(silence)


class Command(BaseCommand):
    """Start database, web, worker and scheduler, make one real call, and stay until Ctrl-C."""

    help = "Run the whole platform on this machine and show its first reply; Ctrl-C stops it."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--port",
            type=port,
            default=settings.ROBUTLER.port,
            help="The port to serve on; the next free one is taken when it is not free (default: ROBUTLER_PORT).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from robutler_site import provider, servers, startup, supervisor
        from robutler_site.database import DatabaseStartFailed

        refusals = (
            startup.AlreadyRunning, startup.AnotherInstallation, startup.NoFreePort, startup.NotOurs,
            provider.ProviderUnusable, servers.ServerUnreachable, DatabaseStartFailed, supervisor.DidNotStart,
        )  # fmt: skip
        try:
            supervisor.up(port=options["port"], console=Screen(soft_wrap=True, highlight=False))
        except refusals as error:
            raise CommandError(str(error)) from error
        except PermissionError as error:
            raise CommandError(str(startup.NotOurs(error.filename))) from error
