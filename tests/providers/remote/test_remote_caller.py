"""One request: throttled, paid for, repeated where that helps, counted. No server: a script of answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from ragctl.errors import KeyRejected, OverBudget, ProviderError, RejectedText, WrongVectors
from ragctl.providers.remote.caller import (
    LONGEST_PAUSE,
    Answer,
    AskOtherwise,
    Caller,
    Request,
    Service,
    UnreadableReply,
)
from ragctl.providers.remote.faults import Fault
from ragctl.providers.remote.in_flight import Stopped
from ragctl.types import Price, Usage

Step = Fault | Exception | Answer[str]


class Failed(Exception):
    """What the library of a provider would raise."""

    def __init__(self, fault: Fault) -> None:
        super().__init__("text and key")
        self.fault = fault


class Books:
    """Spending and throttle, kept in memory; a request for more than `limit` dollars is refused."""

    def __init__(self, limit: float = 1e9) -> None:
        self.limit = limit
        self.events: list[str] = []
        self.reserved: list[float] = []
        self.settled: dict[int, Usage] = {}

    def acquire(self, *, tokens: int) -> float:
        self.events.append(f"acquire {tokens}")
        return 0.0

    def reserve(self, most_usd: float) -> int:
        self.events.append("reserve")
        if most_usd > self.limit:
            raise OverBudget("too much")
        self.reserved.append(most_usd)
        return len(self.reserved) - 1

    def settle(self, reservation: int, usage: Usage) -> None:
        self.events.append("settle")
        assert reservation not in self.settled
        self.settled[reservation] = usage


GOOD = Answer("yes", tokens=90, output_tokens=10)
PRICE = Price(usd_per_million_tokens=1_000.0, usd_per_million_output_tokens=10_000.0)


class Asked:
    """A caller with its surroundings, and a script of what each request comes to."""

    def __init__(
        self, *steps: Step, retries: int = 6, price: Price | None = PRICE, books: Books | None = None
    ) -> None:
        self.steps = list(steps)
        self.sent = 0
        self.slept: list[float] = []
        self.told: list[str] = []
        self.books = books or Books()
        service = Service(
            "openai", "m", "host", "sk-key-of-mine", lambda error: getattr(error, "fault", None)
        )
        self.caller = Caller(
            service,
            retries=retries,
            price=price,
            throttle=self.books,
            spending=self.books,
            on_retry=self.told.append,
            sleep=self.slept.append,
        )

    def send(self) -> Answer[str]:
        step = self.steps[self.sent] if self.sent < len(self.steps) else GOOD
        self.sent += 1
        if isinstance(step, Fault):
            raise Failed(step)
        if isinstance(step, Exception):
            raise step
        return step

    def ask(self, read: Callable[[str], str] = str, texts: Sequence[str] = ()) -> str:
        return self.caller.ask(Request(self.send, read, tokens=100, output_tokens=20, texts=texts))


def test_a_good_answer_is_reserved_at_the_most_and_settled_at_what_it_came_to() -> None:
    asked = Asked()
    assert asked.ask() == "yes"
    assert asked.books.events == ["acquire 100", "reserve", "settle"]
    assert asked.books.reserved == [pytest.approx(0.1 + 0.2)]
    usage = asked.caller.usage
    assert (usage.tokens, usage.output_tokens, usage.requests, usage.retries) == (90, 10, 1, 0)
    assert usage.cost_usd == pytest.approx(0.09 + 0.1)
    assert asked.books.settled[0] == usage


def test_our_own_count_is_taken_where_the_server_does_not_say() -> None:
    asked = Asked(Answer("yes"))
    asked.ask()
    assert asked.caller.usage.tokens == 100


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_what_may_pass_is_asked_again_and_each_time_throttled_and_settled_at_nothing(status: int) -> None:
    asked = Asked(Fault(status), Fault(status))
    assert asked.ask() == "yes"
    assert asked.books.events == ["acquire 100", "reserve", "settle"] * 3
    assert [asked.books.settled[n].cost_usd for n in (0, 1)] == [0.0, 0.0]
    usage = asked.caller.usage
    assert (usage.requests, usage.retries, usage.tokens) == (3, 2, 90)
    assert usage.cost_usd == pytest.approx(0.19)


def test_pauses_double_with_full_jitter_up_to_a_cap() -> None:
    pauses: list[list[float]] = []
    for _ in range(60):
        asked = Asked(*[Fault(500)] * 10, retries=10)
        asked.ask()
        pauses.append(asked.slept)
    for number in range(10):
        drawn = [of_one[number] for of_one in pauses]
        most = min(LONGEST_PAUSE, 2.0**number)
        assert min(drawn) >= 0 and max(drawn) <= most
        assert max(drawn) - min(drawn) > most / 3  # 60 draws: a chance of less than 1 in 10^9


def test_the_server_says_how_long_to_wait() -> None:
    asked = Asked(Fault(429, retry_after=7.0), Fault(503, retry_after=90.0))
    asked.ask()
    assert asked.slept == [7.0, 90.0]
    assert "asking again in 7.0 s (1 of 6)" in asked.told[0]


def test_a_server_that_asks_for_too_long_is_not_waited_for() -> None:
    asked = Asked(Fault(429, "slow down", retry_after=3_600.0))
    with pytest.raises(ProviderError, match=r"slow down \(asked to wait 3600 s"):
        asked.ask()
    assert asked.slept == []


def test_all_pauses_together_are_bounded() -> None:
    asked = Asked(*[Fault(429, retry_after=250.0)] * 6)
    with pytest.raises(ProviderError, match="after 500 s"):
        asked.ask()
    assert asked.slept == [250.0, 250.0]


def test_in_the_end_it_is_given_up() -> None:
    asked = Asked(*[Fault(500, "broken")] * 9, retries=3)
    with pytest.raises(ProviderError, match=r"\(500\): broken \(asked 4 times\)"):
        asked.ask()
    assert asked.sent == 4 and len(asked.slept) == 3


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(401, "bad"), KeyRejected),
        (Fault(429, "quota", "insufficient_quota"), ProviderError),
        (Fault(400, "no"), RejectedText),
        (Fault(307), ProviderError),
    ],
)
def test_what_does_not_pass_is_asked_once(fault: Fault, error: type[Exception]) -> None:
    asked = Asked(fault)
    with pytest.raises(error):
        asked.ask()
    assert asked.sent == 1
    assert asked.books.settled[0].cost_usd == 0.0


def test_a_request_whose_end_is_unknown_is_settled_at_the_most() -> None:
    for step in (Fault(None, "no answer in time", maybe_done=True), UnreadableReply("not JSON")):
        asked = Asked(step)
        asked.ask()
        assert asked.books.settled[0].cost_usd == pytest.approx(0.3)
        assert asked.caller.usage.cost_usd == pytest.approx(0.3 + 0.19)
    asked = Asked(Fault(None, "the connection failed"))
    asked.ask()
    assert asked.books.settled[0].cost_usd == 0.0


def test_an_interrupt_is_settled_at_the_most_too() -> None:
    asked = Asked()

    def interrupted() -> Answer[str]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asked.caller.ask(Request(interrupted, str, tokens=100, output_tokens=20))
    assert asked.books.settled[0].cost_usd == pytest.approx(0.3)


def test_a_wrong_answer_has_been_paid_for_is_asked_for_again_and_never_passed_on() -> None:
    asked = Asked(Answer("wrong", tokens=90, output_tokens=10), retries=2)

    def read(value: str) -> str:
        if value == "wrong":
            raise WrongVectors("the server returned 1 vectors for 2 texts")
        return value

    assert asked.ask(read) == "yes"
    assert asked.books.settled[0].cost_usd == pytest.approx(0.19)
    asked = Asked(*[Answer("wrong")] * 9, retries=2)
    with pytest.raises(WrongVectors, match=r"openai m at host: .*1 vectors for 2 texts \(asked 3 times"):
        asked.ask(read)


def test_a_refused_parameter_costs_no_repetition_and_no_pause() -> None:
    asked = Asked(AskOtherwise(), AskOtherwise(), retries=0)
    assert asked.ask() == "yes"
    assert asked.slept == [] and asked.caller.usage.requests == 3
    assert asked.books.settled[0].cost_usd == 0.0


def test_nothing_is_sent_that_might_cost_too_much() -> None:
    asked = Asked(books=Books(limit=0.25))
    with pytest.raises(OverBudget):
        asked.ask()
    assert asked.sent == 0 and asked.caller.usage == Usage()


@pytest.mark.parametrize("price", [None, Price(1.0)])
def test_with_a_budget_an_unknown_price_is_not_taken_for_nothing(price: Price | None) -> None:
    asked = Asked(price=price)
    with pytest.raises(OverBudget, match="price is not known"):
        asked.ask()
    assert asked.sent == 0


def test_without_a_budget_an_unknown_price_is_an_unknown_cost() -> None:
    caller = Caller(Service("p", "m", "h", None, lambda error: None))
    caller.ask(Request(lambda: GOOD, str, tokens=1))
    assert caller.usage.cost_usd is None and caller.usage.tokens == 90


def test_what_is_no_fault_of_the_provider_comes_through() -> None:
    asked = Asked(ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        asked.ask()
    assert asked.sent == 1 and 0 in asked.books.settled


def test_errors_and_notes_hold_neither_key_nor_text() -> None:
    text = "The merger will be announced on Friday"
    message = f"sk-key-of-mine may not send '{text}'"
    asked = Asked(Fault(500, message), Fault(400, message))
    with pytest.raises(RejectedText) as caught:
        asked.ask(texts=[text])
    shown = f"{caught.value} {caught.value.__cause__} {asked.told}"
    assert "key-of-mine" not in shown and "merger" not in shown


def test_a_pause_ends_when_nobody_waits_any_more() -> None:
    stopped = threading.Event()
    service = Service("p", "m", "h", None, lambda error: Fault(429, retry_after=300.0))
    caller = Caller(service, on_retry=lambda note: stopped.set())

    def refused() -> Answer[str]:
        raise Failed(Fault(429))

    with pytest.raises(Stopped):
        caller.ask(Request(refused, str, tokens=1), stopped=stopped)


def test_usage_adds_up_between_threads() -> None:
    caller = Caller(Service("p", "m", "h", None, lambda error: None), price=Price(1.0, 1.0))
    threads = [
        threading.Thread(
            target=lambda: [caller.ask(Request(lambda: GOOD, str, tokens=1)) for _ in range(200)]
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (caller.usage.requests, caller.usage.tokens) == (1_600, 144_000)


def test_searches_are_paid_by_the_search() -> None:
    books = Books()
    caller = Caller(
        Service("p", "m", "h", None, lambda error: None),
        price=Price(None, usd_per_thousand_searches=2.0),
        spending=books,
    )
    caller.ask(Request(lambda: Answer("yes", tokens=500, searches=2), str, tokens=500, searches=1))
    assert books.reserved == [pytest.approx(0.002)]
    assert caller.usage.cost_usd == pytest.approx(0.004)
