"""Styles go into elements; what cannot stays in a style sheet; nothing is fetched; hostile documents do no harm."""

import subprocess
import sys
import time

import pytest

from outrider.templates.inlining import MOST_TAGS, NotInlined, inline_styles


def test_rules_become_attributes() -> None:
    shown = inline_styles("<body><p>Hello</p></body>", "p { color: red }")

    assert '<p style="color: red;">Hello</p>' in shown


def test_style_sheets_of_the_document_are_inlined_too_and_win() -> None:
    document = "<html><head><style>p { color: blue }</style></head><body><p>x</p></body></html>"

    shown = inline_styles(document, "p { color: red; margin: 0 }")

    assert '<p style="color: blue;margin: 0;">' in shown
    assert "<style" not in shown


def test_an_attribute_wins_but_not_over_important() -> None:
    document = '<p style="color: green; margin: 1px">x</p>'

    shown = inline_styles(document, "p { color: red; margin: 0 !important }")

    assert "color: green" in shown
    assert "margin: 0 !important" in shown
    assert "red" not in shown


def test_media_queries_stay() -> None:
    query = "@media (max-width: 600px) { p { color: green !important } }"

    shown = inline_styles("<p>x</p>", f"p {{ color: red }} {query}")

    assert '<p style="color: red;">' in shown
    assert "@media (max-width: 600px)" in shown
    assert "green !important" in shown.partition("</style>")[0]


@pytest.mark.parametrize("selector", ["a:hover", "a:visited", "p::first-line", "a:focus"])
def test_pseudo_classes_stay(selector: str) -> None:
    shown = inline_styles(
        "<p><a href='https://x.example'>x</a></p>", f"{selector} {{ color: red }} p {{ top: 0 }}"
    )

    sheet, _, rest = shown.partition("</style>")
    assert selector in sheet
    assert "color: red" in sheet
    assert "color: red" not in rest


def test_without_styles_nothing_changes() -> None:
    document = "<P>not   <b>touched</i>\n"

    assert inline_styles(document, None) == document


def test_conditional_comments_and_entities_stay() -> None:
    document = (
        "<!DOCTYPE html><html><body><!--[if mso]><table><![endif]--><p>a &amp; b &lt;</p></body></html>"
    )

    shown = inline_styles(document, "p { top: 0 }")

    assert shown.startswith("<!DOCTYPE html>")
    assert "<!--[if mso]><table><![endif]-->" in shown
    assert "a &amp; b &lt;" in shown


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/x.css", "file:///etc/hostname", "/etc/hostname", "//127.0.0.1:9/x.css"]
)
def test_linked_style_sheets_are_not_fetched(address: str) -> None:
    link = f'<link rel="stylesheet" href="{address}">'

    shown = inline_styles(f"<html><head>{link}</head><body><p>x</p></body></html>", "p { top: 0 }")

    assert link in shown
    assert '<p style="top: 0;">' in shown


def test_imports_are_not_fetched() -> None:
    shown = inline_styles("<p>x</p>", "@import url(http://127.0.0.1:9/x.css); p { top: 0 }")

    assert '<p style="top: 0;">' in shown


@pytest.mark.parametrize("styles", ["p{}</style><script>x</script>", "p{} </STYLE >", "<!-- p{}"])
def test_styles_cannot_leave_their_sheet(styles: str) -> None:
    with pytest.raises(NotInlined):
        inline_styles("<p>x</p>", styles)


@pytest.mark.parametrize(
    "styles", ["}", "p{", "{{{", "p{a", "@media{", ":::{}", "p{color:}", "", "/*", "p{a:b}}}"]
)
def test_broken_styles_do_no_harm(styles: str) -> None:
    assert "x" in inline_styles("<p>x</p>", styles)


RULE = "<style>p{a:b}</style>"
HOSTILE = {
    "too deep": RULE + "<div>" * 1_500,
    "much too deep": RULE + "<b>" * 60_000,
    "as deep as tags allow": RULE + "<b>" * 900,
    "formatting that never ends": RULE + "".join(f"<font size={n}>" for n in range(900)) + "<p>x" * 5_000,
    "formatting taken up again": RULE
    + "<p>"
    + "".join(f"<font size={n}>" for n in range(900))
    + "</p>"
    + "<p>x</p>" * 4_000,
    "tables": RULE + "<table><b>" * 5_000,
    "self-closing that is not": RULE + "<div/>" * 15_000,
    "comments that are none": RULE + "<!-->" + "<b>" * 15_000 + "-->",
    "styles that all match": "<style>"
    + "".join(f"p{{a{n}:b}}" for n in range(2_000))
    + "</style>"
    + "<p>x</p>" * 5_000,
    "many tags": RULE + "<p>x</p>" * 20_000,
}


@pytest.mark.parametrize("name", list(HOSTILE))
def test_hostile_documents_are_refused_or_rendered_in_time(name: str) -> None:
    # in a process of its own: what this guards against ends the whole process
    program = (
        "import sys, threading, tests.templates.test_inlining as here\n"
        "from outrider.templates.inlining import NotInlined, inline_styles\n"
        "def run():\n"
        "    try:\n"
        "        print('rendered', len(inline_styles(here.HOSTILE[sys.argv[1]], None)))\n"
        "    except NotInlined:\n"
        "        print('refused')\n"
        "thread = threading.Thread(target=run)\n"
        "thread.start()\n"
        "thread.join()\n"
    )
    began = time.monotonic()

    ended = subprocess.run(
        [sys.executable, "-c", program, name], capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 0, ended.stderr[-500:]
    assert ended.stdout.startswith(("rendered", "refused"))
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "as deep as tags allow"])
def test_what_could_end_or_hold_the_process_is_refused(name: str) -> None:
    with pytest.raises(NotInlined):
        inline_styles(HOSTILE[name], None)


def test_a_large_proper_document_is_rendered() -> None:
    rows = "<tr><td align=center>a<br><td><p>b <b>c</b></tr>" * 2_000
    document = f"<html><body><table>{rows}</table></body></html>"

    assert document.count("<") < MOST_TAGS
    assert inline_styles(document, "td { top: 0 }").count('style="top: 0;"') == 4_000
