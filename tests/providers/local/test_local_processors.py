from __future__ import annotations

from pathlib import Path

import pytest

from ragctl.providers.local.processors import processor_quota


@pytest.mark.parametrize(
    ("content", "quota"),
    [
        ("max 100000\n", None),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("10000 100000\n", 1),
        ("", None),
        ("1 0", None),
        ("many things here", None),
    ],
)
def test_the_quota_in_whole_processors(tmp_path: Path, content: str, quota: int | None) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(content, encoding="ascii")
    assert processor_quota(file) == quota


def test_no_control_group_sets_no_limit(tmp_path: Path) -> None:
    assert processor_quota(tmp_path / "cpu.max") is None
