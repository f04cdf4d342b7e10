"""A report as one HTML page: styles, script and plots in it, nothing fetched from anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from ragctl import __version__
from ragctl.errors import MissingPackage
from ragctl.report.content import MOST_CHANGES, MOST_FAILURES, SHARES, Content, Result, content_of
from ragctl.report.numbers import bytes_text, cost_text, number_text, p_text, signed
from ragctl.report.plots import differences, distribution, quality_against


def report_page(results: Sequence[Result], metric: str | None = None, *, title: str | None = None) -> str:
    """The page.

    Args:
        results: of `ragctl eval` or of an experiment's variants, the first being the baseline.
        metric: by which they are compared; the first of the first result's if None.

    Raises:
        UsageError: they cannot be compared, see `content_of`.
        MissingPackage: jinja2 or matplotlib is not installed.
    """
    content = content_of(results, metric)
    script, style = _part("report.js"), _part("report.css")
    environment = _environment()
    return str(
        environment.get_template("report.html").render(
            content=content,
            title=title or _title(content),
            made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            version=__version__,
            style=style,
            script=script,
            script_digest=_digest(script),
            style_digest=_digest(style),
            plots=_plots(content),
            shares=SHARES,
            most_changes=MOST_CHANGES,
            most_failures=MOST_FAILURES,
        )
    )


def _title(content: Content) -> str:
    if len(content.rows) == 1:
        return f"Evaluation of {content.baseline}"
    return f"{len(content.rows)} results by {content.metric}"


def _plots(content: Content) -> list[dict[str, str]]:
    """Caption, alternative text and drawing of each plot that there is something to draw for."""
    best = max(content.rows, key=lambda row: row.mean)
    winner = f"The best mean has {best.number}, {best.name}: {best.mean:.4f}."
    made = [
        (
            "Quality and latency",
            "Filled blue: no other result is as good, as cheap and as fast, and better at one of these. "
            "The ring is the baseline.",
            f"{content.metric} against the 95th percentile of latency. {winner}",
            quality_against(content, "p95_ms"),
        ),
        (
            "Quality and cost",
            "Of asking one question; building the index is in the table.",
            f"{content.metric} against the cost of a question. {winner}",
            quality_against(content, "cost"),
        ),
        (
            "Difference from the baseline",
            "Mean of the paired differences and its 95 % interval. Blue: the interval does not hold 0.",
            f"Differences of {content.metric} from {content.baseline}; the table has the numbers.",
            differences(content),
        ),
        (
            "Distribution over the questions",
            f"Share of the questions by their {content.metric}.",
            f"Share of questions by {content.metric}, for each result.",
            distribution(content),
        ),
    ]
    names = ("title", "note", "description", "svg")
    return [dict(zip(names, one, strict=True)) for one in made if one[-1]]


def _environment() -> Any:
    try:
        import jinja2
    except ModuleNotFoundError as error:
        raise MissingPackage(
            "a report needs the Python package 'jinja2', which is not installed",
            hint="pip install 'ragctl[report]'",
        ) from error
    environment = jinja2.Environment(
        # Everything in a result is somebody's text: questions, paths, messages.
        autoescape=True,
        loader=jinja2.FunctionLoader(_part),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=number_text, p=p_text, signed=signed, cost=cost_text, bytes=bytes_text, safe_svg=_safe
    )
    return environment


def _safe(svg: str) -> Any:
    from markupsafe import Markup

    return Markup(svg)  # matplotlib escapes the text in it, the rest is ours


def _part(name: str) -> str:
    return resources.files("ragctl").joinpath("report", name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """As a Content-Security-Policy names what may run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}"
