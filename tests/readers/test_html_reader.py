"""HTML: the main text, blocks as lines, headings as sections; hostile pages fail alone."""

from __future__ import annotations

import pytest
from readers.reading import line_of, outline, read

from ragctl.errors import EmptyDocument, MalformedDocument

PAGE = """\
<!DOCTYPE html>
<html><head><title> A
  page </title><style>p {}</style><script>var x = "<p>no</p>";</script></head>
<body>
<header><a href="/">Home</a></header>
<nav><ul><li>Menu</li></ul></nav>
<main>
<h1>Hello <b>world</b><a class="headerlink" href="#hello">¶</a></h1>
<p>Some <i>text</i>
  over <a href="http://x.y/z">lines</a><br>and   more</p>
<ul>
<li>one
<ol><li>first</li><li>second</li></ol></li>
<li><p>two</p></li>
</ul>
<pre class="code">
def f():
    return  1

<span>x</span> = 2
</pre>
tail of the block
<h2>Table</h2>
<table><caption>Sizes</caption>
<tr><th></th><th>B</th></tr>
<tr><td>1 <p>x</p></td><td>2<br>3<ul><li>4</li></ul></td></tr>
<tr><td></td><td> </td></tr>
</table>
<div>first</div><div>second <div>inner</div>rest</div>
<p>an <img src="i.png" alt="image"> here</p>
</main>
<aside>Related</aside>
<footer>Imprint</footer>
</body></html>
"""

TEXT = """\
Hello world

Some text over lines
and more

- one
  1. first
  2. second

- two

def f():
    return  1

x = 2

tail of the block

Table

Sizes
| B
1 x | 2 3 4

first
second
inner
rest

an image here"""


def test_a_page() -> None:
    document = read("a.html", PAGE)
    assert document.text == TEXT
    assert document.title == "A page"
    assert outline(document) == [("Hello world",), ("Hello world", "Table")]
    section = document.sections[1]
    assert document.text[section.start :].startswith("Table\n")


def test_lines_are_those_of_the_source() -> None:
    document = read("a.html", PAGE)
    source = PAGE.split("\n")
    for text, in_source in (
        ("Hello world", "<h1>"),
        ("Some text", "<p>Some"),
        ("- one", "<li>one"),
        ("  1. first", "<ol>"),
        ("- two", "two"),
        ("def f", "def f"),
        ("    return", "return"),
        ("x = 2", "<span>x"),
        ("tail", "tail"),
        ("Table", "Table"),
        ("1 x", "<tr><td>1"),
        ("inner", "inner"),
        ("an image", "image"),
    ):
        line = line_of(document, text)
        assert line is not None
        assert in_source in source[line - 1], text


def test_without_main_the_body_is_read_less_its_furniture() -> None:
    document = read(
        "a.html",
        "<body><header>Top</header><h1>T</h1><p>Words of the page.</p><aside>Side</aside>"
        "<div role=navigation>Menu</div><footer>End</footer></body>",
    )
    assert document.text == "T\n\nWords of the page."
    assert document.title == "T"


def test_a_small_article_is_not_taken_for_the_page() -> None:
    document = read(
        "a.html",
        "<article>teaser</article><p>" + "Many words outside of it. " * 5 + "</p><article>b</article>",
    )
    assert "teaser" in document.text
    assert "Many words" in document.text


def test_the_header_of_an_article_is_content_but_its_menu_is_not() -> None:
    document = read(
        "a.html",
        "<body><p>ad</p><article><header><h1>Title</h1><ul><li>English</li></ul></header>"
        "<p>The words of the article.</p><footer>By the author</footer></article></body>",
    )
    assert document.text == "Title\n\nThe words of the article.\n\nBy the author"


def test_a_page_of_furniture_is_read_whole() -> None:
    assert read("a.html", "<body><nav><p>Only this</p></nav></body>").text == "Only this"


def test_tables_that_lay_out_a_page_are_blocks() -> None:
    document = read(
        "a.html",
        "<table><tr><td><h2>Left</h2><p>a</p></td><td><table><tr><td>1<td>2</table></td></tr></table>",
    )
    assert document.text == "Left\n\na\n\n1 | 2"


