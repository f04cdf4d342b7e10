"""Ways in which a file is damaged. All of them draw from one seeded source of chance."""

from __future__ import annotations

import io
import random
import zipfile
import zlib
from collections.abc import Callable
from typing import NamedTuple

_MOST_FLIPS = 64
_LONGEST_SPAN = 4096
_MOST_BYTES = 2 << 20
_ODD = (
    b"\0",
    b"\xff",
    b"\r",
    b"<",
    b"&",
    b'"',
    b"{[(",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"%s%n",
    b"=?utf-8?b?",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b"-9" * 40,
    b"\xed\xa0\x80",
)


class Sample(NamedTuple):
    """A file: its name, which ends in the suffix of its format, and its bytes."""

    name: str
    data: bytes


Mutation = Callable[[random.Random, bytes, bytes], bytes]


def flip_bits(draw: random.Random, data: bytes, other: bytes) -> bytes:
    """Up to 64 bits anywhere."""
    changed = bytearray(data)
    for _ in range(draw.randint(1, _MOST_FLIPS) if changed else 0):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def cut_off(draw: random.Random, data: bytes, other: bytes) -> bytes:
    """Only the beginning, or only the end."""
    at = draw.randint(0, len(data))
    return data[:at] if draw.random() < 0.8 else data[at:]


def splice(draw: random.Random, data: bytes, other: bytes) -> bytes:
    """A span of another file in the place of one of this, or between."""
    start, end = _span(draw, data)
    first, last = _span(draw, other)
    return data[:start] + other[first:last] + data[end if draw.random() < 0.5 else start :]


def repeat(draw: random.Random, data: bytes, other: bytes) -> bytes:
    """A span many times over."""
    start, end = _span(draw, data)
    times = draw.randint(2, 200)
    return (data[:end] + data[start:end] * times + data[end:])[:_MOST_BYTES]


def remove(draw: random.Random, data: bytes, other: bytes) -> bytes:
    """Without a span."""
    start, end = _span(draw, data)
    return data[:start] + data[end:]


def blank(draw: random.Random, data: bytes, other: bytes) -> bytes:
    """A span of zeros, or of chance."""
    start, end = _span(draw, data)
    filler = bytes(end - start) if draw.random() < 0.5 else draw.randbytes(end - start)
    return data[:start] + filler + data[end:]


def put_odd(draw: random.Random, data: bytes, other: bytes) -> bytes:
    """Pieces that readers trip over, at some places."""
    for _ in range(draw.randint(1, 12)):
        at = draw.randint(0, len(data))
        data = data[:at] + draw.choice(_ODD) * draw.choice((1, 1, 1, 500)) + data[at:]
    return data


def change_member(draw: random.Random, data: bytes, other: bytes) -> bytes:
    """One member of a ZIP file damaged and packed again, so that its checksum is right; else as `splice`."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(one, archive.read(one)) for one in archive.infolist()]
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError, OSError, EOFError):
        return splice(draw, data, other)
    out = io.BytesIO()
    chosen = draw.randrange(len(members)) if members else 0
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for index, (member, content) in enumerate(members):
            if index == chosen:
                content = draw.choice(ANY)(draw, content, other)
            packed.writestr(member.filename, content)
    return out.getvalue()


def _span(draw: random.Random, data: bytes) -> tuple[int, int]:
    start = draw.randint(0, len(data))
    return start, min(len(data), start + draw.randint(0, _LONGEST_SPAN))


ANY: tuple[Mutation, ...] = (flip_bits, cut_off, splice, repeat, remove, blank, put_odd)


def mutated(draw: random.Random, sample: Sample, other: Sample) -> tuple[Sample, str]:
    """A damaged file, and how: one to three times, now and then under a name of the other's format."""
    data, ways = sample.data, []
    for _ in range(draw.choice((1, 1, 2, 3))):
        is_zip = data.startswith(b"PK") and draw.random() < 0.6
        way = change_member if is_zip else draw.choice(ANY)
        data = way(draw, data, other.data)
        ways.append(way.__name__)
    name = sample.name
    if draw.random() < 0.1:
        name = f"{sample.name}.{other.name.rpartition('.')[2]}"
        ways.append("name")
    return Sample(name, data), "+".join(ways)
