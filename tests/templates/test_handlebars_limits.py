"""What a template cannot do: reach anything but its data, go on for ever, or fill the memory."""

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from outrider.templates.handlebars.compiling import LARGEST, compile_template
from outrider.templates.handlebars.parsing import DEEPEST
from outrider.templates.handlebars.problems import TemplateProblem
from outrider.templates.handlebars.programs import Compiled
from outrider.templates.handlebars.running import Limits

QUICKLY = 5.0
"""Seconds, on a busy machine; what these tests stop would take hours."""


def partials_of(partials: dict[str, str]) -> Callable[[str], Compiled | None]:
    compiled = cache(lambda name: compile_template(partials[name], name=name))
    return lambda name: compiled(name) if name in partials else None


def refused(
    template: str, data: Any = None, partials: dict[str, str] | None = None, limits: Limits | None = None
) -> TemplateProblem:
    began = time.monotonic()
    with pytest.raises(TemplateProblem) as caught:
        compile_template(template).render(data or {}, partials_of(partials or {}), limits or Limits())
    assert time.monotonic() - began < QUICKLY
    return caught.value


class Host:
    """Something of Python that must not be reached, should it ever get into the data."""

    secret = "s3cret"

    def __str__(self) -> str:
        return self.secret

    def __getitem__(self, key: object) -> str:
        return self.secret


@pytest.mark.parametrize(
    "template",
    ["{{host.secret}}", "{{host.__class__}}", "{{host}}", "{{lookup host 'secret'}}", "{{host.[0]}}"],
)
def test_nothing_of_python_is_reached(template: str) -> None:
    shown = compile_template(f"[{template}]").render({"host": Host()}, partials_of({}), Limits())

    assert shown == "[]"


@pytest.mark.parametrize(
    ("template", "partials"),
    [
        ("{{> p}}", {"p": "{{> p}}"}),
        ("{{> p}}", {"p": "x{{> q}}", "q": "{{#if true}}{{> p}}{{/if}}"}),
        ("{{#*inline 'p'}}{{> p}}{{/inline}}{{> p}}", {}),
        ("{{> (lookup @root 'name')}}", {"p": "{{> (lookup @root 'name')}}"}),
        ("{{#> p}}{{> p}}{{/p}}", {"p": "{{#> p}}{{> @partial-block}}{{/p}}"}),
        ("  {{> p}}\n", {"p": "  {{> p}}\n"}),
    ],
)
def test_partials_that_include_themselves_end(template: str, partials: dict[str, str]) -> None:
    problem = refused(template, {"name": "p"}, partials)

    assert "levels deep" in problem.message or "steps" in problem.message


def test_loops_in_loops_end() -> None:
    data = {"l": list(range(100))}
    template = "{{#each @root.l}}" * 6 + "{{/each}}" * 6

    assert "steps" in refused(template, data).message


def test_partials_that_double_end() -> None:
    partials = {f"p{level}": f"{{{{> p{level + 1}}}}}" * 2 for level in range(40)} | {"p40": ""}

    assert "steps" in refused("{{> p0}}", {}, partials).message


def test_the_output_is_bounded() -> None:
    data = {"l": list(range(1000)), "text": "x" * 10_000}

    assert "characters" in refused("{{#each l}}{{@root.text}}{{/each}}", data).message


def test_work_without_output_is_counted() -> None:
    data = {"l": list(range(1000)), "big": list(range(100_000))}

    assert "steps" in refused("{{#each l}}{{lookup @root @root.big}}{{/each}}", data).message
    assert "steps" in refused("{{#each l}}{{> p @root.big a=1}}{{/each}}", data, {"p": ""}).message
    long_path = "a." * 5_000 + "a"
    assert "steps" in refused("{{#each l}}{{#if " + long_path + "}}{{/if}}{{/each}}", data).message
    levels = "../" * 5_000
    assert "steps" in refused("{{#each l}}{{#if " + levels + "a}}{{/if}}{{/each}}", data).message


def test_time_is_bounded_too() -> None:
    template = "{{#each l}}{{#each @root.l}}{{this}}{{/each}}{{/each}}"

    problem = refused(template, {"l": list(range(500))}, limits=Limits(seconds=0.0))

    assert problem.message == "This takes more than 0 seconds."


def test_a_template_may_be_long_and_no_longer() -> None:
    assert compile_template("x" * LARGEST).render({}, partials_of({}), Limits()) == "x" * LARGEST
    assert "characters" in refused("x" * (LARGEST + 1)).message


@pytest.mark.parametrize(
    "template",
    [
        "{{#if a}}" * (DEEPEST + 1) + "{{/if}}" * (DEEPEST + 1),
        "{{#if a}}x" + "{{else if b}}y" * (DEEPEST + 1) + "{{/if}}",
        "{{lookup " + "(lookup " * (DEEPEST + 1) + "a" + " 1)" * (DEEPEST + 1) + " 1}}",
        "{{#if a}}" * 20_000,
        "{{#> p}}" * 20_000,
    ],
)
def test_a_template_may_not_be_nested_without_end(template: str) -> None:
    assert "levels deep" in refused(template).message


def test_what_may_be_nested_is_rendered() -> None:
    template = "{{#if a}}" * DEEPEST + "x" + "{{/if}}" * DEEPEST

    assert compile_template(template).render({"a": 1}, partials_of({}), Limits()) == "x"


@pytest.mark.parametrize(
    "template",
    [
        "\n" * 200_000 + "x{{#if a}}",
        "{{" + " " * 200_000,
        "{{!--" + "-" * 200_000,
        "{{{{raw}}}}" + "{{{{" * 50_000,
        '{{a "' + '\\"' * 100_000,
        "{{[" + "\\]" * 100_000,
        "\\{{" * 80_000 + "{{",
        "{{a." + "b." * 100_000,
        "{{" + "a " * 100_000,
        "{{~}}" * 50_000,
        "{{#a}}{{/b}}" * 20_000,
        "{{(" * 80_000,
        "{{else}}" * 30_000,
        "{{#*inline}}" * 20_000,
    ],
)
def test_broken_templates_are_refused_at_once(template: str) -> None:
    assert refused(template).line >= 1


def test_whitespace_is_stripped_in_linear_time() -> None:
    began = time.monotonic()
    template = ("\n" * 1_000 + " " * 1_000 + "x{{#if a}}{{/if}}") * 100

    compile_template(template)

    assert time.monotonic() - began < QUICKLY


@pytest.mark.parametrize(
    ("template", "line", "column"),
    [
        ("{{#if}}{{/if}}", 1, 4),
        ("a\nb {{shout c}}", 2, 5),
        ("{{#each l}}\n  {{> nothing}}\n{{/each}}", 2, 3),
        ("a\r\n\r\n{{#if a}}x{{/unless}}", 3, 1),
        ("{{a", 1, 3),
        ("x\n{{!-- never ends", 2, 1),
    ],
)
def test_a_problem_says_where(template: str, line: int, column: int) -> None:
    problem = refused(template, {"l": [1]})

    assert (problem.template, problem.line, problem.column) == (None, line, column)


def test_a_problem_in_a_partial_names_the_partial() -> None:
    problem = refused("x\n{{> footer}}", {}, {"footer": "\n\n  {{shout a}}"})

    assert (problem.template, problem.line, problem.column) == ("footer", 3, 5)
