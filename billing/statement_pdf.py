"""How a statement looks on paper."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table

from billing.amounts import dollars

FONTS = Path(__file__).parent / "fonts"
MOST_AGENTS = 40
MOST_MOVEMENTS = 400
_INK, _FAINT, _LINE = colors.HexColor("#1f2430"), colors.HexColor("#667085"), colors.HexColor("#d0d5dd")
_MARGIN = 20 * mm
_EDGE = _MARGIN + 6
"""Where text begins: the library keeps six points of a page's frame free."""


@dataclass(frozen=True, kw_only=True)
class Used:
    """What was spent on one agent, in how many charges."""

    what: str
    times: int
    amount: int


@dataclass(frozen=True, kw_only=True)
class Movement:
    """Money that moved for another reason than usage."""

    on: date
    kind: str
    reference: str
    amount: int


@dataclass(frozen=True, kw_only=True)
class Printed:
    """All that a statement says. Amounts are nanodollars; what left the wallet is negative."""

    organization: str
    slug: str
    period: str
    time_zone: str
    starts_on: date
    ends_before: date
    closed_on: date
    number: str
    opening: int
    parts: Sequence[tuple[str, int]]
    closing: int
    usage: Sequence[Used]
    movements: Sequence[Movement]


def print_statement(printed: Printed) -> bytes:
    """The statement as a PDF; the same statement gives the same bytes."""
    _load_fonts()
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=25 * mm,
        title=f"Statement {printed.number}",
        author="Robutler",
        invariant=1,
    )
    document.build(
        [*_head(printed), *_summary(printed), *_usage(printed), *_movements(printed)],
        canvasmaker=lambda *args, **options: _Numbered(printed, *args, **options),
    )
    return buffer.getvalue()


def _head(printed: Printed) -> list[Any]:
    last = date.fromordinal(printed.ends_before.toordinal() - 1)
    facts = (
        ("Account", f"{printed.organization} ({printed.slug})"),
        ("Period", f"{_day(printed.starts_on)} – {_day(last)}"),
        ("Time zone", printed.time_zone),
        ("Statement", printed.number),
        ("Closed on", _day(printed.closed_on)),
    )
    rows = [(_text(name, _STYLES["faint"]), _text(value)) for name, value in facts]
    return [
        _text("Statement of account", _STYLES["title"]),
        Spacer(1, 5 * mm),
        Table(rows, colWidths=(32 * mm, None), hAlign="LEFT", style=_PLAIN),
        Spacer(1, 8 * mm),
    ]


def _summary(printed: Printed) -> list[Any]:
    moved = [(name, amount) for name, amount in printed.parts if amount or name in ("Top-ups", "Usage")]
    places = _places([printed.opening, printed.closing, *(amount for _, amount in moved)])
    rows = [
        (_text("Opening balance", _STYLES["bold"]), _amount(printed.opening, places, bold=True)),
        *((_text(name), _amount(amount, places, signed=True)) for name, amount in moved),
        (_text("Closing balance", _STYLES["bold"]), _amount(printed.closing, places, bold=True)),
    ]
    style = [*_PLAIN, ("LINEBELOW", (0, 0), (-1, -2), 0.4, _LINE), ("LINEABOVE", (0, -1), (-1, -1), 1, _INK)]
    return [*_heading("Summary"), Table(rows, colWidths=(None, 60 * mm), style=style), Spacer(1, 8 * mm)]


def _usage(printed: Printed) -> list[Any]:
    if not printed.usage:
        return []
    shown, rest = printed.usage[:MOST_AGENTS], printed.usage[MOST_AGENTS:]
    rows = [(each.what, f"{each.times:,}", each.amount) for each in shown]
    if rest:
        times, amount = sum(each.times for each in rest), sum(each.amount for each in rest)
        rows.append((f"{len(rest)} others", f"{times:,}", amount))
    places = _places([amount for *_, amount in rows])
    table = [(_text(what), _text(times, _STYLES["right"]), _amount(amount, places)) for what, times, amount in rows]
    return [
        *_heading("Usage"),
        _listed(("Agent or model", "Charges", "Amount"), table, (None, 30 * mm, 50 * mm)),
        Spacer(1, 8 * mm),
    ]


