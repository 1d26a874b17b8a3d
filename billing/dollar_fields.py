"""A form field in dollars, for rows that keep whole nano- or picodollars."""

from decimal import Decimal
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from billing.amounts import plain


class DollarsField(forms.DecimalField):
    """Dollars on the page, an integer `scale` times as large on the row; what cannot be kept exactly is refused.

    `least` and `most` are the smallest and the largest integer the row takes.
    """

    def __init__(self, *, scale: int, least: int = 0, most: int | None = None, **options: Any) -> None:
        self._scale = scale
        places = len(str(scale)) - 1
        super().__init__(
            min_value=Decimal(least) / scale,
            max_value=Decimal(1_000_000) if most is None else Decimal(most) / scale,
            decimal_places=places,
            widget=UnfoldAdminDecimalFieldWidget(),
            **options,
        )

    def clean(self, value: Any) -> int | None:
        """The integer to keep."""
        entered = super().clean(value)
        return None if entered is None else int(entered * self._scale)

    def prepare_value(self, value: Any) -> Any:
        """The dollars to show; what a person just typed stays as it was typed."""
        return plain(value, scale=self._scale) if isinstance(value, int) else value
