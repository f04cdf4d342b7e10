"""The bytes of a spec file and their text: everything that can be wrong before YAML is read."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from ragctl.spec.mistakes import Mistake, MistakeFound, Place, shown

MAX_BYTES = 1024 * 1024
"""A spec is written by hand; more than this is some other file."""

SUFFIXES = (".yaml", ".yml")

_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that YAML allows nowhere (YAML 1.1, `c-printable`)."""


def read_spec_bytes(path: Path) -> bytes:
    """The content of the file.

    Raises:
        MistakeFound: there is no such file, it cannot be read, or it is no spec by its size.
    """
    try:
        if path.is_dir():
            raise _no_file(path, "is a directory, not a spec file" + _spec_inside(path))
        if not path.exists():
            raise _no_file(path, "there is no such file" + _similar_file(path))
        if not path.is_file():
            raise _no_file(path, "is not an ordinary file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise _no_file(path, f"cannot be read: {reason[:1].lower()}{reason[1:]}") from None
    except ValueError:  # a NUL in the path
        raise _no_file(path, "is not a possible file name") from None
    if len(data) > MAX_BYTES:
        raise _no_file(path, f"is larger than {MAX_BYTES // 1024} KiB, so it is hardly a spec")
    return data


def decode(data: bytes, origin: str) -> str:
    """The text, without a byte order mark.

    Raises:
        MistakeFound: it is not UTF-8, or it holds characters that YAML does not allow.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise MistakeFound(Mistake(Place(0, 1, 1, origin), (), "is UTF-16; save the file as UTF-8"))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        place = _end_of(data[: error.start].decode("utf-8"), origin)
        text = f"is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}; save the file as UTF-8"
        raise MistakeFound(Mistake(place, (), text)) from None
    text = text.removeprefix("\N{BYTE ORDER MARK}")
    if found := _FORBIDDEN.search(text):
        place = _end_of(text[: found.start()], origin)
        reason = f"the character U+{ord(found.group()):04X} may not stand in a YAML file; remove it"
        raise MistakeFound(Mistake(place, (), reason))
    return text


def _no_file(path: Path, text: str) -> MistakeFound:
    origin = str(path).encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\0")
    return MistakeFound(Mistake(Place(0, 0, 0, origin), (), text))


def _end_of(text: str, origin: str) -> Place:
    lines = text.removeprefix("\N{BYTE ORDER MARK}").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return Place(0, len(lines), len(lines[-1]) + 1, origin)


def _specs_in(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir() if entry.suffix in SUFFIXES)
    except OSError:
        return []  # only a suggestion hangs on it


def _spec_inside(path: Path) -> str:
    specs = _specs_in(path)
    return f"; did you mean {shown(str(path / specs[0]))}?" if len(specs) == 1 else "; name the file in it"


def _similar_file(path: Path) -> str:
    specs = _specs_in(path.parent)
    same = [name for name in specs if Path(name).stem == path.stem or name == path.name + Path(name).suffix]
    near = same or difflib.get_close_matches(path.name, specs, n=1)
    if near:
        return f"; did you mean {shown(str(path.parent / near[0]))}?"
    return "; `ragctl init` writes a spec to begin with"
