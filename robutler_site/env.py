"""Settings as they come from the environment: every variable, its meaning and its bounds."""

import base64
import binascii
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import AliasChoices, Field, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import NoDecode, SettingsConfigDict

from robutler_site import secret_files
from robutler_site.env_outbound import Port
from robutler_site.env_work import WorkEnvironment
from robutler_site.secret_files import KEY_BYTES

PROJECT = Path(__file__).resolve().parent.parent
TOKEN_CHARACTERS = 16


class WrongSetting(Exception):
    """One or more environment variables cannot be used; the message names each and says what to write."""


def _named(name: str, default: Any, description: str, **bounds: Any) -> Any:
    return Field(default, validation_alias=AliasChoices(name), description=description, **bounds)


class Environment(WorkEnvironment):
    """What an operator may set. Nothing else in the platform reads the environment."""

    model_config = SettingsConfigDict(
        env_prefix="ROBUTLER_", extra="ignore", frozen=True, populate_by_name=True, hide_input_in_errors=True
    )

    env: Literal["development", "test", "production"] = Field(
        "development", description="What this installation is for; production refuses defaults that are not safe."
    )
    debug: bool = Field(False, description="Show tracebacks in the browser: never in production.")
    var_dir: Path = Field(PROJECT / "var", description="Where generated files and the embedded database live.")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        ("localhost", "127.0.0.1", "[::1]"), description="Host names this installation answers to, separated by commas."
    )
    trusted_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins (https://…) whose forms are accepted, separated by commas."
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins whose pages may call the API from a browser, separated by commas; * for all."
    )
    https: bool = Field(False, description="Served over HTTPS: cookies are secure and plain HTTP is redirected.")

    database_url: str = _named(
        "DATABASE_URL", "", "PostgreSQL as robutler_app; empty means the embedded server.", repr=False
    )
    database_owner_url: str = _named(
        "DATABASE_OWNER_URL", "", "The same database as robutler_owner, for migrations.", repr=False
    )
    database_platform_url: str = _named(
        "DATABASE_PLATFORM_URL", "", "The same database as robutler_platform.", repr=False
    )
    database_pool_size: int = Field(16, ge=1, le=500, description="Most database connections of one process.")
    redis_url: str = _named(
        "REDIS_URL", "", "Redis for limits, cache and channels; empty means within the process.", repr=False
    )
    redis_timeout_s: float = Field(
        0.25, gt=0, le=5, description="How long limits wait for Redis before each process keeps them alone."
    )
    web_processes: int = Field(
        1, ge=1, le=1_000, description="How many web processes there are: alone, each has so great a part of a limit."
    )
    celery_broker_url: str = _named(
        "CELERY_BROKER_URL", "", "The broker of background work; empty means PostgreSQL.", repr=False
    )

    secret_key: str = _named(
        "SECRET_KEY", "", "Signs sessions; at least 32 characters. Generated in development.", repr=False
    )
    key_pepper: str = Field(
        "", description="Peppers the digests of API keys, base64 of 32 bytes. As above.", repr=False
    )
    key_pepper_version: int = Field(1, ge=1, le=32767, description="Raise it when the pepper changes.")
    previous_key_pepper: str = Field(
        "", description="The pepper before, while keys made under it are still valid.", repr=False
    )
    kek: str = Field(
        "", description="Encrypts the keys that seal credentials: base64 of 32 bytes. As above.", repr=False
    )
    kek_file: Path | None = Field(None, description="A file that holds ROBUTLER_KEK instead.")
    previous_kek: str = Field(
        "", description="The ROBUTLER_KEK before, until `manage.py rotate_kek` has run under the new one.", repr=False
    )

    port: Port = Field(8_000, ge=1, le=65_535, description="Where `make run` begins to look for a free port.")
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        ("127.0.0.1",), description="Addresses whose X-Forwarded-For and -Proto are believed, by commas; * for all."
    )
    max_connections: int = Field(4_000, ge=1, le=1_000_000, description="Most connections of one web process.")
    head_limit_bytes: int = Field(16_384, ge=1_000, le=1_000_000, description="Largest address and headers together.")
    head_limit_fields: int = Field(100, ge=10, le=1_000, description="Most headers of a request.")
    head_s: float = Field(10, gt=0, le=300, description="How long a client may take to send address and headers.")
    idle_connection_s: int = Field(65, ge=1, le=3_600, description="How long a connection waits for a next request.")
    body_limit_bytes: int = Field(20_000_000, ge=1_000, le=1_000_000_000, description="Largest body of a request.")
    anonymous_body_limit_bytes: int = Field(64_000, ge=1_000, le=1_000_000_000, description="The same, without a key.")
    payment_token_depth: int = Field(
        5, ge=0, le=5, description="How often a payment token may be passed on: how many may stand above one."
    )
    body_s: float = Field(30, gt=0, le=3_600, description="How long a client may take to send a body.")
    linger_s: float = Field(
        5, ge=0, le=60, description="How long a refused body is read on, so that its sender gets to hear why."
    )
    write_stall_s: float = Field(
        30, gt=0, le=3_600, description="How long a client may take in nothing of its answer before it is cut off."
    )
    run_seconds: int = Field(300, ge=1, le=86_400, description="Longest run of an agent.")
    database_answer_s: float = Field(
        1.5,
        gt=0,
        le=60,
        description="How long a request waits for a look-up: of its key, an agent, a credential, a price.",
    )
    ledger_answer_s: float = Field(
        12, gt=0, le=60, description="How long a request waits for its money to be reserved, or a run to be settled."
    )
    ledger_stall_s: float = Field(
        1.5, gt=0, le=60, description="A database that says nothing to the ledger for so long counts as away."
    )
    spool_dir: Path | None = Field(
        None, description="Where ends of runs are kept while the database is away; empty means var/spool."
    )
    approval_s: float = Field(
        900, gt=0, le=86_400, description="How long a run waits for a member to approve a call of a tool."
    )
    agent_start_s: float = Field(30, gt=0, le=600, description="How long the skills of an agent may take to start.")
    reader_patience_s: float = Field(
        300, gt=0, le=86_400, description="How long in all the reader of a stream may keep a run waiting."
    )
    idempotency_hours: int = Field(
        24, ge=1, le=168, description="How long the answer to a request with an Idempotency-Key is kept."
    )
    idempotency_answer_bytes: int = Field(
        4_000_000, ge=0, le=100_000_000, description="Largest answer that is kept for its Idempotency-Key."
    )
    retry_window_s: float = Field(
        30,
        ge=0,
        le=300,
        description="How long the answer to a request without an Idempotency-Key, whose client left before it was sent "
        "a byte, is kept for the next try of the client's SDK. 0: not at all.",
    )
    finish_alone_s: float = Field(
        60,
        ge=0,
        le=3_600,
        description="How long a run goes on when its reader left, if its agent finishes for nobody or its request "
        "carries an Idempotency-Key.",
    )
    keep_alive_s: float = Field(10, gt=0, le=300, description="Seconds of silence before a stream sends a comment.")
    drain_s: float = Field(120, ge=0, le=3_600, description="How long streams may finish when the process stops.")
    max_parallel_runs: int = Field(2_000, ge=1, le=100_000, description="Most runs of one process at a time.")
    run_share_percent: int = Field(
        25, ge=1, le=100, description="Of those, most that one organization has while others wait, in percent."
    )
    run_wait_s: float = Field(2, ge=0, le=60, description="How long a run waits for its place before it is refused.")
    max_waiting_runs: int = Field(1_000, ge=0, le=100_000, description="Most runs that wait at a time.")
    model_failures: int = Field(
        5, ge=1, le=10_000, description="After so many failures in a row a model's provider is left alone for a while."
    )
    model_failures_within_s: float = Field(
        30, ge=1, le=3_600, description="Failures longer ago do not count; retries are counted over this time, too."
    )
    model_rest_s: float = Field(
        10, gt=0, le=3_600, description="How long a failing provider is left alone before one call may try it."
    )
    model_refused_rest_s: float = Field(
        5, ge=0, le=3_600, description="How long a credential that its provider refused is not sent again."
    )
    model_retry_percent: int = Field(
        20, ge=0, le=100, description="Most retries of one organization with one key, in percent of its calls."
    )
    model_retries_spare: int = Field(10, ge=0, le=10_000, description="Retries that are allowed beside that share.")
    model_routes: int = Field(
        10_000, ge=1, le=1_000_000, description="Most routes to providers whose failures a process remembers."
    )
    payout_hold_back_days: int = Field(7, ge=0, le=365, description="How long earnings wait before they can be paid.")
    payout_minimum_usd: int = Field(10, ge=1, le=100_000, description="Smallest payout, in dollars.")
    payout_reserve_basis_points: int = Field(1_000, ge=0, le=10_000, description="Share new creators leave behind.")
    payout_reserve_days: int = Field(90, ge=0, le=3_650, description="How long a creator is new, in days.")
    stripe_secret_key: str = Field("", description="Stripe's secret key; with it, members pay by card.", repr=False)
    stripe_webhook_secret: str = Field(
        "", description="What Stripe signs its messages with; needed beside the secret key.", repr=False
    )
    stripe_api_url: str = Field("https://api.stripe.com", description="Where Stripe is asked.")
    top_up_minimum_usd: int = Field(5, ge=1, le=10_000, description="Smallest payment by card, in dollars.")
    payment_pending_days: int = Field(
        30, ge=2, le=365, description="After how many days a payment by card that nobody has made is given up."
    )
    payout_gateway: str = Field("", description="Class that sends payouts, as module.Class; empty: people do.")
    sign_in_failures: int = Field(
        5, ge=1, le=1_000, description="After so many wrong passwords from one address a person has to wait."
    )
    sign_in_lock_s: int = Field(900, ge=1, le=86_400, description="For how long, from the first wrong one on.")
    requests_per_second: int = Field(10, ge=1, le=1_000_000, description="Most requests of one key in a second.")
    requests_per_minute: int = Field(60, ge=1, le=1_000_000, description="The same in a minute.")
    requests_per_hour: int = Field(1_000, ge=1, le=1_000_000_000, description="The same in an hour.")
    requests_per_day: int = Field(10_000, ge=1, le=1_000_000_000, description="The same in a day.")
    tokens_per_minute: int = Field(
        1_000_000, ge=1, le=1_000_000_000, description="Most tokens, in and out, of one key in a minute."
    )
    reads_per_minute: int = Field(
        600, ge=1, le=1_000_000, description="Most requests of one key in a minute that run nothing, such as lists."
    )
    top_up_approval_usd: int = Field(
        500, ge=0, le=1_000_000, description="From so many dollars on, money entered by hand awaits a second person."
    )
    refund_alone_usd: int = Field(
        100, ge=0, le=1_000_000, description="Up to so many dollars one person refunds alone; above, a second approves."
    )
    grant_alone_usd: int = Field(100, ge=0, le=1_000_000, description="The same for credit that is given.")
    adjustment_alone_usd: int = Field(100, ge=0, le=1_000_000, description="The same for adjustments and reversals.")
    billing_contact: str = Field("", description="Whom customers may ask about a frozen wallet, such as an address.")
    metrics_token: str = Field(
        "",
        description="Opens /metrics and /stats to whoever sends it as a bearer token; 16 characters at least.",
        repr=False,
    )
    metrics_port: int = Field(
        0, ge=0, le=65_535, description="A port of its own for /metrics, open to whoever reaches it; 0: none."
    )
    metrics_host: str = Field("127.0.0.1", description="The address that ROBUTLER_METRICS_PORT is opened on.")
    otel: bool = Field(
        False, description="Send traces where the standard OTEL_… variables say; needs the extra packages of [otel]."
    )
    log_format: Literal["auto", "json", "console"] = Field("auto", description="auto: JSON in production.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least severe line written.")

    @field_validator(
        "allowed_hosts",
        "cors_origins",
        "trusted_origins",
        "trusted_proxies",
        "outbound_allow",
        "outbound_ports",
        mode="before",
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if origin != "*" and not re.fullmatch(r"https?://[a-z0-9.-]+(:\d{1,5})?", origin):
                raise ValueError(f"write https://host or https://host:port in lower case, or *, not {origin!r}")
        return value

    @field_validator("database_url", "database_owner_url", "database_platform_url")
    @classmethod
    def _postgresql(cls, value: str) -> str:
        if value and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError("write postgresql://user:password@host:5432/database")
        return value

    @field_validator("database_url", "database_owner_url", "database_platform_url", "redis_url", "celery_broker_url")
    @classmethod
    def _address(cls, value: str) -> str:
        try:
            _ = urlsplit(value).port
        except ValueError:
            raise ValueError("this is not an address; write / : @ in its password as %2F %3A %40") from None
        return value

    @field_validator("key_pepper", "previous_key_pepper", "kek", "previous_kek")
    @classmethod
    def _key_of_32_bytes(cls, value: str) -> str:
        if value and len(_decoded(value)) != KEY_BYTES:
            raise ValueError("write base64 of 32 random bytes, as `openssl rand -base64 32` makes them")
        return value

    @field_validator("metrics_token")
    @classmethod
    def _hard_to_guess(cls, value: str) -> str:
        if value and (len(value) < TOKEN_CHARACTERS or not value.isascii()):
            raise ValueError(f"write {TOKEN_CHARACTERS} ASCII characters or more, as `openssl rand -hex 32` makes them")
        return value

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: str) -> str:
        if value and len(value) < KEY_BYTES:
            raise ValueError("write at least 32 characters, as `openssl rand -base64 48` makes them")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kek_file and not self.kek:
            object.__setattr__(self, "kek", self._key_of_32_bytes(secret_files.read(self.kek_file)))
        if self.env == "production":
            self._refuse_defaults()
        if bool(self.database_url) != bool(self.database_owner_url and self.database_platform_url):
            raise ValueError("set DATABASE_URL, DATABASE_OWNER_URL and DATABASE_PLATFORM_URL together, or none of them")
        for name, variable in (("secret_key", "SECRET_KEY"), ("key_pepper", "KEY_PEPPER"), ("kek", "KEK")):
            if not getattr(self, name):
                object.__setattr__(self, name, secret_files.generated(self.var_dir / "secrets" / variable.lower()))
        return self

    def _refuse_defaults(self) -> None:
        if self.debug:
            raise ValueError("unset ROBUTLER_DEBUG: production never shows tracebacks")
        required = {"SECRET_KEY": self.secret_key, "ROBUTLER_KEY_PEPPER": self.key_pepper, "ROBUTLER_KEK": self.kek}
        missing = [name for name, value in required.items() if not value]
        if missing:
            raise ValueError(f"set {', '.join(missing)}: production generates no secrets of its own")

    @property
    def embedded_database(self) -> bool:
        """Whether the database is the one that comes with the platform."""
        return not self.database_url

    def secrets(self) -> list[str]:
        """Every value that nobody may read: keys, tokens, and passwords in addresses."""
        addresses = (
            self.database_url, self.database_owner_url, self.database_platform_url, self.redis_url,
            self.celery_broker_url,
        )  # fmt: skip
        keys = (
            self.secret_key, self.key_pepper, self.previous_key_pepper, self.kek, self.previous_kek, self.metrics_token,
            self.stripe_secret_key, self.stripe_webhook_secret,
        )  # fmt: skip
        passwords = [parts.password for address in addresses if (parts := urlsplit(address)).password]
        return [*keys, *passwords, *(unquote(password) for password in passwords)]

    def key(self, name: Literal["kek", "previous_kek", "key_pepper", "previous_key_pepper"]) -> bytes | None:
        """One of the 32-byte keys; None when it is not set."""
        value: str = getattr(self, name)
        return _decoded(value) if value else None


