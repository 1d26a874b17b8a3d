"""Keys and payment tokens as text: how they are made, recognised without a query, and digested."""

import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass
from typing import Literal, TypeAlias

from django.conf import settings

from tenants.errors import InvalidKey
from tenants.secret import Secret

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_LENGTH, _SECRET_LENGTH, _CHECKSUM_LENGTH = 12, 32, 6
_FORM = re.compile(r"rb_(live|test|pt)_([0-9A-Za-z]{12})_[0-9A-Za-z]{38}")

Kind: TypeAlias = Literal["live", "test", "pt"]
"""A live key, a test key, a payment token."""


@dataclass(frozen=True, kw_only=True)
class KeyText:
    """What a well-formed key says about itself, before anybody asked whether it is good."""

    public_id: str
    test_mode: bool


def generate(*, test_mode: bool = False) -> Secret:
    """A new API key."""
    return generate_as("test" if test_mode else "live")


def generate_as(kind: Kind) -> Secret:
    """A new credential: its kind, a public id, a secret, and a checksum over all of it."""
    body = f"rb_{kind}_{_random(_ID_LENGTH)}_{_random(_SECRET_LENGTH)}"
    return Secret(body + _checksum(body))


def recognise(text: str) -> KeyText:
    """The parts of a key whose form and checksum are right; InvalidKey for anything else, without any I/O."""
    kind, public_id = parts_of(text) or ("", "")
    if kind not in ("live", "test"):
        raise InvalidKey("The API key is not one of ours: it starts with rb_live_ or rb_test_ and is copied whole.")
    return KeyText(public_id=public_id, test_mode=kind == "test")


def parts_of(text: str) -> tuple[str, str] | None:
    """Kind and public id of a credential whose form and checksum are right, None for anything else."""
    match = _FORM.fullmatch(text)
    if match is None or _checksum(text[:-_CHECKSUM_LENGTH]) != text[-_CHECKSUM_LENGTH:]:
        return None
    return match[1], match[2]


def digest(key: str, *, pepper_version: int | None = None) -> bytes | None:
    """What is kept of a key: its HMAC under one version of the pepper, None when that pepper is gone."""
    pepper = _pepper(pepper_version or current_pepper_version())
    return hmac.digest(pepper, key.encode(), hashlib.sha256) if pepper else None


def current_pepper_version() -> int:
    """The version of the pepper under which new keys are digested."""
    version: int = settings.ROBUTLER.key_pepper_version
    return version


def matches(key: str, *, kept: bytes, pepper_version: int) -> bool:
    """Whether `kept` is the digest of this key, compared in constant time."""
    made = digest(key, pepper_version=pepper_version)
    return made is not None and hmac.compare_digest(made, kept)


def _pepper(version: int) -> bytes | None:
    environment = settings.ROBUTLER
    if version == environment.key_pepper_version:
        return environment.key("key_pepper")
    if version == environment.key_pepper_version - 1:
        return environment.key("previous_key_pepper")
    return None


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(body: str) -> str:
    number, characters = zlib.crc32(body.encode()), []
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[digit])
    return "".join(reversed(characters))
