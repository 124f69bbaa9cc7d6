"""What each refusal of a mail server comes to, by the step at which it came."""

import pytest

from outrider.platforms.base import Deferred, FailureCode, InDoubt, Rejected
from outrider.platforms.smtp.replies import Step, Trouble, outcome_of


@pytest.mark.parametrize(
    ("step", "code", "text", "expected"),
    [
        (Step.RECIPIENT, 550, "5.1.1 User unknown", FailureCode.RECIPIENT_NOT_FOUND),
        (Step.RECIPIENT, 550, "5.1.10 null MX", FailureCode.RECIPIENT_NOT_FOUND),
        (Step.RECIPIENT, 550, "no mailbox here by that name", FailureCode.RECIPIENT_NOT_FOUND),
        (Step.RECIPIENT, 553, "sorry", FailureCode.RECIPIENT_NOT_FOUND),
        (Step.RECIPIENT, 550, "5.2.1 mailbox disabled", FailureCode.RECIPIENT_BLOCKED),
        (Step.RECIPIENT, 552, "5.2.2 mailbox full", FailureCode.RECIPIENT_BLOCKED),
        (Step.RECIPIENT, 550, "5.7.1 you are not welcome", FailureCode.RECIPIENT_BLOCKED),
        (Step.RECIPIENT, 554, "5.7.1 <a@b>: Relay access denied", FailureCode.ACCOUNT_ERROR),
        (Step.SENDER, 550, "5.1.8 bad sender domain", FailureCode.ACCOUNT_ERROR),
        (Step.SENDER, 553, "not your address", FailureCode.ACCOUNT_ERROR),
        (Step.SENDER, 552, "5.3.4 too big", FailureCode.CONTENT_REJECTED),
        (Step.CONTENT, 554, "5.5.1 no valid recipients", FailureCode.CONTENT_REJECTED),
        (Step.END_OF_CONTENT, 554, "5.7.1 spam", FailureCode.CONTENT_REJECTED),
        (Step.END_OF_CONTENT, 552, "5.3.4 too big", FailureCode.CONTENT_REJECTED),
        (Step.END_OF_CONTENT, 550, "5.1.1 unknown after all", FailureCode.RECIPIENT_NOT_FOUND),
        (Step.END_OF_CONTENT, 552, "5.2.3 too long for this mailbox", FailureCode.CONTENT_REJECTED),
    ],
)
def test_permanent_refusals(step: Step, code: int, text: str, expected: FailureCode) -> None:
    assert outcome_of(Trouble(step, text, code)) == Rejected(expected, f"{step}: {code} {text}")


@pytest.mark.parametrize("step", list(Step))
@pytest.mark.parametrize("code", [421, 450, 451, 452, 454])
def test_passing_refusals_are_deferred_at_every_step(step: Step, code: int) -> None:
    assert outcome_of(Trouble(step, "4.2.1 busy", code)) == Deferred(None, f"{step}: {code} 4.2.1 busy")


@pytest.mark.parametrize(
    ("step", "code"), [(Step.LOGIN, 535), (Step.LOGIN, 534), (Step.SENDER, 530), (Step.ENCRYPT, 501)]
)
def test_account_troubles_keep_the_message_and_pause_the_connection(step: Step, code: int) -> None:
    outcome = outcome_of(Trouble(step, "no", code))

    assert isinstance(outcome, Deferred)
    assert outcome.pauses_connection
    assert outcome.retry_after == 60


def test_a_greeting_that_refuses_is_deferred() -> None:
    assert isinstance(outcome_of(Trouble(Step.CONNECT, "no service", 554)), Deferred)


@pytest.mark.parametrize("step", list(Step))
def test_silence_is_in_doubt_only_after_the_final_dot(step: Step) -> None:
    expected = InDoubt if step is Step.END_OF_CONTENT else Deferred

    assert isinstance(outcome_of(Trouble(step, "gone")), expected)


def test_what_a_server_says_is_shortened_to_one_showable_line() -> None:
    outcome = outcome_of(Trouble(Step.RECIPIENT, "5.1.1 no\nsuch\r\nuser \udcff" + "x" * 1000, 550))

    assert isinstance(outcome, Rejected)
    assert outcome.detail.startswith("recipient: 550 5.1.1 no such user ?x")
    assert len(outcome.detail) == 300
