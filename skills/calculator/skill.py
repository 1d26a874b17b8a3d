"""The calculator."""

from pydantic import Field

from skills.calculator.arithmetic import evaluate
from skills.sdk import Skill, ToolRetry, tool


class CalculatorSkill(Skill):
    """Lets an agent calculate instead of guessing."""

    name = "calculator"

    class Options(Skill.Options):
        """How results are written."""

        digits: int = Field(default=12, ge=1, le=17, description="Significant digits of results that are not whole.")

    options: Options

    @tool(idempotent=True)
    async def calculate(self, expression: str) -> str:
        """Calculate the value of an arithmetic expression.

        Args:
            expression: Numbers, + - * / // % **, parentheses, and sqrt, round, abs, min, max; such as 17 * (3 + 4).
        """
        try:
            result = evaluate(expression)
        except ValueError as error:
            raise ToolRetry(str(error)) from None
        return str(result) if isinstance(result, int) else f"{result:.{self.options.digits}g}"
