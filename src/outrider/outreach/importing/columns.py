"""Which column holds what: by what the import says, else by what columns are usually called."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from outrider.core.errors import ValidationError
from outrider.platforms.base import Channel

CHANNELS: Final[Mapping[str, Channel]] = {
    "phone": Channel.SMS,
    "whatsapp": Channel.WHATSAPP,
    "telegram": Channel.TELEGRAM,
    "slack": Channel.SLACK,
    "discord": Channel.DISCORD,
    "instagram": Channel.INSTAGRAM,
    "facebook": Channel.FACEBOOK,
}
"""Fields that are addresses, beside the one of mail."""
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "email": ("emailaddress", "mail", "mailaddress", "workemail"),
    "name": ("fullname", "contact", "contactname", "displayname"),
    "first_name": ("givenname", "forename"),
    "last_name": ("surname", "familyname"),
    "company": ("companyname", "organisation", "organization", "account", "accountname", "employer"),
    "domain": ("companydomain", "website", "companywebsite", "url"),
    "qualification_status": ("status", "leadstatus"),
    "fit_score": ("fit",),
    "urgency_score": ("urgency",),
    "phone": ("phonenumber", "mobile", "mobilephone", "tel", "telephone", "cell"),
    **{name: () for name in CHANNELS if name != "phone"},
}
FIELDS: Final = tuple(_NAMES)
"""What can be imported."""
_NOT_NAMED: Final = re.compile(r"[\W_]+")
_KNOWN: Final = {
    alias: field for field, others in _NAMES.items() for alias in (_NOT_NAMED.sub("", field), *others)
}


def checked_mapping(given: Mapping[str, object]) -> dict[str, str]:
    """Give a mapping of fields to columns as it is, or refuse it."""
    for field, column in given.items():
        if field not in FIELDS:
            raise ValidationError(
                f"{field[:64]!a} is no field; there are {', '.join(FIELDS)}.", path="mapping"
            )
        if not isinstance(column, str) or not column.strip() or len(column) > 1_000:
            raise ValidationError(f"The mapping of {field} must be a column's name.", path="mapping")
    return {field: str(column).strip() for field, column in sorted(given.items())}


def columns_of(names: Iterable[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """Find the column of each field; what the mapping names is read for nothing else."""
    columns = dict(mapping)
    taken = set(mapping.values())
    for name in names:
        field = _KNOWN.get(_NOT_NAMED.sub("", name.casefold()))
        if field is not None and field not in columns and name not in taken:
            columns[field] = name
    return columns


def header_columns(header: Iterable[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """The columns of a header; raises `ValidationError` where the mapping names none of it, or none has addresses."""
    names = list(header)
    for field, column in mapping.items():
        if column not in names:
            raise ValidationError(
                f"There is no column {column[:100]!r}, which {field} is mapped to.", path="mapping"
            )
    columns = columns_of(names, mapping)
    if "email" not in columns:
        raise ValidationError("No column holds mail addresses: map email to one.", path="mapping")
    return columns
