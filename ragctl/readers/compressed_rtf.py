"""RTF as Outlook packs it: the LZFu form of MS-OXRTFCP."""

from __future__ import annotations

import struct

from ragctl.errors import MalformedDocument

_HEADER = struct.Struct("<IIII")  # size of the rest, size unpacked, form, checksum
_PACKED, _PLAIN = 0x75465A4C, 0x414C454D
_WINDOW = 4096
# What the window holds at the start (MS-OXRTFCP, 2.1.2.1).
_START = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}"
    b"{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor "
    b"MS Sans SerifSymbolArialTimes New RomanCourier"
    b"{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
_MOST = 64 << 20
"""Bytes unpacked: at 17 bytes for 2, no packed text of less than 8 MB comes to more."""


def unpacked_rtf(data: bytes) -> bytes:
    """The RTF; one that is cut off ends where it does.

    Raises:
        MalformedDocument: it is not in that form, or too large.
    """
    if len(data) < _HEADER.size:
        raise MalformedDocument("its RTF is cut off")
    _, size, form, _ = _HEADER.unpack_from(data)
    if form == _PLAIN:
        return data[_HEADER.size : _HEADER.size + size]
    if form != _PACKED:
        raise MalformedDocument("its RTF is in no form that is known")
    if size > _MOST:
        raise MalformedDocument(f"its RTF says that it has {size:,} bytes, more than {_MOST:,}")
    return _unpacked(data[_HEADER.size :], size)


def _unpacked(data: bytes, size: int) -> bytes:
    window = bytearray(_START.ljust(_WINDOW, b"\0"))
    at, here, out = len(_START), 0, bytearray()

    def put(byte: int) -> None:
        nonlocal at
        out.append(byte)
        window[at] = byte
        at = (at + 1) % _WINDOW

    while here < len(data) and len(out) < size:
        control, here = data[here], here + 1
        for bit in range(8):
            if here >= len(data) or len(out) >= size:
                break
            if not control >> bit & 1:
                put(data[here])
                here += 1
                continue
            if here + 1 >= len(data):
                return bytes(out)
            reference, here = data[here] << 8 | data[here + 1], here + 2
            start, length = reference >> 4, (reference & 15) + 2
            if start == at:  # this ends it
                return bytes(out)
            for step in range(length):
                put(window[(start + step) % _WINDOW])
    return bytes(out[:size])
