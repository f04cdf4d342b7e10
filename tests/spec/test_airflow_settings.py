"""The `airflow` section: what is taken, what is refused in which words, and that no secret is repeated."""

from __future__ import annotations

import zoneinfo
from pathlib import Path

import pytest

from ragctl.errors import SpecError
from ragctl.spec.airflow_settings import AirflowSettings, StageTask, index_asset
from ragctl.spec.load import load_spec

HEAD = "name: my-docs\nsources: [{type: directory, path: a}]\n"
NAME = "must be a name of letters, digits, _, ., :, @ and -, with spaces inside alone, at most 250, not "
LOGIN = "holds a login or a key, and a spec may be read by anybody"


def load(folder: Path, text: str) -> AirflowSettings:
    path = folder / "docs.yaml"
    path.write_text(HEAD + text + "\n", encoding="utf-8")
    return load_spec(path).spec.airflow


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load(folder, text)
    return [one.removeprefix(f"{folder / 'docs.yaml'}:3:") for one in caught.value.mistakes]


def test_it_all(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        """\
airflow:
  schedule: "0  5 * *   2"
  timezone: Europe/Berlin
  tags: [ragctl, "team: search"]
  single_host: true
  work_dir: s3://bucket/ragctl
  stages:
    extract: {external_python: /opt/ragctl/bin/python, parallel: 8}
    chunk: {virtualenv: {requirements: ["ragctl==0.1.0", numpy], python_version: "3.12"}}
    embed: {queue: gpu, pool: GPU pool, executor: my.module.Executor, retries: 0, timeout: 60}
    rank: {kubernetes: {image: "h:5000/a/b@sha256:ab", requests: {cpu: 0.5, memory: 4Gi}, limits: {a.b/c: 1}}}
  connections: {rag.pg: {dsn: RAGCTL_DSN}}
  api: {token_env: MY_TOKEN}
""",
    )
    assert settings.schedule == "0 5 * * 2"
    assert settings.task_of("embed").pool == "GPU pool"
    assert settings.task_of("plan") == StageTask()
    assert [settings.task_of(name).has_airflow for name in ("extract", "chunk", "embed", "rank")] == [
        False, False, True, False,
    ]  # fmt: skip
    pod = settings.task_of("rank").kubernetes
    assert pod is not None
    assert (pod.requests, pod.limits) == ({"cpu": "0.5", "memory": "4Gi"}, {"a.b/c": "1"})
    assert settings.connections["rag.pg"].dsn == "RAGCTL_DSN"


@pytest.mark.parametrize(
    "value",
    [
        "work_dir: ../work", "work_dir: /srv/work", "work_dir: 'C:\\work'", "work_dir: s3://bucket",
        "work_dir: gs://b-1/x.y/z", "work_dir: az://container/x", "work_dir: file:///srv/work",
        "work_dir: memory://work", "assets: ['s3://bucket/docs', wiki, 'x-ragctl://pgvector/other']",
        "assets: ['https://host/a?b=c']", "schedule: '@daily', assets: []", "schedule: null", "timezone: CET",
        "stages: {embed: {}}", "stages: {}", "connections: {}",
        "connections: {a: {key: A, base_url: B}, b: {dsn: C}}",
        "stages: {embed: {virtualenv: {requirements: [/wheels/ragctl-0.1.0-py3-none-any.whl]}}}",
        "stages: {embed: {virtualenv: {requirements: ['git+ssh://git@host/x/ragctl@main']}}}",
    ],
)  # fmt: skip
def test_what_is_taken(tmp_path: Path, value: str) -> None:
    load(tmp_path, f"airflow: {{{value}}}")


