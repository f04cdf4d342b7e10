"""`ragctl ask` with `ask.type: sql`, over real HTTP to a scripted model, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from own_server import OwnServer
from sql.conftest import shop_server as shop_server
from sql.shop import READER, sqlite_digest
from sql.shop_spec import Shop
from sql.sql_script import SqlScript, block, chat

from model_server import ModelServer
from workspace import Workspace

QUESTION = "How many customers has each country?"
GOOD = block("SELECT country, count(*) AS n FROM customer GROUP BY country ORDER BY country")
REWORDED = "1. Buyers by country?\n2. The number of clients for each country?"
SENTENCE = json.dumps({"candidate": 1, "sentence": "Each of the 5 countries has 1 customer."})


def test_an_answer_for_people_and_for_programs(shop: Shop) -> None:
    before = sqlite_digest(shop.file)[0]
    with ModelServer(replies=SqlScript(rephrase=REWORDED, sql=GOOD, conclude=SENTENCE)) as server:
        shop.asks(server)
        people, programs = shop.call(QUESTION), shop.call(QUESTION, "--format", "json").json
        explained = shop.call(QUESTION, "--explain").out
    assert people.code == 0, people.err
    assert "Each of the 5 countries has 1 customer." in people.out
    assert "FI       1" in people.out
    assert "3 of 3 versions agree; tables: main.customer; " in people.out
    assert people.out.count("USD") == 1
    assert all(len(line) <= 80 for line in people.out.splitlines())
    found = programs["sql"]
    assert (found["status"], found["dialect"], found["tables"]) == ("answered", "sqlite", ["main.customer"])
    assert found["columns"] == ["country", "n"]
    assert found["rows"] == [["DE", 1], ["FI", 1], ["IE", 1], ["UK", 1], ["US", 1]]
    assert found["agreement"] == {"versions": 3, "of": 3}
    assert found["statement"].startswith("SELECT\n  country,\n  COUNT(*) AS n\nFROM")
    assert len(found["schema"]["fingerprint"]) == 64
    assert programs["rephrasings"] == ["Buyers by country?", "The number of clients for each country?"]
    assert programs["usage"]["stages"]["query"]["requests"] == 3
    assert programs["usage"]["cost_usd"] > 0
    assert {"rephrase_ms", "query_ms", "dedupe_ms", "rank_ms", "answer_ms"} <= set(programs["timings"])
    assert "candidate 1, of version 0, 1, 2: 5 rows" in explained
    assert sqlite_digest(shop.file)[0] == before


def test_the_vote_and_the_repair(shop: Shop) -> None:
    def sql(user: str) -> str:
        if "Buyers" in user:
            return block("SELECT country, count(*) FROM custmer GROUP BY 1")
        return block("SELECT country, 7 FROM customer") if "clients" in user else GOOD

    script = SqlScript(rephrase=REWORDED, sql=sql, repair=GOOD, conclude=SENTENCE)
    with ModelServer(replies=script) as server:
        shop.asks(server)
        found = shop.call(QUESTION, "--format", "json").json["sql"]
    assert found["agreement"] == {"versions": 2, "of": 3}
    assert [one["repaired"] for one in found["candidates"]] == [False, True, False]
    assert "there is no table custmer" in found["candidates"][1]["first_fault"]["message"]
    (told,) = script.of("repair")
    assert "What was wrong with it: there is no table custmer that may be read" in told
    assert 'writers="2 of 3"' in script.of("conclude")[0]


def test_without_a_final_call_the_vote_decides(shop: Shop) -> None:
    with ModelServer(replies=(script := SqlScript(sql=GOOD))) as server:
        shop.asks(server, answer={"provider": "none"}, rephrase={"provider": "none"})
        document = shop.call(QUESTION, "--format", "json").json
    assert (document["answer"], document["sql"]["status"]) == (None, "answered")
    assert [step for step, _ in script.asked] == ["sql"]


def test_no_execute_runs_nothing(shop: Shop) -> None:
    with ModelServer(replies=(script := SqlScript(sql=GOOD))) as server:
        shop.asks(server)
        called = shop.call(QUESTION, "--no-execute", "--format", "json")
    found = called.json["sql"]
    assert (found["status"], found["rows"], found["columns"]) == ("not_executed", [], [])
    assert found["statement"].startswith("SELECT")
    assert not script.of("conclude")


def test_what_cannot_be_answered_is_said_so(shop: Shop) -> None:
    conclude = '{"cannot": "The database has no weather."}'
    with ModelServer(replies=SqlScript(sql="CANNOT: no weather", conclude=conclude)) as server:
        shop.asks(server)
        called = shop.call("What is the weather?", "--format", "json")
    assert called.code == 0
    assert called.json["sql"]["status"] == "unanswerable"
    assert called.json["answer"] | {"model": None} == {
        **{"status": "none", "text": "The database has no weather.", "citations": [], "model": None},
        **{"dropped": 0, "unsupported": 0, "cut_off": False, "passages": 0},
    }


def test_what_no_statement_answers_is_a_failure(shop: Shop) -> None:
    hostile = block("DELETE FROM customer")
    before = sqlite_digest(shop.file)[0]
    with ModelServer(replies=SqlScript(sql=hostile, repair=hostile)) as server:
        shop.asks(server)
        called = shop.call(QUESTION)
    assert called.code == 3
    assert "no statement could be run: a statement that begins with DELETE is not allowed" in called.err
    assert "hint: the model wrote: DELETE FROM customer" in called.err
    assert sqlite_digest(shop.file)[0] == before


def test_a_batch_with_its_record_and_its_file(shop: Shop, tmp_path: Path) -> None:
    questions, out = tmp_path / "q.txt", tmp_path / "out.jsonl"
    questions.write_text(f"{QUESTION}\nbroken\n{QUESTION}\n", encoding="utf-8")

    def sql(user: str) -> str:
        return "DROP TABLE customer" if "Question: broken" in user else GOOD

    with ModelServer(replies=SqlScript(sql=sql, repair="nothing", conclude=SENTENCE)) as server:
        shop.asks(server, rephrase={"provider": "none"})
        arguments = ("--questions", str(questions), "--out", str(out), "--parallel", "2", "--max-cost", "1")
        called = shop.call(*arguments)
    assert called.code == 3, called.err
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [one.get("error", {}).get("kind") for one in lines] == [None, "sql", None]
    record = shop.call("show", "last", "--format", "json", command="runs").json
    assert (record["command"], record["status"], record["generation"]) == ("ask", "done", None)
    assert record["counts"] == {"questions": 3, "asked": 3, "failed": 1, "answered": 2}
    assert set(record["models"]) == {"query", "answer"}
    assert len(record["schema_fingerprint"]) == 64
    assert record["spending"]["spent_usd"] > 0
    assert QUESTION not in json.dumps(record)


def test_a_limit_to_the_cost_is_kept(shop: Shop) -> None:
    with ModelServer(replies=SqlScript(sql=GOOD)) as server:
        shop.asks(server)
        assert shop.call(QUESTION, "--max-cost", "0.0000001").code == 4
        shop.asks(server, query=chat(server, usd_per_million_tokens=None, model="nobody-knows"))
        called = shop.call(QUESTION, "--max-cost", "1")
    assert called.code == 4
    assert "the price of nobody-knows is not known" in called.err


REMOTE = {"provider": "openai", "model": "gpt-4o-mini", "base_url": "http://models.example/v1", "retries": 0}


def test_a_sensitive_question_goes_nowhere_else(shop: Shop) -> None:
    given = {"type": "sql", "database": {"sqlite": shop.file.name}, "query": REMOTE}
    shop.spec.write_text(json.dumps({"name": shop.name, "ask": given}), encoding="utf-8")
    called = shop.call(QUESTION, "--sensitive")
    assert called.code == 4
    assert "the question is sensitive, and the model is at models.example" in called.err


def test_values_of_a_sensitive_database_are_shown_to_no_model_elsewhere(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What counts as elsewhere is the privacy tests' matter; here this machine does."""
    monkeypatch.setattr("ragctl.run.models.privacy.may_be_sent", lambda *, sensitive, **_: not sensitive)
    script = SqlScript(sql=block("SELECT name, country FROM customer"), conclude=SENTENCE)
    with ModelServer(replies=script) as server:
        shop.asks(server, sensitivity="sensitive", schema={"samples": 3}, rephrase={"provider": "none"})
        found = shop.call(QUESTION, "--format", "json").json["sql"]
    assert ["Ada", "UK"] in found["rows"]
    told = "\n".join(user for _, user in script.asked)
    assert "Ada" not in told
    assert "'DE'" not in told
    assert "5 rows with the columns name, country, which are not shown" in told


