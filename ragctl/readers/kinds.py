"""The formats that have a reader: their media types, and the suffixes and declarations that name them."""

from __future__ import annotations

TEXT = "text/plain"
MARKDOWN = "text/markdown"
RST = "text/x-rst"
ORG = "text/org"
HTML = "text/html"
CSV = "text/csv"
TSV = "text/tab-separated-values"
JSON = "application/json"
JSON_LINES = "application/x-ndjson"
XML = "application/xml"
NOTEBOOK = "application/x-ipynb+json"
CODE = "text/x-code"
MAIL = "message/rfc822"
MSG = "application/vnd.ms-outlook"
PDF = "application/pdf"
RTF = "application/rtf"
EPUB = "application/epub+zip"
_OOXML = "application/vnd.openxmlformats-officedocument."
DOCX = f"{_OOXML}wordprocessingml.document"
PPTX = f"{_OOXML}presentationml.presentation"
XLSX = f"{_OOXML}spreadsheetml.sheet"
ODT = "application/vnd.oasis.opendocument.text"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
ODP = "application/vnd.oasis.opendocument.presentation"
DOC = "application/msword"
XLS = "application/vnd.ms-excel"
PPT = "application/vnd.ms-powerpoint"
PNG = "image/png"
JPEG = "image/jpeg"
TIFF = "image/tiff"
BMP = "image/bmp"
WEBP = "image/webp"
ZIP = "application/zip"
TAR = "application/x-tar"
GZIP = "application/gzip"
BZIP2 = "application/x-bzip2"
XZ = "application/x-xz"
ENCRYPTED_OFFICE = "application/x-encrypted-office"
"""Not a registered type: an OLE file that holds an encrypted OOXML document."""

IWORK = "application/x-iwork"
OTHER_OOXML = "application/x-ooxml"
NO_READER = {
    IWORK: "no reader for Apple's Pages, Numbers and Keynote; export it as PDF or an Office document",
    OTHER_OOXML: "no reader for Office files other than Word, Excel and PowerPoint documents",
}
"""Seen in what is a ZIP by its bytes, and no archive to anybody: why it is skipped."""

OPEN_DOCUMENT = (ODT, ODS, ODP)
OFFICE = (DOCX, PPTX, XLSX, *OPEN_DOCUMENT)
LEGACY_OFFICE = (DOC, XLS, PPT)
IMAGES = (PNG, JPEG, TIFF, BMP, WEBP)
ARCHIVES = (ZIP, TAR, GZIP, BZIP2, XZ)

_SUFFIXES: dict[str, str] = {
    TEXT: "txt text log adoc asciidoc vtt srt",
    MARKDOWN: "md markdown mdx",
    RST: "rst rest",
    ORG: "org",
    HTML: "html htm xhtml",
    CSV: "csv",
    TSV: "tsv tab",
    JSON: "json geojson",
    JSON_LINES: "jsonl ndjson",
    XML: "xml nxml xsl xslt xsd rss atom",
    NOTEBOOK: "ipynb",
    MAIL: "eml mht mhtml",
    MSG: "msg",
    PDF: "pdf",
    RTF: "rtf",
    EPUB: "epub",
    DOCX: "docx docm dotx dotm",
    PPTX: "pptx pptm ppsx ppsm potx potm",
    XLSX: "xlsx xlsm xltx xltm",
    ODT: "odt ott fodt",
    ODS: "ods ots fods",
    ODP: "odp otp fodp",
    DOC: "doc dot",
    XLS: "xls xlt",
    PPT: "ppt pps pot",
    PNG: "png",
    JPEG: "jpg jpeg jpe jfif",
    TIFF: "tif tiff",
    BMP: "bmp",
    WEBP: "webp",
    ZIP: "zip",
    TAR: "tar",
    GZIP: "gz tgz",
    BZIP2: "bz2 tbz2 tbz",
    XZ: "xz txz",
    CODE: "py pyi pyx js mjs cjs jsx ts tsx java kt kts scala go rs c h cc cpp cxx hh hpp hxx cs vb swift "
    "m mm rb php pl pm lua r jl dart ex exs erl hrl hs clj cljs elm fs fsx ml mli groovy gradle nim zig "
    "v vhdl sv sh bash zsh fish ps1 psm1 bat cmd sql proto graphql tf hcl css scss sass less vue svelte "
    "cmake mk yaml yml toml ini cfg conf properties tex bib",
}
BY_SUFFIX = {f".{suffix}": kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}

