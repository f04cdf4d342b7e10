"""When the ingest DAG runs, in Airflow's words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ragctl.export.imports import Import, Imports
from ragctl.export.options import AirflowVersion
from ragctl.export.python_text import Call, Code, Value
from ragctl.spec.addresses import is_url
from ragctl.spec.airflow_settings import AirflowSettings
from ragctl.spec.airflow_settings import index_asset as named_asset

ASSET_GROUP = "ragctl"

# As in Airflow's cron_presets: a timetable with a time zone takes no preset before Airflow 3.3.
_PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
}
_NO_TIME = ("@once", "@continuous")


@dataclass(frozen=True, slots=True)
class Schedule:
    """Arguments of the DAG, and what they need imported."""

    arguments: dict[str, Value]
    imports: Imports = field(default_factory=frozenset)


def schedule_of(settings: AirflowSettings, version: AirflowVersion) -> Schedule:
    """The schedule that the settings name."""
    if settings.assets:
        return Schedule({"schedule": [_asset(uri) for uri in settings.assets]}, frozenset({_sdk("Asset")}))
    wanted = settings.schedule
    if wanted is None or in_deployments_zone(settings):
        return _with_start(wanted, version)
    module = "airflow.timetables.trigger" if version is AirflowVersion.V3_1 else "airflow.sdk"
    timetable = Call("CronTriggerTimetable", (_PRESETS.get(wanted, wanted),), {"timezone": settings.timezone})
    return Schedule({"schedule": timetable}, frozenset({Import(module, "CronTriggerTimetable")}))


def in_deployments_zone(settings: AirflowSettings) -> bool:
    """Is the schedule plain text? Airflow reads that in its `[core] default_timezone`, UTC by default."""
    return settings.schedule is not None and (settings.timezone == "UTC" or settings.schedule in _NO_TIME)


def index_asset(store: str, index: str) -> Call:
    """The asset that an index is."""
    name, uri = named_asset(store, index)
    return Call("Asset", keywords={"name": name, "uri": uri, "group": ASSET_GROUP})


def experiment_asset(index: str) -> Call:
    """The asset that an index's experiments are."""
    name, uri = f"ragctl:experiment:{index}", f"x-ragctl://experiment/{index}"
    return Call("Asset", keywords={"name": name, "uri": uri, "group": ASSET_GROUP})


def _asset(named: str) -> Call:
    """An asset by its URI or its name."""
    if found := re.fullmatch(r"x-ragctl://([^/]+)/([^/]+)|ragctl:([^:]+):(.+)", named):
        # Another index. Airflow allows an asset one name and one URI, so both must be those that its own
        # DAG publishes under.
        return index_asset(found[1] or found[3], found[2] or found[4])
    if is_url(named):
        return Call("Asset", keywords={"uri": named})
    # Only whoever updates it knows its URI.
    return Call("Asset.ref", keywords={"name": named})


def _with_start(wanted: str | None, version: AirflowVersion) -> Schedule:
    """A DAG without a start date is scheduled; but for one case, in which Airflow 3.1 never starts it."""
    if wanted == "@continuous" and version is AirflowVersion.V3_1:
        start = Code('pendulum.datetime(2025, 1, 1, tz="UTC")')
        return Schedule({"schedule": wanted, "start_date": start}, frozenset({Import("pendulum")}))
    return Schedule({"schedule": wanted})


def _sdk(name: str) -> Import:
    return Import("airflow.sdk", name)
