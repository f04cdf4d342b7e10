"""Imports run one way, files stay small, and start-up stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "ragctl"

BASE = {"ragctl", "errors", "types", "conditions"}
# Each room, and the rooms it may import from besides itself.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "conditions": set(),
    "types": set(),
    "ports": BASE,
    "plan": BASE,
    "registry": BASE,
    "selection": BASE,
    "spec": {"errors", "ragctl"},
    "stages": BASE | {"ports"},
    "sources": BASE | {"ports"},
    "readers": BASE | {"ports"},
    "splitters": BASE | {"ports"},
    "providers": BASE | {"ports"},
    "stores": BASE | {"ports"},
    "state": BASE | {"ports"},
    "embedded": BASE,
    "evaluate": BASE | {"ports"},
    "report": {"ragctl", "errors", "evaluate"},
    "sql": BASE | {"ports", "stages"},
    "run": BASE
    | {"ports", "plan", "registry", "selection", "spec", "stages", "state", "evaluate"}
    | {"sources", "readers", "splitters", "embedded", "stores", "sql"},
    "export": {"ragctl", "errors", "spec"},
    "airflow": BASE | {"run", "spec"},
    "cli": BASE | {"run", "spec", "selection", "export", "airflow", "evaluate", "report"},
    "__main__": {"cli"},
    "ragctl": set(),
}


def room_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    if relative.name == "__init__.py" and len(relative.parts) == 1:
        return "ragctl"
    return relative.parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            if node.module == "ragctl":
                names = [f"ragctl.{alias.name}" for alias in node.names]
            else:
                names = [node.module or ""]
        for name in names:
            parts = name.split(".")
            if parts[0] == "ragctl":
                room = parts[1] if len(parts) > 1 else "ragctl"
                known = (PACKAGE / room).exists() or (PACKAGE / f"{room}.py").exists()
                yield room if known else "ragctl"


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_every_room_has_its_rule() -> None:
    assert {room_of(path) for path in modules()} <= set(MAY_IMPORT)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    room = room_of(path)
    wrong = set(imported_rooms(path)) - MAY_IMPORT[room] - {room}
    assert not wrong, f"{room} may not import {sorted(wrong)}"


def test_stages_name_no_vendor() -> None:
    vendors = {
        "psycopg",
        "pgvector",
        "openvino",
        "weaviate",
        "openai",
        "cohere",
        "torch",
        "langchain_text_splitters",
        "lxml",
    }
    for path in (PACKAGE / "stages").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
                assert not {name.split(".")[0] for name in names} & vendors, path


def test_files_hold_one_thing() -> None:
    long = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert not {path: lines for path, lines in long.items() if lines > 420}


def test_every_open_names_its_encoding() -> None:
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                named = {keyword.arg for keyword in node.keywords}
                if node.func.attr in {"read_text", "write_text"}:
                    assert "encoding" in named, f"{path}:{node.lineno}"


HEAVY = {"pydantic", "yaml", "numpy", "httpx", "torch", "openai", "rich", "psycopg", "lxml", "openvino"}
HEAVY |= {"weaviate", "grpc"}


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], set()),
        (["--version"], set()),
        # For the arguments of a command, typer itself brings pydantic.
        (["ingest", "--help"], {"pydantic"}),
        (["ask", "--help"], {"pydantic"}),
    ],
)
def test_help_loads_nothing_heavy(arguments: list[str], allowed: set[str]) -> None:
    program = (
        "import sys\nfrom ragctl.cli.main import run\n"
        f"sys.argv = ['ragctl', *{arguments!r}]\n"
        "try:\n    run()\nexcept SystemExit as end:\n    assert end.code == 0, end.code\n"
        f"print('LOADED', *sorted({HEAVY!r} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(result.stdout.splitlines()[-1].split()[1:]) <= allowed
