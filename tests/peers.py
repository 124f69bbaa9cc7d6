"""Real programs that other people wrote: servers that are started for the tests (Postfix with Dovecot, Prism, emulate
and moto), and clients of GraphQL and OpenAPI.

Workers of one test run share a peer, and a peer that a killed run left behind is taken over: the first user starts
it, the last one stops it. Who uses it is told by locks on a file, which end with their process.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_START_SECONDS = 90.0


class PeerMissing(Exception):
    """The peer cannot run here; the message is the reason to skip with."""


@dataclass(frozen=True, slots=True)
class MailPeer:
    """A Postfix that delivers to a Dovecot: any user of gw.test, one password for all."""

    host: str = "127.0.0.1"
    smtp_port: int = 2525
    imap_port: int = 1143
    domain: str = "gw.test"
    password: str = "pass"


@dataclass(frozen=True, slots=True)
class PrismPeer:
    """A Prism that checks every request against an API description."""

    url: str


@contextmanager
def mail_peer() -> Generator[MailPeer]:
    """Run Postfix and Dovecot for as long as the block lasts; `PeerMissing` says why that is not possible."""
    peer = MailPeer()
    script = _shared("peers/mail/start.sh")
    if os.geteuid() != 0:
        raise PeerMissing("Postfix can be started by root only")
    missing = [name for name in ("postfix", "dovecot") if shutil.which(name) is None]
    if missing:
        raise PeerMissing(f"not installed: {', '.join(missing)}")
    # Other users' processes have to get in, so this is no folder of pytest's.
    folder = Path(tempfile.gettempdir()) / "outrider-mail-peer"

    def start() -> None:
        if _is_listening(peer.smtp_port) or _is_listening(peer.imap_port):
            raise PeerMissing(f"ports {peer.smtp_port} and {peer.imap_port} are taken")
        _run_script(script, folder)
        _wait_until(lambda: _greets_as_postfix(peer) and _is_listening(peer.imap_port), "Postfix and Dovecot")

    def stop() -> None:
        _run_script(script, folder, "stop")
        _wait_until(lambda: not _is_listening(peer.smtp_port), "the end of Postfix")
        shutil.rmtree(folder, ignore_errors=True)

    with _shared_by_users("mail", is_up=lambda: _greets_as_postfix(peer), start=start, stop=stop):
        yield peer


@contextmanager
def prism_peer(spec: str) -> Generator[PrismPeer]:
    """Run Prism on one of the shared API descriptions; `PeerMissing` says why that is not possible."""
    description = _shared(f"peers/specs/{spec}")
    state = _state_file(f"prism-{spec}", ".json")
    prism = _prism_command()

    def start() -> None:
        port = _free_port()
        with (state.with_suffix(".log")).open("wb") as log:
            process = subprocess.Popen(
                [*prism, "mock", "-h", "127.0.0.1", "-p", str(port), str(description)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        state.write_text(json.dumps({"pid": process.pid, "port": port}))
        _wait_until(lambda: _answers_http(port) or process.poll() is not None, "Prism")
        if process.poll() is not None:
            raise PeerMissing(f"Prism ended: {state.with_suffix('.log').read_text()[-500:]}")
        process.returncode = 0  # it may outlive this process, so nobody waits for it here

    def stop() -> None:
        with contextlib.suppress(ProcessLookupError, OSError, ValueError):
            os.killpg(int(json.loads(state.read_text())["pid"]), signal.SIGTERM)
        state.unlink(missing_ok=True)

    with _shared_by_users(f"prism-{spec}", is_up=lambda: _prism_is_up(state), start=start, stop=stop):
        yield PrismPeer(f"http://127.0.0.1:{json.loads(state.read_text())['port']}")


@contextmanager
def emulate_peer(service: str, seed: Mapping[str, object]) -> Generator[str]:
    """Run one of emulate's services on its seed, for this test alone; gives its address."""
    folder = _ROOT / ".peers" / "emulate" / "node_modules"
    node, program = folder / ".bin" / "node", folder / "emulate" / "dist" / "index.js"
    if not (node.exists() and program.exists()):
        raise PeerMissing("emulate is not installed (make test installs it where there is npm)")
    with tempfile.TemporaryDirectory() as place:
        # what is JSON is YAML
        (Path(place) / "seed.yaml").write_text(json.dumps(seed))
        port = _free_port()
        command = [str(node), str(program), "start", "-s", service, "-p", str(port), "--seed", "seed.yaml"]
        with _running(command, Path(place), port, "emulate"):
            yield f"http://127.0.0.1:{port}"


