"""Lets an agent calculate."""

from skills.calculator.skill import CalculatorSkill

__all__ = ["CalculatorSkill"]
