"""The Http port: what skills fetch, through the one safe client."""

from collections.abc import Mapping

import outbound
from skills.sdk import ToolFailed


class SafeHttp:
    """Fetches for skills; never an inner address, never more than was asked for."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = {},
        body: bytes = b"",
        max_bytes: int = 5_000_000,
        max_redirects: int = 0,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body. Raises ToolFailed for a forbidden or unreachable address."""
        try:
            answer = await outbound.fetch(
                url, method=method, headers=headers, body=body, max_bytes=max_bytes, max_redirects=max_redirects
            )
        except outbound.OutboundError as error:
            raise ToolFailed(str(error)) from error
        return answer.status, answer.headers, answer.body