@contextmanager
def moto_peer() -> Generator[str]:
    """Run moto's server, for this test alone; gives its address."""
    port = _free_port()
    program = Path(sys.executable).parent / "moto_server"
    if not program.exists():
        raise PeerMissing("moto is not installed")
    with (
        tempfile.TemporaryDirectory() as place,
        _running([str(program), "-H", "127.0.0.1", "-p", str(port)], Path(place), port, "moto"),
    ):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(command: list[str], place: Path, port: int, what: str) -> Generator[None]:
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=place, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _wait_until(lambda: _answers_http(port) or process.poll() is not None, what)
        if process.poll() is not None:
            raise PeerMissing(f"{what} ended: {(place / 'log').read_text()[-500:]}")
        yield
    finally:
        process.terminate()
        process.wait()


def graphql_clients() -> Path:
    """Give the folder of the npm packages of GraphQL clients; `PeerMissing` says why there is none."""
    folder = _ROOT / ".peers" / "graphql"
    if shutil.which("node") is None:
        raise PeerMissing("node is not installed")
    if not (folder / "node_modules" / ".bin" / "graphql-codegen").exists():
        raise PeerMissing(
            "the GraphQL clients are not installed (make test installs them where there is npm)"
        )
    return folder


def openapi_clients() -> Path:
    """Give the folder of the npm packages that read OpenAPI documents; `PeerMissing` says why there is none."""
    folder = _ROOT / ".peers" / "openapi"
    if shutil.which("node") is None:
        raise PeerMissing("node is not installed")
    if not (folder / "node_modules" / ".bin" / "redocly").exists():
        raise PeerMissing(
            "the OpenAPI clients are not installed (make test installs them where there is npm)"
        )
    return folder


def handlebars_package() -> Path:
    """Give the folder of the npm package `handlebars`; `PeerMissing` says why there is none."""
    folder = _ROOT / ".peers" / "handlebars"
    if shutil.which("node") is None:
        raise PeerMissing("node is not installed")
    if not (folder / "node_modules" / "handlebars" / "package.json").exists():
        raise PeerMissing("handlebars is not installed (make test installs it where there is npm)")
    return folder


def _shared(path: str) -> Path:
    shared = os.environ.get("OUTRIDER_SHARED")
    if not shared:
        raise PeerMissing("OUTRIDER_SHARED does not say where the peers are")
    found = Path(shared) / path
    if not found.exists():
        raise PeerMissing(f"{found} is not there")
    return found


def _prism_command() -> list[str]:
    folders = [Path(named) for named in (os.environ.get("PRISM_DIR"),) if named] + [_ROOT / ".peers"]
    for folder in folders:
        prism = folder / "node_modules" / ".bin" / "prism"
        if prism.exists() and shutil.which("node"):
            return [str(prism)]
    raise PeerMissing("Prism is not installed (make test installs it where there is npm)")


@contextmanager
def _shared_by_users(
    name: str, *, is_up: Callable[[], bool], start: Callable[[], None], stop: Callable[[], None]
) -> Generator[None]:
    with _state_file(name, ".users").open("w") as users:
        with _turn(name):
            fcntl.flock(users, fcntl.LOCK_SH)
            if not is_up():
                start()
        try:
            yield
        finally:
            with _turn(name):
                if _is_last(users):
                    stop()


@contextmanager
def _turn(name: str) -> Generator[None]:
    with _state_file(name, ".turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


def _is_last(users: object) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _state_file(name: str, suffix: str) -> Path:
    return Path(tempfile.gettempdir()) / f"outrider-peer-{os.geteuid()}-{name}{suffix}"


def _run_script(script: Path, folder: Path, *arguments: str) -> None:
    # The servers it leaves in the background inherit its output: a pipe would never end.
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(
            ["/bin/bash", str(script), str(folder), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            timeout=_START_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            said.seek(0)
            raise PeerMissing(f"{script.name} failed: {said.read()[-500:].decode(errors='replace')}")


def _wait_until(is_so: Callable[[], bool], what: str) -> None:
    give_up_at = time.monotonic() + _START_SECONDS
    while not is_so():
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"waited in vain for {what}")
        time.sleep(0.1)


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _greets_as_postfix(peer: MailPeer) -> bool:
    try:
        with smtplib.SMTP(peer.host, peer.smtp_port, timeout=5) as smtp:
            return b"mx.gw.test" in smtp.ehlo()[1]
    except (OSError, smtplib.SMTPException):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _answers_http(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return True
    except (OSError, ValueError):
        return False
    return True


def _prism_is_up(state: Path) -> bool:
    try:
        return _answers_http(int(json.loads(state.read_text())["port"]))
    except (OSError, ValueError, KeyError):
        return False
