"""Cuts a stream of bytes into server-sent events, wherever the network cut it before."""

from collections.abc import Iterator

LINE_BYTES_MAX = 16_000_000
"""A longer line, or a longer event, is no reply of a model."""


class LineTooLong(Exception):
    """The server sends more without a line's end than anyone wants to keep."""


class Events:
    """Fed with bytes, gives the data of each event that they complete. Comments and other fields are passed over."""

    def __init__(self, *, line_bytes_max: int = LINE_BYTES_MAX) -> None:
        self._max = line_bytes_max
        self._begun: list[bytes] = []
        self._begun_bytes = 0
        self._data: list[bytes] = []
        self._data_bytes = 0

    def feed(self, received: bytes) -> Iterator[bytes]:
        """The data of the events that end in what was received. Raises LineTooLong."""
        first, *lines = received.split(b"\n")
        self._begun.append(first)
        self._begun_bytes += len(first)
        if self._begun_bytes > self._max:
            raise LineTooLong
        if not lines:
            return
        lines.insert(0, b"".join(self._begun))
        rest = lines.pop()
        self._begun, self._begun_bytes = [rest], len(rest)
        for line in lines:
            if (data := self._line(line)) is not None:
                yield data

    def end(self) -> Iterator[bytes]:
        """The data of an event that the server did not care to end."""
        yield from self.feed(b"\n\n")

    def _line(self, line: bytes) -> bytes | None:
        if line.endswith(b"\r"):
            line = line[:-1]
        if line.startswith(b"data:"):
            self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            self._data_bytes += len(line)
            if self._data_bytes > self._max:
                raise LineTooLong
        elif not line and self._data:
            data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            self._data, self._data_bytes = [], 0
            return data
        return None
