"""Mail as Outlook saves it (MSG): headers, the text, attachments as items of their own."""

from __future__ import annotations

import io
import mimetypes
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import format_datetime
from importlib import import_module
from typing import Any

from ragctl.errors import EmptyDocument, MalformedDocument
from ragctl.readers import kinds
from ragctl.readers.compressed_rtf import unpacked_rtf
from ragctl.readers.html import page_of
from ragctl.readers.mail_body import file_name, tidied
from ragctl.readers.message_document import message_document
from ragctl.readers.outlook_properties import Properties
from ragctl.readers.parts import Part, PartFailed, PartSkipped
from ragctl.readers.rtf import rtf_text
from ragctl.readers.table import missing_library
from ragctl.readers.text_builder import clean
from ragctl.types import Document, Item

# MS-OXPROPS, by number.
_CLASS, _SUBJECT, _SENT, _DELIVERED = 0x001A, 0x0037, 0x0039, 0x0E06
_SENDER, _SENDER_ADDRESS, _SENDER_SMTP, _FROM = 0x0C1A, 0x0C1F, 0x5D01, 0x0042
_TO, _CC, _MESSAGE_ID = 0x0E04, 0x0E03, 0x1035
_BODY, _RTF, _HTML = 0x1000, 0x1009, 0x1013
_RECIPIENT_NAME, _RECIPIENT_ADDRESS, _RECIPIENT_SMTP, _RECIPIENT_KIND = 0x3001, 0x3003, 0x39FE, 0x0C15
_ATTACHED, _LONG_NAME, _SHORT_NAME, _MEDIA_TYPE, _CONTENT_ID = 0x3701, 0x3707, 0x3704, 0x370E, 0x3712
_HIDDEN_IN_TEXT = 0x3714  # flags; 4: it is shown within the HTML
_ATTACHMENTS, _RECIPIENTS = "__attach_version1.0_", "__recip_version1.0_"
_KINDS = {"To": 1, "Cc": 2}
_LEAST_SHARE = 0.25
_DEEPEST = 3


class OutlookReader:
    """Reads MSG: of text, HTML and RTF the first that is there and says something.

    Pictures within the text are told of and left out. A message within the message becomes a part, written
    as a mail (RFC 5322).
    """

    name = "outlook"
    output_version = 1

    def read(self, item: Item, data: bytes) -> Iterator[Document | Part | PartFailed | PartSkipped]:
        """The message, then what is attached to it.

        Raises:
            MalformedDocument: it is no message of Outlook, is broken, or is encrypted.
            EmptyDocument: there is nothing in it.
            MissingPackage: olefile is not installed.
        """
        if not data.strip():
            raise EmptyDocument("the file is empty", where=item.path)
        with _opened(data) as file:
            message = Properties(file).with_codepage()
            headers, body, attached = _in_full(message)
        yield message_document(
            item, data, headers, body, reader=f"{self.name}@{self.output_version}", media_type=kinds.MSG
        )
        yield from attached


def _opened(data: bytes) -> Any:
    try:
        olefile: Any = import_module("olefile")
    except ModuleNotFoundError as error:
        raise missing_library("outlook", error) from error
    try:
        return olefile.OleFileIO(io.BytesIO(data))
    except Exception as error:  # of a broken file it raises whatever comes first
        raise MalformedDocument(f"it is no whole file of Outlook ({type(error).__name__})") from None


def _in_full(message: Properties) -> tuple[dict[str, str], str, list[Part | PartFailed | PartSkipped]]:
    try:
        if not message.file.exists("__properties_version1.0"):
            raise MalformedDocument("it is no message of Outlook")
        if _is_encrypted(message):
            raise MalformedDocument(
                "the mail is encrypted", hint="Save it decrypted from the mail program that has the key."
            )
        return _headers(message), _body(message), list(_attached(message, 0))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedDocument(f"it is no whole file of Outlook ({type(error).__name__})") from None


def _is_encrypted(message: Properties) -> bool:
    kind = message.text(_CLASS).lower()
    if "smime" in kind and "multipartsigned" not in kind:
        return True
    attached = (message.inside(name, "part") for name in message.storages(_ATTACHMENTS))
    return any(
        one.text(_MEDIA_TYPE).lower() == "application/pgp-encrypted"
        or one.text(_LONG_NAME).lower().endswith(".pgp-encrypted")
        for one in attached
    )


