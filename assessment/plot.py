"""Plots a ranking: strengths with their 95 % intervals, strongest at the top."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from assessment.errors import InvalidComparisons
from assessment.model.strengths.fit import BradleyTerryFit

#: Half-width of a 95 % interval, in standard errors.
_Z95 = 1.96
_INK, _RULE, _MARK = "#222222", "#d8d8d8", "#1f5fa8"


def plot_ranking(fit: BradleyTerryFit, names: Sequence[str], path: Path | str, *, title: str = "Ranking") -> list[Path]:
    """Write a plot of the ranking to `path`, once with the suffix .png and once with .svg.

    Parameters
    ----------
    fit : BradleyTerryFit
        The fit of n items.
    names : sequence of str, length n
        Label of each item.
    path : Path or str
        Where to write; a suffix .png or .svg is removed first.
    title : str
        Heading.

    Returns
    -------
    list of Path
        The two files.

    Raises
    ------
    InvalidComparisons
        The number of names is not the number of items.
    """
    if len(names) != len(fit.strengths):
        raise InvalidComparisons(f"{len(names)} names for {len(fit.strengths)} items")
    figure = _draw(fit, names, title)
    path = Path(path)
    base = path.with_suffix("") if path.suffix in {".png", ".svg"} else path
    files = [base.with_name(f"{base.name}{suffix}") for suffix in (".png", ".svg")]
    for file in files:
        figure.savefig(file, dpi=160)
    return files


def _draw(fit: BradleyTerryFit, names: Sequence[str], title: str) -> Figure:
    # A separate Figure instead of pyplot: it needs no display, has no global state, and is safe in any thread.
    order = fit.ranking()
    rows = range(len(order))
    # The page grows with the rows so that labels do not overlap, up to a height that viewers can still open.
    height = min(1.9 + 0.32 * len(order), 150.0)
    figure = Figure(figsize=(8.0, height), layout="constrained")
    axes = figure.add_subplot()
    strengths = fit.strengths[order]
    axes.axvline(0, color=_RULE, linewidth=1, zorder=0)
    axes.errorbar(
        strengths,
        rows,
        xerr=_Z95 * fit.standard_errors[order],
        fmt="o",
        color=_MARK,
        markersize=6,
        elinewidth=1.6,
        capsize=3,
    )
    labels = [f"{place}. {names[item]}" for place, item in enumerate(order, start=1)]
    # Names are plain text: a "$" in one must not start a formula.
    axes.set_yticks(rows, labels, color=_INK, parse_math=False)
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set_xlabel("Strength in logits (0 = mean of all), with 95 % interval", color=_INK)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", color=_INK, parse_math=False)
    note = f"{fit.comparisons} comparisons · reliability {fit.reliability:.2f}"
    if fit.order_effect is not None and fit.order_effect_error is not None:
        note += f" · order effect {fit.order_effect:+.2f} ± {_Z95 * fit.order_effect_error:.2f}"
    axes.set_title(note, loc="left", fontsize="small", color=_INK)
    axes.grid(axis="x", color=_RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure
