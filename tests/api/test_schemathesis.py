"""Whatever the API document allows or forbids is asked for; what it promises has to come."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.client import ApiClient

CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
# The server runs in this process, and its threads throw dice of their own.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")

SHORT_EXAMPLES = 4
LONG_EXAMPLES, LONG_SECONDS = 40, 300
SEED = 20_261_125


class Examiner:
    """Asks a server for what its document says, as Acme."""

    def __init__(self, client: ApiClient, *, organization: str, agent: str) -> None:
        load_all_checks()
        self._client = client
        self._there = {"organization": organization, "agent": agent, "id": agent}
        self._schema = schemathesis.openapi.from_url(f"{client.base_url}/v1/openapi.json")
        self.asked = 0
        self.answered = 0

    def operations(self) -> Iterator[Any]:
        """Every operation of the document."""
        for found in self._schema.get_all_operations():
            yield found.ok()  # type: ignore[union-attr]  # an operation that it cannot read fails the test

    def examine(self, operation: Any, mode: GenerationMode, *, examples: int, number: int) -> None:
        """Ask for so many examples of an operation, the same ones for the same number."""

        @seed(number)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            if mode is GenerationMode.POSITIVE:
                self._aim(case)
            else:
                assume(_is_sent_whole(case))
            response = case.call(
                base_url=self._client.base_url, headers={"Authorization": self._client.http.headers["Authorization"]}
            )
            self.asked += 1
            self.answered += response.status_code == 200
            case.validate_response(response, checks=CHECKS)

        with suppress(Unsatisfiable):  # some addresses cannot be asked wrongly
            ask()

    def _aim(self, case: Any) -> None:
        """Name what there is, else nearly every answer would be that there is no such thing."""
        for name in case.path_parameters.keys() & self._there.keys():
            case.path_parameters[name] = self._there[name]
        if isinstance(case.body, dict) and "model" in case.body:
            embeds = case.operation.path.endswith("/embeddings")
            case.body["model"] = "scripted/embed" if embeds else self._there["agent"]


def _is_sent_whole(case: Any) -> bool:
    """Whether every member of the query is one that goes over the wire: what is nothing, HTTP clients leave out."""
    return all(value not in (None, [], {}) for value in case.query.values())


@pytest.fixture
def examiner(acme_client: ApiClient, acme: Any, greeter: str) -> Examiner:
    return Examiner(acme_client, organization=acme.slug, agent=greeter)


def test_what_the_document_says_holds(examiner: Examiner) -> None:
    for operation in examiner.operations():
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            examiner.examine(operation, mode, examples=SHORT_EXAMPLES, number=SEED)

    assert 0 < examiner.answered < examiner.asked


@pytest.mark.prove
@pytest.mark.timeout(LONG_SECONDS + 120)
def test_what_the_document_says_holds_for_long(
    examiner: Examiner, record_property: Callable[[str, object], None]
) -> None:
    deadline = time.monotonic() + LONG_SECONDS
    number = SEED

    while time.monotonic() < deadline:
        number += 1
        for operation in examiner.operations():
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                if time.monotonic() < deadline:
                    examiner.examine(operation, mode, examples=LONG_EXAMPLES, number=number)

    record_property("requests", examiner.asked)
    record_property("answered with 200", examiner.answered)
    assert 0 < examiner.answered < examiner.asked
