"""The reference page of the spec, made from the model: docs/spec.md.

`python -m ragctl.spec.reference > docs/spec.md` brings the page up to date.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from ragctl.spec.example import example_text
from ragctl.spec.mistakes import KeyPath
from ragctl.spec.names import WHAT_FITS
from ragctl.spec.outline import (
    alternatives_at,
    annotation_at,
    bare,
    is_section,
    members,
    names_at,
    sections,
    several,
    tag_key,
)
from ragctl.spec.section import Section

_INTRODUCTION = """\
# The spec

<!-- Made from ragctl/spec/model.py by `python -m ragctl.spec.reference > docs/spec.md`. -->

A spec is one YAML file that describes a pipeline. The shortest one:

```yaml
name: docs
sources:
  - {type: directory, path: docs}
```

`ragctl init` writes one to begin with, `ragctl check SPEC` says what is wrong with one. Every mistake
is shown at once, as `file:line:column: key: what is wrong`, and the exit code is 2.

How it is read:

- Paths are relative to the directory that holds the spec file.
- A key that is not listed here is a mistake, and so is a key that is given twice. In the headings
  below, `[]` is any entry of a list, and `*` any name; `with` says of which kind an entry is.
- Secrets never stand in a spec: keys that end in `_env` take the *name* of an environment variable.
- Nothing expands variables: `${NAME}` and `~` in a value are mistakes.
- YAML has versions that disagree. What they read differently must be quoted or written another way:
  `yes`, `no`, `on`, `off`, `0256`, `0x10`, `1_000`, `12:30`, `2024-01-01`.
- The file is UTF-8, at most 1 MiB, and holds one document. Anchors, aliases and `<<` work.
- `--set a.b=value` replaces a value for one call, is YAML too, and is validated like the file;
  numbers name the entries of a list, from 0: `--set sources.0.path=docs`.

For completion and checks in an editor, put this in the first line, with the path to
`configs/ragctl.schema.json`:

```yaml
# yaml-language-server: $schema=ragctl.schema.json
```
"""

_OUTSIDE_RECIPE = """\
## What makes a new generation

`extract`, `chunk` and `embed` settings decide which chunks and vectors a document gives; together with
the versions of the parts that carry them out they are the *recipe*. Another recipe builds a new generation
of the index. Everything else can change without one, `extract.max_bytes` and all of `airflow` included.
"""


def reference_text() -> str:
    """The page's content."""
    parts = [_INTRODUCTION]
    for where, section in sections():
        parts.append(_section(where, section))
    parts += [_OUTSIDE_RECIPE, f"## Every key at once\n\n```yaml\n{example_text()}```\n"]
    return "\n".join(parts)


def _section(where: str, section: type[Section]) -> str:
    summary = " ".join((section.__doc__ or "").split()) + _any_name(where)
    rows = [
        f"| `{key}` | {_type(field)} | {_default(field)} | {_meaning(field)} |"
        for key, field in section.model_fields.items()
    ]
    table = ["| key | type | default | meaning |", "| --- | --- | --- | --- |", *rows]
    return f"## {title_of(where, section)}\n\n{summary}\n\n" + "\n".join(table) + "\n"


def title_of(where: str, section: type[Section]) -> str:
    """The place; where one of several sections may stand, also what says that it is this one."""
    if not where:
        return "The top level"
    place = f"`{where.replace('.N', '[]')}`"
    path = tuple(0 if part == "N" else part for part in where.split("."))
    for number, (holder, found) in enumerate(_alternatives(path)):
        choices = members(found)
        tag = next((tag for tag, one in choices.items() if one is section), None)
        if tag is None and found is not section:
            continue
        if number > 0:  # another kind of what holds it has something else there
            place += f" (`{tag_key(members(annotation_at(path[:-1])).values())}: {holder}`)"
        return f"{place} with `{tag_key(choices.values())}: {tag}`" if tag else place
    return place


def _alternatives(path: KeyPath) -> list[tuple[str, Any]]:
    if isinstance(path[-1], int) or "*" in path:
        return [("", annotation_at(path))]
    return list(alternatives_at(path).items())


def _any_name(where: str) -> str:
    """What the * of a mapping's path stands for."""
    if not where.endswith(".*"):
        return ""
    path = tuple(0 if part == "N" else part for part in where.split(".")[:-1])
    if names := names_at(path):
        return f" `*` is one of {', '.join(f'`{name}`' for name in names)}."
    key, _ = get_args(annotation_at(path))
    patterns = [WHAT_FITS.get(getattr(one, "pattern", None) or "") for one in _constraints(key)]
    return f" `*` is {next(what for what in patterns if what)}."


def _meaning(field: FieldInfo) -> str:
    inner = bare(field.annotation)
    text = field.description or (inner.__doc__ if is_section(inner) else "") or ""
    return " ".join(text.split()).replace("|", "\\|")


def _default(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "default_is" in extra:
        return str(extra["default_is"])
    if field.is_required():
        return "**required**"
    if field.default is None:
        return "none"
    if isinstance(field.default, Section):
        return "see below"
    return f"`{json.dumps(field.default)}`"


def _type(field: FieldInfo) -> str:
    return _named(field.annotation, field.metadata)


def _named(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    found, origin = bare(annotation), get_origin(bare(annotation))
    if is_section(found) or members(found):
        return "mapping"
    if alternatives := several(found):
        return " or ".join(_named(one) for one in alternatives)
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(found))
    if origin is tuple:
        return f"list of {_plural(_named(get_args(found)[0]))}"
    if origin is dict:
        return "mapping of mappings" if is_section(bare(get_args(found)[1])) else "mapping"
    if found is bool:
        return "`true` or `false`"
    if found in (int, float):
        return _number(found, [*metadata, *_constraints(annotation)])
    return "text"


def _constraints(annotation: Any) -> Iterator[Any]:
    """What `Annotated` and `Field` say of a type, the alternative to None included."""
    if get_origin(annotation) is Annotated:
        inner, *said = get_args(annotation)
        for one in said:
            yield from one.metadata if isinstance(one, FieldInfo) else (one,)
        yield from _constraints(inner)
    elif bare(annotation) is not annotation:
        yield from _constraints(next(one for one in get_args(annotation) if one is not type(None)))


def _plural(name: str) -> str:
    return {"text": "texts", "mapping": "mappings"}.get(name, name)


def _number(kind: type, metadata: Iterable[Any]) -> str:
    limits = list(metadata)
    least = next((item.ge for item in limits if hasattr(item, "ge")), None)
    most = next((item.le for item in limits if hasattr(item, "le")), None)
    return f"{'whole number' if kind is int else 'number'}, {least} to {most}"


if __name__ == "__main__":
    sys.stdout.buffer.write(reference_text().encode("utf-8"))