@pytest.mark.parametrize(
    ("value", "column", "mistake"),
    [
        # stages
        ("stages: {embd: {queue: gpu}}", 20, "stages.embd: unknown stage 'embd'; did you mean 'embed'?"),
        (
            "stages: {fetch: {}}",
            20, "stages.fetch: unknown stage 'fetch'; known: plan, extract, chunk, embed, store, "
            "publish, rephrase, query, dedupe, rank, answer",
        ),
        ("stages: {embed: {que: gpu}}", 28, "stages.embed.que: unknown key; did you mean 'queue'?"),
        (
            "stages: {embed: gpu}",
            27, "stages.embed: must be a mapping of keys to values, such as {queue: gpu}, not text",
        ),
        ("stages: [embed]", 19, "stages: must be a mapping of keys to values, not a list"),
        ("stages: {embed: {queue: 'a,b'}}", 35, f"stages.embed.queue: {NAME}'a,b'"),
        ("stages: {embed: {queue: ''}}", 35, f"stages.embed.queue: {NAME}''"),
        ("stages: {embed: {pool: ' a'}}", 34, f"stages.embed.pool: {NAME}' a'"),
        ("stages: {embed: {pool: \"a'b\"}}", 34, f"stages.embed.pool: {NAME}'a'b'"),
        ('stages: {embed: {pool: "a\\tb"}}', 34, f"stages.embed.pool: {NAME}'a\N{REPLACEMENT CHARACTER}b'"),
        ("stages: {embed: {timeout: 0}}", 37, "stages.embed.timeout: must be at least 1, not 0"),
        ("stages: {embed: {retries: -1}}", 37, "stages.embed.retries: must be at least 0, not -1"),
        (
            "stages: {embed: {parallel: 1025}}",
            38, "stages.embed.parallel: must be at most 1024, not 1025",
        ),
        (
            "stages: {embed: {executor: Celery Executor}}",
            38, "stages.embed.executor: must be the name of an executor, such as CeleryExecutor, or its "
            "module path, not 'Celery Executor'",
        ),
        (
            "stages: {embed: {external_python: python3}}",
            45, "stages.embed.external_python: must be the absolute path on the worker, such as "
            "'/opt/ragctl/bin/python'",
        ),
        (
            "stages: {embed: {external_python: /opt/venv/}}",
            45, "stages.embed.external_python: must name the interpreter, not a directory",
        ),
        (
            "stages: {embed: {external_python: '/{{ var.value.home }}/python'}}",
            45, "stages.embed.external_python: holds a template ({{, {% or {#), and Airflow would fill it "
            "in; write the value",
        ),
        (
            "stages: {embed: {external_python: /x, virtualenv: {requirements: [ragctl]}}}",
            61, "stages.embed.virtualenv: cannot be given together with external_python: a task runs in "
            "one place",
        ),
        (
            "stages: {embed: {virtualenv: {requirements: [ragctl]}, kubernetes: {image: x}}}",
            78, "stages.embed.kubernetes: cannot be given together with virtualenv: a task runs in one "
            "place",
        ),
        # virtual environments
        (
            "stages: {embed: {virtualenv: {}}}",
            40, "stages.embed.virtualenv.requirements: is missing; for example `requirements: "
            "['ragctl==0.1.0']`",
        ),
        (
            "stages: {embed: {virtualenv: {requirements: [torch, ragctlx]}}}",
            55, "stages.embed.virtualenv.requirements: must name ragctl itself, such as 'ragctl==0.1.0' "
            "or its wheel",
        ),
        (
            "stages: {embed: {virtualenv: {requirements: [ragctl, '-r x.txt']}}}",
            64, "stages.embed.virtualenv.requirements.1: is an option of pip; only what is to be "
            "installed can stand here",
        ),
        (
            "stages: {embed: {virtualenv: {requirements: [ragctl], python_version: 3.12}}}",
            81, "stages.embed.virtualenv.python_version: must be text, and YAML reads this as a number; "
            "quote it",
        ),
        (
            "stages: {embed: {virtualenv: {requirements: [ragctl], python_version: '3.9'}}}",
            81, "stages.embed.virtualenv.python_version: unknown value '3.9'; known: '3.11' or '3.12' or "
            "'3.13'",
        ),
        # pods
        (
            "stages: {embed: {kubernetes: {image: a b}}}",
            48, "stages.embed.kubernetes.image: must be the name of an image, such as "
            "registry.example/ragctl:0.1.0, not 'a b'",
        ),
        (
            "stages: {embed: {kubernetes: {image: a, requests: {memory: 4GB}}}}",
            70, "stages.embed.kubernetes.requests.memory: must be an amount as Kubernetes has them, such "
            "as 2, 500m or 4Gi, not '4GB'",
        ),
        (
            "stages: {embed: {kubernetes: {image: a, limits: {gpu: 1}}}}",
            60, "stages.embed.kubernetes.limits.gpu: as a key, must be cpu, memory, ephemeral-storage, or "
            "a resource with a /, such as nvidia.com/gpu",
        ),
        (
            "stages: {embed: {kubernetes: {image: a, requests: {cpu: true}}}}",
            67, "stages.embed.kubernetes.requests.cpu: must be text, and YAML reads this as a boolean; "
            "quote it",
        ),
        # when
        ("schedule: ''", 21, "schedule: must be a cron expression of five fields, such as '0 5 * * 2', or "
         "one of @once, @hourly, @daily, @weekly, @monthly, @quarterly, @yearly, @continuous"),
        ("schedule: '@dayly'", 21, "schedule: unknown preset; did you mean '@daily'?"),
        ("schedule: 5", 21, "schedule: must be text, and YAML reads this as a number; quote it"),
        ("schedule: '@daily', assets: [a]", 39, "assets: cannot be given together with schedule"),
        (
            "timezone: Europe/Berln",
            21, "timezone: unknown time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?",
        ),
        (
            "timezone: '+02:00'",
            21, "timezone: must be the name of a time zone, such as 'UTC' or 'Europe/Berlin'",
        ),
        # assets
        ("assets: 's3://b/x'", 19, "assets: must be a list; write ['s3://b/x']"),
        ("assets: [a, b, a]", 19, "assets: names something twice"),
        (
            "assets: ['s3:/b/x']",
            20, "assets.0: looks like a path; an asset's URI has a scheme, as in 's3://bucket/docs' or "
            "'file:///srv/docs'",
        ),
        ("assets: ['airflow://x']", 20, "assets.0: the scheme 'airflow' is Airflow's own; no asset has it"),
        ("assets: ['s3://']", 20, "assets.0: must name something behind the ://"),
        (
            "assets: ['://x']",
            20, "assets.0: is no URI; write one such as 's3://bucket/docs', or an asset's name",
        ),
        ("assets: [self]", 20, "assets.0: is a name that Airflow gives no asset"),
        ("assets: ['']", 20, "assets.0: must be one line of text, and not empty"),
        (
            "assets: [a, 'x-ragctl://pgvector/my_docs']",
            23, "assets.1: is the index of this very spec: each ingest would start the next one",
        ),
        (
            "assets: ['ragctl:pgvector:my_docs']",
            20, "assets.0: is the index of this very spec: each ingest would start the next one",
        ),
        # where
        ("work_dir: ''", 21, "work_dir: must be one line of text, and not empty"),
        ("work_dir: ..", 21, "work_dir: must name a directory of its own"),
        ("work_dir: /", 21, "work_dir: must name a directory of its own"),
        (
            "work_dir: ~/work",
            21, "work_dir: ~ is not expanded; write the path relative to the spec file, or in full",
        ),
        ("work_dir: 's3:/bucket'", 21, "work_dir: is neither a path nor a URL; a URL begins with 's3://'"),
        (
            "work_dir: ftp://bucket/x",
            21, "work_dir: unknown scheme 'ftp'; known: s3://, gs://, az://, file://, memory://",
        ),
        ("work_dir: gcs://bucket/x", 21, "work_dir: unknown scheme 'gcs'; did you mean 'gs'?"),
        ("work_dir: s3:///x", 21, "work_dir: must name a bucket, as in 's3://bucket/ragctl'"),
        ("work_dir: s3://b/../c", 21, "work_dir: must not contain .. in its path"),
        ("work_dir: file://host/x", 21, "work_dir: has a host; write file:///… with three slashes"),
        ("work_dir: file:///", 21, "work_dir: must name a directory of its own"),
        # the rest
        ("single_host: 'true'", 24, "single_host: must be true or false; write it without quotes"),
        ("single_host: 1", 24, "single_host: must be true or false, not a number"),
        ("single_host: ", 24, "single_host: has no value"),
        ("on_partial: Fail", 23, "on_partial: unknown value 'Fail'; did you mean 'fail'?"),
        ("batch_tokens: 10", 25, "batch_tokens: must be at least 1000, not 10"),
        ("max_batches: 1025", 24, "max_batches: must be at most 1024, not 1025"),
        (f"tags: [{'x' * 101}]", 18, "tags.0: must have at most 100 characters"),
        ("tags: ['a ']", 18, "tags.0: begins or ends with a space"),
        ('tags: ["a\\u2028b"]', 18, "tags.0: must be one line of text, and not empty"),
        # connections and the API
        (
            "connections: {a: {}}",
            28, "connections.a: must say what the connection stands for: dsn, key or base_url",
        ),
        (
            "connections: {a: {dsn_env: X}}",
            29, "connections.a.dsn_env: unknown key; did you mean 'dsn'?",
        ),
        (
            "connections: {a b: {dsn: X}}",
            25, "connections.a b: as a key, must be the id of an Airflow connection: letters, digits, _, . "
            "and -, at most 100",
        ),
        ("api: {user_env: AIRFLOW_TOKEN}", 27, "api.user_env: names the same variable as token_env"),
        (
            "api: {token: x}",
            17, "api.token: unknown key; did you mean 'token_env'? It takes the name of an environment "
            "variable",
        ),
        # a key of a stage, or a stage, one level too high
        ("queue: gpu", 11, "queue: is not known here but under 'airflow.stages.*'; known here: "
         + ", ".join(AirflowSettings.model_fields)),
        ("embed: {queue: gpu}", 11, "embed: is not known here but at the top level or under "
         "'airflow.stages'; known here: " + ", ".join(AirflowSettings.model_fields)),
    ],
)  # fmt: skip
def test_one_mistake(tmp_path: Path, value: str, column: int, mistake: str) -> None:
    assert mistakes(tmp_path, f"airflow: {{{value}}}") == [f"{column}: airflow.{mistake}"]


