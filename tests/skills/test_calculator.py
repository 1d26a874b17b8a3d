"""The calculator skill."""

import pytest

from skills.calculator import CalculatorSkill
from skills.sdk import ToolRetry
from skills.sdk.testing import run_tool


async def calculate(expression: str) -> str:
    return str(await run_tool(CalculatorSkill(), "calculate", expression=expression))


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("17*23", "391"),
        ("2 + 3 * 4", "14"),
        ("(2 + 3) * 4", "20"),
        ("7 // 2 + 7 % 2", "4"),
        ("1/3", "0.333333333333"),
        ("-3 + +1", "-2"),
        ("2**10", "1024"),
        ("2^10", "1024"),
        ("2**-1", "0.5"),
        ("6 × 7 ÷ 2 − 1", "20"),
        ("sqrt(16)", "4"),
        ("round(2.567, 2)", "2.57"),
        ("round(2.5)", "2"),
        ("abs(-3) + min(1, 2) + max(1, 2)", "6"),
        ("round(2*pi, 3)", "6.283"),
    ],
)
async def test_it_calculates(expression: str, result: str) -> None:
    assert await calculate(expression) == result


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("1/0", "divides by zero"),
        ("9**9**9", "too large"),
        ("10**400 * 1.0", "too large"),
        ("1e308 * 10", "too large"),
        ("2**9999 * 2**9999", "too large"),
        ("sqrt(-1)", "not a real number"),
        ("(-8)**0.5", "not a real number"),
        ("round(1, 10**9)", "whole number of digits"),
        ("round(1, 0.5)", "whole number of digits"),
        ("min()", "wrong arguments"),
        ("2 +", "not an arithmetic expression"),
        ("(" * 300, "not an arithmetic expression"),
        ("-" * 100 + "1", "nested deeper"),
        ("1" * 1001, "longer than 1000"),
        ("__import__('os').system('true')", "cannot be calculated"),
        ("'a' * 3", "cannot be calculated"),
        ("True + 1", "cannot be calculated"),
        ("[1][0]", "cannot be calculated"),
        ("1 if 1 else 2", "cannot be calculated"),
        ("sqrt(x=4)", "cannot be calculated"),
        ("1 << 9", "cannot be calculated"),
        ("~1", "cannot be calculated"),
        ("x + 1", "cannot be calculated"),
    ],
)
async def test_what_it_cannot_calculate_it_says(expression: str, told: str) -> None:
    with pytest.raises(ToolRetry, match=told):
        await calculate(expression)


async def test_results_that_are_not_whole_have_as_many_digits_as_asked() -> None:
    skill = CalculatorSkill(CalculatorSkill.Options(digits=3))

    assert await run_tool(skill, "calculate", expression="2/3") == "0.667"
