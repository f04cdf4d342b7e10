"""Unstructured's own `partition` on files named on standard input, for `reader_throughput.py`.

Runs in an environment of its own, which has nothing of ragctl. A line in: a path. A line out: JSON with
`seconds` and either `text` or `error`. Where spaCy's model is not installed, a blank pipeline stands in for
it, because Unstructured would download it; the text is the same.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def main() -> None:
    os.environ["DO_NOT_TRACK"] = "1"
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no reply
    partition: Any = import_module("unstructured.partition.auto").partition
    if find_spec("en_core_web_sm") is None:
        _put_blank_pipeline()
    for line in sys.stdin:
        replies.write(json.dumps(_partitioned(partition, line.rstrip("\n"))) + "\n")
        replies.flush()


def _put_blank_pipeline() -> None:
    spacy: Any = import_module("spacy")
    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    tokenize: Any = import_module("unstructured.nlp.tokenize")
    tokenize._load_spacy_model = lambda: pipeline


def _partitioned(partition: Any, path: str) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        elements = partition(filename=path, strategy="fast")
        text = "\n".join(str(element) for element in elements)
    except Exception as error:  # of any of its libraries
        said = f"{type(error).__name__}: {error}".partition("\n")[0][:160]
        return {"seconds": time.perf_counter() - began, "error": said}
    if not text.strip():
        return {"seconds": time.perf_counter() - began, "error": "no text"}
    return {"seconds": time.perf_counter() - began, "text": text}


if __name__ == "__main__":
    main()
