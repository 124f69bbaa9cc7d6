import base64
import multiprocessing
import os
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.core.config import ConfigError, Settings, load
from outrider.core.sealing import SealBroken, Sealer, load_master_key, open_sealer

KEY, OLD_KEY = b"k" * 32, b"o" * 32
TENANT = uuid.UUID(int=7)


def settings_for(folder: Path, **variables: str) -> Settings:
    return load({"OUTRIDER_DATA_DIR": str(folder)} | variables, is_root=False)


@given(st.binary(max_size=300), st.uuids(), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_sealed_secret_opens_for_its_tenant_and_purpose(
    plaintext: bytes, tenant: uuid.UUID, purpose: str
) -> None:
    sealed = Sealer(KEY).seal(plaintext, tenant=tenant, purpose=purpose)

    assert Sealer(KEY).unseal(sealed, tenant=tenant, purpose=purpose) == plaintext


def test_a_sealed_secret_opens_for_nobody_else() -> None:
    sealed = Sealer(KEY).seal(b"token", tenant=TENANT, purpose="account")

    for tenant, purpose in ((uuid.UUID(int=8), "account"), (TENANT, "webhook"), (TENANT, "account ")):
        with pytest.raises(SealBroken, match="another tenant or purpose"):
            Sealer(KEY).unseal(sealed, tenant=tenant, purpose=purpose)


@given(st.data())
def test_any_changed_byte_breaks_the_seal(data: st.DataObject) -> None:
    sealed = bytearray(Sealer(KEY).seal(b"token", tenant=TENANT, purpose="account"))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))

    with pytest.raises(SealBroken):
        Sealer(KEY).unseal(bytes(sealed), tenant=TENANT, purpose="account")


@given(st.binary(max_size=60))
def test_bytes_that_were_never_sealed_are_refused(data: bytes) -> None:
    with pytest.raises(SealBroken):
        Sealer(KEY).unseal(data, tenant=TENANT, purpose="account")


def test_the_layout_is_version_key_nonce_ciphertext() -> None:
    sealer = Sealer(KEY)
    sealed = sealer.seal(b"token", tenant=TENANT, purpose="account")

    assert sealed[:1] == b"\x01"
    assert sealed[1:5] == sealer.key_id
    assert len(sealed) == 1 + 4 + 12 + len(b"token") + 16
    assert sealed != sealer.seal(b"token", tenant=TENANT, purpose="account")


def test_an_old_key_still_opens_and_the_new_one_seals() -> None:
    before = Sealer(OLD_KEY).seal(b"token", tenant=TENANT, purpose="account")
    rotated = Sealer(KEY, [OLD_KEY])
    after = rotated.seal(b"token", tenant=TENANT, purpose="account")

    assert rotated.unseal(before, tenant=TENANT, purpose="account") == b"token"
    assert (rotated.is_current(before), rotated.is_current(after)) == (False, True)
    with pytest.raises(SealBroken, match="is not here"):
        Sealer(KEY).unseal(before, tenant=TENANT, purpose="account")


def test_identity_keys_differ_by_tenant_and_survive_a_new_master_key() -> None:
    assert Sealer(KEY).identity_key(TENANT) != Sealer(KEY).identity_key(uuid.UUID(int=8))
    assert Sealer(KEY).identity_key(TENANT) != Sealer(OLD_KEY).identity_key(TENANT)
    assert Sealer(KEY, [b"m" * 32, OLD_KEY]).identity_key(TENANT) == Sealer(OLD_KEY).identity_key(TENANT)


def test_the_first_start_makes_a_key_that_only_its_owner_can_read(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "new")
    old_umask = os.umask(0)
    try:
        key = load_master_key(settings)
    finally:
        os.umask(old_umask)

    assert len(key) == 32
    assert load_master_key(settings) == key
    assert [path.name for path in settings.data_dir.iterdir()] == ["master.key"]
    assert (settings.data_dir / "master.key").stat().st_mode & 0o777 == 0o600


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, OUTRIDER_MASTER_KEY=base64.b64encode(KEY).decode())

    assert load_master_key(settings) == KEY
    assert list(tmp_path.iterdir()) == []


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    load_master_key(settings)
    (tmp_path / "master.key").chmod(0o640)

    with pytest.raises(ConfigError, match="can be read by others"):
        load_master_key(settings)


@pytest.mark.parametrize("content", [b"", b"\n", b"AAAA\n", b"\xff\xfe", b"x" * 100_000])
def test_a_damaged_key_file_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(ConfigError, match="does not hold a master key"):
        open_sealer(settings_for(tmp_path))
    assert path.read_bytes() == content


def test_further_lines_of_the_file_are_older_keys(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(b"\n".join(base64.b64encode(key) for key in (KEY, OLD_KEY)) + b"\n")
    path.chmod(0o600)
    before = Sealer(OLD_KEY).seal(b"token", tenant=TENANT, purpose="account")

    sealer = open_sealer(settings_for(tmp_path))

    assert sealer.unseal(before, tenant=TENANT, purpose="account") == b"token"
    assert sealer.key_id == Sealer(KEY).key_id


def test_environment_keys_rotate_too(tmp_path: Path) -> None:
    current, old = (base64.b64encode(key).decode() for key in (KEY, OLD_KEY))
    before = Sealer(OLD_KEY).seal(b"token", tenant=TENANT, purpose="account")

    sealer = open_sealer(settings_for(tmp_path, OUTRIDER_MASTER_KEY=current, OUTRIDER_OLD_MASTER_KEYS=old))

    assert sealer.unseal(before, tenant=TENANT, purpose="account") == b"token"


def _load_in_child(folder: str) -> bytes:
    return load_master_key(settings_for(Path(folder)))


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        for round_number in range(20):
            folder = str(tmp_path / str(round_number))
            assert len(set(pool.map(_load_in_child, [folder] * 4, chunksize=1))) == 1
