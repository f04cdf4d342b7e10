"""The plots of a report, as SVG whose colours are the page's: light, dark, and for the colour-blind.

matplotlib draws them; what it writes takes its colours from CSS variables: one drawing fits both themes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

from ragctl.errors import MissingPackage
from ragctl.report.content import SHARES, Content, Row

# Stand-ins that no plot has otherwise, for the page's variables.
_COLOURS = {
    "#010101": "--ink",
    "#020202": "--muted",
    "#030303": "--line",
    "#040404": "--accent",
    "#050505": "--page",
    "#060606": "--other",
    **{f"#0{number}0b0b": f"--share-{number}" for number in range(len(SHARES))},
}
_INK, _MUTED, _LINE, _ACCENT, _PAGE, _OTHER = list(_COLOURS)[:6]
_WIDTH = 5.2
"""Inches of 72 points: 374 points, so that on a phone nothing is smaller than it was drawn."""
_PLOT_POINTS = (310, 190)
"""About what is left of a plot's width and height beside its axes."""
_NUMBER_POINTS = (12, 9)
"""What a dot's number needs, up to the middle of another one or of a dot."""
_LONGEST_NAME = 26
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a name with two dollar signs is a name
    "font.size": 9.5,
    "text.color": _INK,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _MUTED,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "figure.facecolor": "none",
    "figure.constrained_layout.use": True,
}


def _figure(height: float, name: str) -> tuple[Any, Any, Any]:
    """(settings in a `with`, figure, axes)."""
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingPackage(
            f"a report needs the Python package {error.name!r}, which is not installed",
            hint="pip install 'ragctl[report]'",
        ) from error
    settings = mpl.rc_context({**_SETTINGS, "svg.hashsalt": name})
    with settings:
        figure = Figure(figsize=(_WIDTH, height))
        FigureCanvasSVG(figure)
        axes = figure.subplots()
    return mpl.rc_context({**_SETTINGS, "svg.hashsalt": name}), figure, axes


def quality_against(content: Content, what: str) -> str:
    """Quality against `p95_ms` or `cost`, a dot a result; empty if fewer than two results know it.

    Filled dots are on the Pareto front; the ring is the baseline.
    """
    known = [row for row in content.rows if getattr(row, what) is not None]
    if len(known) < 2 or (what == "cost" and not any(row.cost for row in known)):
        return ""
    settings, figure, axes = _figure(3.3, what)
    with settings:
        front = _edge(known, what)
        axes.plot(
            [getattr(row, what) for row in front],
            [row.mean for row in front],
            color=_ACCENT, linewidth=1, alpha=0.5, zorder=1,
        )  # fmt: skip
        for row in known:
            colour = _ACCENT if row.on_front else _OTHER
            face = _PAGE if row.is_baseline else colour
            axes.scatter(
                getattr(row, what), row.mean, s=42, facecolor=face, edgecolor=colour, linewidth=1.6, zorder=2
            )
        axes.margins(0.12)
        axes.set_ylabel(content.metric)
        axes.set_xlabel("95th percentile, ms a question" if what == "p95_ms" else "US dollars a question")
        if what == "p95_ms":
            axes.set_xlim(left=0)
        places = axes.transLimits.transform([(getattr(row, what), row.mean) for row in known])
        for row, offset in zip(known, _number_offsets(places), strict=True):
            axes.annotate(
                str(row.number), (getattr(row, what), row.mean), xytext=offset, textcoords="offset points",
                fontsize=8.5, color=_INK, horizontalalignment="left" if offset[0] > 0 else "right",
            )  # fmt: skip
        if what == "cost":
            axes.xaxis.set_major_formatter(lambda value, _: f"${value:.4g}")
        return _svg(figure)


