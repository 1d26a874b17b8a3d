"""Statements as files to keep: the same ones on the sites and in the API."""

from functools import partial

from django.http import HttpResponse, StreamingHttpResponse

from billing import exports, statements
from billing.models import Statement


def pdf(statement: Statement) -> HttpResponse:
    """The sheet that was printed when the month was closed, byte for byte."""
    sheet = statements.pdf_of(statement)
    headers = {**_kept_as(statement, "pdf"), "ETag": f'"{sheet.sha256}"'}
    return HttpResponse(sheet.pdf, content_type="application/pdf", headers=headers)


def csv(statement: Statement) -> StreamingHttpResponse:
    """Every transfer of the month, with the balance after it."""
    lines = exports.streamed(partial(statements.csv_parts, statement))
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=_kept_as(statement, "csv"))


def _kept_as(statement: Statement, kind: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="statement-{statement.period}.{kind}"'}
