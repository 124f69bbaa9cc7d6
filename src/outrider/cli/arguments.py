"""The grammar of the command line: every command with its options, in one place and without its code."""

import argparse
from collections.abc import Callable
from importlib import metadata
from typing import NoReturn

from outrider.cli.outreach_arguments import add_contacts, add_lists
from outrider.outreach.drafts.values import DraftStatus
from outrider.platforms.base import Channel
from outrider.tenancy.actors import Scope
from outrider.tenancy.members.roles import Role
from outrider.tenancy.read_keys import ReadScope
from outrider.tenancy.tiers import TIERS, UNLIMITED

DESCRIPTION = "One self-hosted server through which a product sends and receives every message."
SETTINGS = "Settings come from OUTRIDER_* environment variables; `outrider doctor` shows what is set and how it looks."


class Arguments(argparse.Namespace):
    """What was typed; a command reads only what its own parser set."""

    command: str
    role: str
    host: str | None
    port: str | None
    listen_port: int
    listen_host: str
    migrate: bool
    output: str
    organisation: str | None
    application: str | None
    action: str
    name: str
    email: str
    member_role: str
    scope: list[str] | None
    test: bool
    reached: list[str] | None
    unsigned: bool
    waive_secret: bool
    slug: str | None
    backend: str | None
    channel: str
    provider: str | None
    identifier: str | None
    config: str | None
    days: int | None
    key_id: str
    file: str
    file_format: str | None
    contact_list: str | None
    mapped: list[str] | None
    on_duplicate: str
    dry_run: bool
    errors: str | None
    q: str | None
    most: int
    description: str | None
    connection_point: str | None
    goal: str | None
    account: str | None
    archived: bool
    list_id: str
    draft_ids: list[str]
    status: str | None
    limit: int
    tier: str
    secret: list[str] | None
    forward: str | None
    answer: int
    fail: int
    contact: list[str] | None
    stale: bool
    everybody: bool
    level: int


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        "outrider", description=DESCRIPTION, epilog=SETTINGS, formatter_class=_Formatter
    )
    version = f"outrider {metadata.version('outrider')}"
    parser.add_argument("-V", "--version", action="version", version=version)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    serve = _add(commands.add_parser, "serve", "run the server")
    serve.add_argument("--role", choices=("all", "api", "worker"), default="all", help="what to run (all)")
    _add_address(serve)
    serve.add_argument("--migrate", action="store_true", help="bring the schema up to date first")
    dev = _add(commands.add_parser, "dev", "run the server with a demo organisation, for trying it out")
    _add_address(dev)
    bootstrap = _add(
        commands.add_parser, "bootstrap", "create an organisation and its keys, or print them again"
    )
    bootstrap.add_argument("--output", choices=("json", "text"), default="text", help="how to print (text)")
    bootstrap.add_argument("--organisation", metavar="NAME", help="what to call the organisation (Default)")
    bootstrap.add_argument("--application", metavar="NAME", help="what to call the application (Default)")
    _add(commands.add_parser, "migrate", "bring the database's schema up to date")
    _add(commands.add_parser, "verify", "refold the log and compare it with what is stored")
    _add(commands.add_parser, "doctor", "look at everything that a server needs, and change nothing")
    _add_keys(_add(commands.add_parser, "keys", "create, list and revoke keys"))
    _add_projects(
        _add(commands.add_parser, "projects", "create and list applications, choose their backends")
    )
    _add_backends(_add(commands.add_parser, "backends", "create and list accounts at providers"))
    _add_members(_add(commands.add_parser, "members", "add, list and remove the people who administer"))
    add_contacts(_add(commands.add_parser, "contacts", "import and list contacts"), _add)
    add_lists(_add(commands.add_parser, "lists", "make, list, archive lists of contacts"), _add)
    _add_drafts(_add(commands.add_parser, "drafts", "list, approve, take back and discard drafts"))
    tier = _add(commands.add_parser, "tier", "limit how many requests the keys of an organisation may make")
    tier.add_argument("tier", choices=(*TIERS, UNLIMITED), help="the tier from now on")
    tier.add_argument("--organisation", metavar="NAME", help="the organisation, if there are several")
    _add_research(_add(commands.add_parser, "research", "make dossiers of what is known here"))
    _add_listen(_add(commands.add_parser, "listen", "receive webhooks here, print and verify them"))
    return parser


