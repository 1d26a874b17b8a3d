"""What has prices of its own, a tier of service or a search of the web, is for whoever pays the provider."""

from typing import Any

import pytest

from skills.sdk import ModelRejected, ModelRequest, RunCaller, RunContext, testing
from skills.sdk.unpriced import check_unpriced

ELSEWHERE = [("caller", False), ("organization", True), ("caller", True)]


def context(caller: str) -> RunContext:
    ctx = testing.context()
    return RunContext(**{**vars(ctx), "caller": RunCaller(organization_id=caller)})


def asked(**parameters: Any) -> ModelRequest:
    return ModelRequest(model="openai/x", messages=[], parameters=parameters)


@pytest.mark.parametrize("tier", [None, "auto", "default"])
def test_the_standard_tier_is_everybodys(tier: str | None) -> None:
    check_unpriced(context("caller"), asked(service_tier=tier, web_search_options=None), platform_credential=True)


@pytest.mark.parametrize("tier", ["priority", "flex", "scale", "ultrafast", "anything"])
@pytest.mark.parametrize(("caller", "platform"), ELSEWHERE)
def test_on_anybody_elses_account_no_other_is_asked_for(tier: str, caller: str, platform: bool) -> None:
    with pytest.raises(ModelRejected) as raised:
        check_unpriced(context(caller), asked(service_tier=tier), platform_credential=platform)

    assert (raised.value.parameter, raised.value.code) == ("service_tier", "unsupported_parameter")


@pytest.mark.parametrize("options", [{}, {"search_context_size": "high"}])
@pytest.mark.parametrize(("caller", "platform"), ELSEWHERE)
def test_on_anybody_elses_account_the_web_is_not_searched(options: dict[str, Any], caller: str, platform: bool) -> None:
    with pytest.raises(ModelRejected) as raised:
        check_unpriced(context(caller), asked(web_search_options=options), platform_credential=platform)

    assert (raised.value.parameter, raised.value.code) == ("web_search_options", "unsupported_parameter")


def test_on_their_own_account_an_organization_asks_for_what_it_likes() -> None:
    everything = asked(service_tier="priority", web_search_options={})

    check_unpriced(context("organization"), everything, platform_credential=False)
