"""The system account that the server runs as: ours, and never root, under which PostgreSQL refuses to run."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from outrider.core.database.embedded.errors import EmbeddedPostgresError


class Identity(TypedDict, total=False):
    """Arguments of `subprocess` that make a child run as somebody else."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """A system account; `switched` when it is not the one that we run as."""

    uid: int
    gid: int
    name: str
    switched: bool

    @property
    def identity(self) -> Identity:
        """Arguments that start a child as this account."""
        if not self.switched:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def give(self, path: Path) -> None:
        """Make this account the owner of a file or folder that we made."""
        if self.switched:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def let_into(self, folder: Path) -> None:
        """Make sure that this account can reach a folder of ours, opening it as far as that needs."""
        if self.switched and not self._may_enter(folder.stat()):
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IXGRP | stat.S_IXOTH)
        self.check_can_enter(folder)

    def check_can_enter(self, folder: Path) -> None:
        """Refuse a folder that this account cannot reach, and name the one that stands in the way."""
        for step in reversed([folder, *folder.parents]):
            if self.switched and not self._may_enter(step.stat()):
                raise EmbeddedPostgresError(
                    f"PostgreSQL cannot run as root; it would run as {self.name!r}, who cannot enter {step}. "
                    f"Choose another OUTRIDER_DATA_DIR (the default for root is /var/lib/outrider), "
                    f"or let others enter that folder (chmod o+x)."
                )

    def _may_enter(self, folder: os.stat_result) -> bool:
        if folder.st_uid == self.uid:
            return bool(folder.st_mode & stat.S_IXUSR)
        if folder.st_gid == self.gid:
            return bool(folder.st_mode & stat.S_IXGRP)
        return bool(folder.st_mode & stat.S_IXOTH)


def server_account(cluster: Path) -> Account:
    """Choose who runs the server of this cluster.

    As root: whoever owns the cluster already, else `postgres` if there is one, else `nobody`.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), str(os.geteuid()), switched=False)
    if cluster.is_dir() and (owner := cluster.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid, _name(owner.st_uid), switched=True)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid, name, switched=True)
    raise EmbeddedPostgresError(
        "PostgreSQL cannot run as root, and there is neither a user `postgres` nor a user `nobody`. "
        "Run Outrider as a normal user."
    )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