def _movements(printed: Printed) -> list[Any]:
    if not printed.movements:
        return []
    shown = printed.movements[:MOST_MOVEMENTS]
    places = _places([each.amount for each in shown])
    table = [
        (_text(_day(each.on)), _text(each.kind), _text(each.reference), _amount(each.amount, places, signed=True))
        for each in shown
    ]
    found = [
        *_heading("Other movements"),
        _listed(("Date", "What for", "Reference", "Amount"), table, (36 * mm, 34 * mm, None, 40 * mm)),
    ]
    if hidden := len(printed.movements) - len(shown):
        found.append(_text(f"{hidden:,} more are in the table that comes with this statement.", _STYLES["faint"]))
    return found


def _listed(header: Sequence[str], rows: Sequence[Sequence[Any]], widths: Sequence[Any]) -> Table:
    last = len(header) - 1
    head = [
        _text(name, _STYLES["faint_right" if nth == last or name == "Charges" else "faint"])
        for nth, name in enumerate(header)
    ]
    style = [*_PLAIN, ("LINEBELOW", (0, 0), (-1, 0), 0.8, _INK), ("LINEBELOW", (0, 1), (-1, -1), 0.3, _LINE)]
    return Table([head, *rows], colWidths=widths, repeatRows=1, style=style)


def _heading(text: str) -> list[Any]:
    return [_text(text, _STYLES["heading"]), Spacer(1, 2 * mm)]


def _amount(nanos: int, places: int, *, bold: bool = False, signed: bool = False) -> Paragraph:
    sign = "−" if nanos < 0 else "+" if signed and nanos else ""
    whole, _, part = dollars(abs(nanos)).partition(".")
    return _text(f"{sign}{whole}.{part.ljust(places, '0')}", _STYLES["bold_right" if bold else "right"])


def _places(column: Iterable[int]) -> int:
    """As many decimals as the finest amount of a column has, so that its points stand below each other."""
    return max(len(dollars(abs(nanos)).partition(".")[2]) for nanos in column)


def _text(text: str, style: Any = None) -> Paragraph:
    return Paragraph(escape(text), style or _STYLES["plain"])


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


class _Numbered(Canvas):  # type: ignore[misc]  # comes without types
    """Pages that say which of how many they are."""

    def __init__(self, printed: Printed, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._printed = printed
        self._pages: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802 - the library's own name
        """Keep the page until their number is known."""
        self._pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        """Write every page with its foot."""
        for page in self._pages:
            self.__dict__.update(page)
            self._foot(len(self._pages))
            super().showPage()
        super().save()

    def _foot(self, pages: int) -> None:
        self.setFont("DejaVuSans", 7.5)
        self.setFillColor(_FAINT)
        said = "All amounts are US dollars, exact to a billionth. One credit is one dollar. This is not a tax invoice."
        self.drawString(_EDGE, 14 * mm, said)
        self.drawString(_EDGE, 10 * mm, f"Robutler · {self._printed.number}")
        self.drawRightString(A4[0] - _EDGE, 10 * mm, f"Page {self._pageNumber} of {pages}")


@cache
def _load_fonts() -> None:
    pdfmetrics.registerFont(TTFont("DejaVuSans", FONTS / "DejaVuSans.ttf"))
    pdfmetrics.registerFont(TTFont("DejaVuSans-Bold", FONTS / "DejaVuSans-Bold.ttf"))


def _style(name: str, font: str = "DejaVuSans", size: float = 9, **options: Any) -> ParagraphStyle:
    return ParagraphStyle(
        name,
        **{
            "fontName": font,
            "fontSize": size,
            "leading": size * 1.35,
            "textColor": _INK,
            "splitLongWords": 1,
            **options,
        },
    )


_BOLD = "DejaVuSans-Bold"
_STYLES = {
    "title": _style("title", _BOLD, 20),
    "heading": _style("heading", _BOLD, 12),
    "plain": _style("plain"),
    "right": _style("right", alignment=TA_RIGHT),
    "bold": _style("bold", _BOLD),
    "bold_right": _style("bold_right", _BOLD, alignment=TA_RIGHT),
    "faint": _style("faint", textColor=_FAINT),
    "faint_right": _style("faint_right", textColor=_FAINT, alignment=TA_RIGHT),
}
_PLAIN: list[Any] = [
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), 2),
    ("TOPPADDING", (0, 0), (-1, -1), 3),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
]