def _number_offsets(places: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """Where each dot's number stands beside it, in points: at the first corner that is free.

    Args:
        places: the dots, each from 0 to 1 of the plot's width and height.
    """
    dots = [(x * _PLOT_POINTS[0], y * _PLOT_POINTS[1]) for x, y in places]
    taken: list[tuple[float, float]] = []
    offsets = []
    for x, y in dots:
        corners = {(dx, dy): (x + 2 * dx, y + dy + 3) for dx in (6, -6) for dy in (5, -11)}
        free = [
            corner
            for corner, (middle, height) in corners.items()
            if all(
                abs(middle - other) > _NUMBER_POINTS[0] or abs(height - beside) > _NUMBER_POINTS[1]
                for other, beside in (*taken, *(dot for dot in dots if dot != (x, y)))
            )
        ]
        offsets.append(free[0] if free else (6, 5))
        taken.append(corners[offsets[-1]])
    return offsets


def _edge(rows: Sequence[Row], what: str) -> list[Row]:
    """The results that no other one beats at these two things, from left to right."""
    edge: list[Row] = []
    for row in sorted(rows, key=lambda one: (getattr(one, what), -one.mean)):
        if not edge or row.mean > edge[-1].mean:
            edge.append(row)
    return edge


def differences(content: Content) -> str:
    """Each result's mean difference from the baseline with its interval; empty for a single result."""
    rows = [row for row in content.rows if row.difference is not None]
    if not rows:
        return ""
    settings, figure, axes = _figure(0.75 + 0.27 * len(rows), "differences")
    with settings:
        for place, row in enumerate(rows):
            mean, low, high = row.difference or (0.0, 0.0, 0.0)
            sure = low > 0 or high < 0
            colour = _ACCENT if sure else _OTHER
            axes.plot([low, high], [place, place], color=colour, linewidth=2, solid_capstyle="round")
            axes.scatter(mean, place, s=30, facecolor=colour if sure else _PAGE, edgecolor=colour, zorder=3)
        axes.axvline(0, color=_MUTED, linewidth=1)
        _name_rows(axes, rows)
        axes.set_xlabel(f"difference of {content.metric} from that of 1")
        return _svg(figure)


def distribution(content: Content) -> str:
    """How a result's questions are spread over the metric's range: a bar a result, from 0 to 1."""
    rows = content.rows
    settings, figure, axes = _figure(0.75 + 0.27 * len(rows), "distribution")
    with settings:
        left = [0.0] * len(rows)
        for number in range(len(SHARES)):
            widths = [row.shares[number] for row in rows]
            axes.barh(
                range(len(rows)), widths, left=left, height=0.7, color=f"#0{number}0b0b",
                edgecolor=_PAGE, linewidth=0.8,
            )  # fmt: skip
            left = [before + width for before, width in zip(left, widths, strict=True)]
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set_xlabel("share of the questions")
        axes.grid(visible=False)
        _name_rows(axes, rows)
        return _svg(figure)


def _name_rows(axes: Any, rows: Sequence[Row]) -> None:
    names = _short_names([row.name for row in rows])
    axes.set_yticks(
        range(len(rows)), [f"{row.number}  {name}" for row, name in zip(rows, names, strict=True)]
    )
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", labelcolor=_INK)


def _short_names(names: Sequence[str]) -> list[str]:
    """As they are where all fit; else without the parts that all of them have at the same place.

    A variant is called by its keys and values, `max_tokens-128_mode-dense`: what tells it apart stays.
    """
    parts = [re.split(r"[_-]", name) for name in names]
    if max(map(len, names)) > _LONGEST_NAME and len({len(one) for one in parts}) == 1:
        differing = [place for place, found in enumerate(zip(*parts, strict=True)) if len(set(found)) > 1]
        names = [" ".join(one[place] for place in differing) for one in parts] if differing else names
    return [_shortened(name) for name in names]


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _svg(figure: Any) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"font: ([0-9.]+px) [^;\"]*", r"font-size: \1", text)
    text = re.sub(r"(<svg[^>]*?) width=\"[^\"]*\"", r"\1", text)
    text = re.sub(r"(<svg[^>]*?) height=\"[^\"]*\"", r"\1", text, count=1)
    # What has no colour of its own is black in SVG; the page's text is not.
    for colour, variable in _COLOURS.items():
        text = text.replace(colour, f"var({variable})")
    return re.sub(r"\n\s*", "\n", text).strip()
