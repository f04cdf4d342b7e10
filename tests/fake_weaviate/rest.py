"""What the fake answers over HTTP: schema, aliases, tenants, and a change of one object."""

from __future__ import annotations

import json
import uuid
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from fake_weaviate.storage import Refused, check_property, completed

if TYPE_CHECKING:
    from fake_weaviate.server import FakeWeaviate

NOT_THERE = Refused("not found", 404)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: FakeWeaviate

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_HEAD(self) -> None:
        self._answer("HEAD")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def do_PATCH(self) -> None:
        self._answer("PATCH")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def _answer(self, method: str) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        path = [unquote(part) for part in parts.path.removeprefix("/v1/").split("/")]
        if path == ["token"]:
            self._give_token(parse_qs(sent.decode()))
            return
        body = json.loads(sent) if sent else None
        call = f"{method} {path[0]}" + ("/…" * (len(path) - 1))
        try:
            self.fake.note(call, {"path": path, "body": body})
            if path[0] != ".well-known" and not self.fake.lets_in(self.headers.get("Authorization")):
                raise Refused("anonymous access not enabled, please provide an API key", 401)
            self.fake.before(call, body)
            with self.fake.storage.lock:
                status, answer = self._route(method, path, parse_qs(parts.query), body)
            self.fake.after(call, body)
        except Refused as error:
            status, answer = error.status, {"error": [{"message": error.message}]}
        self._send(status, None if method == "HEAD" else answer)

    def _give_token(self, sent: dict[str, list[str]]) -> None:
        self.fake.note("POST token", sent)
        if (sent["client_id"], sent["client_secret"]) != (["fake-client"], [self.fake.oidc_secret]):
            self._send(401, {"error": "invalid_client", "error_description": "the secret is not the one"})
        else:
            token = {"access_token": self.fake.api_key, "token_type": "Bearer", "expires_in": 3600}
            self._send(200, token)

    def _send(self, status: int, answer: Any) -> None:
        text = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _route(self, method: str, path: list[str], query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        if path == ["meta"]:
            return 200, {"version": self.fake.version, "hostname": "http://fake", "modules": {}}
        if path[0] == ".well-known" and self.fake.oidc_secret is not None:
            return 200, self._oidc(path[1:])
        routes = {"schema": self._schema, "aliases": self._aliases, "objects": self._objects}
        if path[0] not in routes:
            raise NOT_THERE
        return routes[path[0]](method, path[1:], query, body)

    def _oidc(self, path: list[str]) -> dict[str, Any]:
        """The server's own configuration, and that of the provider which it names."""
        if path == ["provider"]:
            return {"token_endpoint": f"{self.fake.url}/v1/token"}
        provider = f"{self.fake.url}/v1/.well-known/provider"
        return {"href": provider, "clientId": "fake-client", "scopes": ["weaviate"]}

    def _schema(self, method: str, path: list[str], _: Any, body: Any) -> tuple[int, Any]:
        storage = self.fake.storage
        match method, path:
            case "GET", []:
                return 200, {"classes": [held.config for held in storage.collections.values()]}
            case "POST", []:
                return 200, storage.create(body)
            case "GET", [name] if name in storage.collections:
                return 200, storage.collections[name].config
            case "PUT", [name] if name in storage.collections:
                storage.collections[name].config["description"] = body.get("description")
                return 200, storage.collections[name].config
            case "DELETE", [name]:
                storage.collections.pop(name, None)
                return 200, None
            case "POST", [name, "properties"] if name in storage.collections:
                check_property(body)
                storage.collections[name].config["properties"].append(completed(body))
                return 200, body
            case _, [name, "tenants", *rest] if name in storage.collections:
                return self._tenants(method, name, rest, body)
        raise NOT_THERE

    def _tenants(self, method: str, name: str, path: list[str], body: Any) -> tuple[int, Any]:
        held = self.fake.storage.collections[name]
        if not held.has_tenants:
            raise Refused(f"multi-tenancy is not enabled for class {name!r}")
        match method, path:
            case (("GET" | "HEAD"), [tenant]):
                if tenant not in held.tenants:
                    raise NOT_THERE
                return 200, {"name": tenant, "activityStatus": "ACTIVE"}
            case "POST", []:
                for one in body:
                    held.tenants.setdefault(one["name"], {})
                return 200, body
            case "DELETE", []:
                for tenant in body:
                    held.tenants.pop(tenant, None)
                return 200, None
        raise NOT_THERE

    def _aliases(self, method: str, path: list[str], query: Any, body: Any) -> tuple[int, Any]:
        storage = self.fake.storage
        match method, path:
            case "GET", []:
                wanted = query.get("class")
                rows = [
                    {"alias": alias, "class": name}
                    for alias, name in storage.aliases.items()
                    if wanted is None or name in wanted
                ]
                return 200, {"aliases": rows}
            case "POST", []:
                self._target(body["class"])
                storage.refuse_taken(body["alias"])
                storage.aliases[body["alias"]] = body["class"]
                return 200, body
            case _, [alias] if alias not in storage.aliases:
                raise NOT_THERE
            case "GET", [alias]:
                return 200, {"alias": alias, "class": storage.aliases[alias]}
            case "PUT", [alias]:
                self._target(body["class"])
                storage.aliases[alias] = body["class"]
                return 200, {"alias": alias, "class": body["class"]}
            case "DELETE", [alias]:
                del storage.aliases[alias]
                return 204, None
        raise NOT_THERE

    def _target(self, name: str) -> None:
        if name not in self.fake.storage.collections:
            raise Refused(f"class {name}: not found", 422)

    def _objects(self, method: str, path: list[str], query: Any, body: Any) -> tuple[int, Any]:
        if method != "PATCH" or len(path) != 2:
            raise NOT_THERE
        held = self.fake.storage.held(path[0])
        tenant = body.get("tenant") or query.get("tenant", [""])[0]
        stored = held.objects(tenant).get(uuid.UUID(path[1]).hex)
        if stored is None:
            raise NOT_THERE
        for name in body["properties"]:
            held.property(name)
        stored.properties.update(body["properties"])
        return 204, None
