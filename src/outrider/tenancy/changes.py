"""How every process hears of changed settings: notifications, and the directories that they concern."""

from collections.abc import Callable, Mapping
from typing import Protocol
from uuid import UUID

from outrider.core import log
from outrider.core.database.listening import Listener
from outrider.tenancy.context import CHANGES, Changed


class Directory(Protocol):
    """What is kept in memory of one kind of settings."""

    def forget(self, changed_id: UUID, /) -> None: ...

    def clear(self) -> None: ...


class Both:
    """Two directories that forget on the same change."""

    def __init__(self, *directories: Directory) -> None:
        self._directories = directories

    def forget(self, changed_id: UUID, /) -> None:
        for directory in self._directories:
            directory.forget(changed_id)

    def clear(self) -> None:
        for directory in self._directories:
            directory.clear()


def follow_changes(
    listener: Listener, forget: Mapping[Changed, Callable[[UUID], None]], clear: Callable[[], None]
) -> None:
    """Let directories forget what changed, and everything after a gap; call before the listener starts."""

    def heard(payload: str) -> None:
        kind, _, changed_id = payload.partition(" ")
        try:
            forget[Changed(kind)](UUID(changed_id))
        except (ValueError, KeyError):
            # A newer release may tell of what this one does not know; when in doubt nothing is kept.
            log.warning("settings.change_unknown", payload=payload[:200])
            clear()

    listener.on(CHANGES, heard).on_gap(clear)


def keep_current(listener: Listener, directories: Mapping[Changed, Directory]) -> None:
    """Follow the changes of all the directories of a process."""

    def clear() -> None:
        for directory in directories.values():
            directory.clear()

    follow_changes(listener, {kind: directory.forget for kind, directory in directories.items()}, clear)
