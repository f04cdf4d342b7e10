"""What the stages and the runner need from the world: Protocols of a few methods each.

Adapters implement them without importing one another; `registry` knows them by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, BinaryIO, Protocol, runtime_checkable

from ragctl.conditions import Condition
from ragctl.types import (
    ChunkedDocument,
    Document,
    EmbeddedBatch,
    EmbeddedDocument,
    Failure,
    Hit,
    Item,
    Message,
    Reply,
    Usage,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]
    Offsets = NDArray[np.int64]


@runtime_checkable
class Source(Protocol):
    """A named place to list items from."""

    @property
    def name(self) -> str: ...

    def items(self) -> Iterator[Item | Failure]:
        """Every item, in a stable order, without reading any.

        A single item that cannot be listed is a `Failure`.

        Raises:
            ListingFailed: the listing as a whole is not to be trusted.
        """
        ...

    def open(self, item: Item) -> AbstractContextManager[BinaryIO]:
        """The item's bytes.

        Raises:
            UnreadableDocument: they cannot be had.
        """
        ...


class Reader(Protocol):
    """Makes documents of an item's bytes."""

    @property
    def name(self) -> str: ...

    @property
    def output_version(self) -> int:
        """Raised by hand when the same bytes give another text or structure; part of the recipe."""
        ...

    def read(self, item: Item, data: bytes) -> Iterator[Document]:
        """The documents of one item; mostly one.

        Raises:
            MalformedDocument: the bytes are not what they should be.
        """
        ...


class Tokenizer(Protocol):
    """Counts as an embedder counts."""

    @property
    def special_tokens(self) -> int:
        """Tokens that the model adds to every input."""
        ...

    def token_starts(self, text: str) -> Offsets:
        """Offset in `text` of each token's first character, ascending; no special tokens, no limit."""
        ...

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text as the model would read it, special tokens included, never truncated."""
        ...


@runtime_checkable
class WordByWord(Protocol):
    """A tokenizer of texts whose tokens are those of their words, one word after the other."""

    def word_by_word(self, text: str) -> bool:
        """Has any stretch of `text` that begins and ends at a space, a tab, a newline or an end of the text
        the tokens that `token_starts` places in it, whatever other such text stands around it?"""
        ...


class Splitter(Protocol):
    """Cuts a document into chunks."""

    @property
    def output_version(self) -> int:
        """Raised by hand when the same document gives other chunks; part of the recipe."""
        ...

    def split(self, document: Document) -> ChunkedDocument:
        """Spans in order whose union covers all text but white space.

        Raises:
            OverlongInput: an embed input cannot be made to fit.
        """
        ...


class QueryEmbedder(Protocol):
    """Turns questions into vectors of unit length."""

    def embed_queries(self, questions: Sequence[str]) -> Vectors:
        """Shape (questions, dimension), in order, one row a question.

        Raises:
            OverlongInput: a question is longer than the model reads.
        """
        ...


class PreparedForQuestions(Protocol):
    """What can begin before there is a question."""

    def prepare_questions(self) -> None:
        """Begins, in the background, what the first question needs; does nothing where nothing takes time."""
        ...


class PassageEmbedder(Protocol):
    """Turns embed inputs into vectors of unit length."""

    @property
    def identity(self) -> str:
        """Equal identities give equal vectors within rounding: model, revision, pooling, prefixes."""
        ...

    @property
    def dimension(self) -> int: ...

    def embed(self, inputs: Sequence[str]) -> Iterator[EmbeddedBatch]:
        """Vectors for passages, batch by batch in any order; each position exactly once."""
        ...


class Metered(Protocol):
    """A model, wherever it runs."""

    @property
    def endpoint(self) -> str | None:
        """Host that text is sent to, with a port that is not the scheme's own; None: it stays here."""
        ...

    @property
    def usage(self) -> Usage:
        """All that was asked of it by this object."""
        ...


class Embedder(QueryEmbedder, PreparedForQuestions, PassageEmbedder, Metered, Protocol):
    """A model for passages and questions."""

    @property
    def tokenizer(self) -> Tokenizer:
        """Counts as this embedder counts; to be had without loading the model."""
        ...

    @property
    def max_tokens(self) -> int:
        """The longest input that the model reads whole, special tokens included."""
        ...

    @property
    def provenance(self) -> Mapping[str, str | int | bool]:
        """What the vectors come from, for the spec's lock: provider, model, revision, digests.

        To be had without loading the model or asking a server; no secret, no place of this machine.
        """
        ...

    @property
    def languages(self) -> frozenset[str] | None:
        """Languages that the model reads, as `chunk.language` names them; None if that is not known."""
        ...

    @property
    def usd_per_million_tokens(self) -> float | None:
        """Price in US dollars; 0 if it costs nothing, None if the price is not known."""
        ...


