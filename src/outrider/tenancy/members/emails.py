"""Members' addresses: one spelling for each, so that nobody is there twice."""

from email_validator import EmailNotValidError, validate_email

from outrider.core.errors import ValidationError

LONGEST = 254


def checked_email(text: str, field: str = "email") -> str:
    """Give an address as it is compared and kept, or refuse it."""
    if len(text) > LONGEST:
        raise ValidationError(f"{field} must have at most {LONGEST} characters.", path=field)
    try:
        # a server of one's own may well have members at a name that only its own network knows
        found = validate_email(text.strip(), check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as problem:
        raise ValidationError(f"{field} is not an e-mail address: {problem}", path=field) from None
    return found.normalized.lower()
