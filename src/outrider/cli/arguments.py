"""The grammar of the command line: every command with its options, in one place and without its code."""

import argparse
from importlib import metadata
from typing import NoReturn

from outrider.tenancy.actors import Scope
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
    scope: list[str] | None
    test: bool
    days: int | None
    key_id: str
    tier: str
    secret: list[str] | None
    forward: str | None
    answer: int
    fail: int


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser("outrider", description=DESCRIPTION, epilog=SETTINGS)
    parser.add_argument("--version", action="version", version=f"outrider {metadata.version('outrider')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    serve = commands.add_parser("serve", help="run the server")
    serve.add_argument("--role", choices=("all", "api", "worker"), default="all", help="what to run (all)")
    _add_address(serve)
    serve.add_argument("--migrate", action="store_true", help="bring the schema up to date first")
    dev = commands.add_parser("dev", help="run the server with a demo organisation, for trying it out")
    _add_address(dev)
    bootstrap = commands.add_parser(
        "bootstrap", help="create an organisation and its keys, or print them again"
    )
    bootstrap.add_argument("--output", choices=("json", "text"), default="text", help="how to print (text)")
    bootstrap.add_argument("--organisation", metavar="NAME", help="what to call the organisation")
    bootstrap.add_argument("--application", metavar="NAME", help="what to call the application")
    commands.add_parser("migrate", help="bring the database's schema up to date")
    commands.add_parser("verify", help="refold the log and compare it with what is stored")
    commands.add_parser("doctor", help="look at everything that a server needs")
    _add_keys(commands.add_parser("keys", help="create, list and revoke API keys"))
    tier = commands.add_parser("tier", help="limit how many requests the keys of an organisation may make")
    tier.add_argument("tier", choices=(*TIERS, UNLIMITED), help="the tier from now on")
    tier.add_argument("--organisation", metavar="NAME", help="the organisation, if there are several")
    _add_listen(commands.add_parser("listen", help="receive webhooks here, print and verify them"))
    return parser


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="the address to listen on (OUTRIDER_HOST)")
    parser.add_argument("--port", help="the port to listen on (OUTRIDER_PORT)")


def _add_keys(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    create = actions.add_parser("create", help="create a key; it is printed once")
    create.add_argument("--application", metavar="SLUG", required=True, help="the application's slug")
    create.add_argument("--name", required=True, help="what the key is for")
    create.add_argument(
        "--scope",
        action="append",
        choices=[scope.value for scope in Scope],
        help="what it allows; may be repeated (*)",
    )
    create.add_argument("--test", action="store_true", help="a test key only reaches the sandbox")
    create.add_argument("--days", type=_positive, help="how many days it lasts (until it is revoked)")
    listing = actions.add_parser("list", help="list keys, their secrets masked")
    revoke = actions.add_parser("revoke", help="refuse a key from now on")
    revoke.add_argument("key_id", metavar="id", help="the key's id, as `keys list` shows it")
    for action in (create, listing, revoke):
        action.add_argument("--organisation", metavar="NAME", help="the organisation, if there are several")


def _add_listen(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host", dest="listen_host", default="127.0.0.1", help="the address to listen on (127.0.0.1)"
    )
    parser.add_argument(
        "--port", dest="listen_port", type=_port, default=9000, help="the port, 0 for any (9000)"
    )
    parser.add_argument("--secret", action="append", help="a subscription's secret; checks signatures")
    parser.add_argument("--forward", metavar="URL", help="pass each delivery on and answer as it is answered")
    parser.add_argument("--answer", type=_status, default=200, help="the status to answer with (200)")
    parser.add_argument(
        "--fail", type=_positive, default=0, metavar="N", help="answer 503 to the first N deliveries"
    )


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
