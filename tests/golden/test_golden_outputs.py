"""A change of what a reader or the splitter puts out must come with a new `output_version`.

Otherwise the recipe stays the same, and an index would mix what the old code made with the new.
"""

from __future__ import annotations

import pytest
from golden.outputs import Outputs, expected, outputs

from ragctl.providers.local.model_files import find_files, known_model
from ragctl.providers.local.tokenizer import LocalTokenizer
from ragctl.readers.auto import reader_versions
from ragctl.splitters.auto import AutoSplitter

NOT_PINNED = {
    "outlook": "nothing here writes such files; tests/readers/test_outlook_reader.py reads real ones",
    "legacy_office": "what LibreOffice makes of a file is not ours",
    "ocr": "what tesseract reads is not ours",
    "archive": "its members' readers make the documents",
    "encrypted_office": "it makes no document",
    "unstructured": "what Unstructured makes is not ours",
}
MAKERS = [
    *(f"{name}@{version}" for name, version in reader_versions().items() if name not in NOT_PINNED),
    f"auto-splitter@{AutoSplitter.output_version}",
]


@pytest.fixture(scope="module")
def made() -> Outputs:
    return outputs(LocalTokenizer(find_files(known_model("all-MiniLM-L6-v2"))))


@pytest.mark.parametrize("maker", MAKERS)
def test_output_is_what_its_version_says(made: Outputs, maker: str) -> None:
    pinned = expected().get(maker)
    assert pinned is not None, f"{maker} is new: pin it with `python tests/golden/outputs.py`"
    now = made[maker]
    differing = sorted(name for name in pinned.keys() | now.keys() if pinned.get(name) != now.get(name))
    assert not differing, (
        f"the output of {maker} has changed for {', '.join(differing)}: if that is meant, raise its "
        "output_version and pin the new output with `python tests/golden/outputs.py`"
    )
