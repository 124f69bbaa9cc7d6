"""Secrets at rest: sealed with AES-256-GCM, bound to the tenant and the purpose they were sealed for.

A sealed value is a version byte, four bytes naming the key, a 12-byte nonce and the ciphertext. The master
key comes from the environment or from a file in the data directory that only its owner can read; without it
every sealed secret is lost.
"""

import base64
import contextlib
import hashlib
import os
import secrets
import stat
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from outrider.core import setting_values as values
from outrider.core.config import ConfigError, Settings
from outrider.core.data_dirs import make_data_dir

_VERSION: Final = b"\x01"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_HEADER_BYTES: Final = 5
_KEY_FILE: Final = "master.key"


class SealBroken(Exception):
    """A sealed value cannot be opened: it was damaged, belongs elsewhere, or its key is gone."""


class Sealer:
    """Seals with the current key and opens with the current one and its predecessors."""

    __slots__ = ("_ciphers", "_current_id", "_identity_root", "_keys")

    def __init__(self, current: bytes, old: Sequence[bytes] = ()) -> None:
        self._keys = (current, *old)
        self._current_id = _key_id(current)
        self._ciphers = {_key_id(key): AESGCM(_derive(key, b"outrider sealing")) for key in (*old, current)}
        # The oldest key: derived ids must stay what they are when a new key is put in front.
        self._identity_root = (current, *old)[-1]

    @property
    def key_id(self) -> bytes:
        """The four bytes that name the current key; not a secret."""
        return self._current_id

    @property
    def known_key_ids(self) -> frozenset[bytes]:
        """The names of every key that is here, earlier ones too."""
        return frozenset(self._ciphers)

    @property
    def first_key_id(self) -> bytes:
        """The four bytes that name the oldest key, which derived ids depend on; not a secret."""
        return _key_id(self._identity_root)

    def seal(self, plaintext: bytes, *, tenant: uuid.UUID, purpose: str) -> bytes:
        """Seal a secret so that only the same tenant and purpose can open it again."""
        header = _VERSION + self._current_id
        nonce = os.urandom(_NONCE_BYTES)
        bound = _associated(header, tenant, purpose)
        return header + nonce + self._ciphers[self._current_id].encrypt(nonce, plaintext, bound)

    def unseal(self, sealed: bytes, *, tenant: uuid.UUID, purpose: str) -> bytes:
        """Open a sealed secret, or raise `SealBroken`."""
        header, body = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES:]
        if header[:1] != _VERSION or len(body) < _NONCE_BYTES + _TAG_BYTES:
            raise SealBroken("this is not a sealed value")
        cipher = self._ciphers.get(header[1:])
        if cipher is None:
            raise SealBroken(f"the master key {header[1:].hex()} that sealed this value is not here")
        nonce, ciphertext = body[:_NONCE_BYTES], body[_NONCE_BYTES:]
        try:
            return cipher.decrypt(nonce, ciphertext, _associated(header, tenant, purpose))
        except InvalidTag:
            raise SealBroken("the value was damaged or sealed for another tenant or purpose") from None

    def is_current(self, sealed: bytes) -> bool:
        """Tell whether a value was sealed with the current key, or wants to be sealed anew."""
        return sealed[:_HEADER_BYTES] == _VERSION + self._current_id

    def identity_key(self, tenant: uuid.UUID) -> bytes:
        """Derive the key under which a tenant's ids are derived; it survives a change of the current key."""
        return _derive(self._identity_root, b"outrider identity " + tenant.bytes)

    def derived_keys(self, purpose: str) -> tuple[bytes, ...]:
        """Derive keys for a purpose, such as signing: the first is the current one, the others still count."""
        return tuple(_derive(key, b"outrider " + purpose.encode()) for key in self._keys)


def _associated(header: bytes, tenant: uuid.UUID, purpose: str) -> bytes:
    return header + tenant.bytes + purpose.encode()


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"outrider key id" + key).digest()[:4]


def _derive(key: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(key)


def open_sealer(settings: Settings) -> Sealer:
    """Build the sealer of this installation; makes a master key on the first start."""
    current, *old = _load_keys(settings)
    return Sealer(current, old)


def load_master_key(settings: Settings) -> bytes:
    """Give the current master key, from the environment or from a file that is made on the first start."""
    return _load_keys(settings)[0]


def _load_keys(settings: Settings) -> list[bytes]:
    if settings.master_key is not None:
        return [settings.master_key, *settings.old_master_keys]
    path = settings.data_dir / _KEY_FILE
    try:
        return _read_key_file(path)
    except FileNotFoundError:
        _create_key_file(path)
        return _read_key_file(path)


def _read_key_file(path: Path) -> list[bytes]:
    """Read the keys, one to a line and the current one first; refuse a file that others can read."""
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        content = file.read(64 * 1024)
    if mode & 0o077:
        raise ConfigError([f"{path} can be read by others (mode {mode:04o}); allowed is 0600"])
    try:
        keys = [values.key(line.strip()) for line in content.decode("ascii").splitlines() if line.strip()]
    except (values.BadValue, UnicodeDecodeError):
        keys = []
    if not keys:
        raise ConfigError(
            [f"{path} does not hold a master key; allowed is {values.allowed(values.key)}, one to a line"]
        )
    return keys


def _create_key_file(path: Path) -> None:
    """Put a complete key file in place; of several processes that try, the first wins."""
    make_data_dir(path.parent)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(base64.b64encode(secrets.token_bytes(_KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
