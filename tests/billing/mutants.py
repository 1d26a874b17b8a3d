"""The bent rules of mutants.toml."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

LIST = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A text that stands once in a file, and what stands there instead; `tests` find out what no walk reaches."""

    file: str
    name: str
    old: str
    new: str
    tests: tuple[str, ...] = ()

    @property
    def straight(self) -> str:
        """The file as it is. Triggers are replaced where they stand."""
        text = Path(self.file).read_text()
        return text.replace("CREATE TRIGGER", "CREATE OR REPLACE TRIGGER") if self.file.endswith(".sql") else text

    @property
    def bent(self) -> str:
        """The file with the rule bent."""
        text = self.straight
        assert text.count(self.old) == 1, f"the rule reads differently now: {self.name}"
        return text.replace(self.old, self.new)


def mutants() -> dict[str, Mutant]:
    """All of them, by their names."""
    listed = tomllib.loads(LIST.read_text())
    return {
        one["name"]: Mutant(file=file, **{**one, "tests": tuple(one.get("tests", ()))})
        for file, ones in listed.items()
        for one in ones
    }
