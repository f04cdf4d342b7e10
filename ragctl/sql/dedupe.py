"""dedupe: statements that say the same, folded into one candidate. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from ragctl.sql.dialects import exp, parse, render
from ragctl.sql.gate import pass_gate
from ragctl.sql.scopes import folded
from ragctl.sql.types import Candidate, Dialect, Draft, Fault, Schema, StatementFailed

_NOTHING = Fault("reply", "there was no SQL statement in the reply")


def fold(drafts: Sequence[Draft], schema: Schema, *, functions: Collection[str] = ()) -> list[Candidate]:
    """Candidates of all drafts but those that say there is no answer, in the drafts' order.

    Those whose statements differ in nothing but case, aliases of tables, brackets and the order of conditions
    are one, with the versions of all. What the gate refused, or has no statement, keeps its fault.
    """
    found: dict[str, Candidate] = {}
    for draft in drafts:
        if draft.cannot is not None:
            continue
        candidate = gated(draft, schema, functions=functions)
        key = candidate.sql if candidate.fault else _key(candidate.sql, schema.dialect)
        key = key or f"nothing, version {draft.version}"
        known = found.get(key)
        found[key] = candidate if known is None else replace(known, versions=(*known.versions, draft.version))
    return list(found.values())


def _key(sql: str, dialect: Dialect) -> str:
    try:
        return normal_form(sql, dialect)
    except RecursionError:  # hundreds of conditions: such a statement stands for itself
        return sql


def gated(draft: Draft, schema: Schema, *, functions: Collection[str] = ()) -> Candidate:
    """A draft's statement as it may be run, or with the reason why it may not."""
    if draft.sql is None:
        return Candidate("", (draft.version,), fault=draft.fault or _NOTHING)
    try:
        passed = pass_gate(draft.sql, schema, functions=functions)
    except StatementFailed as error:
        return Candidate(draft.sql, (draft.version,), fault=error.fault)
    return Candidate(passed.sql, (draft.version,), passed.tables, passed.sensitive)


def normal_form(sql: str, dialect: Dialect) -> str:
    """Equal for statements that say the same in nearly the same words."""
    tree = parse(sql, dialect)[0]
    aliases: dict[str, str] = {}
    for alias in tree.find_all(exp.TableAlias):
        aliases.setdefault(folded(alias.this, dialect), f"t{len(aliases)}")
    for node in list(tree.walk()):
        if isinstance(node, exp.Paren):
            if isinstance(node.this, exp.Column | exp.Literal | exp.Anonymous):
                node.replace(node.this)
        elif isinstance(node, exp.Anonymous):
            node.set("this", str(node.this).upper())
        elif isinstance(node, exp.Identifier):
            _rename(node, aliases, dialect)
    for node in list(tree.find_all(exp.And, exp.Or)):
        if not isinstance(node.parent, type(node)):
            parts = sorted(node.flatten(unnest=False), key=lambda part: render(part, dialect))
            node.replace(_joined(type(node), parts))
    return render(tree, dialect)


def _rename(node: exp.Identifier, aliases: dict[str, str], dialect: Dialect) -> None:
    name = folded(node, dialect)
    stands_for_table = isinstance(node.parent, exp.TableAlias) and node.arg_key == "this"
    stands_for_table |= isinstance(node.parent, exp.Column) and node.arg_key == "table"
    if stands_for_table and name in aliases:
        name = aliases[name]
    node.set("this", name)
    node.set("quoted", True)


def _joined(kind: type[exp.Expr], parts: Sequence[exp.Expr]) -> exp.Expr:
    made = parts[0].copy()
    for part in parts[1:]:
        made = kind(this=made, expression=part.copy())
    return made