_MORE_DECLARATIONS = {
    "text/x-markdown": MARKDOWN,
    "text/prs.fallenstein.rst": RST,
    "application/xhtml+xml": HTML,
    "application/csv": CSV,
    "text/json": JSON,
    "application/jsonl": JSON_LINES,
    "application/x-jsonlines": JSON_LINES,
    "application/jsonlines": JSON_LINES,
    "text/xml": XML,
    "application/rss+xml": XML,
    "application/atom+xml": XML,
    "text/rtf": RTF,
    "application/x-zip-compressed": ZIP,
    "application/x-gzip": GZIP,
    "application/x-bzip": BZIP2,
    "image/jpg": JPEG,
    "image/x-ms-bmp": BMP,
    "text/x-python": CODE,
    "text/javascript": CODE,
    "application/javascript": CODE,
    "application/x-sh": CODE,
    "application/sql": CODE,
    "application/yaml": CODE,
    "application/x-yaml": CODE,
    "application/toml": CODE,
    "text/css": CODE,
}
BY_DECLARATION = {**{kind: kind for kind in _SUFFIXES}, **_MORE_DECLARATIONS}
SAYS_NOTHING = frozenset({"application/octet-stream", "binary/octet-stream", "application/x-download", ""})
"""What a server or a mail calls a file of which it knows nothing."""

MAY_BE_CALLED: dict[str, tuple[str, ...]] = {
    GZIP: (TAR,),
    BZIP2: (TAR,),
    XZ: (TAR,),
    DOC: (RTF, ENCRYPTED_OFFICE),
    DOCX: (ENCRYPTED_OFFICE,),
    PPTX: (ENCRYPTED_OFFICE,),
    XLSX: (ENCRYPTED_OFFICE,),
    XLS: (ENCRYPTED_OFFICE,),
    PPT: (ENCRYPTED_OFFICE,),
    TEXT: (CODE,),
}
"""What the name says → what the content may well be, without anything being wrong."""

_SPOKEN = {
    TEXT: "plain text",
    MARKDOWN: "Markdown",
    RST: "reStructuredText",
    ORG: "org",
    HTML: "HTML",
    CSV: "CSV",
    TSV: "TSV",
    JSON: "JSON",
    JSON_LINES: "JSON Lines",
    XML: "XML",
    NOTEBOOK: "a notebook",
    CODE: "source code",
    MAIL: "a mail",
    MSG: "an Outlook message",
    PDF: "PDF",
    RTF: "RTF",
    EPUB: "EPUB",
    DOCX: "DOCX",
    PPTX: "PPTX",
    XLSX: "XLSX",
    ODT: "ODT",
    ODS: "ODS",
    ODP: "ODP",
    DOC: "DOC",
    XLS: "XLS",
    PPT: "PPT",
    ZIP: "a ZIP archive",
    TAR: "a TAR archive",
    GZIP: "gzip",
    BZIP2: "bzip2",
    XZ: "xz",
    ENCRYPTED_OFFICE: "an encrypted Office document",
}


def spoken(kind: str) -> str:
    """The media type in words: `PDF`, `a ZIP archive`, `a PNG image`."""
    if kind.startswith("image/"):
        return f"a {kind.removeprefix('image/').upper()} image"
    return _SPOKEN.get(kind, kind)
