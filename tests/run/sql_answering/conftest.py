"""The shop's database with a spec, beside an index whose state keeps the runs."""

from __future__ import annotations

import pytest
from sql.shop_spec import Shop

from workspace import Workspace


@pytest.fixture
def shop(workspace: Workspace) -> Shop:
    """Beside the session's embedded server, so that runs can be recorded."""
    return Shop(workspace.base, f"{workspace.name}_sql")
