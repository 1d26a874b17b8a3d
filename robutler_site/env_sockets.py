"""Settings of WebSockets: how much is said over one, and how long what was said is kept for whoever lost one."""

from pydantic import Field

from robutler_site.env_outbound import OutboundEnvironment


class SocketEnvironment(OutboundEnvironment):
    """The part of the environment that is about WebSockets."""

    sockets_per_caller: int = Field(100, ge=1, le=100_000, description="Most WebSockets of one key, or one member.")
    socket_message_bytes: int = Field(
        262_144, ge=1_000, le=20_000_000, description="Largest message of a client over a WebSocket."
    )
    socket_burst: int = Field(30, ge=1, le=10_000, description="Most messages of a client at once over a WebSocket.")
    socket_messages_per_s: float = Field(10, gt=0, le=10_000, description="And how many a second from then on.")
    socket_key_s: float = Field(
        10, gt=0, le=300, description="How long a WebSocket stays open on which nobody says who it is."
    )
    socket_grace_s: float = Field(
        15, ge=0, le=3_600, description="How long a run goes on whose WebSocket was lost, for it to come back."
    )
    socket_resume_s: float = Field(
        60, ge=0, le=3_600, description="How long after its end a run is told again to whoever lost its WebSocket."
    )
    socket_history_bytes: int = Field(
        1_000_000, ge=10_000, le=100_000_000, description="Most that is kept of a run to be told again."
    )
