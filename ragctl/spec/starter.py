"""The spec that `ragctl init` writes: short, commented, valid."""

from __future__ import annotations

import re
from pathlib import Path

from ragctl.errors import UsageError
from ragctl.spec.defaults import default_source_name
from ragctl.spec.mistakes import Place, shown
from ragctl.spec.names import NAME, WHAT_FITS, slug
from ragctl.spec.scalars import Refused, scalar
from ragctl.spec.yaml_nodes import ScalarNode

_TEMPLATE = """\
# A ragctl spec: what to read, and how to make it searchable.
#   ragctl check SPEC     says what is wrong with it
#   ragctl ingest SPEC    reads, cuts, embeds and stores
#   ragctl ask SPEC "a question"

name: {name}

sources:
  - type: directory
    path: {path}  # relative to this file
{source_name}    # include: ["**/*.md", "**/*.html"]
    # exclude: ["**/drafts/**"]

# What follows are the defaults. Remove a # to change one.

# chunk:
#   max_tokens: 256  # as the model counts; all-MiniLM-L6-v2 reads no more
#   overlap: 32

# embed: {{provider: local, model: all-MiniLM-L6-v2}}  # on this machine, no key

# store: {{type: pgvector}}  # ragctl's own server; with dsn_env: NAME, yours

# ask:
#   query: {{k: 50}}
#   rank: {{top_n: 8}}

# max_failures: 0  # documents that may fail before the exit code is 3
"""

_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./-]*")


def starter_spec(name: str, directory: str) -> str:
    """A spec of one directory, in block style, every default shown as a comment.

    Args:
        name: the pipeline's name; `ragctl.spec.names.slug` makes one of any text.
        directory: the source's path, relative to where the spec will lie, or absolute.

    Raises:
        UsageError: the name is none, or a spec cannot hold the path.
    """
    if not re.fullmatch(NAME, name):
        reason = f"{shown(name)} cannot be a spec's name: it takes {WHAT_FITS[NAME]}"
        raise UsageError(reason, hint=f"try '{slug(name)}'")
    path = f"./{directory}" if directory.startswith("~") else directory
    if not path.strip():
        raise UsageError("a source needs a directory", hint="write . for the folder that the spec is in")
    if re.search(r"\$\{|^\$|[\0\ud800-\udfff]", path):
        raise UsageError(
            f"a spec cannot hold the path {shown(path)}", hint="rename the directory, or link to it"
        )
    nameless = not default_source_name(path, Path.cwd())  # a path without a last part, such as /
    source_name = f"    name: {quoted(name)}\n" if nameless else ""
    return _TEMPLATE.format(name=quoted(name), path=quoted(path), source_name=source_name)


def quoted(text: str) -> str:
    """The text as a YAML value on one line: plain where that is safe, else in double quotes."""
    if _PLAIN.fullmatch(text) and _reads_as_itself(text):
        return text
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _reads_as_itself(text: str) -> bool:
    try:
        return scalar(ScalarNode(text, plain=True, tag=None, place=Place(0, 0, 0, ""))) == text
    except Refused:
        return False


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
