"""The grammar of `outrider contacts` and `outrider lists`."""

import argparse
from collections.abc import Callable
from typing import TypeAlias

_Add: TypeAlias = Callable[[Callable[..., argparse.ArgumentParser], str, str], argparse.ArgumentParser]


def add_contacts(parser: argparse.ArgumentParser, add: _Add) -> None:
    """The actions of `outrider contacts`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    reading = add(
        actions.add_parser, "import", "import a file; again after it was stopped, it goes on where it was"
    )
    reading.add_argument("file", metavar="FILE", help="CSV with a header, or JSON Lines; UTF-8")
    option = reading.add_argument
    option("--format", dest="file_format", choices=("csv", "jsonl"), help="how it is written (by its ending)")
    option(
        "--list",
        dest="contact_list",
        metavar="LIST",
        help="the list they come to: its id or name; made if new",
    )
    option("--map", dest="mapped", action="append", metavar="FIELD=COLUMN", help="read a field from a column")
    option(
        "--on-duplicate", choices=("skip", "update"), default="skip", help="an address that is known (skip)"
    )
    option("--dry-run", action="store_true", help="tell what would be imported, and write nothing")
    option("--errors", metavar="FILE", help="write the rows that were left out there, with reasons, as CSV")
    listing = add(actions.add_parser, "list", "list contacts, the newest first")
    listing.add_argument("--q", metavar="WORDS", help="words of name, address and company, or how they begin")
    listing.add_argument(
        "--list", dest="contact_list", metavar="LIST", help="those on a list: its id or name"
    )
    listing.add_argument("--most", type=int, default=50, metavar="N", help="how many, at most 200 (50)")
    for action in (reading, listing):
        action.add_argument("--organisation", metavar="NAME", help="the organisation, if there are several")


def add_lists(parser: argparse.ArgumentParser, add: _Add) -> None:
    """The actions of `outrider lists`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    create = add(actions.add_parser, "create", "make a list; its id is printed")
    create.add_argument("name", help="what it is called")
    create.add_argument("--description", metavar="TEXT", help="who is on it")
    create.add_argument("--connection-point", metavar="TEXT", help="what one has in common with them")
    create.add_argument("--goal", metavar="TEXT", help="what is to be reached")
    create.add_argument("--application", metavar="SLUG", help="in which application it sends")
    create.add_argument(
        "--account", metavar="IDENTIFIER", help="through which account, the mailbox, it sends"
    )
    listing = add(actions.add_parser, "list", "list lists, the newest first")
    listing.add_argument("--archived", action="store_true", help="archived ones too")
    archive = add(actions.add_parser, "archive", "put a list away")
    unarchive = add(actions.add_parser, "unarchive", "bring a list back")
    for action in (archive, unarchive):
        action.add_argument("list_id", metavar="id", help="the list's id, as `lists list` shows it")
    for action in (create, listing, archive, unarchive):
        action.add_argument("--organisation", metavar="NAME", help="the organisation, if there are several")
