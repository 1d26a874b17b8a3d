"""Tests of money."""

import pytest

pytest.register_assert_rewrite(
    "tests.billing.walk", "tests.billing.walk_of_payments", "tests.billing.walk_of_corrections"
)
