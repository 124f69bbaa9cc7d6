"""Our engine renders what the npm package `handlebars` renders, but for a few differences, each with its reason."""

import json
import subprocess

import pytest

from tests.peers import PeerMissing, handlebars_package
from tests.templates.cases import CASES, DIFFERENCES, FOLDER, Case, raw_cases

WITHOUT_DIFFERENCE = {
    "if and unless",
    "each",
    "with",
    "lookup and log",
    "partials",
    "partial blocks",
    "inline partials",
    "whitespace",
    "comments",
    "escaping",
    "without escaping",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_a_case_renders_as_in_handlebars(case: Case) -> None:
    if case.title in DIFFERENCES:
        assert case.rendered() != case.expected, "no difference any more"
    else:
        assert case.rendered() == case.expected


def test_there_are_few_differences_and_none_where_templates_live() -> None:
    titles = [case.title for case in CASES]
    groups = {case.group for case in CASES}

    assert len(titles) == len(set(titles)) >= 300
    assert set(DIFFERENCES) <= set(titles)
    assert all(len(reason) > 40 for reason in DIFFERENCES.values())
    assert len(DIFFERENCES) <= len(CASES) * 0.05
    assert groups >= WITHOUT_DIFFERENCE
    assert not [case for case in CASES if case.group in WITHOUT_DIFFERENCE and case.title in DIFFERENCES]


def test_what_the_cases_expect_is_what_handlebars_renders() -> None:
    try:
        folder = handlebars_package()
    except PeerMissing as missing:
        pytest.skip(str(missing))

    answered = subprocess.run(
        ["node", str(FOLDER / "render_cases.mjs"), str(folder)],  # noqa: S607
        input=json.dumps(raw_cases()),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    answers = json.loads(answered.stdout)
    assert len(answers) == len(CASES)
    assert [
        case.title
        for case, answer in zip(CASES, answers, strict=True)
        if answer.get("output") != case.expected
    ] == []
