"""What every answer of Django's says about what may run in it."""

from django.http import HttpResponse, JsonResponse
from django.test import RequestFactory

from robutler_site.middleware import NOTHING, closed_unless_a_page


def test_in_an_answer_that_is_no_page_nothing_runs() -> None:
    answer = closed_unless_a_page(lambda request: JsonResponse({}))(RequestFactory().get("/v1/models"))

    assert answer["Content-Security-Policy"] == NOTHING


def test_a_page_keeps_the_policy_of_its_site() -> None:
    answer = closed_unless_a_page(lambda request: HttpResponse("<p>"))(RequestFactory().get("/console/"))

    assert "Content-Security-Policy" not in answer
