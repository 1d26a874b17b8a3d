"""The ledger's operations: which SQL function each calls, and in which order they go out within one transaction."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A function that takes arrays, one element per item; the first is the id of the hold.

    `opens` is the position of the payer for the operation that opens holds, 0 (the id) for those that find one.
    """

    name: str
    order: int
    types: tuple[str, ...]
    opens: int = 0

    @property
    def statement(self) -> str:
        """The call, with a placeholder per array.

        It answers one row per element, in their order; a checkpoint, which cannot be refused, a single empty one.
        """
        return _STATEMENTS[self.name]


# Money that is given back goes out before money is asked for.
SETTLE = Operation(
    name="billing_settle_many",
    order=1,
    types=("uuid", "bigint", "bigint", "bigint", "boolean", "text", "text", "text", "jsonb"),
)
RELEASE = Operation(name="billing_release_many", order=2, types=("uuid", "text"))
CHECKPOINT = Operation(name="billing_checkpoint_many", order=3, types=("uuid", "bigint", "bigint", "bigint", "integer"))
EXTEND = Operation(name="billing_extend_many", order=4, types=("uuid", "bigint"))
HOLD = Operation(
    name="billing_hold_many",
    order=5,
    types=(
        "uuid", "uuid", "uuid", "bigint", "text", "text", "uuid", "uuid", "uuid", "bigint", "boolean", "text",
        "integer", "uuid", "text", "uuid",
    ),
    opens=1,
)  # fmt: skip

OPENED_FOR = (1, 6, 13, 7, 14, 15)
"""Where a hold to be opened says what it will touch: its payer, its parent, its key, agent, end user and token."""
LOCK = "SELECT billing_lock(%s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::uuid[])"
BUSY = "SELECT billing_busy(%s::uuid[], %s::uuid[])"

_STATEMENTS = {
    operation.name: f"SELECT * FROM {operation.name}({', '.join(f'%s::{name}[]' for name in operation.types)})"  # noqa: S608 - our own names
    for operation in (SETTLE, RELEASE, CHECKPOINT, EXTEND, HOLD)
}