def test_a_variable_of_two_connections_is_shown_at_each(tmp_path: Path) -> None:
    text = "airflow: {connections: {rag_pg: {dsn: hunter2, key: OTHER}, my.pg: {dsn: X, key: hunter2}}}"
    assert mistakes(tmp_path, text) == [
        "39: airflow.connections.rag_pg.dsn: takes the place of the same variable as my.pg.key",
        "82: airflow.connections.my.pg.key: takes the place of the same variable as rag_pg.dsn",
    ]


def test_the_index_of_another_spec_may_start_this_one(tmp_path: Path) -> None:
    name, uri = index_asset("pgvector", "my_docs")
    own = f"airflow: {{assets: ['{uri}', '{name}']}}"
    assert len(mistakes(tmp_path, own)) == 2
    assert load(tmp_path, f"store: {{index: other}}\n{own}").assets == (uri, name)


def test_a_mistake_of_a_stage_hides_none_of_another_section(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path, "airflow: {stages: {embd: {}, store: {retries: many}}}\nchunk: {max_tokens: 999}"
    )
    assert [one.split(": ")[-2] + ": " + one.split(": ")[-1][:20] for one in found] == [
        "airflow.stages.embd: unknown stage 'embd'",
        "airflow.stages.store.retries: must be a whole numb",
        "chunk.max_tokens: must be at most 256,",
    ]


