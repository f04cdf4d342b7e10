"""From a question to an answer with sources, by a chat model over real HTTP."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from run.answering.chat_script import ChatScript, fill, openai

from model_server import ChatReply, Fault, Kind, ModelServer
from workspace import Workspace

QUESTION = "When is the office open?"


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    return fill(workspace)


def test_an_answer_has_its_sources(filled: Workspace) -> None:
    script = ChatScript(
        rephrase="1. What are the opening hours?\n2. At what time does the office close?",
        answer='It is open from nine to five [1: "open from nine to five on weekdays"].',
    )
    with ModelServer(replies=script) as server:
        filled.spec(
            ask={"rephrase": openai(server, n=2), "answer": openai(server), "rank": {"top_n": 1}},
        )
        called = filled.call("ask", QUESTION, "--format", "json")
        assert called.code == 0, called.err
        document = called.json
    assert document["rephrasings"] == ["What are the opening hours?", "At what time does the office close?"]
    answer = document["answer"]
    assert (answer["status"], answer["text"]) == ("grounded", "It is open from nine to five [1].")
    (citation,) = answer["citations"]
    assert citation["document"] == "hours.md"
    assert citation["quote"] == "open from nine to five on weekdays"
    text = (filled.documents / "hours.md").read_text(encoding="utf-8")
    assert text[citation["start"] : citation["end"]] == citation["quote"]
    assert citation["heading"] == "Opening hours"
    assert citation["uri"].startswith("file://")
    assert answer["model"] == "gpt-4o-mini"
    assert (answer["dropped"], answer["unsupported"], answer["cut_off"]) == (0, 0, False)
    assert set(document["prompts"]) == {"rephrase", "answer"}
    assert set(document["usage"]["stages"]) == {"rephrase", "query", "answer"}
    assert document["usage"]["stages"]["answer"]["cost_usd"] > 0
    assert document["timings"]["answer_ms"] > 0
    trail = document["hits"][0]["trail"]
    assert [one["version"] for one in trail["dense"]["versions"]] == [0, 1, 2]


def ask(workspace: Workspace, *arguments: str, question: str = QUESTION) -> dict[str, object]:
    called = workspace.call("ask", question, "--format", "json", *arguments)
    assert called.code == 0, called.err or called.out
    document: dict[str, object] = called.json
    return document


def test_on_paper_the_answer_comes_first_and_then_its_sources(filled: Workspace) -> None:
    script = ChatScript(answer='It is open from nine [1: "open from nine to five"]. It has a garden.')
    with ModelServer(replies=script) as server:
        filled.spec(ask={"answer": openai(server), "rank": {"top_n": 1}})
        called = filled.call("ask", QUESTION)
        with_hits = filled.call("ask", QUESTION, "--hits", "--explain")
    lines = called.out.splitlines()
    assert lines[:3] == [QUESTION, "", "It is open from nine [1]. It has a garden."]
    assert "Partly grounded: 1 statement has no evidence." in lines
    assert lines.index("Sources") > 3
    assert "[1] Opening hours" in lines
    assert "    docs: hours.md:1" in lines
    assert "    “open from nine to five”" in lines
    assert "score" not in called.out
    assert " 1. Opening hours" in with_hits.out
    assert re.search(
        r"(?m)^answer gpt-4o-mini: 1 requests, [\d,]+ tokens read, \d+ written, 0\.\d+ USD$", with_hits.out
    )
    assert re.search(r"(?m)^milliseconds: .*answer [\d.]+", with_hits.out)


def test_what_the_passages_do_not_say_is_no_answer(filled: Workspace) -> None:
    with ModelServer(replies=ChatScript(answer="NOT IN THE PASSAGES")) as server:
        filled.spec(ask={"answer": openai(server)})
        called = filled.call("ask", "Who won the cup?")
        document = ask(filled, question="Who won the cup?")
    assert called.code == 0
    assert "The passages that were found do not answer this question." in called.out
    assert "NOT IN THE PASSAGES" not in called.out
    assert document["answer"] == {
        "status": "none",
        "text": "",
        "dropped": 0,
        "unsupported": 0,
        "cut_off": False,
        "passages": 4,
        "citations": [],
        "model": "gpt-4o-mini",
    }


def test_a_citation_that_is_not_in_its_passage_is_not_shown(filled: Workspace) -> None:
    lying = 'It is open at night [1: "open at night and on Sundays"]. It closes at five [9: "nine to five"].'
    with ModelServer(replies=ChatScript(answer=lying)) as server:
        filled.spec(ask={"answer": openai(server), "rank": {"top_n": 1}})
        called = filled.call("ask", QUESTION)
        answer = ask(filled)["answer"]
    assert "[1]" not in called.out
    assert "Sources" not in called.out
    assert "Not grounded: nothing in it could be found in the passages." in called.out
    assert isinstance(answer, dict)
    assert (answer["status"], answer["citations"], answer["dropped"]) == ("none", [], 2)


def test_without_a_model_the_passages_are_the_answer(filled: Workspace) -> None:
    document = ask(filled)
    assert document["answer"] is None
    assert document["hits"]
    assert document["models"] == document["prompts"] == {}


# rephrase


def test_if_the_model_fails_the_question_goes_on_alone(filled: Workspace) -> None:
    with ModelServer(faults=["server_error"], replies=ChatScript()) as server:
        filled.spec(ask={"rephrase": openai(server)})
        document = ask(filled)
    assert document["rephrasings"] == []
    assert document["hits"]
    (note,) = document["notes"]  # type: ignore[misc]
    assert (note["step"], note["kind"]) == ("rephrase", "provider")
    assert "the question was searched for as it is" in note["message"]


def test_a_wrong_key_stops_it(filled: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_KEY", "sk-wrong-123")
    with ModelServer(key="sk-right", replies=ChatScript()) as server:
        filled.spec(ask={"rephrase": openai(server, api_key_env="STAND_IN_KEY")})
        called = filled.call("ask", QUESTION, "--format", "json")
    assert (called.code, called.json["error"]["kind"]) == (6, "key_rejected")
    assert "sk-wrong" not in called.out + called.err


def test_a_missing_key_is_named_before_anything_is_asked(filled: Workspace) -> None:
    with ModelServer(replies=ChatScript()) as server:
        filled.spec(ask={"answer": openai(server, api_key_env="NO_SUCH_KEY")})
        called = filled.call("ask", QUESTION, "--format", "json")
        assert server.requests == []
    assert called.code == 2
    assert "NO_SUCH_KEY" in called.json["error"]["message"]


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_expansion_needs_no_model(filled: Workspace, mode: str) -> None:
    filled.spec(ask={"rephrase": {"expand": "prf"}, "query": {"mode": mode}})
    document = ask(filled)
    (version,) = document["rephrasings"]  # type: ignore[misc]
    assert version.startswith(QUESTION + " ")
    found = {
        step["version"]
        for hit in document["hits"]  # type: ignore[attr-defined]
        for one in hit["trail"].values()
        for step in one.get("versions", [one])
    }
    assert found == {0, 1}


def test_a_version_that_the_embedder_cannot_read_is_left_out(filled: Workspace) -> None:
    long = "When is x9 " + "x9 z7 " * 150
    with ModelServer(replies=ChatScript(rephrase=f"1. {long}\n2. What are the hours?")) as server:
        filled.spec(ask={"rephrase": openai(server)})
        document = ask(filled)
    assert document["rephrasings"] == ["What are the hours?"]
    assert [note["step"] for note in document["notes"]] == ["query"]  # type: ignore[attr-defined]


# history


def test_a_question_of_a_conversation_is_made_to_stand_alone(filled: Workspace, tmp_path: Path) -> None:
    turns = [
        {"role": "user", "content": "Where is the coffee machine?"},
        {"role": "assistant", "content": "On the second floor."},
    ]
    history = tmp_path / "turns.jsonl"
    history.write_text("\n".join(map(json.dumps, turns)) + "\n", encoding="utf-8")
    script = ChatScript(stand_alone="Until when does the coffee machine make espresso?")
    with ModelServer(replies=script) as server:
        filled.spec(ask={"rephrase": openai(server, n=1), "rank": {"top_n": 1}})
        document = ask(filled, "--history", str(history), question="Until when?")
    assert document["question"] == "Until when?"
    assert document["stand_alone"] == "Until when does the coffee machine make espresso?"
    assert document["hits"][0]["document"] == "coffee.md"  # type: ignore[index]
    assert "user: Where is the coffee machine?\nassistant: On the second floor." in script.asked[0][1]
    assert script.asked[1][1].endswith("Until when does the coffee machine make espresso?")


@pytest.mark.parametrize(
    ("line", "where"),
    [('{"role": "system", "content": "x"}', ":2"), ("{", ":2"), ('{"role": "user"}', ":2"), ("[]", ":2")],
)
def test_a_history_that_is_none(filled: Workspace, tmp_path: Path, line: str, where: str) -> None:
    history = tmp_path / "turns.jsonl"
    history.write_text(f'{{"role": "user", "content": "Hello"}}\n{line}\n', encoding="utf-8")
    called = filled.call("ask", QUESTION, "--history", str(history), "--format", "json")
    assert (called.code, called.json["error"]["where"]) == (2, f"{history}{where}")


def test_without_any_model_a_conversation_is_a_note(filled: Workspace, tmp_path: Path) -> None:
    history = tmp_path / "turns.jsonl"
    history.write_text('{"role": "user", "content": "Hello"}\n', encoding="utf-8")
    document = ask(filled, "--history", str(history))
    assert "it was asked as it is" in document["notes"][0]["message"]  # type: ignore[index]


# rank and verify


def test_a_chat_model_grades(filled: Workspace) -> None:
    script = ChatScript(grade=lambda user: "9/10" if "espresso" in user else "1")
    with ModelServer(replies=script) as server:
        rank = {"provider": "openai", "base_url": f"{server.url}/v1", "retries": 0}
        filled.spec(ask={"rank": rank})
        hits = ask(filled)["hits"]
    assert isinstance(hits, list)
    by_document = {hit["document"]: hit for hit in hits}
    coffee = by_document["coffee.md"]["trail"]["rerank"]
    assert (coffee["rank"], coffee["score"]) == (1, 9.0)
    # What was found first stays among the first, whatever the model says.
    assert hits[0]["document"] in ("coffee.md", "hours.md")
    assert {hits[0]["document"], hits[1]["document"]} == {"coffee.md", "hours.md"}
    assert script.count("grade") == 4


def test_grades_that_are_none_leave_the_order(filled: Workspace) -> None:
    order = [hit["document"] for hit in ask(filled)["hits"]]  # type: ignore[attr-defined]
    with ModelServer(replies=ChatScript(grade="very good indeed")) as server:
        filled.spec(ask={"rank": {"provider": "openai", "base_url": f"{server.url}/v1", "retries": 0}})
        document = ask(filled)
    assert [hit["document"] for hit in document["hits"]] == order  # type: ignore[attr-defined]
    assert [note["message"] for note in document["notes"]] == [  # type: ignore[attr-defined]
        "4 of 4 replies hold no grade",
        "no passage has a grade; they keep the order in which they were found",
    ]


def test_passages_that_do_not_help_are_left_out(filled: Workspace) -> None:
    verdicts = {"office": "YES", "archive": "NO", "espresso": "I am NOT SURE", "thirty": "NO, it does not."}
    script = ChatScript(
        verify=lambda user: next(said for word, said in verdicts.items() if word in user.split("<passage")[1])
    )
    with ModelServer(replies=script) as server:
        filled.spec(ask={"verify": openai(server), "answer": openai(server)})
        document = ask(filled)
        explained = filled.call("ask", QUESTION, "--explain", "--hits").out
    kept = {hit["document"]: hit["trail"]["verify"]["verdict"] for hit in document["hits"]}  # type: ignore[attr-defined]
    assert kept == {"hours.md": "yes", "coffee.md": "unsure"}
    assert {hit["document"] for hit in document["left_out"]} == {"install.md", "retry.md"}  # type: ignore[attr-defined]
    assert [hit["rank"] for hit in document["hits"]] == [1, 2]  # type: ignore[attr-defined]
    shown = next(user for step, user in script.asked if step == "answer")
    assert shown.count("<passage id=") == 2
    assert "left out, as it does not help: docs: install.md" in explained


def test_explain_has_the_ranks_of_each_version_and_the_cost_of_each_step(filled: Workspace) -> None:
    script = ChatScript(rephrase="1. Where is the espresso machine?")
    with ModelServer(replies=script) as server:
        model = openai(server)
        filled.spec(ask={"rephrase": model, "verify": model, "answer": model})
        document = ask(filled)
        lines = filled.call("ask", QUESTION, "--explain", "--hits").out.splitlines()
    explained = "\n".join(lines)
    assert "version 1: Where is the espresso machine?" in explained
    begin = lines.index("ranks by search and version") + 1
    assert lines[begin].split() == ["#", "dense", "0", "dense", "1", "lexical", "0", "lexical", "1"]
    for line, hit in zip(lines[begin + 1 :], document["hits"], strict=False):  # type: ignore[arg-type]
        steps = [hit["trail"][name] for name in ("dense", "lexical") if name in hit["trail"]]
        ranks = [one["rank"] for step in steps for one in step.get("versions", [step])]
        assert [int(number) for number in line.split()] == [hit["rank"], *ranks]
    for step, requests in (("rephrase", 1), ("verify", 4), ("answer", 1)):
        cost = document["usage"]["stages"][step]["cost_usd"]  # type: ignore[index]
        assert cost > 0
        assert re.search(rf"{step} gpt-4o-mini: {requests} requests, .*? {cost:.6f} USD", explained)


def test_a_verifier_that_fails_leaves_the_passages(filled: Workspace) -> None:
    with ModelServer(faults={"server_error": 1.0}, replies=ChatScript()) as server:
        filled.spec(ask={"verify": openai(server)})
        document = ask(filled)
    assert len(document["hits"]) == 4  # type: ignore[arg-type]
    (note,) = document["notes"]  # type: ignore[misc]
    assert (note["step"], note["kind"]) == ("verify", "provider")
    assert note["message"].startswith("4 of 4 passages could not be judged, and kept")


def test_nothing_that_helps_is_no_answer_and_costs_none(filled: Workspace) -> None:
    script = ChatScript(verify="NO")
    with ModelServer(replies=script) as server:
        filled.spec(ask={"verify": openai(server), "answer": openai(server)})
        document = ask(filled)
    assert document["hits"] == []
    assert document["answer"]["status"] == "none"  # type: ignore[index]
    assert script.count("answer") == 0


# per version


def test_each_version_is_answered_and_the_answers_are_combined(filled: Workspace) -> None:
    def combined(user: str) -> str:
        pieces = re.findall(r'\[\d+: "[^"]*"\]', user)
        return f"All of it {pieces[0]} and more {pieces[-1]}."

    script = ChatScript(rephrase="1. Until when is there espresso?", combine=combined)
    with ModelServer(replies=script) as server:
        filled.spec(
            ask={
                "rephrase": openai(server),
                "answer": openai(server, per_version=True, combine=openai(server, model="stronger")),
                "rank": {"top_n": 2},
            }
        )
        document = ask(filled)
        models = [request.body["model"] for request in server.requests]
    assert script.count("answer") == 2
    assert script.count("combine") == 1
    assert models[-1] == "stronger"
    answer = document["answer"]
    assert isinstance(answer, dict)
    assert (answer["status"], answer["model"]) == ("grounded", "stronger")
    texts = {path.name: path.read_text(encoding="utf-8") for path in filled.documents.iterdir()}
    for citation in answer["citations"]:
        assert texts[citation["document"]][citation["start"] : citation["end"]] == citation["quote"]
    assert set(document["usage"]["stages"]) == {"rephrase", "query", "answer", "combine"}  # type: ignore[index]


def test_one_version_that_fails_is_a_note(filled: Workspace) -> None:
    script = ChatScript(
        rephrase="1. Until when is there espresso?", combine=lambda user: user.rsplit("Answer: ", 1)[1]
    )
    faults: list[Fault | Kind | None] = [None, None, "server_error"]
    with ModelServer(faults=faults, replies=script) as server:
        answer = openai(server, per_version=True, max_in_flight=1)
        filled.spec(ask={"rephrase": openai(server), "answer": answer})
        document = ask(filled)
    assert [note["step"] for note in document["notes"]] == ["answer"]  # type: ignore[attr-defined]
    assert document["answer"]["citations"]  # type: ignore[index]


def test_each_version_is_answered_from_what_a_reranker_puts_first(filled: Workspace) -> None:
    """And from what a model says helps, also of passages that only that version has among its best."""
    told: list[str] = []

    def graded(user: str) -> str:
        return "9" if "espresso" in user else "1"

    def helps(user: str) -> str:
        told.append(user)
        return "NO" if "installer" in user else "YES"

    script = ChatScript(rephrase="1. Run the installer as root?", grade=graded, verify=helps)
    with ModelServer(replies=script) as server:
        rank = {"provider": "openai", "base_url": f"{server.url}/v1", "retries": 0, "top_n": 2, "blend": 0}
        model = openai(server)
        answer = openai(server, per_version=True)
        filled.spec(ask={"rephrase": model, "rank": rank, "verify": model, "answer": answer})
        document = ask(filled)
    asked = [user for step, user in script.asked if step == "answer"]
    assert len(asked) == 2
    for user in asked:
        assert user.index("espresso") < user.index("</passage>"), "the best by the model is the first passage"
        assert "installer as root.\n</passage>" not in user, "what does not help is left out"
    left_out = document["left_out"]
    assert isinstance(left_out, list)
    assert len(told) == len({hit["document"] for hit in [*left_out, *document["hits"]]})  # type: ignore[misc]


# prompts


def test_a_prompt_of_the_spec(filled: Workspace) -> None:
    (filled.base / f"{filled.name}.prompt.md").write_text(
        "You answer questions from passages in rhyme.\n---\n$passages\nAsked: $question\n", encoding="utf-8"
    )
    with ModelServer(replies=ChatScript()) as server:
        filled.spec(ask={"answer": openai(server)})
        own = ask(filled)["prompts"]
        filled.spec(ask={"answer": openai(server, prompt=f"{filled.name}.prompt.md")})
        document = ask(filled)
        said = [message["content"] for message in server.requests[-1].body["messages"]]
    assert said[0] == "You answer questions from passages in rhyme."
    assert said[1].endswith(f"Asked: {QUESTION}")
    assert own != document["prompts"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("no line between", "it needs a line ---"),
        ("a\n---\n$passages", "it lacks $question"),
        ("a\n---\n$passages $question $more", "it has $more"),
        ("a\n---\n$passages $question costs 5 $", "a $ stands alone"),
        (None, "it cannot be read"),
    ],
)
@pytest.mark.parametrize("command", [("ask", QUESTION), ("check",)])
def test_a_prompt_that_is_none_is_a_mistake_in_the_spec(
    filled: Workspace, content: str | None, what: str, command: tuple[str, ...]
) -> None:
    path = filled.base / f"{filled.name}.prompt.md"
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_text(content, encoding="utf-8")
    filled.spec(ask={"answer": {"provider": "openai", "api_key_env": None, "prompt": path.name}})
    called = filled.call(*command)
    assert called.code == 2
    assert re.search(rf"{filled.name}\.yaml:1:\d+: ask\.answer\.prompt: {path.name}: .*", called.err)
    assert what in called.err


# Replies


def test_an_answer_that_is_cut_off_is_said_to_be(filled: Workspace) -> None:
    reply = ChatReply('It is open from nine [1: "open from nine to five"]. And', "length")
    with ModelServer(replies=ChatScript(answer=reply)) as server:
        filled.spec(ask={"answer": openai(server), "rank": {"top_n": 1}})
        called = filled.call("ask", QUESTION)
        assert ask(filled)["answer"]["cut_off"] is True  # type: ignore[index]
    assert "It was cut off at ask.answer.max_tokens." in called.out


def test_a_model_that_does_not_answer_is_an_error_of_the_question(filled: Workspace, tmp_path: Path) -> None:
    questions = tmp_path / "questions.txt"
    questions.write_text(f"{QUESTION}\nWhat is retried?\n", encoding="utf-8")
    with ModelServer(faults=["overloaded", None, "overloaded"], replies=ChatScript()) as server:
        filled.spec(ask={"answer": openai(server)})
        alone = filled.call("ask", QUESTION, "--format", "json")
        assert (alone.code, alone.json["error"]["kind"]) == (6, "provider")
        several = filled.call("ask", "--questions", str(questions), "--format", "json")
    assert several.code == 3
    good, failed = map(json.loads, several.out.splitlines()[:2])
    assert good["answer"]["status"] == "grounded"
    assert failed["error"]["kind"] == "provider"


def test_more_passages_than_fit_are_counted(filled: Workspace) -> None:
    with ModelServer(replies=ChatScript()) as server:
        filled.spec(ask={"answer": openai(server, context_tokens=360, max_tokens=50)})
        document = ask(filled)
    shown = document["answer"]["passages"]  # type: ignore[index]
    assert 0 < shown < 4
    assert document["notes"][0]["message"] == f"the model was shown {shown} of 4 passages: no room"  # type: ignore[index]


# A model chosen among several


def test_the_lock_pins_the_chat_model(filled: Workspace) -> None:
    with ModelServer(replies=ChatScript()) as server:
        options = [openai(server, model="dear"), openai(server, model="cheap")]
        del options[0]["usd_per_million_tokens"], options[1]["usd_per_million_tokens"]
        options[0]["cost"], options[1]["cost"] = 5, 1
        filled.spec(ask={"answer": {"provider": "auto", "llm_options": options}})
        assert ask(filled)["answer"]["model"] == "cheap"  # type: ignore[index]
        filled.ingest()
        lock = (filled.base / f"{filled.name}.yaml.lock").read_text(encoding="utf-8")
        assert json.loads(lock.split("\n", 2)[2])["chat"]["ask.answer"]["model"] == "cheap"
        options[0]["cost"] = 0  # it would be chosen now, and is not: the other one is pinned
        filled.spec(ask={"answer": {"provider": "auto", "llm_options": options}})
        assert ask(filled)["answer"]["model"] == "cheap"  # type: ignore[index]
        filled.ingest("--reselect")
        assert ask(filled)["answer"]["model"] == "dear"  # type: ignore[index]
        filled.spec(ask={"answer": {"provider": "auto", "llm_options": options[1:]}})
        gone = filled.call("ask", QUESTION, "--format", "json")
        assert (gone.code, gone.json["error"]["kind"]) == (5, "lock_drift")


# Conditions


def test_only_documents_that_fulfil_the_conditions_are_searched(filled: Workspace) -> None:
    everything = {hit["document"] for hit in ask(filled)["hits"]}  # type: ignore[attr-defined]
    assert len(everything) == 4
    one = ask(filled, "--where", "path=coffee.md")
    assert [hit["document"] for hit in one["hits"]] == ["coffee.md"]  # type: ignore[attr-defined]
    none = ask(filled, "--where", "path=coffee.md", "--where", "source!=docs")
    assert none["hits"] == []
    wrong = filled.call("ask", QUESTION, "--where", "nonsense", "--format", "json")
    assert (wrong.code, wrong.json["error"]["where"]) == (2, "--where")
