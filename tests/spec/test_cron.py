"""Schedules: what Airflow reads passes, and a slip is named by its field."""

from __future__ import annotations

import pytest

from ragctl.spec.cron import PRESETS, schedule_problem

# Each was given to Airflow 3.3.2's CronTriggerTimetable, which takes it.
READ_BY_AIRFLOW = [
    "0 5 * * 2", "*/15 * * * *", "0 0 1 */3 *", "5/10 * * * *", "1-10/2 * * * *", "0,30 22-6/2 * * *",
    "0 0 L * *", "0 0 ? * 1", "0 0 1 * ?", "0 8 * JAN-mar mon-FRI", "0 8 * * fri-sun", "0 8 * * 5#2",
    "0 8 * * 5#2,3#1", "0 8 * * L5", "0 8 1,15,L * *", "59 23 31 12 7",
]  # fmt: skip

# And each of these makes it leave the DAG out, but for the steps that are larger than their field.
WRONG = {
    "60 * * * *": "minute: '60' does not fit; it takes * or 0 to 59",
    "0 24 * * *": "hour: '24' does not fit",
    "0 0 32 * *": "day of the month: '32' does not fit",
    "0 0 0 * *": "day of the month: '0' does not fit",
    "0 0 * 13 *": "month: '13' does not fit; it takes * or 1 to 12 or jan to dec",
    "0 0 * * 8": "day of the week: '8' does not fit; it takes * or 0 to 7 or sun to sat",
    "0 0 * * mo": "day of the week: 'mo' does not fit",
    "0 jan * * *": "hour: 'jan' does not fit",
    "? * * * *": "minute: '?' does not fit",
    "0 0 ?,1 * *": "day of the month: '?,1' does not fit",
    "0 0 * * L5,1": "day of the week: 'L5,1' does not fit",
    "*/0 * * * *": "minute: '*/0' does not fit",
    "*/90 * * * *": "minute: '*/90' does not fit",
    "1,,2 * * * *": "minute: '1,,2' does not fit",
    "1- * * * *": "minute: '1-' does not fit",
    "0 5 * *": "has 4 fields, and a cron expression has five here: minute, hour, ",
    "0 0 5 * * 2": "has 6 fields",
    "0 5 * * 2; x": "must be a cron expression of five fields, such as '0 5 * * 2', or one of @once, ",
    "": "must be a cron expression",
    "   ": "must be a cron expression",
    "@dayly": "unknown preset; did you mean '@daily'?",
    "@Daily": "unknown preset; did you mean '@daily'?",
    "daily": "unknown preset; did you mean '@daily'?",
    "@every 5m": "must be a cron expression",
    "tomorrow": "must be a cron expression",
}


@pytest.mark.parametrize("text", [*READ_BY_AIRFLOW, *PRESETS])
def test_what_airflow_reads(text: str) -> None:
    assert schedule_problem(text) is None


@pytest.mark.parametrize(("text", "problem"), WRONG.items())
def test_what_is_wrong(text: str, problem: str) -> None:
    assert (schedule_problem(text) or "").startswith(problem)
