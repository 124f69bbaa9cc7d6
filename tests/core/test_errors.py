from outrider.core import errors
from outrider.core.errors import AppError, ErrorKind, NotFound, ValidationError


def test_the_docstring_is_the_default_message() -> None:
    class LinkCodeExpired(AppError):
        """The link code
        has expired.

        It was valid for a while.
        """

        kind = ErrorKind.GONE
        code = "LINK_CODE_EXPIRED"

    assert LinkCodeExpired().message == "The link code has expired."


def test_a_subclass_without_docstring_keeps_its_parents_message() -> None:
    class UserNotFound(NotFound):
        pass

    assert UserNotFound().message == NotFound().message == "The resource does not exist."


def test_message_and_details_are_what_the_raiser_said() -> None:
    error = ValidationError("to is missing", path="input.to")

    assert (error.message, str(error), dict(error.details)) == ("to is missing",) * 2 + (
        {"path": "input.to"},
    )


def test_a_detail_may_be_called_message() -> None:
    assert ValidationError(message="kept").details["message"] == "kept"


def test_every_error_has_a_code_of_its_own() -> None:
    every = [
        found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, AppError)
    ]

    assert len({error.code for error in every}) == len(every) > 10


def test_every_kind_is_used_by_a_general_error_except_gone() -> None:
    every = [
        found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, AppError)
    ]

    assert {error.kind for error in every} == set(ErrorKind) - {ErrorKind.GONE}
