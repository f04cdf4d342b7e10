"""Imported by an Airflow worker when it starts, so that the tasks that it forks begin at once.

In `airflow_local_settings.py`, which Airflow imports in each of its processes:

    import ragctl.airflow.ahead

A task otherwise imports all that it needs by itself, in a process of its own, each time: some half a second,
which matters where somebody waits for an answer. Costs a worker some 150 MB, which its tasks share.
"""

from __future__ import annotations

import logging

from ragctl.run.answering.ahead import load_ahead

_failure = load_ahead()
if _failure:
    logging.getLogger("ragctl").info("no local model was loaded ahead: %s", _failure)
