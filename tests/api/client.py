"""A client for one key, and the server in this process that it talks to over a real socket."""

import json
import socket
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn

HELLO = {"messages": [{"role": "user", "content": "Hello!"}]}
START_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]

    @property
    def code(self) -> tuple[int, str, str]:
        """Status, type and code of an error."""
        return self.status, self.error["type"], self.error["code"]


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The frames of an event stream, in order."""

    status: int
    headers: Mapping[str, str]
    frames: list[str]

    @property
    def chunks(self) -> list[Any]:
        """The data of all frames but comments and `[DONE]`."""
        lines = [line[6:] for frame in self.frames for line in frame.split("\n") if line.startswith("data: ")]
        return [json.loads(line) for line in lines if line != "[DONE]"]

    @property
    def text(self) -> str:
        """The words of the first choice."""
        deltas = [choice["delta"] for chunk in self.chunks for choice in chunk.get("choices", ())]
        return "".join(delta.get("content") or "" for delta in deltas)


class ApiClient:
    """Calls one server with one key, or with none."""

    def __init__(self, base_url: str, key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.base_url = base_url
        self.http = httpx.Client(base_url=base_url, headers=headers, timeout=60)

    def __enter__(self) -> "ApiClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, path: str, **headers: str) -> Answer:
        return _answer(self.http.get(path, headers=_named(headers)))

    def request(
        self, method: str, path: str, *, content: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        return _answer(self.http.request(method, path, content=content, headers=headers))

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return _answer(
            self.http.post(path, content=content, headers={"Content-Type": "application/json", **_named(headers)})
        )

    def stream(self, path: str, body: Mapping[str, Any], **headers: str) -> Stream:
        """Ask for a stream and read it to its end."""
        with self.http.stream("POST", path, json={**body, "stream": True}, headers=_named(headers)) as response:
            text = "".join(response.iter_text())
        return Stream(status=response.status_code, headers=response.headers, frames=text.split("\n\n")[:-1])


class Server:
    """Our application under uvicorn in a thread of this process."""

    def __init__(self, application: Any) -> None:
        from robutler_site.web import protocols  # needs Django, which is not set up when this file is read

        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()  # so that who connects before the thread is there waits for it
        self.port: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(
            uvicorn.Config(
                application,
                **protocols(),
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="server", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Server":
        self._thread.start()
        with httpx.Client() as probe:
            probe.get(f"{self.url}/live", timeout=START_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(START_SECONDS)


@contextmanager
def raw(base_url: str, data: bytes, *, timeout_s: float = 20) -> Generator[socket.socket]:
    """A bare connection on which `data` was sent."""
    host, _, port = base_url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=timeout_s) as connection:
        connection.sendall(data)
        yield connection


def received(connection: socket.socket) -> Iterator[bytes]:
    """What comes, until the other side closes."""
    while piece := connection.recv(65_536):
        yield piece


def _answer(response: httpx.Response) -> Answer:
    return Answer(status=response.status_code, headers=response.headers, body=response.content)


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
