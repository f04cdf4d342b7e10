"""The sections that name a model: providers, options, criteria, keys, addresses. Each mistake in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from ragctl.errors import SpecError
from ragctl.spec.embed_settings import (
    AutoEmbedder,
    CohereEmbedder,
    EmbedSettings,
    HuggingFaceEmbedder,
    LocalEmbedder,
    OpenAIEmbedder,
)
from ragctl.spec.llm_settings import AutoChat, ChatSettings, OpenAIChat
from ragctl.spec.load import load_spec
from ragctl.spec.rank_settings import RankSettings

HEAD = "name: docs\nsources:\n  - {type: directory, path: a}\n"
OPTION = "embed: {provider: auto, embedder_options: [{provider: local}, %s]}"
CRITERION = "embed: {provider: auto, embedder_options: [{provider: local}], selection_criteria: {%s}}"


def mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, added: str) -> list[str]:
    monkeypatch.chdir(tmp_path)
    Path("docs.yaml").write_text(f"{HEAD}{added}\n", encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load_spec(Path("docs.yaml"))
    return list(caught.value.mistakes)


def embed(**settings: Any) -> Any:
    return TypeAdapter[Any](EmbedSettings).validate_python(settings)


@pytest.mark.parametrize(
    ("settings", "kind", "model", "reads"),
    [
        ({}, LocalEmbedder, "all-MiniLM-L6-v2", 256),
        ({"model": "./mine"}, LocalEmbedder, "./mine", 8192),
        ({"provider": "openai"}, OpenAIEmbedder, "text-embedding-3-small", 8192),
        ({"provider": "openai", "model": "x", "max_tokens": 512}, OpenAIEmbedder, "x", 512),
        ({"provider": "cohere"}, CohereEmbedder, "embed-v4.0", 128_000),
        ({"provider": "cohere", "model": "embed-english-v3.0"}, CohereEmbedder, "embed-english-v3.0", 512),
        ({"provider": "huggingface", "model": "org/x"}, HuggingFaceEmbedder, "org/x", 8192),
        (
            {"provider": "huggingface", "model": "sentence-transformers/all-MiniLM-L6-v2"},
            HuggingFaceEmbedder,
            "sentence-transformers/all-MiniLM-L6-v2",
            256,
        ),
    ],
)
def test_a_given_model(settings: dict[str, Any], kind: type, model: str, reads: int) -> None:
    found = embed(**settings)
    assert type(found) is kind
    assert (found.model, found.max_input_tokens) == (model, reads)
    assert found.model_fields_set == set(settings)
    assert not found.selection_criteria.privacy_sensitive
    assert TypeAdapter[Any](EmbedSettings).validate_python(found.model_dump()) == found


def test_options_and_what_they_come_to() -> None:
    found = embed(
        provider="auto",
        embedder_options=(
            {"provider": "openai", "model": "m", "cost": 1, "dim": 3, "max_tokens": 300, "retries": 1},
            {"provider": "huggingface", "model": "org/x", "quality": 0.5},
            {"provider": "huggingface", "model": "org/x", "use_gpu": True},
            {"provider": "local", "max_tokens": 300},
        ),
        selection_criteria={"allowed_hosts": ("Models.Example",)},
    )
    assert isinstance(found, AutoEmbedder)
    settings = [option.settings for option in found.embedder_options]
    assert settings == [
        OpenAIEmbedder(provider="openai", model="m", max_tokens=300, retries=1),
        HuggingFaceEmbedder(provider="huggingface", model="org/x", device="cpu"),
        HuggingFaceEmbedder(provider="huggingface", model="org/x"),
        LocalEmbedder(),
    ]
    assert settings[0].model_fields_set == {"provider", "model", "max_tokens", "retries"}
    assert found.embedder_options[0].cost == 1.0
    assert found.selection_criteria.allowed_hosts == ("models.example",)
    assert found.max_input_tokens == 300
    assert TypeAdapter[Any](EmbedSettings).validate_python(found.model_dump()) == found


@pytest.mark.parametrize(
    ("settings", "variable"),
    [
        ({}, "OPENAI_API_KEY"),
        ({"base_url": "https://eu.api.openai.com/v1"}, "OPENAI_API_KEY"),
        ({"base_url": "http://localhost:11434/v1"}, None),
        ({"base_url": "https://openai.com.example/v1"}, None),
        ({"base_url": "https://proxy.example/v1", "api_key_env": "OPENAI_API_KEY"}, "OPENAI_API_KEY"),
        ({"api_key_env": None}, None),
    ],
)
def test_the_key_of_openai_is_for_openai(settings: dict[str, Any], variable: str | None) -> None:
    assert embed(provider="openai", **settings).api_key_env == variable
    assert OpenAIChat(provider="openai", **settings).api_key_env == variable
    (option,) = embed(
        provider="auto", embedder_options=({"provider": "openai", **settings},)
    ).embedder_options
    assert (option.api_key_env, option.settings.api_key_env) == (variable, variable)


@pytest.mark.parametrize(
    ("added", "mistake"),
    [
        # providers
        (
            "embed: {provider: OpenAI}",
            "4:19: embed.provider: unknown provider 'OpenAI'; did you mean 'openai'?",
        ),
        (
            "embed: {provider: pgvector}",
            "4:19: embed.provider: unknown provider 'pgvector'; known: 'local' or 'openai' or 'cohere' or "
            "'huggingface' or 'auto'",
        ),
        (
            "embed: {provider: 5}",
            "4:19: embed.provider: must be 'local' or 'openai' or 'cohere' or 'huggingface' or 'auto', "
            "not a number",
        ),
        (
            "embed: {provider: }",
            "4:19: embed.provider: has no value; it must be 'local' or 'openai' or 'cohere' or 'huggingface' "
            "or 'auto'",
        ),
        (
            "embed: openai",
            "4:8: embed: must be a mapping of keys to values, such as {provider: local, model: "
            "all-MiniLM-L6-v2}, not text",
        ),
        ("embed:", "4:7: embed: has no value; write its keys below it, indented, or remove the line"),
        (
            "embed: {provider: huggingface}",
            "4:8: embed.model: is missing; for example `model: BAAI/bge-small-en-v1.5`",
        ),
        (
            "embed: {provider: local, dimensions: 5}",
            "4:26: embed.dimensions: is not known for 'local' but for 'openai' or 'cohere'; known here: "
            "provider, model, revision, query_prefix, passage_prefix, selection_criteria",
        ),
        (
            "embed: {provider: openai, dimension: 5}",
            "4:27: embed.dimension: unknown key; did you mean 'dimensions'?",
        ),
        (
            "embed: {provider: huggingface, model: a/b, device: gpu}",
            "4:52: embed.device: unknown value 'gpu'; 'cuda' is NVIDIA's, 'mps' Apple's, and 'auto' takes "
            "what is there",
        ),
        # keys and addresses
        (
            "embed: {provider: openai, api_key: sk-proj-hunter2hunter2}",
            "4:27: embed.api_key: unknown key; did you mean 'api_key_env'? It takes the name of an "
            "environment variable",
        ),
        (
            "embed: {provider: openai, base_url: localhost:8000}",
            "4:37: embed.base_url: must be a URL such as 'http://localhost:8000/v1' or "
            "'https://host.example/v1'",
        ),
        (
            "embed: {provider: openai, base_url: 'https://user:hunter2@host.example'}",
            "4:37: embed.base_url: must hold no login and no key, and a spec may be read by anybody; write "
            "it without @, ? and #",
        ),
        (
            "embed: {provider: openai, base_url: 'https://host.example/?code=1'}",
            "4:37: embed.base_url: must hold no login and no key, and a spec may be read by anybody; write "
            "it without @, ? and #",
        ),
        (
            "embed: {provider: openai, base_url: 'http://host.example:99999'}",
            "4:37: embed.base_url: must be a URL such as 'http://localhost:8000/v1' or "
            "'https://host.example/v1'",
        ),
        # options
        (
            "embed: {provider: auto}",
            "4:8: embed.embedder_options: is missing; for example `embedder_options: [{provider: local, "
            "model: all-MiniLM-L6-v2, cost: low}]`",
        ),
        (
            "embed: {provider: auto, embedder_options: []}",
            "4:43: embed.embedder_options: needs at least one entry",
        ),
        (
            OPTION % "{model: x}",
            "4:63: embed.embedder_options.1.provider: is missing; it takes `provider: local` or "
            "`provider: openai` or `provider: cohere` or `provider: huggingface`",
        ),
        (
            OPTION % "{provider: huggingfce, model: x}",
            "4:74: embed.embedder_options.1.provider: unknown provider 'huggingfce'; did you mean "
            "'huggingface'?",
        ),
        (
            OPTION % "{provider: auto}",
            "4:74: embed.embedder_options.1.provider: unknown provider 'auto'; known: 'local' or 'openai' or "
            "'cohere' or 'huggingface'",
        ),
        (
            OPTION % "{provider: openai, cost: midium}",
            "4:88: embed.embedder_options.1.cost: unknown value 'midium'; did you mean 'medium'?",
        ),
        (
            OPTION % "{provider: openai, cost: cheap}",
            "4:88: embed.embedder_options.1.cost: unknown value 'cheap'; it must be low, medium, high or a "
            "number of US dollars per million tokens",
        ),
        (
            OPTION % "{provider: openai, cost: -1}",
            "4:88: embed.embedder_options.1.cost: must be at least 0 and at most 1000000, not -1",
        ),
        (
            OPTION % "{provider: openai, quality: 62}",
            "4:91: embed.embedder_options.1.quality: must be at most 1, not 62",
        ),
        (
            OPTION % "{provider: local, model: ./x, use_gpu: true}",
            "4:102: embed.embedder_options.1.use_gpu: is not for 'local', which runs on the CPU; "
            "'huggingface' uses a GPU",
        ),
        (
            OPTION % "{provider: huggingface, model: a/b, device: cuda}",
            "4:107: embed.embedder_options.1.device: is a GPU, 'cuda'; add `use_gpu: true`",
        ),
        (
            OPTION % "{provider: huggingface, model: a/b, device: cpu, use_gpu: true}",
            "4:107: embed.embedder_options.1.device: must not be 'cpu' with `use_gpu: true`",
        ),
        (OPTION % "{provider: local}", "4:63: embed.embedder_options.1: is the same as entry 0"),
        (
            OPTION % "{provider: openai, selection_criteria: {}}",
            "4:82: embed.embedder_options.1.selection_criteria: is not known here but under 'embed'; known "
            "here: provider, model, api_key_env, base_url, dimensions, max_tokens, tokenizer, query_prefix, "
            "passage_prefix, usd_per_million_tokens, use_gpu, cost, dim, quality, timeout_seconds, retries, "
            "max_in_flight, requests_per_minute, tokens_per_minute",
        ),
        (
            f"chunk: {{max_tokens: 300}}\n{OPTION % '{provider: openai}'}",
            "4:21: chunk.max_tokens: must be at most 256, which is all that all-MiniLM-L6-v2 reads, not 300",
        ),
        (
            "chunk: {max_tokens: 600}\nembed: {provider: cohere, model: embed-english-v3.0}",
            "4:21: chunk.max_tokens: must be at most 512, which is all that embed-english-v3.0 reads, not "
            "600",
        ),
        # criteria
        (
            CRITERION % "cost_treshold: low",
            "4:85: embed.selection_criteria.cost_treshold: unknown key; did you mean 'cost_threshold'?",
        ),
        (
            CRITERION % "min_quality: high",
            "4:98: embed.selection_criteria.min_quality: must be a number, not text",
        ),
        (
            CRITERION % "allowed_hosts: ['https://models.example']",
            "4:101: embed.selection_criteria.allowed_hosts.0: must be a host's name, such as "
            "'models.example' or 'models.example:8443', not 'https://models.example'",
        ),
        (
            CRITERION % "allowed_hosts: ['*.example']",
            "4:101: embed.selection_criteria.allowed_hosts.0: must be a host's name, such as "
            "'models.example' or 'models.example:8443', not '*.example'",
        ),
        (
            CRITERION % "allowed_hosts: ['models.example:443']",
            "4:101: embed.selection_criteria.allowed_hosts.0: names a port that http or https has of itself; "
            "write the host without it",
        ),
        (
            CRITERION % "allowed_hosts: [models.example]}, x: {",
            "4:119: embed.x: unknown key; known here: provider, embedder_options, selection_criteria",
        ),
        (
            "embed: {selection_criteria: {cost_threshold: low, privacy_sensitive: true}}",
            "4:46: embed.selection_criteria.cost_threshold: is for `provider: auto`: here the model is given",
        ),
        (
            "embed: {provider: openai, selection_criteria: {use_gpu_if_necessary: false}}",
            "4:70: embed.selection_criteria.use_gpu_if_necessary: is for `provider: auto`: here the model is "
            "given",
        ),
        # ranking
        (
            "ask: {rank: {provider: coher}}",
            "4:24: ask.rank.provider: unknown provider 'coher'; did you mean 'cohere'?",
        ),
        (
            "ask: {rank: {provider: huggingface}}",
            "4:13: ask.rank.model: is missing; name the cross-encoder's folder, package or place on the hub",
        ),
        (
            "ask: {rank: {provider: cohere, device: cpu}}",
            "4:40: ask.rank.device: is for `provider: huggingface`",
        ),
        (
            "ask: {rank: {provider: local, model: x, retries: 3}}",
            "4:50: ask.rank.retries: is for `provider: cohere` or `provider: openai`",
        ),
        # sensitivity
        (
            "ignore: []\nmax_failures: 0\nsources: [{type: directory, path: a, sensitivity: secret}]",
            "6:1: sources: is given twice; the first one is at docs.yaml:2:1",
        ),
    ],
)
def test_one_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, added: str, mistake: str) -> None:
    assert mistakes(tmp_path, monkeypatch, added) == [f"docs.yaml:{mistake}"]


def test_a_sensitivity_is_public_or_sensitive(tmp_path: Path) -> None:
    path = tmp_path / "docs.yaml"
    for source in ("type: directory, path: a", "type: jsonl, path: a"):
        text = f"name: docs\nsources: [{{{source}, sensitivity: %s}}]\n"
        path.write_text(text % "sensitive", encoding="utf-8")
        assert load_spec(path).spec.sources[0].sensitivity == "sensitive"
        path.write_text(text % "sensitiv", encoding="utf-8")
        with pytest.raises(SpecError, match="unknown value 'sensitiv'; did you mean 'sensitive'"):
            load_spec(path)


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-hunter2hunter2hunter2",
        "Hunter2hunter2hunter2hunter2",
        "abcdef0123456789abcdef0123456789",
        "ABCDEF0123456789ABCDEF0123456789",
        "hf_0123456789abcdefghij0123456789",
    ],
)
@pytest.mark.parametrize(
    "section",
    [
        "embed: {provider: openai, api_key_env: %s}",
        "embed: {provider: cohere, api_key_env: %s}",
        "embed: {provider: auto, embedder_options: [{provider: openai, api_key_env: %s}]}",
        "ask: {rank: {provider: cohere, api_key_env: %s}}",
    ],
)
def test_a_key_in_place_of_its_variable_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str, secret: str
) -> None:
    (found,) = mistakes(tmp_path, monkeypatch, section % secret)
    assert secret.lower() not in found.lower()
    assert found.endswith(
        "must be the name of an environment variable, such as RAGCTL_DSN, and never the secret itself: "
        "letters of one case, digits and _ (the value is not shown here)"
    )


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "KEY_2024", "azure_openai_key_of_team_2", "A" * 40])
def test_the_name_of_a_variable_is_taken(name: str) -> None:
    assert embed(provider="openai", api_key_env=name).api_key_env == name


def test_ranking() -> None:
    cohere = RankSettings(provider="cohere")
    assert (cohere.model, cohere.api_key_env) == ("rerank-v3.5", "CO_API_KEY")
    assert RankSettings().api_key_env is None  # it reads no variable that nobody needs
    torch = RankSettings(provider="huggingface", model="org/x", device="cuda", revision="main")
    for settings in (cohere, torch, RankSettings(), RankSettings(provider="local", model="./x")):
        assert RankSettings.model_validate(settings.model_dump()) == settings


def test_chat_models() -> None:
    chat = TypeAdapter[Any](ChatSettings)
    assert chat.validate_python({"provider": "openai"}).model == "gpt-4o-mini"
    options = ({"provider": "openai", "model": "gpt-4o", "cost": "high", "temperature": 0.5},)
    found = chat.validate_python({"provider": "auto", "llm_options": options})
    assert isinstance(found, AutoChat)
    assert found.llm_options[0].settings == OpenAIChat(provider="openai", model="gpt-4o", temperature=0.5)


@pytest.mark.parametrize(
    "settings",
    [
        {"provider": "auto", "llm_options": ()},
        {
            "provider": "auto",
            "llm_options": ({"provider": "openai"},),
            "selection_criteria": {"max_minutes": 1},
        },
        {
            "provider": "auto",
            "llm_options": ({"provider": "openai"},),
            "selection_criteria": {"max_cost_usd": 1},
        },
        {"provider": "openai", "selection_criteria": {"min_quality": 0.5}},
        {"provider": "openai", "temperature": 3},
        {"provider": "cohere"},
    ],
)
def test_mistakes_about_chat_models(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter[Any](ChatSettings).validate_python(settings)
