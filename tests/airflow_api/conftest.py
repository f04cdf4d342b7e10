"""A fake Airflow, and clients for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from fake_airflow import FakeAirflow, fake_airflow

from ragctl.airflow.address import credentials_of
from ragctl.airflow.rest import Api
from ragctl.spec.airflow_settings import ApiSettings

ApiOf = Callable[..., Api]


@pytest.fixture
def fake() -> Iterator[FakeAirflow]:
    with fake_airflow() as served:
        yield served


@pytest.fixture
def api_of(fake: FakeAirflow) -> Iterator[ApiOf]:
    """`api_of(AIRFLOW_TOKEN="…")`: a client of the fake with this environment, the right token if none."""
    with ExitStack() as opened:

        def make(*, answer_s: float = 5.0, **environment: str) -> Api:
            credentials = credentials_of(ApiSettings(), environment or {"AIRFLOW_TOKEN": "given-token"})
            return opened.enter_context(Api(fake.url + fake.prefix, credentials, answer_s=answer_s))

        yield make