def test_a_heading_of_several_lines_is_one_heading() -> None:
    document = read("a.html", "<p>x</p><h2>One<br>two <div>three</div></h2><p>y</p><h3> </h3>z")
    assert document.text == "x\n\nOne\ntwo\nthree\n\ny\n\nz"
    assert outline(document) == [(), ("One two three",)]
    assert document.text[document.sections[1].start :].startswith("One")


def test_an_item_without_text_marks_nothing() -> None:
    assert (
        read("a.html", "<ol><li></li><li>two</li></ol><ul><li> </li></ul><p>end</p>").text == "2. two\n\nend"
    )


def test_invisible_parts_are_left_out() -> None:
    document = read(
        "a.html",
        "<p>seen<span hidden>not</span><template>not</template><noscript>not</noscript>"
        "<svg><text>not</text></svg><!-- not --><button>not</button><b hidden=until-found> found</b></p>",
    )
    assert document.text == "seen found"


def test_entities_and_odd_characters() -> None:
    document = read("a.html", "<p>a&nbsp;&amp;&nbsp;b &lt;x&gt; &copy; &#x1F600; &#0; &#xD800; &unknown;</p>")
    assert document.text.startswith("a & b <x> © 😀")
    assert document.text.endswith("&unknown;")


@pytest.mark.parametrize(
    "head",
    [
        '<meta charset="iso-8859-2">',
        "<meta http-equiv=Content-Type content='text/html; charset=iso-8859-2'>",
        '<?xml version="1.0" encoding="ISO-8859-2"?>',
    ],
)
def test_declared_encodings(head: str) -> None:
    document = read("a.html", head.encode() + "<p>Škoda žluťoučký</p>".encode("iso8859-2"))
    assert document.text == "Škoda žluťoučký"
    assert document.metadata == {"encoding": "iso8859-2"}


def test_utf16_with_a_declaration_that_lies() -> None:
    data = "<html><meta charset=utf-8><p>Grüße</p>".encode("utf-16")
    assert read("a.html", data).text == "Grüße"


def test_xhtml() -> None:
    document = read(
        "a.xhtml",
        '<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" '
        '"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd"><html xmlns="http://www.w3.org/1999/xhtml">'
        "<head><title>T</title></head><body><p>Words</p></body></html>",
    )
    assert (document.title, document.text) == ("T", "Words")


def test_entities_of_the_document_are_not_expanded() -> None:
    bomb = '<!DOCTYPE html [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    document = read("a.html", bomb + ']><p>&i; <!ENTITY x SYSTEM "file:///etc/passwd"> &x; end</p>')
    assert len(document.text) < 2000
    assert "root:" not in document.text


@pytest.mark.parametrize("tag", ["div", "b", "ul><li", "table><tr><td", "blockquote"])
def test_nesting_too_deep_to_parse_is_malformed(tag: str) -> None:
    opening = f"<{tag}>"
    with pytest.raises(MalformedDocument, match="stopped at line 1"):
        read("a.html", opening * 100_000 + "words")


@pytest.mark.parametrize("tag", ["div", "b", "ul><li", "table><tr><td", "article", "section><h2"])
def test_deep_nesting_is_read(tag: str) -> None:
    document = read("a.html", "<p>before</p>" + f"<{tag}>" * 400 + "words")
    assert document.text.startswith("before")
    assert document.text.rstrip().endswith("words")


def test_huge_parts_are_read() -> None:
    words = "many words " * 300_000
    document = read(
        "a.html", f"<p title='{'x' * 12_000_000}'>{words}</p><img src='data:{'A' * 1_000_000}'>end"
    )
    assert document.text == f"{words.strip()}\n\nend"


@pytest.mark.parametrize("content", ["<p></p>", "<!-- x -->", "<script>x</script>", "<title>T</title>", "<"])
def test_pages_without_text_are_empty(content: str) -> None:
    if content == "<":
        assert read("a.html", content).text == "<"
        return
    with pytest.raises(EmptyDocument):
        read("a.html", content)


def test_lines_beyond_what_the_parser_counts_are_unknown() -> None:
    document = read("a.html", "<p>first</p>" + "\n" * 70_000 + "<p>late</p>")
    assert line_of(document, "first") == 1
    assert line_of(document, "late") is None
