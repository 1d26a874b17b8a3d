"""What a run of an agent's draft would come to, for its page."""

from dataclasses import dataclass

from agents.errors import AgentMisconfigured
from agents.models import Agent
from agents.services.price_tags import INPUT_TOKENS, OUTPUT_TOKENS, example_of
from billing.admin.receipts import Row, rows_of
from billing.amounts import dollars
from billing.errors import PriceUnavailable
from skills.sdk import ModelUnauthorized


@dataclass(frozen=True, kw_only=True)
class ExampleShown:
    """The rows of the bill and how they are shared out; or why there is none."""

    input_tokens: int = INPUT_TOKENS
    output_tokens: int = OUTPUT_TOKENS
    rows: tuple[Row, ...] = ()
    sums: tuple[tuple[str, str], ...] = ()
    problem: str = ""


def example_shown(draft: Agent) -> ExampleShown:
    """The example of a draft as it was saved."""
    try:
        example = example_of(draft)
    except PriceUnavailable:
        return ExampleShown(
            problem="The model has no price, so every call is refused. Set a price above, or 0 as its input price."
        )
    except (ModelUnauthorized, AgentMisconfigured) as error:
        return ExampleShown(problem=str(error))
    shares = (
        ("The caller pays", example.bill.rated.total_nanos),
        ("You get", example.creator_nanos),
        ("The platform gets", example.platform_nanos),
        ("Of that its fee", example.bill.rated.fee_nanos),
    )
    return ExampleShown(rows=rows_of(example.bill.lines), sums=tuple((name, dollars(nanos)) for name, nanos in shares))
