"""Readers of single settings: each turns a text into its value or says what is wrong with it.

`allowed(reader)` gives the words for what the reader takes, so that messages and documentation agree.
No message repeats a value that may be a secret.
"""

import base64
import binascii
import ipaddress
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

T = TypeVar("T")

_KEY_BYTES = 32
_SIZE = re.compile(r"(\d+)\s*([kKMG]i?B|B)?")
_UNITS = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "kiB": 2**10,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_SWITCH = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}

_allowed: dict[Callable[[str], object], str] = {}


class BadValue(ValueError):
    """A text that a setting cannot be made of; the message continues the name of the variable."""


def allowed(reader: Callable[[str], object]) -> str:
    """Say in words what a reader takes."""
    return _allowed[reader]


def _reads(words: str) -> Callable[[Callable[[str], T]], Callable[[str], T]]:
    def register(reader: Callable[[str], T]) -> Callable[[str], T]:
        _allowed[reader] = words
        return reader

    return register


def whole(lowest: int, highest: int) -> Callable[[str], int]:
    @_reads(f"a whole number from {lowest} to {highest}")
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit()):
            raise BadValue(f"is {text!r}, which is not a whole number")
        return _within(int(text), lowest, highest)

    return read


def number(lowest: float, highest: float) -> Callable[[str], float]:
    @_reads(f"a number from {lowest} to {highest}")
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise BadValue(f"is {text!r}, which is not a number") from None
        if math.isnan(value):
            raise BadValue(f"is {text!r}, which is not a number")
        return _within(value, lowest, highest)

    return read


def size(lowest: int, highest: int) -> Callable[[str], int]:
    @_reads(f"a size from {lowest} to {highest} bytes, such as 500000, 4MB or 4MiB")
    def read(text: str) -> int:
        found = _SIZE.fullmatch(text)
        if found is None or not text.isascii():
            raise BadValue(f"is {text!r}, which is not a size")
        return _within(int(found[1]) * _UNITS[found[2] or "B"], lowest, highest)

    return read


Number = TypeVar("Number", int, float)


def _within(value: Number, lowest: Number, highest: Number) -> Number:
    if not lowest <= value <= highest:
        raise BadValue(f"is {value}, which is out of range")
    return value


def one_of(*choices: str) -> Callable[[str], str]:
    @_reads("one of " + ", ".join(choices))
    def read(text: str) -> str:
        if text not in choices:
            raise BadValue(f"is {text!r}, which is none of them")
        return text

    return read


def several(reader: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    @_reads(f"a list, separated by commas, of: {allowed(reader)}")
    def read(text: str) -> tuple[T, ...]:
        return tuple(reader(part.strip()) for part in text.split(",") if part.strip())

    return read


@_reads("1, true, yes, on, 0, false, no or off")
def switch(text: str) -> bool:
    value = _SWITCH.get(text.lower())
    if value is None:
        raise BadValue(f"is {text!r}, which is neither yes nor no")
    return value


@_reads("the absolute path of a folder, or one that begins with ~")
def folder(text: str) -> Path:
    path = Path(text)
    if text.startswith("~"):
        try:
            path = path.expanduser()
        except RuntimeError:
            raise BadValue(f"is {text!r}, and there is no such home folder") from None
    if not path.is_absolute() or "\0" in text:
        raise BadValue(f"is {text!r}, which is not an absolute path")
    if _is_no_folder(path):
        raise BadValue(f"is {text!r}, which is not a folder")
    return path


def _is_no_folder(path: Path) -> bool:
    """Tell whether something else is there; what this user may not look at is told by what uses it."""
    try:
        return path.exists() and not path.is_dir()
    except OSError:
        return False


@_reads("the absolute path of a file")
def file(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute() or "\0" in text or not path.is_file():
        raise BadValue(f"is {text!r}, which is not the absolute path of a file")
    return path


@_reads("an IP address or a host name, without a scheme or a port")
def host(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        if not _HOST.fullmatch(text):
            raise BadValue(f"is {text!r}, which is not a host") from None
        return text


@_reads("an IP address or a network such as 10.0.0.0/8")
def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as problem:
        raise BadValue(f"has {text!r}, which is not a network ({problem})") from None


@_reads("32 bytes in base64, as `openssl rand -base64 32` makes them")
def key(text: str) -> bytes:
    try:
        value = base64.b64decode(
            text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True
        )
    except (binascii.Error, ValueError):
        raise BadValue("has a key that is not base64") from None
    if len(value) != _KEY_BYTES:
        raise BadValue(f"has a key of {len(value)} bytes")
    return value


@_reads("a URL such as https://messages.example.com, without a query or credentials")
def web_url(text: str) -> str:
    url = _split(text, "a web address")
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise BadValue("is not an http:// or https:// URL")
    if url.username is not None or url.query or url.fragment or "?" in text or "#" in text:
        raise BadValue("has a query, a fragment or credentials")
    return text.rstrip("/")


@_reads("a URL such as postgresql://user:password@host:5432/database")
def postgres_url(text: str) -> str:
    url = _split(text, "a database address")
    if url.scheme not in {"postgres", "postgresql"}:
        raise BadValue("is not a postgresql:// URL")
    return text


def _split(text: str, what: str) -> SplitResult:
    if not text.isascii() or any(character.isspace() for character in text):
        raise BadValue(f"is not {what}: it has spaces or letters beyond ASCII")
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        raise BadValue(f"is not {what}: its host or port is malformed") from None
    return url
