"""Secrets in files: read where an operator put them, generated where nobody did."""

import base64
import os
import secrets
from pathlib import Path

KEY_BYTES = 32


def read(path: Path) -> str:
    """The secret in `path`, which has to be there."""
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ValueError(f"the file {path} cannot be read: {error.strerror}") from None


def generated(path: Path) -> str:
    """The secret in `path`, made on first use; whoever comes first wins, so that parallel starts agree."""
    try:
        path.parent.parent.mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        if not path.exists():
            _generate(path)
        return path.read_text().strip()
    except OSError as error:
        raise ValueError(
            f"secrets are generated into {path.parent}, and {error.filename} cannot be used: {error.strerror}; "
            "set ROBUTLER_VAR_DIR to a directory of yours that can be written to, such as /tmp/robutler"
        ) from None


def _generate(path: Path) -> None:
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode())
    try:
        os.link(unfinished, path)
    except FileExistsError:
        pass
    finally:
        unfinished.unlink()