@pytest.mark.parametrize(
    "value",
    [
        "work_dir: 's3://KEY:hunter2@bucket/x'",
        "work_dir: 's3://hunter2@bucket/x'",
        "work_dir: 'az://container/x?sig=hunter2'",
        "work_dir: 'az://container/x?anything=hunter2'",
        "work_dir: 'AccountName=a;AccountKey=hunter2'",
        "work_dir: ['s3://KEY:hunter2@bucket/x']",
        "assets: ['s3://KEY:hunter2@bucket/x']",
        "assets: ['https://host/x?token=hunter2']",
        "assets: 's3://KEY:hunter2@bucket/x'",
        "schedule: 'postgresql://u:hunter2@h/d'",
        "timezone: 'postgresql://u:hunter2@h/d'",
        "on_partial: 'postgresql://u:hunter2@h/d'",
        "stages: {embed: {queue: 'amqp://u:hunter2@h/d'}}",
        "stages: {'amqp://u:hunter2@h/d': {}}",
        "stages: {embed: {virtualenv: {requirements: ['ragctl @ https://u:hunter2@host/x.whl']}}}",
        "stages: {embed: {virtualenv: {requirements: [ragctl, '--index-url=https://u:hunter2@host']}}}",
        "stages: {embed: {kubernetes: {image: 'https://u:hunter2@host/x'}}}",
        "connections: {rag_pg: {dsn: 'postgresql://u:hunter2@h/d'}}",
        "connections: {rag_pg: {key: Hunter2hunter2}}",
        "connections: {rag_pg: {password: hunter2}}",
        "connections: {'postgresql://u:hunter2@h/d': {dsn: A}}",
        "connections: {a: {key: hunter2}, b: {key: hunter2}}",
        "api: {token_env: Hunter2hunter2}",
        "api: {token_env: hunter2, password_env: hunter2}",
        "'token=hunter2': 1",
    ],
)
def test_a_secret_is_not_repeated(tmp_path: Path, value: str) -> None:
    assert "hunter2" not in "\n".join(mistakes(tmp_path, f"airflow: {{{value}}}")).lower()


def test_a_login_is_said_to_be_one(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "airflow: {work_dir: 's3://KEY:hunter2@bucket/x'}") == [
        f"21: airflow.work_dir: {LOGIN}; workers have their own, from their environment or their machine's "
        "role; write the URL without @, ? and #"
    ]


def test_without_time_zones_at_hand_a_name_s_shape_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    assert load(tmp_path, "airflow: {timezone: Europe/Berln}").timezone == "Europe/Berln"
    assert len(mistakes(tmp_path, "airflow: {timezone: '../Berlin'}")) == 1
