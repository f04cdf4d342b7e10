"""`store` with `type: weaviate`, and `state`: defaults, mistakes, and what other stores say of `state`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ragctl.errors import SpecError
from ragctl.spec.load import load_spec
from ragctl.spec.model import Spec
from ragctl.spec.weaviate_settings import WeaviateStore

HEAD = "name: my-docs\nsources: [{type: directory, path: docs}]\n"


def spec_of(tmp_path: Path, text: str) -> Spec:
    path = tmp_path / "docs.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    return load_spec(path).spec


def mistakes(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(SpecError) as refused:
        spec_of(tmp_path, text)
    return [one.partition("docs.yaml:")[2] for one in refused.value.mistakes]


def test_the_shortest(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, "store: {type: weaviate, url: 'http://localhost:8080'}")
    store = spec.store
    assert isinstance(store, WeaviateStore)
    assert (store.index, store.existing, store.keep_generations) == ("my_docs", "replace", 1)
    assert (store.batch_size, store.concurrency) == (200, 2)
    assert spec.database == (None, "state.dsn_env")


def test_every_key(tmp_path: Path) -> None:
    text = """
store:
  type: weaviate
  index: docs
  existing: skip
  keep_generations: 2
  cache_max_bytes: 1 GB
  url: https://weaviate.example:443
  grpc_host: grpc.weaviate.example
  grpc_port: 443
  grpc_secure: true
  client_secret_env: WEAVIATE_SECRET
  scope: openid email
  tenant: customer_1
  consistency: QUORUM
  batch_size: 7
  concurrency: 1
state: {dsn_env: STATE_DSN}
"""
    spec = spec_of(tmp_path, text)
    assert spec.database == ("STATE_DSN", "state.dsn_env")
    given = spec.store.model_dump(exclude_unset=True)
    assert len(given) == 15 and given["cache_max_bytes"] == 10**9


@pytest.mark.parametrize("store", ["", "store: {}", "store: {type: pgvector}", "store: {existing: skip}"])
def test_without_a_type_it_is_pgvector(tmp_path: Path, store: str) -> None:
    spec = spec_of(tmp_path, store)
    assert (spec.store.type, spec.database) == ("pgvector", (None, "store.dsn_env"))


def test_the_state_of_pgvector_lies_in_its_database(tmp_path: Path) -> None:
    same = "store: {dsn_env: DSN}\nstate: {dsn_env: DSN}"
    assert spec_of(tmp_path, same).database == ("DSN", "store.dsn_env")
    assert spec_of(tmp_path, "store: {dsn_env: DSN}\nstate: {}").database == ("DSN", "store.dsn_env")


W = "type: weaviate, url: 'http://w:8080'"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("store: {type: weaviate}", "3:8: store.url: is missing; for example `url: http://localhost:8080`"),
        ("store: {url: 'http://w'}", "3:9: store.url: is not known for 'pgvector' but for 'weaviate'"),
        (
            "store: {type: weaviat, url: 'http://w'}",
            "3:15: store.type: unknown type 'weaviat'; did you mean 'weaviate'?",
        ),
        (f"store: {{{W}, dsn_env: D}}", "store.dsn_env: is not known for 'weaviate' but for 'pgvector'"),
        (f"store: {{{W}, api_key: k}}", "store.api_key: unknown key; did you mean 'api_key_env'?"),
        (f"store: {{{W}, tenant: 'a b'}}", "store.tenant: must be letters, digits, _ and -, at most 64"),
        (f"store: {{{W}, consistency: quorum}}", "unknown value 'quorum'; did you mean 'QUORUM'?"),
        (f"store: {{{W}, batch_size: 0}}", "store.batch_size: must be at least 1, not 0"),
        (f"store: {{{W}, grpc_host: 'http://w'}}", "store.grpc_host: must be the name of a host alone"),
        (f"store: {{{W}, grpc_port: 70000}}", "store.grpc_port: must be at most 65535, not 70000"),
        ("store: {type: weaviate, url: 'http://w:1/v1'}", "store.url: must end after host and port"),
        ("store: {type: weaviate, url: 'w:8080'}", "store.url: must be a URL such as"),
        ("store: {type: weaviate, url: 'http://me:pw@w'}", "store.url: must hold no login and no key"),
        (
            f"store: {{{W}, api_key_env: A, client_secret_env: B}}",
            "store.client_secret_env: is for servers without `api_key_env`; give one of the two",
        ),
        (f"store: {{{W}, scope: openid}}", "store.scope: is for `client_secret_env`, which is missing"),
        ("store: {dsn_env: A}\nstate: {dsn_env: B}", "4:18: state.dsn_env: must not name another database"),
        ("state: {dsn_env: B}", "3:18: state.dsn_env: must not name another database than store.dsn_env"),
        ("state: {dsn: B}", "3:9: state.dsn: unknown key; did you mean 'dsn_env'?"),
    ],
)
def test_one_mistake(tmp_path: Path, text: str, mistake: str) -> None:
    (found,) = mistakes(tmp_path, text)
    assert mistake in found


def test_no_secret_is_shown(tmp_path: Path) -> None:
    secret: Any = "hunter2hunter2hunter2hunter2hunter2"
    for key in ("api_key_env", "client_secret_env"):
        (found,) = mistakes(tmp_path, f"store: {{{W}, {key}: {secret}}}")
        assert "hunter2" not in found
