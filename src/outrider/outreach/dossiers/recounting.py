"""Facts of the first two levels: what the records say of a contact, their company and their colleagues."""

from collections.abc import Iterator
from typing import Final

from outrider.outreach.dossiers.values import Colleague, Colleagues, Fact, Record
from outrider.outreach.dossiers.wording import channel_name, counted, day, listed
from outrider.outreach.values import SourceType

CONTACT: Final = "contact"
COMPANY: Final = "company"
LIST: Final = "list"
_SOURCES: Final = {
    SourceType.MANUAL: "made by hand",
    SourceType.CSV: "imported from CSV",
    SourceType.JSONL: "imported from JSON Lines",
    SourceType.API: "filled through the API",
}


def facts_of_record(record: Record) -> Iterator[Fact]:
    """Level 1: the contact's own record and the list that it is on."""
    yield Fact(f"{record.name} is reached at {record.email}.", CONTACT)
    for channel_class, address in record.addresses:
        if address != record.email.lower():
            yield Fact(f"Also reached by {_class_name(channel_class)} at {address}.", CONTACT)
    yield Fact(f"Known here since {day(record.created_at)}.", CONTACT)
    yield Fact(f"Qualification: {record.qualification_status.replace('_', ' ')}.", CONTACT)
    if record.fit_score is not None:
        yield Fact(f"Fit score: {record.fit_score} of 100.", CONTACT)
    if record.urgency_score is not None:
        yield Fact(f"Urgency score: {record.urgency_score} of 100.", CONTACT)
    if record.list_name is not None:
        yield Fact(f"On the list “{record.list_name}”, {_SOURCES[SourceType(record.list_source)]}.", LIST)
        if record.list_goal:
            yield Fact(f"What the list is for: {record.list_goal}", LIST)


def facts_of_company(record: Record, colleagues: Colleagues) -> Iterator[Fact]:
    """Level 2: the company, and who else is known there."""
    name = company_name(record)
    if name is None:
        yield Fact("No company is known.", CONTACT)
        return
    yield Fact(f"Works at {name}.", COMPANY)
    if not colleagues.count:
        yield Fact(f"Nobody else at {name} is known here.", COMPANY)
        return
    yield Fact(f"{counted(colleagues.count, 'colleague')} at {name} known here.", COMPANY)
    for one in colleagues.named:
        yield Fact(f"{one.name} ({one.email}) works there too: {_standing(one)}.", COMPANY)


def company_name(record: Record) -> str | None:
    """What to call the contact's company, None if there is none."""
    named = [part for part in (record.company_name, record.company_domain) if part]
    if len(named) == 2:
        return f"{named[0]} ({named[1]})"
    return named[0] if named else None


def names_of(colleagues: Colleagues) -> str:
    """Their names; of many the first."""
    names = [one.name for one in colleagues.named]
    rest = colleagues.count - len(names)
    return listed([*names, f"{rest:,} more"] if rest > 0 else names)


def _standing(colleague: Colleague) -> str:
    return colleague.qualification_status.replace("_", " ")


def _class_name(channel_class: str) -> str:
    return "phone" if channel_class == "phone" else channel_name(channel_class)
