#!/usr/bin/env python
"""The command line of the platform."""

import os
import signal
import sys


def main() -> None:
    """Run one management command; a wrong setting is a message, not a traceback."""
    if sys.argv[1:2] in (["up"], ["serve"]):
        # Until they take over there is nothing to clean up, and an exception amid imports is a mess or gets lost.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "robutler_site.settings")
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    from robutler_site.env import WrongSetting

    try:
        execute_from_command_line(sys.argv)
    except WrongSetting as error:
        sys.exit(str(error))
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) is not None:
            raise  # The database did answer.
        from robutler_site import servers

        sys.exit(servers.why_the_database_is_away(error))


if __name__ == "__main__":
    main()
