"""Metrics of several processes: counted together, served on a port of their own, to be had with a token."""

import socket
from pathlib import Path

import httpx
import pytest

from robutler_site import metrics_files
from tests.live.cast import Cast
from tests.live.conftest import Start
from tests.scrapes import Grown, values_in


@pytest.fixture
def own_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def test_two_processes_count_together_and_one_of_them_tells(
    start: Start, cast: Cast, own_port: int, tmp_path: Path
) -> None:
    together = metrics_files.prepare(tmp_path / "metrics")
    address = cast.publish(model="scripted/persona")
    body = {"model": address, "messages": [{"role": "user", "content": "Hello."}]}
    headers = {"Authorization": f"Bearer {cast.globex_key}"}

    with start(**together, ROBUTLER_METRICS_PORT=str(own_port)) as first, start(**together) as second:
        grown = Grown(lambda: httpx.get(f"http://127.0.0.1:{own_port}/metrics").text)
        for server in (first, second, second):
            httpx.post(f"{server.url}/v1/chat/completions", json=body, headers=headers).raise_for_status()
        counted = grown.by("robutler_agent_requests_total", stream="false")
        assert second.process is not None
        gone = second.process.pid
        second.kill()
        after = values_in(httpx.get(f"{first.url}/metrics").text)

    assert counted == 3
    assert after["robutler_agent_requests_total", frozenset({("stream", "false")})] >= 3
    assert not list((tmp_path / "metrics").glob(f"gauge_live*_{gone}.db"))
