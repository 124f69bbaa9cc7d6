"""What can go wrong with the bundled PostgreSQL, in words that say what to do about it."""

from pathlib import Path


class EmbeddedPostgresError(Exception):
    """The bundled PostgreSQL cannot be used; the message is for the operator."""


class WrongMajorVersionError(EmbeddedPostgresError):
    """The data directory belongs to another major version than the programs at hand."""

    def __init__(self, cluster: Path, found: str, available: list[str]) -> None:
        super().__init__(
            f"{cluster} was made by PostgreSQL {found}, and only PostgreSQL {found} can open it; "
            f"at hand is {', '.join(available)}. `outrider upgrade-database` moves it to the newer version. "
            f"Until then, go back to the release that made it, or set OUTRIDER_POSTGRES_BINARIES to a folder "
            f"with the programs of PostgreSQL {found}."
        )
