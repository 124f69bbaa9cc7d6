"""What outreach refuses beside what every part does."""

from outrider.core.errors import AppError, ErrorKind


class ContactInUse(AppError):
    """There are drafts to this contact, so that it cannot be deleted."""

    kind = ErrorKind.CONFLICT
    code = "CONTACT_IN_USE"


class CompanyInUse(AppError):
    """Contacts belong to this company, so that it cannot be deleted."""

    kind = ErrorKind.CONFLICT
    code = "COMPANY_IN_USE"


class ImportTaken(AppError):
    """Another process is at this import."""

    kind = ErrorKind.CONFLICT
    code = "IMPORT_TAKEN"
