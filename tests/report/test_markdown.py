"""The report as Markdown."""

from __future__ import annotations

from markdown_it import MarkdownIt
from report.results import HOSTILE, made_results

from ragctl.report.markdown import report_markdown


def test_it_is_a_table_with_the_differences() -> None:
    text = report_markdown(made_results())
    rendered = MarkdownIt("commonmark").enable("table").render(text)
    assert rendered.count("<tr>") == 4
    assert "baseline" in rendered
    assert "recall" not in text
    assert report_markdown(made_results(), "recall@100").startswith("### 3 results by recall")


def test_what_somebody_wrote_is_no_markup() -> None:
    results = made_results()
    results[2]["name"] = f"a|b {HOSTILE} @someone [link](http://x)"
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(report_markdown(results))
    assert "<script>" not in rendered
    assert "<img" not in rendered
    assert "<a " not in rendered
    assert rendered.count("<tr>") == 4
