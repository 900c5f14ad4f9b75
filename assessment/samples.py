"""A dozen short student essays on one question, written for this project: for the demo, tests and a first try."""

from importlib import resources

#: What the students were asked.
TOPIC = "Should school start later in the morning?"

#: Intended order, best first: what a good judge would find, roughly. The essays themselves do not tell.
INTENDED_ORDER = (
    "hazel",
    "birch",
    "oak",
    "willow",
    "alder",
    "maple",
    "cedar",
    "rowan",
    "ash",
    "larch",
    "elm",
    "beech",
)


def load_samples() -> dict[str, str]:
    """Name → essay, in alphabetical order, which says nothing about quality."""
    folder = resources.files("assessment") / "samples"
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".txt")), key=lambda entry: entry.name)
    return {entry.name.removesuffix(".txt"): entry.read_text(encoding="utf-8").strip() for entry in files}
