"""Archives: their members as documents, and what hostile ones do not achieve."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest
from readers.archives import encrypted, nested_bomb, tarred, zipped

from ragctl.errors import MalformedDocument
from ragctl.readers import containers, nested
from ragctl.readers.auto import Readers
from ragctl.readers.nested import Outcome, read_nested
from ragctl.readers.parts import PartFailed, PartSkipped
from ragctl.types import Document, Item


def outcomes(data: bytes, path: str = "a.zip") -> list[Outcome]:
    item = Item("docs", path, f"file:///{path}", "f", metadata={"team": "core"})
    readers = Readers()
    choice = readers.choose(item, data)
    assert choice.reader is not None, choice.reason
    return list(read_nested(choice.reader, item, data, readers.choose))


def documents(data: bytes, path: str = "a.zip") -> dict[str, Document]:
    return {one.path: one for one in outcomes(data, path) if isinstance(one, Document)}


def failures(data: bytes, path: str = "a.zip") -> dict[str, str]:
    return {one.path: one.reason for one in outcomes(data, path) if isinstance(one, PartFailed)}


def skipped(data: bytes, path: str = "a.zip") -> dict[str, str]:
    return {one.path: one.reason for one in outcomes(data, path) if isinstance(one, PartSkipped)}


def test_members_are_read_by_their_own_readers() -> None:
    found = documents(zipped({"docs/guide.md": b"# Guide\n\nWords.\n", "page.html": b"<title>T</title><p>x"}))
    assert found.keys() == {"a.zip!/docs/guide.md", "a.zip!/page.html"}
    guide = found["a.zip!/docs/guide.md"]
    assert (guide.title, guide.media_type, guide.reader) == ("Guide", "text/markdown", "markdown@1")
    assert guide.uri == "file:///a.zip!/docs/guide.md"
    assert guide.metadata == {"team": "core"}
    assert found["a.zip!/page.html"].reader == "html@2"


@pytest.mark.parametrize("compress", ["", "gz", "bz2", "xz"])
def test_tar_archives(compress: str) -> None:
    data = tarred({"docs/guide.md": b"Words.\n", "./b.txt": b"More.\n"}, compress=compress)
    assert documents(data, "a.tar").keys() == {"a.tar!/docs/guide.md", "a.tar!/b.txt"}


@pytest.mark.parametrize("compress", ["gz", "bz2", "xz"])
def test_one_compressed_file(compress: str) -> None:
    from readers.archives import COMPRESS

    found = documents(COMPRESS[compress](b"# Guide\n\nWords.\n"), f"guide.md.{compress}")
    assert found[f"guide.md.{compress}!/guide.md"].title == "Guide"


def test_archives_in_archives() -> None:
    data = zipped({"inner.tar.gz": tarred({"deep/a.md": b"Words.\n"}, compress="gz")})
    assert documents(data).keys() == {"a.zip!/inner.tar.gz!/deep/a.md"}


def test_what_is_too_deep_is_not_read() -> None:
    data = zipped({"words.txt": b"words"})
    for level in range(4):
        data = zipped({f"{level}.zip": data, f"beside{level}.txt": b"words"})
    assert sorted(documents(data)) == [
        "a.zip!/3.zip!/2.zip!/beside1.txt",
        "a.zip!/3.zip!/beside2.txt",
        "a.zip!/beside3.txt",
    ]
    assert failures(data) == {"a.zip!/3.zip!/2.zip!/1.zip": "it is more than 3 containers deep"}


def test_a_member_without_a_reader_is_skipped() -> None:
    found = skipped(zipped({"a.md": b"Words.\n", "photo.gif": b"GIF89a" + bytes(9), "empty.txt": b" \n"}))
    assert found["a.zip!/photo.gif"].startswith("its content is Graphics interchange format")
    assert found["a.zip!/empty.txt"] == "it is empty"


def test_two_members_of_one_name_are_two_documents() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("d/a.md", b"one\n")
        archive.writestr("d/a.md", b"two\n")
    found = documents(stream.getvalue())
    assert {path: one.text.strip() for path, one in found.items()} == {
        "a.zip!/d/a.md": "one",
        "a.zip!/d/a (2).md": "two",
    }


def test_a_password_protected_member_fails_alone() -> None:
    data = encrypted(zipped({"secret.md": b"Words.\n", "open.md": b"Words.\n"}), "secret.md")
    assert failures(data) == {"a.zip!/secret.md": "it is password-protected"}
    assert documents(data).keys() == {"a.zip!/open.md"}


@pytest.mark.parametrize("name", ["../../etc/passwd.md", "/etc/a.md", "C:\\a.md", "docs/../../a.md"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_path_that_leaves_the_archive_fails_alone(name: str, kind: str) -> None:
    members = {name: b"Words.\n", "good.md": b"Words.\n"}
    data = zipped(members) if kind == "zip" else tarred(members)
    assert set(failures(data).values()) == {"its path leads out of the archive"}
    assert documents(data).keys() == {"a.zip!/good.md"}


def test_links_are_not_followed() -> None:
    data = tarred(
        {
            "loop": (tarfile.SYMTYPE, "loop"),
            "a": (tarfile.SYMTYPE, "b"),
            "b": (tarfile.SYMTYPE, "a"),
            "out.md": (tarfile.SYMTYPE, "/etc/passwd"),
            "hard.md": (tarfile.LNKTYPE, "good.md"),
            "pipe": (tarfile.FIFOTYPE, ""),
            "good.md": b"Words.\n",
        }
    )
    reasons = skipped(data, "a.tar")
    assert documents(data, "a.tar").keys() == {"a.tar!/good.md"}
    assert reasons["a.tar!/loop"] == reasons["a.tar!/out.md"] == "it is a link, which is not followed"
    assert reasons["a.tar!/pipe"] == "it is no file but a device or a pipe"


def test_a_symbolic_link_in_a_zip() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        link = zipfile.ZipInfo("link.md")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "../../etc/passwd")
        archive.writestr("good.md", "Words.\n")
    assert skipped(stream.getvalue()) == {"a.zip!/link.md": "it is a symbolic link, which is not followed"}


def test_a_bomb_fails_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "LEAST_MOST_BYTES", 1 << 20)
    data = zipped({f"{number}.txt": b"0" * (1 << 20) for number in range(20)})
    with pytest.raises(MalformedDocument, match="decompression bomb"):
        outcomes(data)
    packed = tarred({"a.txt": b"0" * (20 << 20)}, compress="xz")
    with pytest.raises(MalformedDocument, match="decompression bomb"):
        outcomes(packed, "a.tar.xz")


def test_a_member_that_says_it_is_small_is_counted_as_it_unpacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "LARGEST_MEMBER", 1 << 20)
    data = zipped({"big.txt": b"0" * (3 << 20), "small.txt": b"words"})
    assert failures(data) == {"a.zip!/big.txt": "it is larger than 1 MiB"}
    assert documents(data).keys() == {"a.zip!/small.txt"}


def test_archives_in_archives_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """As 42.zip: each archive alone is within its limits, all of them are not."""
    monkeypatch.setattr(nested, "MOST_BYTES", 20 << 20)
    monkeypatch.setattr(nested, "DEEPEST", 9)
    with pytest.raises(MalformedDocument, match="decompression bomb"):
        outcomes(nested_bomb())


def test_depth_alone_ends_a_nested_bomb() -> None:
    data = nested_bomb(levels=4, width=2, payload=1000)
    assert documents(data) == {}
    assert set(failures(data).values()) == {"it is more than 3 containers deep"}


def test_too_many_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MOST_MEMBERS", 10)
    with pytest.raises(MalformedDocument, match="more than 10 members"):
        outcomes(zipped({f"{number}.txt": b"x" for number in range(11)}))


@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz", "txt.gz"])
def test_a_truncated_archive_fails_as_a_whole(kind: str, share: float) -> None:
    text = "".join(f"{number} words\n" for number in range(40_000)).encode("utf-8")
    members = {"a.txt": text, "b.txt": text}
    if kind == "zip":
        whole = zipped(members)
    elif kind == "txt.gz":
        from readers.archives import COMPRESS

        whole = COMPRESS["gz"](text)
    else:
        whole = tarred(members, compress=kind.partition(".")[2])
    if kind == "tar":
        whole = whole.rstrip(b"\0")
    with pytest.raises(MalformedDocument, match=r"cut off|unpacked|TAR"):
        outcomes(whole[: int(len(whole) * share)], f"a.{kind}")


def test_a_broken_member_fails_alone() -> None:
    data = bytearray(zipped({"bad.txt": b"words " * 100, "good.txt": b"words"}))
    at = data.find(b"bad.txt") + len("bad.txt")
    data[at : at + 8] = b"\xff" * 8
    found = failures(bytes(data))
    assert list(found) == ["a.zip!/bad.txt"]
    assert found["a.zip!/bad.txt"].startswith("it cannot be unpacked")
    assert documents(bytes(data)).keys() == {"a.zip!/good.txt"}


def test_what_is_no_archive_after_all() -> None:
    with pytest.raises(MalformedDocument, match="no TAR archive"):
        outcomes(b"\x01\x02\x03\x04" * 500, "a.tar")
