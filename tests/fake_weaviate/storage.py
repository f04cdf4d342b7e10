"""The fake's collections and objects, in memory."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

CLASS_NAME = re.compile(r"[A-Z][_0-9A-Za-z]{0,254}")
PROPERTY_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]{0,230}")


class Refused(Exception):
    """What the fake does not take; `status` is what it says over HTTP."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


@dataclass(slots=True)
class Stored:
    """An object: its id as 32 hexadecimal digits, its properties, its vector scaled to unit length."""

    id: str
    properties: dict[str, Any]
    vector: np.ndarray[Any, Any]


@dataclass(slots=True)
class Held:
    """A collection: its configuration as it was sent, and its objects by tenant ('' where it has none)."""

    config: dict[str, Any]
    tenants: dict[str, dict[str, Stored]] = field(default_factory=dict)

    @property
    def has_tenants(self) -> bool:
        return bool(self.config.get("multiTenancyConfig", {}).get("enabled"))

    def property(self, name: str) -> dict[str, Any]:
        for one in self.config["properties"]:
            if one["name"] == name:
                return dict(one)
        raise Refused(f"no such prop with name '{name}' found in class '{self.config['class']}'")

    def objects(self, tenant: str) -> dict[str, Stored]:
        if self.has_tenants and not tenant:
            raise Refused(
                f"class {self.config['class']} has multi-tenancy enabled, but request was without tenant"
            )
        if tenant and not self.has_tenants:
            raise Refused(
                f"class {self.config['class']} has multi-tenancy disabled, but request was with tenant"
            )
        if tenant not in self.tenants:
            raise Refused(f'tenant not found: "{tenant}"')
        return self.tenants[tenant]


class Storage:
    """All there is. Every method holds the lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.collections: dict[str, Held] = {}
        self.aliases: dict[str, str] = {}

    def held(self, name: str) -> Held:
        """By its name or an alias."""
        found = self.collections.get(self.aliases.get(name, name))
        if found is None:
            raise Refused(f"could not find class {name} in schema")
        return found

    def create(self, config: dict[str, Any]) -> dict[str, Any]:
        name = config["class"]
        if not CLASS_NAME.fullmatch(name):
            raise Refused(f"'{name}' is not a valid class name")
        self.refuse_taken(name)
        for one in config.get("properties", []):
            check_property(one)
        held = Held(with_defaults(config))
        if not held.has_tenants:
            held.tenants[""] = {}
        self.collections[name] = held
        return held.config

    def refuse_taken(self, name: str) -> None:
        taken = [*self.collections, *self.aliases]
        for other in taken:
            if other.lower() == name.lower():
                raise Refused(f"class name {name} already exists as {other}")

    def everything(self) -> Iterator[Stored]:
        for held in self.collections.values():
            for objects in held.tenants.values():
                yield from objects.values()


def check_property(one: dict[str, Any]) -> None:
    """As the schema's validation does: types that ragctl uses, and indexes that fit them."""
    [kind] = one["dataType"]
    if not PROPERTY_NAME.fullmatch(one["name"]) or one["name"] in ("id", "_id", "_additional"):
        raise Refused(f"'{one['name']}' is not a valid property name")
    if kind not in ("text", "text[]", "int"):
        raise Refused(f"the fake knows no data type {kind}")
    textual = kind != "int"
    if one.get("tokenization") and not textual:
        raise Refused(f"Tokenization is not allowed for data type '{kind}'")
    if one.get("indexSearchable") and not textual:
        raise Refused("`indexSearchable` is allowed only for text/text[] data types")
    if one.get("indexRangeFilters") and textual:
        raise Refused("`indexRangeFilters` is allowed only for number/int/date data types")
    if one.get("tokenization") not in (None, "word", "field", "whitespace"):
        raise Refused(f"the fake knows no tokenization {one['tokenization']}")


def completed(one: dict[str, Any]) -> dict[str, Any]:
    """A property with what a server adds."""
    indexes = {"indexFilterable": True, "indexSearchable": False, "indexRangeFilters": False}
    return {**indexes, **one}


def with_defaults(config: dict[str, Any]) -> dict[str, Any]:
    """What a server adds, so far as its client wants to see it."""
    vectors = config.get("vectorConfig") or {}
    if list(vectors) != ["default"] or vectors["default"]["vectorizer"] != {"none": {}}:
        raise Refused("the fake keeps one own vector of each object, named default")
    index = {
        "skip": False,
        "cleanupIntervalSeconds": 300,
        "efConstruction": 128,
        "ef": -1,
        "dynamicEfMin": 100,
        "dynamicEfMax": 500,
        "dynamicEfFactor": 8,
        "maxConnections": 32,
        "vectorCacheMaxObjects": 10**12,
        "flatSearchCutoff": 40000,
        "filterStrategy": "sweeping",
        "distance": "cosine",
        **vectors["default"].get("vectorIndexConfig", {}),
    }
    inverted = config.get("invertedIndexConfig", {})
    return {
        "replicationConfig": {"factor": 1},
        "shardingConfig": {
            "virtualPerPhysical": 128,
            "desiredCount": 1,
            "actualCount": 1,
            "desiredVirtualCount": 128,
            "actualVirtualCount": 128,
            "key": "_id",
            "strategy": "hash",
            "function": "murmur3",
        },
        "multiTenancyConfig": {"enabled": False},
        **config,
        "properties": [completed(one) for one in config.get("properties", [])],
        "vectorConfig": {"default": {**vectors["default"], "vectorIndexConfig": index}},
        "invertedIndexConfig": {
            "cleanupIntervalSeconds": 60,
            "bm25": {"b": 0.75, "k1": 1.2},
            **inverted,
            "stopwords": {"additions": None, "removals": None, **inverted.get("stopwords", {"preset": "en"})},
        },
    }
