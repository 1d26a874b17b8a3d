"""Money in the management API: whole nanodollars and exact dollars, both as strings; never a floating point number."""

import re
from decimal import Decimal
from typing import Any, ClassVar

from rest_framework import serializers

from api.openai.amounts import usd
from billing.amounts import MOST_NANOS, NANOS_PER_DOLLAR

_NANOS = re.compile(r"(?:0|[1-9][0-9]{0,18})")
_DOLLARS = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,9})?")


class NanosField(serializers.Field[int, Any, str, int]):
    """An amount in whole nanodollars, written as a string: JSON's numbers are exact only up to nine million dollars."""

    def __init__(self, **options: Any) -> None:
        super().__init__(read_only=True, **options)

    def to_representation(self, value: int) -> str:
        return str(value)


class UsdField(serializers.Field[int, Any, str, int]):
    """The same amount in dollars, to the last of its nine digits."""

    def __init__(self, **options: Any) -> None:
        super().__init__(read_only=True, **options)

    def to_representation(self, value: int) -> str:
        return f"-{usd(-value)}" if value < 0 else usd(value)


class DollarsField(serializers.Field[int, Any, str, int]):
    """Dollars that somebody asks for: a decimal string such as "12.50", at most nine digits behind the point.

    What it becomes is whole nanodollars. Nothing is rounded: what cannot be kept exactly is refused.
    """

    default_error_messages: ClassVar = {
        "invalid_amount": 'write dollars as a decimal string such as "12.50", at most 9 digits behind the point.',
        "too_little": "it must be more than 0.",
    }

    def __init__(self, *, zero: bool = False, **options: Any) -> None:
        self._takes_zero = zero
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str) or not _DOLLARS.fullmatch(data):
            self.fail("invalid_amount")
        nanos = int(Decimal(data) * NANOS_PER_DOLLAR)
        if nanos == 0 and not self._takes_zero:
            raise serializers.ValidationError(self.error_messages["too_little"], code="invalid_amount")
        return nanos

    def to_representation(self, value: int) -> str:
        return usd(value)


class NanosAskedField(serializers.Field[int, Any, str, int]):
    """Whole nanodollars that somebody asks for, as a string of digits or a whole number."""

    default_error_messages: ClassVar = {
        "invalid_amount": 'write whole nanodollars as a string of digits, such as "2500000".',
        "too_little": "it must be more than 0.",
        "too_much": "it is more than there can be.",
    }

    def __init__(self, *, zero: bool = False, **options: Any) -> None:
        self._takes_zero = zero
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> int:
        text = str(data) if isinstance(data, int) and not isinstance(data, bool) else data
        if not isinstance(text, str) or not _NANOS.fullmatch(text):
            self.fail("invalid_amount")
        nanos = int(text)
        if nanos > MOST_NANOS:
            raise serializers.ValidationError(self.error_messages["too_much"], code="invalid_amount")
        if nanos == 0 and not self._takes_zero:
            raise serializers.ValidationError(self.error_messages["too_little"], code="invalid_amount")
        return nanos

    def to_representation(self, value: int) -> str:
        return str(value)