def test_sensitive_columns_are_for_whoever_asks_alone(shop: Shop) -> None:
    script = SqlScript(sql=block("SELECT email FROM customer"), conclude=SENTENCE)
    with ModelServer(replies=script) as server:
        shop.asks(server, schema={"samples": 3, "sensitive": ["email"]}, rephrase={"provider": "none"})
        found = shop.call(QUESTION, "--format", "json").json["sql"]
    assert ["ada@example.org"] in found["rows"]
    assert "ada@" not in "\n".join(user for _, user in script.asked)


def test_control_characters_of_a_value_do_not_reach_the_terminal(shop: Shop) -> None:
    with sqlite3.connect(shop.file) as connection:
        connection.execute("UPDATE customer SET name = 'A' || char(27) || '[2J' WHERE id = 1")
    with ModelServer(replies=SqlScript(sql=block("SELECT name FROM customer"))) as server:
        shop.asks(server)
        assert "\x1b" not in shop.call(QUESTION).out


def test_on_postgres_and_no_secret_in_any_output(
    shop: Shop, shop_server: OwnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_DSN", shop_server.dsn(*READER))
    monkeypatch.setenv("NO_DSN", "hunter2 is no connection string")
    with ModelServer(replies=SqlScript(rephrase=REWORDED, sql=GOOD, conclude=SENTENCE)) as server:
        shop.asks(server, database={"dsn_env": "SHOP_DSN"})
        called = shop.call(QUESTION, "--format", "json")
        explained = shop.call(QUESTION, "--no-execute", "--explain")
        shop.asks(server, database={"dsn_env": "NO_DSN"})
        wrong = shop.call(QUESTION)
        shop.asks(server, database={"dsn_env": "UNSET_DSN"})
        unset = shop.call(QUESTION)
        monkeypatch.setenv("SHOP_DSN", shop_server.dsn())
        shop.asks(server, database={"dsn_env": "SHOP_DSN"})
        superuser = shop.call(QUESTION)
    assert called.json["sql"]["rows"][0] == ["DE", 1]
    assert "by the planner" in explained.out
    assert (wrong.code, unset.code, superuser.code) == (2, 2, 4)
    assert "UNSET_DSN is not set" in unset.err
    assert "is a superuser" in superuser.err
    everything = "".join(one.out + one.err for one in (called, explained, wrong, unset, superuser))
    assert READER[1] not in everything
    assert "hunter2" not in everything


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--top", "3"), "--top is for documents"),
        (("--where", "a=b"), "--where is for documents"),
        (("--hits",), "--hits is for documents"),
    ],
)
def test_options_of_documents_are_refused(shop: Shop, arguments: tuple[str, ...], said: str) -> None:
    with ModelServer() as server:
        shop.asks(server)
    called = shop.call(QUESTION, *arguments)
    assert called.code == 2
    assert said in called.err