class Throttle(Protocol):
    """A provider's limits of requests and tokens a minute, shared by all workers of a run."""

    def acquire(self, *, tokens: int) -> float:
        """Waits until one more request, of so many tokens, may go; returns the seconds waited."""
        ...


class Spending(Protocol):
    """What a run may cost, shared by all of its workers: reserved before a request, settled after it."""

    def reserve(self, most_usd: float) -> int:
        """A number for `settle`.

        Raises:
            OverBudget: with it, the run might cost more than it may; the request is not to be sent.
        """
        ...

    def settle(self, reservation: int, usage: Usage) -> None:
        """What the request came to; with `cost_usd` 0 where it cost nothing."""
        ...


class Generator(Metered, Protocol):
    """A chat model."""

    @property
    def identity(self) -> str:
        """Provider, model and what else its replies depend on."""
        ...

    @property
    def provenance(self) -> Mapping[str, str | int | bool]:
        """What the replies come from; no secret, no place of this machine."""
        ...

    @property
    def context_tokens(self) -> int | None:
        """The most tokens that it reads and writes together; None if that is not known."""
        ...

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text as the model counts, or more; see `counts_exactly`."""
        ...

    @property
    def counts_exactly(self) -> bool:
        """Is `count` the model's own, or an upper bound?"""
        ...

    def generate(
        self,
        messages: Sequence[Message],
        *,
        as_json: bool = False,
        max_tokens: int | None = None,
        on_text: Callable[[str], None] | None = None,
        on_usage: Callable[[Usage], None] | None = None,
    ) -> Reply:
        """The model's reply.

        Args:
            as_json: have it write a JSON object, where the server can enforce that.
            max_tokens: the most that it may write.
            on_text: called with each piece of the reply as it comes.
            on_usage: told what each request came to, also of those that failed.

        Raises:
            OverlongInput: it is more than the model reads.
            Unavailable, UsageError, OverBudget: see `ragctl.errors`.
        """
        ...


class Reranker(Metered, Protocol):
    """A model that reads a question together with each passage."""

    @property
    def identity(self) -> str:
        """Equal identities give equal scores within rounding."""
        ...

    @property
    def provenance(self) -> Mapping[str, str | int | bool]:
        """What the scores come from; no secret, no place of this machine."""
        ...

    def score(
        self, question: str, passages: Sequence[str], *, on_truncated: Callable[[int], None]
    ) -> list[float]:
        """One score a passage, in order; more is better.

        Args:
            on_truncated: called with the position of each passage of which the model did not read the end.

        Raises:
            OverlongInput: the question leaves no room for a passage.
        """
        ...


class VectorCache(Protocol):
    """Vectors that some model returned before, by embedder identity and hash of the embed input."""

    def find(self, hashes: Iterable[bytes]) -> dict[bytes, Vectors]:
        """Those that are known, each of shape (dimension,)."""
        ...

    def keep(self, hashes: Sequence[bytes], vectors: Vectors) -> None:
        """Makes them durable before it returns."""
        ...


class VectorStore(Protocol):
    """One generation of an index: chunks with vectors, by document."""

    def replace(self, documents: Sequence[EmbeddedDocument]) -> None:
        """Each document's chunks are those given, and no others; readers see old or new, whole."""
        ...

    def delete(self, documents: Sequence[tuple[str, str]]) -> int:
        """Removes documents by (source, path); returns how many chunks went."""
        ...

    def at_one_moment(self) -> AbstractContextManager[None]:
        """Searches inside it see the index as it was at the first of them."""
        ...

    def search(self, vectors: Vectors, *, k: int, where: Sequence[Condition] = ()) -> list[list[Hit]]:
        """The k nearest chunks by cosine for each row of `vectors` (questions, dimension), best first.

        Args:
            where: what their documents must fulfil; k come back if so many do.
        """
        ...

    def search_text(
        self, questions: Sequence[str], *, k: int, where: Sequence[Condition] = ()
    ) -> list[list[Hit]]:
        """The k best chunks by BM25 for each question, best first; fewer where fewer share a word with it.

        Args:
            where: what their documents must fulfil. How rare words are is counted over all chunks.
        """
        ...
