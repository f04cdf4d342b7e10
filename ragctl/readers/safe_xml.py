"""XML of strangers: parsed without entities, without a DTD, without the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragctl.errors import MalformedDocument

if TYPE_CHECKING:
    from lxml.etree import _Element


def parse_xml(content: bytes, name: str, *, drop_entities: bool = False) -> _Element:
    """The root element.

    Entities that the file declares itself are refused: office documents and e-books have none, so they are
    an attack.

    Args:
        name: of the part, for reasons.
        drop_entities: leave references to them out instead, for XML that may well name its pictures so.

    Raises:
        MalformedDocument: it is no well-formed XML, or declares entities.
    """
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        # A text of more than 10 MB is no attack, and depth is limited to 2,048 all the same; but where
        # entities may stand in attributes, the library's own limits hold.
        huge_tree=not drop_entities,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise MalformedDocument(f"its part {name} is no well-formed XML: {reason}") from None
    if root is None:
        raise MalformedDocument(f"its part {name} has no content")
    if drop_entities:
        etree.strip_tags(root, etree.Entity)
        return root
    dtd: Any = root.getroottree().docinfo.internalDTD
    if dtd is not None and any(True for _ in dtd.iterentities()):
        raise MalformedDocument(f"its part {name} declares XML entities, which are not followed")
    return root
