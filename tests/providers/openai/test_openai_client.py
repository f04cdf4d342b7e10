"""What the environment holds changes neither where text goes nor with whose key."""

from __future__ import annotations

import gc
import weakref

import pytest

from model_server import ModelServer
from ragctl.errors import MissingPackage
from ragctl.providers.openai.client import make_client
from ragctl.providers.openai.embedder import OpenAIEmbedder
from ragctl.providers.openai.generator import OpenAIGenerator
from ragctl.providers.remote.access import require_sdk

KEY = "sk-test-0123456789abcdef"


@pytest.fixture
def _misleading(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        "OPENAI_API_KEY": "sk-of-the-environment",
        "OPENAI_ADMIN_KEY": "sk-admin-of-the-environment",
        "OPENAI_ORG_ID": "org-of-the-environment",
        "OPENAI_PROJECT_ID": "project-of-the-environment",
        "OPENAI_CUSTOM_HEADERS": "Authorization: Bearer of-the-environment\nX-Mine: of-the-environment",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setenv(name.lower() if name.endswith("PROXY") else name, value)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)


@pytest.mark.usefixtures("_misleading")
@pytest.mark.parametrize("key", [KEY, None])
def test_only_what_the_spec_says_is_sent(key: str | None) -> None:
    with ModelServer() as server:
        OpenAIEmbedder("m", api_key=key, base_url=f"{server.url}/v1").embed_queries(["a"])
        headers = server.requests[-1].headers
    assert headers.get("authorization") == (f"Bearer {key}" if key else None)
    assert "of-the-environment" not in str(headers)


@pytest.mark.usefixtures("_misleading")
def test_without_a_base_url_it_is_openai_itself() -> None:
    assert OpenAIEmbedder("m", api_key=KEY).endpoint == "api.openai.com"
    assert OpenAIGenerator("m", api_key=KEY).endpoint == "api.openai.com"
    client = OpenAIEmbedder("m", api_key=KEY)._connected()
    assert str(client.base_url) == "https://api.openai.com/v1/"
    assert client.max_retries == 0


def test_a_proxy_is_used_for_hosts_elsewhere_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    trusts = {
        url: make_client(url=url, api_key=KEY, timeout=1, max_in_flight=1)._client.trust_env
        for url in ("https://api.openai.com/v1", "http://localhost:8000/v1", "http://[::1]:8000/v1")
    }
    assert list(trusts.values()) == [True, False, False]


def test_connections_are_closed_with_the_client() -> None:
    client = make_client(url="http://127.0.0.1:9/v1", api_key=KEY, timeout=1, max_in_flight=1)
    http_client, gone = client._client, weakref.ref(client)
    del client
    gc.collect()
    assert gone() is None and http_client.is_closed


def test_without_the_sdk_the_install_line_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragctl.providers.remote.access.find_spec", lambda name: None)
    with pytest.raises(MissingPackage) as caught:
        require_sdk("openai")
    assert caught.value.hint == "pip install 'ragctl[openai]'"
