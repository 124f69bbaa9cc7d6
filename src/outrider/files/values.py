"""A file as operations hand it to each other."""

from enum import StrEnum
from uuid import UUID

from msgspec import Struct


class FileState(StrEnum):
    """Ready can be had; pending is yet to be fetched from a platform, failed could not be."""

    READY = "ready"
    PENDING = "pending"
    FAILED = "failed"


class FileSource(StrEnum):
    """Where a file came from."""

    UPLOAD = "upload"
    URL = "url"
    PLATFORM = "platform"


class StoredFile(Struct, frozen=True):
    """One file; `size` and `sha256` are known once it is ready. Its id holds the time of its creation."""

    id: UUID
    filename: str
    mime_type: str
    size: int | None
    sha256: bytes | None
    state: FileState
    source: FileSource
