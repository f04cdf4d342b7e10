"""What a provider's refusal means: the one place where answers become ragctl's errors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from ragctl.errors import (
    KeyRejected,
    OverlongInput,
    ProviderError,
    RagctlError,
    RejectedText,
    UnknownModel,
)
from ragctl.providers.remote.masking import masked


@dataclass(frozen=True, slots=True)
class Fault:
    """A request that came to nothing, in terms that all providers have in common.

    Attributes:
        status: of HTTP; None if there was no answer that could be read.
        message: in the server's or the library's words; shown to people only after `masked`.
        code: the server's own word for it (`insufficient_quota`); several are joined by a space.
        parameter: what the server says is wrong, if it names one.
        retry_after: seconds that the server asks to wait, see `retry_after.py`.
        maybe_done: the server may have done the work, and may charge for it.
        location: host that a redirect leads to.
    """

    status: int | None
    message: str = ""
    code: str = ""
    parameter: str = ""
    retry_after: float | None = None
    maybe_done: bool = False
    location: str = ""


class Meaning(Enum):
    """What to make of a fault."""

    AGAIN = auto()
    """It may pass: ask again."""
    KEY = auto()
    MODEL = auto()
    QUOTA = auto()
    """The account has nothing left: waiting a minute does not help."""
    OVERLONG = auto()
    """A text is longer than the model reads."""
    TOO_MUCH = auto()
    """The request holds more than the server takes at once."""
    TEXTS = auto()
    """Something in the request is not to the server's liking, most likely one of the texts."""
    REDIRECT = auto()
    OTHER = auto()


class TooMuchAtOnce(RejectedText):
    """The server takes the texts, but not so many together."""


_CONTENT = frozenset({400, 413, 422})
_MAY_PASS = frozenset({408, 409, 425, 429})
_NEVER_PASSES = frozenset({501, 505})

_QUOTA = re.compile(
    r"insufficient_quota|billing_hard_limit|billing_not_active|exceeded your current quota|calls / month",
    re.I,
)
# OpenAI, Azure and vLLM; Ollama; llama.cpp; text-embeddings-inference; Cohere.
_OVERLONG = re.compile(
    r"context_length_exceeded|string_above_max_length|exceed_context_size|maximum context length"
    r"|exceeds? the (available )?context|context (length|window|size) (exceeded|of)"
    r"|input( \(\d+ tokens\))? is too large to process|must have less than \d+ tokens"
    r"|too many tokens: (size limit|.*max)|prompt is too long",
    re.I,
)
_MODEL = re.compile(
    r"model_not_found|DeploymentNotFound"
    r"|\bmodel\b.{0,80}?(does not exist|not found|not exist|is not supported|isn't available|was removed)"
    r"|(invalid|unknown|unsupported|no such) model",
    re.I | re.S,
)
_TOO_MUCH = re.compile(
    r"max_tokens_per_request|max \d+ tokens per request|array too long|maximum allowed batch size|batch size"
    r"|(number of|too many) (texts|inputs)|at most \d+ (texts|inputs)|request (entity )?too large",
    re.I,
)
_INPUT = re.compile(r"\W*(input|inputs|texts|messages|documents|query)\b", re.I)


def meaning_of(fault: Fault) -> Meaning:
    """What the server means, by its status and by its words where a status has several meanings."""
    status, words = fault.status, f"{fault.code} {fault.message}"
    if status is None:
        return Meaning.AGAIN
    if 300 <= status < 400:
        return Meaning.REDIRECT
    if status == 402 or (status in (403, 429) and _QUOTA.search(words)):
        return Meaning.QUOTA
    if status in (401, 403):
        return Meaning.KEY
    if status in _CONTENT or status == 500:
        found = _meaning_of_content(fault, words)
        if found is not None:
            return found
    if status == 404:
        return Meaning.MODEL
    if status in _MAY_PASS or (status >= 500 and status not in _NEVER_PASSES):
        return Meaning.AGAIN
    return Meaning.OTHER


def _meaning_of_content(fault: Fault, words: str) -> Meaning | None:
    if _OVERLONG.search(words):
        return Meaning.OVERLONG
    if fault.status == 500:
        return None
    if fault.status == 413 or _TOO_MUCH.search(words):
        return Meaning.TOO_MUCH
    if _MODEL.search(words) or fault.parameter == "model":
        return Meaning.MODEL
    if fault.parameter and not _INPUT.match(fault.parameter):
        return Meaning.OTHER
    return Meaning.TEXTS


def error_of(fault: Fault, *, where: str, key: str | None, texts: Sequence[str] = ()) -> RagctlError:
    """The error that people see; it quotes the server, but neither the key nor a text.

    Args:
        where: provider, model and host.
        key: that was sent.
        texts: that were sent.
    """
    said = _said(fault, key, texts)
    match meaning_of(fault):
        case Meaning.KEY:
            return KeyRejected(
                f"the key is not accepted{said}" if key else f"a key is needed{said}",
                where=where,
                hint="see that the environment variable named by api_key_env holds a key that is valid "
                "for this server and may use this model",
            )
        case Meaning.MODEL:
            return UnknownModel(
                f"there is no such model{said}",
                where=where,
                hint="check the model's name, and that base_url, if it is set, ends where the API begins "
                "(mostly /v1)",
            )
        case Meaning.QUOTA:
            return ProviderError(
                f"the account's quota is used up{said}",
                where=where,
                hint="see the account's plan and billing; what has been embedded is kept",
            )
        case Meaning.OVERLONG:
            return OverlongInput(
                f"the text is longer than the model reads{said}",
                where=where,
                hint="make it shorter, or set the model's own limit: nothing is cut in silence",
            )
        case Meaning.TOO_MUCH:
            return TooMuchAtOnce(f"the request is larger than the server takes{said}", where=where)
        case Meaning.TEXTS:
            return RejectedText(f"the server refuses the text{said}", where=where)
        case Meaning.REDIRECT:
            return ProviderError(
                f"the server sends elsewhere{f', to {fault.location}' if fault.location else ''}"
                f" ({fault.status}); redirects are not followed",
                where=where,
                hint="set base_url to the address where the API itself is",
            )
        case Meaning.AGAIN if fault.status is None:
            return ProviderError(said.removeprefix(": ") or "there is no answer", where=where)
        case _:
            return ProviderError(f"the server answers with an error{said}", where=where)


def _said(fault: Fault, key: str | None, texts: Sequence[str]) -> str:
    words = masked(fault.message, key=key, texts=texts)
    status = f" ({fault.status})" if fault.status is not None else ""
    return f"{status}: {words}" if words else status
