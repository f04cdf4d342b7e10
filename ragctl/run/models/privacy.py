"""Sensitive text goes to no model outside the allowed hosts: looked at before the first byte is sent."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import TYPE_CHECKING, Any

from ragctl.errors import PrivacyRefused
from ragctl.ports import Metered
from ragctl.selection.privacy import is_sensitive, may_be_sent
from ragctl.types import Document, Hit, Metadata

if TYPE_CHECKING:
    from ragctl.run.composition import Composition
    from ragctl.spec.selection_settings import SelectionCriteria

LABEL = "sensitivity"
"""The metadata of a document that says whether it is sensitive, from its front matter or a record's field."""


class PrivacyGate:
    """What may be sent where, by what spec, sources, documents and whoever asks say of it.

    Each check is made on the endpoint that the model itself names, and raises before anything is sent.

    Args:
        question_is_sensitive: whoever asks has said so.
    """

    def __init__(self, composition: Composition, *, question_is_sensitive: bool = False) -> None:
        criteria = composition.spec.embed.selection_criteria
        self._composition = composition
        self._spec = criteria.privacy_sensitive
        self._allowed = criteria.allowed_hosts
        self._sources = {source.name: source.sensitivity for source in composition.spec.sources}
        self._question = "sensitive" if question_is_sensitive else None
        self._key = "embed.selection_criteria"

    def beside(self, criteria: SelectionCriteria, key: str) -> PrivacyGate:
        """The same for the model of another section, with what that section says besides.

        Args:
            key: where the criteria stand, such as `ask.answer.selection_criteria`.
        """
        made = copy(self)
        made._spec = self._spec or criteria.privacy_sensitive
        made._allowed = (*self._allowed, *criteria.allowed_hosts)
        made._key = key
        return made

    def sources(self, model: Metered) -> None:
        """For an embedder, before any source is read.

        Raises:
            PrivacyRefused: all of the spec's text, or a source's, is sensitive and may not go there.
        """
        if not self._may(model, is_sensitive(spec=self._spec)):
            raise self._refused("the text of this spec", model, "embed.selection_criteria.privacy_sensitive")
        for number, (name, level) in enumerate(self._sources.items()):
            if not self._may(model, is_sensitive(source=level)):
                raise self._refused(f"the source {name!r}", model, f"sources.{number}.sensitivity")

    def document(self, document: Document, model: Metered) -> None:
        """Before anything of it is embedded.

        Raises:
            PrivacyRefused: it is sensitive, and may not go there.
        """
        if not self._may(model, self._is_sensitive(document.source, document.metadata)):
            raise self._refused(f"the document {document.source}:{document.path}", model)

    def question(self, model: Metered) -> None:
        """Before the question, or what was made of it, goes to a model.

        Raises:
            PrivacyRefused: it is sensitive, and may not go there.
        """
        if not self._may(model, is_sensitive(spec=self._spec, question=self._question)):
            raise self._refused("the question", model)

    def passages(self, hits: Iterable[Hit], model: Metered) -> None:
        """Before passages go to a model together with the question.

        Raises:
            PrivacyRefused: one of them is sensitive, and may not go there, or the question may not.
        """
        self.question(model)
        for hit in hits:
            if not self.may_read(hit, model):
                raise self._refused(f"a passage of {hit.source}:{hit.document}", model)

    def may_read(self, hit: Hit, model: Metered) -> bool:
        """May a passage, or words of it, go to a model?"""
        return self._may(model, self.is_sensitive(hit))

    def may_read_values(self, level: str | None, model: Metered) -> bool:
        """May values of a database go to a model? `level`: what the spec says of it, `ask.sensitivity`."""
        sensitive = is_sensitive(spec=self._spec, source=level, question=self._question)
        return self._may(model, sensitive)

    def is_sensitive(self, hit: Hit) -> bool:
        """Is a passage sensitive, at any of the places where it stands?"""
        places = [(hit.source, hit.metadata), *((one["source"], {}) for one in hit.duplicates)]
        return any(self._is_sensitive(*place) for place in places)

    @property
    def question_is_sensitive(self) -> bool:
        return is_sensitive(spec=self._spec, question=self._question)

    def _is_sensitive(self, source: str, metadata: Metadata) -> bool:
        label: Any = metadata.get(LABEL)
        document = None if label is None else str(label)
        return is_sensitive(
            spec=self._spec, source=self._sources.get(source), document=document, question=self._question
        )

    def _may(self, model: Metered, sensitive: bool) -> bool:
        return may_be_sent(sensitive=sensitive, endpoint=model.endpoint, allowed_hosts=self._allowed)

    def _refused(self, what: str, model: Metered, key: str | None = None) -> PrivacyRefused:
        loaded = self._composition.loaded
        return PrivacyRefused(
            f"{what} is sensitive, and the model is at {model.endpoint}; nothing of it was sent there",
            where=loaded.where(key or self._key),
            hint="a model in this process or on this machine may read it; if that host may, too, name it in "
            f"{self._key}.allowed_hosts",
        )
