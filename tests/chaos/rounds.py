"""Ingests that are killed at random moments, a clean one, and the comparison with an undisturbed one."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from chaos import moments, victims
from chaos.contents import contents, differences, inconsistencies
from chaos.corpus import HOLLOW, Corpus
from chaos.journalled import Strike

from ragctl.embedded.server import EmbeddedServer

NAME = "corpus"
TESTS = Path(__file__).resolve().parents[1]
RECIPES: tuple[dict[str, int], ...] = (
    {},
    {"max_tokens": 128, "overlap": 0},
    {"max_tokens": 160, "overlap": 16},
)
# Share of rounds before which documents change.
CHANGES = 0.85
HANGS_S = 180.0
NOBODY = "nobody"
ALLOWED = {
    NOBODY: (0,),
    victims.RAGCTL: (-9, 0),  # it may just have ended
    victims.SERVER: (0, 6),  # it may have had no need of the server any more
    victims.SESSION: (0, 6),
}


@dataclass(slots=True)
class Summary:
    """What came of it.

    Attributes:
        killed: rounds by victim; `nobody` where the run ended before its moment came.
        reached: the last event of the journal at the kill.
        embedded: vectors that the model returned in all runs, and `distinct` inputs among them.
        differences: to the undisturbed ingest, within the index, or in how a run ended; a line each.
    """

    rounds: int = 0
    killed: Counter[str] = field(default_factory=Counter)
    reached: Counter[str] = field(default_factory=Counter)
    recipes: int = 0
    embedded: int = 0
    distinct: int = 0
    chunks: int = 0
    seconds: float = 0.0
    differences: list[str] = field(default_factory=list)

    def text(self) -> str:
        twice = self.embedded - self.distinct
        share = 100 * twice / self.distinct if self.distinct else 0.0
        return "\n".join(
            [
                f"rounds              {self.rounds}, with {self.recipes} changes of recipe, "
                f"in {self.seconds:.0f} s",
                f"killed              {_counted(self.killed)}",
                f"how far runs came   {_counted(self.reached)}",
                f"vectors             {self.embedded} from the model, {self.distinct} distinct inputs: "
                f"{twice} paid twice ({share:.1f} %)",
                f"chunks in the end   {self.chunks}",
                f"differences         {len(self.differences)}",
                *(f"  {line}" for line in self.differences[:20]),
            ]
        )


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counter.most_common())


class CleanRunFailed(Exception):
    """A run that nobody disturbed did not end as it should."""


class Chaos:
    """Rounds of ingests of a changing corpus in `base`, a folder that other users can enter.

    Args:
        documents: in the corpus, about.
        recipe_every: the recipe changes in every so many rounds, on average.
        look_every: the index is looked at, half-done as it is, after every so many rounds on average,
            besides those whose kill came in the midst of a change.
    """

    def __init__(
        self, base: Path, *, seed: int, documents: int, recipe_every: float = 12, look_every: float = 4
    ) -> None:
        self._disturbed, self._undisturbed = base / "disturbed", base / "undisturbed"
        self._journals = base / "journals"
        for folder in (self._disturbed, self._undisturbed, self._journals):
            folder.mkdir()
        self._chance = random.Random(seed)
        self._corpus = Corpus(self._disturbed / NAME, documents, self._chance)
        self._recipe_every, self._look_every = recipe_every, look_every
        self._recipe = 0
        self._update, self._build = moments.Expected(), moments.Expected()
        self.summary = Summary()

    def run(self, rounds: int, told: Callable[[str], None] = lambda line: None) -> Summary:
        """All rounds, then the clean run and the comparison. Servers are stopped at the end."""
        started = time.monotonic()
        try:
            self._spec(self._disturbed)
            for number in range(1, rounds + 1):
                told(f"round {number}: {self._round(first=number == 1)}")
            try:
                self._compare()
            except CleanRunFailed as error:
                self.summary.differences.append(str(error))
        finally:
            for base in (self._disturbed, self._undisturbed):
                EmbeddedServer(base / ".ragctl").stop()
        self._count_vectors()
        self.summary.seconds = time.monotonic() - started
        return self.summary

    def _spec(self, base: Path) -> Path:
        path = base / "corpus.yaml"
        source = {"type": "directory", "path": NAME, "name": "docs"}
        spec = {"name": NAME, "sources": [source], "max_failures": 1, "chunk": RECIPES[self._recipe]}
        path.write_text(json.dumps(spec), encoding="utf-8")
        return path

    def _round(self, *, first: bool) -> str:
        self.summary.rounds += 1
        expected = self._build if first else self._update
        if not first and self._chance.random() < CHANGES:
            self._corpus.change()
        if not first and self._chance.random() * self._recipe_every < 1:
            self._recipe = (self._recipe + self._chance.randint(1, 2)) % len(RECIPES)
            self._spec(self._disturbed)
            self.summary.recipes += 1
            expected = self._build
        name = f"{self.summary.rounds:04}"
        victim, reached, code = self._disturbed_run(name, expected)
        if reached in moments.IN_THE_MIDST or self._chance.random() * self._look_every < 1:
            with EmbeddedServer(self._disturbed / ".ragctl").connect() as connection:
                found = list(inconsistencies(connection, NAME, ended=False))
            self.summary.differences += [f"round {name}, {victim} killed: {line}" for line in found]
        return f"{victim} killed after {reached}, exit code {code}"

    def _disturbed_run(self, name: str, expected: moments.Expected) -> tuple[str, str, int]:
        """Who was killed, after which event, and the exit code of the run."""
        victim = victims.choose(self._chance)
        moment = expected.moment(self._chance)
        process, journal = self._start(self._disturbed, name, strike=self._strike(moment, victim))
        began = moments.wait_for_begin(process, journal)
        if moment.wait(process, journal, most=HANGS_S):
            victim = self._kill(victim, process)
            seconds, reached = None, moments.events(journal)
        else:
            seconds = time.monotonic() - began
            struck, reached = moments.struck(journal)
            victim = struck or NOBODY
        code, errors = self._end(process)
        expected.learn(moments.events(journal), seconds if victim == NOBODY else None)
        self.summary.killed[victim] += 1
        last = reached[-1] if reached else "nothing"
        if victim != NOBODY:
            self.summary.reached[last] += 1
        if code not in ALLOWED[victim] or "Traceback" in errors:
            self.summary.differences.append(f"round {name}, {victim} killed: exit code {code}: {errors}")
        return victim, last, code

    def _strike(self, moment: moments.Moment, victim: str) -> Strike | None:
        """What the run itself is to do at an event."""
        if moment.event is None:
            return None
        return Strike(moment.event, moment.number, moment.seconds, victim, str(self._disturbed))

    def _kill(self, victim: str, process: subprocess.Popen[str]) -> str:
        """From outside; who it was in the end."""
        pid = victims.find(victim, self._disturbed, self._chance)
        if pid is None:
            process.kill()
            return victims.RAGCTL
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.kill(pid, signal.SIGKILL)
        return victim

    def _start(
        self, base: Path, name: str, strike: Strike | None = None
    ) -> tuple[subprocess.Popen[str], Path]:
        journal = self._journals / name
        arguments = ["ingest", str(base / "corpus.yaml"), "--format", "json", "--allow-delete", "1000000"]
        order = json.dumps(asdict(strike) if strike else None)
        process = subprocess.Popen(
            [sys.executable, "-m", "chaos.journalled", str(journal), order, *arguments],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        return process, journal

    def _end(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        try:
            _, errors = process.communicate(timeout=HANGS_S)
        except subprocess.TimeoutExpired:
            process.kill()
            _, errors = process.communicate()
            return 1, f"it hung: {errors}"
        return process.returncode, errors

    def _clean_run(self, base: Path, name: str) -> Any:
        process, _ = self._start(base, name)
        out, errors = process.communicate(timeout=600)
        if process.returncode != 0:
            raise CleanRunFailed(f"the clean run {name} ended with {process.returncode}: {errors}")
        report = json.loads(out)
        failed = [one["document"] for one in report["failures"]]
        if failed != [HOLLOW] or not report["published"]:
            raise CleanRunFailed(f"the clean run {name}: {report}")
        return report

    def _compare(self) -> None:
        found = self.summary.differences
        self._clean_run(self._disturbed, "clean")
        self._spec(self._undisturbed)
        shutil.copytree(self._disturbed / NAME, self._undisturbed / NAME)
        self._clean_run(self._undisturbed, "undisturbed")
        with EmbeddedServer(self._undisturbed / ".ragctl").connect() as connection:
            expected = contents(connection, NAME)
        with EmbeddedServer(self._disturbed / ".ragctl").connect() as connection:
            held = contents(connection, NAME)
            found += [f"afterwards: {line}" for line in inconsistencies(connection, NAME)]
        found += differences(held, expected)
        self.summary.chunks = len(held.chunks)
        again = self._clean_run(self._disturbed, "again")["counts"]
        if again["embedded"] or again["chunks"] or again["deleted"]:
            found.append(f"a run after the clean one still had something to do: {again}")

    def _count_vectors(self) -> None:
        """What the model returned for the disturbed index; the undisturbed one is another's bill."""
        hashes: list[str] = []
        for journal in sorted(self._journals.iterdir()):
            if journal.name == "undisturbed":
                continue
            for line in journal.read_text(encoding="utf-8").split("\n")[:-1]:
                event, *words = line.split(" ")
                if event == "embedded":
                    hashes += words
        self.summary.embedded, self.summary.distinct = len(hashes), len(set(hashes))
