"""Messages rendered from templates: parts, locals of all levels, partials, and what is refused with its place."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from outrider.core.errors import NotFound, ValidationError
from outrider.templates.errors import RenderError
from outrider.templates.managing import TemplateChanges, archive_template, set_locals, update_template
from outrider.templates.rendering import MOST_LOCALS
from tests.templates.conftest import Author


async def refused(author: Author, template: str | None = None, **request: Any) -> Mapping[str, object]:
    with pytest.raises(RenderError) as caught:
        await author.render(template, **request)
    return {"message": caught.value.message, **caught.value.details}


async def test_inline_templates_are_rendered_and_only_html_is_escaped(author: Author) -> None:
    shown = await author.render(
        subject="Hi {{name}}",
        sender="{{name}} <ann@example.com>",
        text_template="Dear {{name}}",
        html_template="<p>Dear {{name}}</p>",
        locals={"name": "A & B"},
    )

    assert shown.subject == "Hi A & B"
    assert shown.sender == "A & B <ann@example.com>"
    assert shown.text == "Dear A & B"
    assert shown.html == "<p>Dear A &amp; B</p>"
    assert (shown.template, shown.is_text_derived) == (None, False)


async def test_a_stored_template_gives_every_part_and_its_version(author: Author) -> None:
    stored = await author.create(
        "receipt",
        sender="shop@example.com",
        subject="Order {{id}}",
        text_body="Total {{total}}",
        html_body="<p>Total {{total}}</p>",
        styles="p { color: red }",
    )

    shown = await author.render("receipt", locals={"id": 7, "total": "9 < 10"})

    assert (shown.sender, shown.subject, shown.text) == ("shop@example.com", "Order 7", "Total 9 < 10")
    assert shown.html is not None
    assert '<p style="color: red;">Total 9 &lt; 10</p>' in shown.html
    assert shown.template is not None
    assert (shown.template.template_id, shown.template.version) == (stored.id, 1)
    assert (await author.render(template_id=stored.id, locals={"id": 8})).subject == "Order 8"


async def test_each_part_is_the_ready_one_then_the_inline_one_then_the_stored_one(author: Author) -> None:
    await author.create("base", subject="stored {{n}}", text_body="stored text", html_body="<b>stored</b>")

    shown = await author.render(
        "base", text_body="ready {{n}}", html_template="<i>inline {{n}}</i>", locals={"n": 1}
    )

    assert (shown.subject, shown.text, shown.html) == ("stored 1", "ready {{n}}", "<i>inline 1</i>")
    assert (await author.render("base", subject="own {{n}}", locals={"n": 2})).subject == "own 2"


async def test_ready_bodies_alone_are_left_as_they_are(author: Author) -> None:
    html = "<style>p{color:red}</style><P>{{not}} rendered"

    shown = await author.render(subject="{{as it is}}", html_body=html)

    assert (shown.subject, shown.html) == ("{{as it is}}", html)
    assert (shown.text, shown.is_text_derived) == ("{{not}} rendered\n", True)


async def test_a_text_part_is_made_of_html_alone(author: Author) -> None:
    shown = await author.render(
        html_template="<h1>{{t}}</h1><p>See <a href='https://x.example/'>here</a></p>", locals={"t": "A & B"}
    )

    assert shown.text == "A & B\n\nSee here (https://x.example/)\n"
    assert shown.is_text_derived


async def test_locals_come_from_all_levels_and_the_nearest_holds(author: Author) -> None:
    application_id = author.tenant.application_id
    await set_locals(
        author.context, author.member, None, {"a": "org", "b": "org", "c": "org", "d": "org", "o": {"x": 1}}
    )
    await set_locals(author.context, author.member, application_id, {"b": "app", "c": "app", "d": "app"})
    await author.create(
        "t", text_body="{{a}} {{b}} {{c}} {{d}} [{{o.x}}{{o.y}}]", locals={"c": "tpl", "d": "tpl"}
    )

    shown = await author.render("t", locals={"d": "msg"})
    replaced = await author.render("t", locals={"d": None, "o": {"y": 2}})

    assert shown.text == "org app tpl msg [1]"
    # a level gives whole values: nothing of an object further out is left
    assert replaced.text == "org app tpl  [2]"
    assert (await author.render(text_template="{{a}} {{b}}{{c}}")).text == "org appapp"


async def test_changed_locals_hold_at_once(author: Author) -> None:
    for value in ("one", "two"):
        await set_locals(author.context, author.member, author.tenant.application_id, {"v": value})
        assert (await author.render(text_template="{{v}}")).text == value


async def test_a_change_makes_a_version_and_the_pinned_one_can_be_asked_for(author: Author) -> None:
    stored = await author.create("t", text_body="one")
    changed = await update_template(
        author.context, author.member, stored.id, TemplateChanges(text_body="two")
    )
    renamed = await update_template(author.context, author.member, stored.id, TemplateChanges(name="Named"))

    assert (changed.version, renamed.version, renamed.name) == (2, 2, "Named")
    assert (await author.render("t")).text == "two"
    first = await author.render("t", version=1)
    assert first.text == "one"
    assert first.template is not None
    assert first.template.version == 1
    with pytest.raises(NotFound):
        await author.render("t", version=3)
    with pytest.raises(ValidationError):
        await author.render(text_template="x", version=1)


async def test_other_templates_are_partials(author: Author) -> None:
    await author.create("footer", text_body="Bye {{name}}", html_body="<p>Bye {{name}}</p>")
    await author.create("mail/layout", html_body="<main>{{> @partial-block}}</main>{{> footer}}")
    await author.create(
        "hello", text_body="Hello. {{> footer}}", html_body="{{#> mail/layout}}<h1>Hello</h1>{{/mail/layout}}"
    )

    shown = await author.render("hello", locals={"name": "A&B"})

    assert shown.text == "Hello. Bye A&B"
    assert shown.html == "<main><h1>Hello</h1></main><p>Bye A&amp;B</p>"
    assert (await author.render(text_template="{{> [footer]}}{{>'footer'}}")).text == "Bye Bye "


async def test_dynamic_partials_are_found_while_rendering(author: Author) -> None:
    await author.create("deep", text_body="deep {{v}}")
    await author.create("a", text_body="A {{> (lookup . 'next')}}")

    shown = await author.render(
        text_template="{{> (lookup . 'first')}}", locals={"first": "a", "next": "deep", "v": 1}
    )

    assert shown.text == "A deep 1"


async def test_a_missing_partial_is_refused_with_its_place(author: Author) -> None:
    await author.create("t", subject="x", text_body="one\n  {{> nothing}}")

    problem = await refused(author, "t")

    assert problem == {
        "message": "There is no partial nothing.",
        "part": "text",
        "template": "t",
        "line": 2,
        "column": 3,
    }
    assert (await author.render(text_template="{{#> nothing}}else{{/nothing}}")).text == "else"


async def test_a_mistake_in_a_partial_names_it(author: Author) -> None:
    await author.create("inner", text_body="\n{{shout a}}")

    problem = await refused(author, text_template="{{> inner}}")

    assert (problem["part"], problem["template"], problem["line"], problem["column"]) == (
        "text",
        "inner",
        2,
        3,
    )


@pytest.mark.parametrize(
    ("request_", "part", "line", "column"),
    [
        ({"subject": "{{#if", "text_template": "x"}, "subject", 1, 4),
        ({"html_template": "<p>\n{{/if}}"}, "html", 2, 1),
        ({"text_template": "{{a", "html_template": "x"}, "text", 1, 3),
        ({"sender": "{{}}", "text_template": "x"}, "from", 1, 3),
    ],
)
async def test_a_broken_template_says_where(
    author: Author, request_: dict[str, str], part: str, line: int, column: int
) -> None:
    problem = await refused(author, **request_)

    assert (problem["part"], problem["template"], problem["line"], problem["column"]) == (
        part,
        None,
        line,
        column,
    )


async def test_missing_locals_are_empty_unless_the_template_is_strict(author: Author) -> None:
    stored = await author.create("t", text_body="Dear {{name}}", is_strict=True)

    problem = await refused(author, "t")

    assert (problem["part"], problem["line"], problem["column"]) == ("text", 1, 8)
    assert (await author.render("t", locals={"name": "Ann"})).text == "Dear Ann"
    assert (await author.render("t", strict=False)).text == "Dear "
    assert (await author.render(text_template="Dear {{name}}")).text == "Dear "
    await refused(author, text_template="Dear {{name}}", strict=True)
    await update_template(author.context, author.member, stored.id, TemplateChanges(is_strict=False))
    assert (await author.render("t")).text == "Dear "


@pytest.mark.parametrize("break_", ["\n", "\r\n", "\r", "\u2028", "\x0b", "\x85", "\0"])
async def test_locals_cannot_add_headers(author: Author, break_: str) -> None:
    evil = f"Hello{break_}Bcc: everybody@example.com"

    shown = await author.render(subject="{{s}}", sender="{{s}}", text_template="x", locals={"s": evil})
    ready = await author.render(subject=evil, text_body="x")

    folded = "Hello Bcc: everybody@example.com"
    assert (shown.subject, shown.sender, ready.subject) == (folded, folded, folded)


async def test_locals_of_five_megabytes_are_refused(author: Author) -> None:
    problem = await refused(author, text_template="{{a}}", locals={"a": "x" * 5_000_000})

    assert problem["part"] == "locals"
    assert f"{MOST_LOCALS:,}" in str(problem["message"])
    fits = await author.render(text_template="{{a.length}}", locals={"a": "x" * (MOST_LOCALS - 10)})
    assert fits.text == str(MOST_LOCALS - 10)


async def test_locals_nested_without_end_are_refused(author: Author) -> None:
    nested: list[object] = []
    for _ in range(5_000):
        nested = [nested]

    assert (await refused(author, text_template="{{a}}", locals={"a": nested}))["part"] == "locals"


async def test_hostile_html_and_locals_change_nothing_on_our_side(author: Author) -> None:
    evil = "<script>alert(1)</script>{{> x}}{{#each"

    shown = await author.render(html_template='<p title="{{v}}">{{v}}</p>', locals={"v": evil})

    assert shown.html is not None
    assert "<script" not in shown.html
    # what locals hold is text, and no template
    assert shown.html.endswith(">&lt;script&gt;alert(1)&lt;/script&gt;{{&gt; x}}{{#each</p>")
    problem = await refused(author, html_template="<style>p{}</style>" + "<div>" * 50_000)
    assert problem["part"] == "styles"


async def test_endless_templates_end_while_others_are_rendered(author: Author) -> None:
    await author.create("loop", text_body="{{> loop}}")
    rows = list(range(800))
    slow = "{{#each l}}{{#each @root.l}}{{#each @root.l}}{{/each}}{{/each}}{{/each}}"

    results = await asyncio.gather(
        author.render("loop"),
        author.render(text_template=slow, locals={"l": rows}),
        author.render(text_template="fine"),
        return_exceptions=True,
    )

    assert [isinstance(one, RenderError) for one in results] == [True, True, False]


async def test_the_loop_goes_on_while_a_template_is_rendered(author: Author) -> None:
    slow = "{{#each l}}{{#each @root.l}}{{#each @root.l}}{{/each}}{{/each}}{{/each}}"
    rendering = asyncio.create_task(author.render(text_template=slow, locals={"l": list(range(800))}))
    turns = 0
    while not rendering.done():
        await asyncio.sleep(0.001)
        turns += 1

    assert isinstance(rendering.exception(), RenderError)
    assert turns > 10


async def test_templates_of_others_are_not_found(author: Author, foreigner: Author) -> None:
    stored = await author.create("secret", text_body="secret")

    for request in ({"template": "secret"}, {"template_id": stored.id}, {"template": "missing"}):
        with pytest.raises(NotFound) as caught:
            await foreigner.render(**request)
        assert caught.value.message == "Template not found."
    assert (await refused(foreigner, text_template="{{> secret}}"))[
        "message"
    ] == "There is no partial secret."
    await set_locals(author.context, author.member, None, {"v": "theirs"})
    assert (await foreigner.render(text_template="[{{v}}]")).text == "[]"


async def test_an_archived_template_is_gone_and_its_identifier_free(author: Author) -> None:
    stored = await author.create("t", text_body="old")
    await author.render("t")
    await archive_template(author.context, author.member, stored.id)

    with pytest.raises(NotFound):
        await author.render("t")
    with pytest.raises(NotFound):
        await author.render(template_id=stored.id)
    with pytest.raises(NotFound):
        await update_template(author.context, author.member, stored.id, TemplateChanges(name="x"))
    await author.create("t", text_body="new")
    assert (await author.render("t")).text == "new"


async def test_id_and_identifier_must_agree(author: Author) -> None:
    stored = await author.create("one", text_body="1")
    await author.create("two", text_body="2")

    assert (await author.render("one", template_id=stored.id)).text == "1"
    with pytest.raises(ValidationError):
        await author.render("two", template_id=stored.id)
