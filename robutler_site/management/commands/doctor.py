"""`manage.py doctor`: whether everything here is as it should be."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from robutler_site import output

EXIT_BAD = 1


class Command(BaseCommand):
    """Check database, roles, broker, worker, credentials, clock, disk and limits."""

    help = "Check the installation and print what was found; exits with 1 when something is bad."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        output.add_json_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        from robutler_site import diagnosis, startup

        findings = diagnosis.examine()
        startup.close_connections()
        rows = [asdict(finding) for finding in findings]
        output.show(self.stdout, rows, as_json=options["as_json"], title="Doctor")
        if any(finding.state == "bad" for finding in findings):
            raise SystemExit(EXIT_BAD)