def _headers(message: Properties) -> dict[str, str]:
    sent = message.time(_SENT) or message.time(_DELIVERED)
    found = {
        "Subject": message.text(_SUBJECT),
        "From": _sender(message),
        **{name: _recipients(message, name) for name in _KINDS},
        "Date": format_datetime(sent) if sent else "",
        "Message-ID": message.text(_MESSAGE_ID),
    }
    return {name: " ".join(clean(value).split()) for name, value in found.items() if value.strip()}


def _sender(message: Properties) -> str:
    name = message.text(_SENDER) or message.text(_FROM)
    address = message.text(_SENDER_SMTP) or message.text(_SENDER_ADDRESS)
    return _address(name, address)


def _recipients(message: Properties, header: str) -> str:
    found = []
    for storage in message.storages(_RECIPIENTS):
        one = message.inside(storage, "part")
        if one.long(_RECIPIENT_KIND) == _KINDS[header]:
            address = one.text(_RECIPIENT_SMTP) or one.text(_RECIPIENT_ADDRESS)
            found.append(_address(one.text(_RECIPIENT_NAME), address))
    return ", ".join(filter(None, found)) or message.text(_TO if header == "To" else _CC)


def _address(name: str, address: str) -> str:
    """`Name <address>`; an address within an organisation of Exchange says nothing to a person."""
    shown = address if "@" in address else ""
    name = name.strip().strip("'")
    if not shown or shown.lower() == name.lower():
        return name or shown
    return f"{name} <{shown}>" if name else shown


def _body(message: Properties) -> str:
    """The plain text, unless the HTML says much more; else what the RTF says."""
    plain = tidied(message.text(_BODY))
    rich = tidied(_html_text(message))
    if rich and len(plain.split()) < _LEAST_SHARE * len(rich.split()):
        return rich
    if plain:
        return plain
    packed = message.data(_RTF)
    return rich or (tidied(rtf_text(unpacked_rtf(packed))) if packed else "")


def _html_text(message: Properties) -> str:
    data = message.data(_HTML)
    source = message.text(_HTML) if data is None else message.decoded(data)
    page, _ = page_of(source) if source.strip() else (None, "")
    return page.text if page else ""


def _attached(message: Properties, depth: int) -> Iterator[Part | PartFailed | PartSkipped]:
    for number, storage in enumerate(message.storages(_ATTACHMENTS), start=1):
        one = message.inside(storage, "part")
        kind = one.text(_MEDIA_TYPE).lower().strip()
        suffix = mimetypes.guess_extension(kind) or ""
        name = file_name(one.text(_LONG_NAME) or one.text(_SHORT_NAME)) or f"part {number}{suffix}"
        inner = one.embedded(_ATTACHED)
        if inner is not None:
            yield _inner_message(inner.with_codepage(), depth)
            continue
        data = one.data(_ATTACHED)
        in_text = bool((one.long(_HIDDEN_IN_TEXT) or 0) & 4)
        if in_text and kind.startswith("image/"):
            yield PartSkipped(name, "it is a picture within the mail's text", kind)
        elif data is None:
            yield PartFailed(name, "it is not in the file, only its name is")
        else:
            yield Part(name, data, kind if kind in kinds.BY_DECLARATION else None)


def _inner_message(message: Properties, depth: int) -> Part | PartFailed:
    subject = file_name(message.text(_SUBJECT)) or "message"
    name = f"{subject}.eml"
    if depth >= _DEEPEST:
        return PartFailed(name, f"it is nested in more than {_DEEPEST} messages")
    try:
        return Part(name, _as_mail(message, depth).as_bytes(), kinds.MAIL)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        return PartFailed(name, f"this message within the message is broken ({type(error).__name__})")


def _as_mail(message: Properties, depth: int) -> EmailMessage:
    mail = EmailMessage()
    for header, value in _headers(message).items():
        mail[header] = value
    mail.set_content(_body(message) or "\n")
    for part in _attached(message, depth + 1):
        if isinstance(part, Part):
            main, _, sub = (part.media_type or "application/octet-stream").partition("/")
            if main in ("message", "text"):
                main, sub = "application", "octet-stream"  # bytes: the name and the content tell the rest
            mail.add_attachment(part.data, maintype=main, subtype=sub or "octet-stream", filename=part.path)
    return mail
