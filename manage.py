#!/usr/bin/env python
"""The command line of the platform."""

import os
import sys


def main() -> None:
    """Run one management command; a wrong setting is a message, not a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "robutler_site.settings")
    from django.core.management import execute_from_command_line

    from robutler_site.env import WrongSetting

    try:
        execute_from_command_line(sys.argv)
    except WrongSetting as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
