"""The tree of errors and their exit codes. Standard library only.

Every error that a user can meet is a `RagctlError`: it says what happened
(`message`), where (`where`: file:line:column, a document, a stage) and what to do
(`hint`). Anything else that reaches the command line is a bug in ragctl, exit code 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the process's exit status means; the same table stands in docs/exit-codes.md."""

    DONE = 0
    BUG = 1
    WRONG_CALL = 2
    TOO_MANY_FAILURES = 3
    REFUSED = 4
    MISMATCH = 5
    UNAVAILABLE = 6
    GATE_NOT_MET = 7
    CHANGES_PENDING = 10
    INTERRUPTED = 130
    TERMINATED = 143


class RagctlError(Exception):
    """Base of every error that ragctl raises on purpose.

    Args:
        message: one sentence: what happened.
        where: the place: `specs/docs.yaml:12:9`, a document, a stage; None if nowhere in particular.
        hint: what to do about it; None if there is nothing to do.
    """

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[ExitCode] = ExitCode.BUG
    may_pass: ClassVar[bool] = False
    """It is of the world around and may be gone the next time: a task of a DAG is tried again."""

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message

    def as_json(self) -> dict[str, object]:
        """The object that `--format json` prints under the key `error`."""
        return {
            "code": int(self.exit_code),
            "kind": self.kind,
            "message": self.message,
            "where": self.where,
            "hint": self.hint,
        }


class UsageError(RagctlError):
    """The call is wrong: an unknown document, an unreadable file, options that exclude each other."""

    kind = "usage"
    exit_code = ExitCode.WRONG_CALL


class SpecError(RagctlError):
    """The spec is wrong. `mistakes` holds every mistake found, each with its place."""

    kind = "spec"
    exit_code = ExitCode.WRONG_CALL

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        mistakes: Sequence[str] = (),
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.mistakes = tuple(mistakes)

    def __str__(self) -> str:
        return "\n".join(self.mistakes) if self.mistakes else super().__str__()

    def as_json(self) -> dict[str, object]:
        return {**super().as_json(), "mistakes": list(self.mistakes)}


class UnknownModel(UsageError):
    """A provider has no model of that name."""

    kind = "unknown_model"


class TooManyFailures(RagctlError):
    """The run finished, but more documents or questions failed than the spec allows."""

    kind = "failures"
    exit_code = ExitCode.TOO_MANY_FAILURES


class IncompleteIngest(TooManyFailures):
    """The same in Airflow. `report` is the JSON document of `ragctl ingest`, or of an experiment."""

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        report: Mapping[str, object],
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.report = report


class GuardRefused(RagctlError):
    """A guard refused before anything was written."""

    kind = "refused"
    exit_code = ExitCode.REFUSED


class DeletionRefused(GuardRefused):
    """More documents would be deleted than the deletion guard lets go without being told."""

    kind = "deletion_refused"


class ListingFailed(GuardRefused):
    """A source could not be listed, so nothing is known about what is gone from it."""

    kind = "listing_failed"


class RunInProgress(GuardRefused):
    """Another run is writing to the same index."""

    kind = "run_in_progress"
    may_pass = True


class PlanOvertaken(GuardRefused):
    """A plan is not what an ingest would do now: spec, sources or index have changed since."""

    kind = "plan_overtaken"


class RollbackUndone(GuardRefused):
    """An ingest would undo a rollback without having been told to."""

    kind = "rollback_undone"


class OverBudget(GuardRefused):
    """It would cost more than it may."""

    kind = "over_budget"


class PrivacyRefused(GuardRefused):
    """Sensitive text would be sent to a host that the spec does not allow."""

    kind = "privacy"


class NoOptionPasses(GuardRefused):
    """None of the models to choose from meets the criteria."""

    kind = "no_option"


class LeaseLost(GuardRefused):
    """The run no longer holds the index: another one took over, or it was abandoned."""

    kind = "lease_lost"


class Mismatch(RagctlError):
    """Index, state and spec do not fit one another."""

    kind = "mismatch"
    exit_code = ExitCode.MISMATCH


