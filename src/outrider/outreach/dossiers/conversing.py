"""Facts of the third and fourth level: what was said and done, each pointing at its event, and how that stands."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from outrider.outreach.dossiers.values import Fact, Outcome, Said
from outrider.outreach.dossiers.wording import channel_name, counted, day, listed, quoted

LOG: Final = "log"
_MOST_SAID: Final = 25
_MOST_CLICKS: Final = 5
# What messages came to: of one, and of several.
_REACHED: Final = (
    ("message.delivered", "was delivered", "were delivered"),
    ("message.read", "was read", "were read"),
    ("message.opened", "was opened", "were opened"),
    ("message.clicked", "was clicked", "were clicked"),
    ("message.failed", "failed", "failed"),
)
_WARNINGS: Final = {
    "message.complained": "Complained",
    "message.unsubscribed": "Unsubscribed",
}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A conversation, counted; `said` is newest first."""

    said: Sequence[Said]

    @property
    def ours(self) -> Sequence[Said]:
        """What we wrote."""
        return [one for one in self.said if one.is_ours]

    @property
    def theirs(self) -> Sequence[Said]:
        """What they wrote."""
        return [one for one in self.said if not one.is_ours]

    @property
    def last(self) -> Said | None:
        """The last word."""
        return self.said[0] if self.said else None

    def reached(self, event_type: str) -> Sequence[tuple[Said, Outcome]]:
        """Our messages of which an outcome is known, with the first of it, the newest message first."""
        return [
            (one, found)
            for one in self.ours
            if (found := next((end for end in one.outcomes if end.event_type == event_type), None))
        ]

    def all_of(self, event_type: str) -> Sequence[Outcome]:
        """Every outcome of a type, the newest first."""
        found = [end for one in self.ours for end in one.outcomes if end.event_type == event_type]
        return sorted(found, key=lambda end: end.event_id, reverse=True)


def facts_of_exchange(exchange: Exchange) -> Iterator[Fact]:
    """Level 3: the counts, what deserves care, what was clicked, and the newest messages."""
    if exchange.last is None:
        yield Fact("Nothing was said yet, by us or by them.", LOG)
        return
    yield from _counts(exchange)
    for event_type, word in _WARNINGS.items():
        for end in exchange.all_of(event_type)[:1]:
            yield Fact(f"{word} on {day(end.at)}.", LOG, end.event_id)
    for _, end in exchange.reached("message.failed")[:1]:
        yield Fact(
            f"A message failed on {day(end.at)}: {end.detail or 'no reason was told'}", LOG, end.event_id
        )
    for end in exchange.all_of("message.clicked")[:_MOST_CLICKS]:
        if end.detail:
            yield Fact(f"Clicked {end.detail} on {day(end.at)}.", LOG, end.event_id)
    for one in exchange.said[:_MOST_SAID]:
        yield _message(one)


def facts_of_standing(exchange: Exchange) -> Iterator[Fact]:
    """Level 4: whose turn it is, and where they answer."""
    last = exchange.last
    if last is None:
        return
    if last.is_ours:
        yield Fact(f"The last word is ours, since {day(last.at)}.", LOG, last.event_id)
    else:
        yield Fact(f"The last word is theirs, since {day(last.at)}: it has no answer.", LOG, last.event_id)
    theirs = exchange.theirs
    if theirs:
        yield Fact(f"Writes by {channels_of(theirs)}.", LOG, theirs[0].event_id)


def channels_of(said: Sequence[Said]) -> str:
    """On which channels, the one used most first."""
    names = [channel_name(one.channel) for one in said]
    return listed(sorted(set(names), key=lambda name: (-names.count(name), name)))


def _counts(exchange: Exchange) -> Iterator[Fact]:
    ours, theirs = exchange.ours, exchange.theirs
    if ours:
        text = (
            f"We sent {counted(len(ours), 'message')} by {channels_of(ours)}, the last on {day(ours[0].at)}."
        )
        yield Fact(text, LOG, ours[0].event_id)
    for event_type, of_one, of_several in _REACHED:
        reached = exchange.reached(event_type)
        if reached:
            end = reached[0][1]
            word = of_one if len(reached) == 1 else of_several
            text = f"{counted(len(reached), 'message')} of ours {word}, the last on {day(end.at)}."
            yield Fact(text, LOG, end.event_id)
    if theirs:
        text = f"They sent {counted(len(theirs), 'message')} by {channels_of(theirs)}, the last on {day(theirs[0].at)}."
        yield Fact(text, LOG, theirs[0].event_id)
    replies = [one for one in theirs if one.is_reply]
    if replies:
        text = (
            f"{counted(len(replies), 'message')} of theirs answered ours, the last on {day(replies[0].at)}."
        )
        yield Fact(text, LOG, replies[0].event_id)


def _message(one: Said) -> Fact:
    who = "We wrote" if one.is_ours else ("They answered" if one.is_reply else "They wrote")
    words = f": {quoted(one.words)}" if one.words else ", without words."
    return Fact(f"{who} by {channel_name(one.channel)} on {day(one.at)}{words}", LOG, one.event_id)