def test_commands_of_documents_are_refused_and_check_is_not(shop: Shop, workspace: Workspace) -> None:
    with ModelServer() as server:
        shop.asks(server)
    refused = shop.call(command="ingest")
    assert refused.code == 2
    assert "this spec asks a database and has no documents" in refused.err
    checked = shop.call("--format", "json", command="check")
    assert checked.json["spec"]["ask"]["type"] == "sql"
    shop.file.unlink()
    missing = shop.call(command="check")
    assert missing.code == 2
    assert "is not a file" in missing.err
    documents = workspace.call("ask", "x", "--no-execute")
    assert (documents.code, "--no-execute is for a spec with ask.type: sql" in documents.err) == (2, True)


def test_a_prompt_of_ones_own(shop: Shop) -> None:
    prompt = shop.base / f"{shop.name}.md"
    prompt.write_text("You write SQL as I like it.\n---\n$dialect $schema\n$question\n", encoding="utf-8")
    with ModelServer(replies=(script := SqlScript(sql=GOOD))) as server:
        shop.asks(server, query=chat(server, prompt=prompt.name), rephrase={"provider": "none"})
        assert shop.call(QUESTION).code == 0
        prompt.write_text("No divider", encoding="utf-8")
        wrong = shop.call(command="check")
    assert script.of("sql")[0].startswith("SQLite table customer")
    assert wrong.code == 2
    assert "ask.query.prompt" in wrong.err


def test_an_export_needs_one_machine_or_a_server(shop: Shop) -> None:
    with ModelServer() as server:
        shop.asks(server)
    ingest = shop.call(command="export-dag")
    asks = shop.call("--kind", "ask", command="export-dag")
    assert "there is nothing to ingest" in ingest.err
    assert "is a file of one machine" in asks.err


CHINOOK = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "sql-chinook"


@pytest.mark.skipif(not CHINOOK.is_dir(), reason="the shared data with Chinook is not here")
def test_chinook(shop: Shop) -> None:
    sql = block(
        "SELECT g.Name, count(*) AS tracks FROM Track t JOIN Genre g ON g.GenreId = t.GenreId"
        " GROUP BY g.Name ORDER BY tracks DESC LIMIT 2"
    )
    sentence = json.dumps({"candidate": 1, "sentence": "Rock has 1297 tracks, Latin 579."})
    file = CHINOOK / "Chinook_Sqlite.sqlite"
    before = file.read_bytes()
    with ModelServer(replies=SqlScript(sql=sql, conclude=sentence)) as server:
        shop.asks(server, database={"sqlite": str(file.resolve())})
        document = shop.call("Which two genres have the most tracks?", "--format", "json").json
    assert document["sql"]["rows"] == [["Rock", 1297], ["Latin", 579]]
    assert document["sql"]["tables"] == ["main.Genre", "main.Track"]
    assert document["answer"]["status"] == "grounded"
    assert file.read_bytes() == before
