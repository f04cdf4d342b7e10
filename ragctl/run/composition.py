"""The adapters that a spec names, each made when it is first asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ragctl.ports import Embedder, Reranker, Source, Splitter
from ragctl.registry import adapter_class
from ragctl.run.connections import Connections
from ragctl.run.models.budget import RunBudget
from ragctl.run.models.maker import ModelMaker
from ragctl.run.models.pinning import pinned_commit, refuse_long_chunks
from ragctl.run.sources import make_sources
from ragctl.state.generations import Generation, Generations, every_generation
from ragctl.state.vector_cache import PostgresVectorCache

if TYPE_CHECKING:
    from psycopg import Connection

    from ragctl.run.ingesting.document_readers import DocumentReaders
    from ragctl.run.models.choice import Choice
    from ragctl.run.stores.faces import GenerationStore, GenerationSurvey
    from ragctl.spec.embed_settings import GivenEmbedder
    from ragctl.spec.load import LoadedSpec
    from ragctl.spec.recipe import Recipe


class Composition(Connections):
    """Sources, splitter, embedder, recipe and database of one spec. Close it, or use it in a `with`.

    Args:
        environment: where the spec's names of environment variables are looked up; the process's own
            environment if None.
        reselect: with `provider: auto`, choose anew, whatever the lock pins.
        generation: number of the generation that is asked instead of the active one.

    Attributes:
        tell: told of what goes on while models are asked, such as requests that are repeated.
        budget: what paid requests are reserved from.
    """

    def __init__(
        self,
        loaded: LoadedSpec,
        environment: Mapping[str, str] | None = None,
        *,
        reselect: bool = False,
        generation: int | None = None,
    ) -> None:
        super().__init__(loaded, os.environ if environment is None else environment)
        self.reselect = reselect
        self._asked_generation = generation
        self.tell: Callable[[str], None] = lambda text: None
        self.budget = RunBudget(self.beside)

    def __enter__(self) -> Composition:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_waiting()
        if "document_readers" in self.__dict__:
            self.document_readers.close()
        self.close()

    def stop_waiting(self) -> None:
        """Ends the waiting of requests for their provider's limits; they are not sent."""
        if "models" in self.__dict__:
            self.models.close()

    @cached_property
    def sources(self) -> list[Source]:
        return make_sources(self.loaded, self.environment)

    @cached_property
    def choice(self) -> Choice:
        """Which embedder the spec comes to; made once, and then the same for all that is done with it.

        Raises:
            GuardRefused: no option of `provider: auto` meets the criteria.
            LockDrift: the option that the lock pins is not in the spec any more.
        """
        from ragctl.run.models.choice import choose_embedder

        return choose_embedder(self, reselect=self.reselect)

    @property
    def embed_settings(self) -> GivenEmbedder:
        """The spec's section `embed`; with `provider: auto`, that of the option that is pinned or chosen."""
        return self.choice.settings

    def _told(self, text: str) -> None:
        self.tell(text)  # whoever that is by then

    @cached_property
    def models(self) -> ModelMaker:
        return ModelMaker(
            self.loaded,
            self.environment,
            connect=self.beside,
            spending=self.budget,
            on_retry=self._told,
        )

    @cached_property
    def embedder(self) -> Embedder:
        """To be had without its key, as long as nothing is asked of it.

        Raises:
            SpecError: it reads fewer tokens than a chunk may have.
            UsageError, MissingPackage, Unavailable: the model cannot be had.
        """
        choice = self.choice
        revision = pinned_commit(self.loaded, choice.settings.model)
        made = self.models.embedder(choice.settings, choice.key, revision=revision)
        refuse_long_chunks(self.loaded, choice.settings.model, made.max_tokens)
        return made

    @cached_property
    def reranker(self) -> Reranker | None:
        """None where `ask.rank` names none, or has a chat model grade.

        Raises:
            UsageError, MissingPackage, Unavailable: the model, or its key, cannot be had.
        """
        settings = self.spec.document_ask.rank
        named = settings.provider not in ("none", "openai")
        return self.models.reranker(settings, "ask.rank") if named else None

    @cached_property
    def splitter(self) -> Splitter:
        settings = self.spec.chunk
        made: Splitter = adapter_class("splitter", settings.splitter)(
            self.embedder.tokenizer,
            max_tokens=settings.max_tokens,
            overlap=settings.overlap,
            min_tokens=settings.min_tokens,
            context=settings.context,
            language=settings.language,
            embedder_limit=self.embedder.max_tokens,
        )
        return made

    @cached_property
    def readers(self) -> dict[str, int]:
        """Name → `output_version` of the readers that are part of the recipe."""
        from ragctl.readers.auto import recipe_readers
        from ragctl.run.ingesting.document_readers import named_readers

        records = any(source.gives_records for source in self.spec.sources)
        return recipe_readers(records=records, named=named_readers(self.spec.extract))

    @cached_property
    def document_readers(self) -> DocumentReaders:
        """What reads items; its worker processes end with the composition."""
        from ragctl.run.ingesting.document_readers import DocumentReaders

        return DocumentReaders(self.spec.extract)

    @cached_property
    def recipe(self) -> Recipe:
        from ragctl.spec.recipe import make_recipe

        splitter = self.spec.chunk.splitter
        return make_recipe(
            self.spec,
            readers=self.readers,
            splitters={splitter: adapter_class("splitter", splitter).output_version},
            embedder=self.embedder.identity,
            embed=self.embed_settings,
        )

    def generations(self) -> Generations:
        return self.generations_on(self.connect())

    def store_of(self, generation: Generation, connection: Connection[Any] | None = None) -> GenerationStore:
        """A generation's store, on a connection of its own if one is given."""
        return self.stores.store_of(generation, self.connect() if connection is None else connection)

    def survey_of(self, generation: Generation) -> GenerationSurvey:
        """A generation's tables or collection, looked at as a whole."""
        return self.stores.survey_of(generation, self.connect())

    def vector_cache(self) -> PostgresVectorCache:
        """What is known of the embedder's vectors: those of every generation that it made, then the cache.

        This index's own generations are looked at first.
        """
        identity = self.embedder.identity
        made_by_it = [one for one in every_generation(self.connect()) if one.embedder == identity]
        made_by_it.sort(key=lambda one: one.index != self.index)
        connection = self.connect()
        return PostgresVectorCache(
            connection,
            identity,
            self.stores.chunk_tables(made_by_it, connection),
            self.stores.find_vectors(made_by_it, connection),
        )

    def active_generation(self) -> Generation:
        """The generation that is queried.

        Raises:
            NothingPublished: there is none.
        """
        self.connect_to_existing()
        if self._asked_generation is not None:
            every = self.generations().all()
            active = next((one for one in every if one.number == self._asked_generation), None)
        else:
            active = self.generations().active()
        if active is None:
            raise self.nothing_published()
        return active
