"""Having a skill of a test's installed, as a package that brings it would be."""

from pathlib import Path


def installed(folder: Path, **skills: str) -> Path:
    """A folder that brings these skills (`name="module:Class"`) wherever it is on Python's path."""
    about = folder / "testskills-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: testskills\nVersion: 1.0\n")
    entries = "".join(f"{name} = {place}\n" for name, place in skills.items())
    (about / "entry_points.txt").write_text(f"[robutler.skills]\n{entries}")
    return folder
