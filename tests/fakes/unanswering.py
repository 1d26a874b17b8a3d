"""A place in the network where nobody answers, not even to say no."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

WAITING = 4
"""More connections than a backlog of none has room for."""


@contextmanager
def unanswering() -> Iterator[str]:
    """`host:port` of a listener whose backlog is full: whoever connects waits for ever."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        host, port = listener.getsockname()
        waiting = [socket.socket() for _ in range(WAITING)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex((host, port))
        yield f"{host}:{port}"
        for each in waiting:
            each.close()
