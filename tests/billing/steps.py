"""Random sequences of steps, drawn from a seed; of one that fails, the shortest part that still fails."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol, TypeVar

F = TypeVar("F", bound=Callable[..., None])
MOST_ATTEMPTS = 400
"""To leave out steps of what failed."""
MOODS = (0, 1, 1, 4)
"""How the weight of each step is multiplied in a sequence: what one never does another does again and again, so that
steps meet which seldom stand side by side.
"""


@dataclass(frozen=True)
class Draw:
    """How a value of a step is drawn."""

    by: Callable[[Random], Any]

    def map(self, change: Callable[[Any], Any]) -> "Draw":
        """The value, changed."""
        return Draw(lambda dice: change(self.by(dice)))


def integers(least: int, most: int) -> Draw:
    return Draw(lambda dice: dice.randint(least, most))


def booleans() -> Draw:
    return Draw(lambda dice: dice.random() < 0.5)


def one_of(*draws: Draw) -> Draw:
    return Draw(lambda dice: dice.choice(draws).by(dice))


def sampled_from(values: Sequence[Any]) -> Draw:
    return Draw(lambda dice: dice.choice(values))


def tuples(*draws: Draw) -> Draw:
    return Draw(lambda dice: tuple(draw.by(dice) for draw in draws))


def lists(of: Draw, most: int, *, least: int = 1) -> Draw:
    return Draw(lambda dice: [of.by(dice) for _ in range(dice.randint(least, most))])


def step(weight: int = 1, *, when: Callable[[Any], object] | None = None, **draws: Draw) -> Callable[[F], F]:
    """A method that is one of the steps: as often as its weight says, where `when` holds."""

    def mark(method: F) -> F:
        vars(method)["step"] = (weight, when, draws)
        return method

    return mark


class Walker(Protocol):
    """What takes steps: it begins where nothing has happened, compares after each and at last, and leaves nothing."""

    def check(self) -> None: ...

    def finish(self) -> None: ...

    def end(self) -> None: ...


Taken = tuple[str, dict[str, Any]]


def walk(begin: Callable[[], Walker], seed: int, *, sequences: int, steps: int, shrink: bool = True) -> None:
    """So many sequences of so many steps. A failure names the steps, and the seed by which they are taken again."""
    for number in range(sequences):
        dice = Random(f"{seed}/{number}")
        taken: list[Taken] = []
        try:
            _take(begin(), taken, dice, steps)
        except Exception as failure:  # of any kind: it is told with its steps, and raised again
            failure.add_note(f"seed {seed}, sequence {number}")
            least = _shortest(begin, taken, type(failure)) if shrink else taken
            failure.add_note("\n".join(f"  {name}({values})" for name, values in least))
            raise


def _take(walker: Walker, taken: list[Taken], dice: Random, steps: int) -> None:
    marked = {name: vars(method)["step"] for name in dir(type(walker))
              if "step" in getattr(method := getattr(type(walker), name), "__dict__", {})}  # fmt: skip
    moods = {name: weight * dice.choice(MOODS) for name, (weight, _, _) in marked.items()}
    try:
        for _ in range(steps):
            possible = {name: moods[name] for name, (_, when, _) in marked.items() if when is None or when(walker)}
            (name,) = dice.choices(list(possible), list(possible.values()) if any(possible.values()) else None)
            values = {key: draw.by(dice) for key, draw in marked[name][2].items()}
            taken.append((name, values))
            getattr(walker, name)(**values)
            walker.check()
        walker.finish()
    finally:
        walker.end()


def _fails(begin: Callable[[], Walker], taken: Sequence[Taken], how: type[Exception]) -> bool:
    walker = begin()
    try:
        for name, values in taken:
            when = vars(getattr(type(walker), name))["step"][1]
            if when is None or when(walker):
                getattr(walker, name)(**values)
                walker.check()
        walker.finish()
    except how:
        return True
    finally:
        walker.end()
    return False


def _shortest(begin: Callable[[], Walker], taken: list[Taken], how: type[Exception]) -> list[Taken]:
    """Leave out halves, quarters, … single steps, as long as it still fails."""
    attempts, size = 0, max(len(taken) // 2, 1)
    while attempts < MOST_ATTEMPTS:
        start, was = 0, len(taken)
        while start < len(taken) and attempts < MOST_ATTEMPTS:
            fewer = taken[:start] + taken[start + size :]
            attempts += 1
            if _fails(begin, fewer, how):
                taken = fewer
            else:
                start += size
        if size == 1 and len(taken) == was:
            break
        size = max(size // 2, 1)
    return taken
