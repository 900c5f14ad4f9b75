"""A dozen short student essays on one question, written for this project: for the demo, `umpire tune` and tests."""

from importlib import resources

#: The question that the essays answer.
TOPIC = "Should school start later in the morning?"

#: The order in which a good judge would roughly rank the essays, best first. The essays do not contain it.
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
    """Name → essay, in alphabetical order of the names, which is unrelated to quality."""
    folder = resources.files("assessment") / "samples"
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".txt")), key=lambda entry: entry.name)
    return {entry.name.removesuffix(".txt"): entry.read_text(encoding="utf-8").strip() for entry in files}
