"""Arithmetic on text, by its syntax tree: nothing is executed, and nothing grows without bound."""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

Number: TypeAlias = int | float

LENGTH_LIMIT = 1000
DEPTH_LIMIT = 50
BITS_LIMIT = 10_000
DIGITS_LIMIT = 300

_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Number]] = MappingProxyType(
    {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.FloorDiv: operator.floordiv,
        ast.Mod: operator.mod,
    }
)
_SIGNS: Mapping[type[ast.unaryop], Callable[[Any], Number]] = MappingProxyType(
    {ast.UAdd: operator.pos, ast.USub: operator.neg}
)
_CONSTANTS: Mapping[str, float] = MappingProxyType({"pi": math.pi, "e": math.e})


def _sqrt(number: Number, /) -> Number:
    if number < 0:
        raise ValueError("The root of a negative number is not a real number.")
    return math.sqrt(number)


def _round(number: Number, digits: Number = 0, /) -> Number:
    if not isinstance(digits, int) or abs(digits) > DIGITS_LIMIT:
        raise ValueError(f"round takes a whole number of digits, at most {DIGITS_LIMIT}.")
    return round(number, digits) if digits else round(number)


_FUNCTIONS: Mapping[str, Callable[..., Number]] = MappingProxyType(
    {"sqrt": _sqrt, "round": _round, "abs": abs, "min": min, "max": max}
)


def evaluate(expression: str) -> Number:
    """The value of an expression; raises ValueError with words that say what is wrong with it."""
    if len(expression) > LENGTH_LIMIT:
        raise ValueError(f"The expression is longer than {LENGTH_LIMIT} characters.")
    text = expression.strip().replace("×", "*").replace("÷", "/").replace("−", "-").replace("^", "**")
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"{expression!r} is not an arithmetic expression.") from None
    try:
        return _bounded(_value(tree.body, DEPTH_LIMIT))
    except ZeroDivisionError:
        raise ValueError("The expression divides by zero.") from None
    except OverflowError:
        raise ValueError("A number in the expression grows too large.") from None
    except TypeError as error:
        raise ValueError(f"A function is given the wrong arguments: {error}.") from None


def _value(node: ast.expr, depth: int) -> Number:
    if depth == 0:
        raise ValueError(f"The expression is nested deeper than {DEPTH_LIMIT}.")
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as value):
            return _bounded(value)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_value(left, depth - 1), _value(right, depth - 1))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _bounded(_OPERATORS[type(op)](_value(left, depth - 1), _value(right, depth - 1)))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _SIGNS:
            return _SIGNS[type(op)](_value(operand, depth - 1))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _bounded(_FUNCTIONS[name](*(_value(argument, depth - 1) for argument in arguments)))
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
    known = ", ".join([*_FUNCTIONS, *_CONSTANTS])
    raise ValueError(f"{ast.unparse(node)!r} cannot be calculated: only numbers, + - * / // % ** and {known} can.")


def _power(number: Number, exponent: Number) -> Number:
    """The size of the result is known before it is made."""
    if isinstance(number, int) and isinstance(exponent, int) and number.bit_length() * abs(exponent) > BITS_LIMIT:
        raise OverflowError
    result = number**exponent
    if isinstance(result, complex):
        raise ValueError("The root of a negative number is not a real number.")
    return _bounded(result)


def _bounded(number: Any) -> Number:
    if isinstance(number, int) and number.bit_length() > BITS_LIMIT:
        raise OverflowError
    if isinstance(number, float) and not math.isfinite(number):
        raise OverflowError
    value: Number = number
    return value
