"""Settings of what goes out: which addresses may be reached, and how mail gets away."""

import re
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

Port = Annotated[int, Field(ge=1, le=65_535)]

_ADDRESS = re.compile(r"smtps?://([^\s@/]+@)?[A-Za-z0-9.-]+(:\d{1,5})?/?")


class OutboundEnvironment(BaseSettings):
    """The part of the environment that is about what goes out."""

    outbound_allow: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Inner addresses agents may reach (host:port, separated by commas), such as 127.0.0.1:11434."
    )
    outbound_ports: Annotated[tuple[Port, ...], NoDecode] = Field(
        (80, 443), min_length=1, description="Ports agents may connect to on public addresses, separated by commas."
    )
    email_url: str = Field(
        "",
        description="Where mail goes: smtp://user:password@host:587, smtps://…:465; empty: to standard output.",
        repr=False,
    )
    email_from: str = Field("Robutler <robutler@localhost>", description="Who mail is from.")

    @field_validator("email_url")
    @classmethod
    def _email(cls, value: str) -> str:
        if value and not _ADDRESS.fullmatch(value):
            raise ValueError("write smtp://user:password@host:587 or smtps://user:password@host:465")
        return value

    @field_validator("outbound_allow")
    @classmethod
    def _host_and_port(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for part in value:
            host, _, port = part.rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
                raise ValueError(f"write host:port, separated by commas, not {part!r}")
        return value