class LockBroken(Mismatch):
    """The lock file beside the spec cannot be read, or is another spec's."""

    kind = "lock_broken"


class Drift(Mismatch):
    """Something is not what it was pinned to be. `moved` holds (what, was, is) of each thing."""

    kind = "drift"

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        moved: Sequence[tuple[str, object, object]] = (),
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.moved = tuple(moved)

    def as_json(self) -> dict[str, object]:
        moved = [{"what": what, "was": was, "is": now} for what, was, now in self.moved]
        return {**super().as_json(), "moved": moved}


class LockDrift(Drift):
    """What the lock pins is not what would be used now."""

    kind = "lock_drift"


class NothingPublished(Mismatch):
    """The index has no published generation yet: there is nothing to query."""

    kind = "nothing_published"


class StateLost(Mismatch):
    """The index is there, and the state knows nothing of it: to go on would be to pay for it again."""

    kind = "state_lost"


class ExportDrift(Drift):
    """An exported DAG is not what its spec gives now."""

    kind = "export_drift"


class Unavailable(RagctlError):
    """A store or provider cannot be reached."""

    kind = "unavailable"
    exit_code = ExitCode.UNAVAILABLE
    may_pass = True


class StoreRefused(Unavailable):
    """A store does not let this user in, or not do what was to be done."""

    kind = "store_refused"
    may_pass = False


class MissingPackage(Unavailable):
    """A package or a model is not installed; the hint is the install line."""

    kind = "missing_package"
    may_pass = False


class ProviderError(Unavailable):
    """A provider answered with an error, or not at all, however often it was asked."""

    kind = "provider"


class KeyRejected(Unavailable):
    """A provider does not take the key, or the key may not use the model."""

    kind = "key_rejected"
    may_pass = False


class WrongVectors(Unavailable):
    """A provider returned vectors of a wrong number or size, or with NaN or nothing in them."""

    kind = "wrong_vectors"
    may_pass = False


class GateNotMet(RagctlError):
    """An evaluation gate was not met."""

    kind = "gate"
    exit_code = ExitCode.GATE_NOT_MET


class DocumentError(RagctlError):
    """One document could not be processed; the others go on.

    `retryable` says whether the same bytes and the same reader may do better next time.
    """

    kind = "document"
    exit_code = ExitCode.TOO_MANY_FAILURES
    retryable: ClassVar[bool] = False


class UnreadableDocument(DocumentError):
    """The bytes could not be had: removed while reading, no permission, an I/O error."""

    kind = "unreadable"
    retryable = True


class TooLarge(DocumentError):
    """It is larger than the spec allows. Looked at again on every run, as that takes no reading."""

    kind = "too_large"
    retryable = True


class MalformedDocument(DocumentError):
    """The bytes are not what their type says, or no text can be made of them."""

    kind = "malformed"


class ReaderStopped(DocumentError):
    """Reading it took more time, memory or output than the spec allows."""

    kind = "limit"


class ReaderCrashed(DocumentError):
    """The reader's process ended while it read the document, or raised what no reader may."""

    kind = "crashed"


class UnidentifiedDocument(DocumentError):
    """Part of a source that cannot be read so far as to say which document it is.

    It may be any of those that are not listed any more, so while it is there none of its source's
    documents is taken for gone.
    """

    kind = "unidentified"
    retryable = True


class EmptyDocument(DocumentError):
    """The document has no text. An old version of it, if there is one, stays."""

    kind = "empty"


class OverlongInput(DocumentError):
    """A chunk cannot be made small enough for the embedder's limit."""

    kind = "overlong"


class RejectedText(DocumentError):
    """A provider took the other texts of a request and not this one, for a reason of its own."""

    kind = "rejected_text"


class RejectedInputs(DocumentError):
    """Some texts of many have no vector, the others have theirs. `refused`: position → why."""

    kind = "rejected_text"

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        refused: Mapping[int, DocumentError],
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.refused = dict(refused)
