"""What a run has seen: whether somebody else may be speaking through it, and what it then may not do any more.

Text that comes from outside (a page, an API, another agent) may be written for the model to obey. A run that has read
such text and something private may not send anything out; what cannot be undone then takes a person's word.
"""

from agents.runtime.tools import BoundTool
from skills.sdk.context import Seen
from skills.sdk.errors import ToolFailed


class Provenance:
    """The sources of one run, as far as they matter."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    def check(self, tool: BoundTool) -> None:
        """Raise ToolFailed for a call that could carry private things out on a stranger's word."""
        if tool.spec.egress and self._seen.untrusted is not None and self._seen.private is not None:
            raise ToolFailed(
                f"{tool.name} sends something out, and this run has read what others wrote ({self._seen.untrusted}) "
                f"as well as something private ({self._seen.private}). So it is not carried out. Answer without it."
            )

    def needs_approval(self, tool: BoundTool) -> bool:
        """Whether a person has to say yes first."""
        return tool.spec.requires_approval or (tool.spec.irreversible and self._seen.untrusted is not None)

    def note(self, tool: BoundTool) -> None:
        """The run has seen what this tool answered."""
        self._seen.note(tool.name, untrusted=tool.spec.ingests_untrusted, private=tool.spec.reads_private)
