"""Creates .venv with everything in requirements-dev.lock and the project itself: what `make setup` runs.

Needs only the standard library. uv comes out of the same lock file, hash checked, and installs the rest.
Nothing is downloaded from anywhere but the package index that pip or uv is configured for.
"""

import configparser
import hashlib
import html.parser
import io
import os
import platform
import re
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
UV = ENVIRONMENT / "bin" / "uv"
LOCK = ROOT / "requirements-dev.lock"
STAMP = ENVIRONMENT / ".set-up"

NEEDS_VENV = """
This Python cannot make a virtual environment with pip in it, and there is no pip beside it.
One of these helps:

  apt-get install python3-venv          (Debian and Ubuntu, as root)
  PIP_INDEX_URL=<your index> make setup (the "simple" address of a package index)
"""


def main() -> None:
    """Bring .venv up to date, or do nothing when it is."""
    if sys.version_info < (3, 11):  # noqa: UP036  started by whatever python3 is there
        sys.exit(f"Outrider needs Python 3.11 or newer; {sys.executable} is {platform.python_version()}.")
    wanted = _fingerprint()
    if STAMP.is_file() and STAMP.read_text() == wanted:
        return
    print("Setting up .venv; the first time its packages come over the network …", flush=True)
    STAMP.unlink(missing_ok=True)
    _make_environment()
    _install_everything()
    STAMP.write_text(wanted)
    print("Environment ready: .venv")


def _fingerprint() -> str:
    """What the environment was made from; its own path counts, since scripts in it name that."""
    digest = hashlib.sha256(f"{ENVIRONMENT}\0{sys.version}\0".encode())
    for source in (LOCK, ROOT / "pyproject.toml", Path(__file__)):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _make_environment() -> None:
    if not _works(PYTHON, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"):
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        if not _works(sys.executable, "-m", "venv", ENVIRONMENT):
            # Debian keeps ensurepip, which venv calls, in a package of its own (python3-venv).
            shutil.rmtree(ENVIRONMENT, ignore_errors=True)
            _run(sys.executable, "-m", "venv", "--without-pip", ENVIRONMENT)
    if not _works(UV, "--version") or _version_of_uv() not in _output(UV, "--version"):
        _install_uv()


def _install_uv() -> None:
    pinned = ENVIRONMENT / "uv.lock"
    pinned.write_text(_lock_entry("uv"))
    install = (
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "--no-deps",
        "--only-binary=:all:",
        "-r",
        pinned,
    )
    if _works(PYTHON, "-m", "pip", "--version") or _works(PYTHON, "-m", "ensurepip"):
        _run(PYTHON, "-m", "pip", *install)
    elif _works(sys.executable, "-m", "pip", "--version"):
        _run(sys.executable, "-m", "pip", "--python", PYTHON, *install)
    elif index := _configured_index():
        _unpack_uv(_download_uv(index))
    elif os.geteuid() == 0 and shutil.which("apt-get"):
        _run("apt-get", "update", "-qq")
        _run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "python3-venv")
        _run(PYTHON, "-m", "ensurepip")
        _run(PYTHON, "-m", "pip", *install)
    else:
        sys.exit(NEEDS_VENV)


def _install_everything() -> None:
    environment = {**os.environ, **_settings_of_pip(), "VIRTUAL_ENV": str(ENVIRONMENT)}
    environment.setdefault("UV_SYSTEM_CERTS", "1")  # as pip does where an administrator added a certificate
    install = (UV, "pip", "install", "--quiet", "--python", PYTHON)
    _run(
        *install, "--require-hashes", "-r", LOCK, env=environment
    )  # no sync: it would take the project out first
    _run(*install, "--no-deps", "--no-build-isolation", "--editable", ROOT, env=environment)


# The lock entry of uv, for pip and for the download without pip.


def _lock_entry(name: str) -> str:
    entry = re.search(rf"^{name}==.*?(?=^[a-zA-Z])", LOCK.read_text(), re.MULTILINE | re.DOTALL)
    if entry is None:
        sys.exit(f"{LOCK.name} does not pin {name}: run `make lock`.")
    return entry[0]


def _version_of_uv() -> str:
    return _lock_entry("uv").split("==")[1].split()[0]


def _settings_of_pip() -> dict[str, str]:
    """The index and certificates that pip is configured for, in uv's words; uv's own settings win."""
    words = {"index-url": "UV_DEFAULT_INDEX", "find-links": "UV_FIND_LINKS", "cert": "SSL_CERT_FILE"}
    words["extra-index-url"] = "UV_INDEX"
    configured = _configuration_of_pip()
    return {
        theirs: " ".join(configured[ours].split())
        for ours, theirs in words.items()
        if configured.get(ours) and theirs not in os.environ
    }


def _configuration_of_pip() -> Mapping[str, str]:
    """Read as pip does: site, user, then the environment, each stronger than the one before."""
    parser = configparser.RawConfigParser()
    home = Path.home()
    named = os.environ.get("PIP_CONFIG_FILE")
    files = [Path("/etc/pip.conf"), Path("/etc/xdg/pip/pip.conf"), home / ".pip/pip.conf"]
    files.append(Path(os.environ.get("XDG_CONFIG_HOME", home / ".config")) / "pip/pip.conf")
    parser.read([*files, named] if named else files)
    settings = dict(parser["global"]) if parser.has_section("global") else {}
    for name, value in os.environ.items():
        if name.startswith("PIP_"):
            settings[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return settings


# Without any pip: the wheel of uv from a configured index, checked against the lock.


def _configured_index() -> str | None:
    return _settings_of_pip().get("UV_DEFAULT_INDEX") or os.environ.get("UV_DEFAULT_INDEX")


class _Links(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


def _download_uv(index: str) -> bytes:
    page = urllib.parse.urljoin(index.rstrip("/") + "/", "uv/")
    links = _Links()
    links.feed(_fetch(page).decode())
    wheel = re.compile(rf"/uv-{re.escape(_version_of_uv())}-py3-none-manylinux\S*_{platform.machine()}\.")
    for link in links.found:
        if wheel.search(link):
            content = _fetch(urllib.parse.urljoin(page, link))
            if hashlib.sha256(content).hexdigest() in _lock_entry("uv"):
                return content
    sys.exit(
        f"{page} has no uv {_version_of_uv()} for {platform.machine()} that {LOCK.name} knows.\n{NEEDS_VENV}"
    )


def _fetch(url: str) -> bytes:
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        sys.exit(f"Not a web address: {url}")
    with urllib.request.urlopen(url, timeout=180) as answer:  # noqa: S310  the scheme is checked above
        return answer.read()


def _unpack_uv(wheel: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        (program,) = (name for name in archive.namelist() if name.endswith(".data/scripts/uv"))
        UV.write_bytes(archive.read(program))
    UV.chmod(0o755)


# Running programs.


def _works(*command: str | Path) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def _output(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _run(*command: str | Path, env: Mapping[str, str] | None = None) -> None:
    code = subprocess.run(command, check=False, env=env).returncode
    if code:
        sys.exit(f"`{' '.join(map(str, command))}` failed with {code}.")


if __name__ == "__main__":
    main()
