"""What a server's refusal means: status and words of the servers that there are."""

from __future__ import annotations

import pytest

from ragctl.errors import (
    DocumentError,
    KeyRejected,
    OverlongInput,
    ProviderError,
    RagctlError,
    RejectedText,
    UnknownModel,
)
from ragctl.providers.remote.faults import Fault, Meaning, TooMuchAtOnce, error_of, meaning_of

OPENAI_LONG = "This model's maximum context length is 8192 tokens, however you requested 9001 tokens"
# Status, code, message, parameter → what it means. Wordings as the servers have them.
CASES: list[tuple[int | None, str, str, str, Meaning]] = [
    (None, "", "the connection failed", "", Meaning.AGAIN),
    (401, "invalid_api_key", "Incorrect API key provided", "", Meaning.KEY),
    (403, "", "Country, region, or territory not supported", "", Meaning.KEY),
    (402, "", "Payment required", "", Meaning.QUOTA),
    (429, "insufficient_quota", "You exceeded your current quota", "", Meaning.QUOTA),
    (429, "", "You are using a Trial key, which is limited to 1000 API calls / month", "", Meaning.QUOTA),
    (429, "rate_limit_exceeded", "Rate limit reached for requests", "", Meaning.AGAIN),
    (408, "", "", "", Meaning.AGAIN),
    (409, "", "", "", Meaning.AGAIN),
    (500, "", "The server had an error", "", Meaning.AGAIN),
    (502, "", "Bad Gateway", "", Meaning.AGAIN),
    (503, "", "overloaded", "", Meaning.AGAIN),
    (529, "", "overloaded", "", Meaning.AGAIN),
    (501, "", "Not Implemented", "", Meaning.OTHER),
    (405, "", "Method Not Allowed", "", Meaning.OTHER),
    (404, "model_not_found", "The model `x` does not exist", "", Meaning.MODEL),
    (404, "", 'model "x" not found, try pulling it first', "", Meaning.MODEL),
    (404, "", "404 page not found", "", Meaning.MODEL),
    (400, "", "The model `x` does not exist.", "", Meaning.MODEL),
    (400, "invalid_request_error", "invalid model ID", "model", Meaning.MODEL),
    (400, "context_length_exceeded", OPENAI_LONG, "", Meaning.OVERLONG),
    (400, "", OPENAI_LONG, "", Meaning.OVERLONG),
    (400, "exceed_context_size_error", "it exceeds the available context size", "", Meaning.OVERLONG),
    (500, "server_error", "input is too large to process. increase the batch size", "", Meaning.OVERLONG),
    (500, "server_error", "input (1501 tokens) is too large to process. increase the", "", Meaning.OVERLONG),
    (400, "", "request (3031 tokens) exceeds the available context size (1024 tokens)", "", Meaning.OVERLONG),
    (400, "", "the input length exceeds the context length", "", Meaning.OVERLONG),
    (413, "Validation", "`inputs` must have less than 512 tokens. Given: 600", "", Meaning.OVERLONG),
    (422, "Validation", "batch size 64 > maximum allowed batch size 32", "", Meaning.TOO_MUCH),
    (400, "max_tokens_per_request", "max 300000 tokens per request", "", Meaning.TOO_MUCH),
    (400, "", "invalid request: total number of texts must be at most 96", "", Meaning.TOO_MUCH),
    (413, "", "Request Entity Too Large", "", Meaning.TOO_MUCH),
    (400, "", "'$.input' is invalid.", "", Meaning.TEXTS),
    (400, "", "Invalid value", "input[3]", Meaning.TEXTS),
    (422, "", "Input should be a valid string", "", Meaning.TEXTS),
    (400, "", "dimensions must be positive", "dimensions", Meaning.OTHER),
    (307, "", "", "", Meaning.REDIRECT),
    (301, "", "", "", Meaning.REDIRECT),
]  # fmt: skip

ERRORS: dict[Meaning, type[RagctlError]] = {
    Meaning.AGAIN: ProviderError,
    Meaning.KEY: KeyRejected,
    Meaning.MODEL: UnknownModel,
    Meaning.QUOTA: ProviderError,
    Meaning.OVERLONG: OverlongInput,
    Meaning.TOO_MUCH: TooMuchAtOnce,
    Meaning.TEXTS: RejectedText,
    Meaning.REDIRECT: ProviderError,
    Meaning.OTHER: ProviderError,
}


@pytest.mark.parametrize(("status", "code", "message", "parameter", "meaning"), CASES)
def test_each_wording(status: int | None, code: str, message: str, parameter: str, meaning: Meaning) -> None:
    fault = Fault(status, message, code, parameter)
    assert meaning_of(fault) is meaning
    error = error_of(fault, where="openai x at h", key="k3y-of-mine")
    assert type(error) is ERRORS[meaning]
    assert str(error).startswith("openai x at h: ")
    assert status is None or f"({status})" in error.message


def test_every_meaning_is_shown_to_people() -> None:
    assert {case[-1] for case in CASES} == set(Meaning) == set(ERRORS)


def test_no_error_holds_the_key_or_a_text() -> None:
    key, text = "sk-live-0123456789", "Confidential: the merger will be announced on Friday"
    for status, code, message, parameter, _ in CASES:
        fault = Fault(status, f"{message}: {key}: '{text}'", code, parameter)
        error = error_of(fault, where="openai x at h", key=key, texts=[text])
        shown = f"{error} {error.hint} {error.as_json()}"
        assert key not in shown and "0123456789" not in shown
        assert "merger" not in shown and "Friday" not in shown


def test_a_redirect_names_where_it_leads_but_only_the_host() -> None:
    error = error_of(Fault(307, location="elsewhere.example:81"), where="w", key=None)
    assert "elsewhere.example:81" in error.message and "base_url" in (error.hint or "")


def test_only_texts_fail_documents() -> None:
    failing = {meaning for meaning, kind in ERRORS.items() if issubclass(kind, DocumentError)}
    assert failing == {Meaning.OVERLONG, Meaning.TOO_MUCH, Meaning.TEXTS}
