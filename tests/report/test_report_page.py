"""The report's page: in a real browser where there is one, and what is in it anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report.chromium import NAMES, Page, found
from report.results import HOSTILE, made_results

from ragctl.report.page import report_page

CHROMIUM = found()
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason=f"no {' or '.join(NAMES)} on the PATH")
MOST_BYTES = 1_000_000


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("report") / "report.html"
    made.write_text(report_page(made_results()), encoding="utf-8")
    return made


@pytest.fixture(params=[(1200, False), (390, True)], ids=["desktop, light", "phone, dark"])
def page(file: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    width, dark = request.param
    assert CHROMIUM is not None
    with Page(CHROMIUM, tmp_path / "profile", width=width, dark=dark) as opened:
        opened.open(file.as_uri())
        yield opened


@needs_chromium
def test_nothing_goes_wrong_and_nothing_is_fetched(page: Page, file: Path) -> None:
    page.value("1")
    assert page.said == []
    assert [one for one in page.asked_for if not one.startswith("data:")] == [file.as_uri()]


@needs_chromium
def test_plots_are_seen_and_the_page_is_as_wide_as_the_screen(page: Page) -> None:
    sizes = page.value(
        "[...document.querySelectorAll('figure svg')].map(s => s.getBoundingClientRect().width)"
    )
    assert len(sizes) == 4
    assert min(sizes) > 300
    shapes = "[...document.querySelectorAll('figure svg')].map(s => s.querySelectorAll('path, use').length)"
    assert min(page.value(shapes)) > 10
    assert page.value("document.documentElement.scrollWidth <= innerWidth")
    assert page.value("getComputedStyle(document.querySelector('figure svg text')).fill") == page.value(
        "getComputedStyle(document.body).color"
    ) or page.value("getComputedStyle(document.querySelector('figure svg text')).fill").startswith("rgb")


@needs_chromium
def test_the_theme_is_the_system_s_until_it_is_chosen(page: Page) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    before = page.value(colour)
    assert before in ("rgb(255, 255, 255)", "rgb(18, 22, 28)")
    page.value("document.getElementById('theme').focus()")
    page.press("Enter", "\r")
    assert page.value(colour) != before
    assert page.value(colour) in ("rgb(255, 255, 255)", "rgb(18, 22, 28)")


@needs_chromium
def test_the_table_is_sorted_from_the_keyboard(page: Page) -> None:
    means = "[...document.querySelectorAll('table')[0].tBodies[0].rows].map(r => +r.cells[2].dataset.value)"
    sort = "document.querySelectorAll('table')[0].tHead.rows[0].cells[2].getAttribute('aria-sort')"
    assert page.value(sort) is None
    page.value("document.querySelectorAll('table')[0].tHead.rows[0].cells[1].querySelector('button').focus()")
    page.press("Tab")
    page.press("Enter", "\r")
    assert page.value(sort) == "descending"
    found_means = page.value(means)
    assert found_means == sorted(found_means, reverse=True)
    page.press("Enter", "\r")
    assert page.value(sort) == "ascending"
    assert page.value(means) == sorted(found_means)
    assert page.value("document.getElementById('said').textContent") == "Sorted by ndcg@10, rising"
    # Its outline tells where the keyboard is.
    assert page.value("getComputedStyle(document.activeElement).outlineStyle") != "none"


@needs_chromium
def test_what_somebody_wrote_stays_text(page: Page) -> None:
    assert page.value("document.scripts.length") == 1
    assert page.value("document.images.length") == 0
    shown = "[...document.querySelectorAll('.question h4')].some(h => h.textContent.includes('<script>'))"
    assert page.value(shown)


@needs_chromium
def test_a_screen_reader_is_told_what_there_is(page: Page) -> None:
    lacking = "[...document.querySelectorAll('th')].filter(t => !t.getAttribute('scope')).length"
    assert page.value(lacking) == 0
    labels = "e.getAttribute('aria-label') || e.getAttribute('aria-labelledby')"
    parts = "[...document.querySelectorAll('[role=img], [role=region]')]"
    assert page.value(f"{parts}.filter(e => !({labels})).length") == 0
    assert (
        page.value("document.querySelectorAll('table').length")
        == page.value("document.querySelectorAll('table caption').length") + 2
    )  # those of specs and failures have a heading
    assert page.value("document.documentElement.lang") == "en"


def test_nothing_is_loaded_and_nothing_else_may_run() -> None:
    text = report_page(made_results())
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:|#)""", text)
    assert "default-src 'none'" in text
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text
    assert text.count("<script>") == 1


@pytest.mark.parametrize("name", [HOSTILE, "$x^2$ and $\\frac$", "a" * 300, "日本語 👩‍🚀"])
def test_any_name_may_stand_in_a_plot(name: str) -> None:
    results = made_results()
    results[1]["name"] = name
    assert "<script>alert" not in report_page(results)


def test_twenty_variants_of_a_thousand_questions_are_small() -> None:
    size = len(report_page(made_results(20, 1_000)).encode("utf-8"))
    assert size < MOST_BYTES


def test_one_result_alone() -> None:
    text = report_page(made_results(1))
    assert "Evaluation of tokens=64" in text
    assert "Questions that changed" not in text


def test_what_is_not_known_is_a_dash() -> None:
    results: list[Any] = made_results(2)
    for one in results:
        one["cost_usd_per_question"] = None
        one["index_facts"]["bytes"] = None
        one["latency_ms"] = {"p50": None, "p95": None}
    text = report_page(results)
    assert "Quality and cost" not in text
    assert "Quality and latency" not in text
    assert "–" in text
