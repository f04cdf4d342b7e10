"""Mail as it travels (RFC 5322, MIME): headers, the text, attachments as items of their own."""

from __future__ import annotations

import codecs
import email
import email.policy
import re
from collections.abc import Iterator, Sequence
from email.message import Message

from ragctl.errors import EmptyDocument, MalformedDocument
from ragctl.readers.decoding import decode
from ragctl.readers.kinds import MAIL
from ragctl.readers.mail_body import Body
from ragctl.readers.mail_headers import headers_of
from ragctl.readers.message_document import message_document
from ragctl.readers.parts import Part, PartFailed, PartSkipped
from ragctl.types import Document, Item

_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_OF_A_MAIL = frozenset(
    "subject from to cc date sender reply-to message-id received return-path delivered-to "
    "mime-version content-type".split()
)
_MOST_PARTS = 10_000


class MailReader:
    """Reads a mail: of its text and its HTML the plain one, unless that says much less.

    Signatures and the pictures within the text are told of and left out. A mail within the mail is a part.

    Args:
        encodings: tried in order for text that is neither UTF-8 nor what the mail says that it is.
    """

    name = "mail"
    output_version = 1

    def __init__(self, encodings: Sequence[str] = ()) -> None:
        self._encodings = tuple(encodings)

    def read(self, item: Item, data: bytes) -> Iterator[Document | Part | PartFailed | PartSkipped]:
        """The mail, then what is attached to it.

        Raises:
            MalformedDocument: it has no headers of a mail, is encrypted, or is nested too deeply.
            EmptyDocument: there is nothing in it.
        """
        if not data.strip():
            raise EmptyDocument("the file is empty", where=item.path)
        message = _parsed(data, self._encodings)
        try:
            body = Body(message, self._encodings)
        except RecursionError:
            raise MalformedDocument("its parts are nested too deeply") from None
        yield message_document(
            item,
            data,
            headers_of(message),
            body.text,
            reader=f"{self.name}@{self.output_version}",
            media_type=MAIL,
        )
        yield from body.attached


def _parsed(data: bytes, encodings: Sequence[str]) -> Message:
    if data.startswith(_WIDE) or _has_wide_letters(data):  # saved as text by an editor
        data = decode(data, encodings).text.encode("utf-8")
    data = data.removeprefix(codecs.BOM_UTF8).lstrip()
    boundaries = len(_BOUNDARY.findall(data))
    if boundaries > _MOST_PARTS:
        raise MalformedDocument(f"it has more than {_MOST_PARTS:,} parts")
    try:
        message = email.message_from_bytes(data, policy=email.policy.compat32)
    except RecursionError:
        raise MalformedDocument("its parts are nested too deeply") from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise MalformedDocument(f"it is no whole mail ({type(error).__name__})") from None
    if not any(name.lower() in _OF_A_MAIL for name in message.keys()):  # noqa: SIM118
        raise MalformedDocument("it has no headers of a mail")
    return message


_BOUNDARY = re.compile(rb"^content-type\s*:", re.I | re.M)


def _has_wide_letters(data: bytes) -> bool:
    """UTF-16 without a mark: its first letters have a NUL beside each."""
    head = data[:64]
    return (
        len(head) > 8 and min(head[::2].count(0), head[1::2].count(0)) == 0 and head.count(0) * 3 > len(head)
    )