def read() -> Environment:
    """The environment, or one message about everything that is wrong with it."""
    try:
        return Environment()
    except ValidationError as error:
        problems = "\n".join(f"  {_variable(problem)}: {_said(problem)}" for problem in error.errors())
        raise WrongSetting(f"The environment is not usable:\n{problems}") from None


def _variable(problem: Any) -> str:
    if not problem["loc"]:
        return "environment"
    name = str(problem["loc"][0])
    return name if name.isupper() else f"ROBUTLER_{name.upper()}"


def _said(problem: Any) -> str:
    name = _variable(problem)
    fields = {n if n.isupper() else f"ROBUTLER_{n.upper()}": f for n, f in _by_variable().items()}
    meaning = f"{fields[name].description}{_range(fields[name])}" if name in fields else ""
    return f"{problem['msg'].removeprefix('Value error, ')}. {meaning}".strip()


def _range(field: FieldInfo) -> str:
    least, most = (
        next((getattr(bound, name) for bound in field.metadata if hasattr(bound, name)), None) for name in ("ge", "le")
    )
    return "" if least is None or most is None else f" Write a number from {least} to {most}."


def _by_variable() -> dict[str, FieldInfo]:
    return {
        str(field.validation_alias.choices[0]) if isinstance(field.validation_alias, AliasChoices) else name: field
        for name, field in Environment.model_fields.items()
    }


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        return b""
