"""Directories, URLs and the like that the `airflow` section names: what is wrong with one.

A text with a login or a key in it is refused, and no message repeats it: the spec is committed, and
what is made of it stands in a DAG file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ragctl.spec.mistakes import closest, looks_secret, shown

WORK_SCHEMES = ("s3", "gs", "az", "file", "memory")
"""Where a work directory may be besides a path; `memory` is for tests, as it is one process's own."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)([?#].*)?", re.DOTALL)
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_NO_LOGIN = "holds a login or a key, and a spec may be read by anybody"
_CREDENTIALS = f"{_NO_LOGIN}; workers have their own, from their environment or their machine's role"


def is_url(text: str) -> bool:
    """Is it a URL, and no path or plain name?"""
    return "://" in text


def work_dir_problem(text: str) -> str | None:
    """What is wrong with a work directory; None if nothing is. A path may lead out of the spec's folder."""
    if not is_url(text):
        return _path_problem(text)
    found = _URL.fullmatch(text)
    if not found:
        return f"is no URL; write one such as 's3://bucket/ragctl', {_schemes()}"
    scheme, host, path, rest = found.groups()
    if "@" in host or rest or looks_secret(text):
        return f"{_CREDENTIALS}; write the URL without @, ? and #"
    if scheme not in WORK_SCHEMES:
        near = closest(scheme, WORK_SCHEMES)
        return f"unknown scheme {shown(scheme)}; " + (f"did you mean '{near}'?" if near else _schemes())
    if ".." in path.split("/"):
        return "must not contain .. in its path"
    return _place_problem(scheme, host, path)


def _path_problem(text: str) -> str | None:
    if looks_secret(text):
        return f"{_CREDENTIALS}; it must be a directory or a URL"
    if text == "~" or text.startswith(("~/", "~\\")):
        return "~ is not expanded; write the path relative to the spec file, or in full"
    if found := re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", text):
        return f"is neither a path nor a URL; a URL begins with {shown(found.group(1) + '://')}"
    if not text.strip("/\\."):
        return "must name a directory of its own"
    return None


def _place_problem(scheme: str, host: str, path: str) -> str | None:
    if scheme == "file":
        if host:
            return "has a host; write file:///… with three slashes"
        return None if path.strip("/.") else "must name a directory of its own"
    if scheme != "memory" and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", host):
        return f"must name a bucket, as in '{scheme}://bucket/ragctl'"
    return None


def _schemes() -> str:
    return f"known: {', '.join(f'{scheme}://' for scheme in WORK_SCHEMES)}"


def asset_problem(text: str) -> str | None:
    """What is wrong with an asset's URI or name; None if nothing is. Airflow itself knows each scheme."""
    if looks_secret(text):
        return _NO_LOGIN
    if not is_url(text):
        return _asset_name_problem(text)
    found = _URL.fullmatch(text)
    if not found or re.search(r"\s", text):
        return "is no URI; write one such as 's3://bucket/docs', or an asset's name"
    scheme, host, path, rest = found.groups()
    if "@" in host:
        return _NO_LOGIN
    if scheme.lower() == "airflow":
        return "the scheme 'airflow' is Airflow's own; no asset has it"
    return None if host or path.strip("/") or rest else "must name something behind the ://"


def _asset_name_problem(text: str) -> str | None:
    if text in ("self", "context"):
        return "is a name that Airflow gives no asset"
    if re.search(r"[/\\]", text):
        return (
            "looks like a path; an asset's URI has a scheme, as in 's3://bucket/docs' or 'file:///srv/docs'"
        )
    return None


def interpreter_problem(text: str) -> str | None:
    """What is wrong with the path of a Python interpreter on a worker."""
    if text.startswith("/") or _DRIVE.match(text):
        return "must name the interpreter, not a directory" if text.endswith(("/", "\\")) else None
    return "must be the absolute path on the worker, such as '/opt/ragctl/bin/python'"


def requirement_problem(text: str) -> str | None:
    """What is wrong with one thing for pip to install."""
    if looks_secret(text.replace("://git@", "://")):
        return f"{_NO_LOGIN}; let the workers' pip configuration have it"
    if text.startswith("-"):
        return "is an option of pip; only what is to be installed can stand here"
    return None


def names_ragctl(requirements: Iterable[str]) -> bool:
    """Is ragctl among them, as `ragctl==0.1.0` or as the path or URL of its wheel?"""
    return any(re.search(r"(^|[/\\])ragctl(?![A-Za-z0-9])", text, re.IGNORECASE) for text in requirements)
