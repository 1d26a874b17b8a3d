"""POST /v1/estimate: what a completion would cost, without running it."""

from typing import Literal

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from agents.services.estimates import Estimate, estimate_run
from api import payment
from api.openai import schemas
from api.openai.access import caller_of, required
from api.openai.amounts import dollars, per_million, per_piece, percent, usd
from api.openai.billable import max_cost_nanos
from api.problems import InvalidRequest
from billing.pricing import PriceTerms, UnitPrices
from tenants.ids import uuid7
from tenants.secret import Secret

router = Router(auth=required, tags=["Usage"])


class TierPrice(Schema):
    """What a million tokens of each kind cost at a service tier, in calls that read more than `context_from` tokens.

    `each` has what is not counted in tokens and costs something: searches, images, seconds, pages, requests.
    """

    service_tier: str
    context_from: int
    per_million: dict[str, str]
    each: dict[str, str]


class TermsOfPrice(Schema):
    """Everything the price depends on: the model's own price, what the agent's owner adds, and the platform's fee."""

    currency: Literal["USD"] = "USD"
    per_run: str
    markup_percent: str
    fee_percent: str
    per_million_input_tokens: str = Field(description="The owner's own, on top of the model's.")
    per_million_output_tokens: str
    model: list[TierPrice] | None = Field(description="The model's price; null where the agent's alone holds.")
    price_version: int | None
    platform_credential: bool = Field(description="Whether the platform pays the provider, or the agent's owner does.")


class EstimateAnswer(Schema):
    """What would be reserved if this request ran now.

    `hold` is what the run's first call of its model may cost at most, so also the most that a run of one call costs;
    a run that calls its model again, after tools, reserves anew for each. `min` is what an answered run costs however
    short it is. A request that the wallet does not cover whole is cut to what it does, to no less than 64 tokens.
    """

    object: Literal["estimate"] = "estimate"
    agent: str
    model: str
    affordable: bool
    hold_nanos: str
    hold_usd: str
    min_nanos: str
    min_usd: str
    max_nanos: str
    max_usd: str
    available_nanos: str = Field(description="What is left to spend: in the wallet, or of the payment token.")
    input_tokens: int = Field(description="The most that the input is taken for.")
    max_output_tokens: int | None = Field(description="What the answer is cut to; null where nothing cuts it.")
    cut: bool = Field(description="Whether that is less than was asked for, because of the wallet.")
    price: TermsOfPrice


@router.post("/estimate", response=EstimateAnswer, summary="Price a completion")
async def estimate(request: HttpRequest) -> EstimateAnswer:
    """What `POST /v1/chat/completions` with this very body would reserve. Nothing runs, nothing is charged."""
    completion = schemas.decode(request.body)
    if not completion.model:
        raise InvalidRequest(
            "'model' is required: it names the agent.", code="missing_required_parameter", param="model"
        )
    token = request.headers.get(payment.HEADER)
    run = completion.as_run(
        run_id=uuid7(),
        request_id=request.headers.get("X-Request-ID", ""),
        max_cost_nanos=max_cost_nanos(request.headers.get("X-Max-Cost-USD")),
        payment_token=None if token is None else Secret(token),
    )
    return _answer(await estimate_run(caller=caller_of(request), address=completion.model, request=run))


def _answer(found: Estimate) -> EstimateAnswer:
    return EstimateAnswer(
        agent=found.agent,
        model=found.model,
        affordable=found.is_affordable,
        hold_nanos=str(found.hold_nanos),
        hold_usd=usd(found.hold_nanos),
        min_nanos=str(found.min_nanos),
        min_usd=usd(found.min_nanos),
        max_nanos=str(found.hold_nanos),
        max_usd=usd(found.hold_nanos),
        available_nanos=str(found.available_nanos),
        input_tokens=found.input_tokens,
        max_output_tokens=found.max_output_tokens,
        cut=found.is_cut,
        price=_price(found.terms),
    )


def _price(terms: PriceTerms) -> TermsOfPrice:
    return TermsOfPrice(
        per_run=dollars(terms.per_run_nanos),
        markup_percent=percent(terms.markup_bps),
        fee_percent=percent(terms.fee_bps),
        per_million_input_tokens=per_million(terms.input_pico),
        per_million_output_tokens=per_million(terms.output_pico),
        model=None if terms.model is None else [_tier(tier) for tier in terms.model.tiers],
        price_version=terms.price_version_id,
        platform_credential=terms.platform_credential,
    )


def _tier(tier: UnitPrices) -> TierPrice:
    tokens, pieces = tier.by_the_million(), tier.by_the_piece()
    return TierPrice(
        service_tier=tier.service_tier,
        context_from=tier.context_from,
        per_million={kind: per_million(pico) for kind, pico in tokens.items()},
        each={kind: per_piece(pico) for kind, pico in pieces.items()},
    )