class _Formatter(argparse.HelpFormatter):
    """Leaves room for our longest options, so that each keeps to its line."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)


def _add(
    add_parser: Callable[..., argparse.ArgumentParser], name: str, purpose: str
) -> argparse.ArgumentParser:
    sentence = f"{purpose[0].upper()}{purpose[1:]}."
    return add_parser(name, help=purpose, description=sentence, formatter_class=_Formatter)


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="the address to listen on (OUTRIDER_HOST, else 127.0.0.1)")
    parser.add_argument("--port", help="the port to listen on, 0 for any free one (OUTRIDER_PORT, else 8080)")


def _add_keys(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    create = _add(actions.add_parser, "create", "create a key; it is printed once")
    create.add_argument("--application", metavar="SLUG", required=True, help="the application's slug")
    create.add_argument("--name", required=True, help="what the key is for")
    scopes = [scope.value for scope in Scope]
    create.add_argument(
        "--scope",
        action="append",
        metavar="SCOPE",
        choices=scopes,
        help=f"what it allows, may be repeated: {', '.join(scopes)} (*)",
    )
    create.add_argument("--test", action="store_true", help="a test key only reaches the sandbox")
    create.add_argument("--days", type=_positive, help="how many days it lasts (until it is revoked)")
    message = _add(actions.add_parser, "create-message", "create a key for /v1/messages; it is printed once")
    message.add_argument("--name", required=True, help="what the key is for")
    message.add_argument(
        "--application",
        dest="reached",
        action="append",
        metavar="SLUG",
        help="an application that it reaches, may be repeated (all)",
    )
    message.add_argument("--unsigned", action="store_true", help="requests need not be signed")
    message.add_argument("--waive-secret", action="store_true", help="with --unsigned: nor send the secret")
    read = _add(actions.add_parser, "create-read", "create a key for the read API; it is printed once")
    read.add_argument("--name", required=True, help="what the key is for")
    readable = [scope.value for scope in ReadScope]
    read.add_argument(
        "--scope",
        action="append",
        metavar="SCOPE",
        choices=readable,
        help=f"what it may read, may be repeated: {', '.join(readable)} (all)",
    )
    read.add_argument("--days", type=_positive, help="how many days it lasts (until it is revoked)")
    listing = _add(actions.add_parser, "list", "list keys, their secrets masked")
    revoke = _add(actions.add_parser, "revoke", "refuse a key from now on")
    revoke.add_argument("key_id", metavar="id", help="the key's id, as `keys list` shows it")
    for action in (create, message, read, listing, revoke):
        action.add_argument("--organisation", metavar="NAME", help="the organisation, if there are several")


def _add_projects(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    create = _add(actions.add_parser, "create", "create an application")
    create.add_argument("--name", required=True, help="what people call it")
    create.add_argument("--slug", help="what programs call it (made of the name)")
    listing = _add(actions.add_parser, "list", "list applications and the backends that send for them")
    default = _add(actions.add_parser, "default", "choose the backend of a type of message")
    default.add_argument("slug", help="the application's slug")
    default.add_argument(
        "channel", metavar="type", choices=[one.value for one in Channel], help="the type: email, sms, …"
    )
    default.add_argument("backend", nargs="?", help="the account's identifier (none any more)")
    for action in (create, listing, default):
        action.add_argument("--organisation", metavar="NAME", help="the organisation, if there are several")


def _add_backends(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    create = _add(actions.add_parser, "create", "create an account at a provider and print its identifier")
    create.add_argument(
        "channel", metavar="type", choices=[one.value for one in Channel], help="the type: email, sms, …"
    )
    create.add_argument(
        "--provider", help="who carries its messages: smtp, mailgun, … (the type's usual one)"
    )
    create.add_argument("--identifier", help="what messages call it (a random one)")
    create.add_argument("--config", metavar="FILE", help="its settings as JSON; - reads standard input")
    listing = _add(actions.add_parser, "list", "list the accounts")
    for action in (create, listing):
        action.add_argument("--organisation", metavar="NAME", help="the organisation, if there are several")


def _add_members(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    add = _add(actions.add_parser, "add", "add a member; the password is printed once")
    add.add_argument("--name", help="what others call them (the address up to its @)")
    roles = [role.value for role in Role]
    add.add_argument(
        "--role",
        dest="member_role",
        choices=roles,
        default=Role.OWNER.value,
        help=f"what they may do: {', '.join(roles)} ({Role.OWNER.value})",
    )
    listing = _add(actions.add_parser, "list", "list members")
    reset = _add(actions.add_parser, "reset-password", "give a member a new password; it is printed once")
    remove = _add(actions.add_parser, "remove", "refuse a member from now on")
    for action in (add, reset, remove):
        action.add_argument("email", help="the e-mail address")
    for action in (add, listing, reset, remove):
        action.add_argument("--organisation", metavar="NAME", help="the organisation, if there are several")


def _add_drafts(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    listing = _add(actions.add_parser, "list", "list drafts, the newest first")
    listing.add_argument(
        "--status", choices=[one.value for one in DraftStatus], help="only those in this state"
    )
    listing.add_argument("--limit", type=_positive, default=50, help="how many (50)")
    approve = _add(actions.add_parser, "approve", "let drafts be sent, all of them or none")
    cancel = _add(actions.add_parser, "cancel", "take drafts back that are not being sent yet")
    discard = _add(actions.add_parser, "discard", "put drafts away of which nothing was sent")
    for action in (approve, cancel, discard):
        action.add_argument(
            "draft_ids", nargs="+", metavar="id", help="a draft's id, as `drafts list` shows it"
        )
    for action in (listing, approve, cancel, discard):
        action.add_argument("--organisation", metavar="NAME", help="the organisation, if there are several")


def _add_research(parser: argparse.ArgumentParser) -> None:
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument(
        "--contact", action="append", metavar="WHO", help="an id or an address of a contact, may be repeated"
    )
    chosen.add_argument("--list", dest="contact_list", metavar="LIST", help="a list's id or name")
    chosen.add_argument("--stale", action="store_true", help="everybody whose dossier has expired")
    chosen.add_argument("--all", dest="everybody", action="store_true", help="everybody")
    parser.add_argument("--level", type=int, choices=(1, 2, 3, 4), default=4, help="how much to look at (4)")
    parser.add_argument("--organisation", metavar="NAME", help="the organisation, if there are several")


def _add_listen(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option("--host", dest="listen_host", metavar="HOST", default="127.0.0.1", help="the address (127.0.0.1)")
    option("--port", dest="listen_port", metavar="PORT", type=_port, default=9000, help="0 for any (9000)")
    option("--secret", action="append", help="a subscription's secret, to check signatures; may be repeated")
    option("--forward", metavar="URL", help="pass each delivery on and answer as it is answered")
    option("--answer", metavar="STATUS", type=_status, default=200, help="the status to answer with (200)")
    option("--fail", metavar="N", type=_positive, default=0, help="answer 503 to the first N deliveries")


def _positive(text: str) -> int:
    return _whole(text, 1, 1_000_000)


def _port(text: str) -> int:
    return _whole(text, 0, 65_535)


def _status(text: str) -> int:
    return _whole(text, 200, 599)


def _whole(text: str, lowest: int, highest: int) -> int:
    if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
        _refuse(f"{text!r} is not a whole number from {lowest} to {highest}")
    return int(text)


def _refuse(words: str) -> NoReturn:
    raise argparse.ArgumentTypeError(words)
