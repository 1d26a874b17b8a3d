"""A tier of service with prices of its own is for whoever pays the provider."""

import pytest

from skills.sdk import ModelRejected, ModelRequest, RunCaller, RunContext, testing
from skills.sdk.service_tiers import check_service_tier


def context(caller: str) -> RunContext:
    ctx = testing.context()
    return RunContext(**{**vars(ctx), "caller": RunCaller(organization_id=caller)})


def asked(tier: str | None) -> ModelRequest:
    return ModelRequest(model="openai/x", messages=[], parameters={"service_tier": tier})


@pytest.mark.parametrize("tier", [None, "auto", "default"])
def test_the_standard_tier_is_everybodys(tier: str | None) -> None:
    check_service_tier(context("caller"), asked(tier), platform_credential=True)


@pytest.mark.parametrize("tier", ["priority", "flex", "scale", "ultrafast", "anything"])
@pytest.mark.parametrize(("caller", "platform"), [("caller", False), ("organization", True), ("caller", True)])
def test_on_anybody_elses_account_no_other_is_asked_for(tier: str, caller: str, platform: bool) -> None:
    with pytest.raises(ModelRejected) as raised:
        check_service_tier(context(caller), asked(tier), platform_credential=platform)

    assert (raised.value.parameter, raised.value.code) == ("service_tier", "unsupported_parameter")


def test_on_their_own_account_an_organization_asks_for_what_it_likes() -> None:
    check_service_tier(context("organization"), asked("priority"), platform_credential=False)
