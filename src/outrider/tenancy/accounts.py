"""Accounts: an organisation's credentials at a provider, and the webhook address that its vendor calls.

The secrets of a config are sealed for their account; beside them `config` keeps what may be shown, with a mask
in each secret's place. Of the address's secret only the hash is kept, so the address is told once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

import orjson

from outrider.core.errors import Forbidden, ValidationError
from outrider.core.hashing import hash_secret, new_token
from outrider.core.sealing import Sealer
from outrider.platforms.base import Channel, JsonObject, Manifest
from outrider.platforms.config import MASK, CheckedConfig, check_config, masked_config, opened_config
from outrider.platforms.registry import Registry, default_provider
from outrider.tenancy.actors import Configuring, Environment
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.queries import AccountInsert

SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account ready to be stored, and the address that nobody can read again."""

    insert: AccountInsert
    webhook_url: str = field(repr=False)


def prepare_account(
    context: TenancyContext,
    actor: Configuring,
    *,
    channel: Channel,
    provider: str | None,
    identifier: str,
    config: object,
) -> NewAccount:
    """Check an account's provider and config, seal its secrets and make its webhook address."""
    manifest = _manifest(context.registry, channel, provider or default_provider(channel))
    require_reachable(actor, manifest.name)
    checked = _checked_config(manifest, config)
    account_id, webhook_id, secret = context.ids.new(), context.ids.new(), new_token()
    shown, sealed = _stored(context, actor, account_id, checked)
    insert = AccountInsert(
        id=account_id,
        provider=manifest.name,
        channel=channel,
        identifier=identifier,
        config=shown,
        sealed_config=sealed,
        webhook_id=webhook_id,
        webhook_secret_hash=hash_secret(secret),
    )
    return NewAccount(insert, f"{context.public_url}/webhooks/{webhook_id}/{secret}")


def open_config(
    sealer: Sealer,
    manifest: Manifest,
    *,
    organisation_id: UUID,
    account_id: UUID,
    shown: str,
    sealed: bytes,
) -> JsonObject:
    """The config as an adapter reads it, secrets opened."""
    secrets = sealer.unseal(sealed, tenant=organisation_id, purpose=_purpose(account_id))
    return opened_config(manifest, _object(shown), _object(secrets))


@dataclass(frozen=True, slots=True)
class ChangedConfig:
    """An account's config ready to be stored, and the names of what was changed."""

    shown: str
    sealed: bytes = field(repr=False)
    changed: tuple[str, ...]


def change_config(
    context: TenancyContext,
    actor: Configuring,
    *,
    provider: str,
    account_id: UUID,
    shown: str,
    sealed: bytes,
    changes: object,
) -> ChangedConfig:
    """Merge changes into a stored config: what is left out stays, a mask too, null removes; checked as a whole."""
    adapter = context.registry.get(provider)
    if adapter is None:
        raise ValidationError(f"The provider {provider} is not installed.", path="config")
    if not isinstance(changes, Mapping):
        raise ValidationError("config must be an object.", path="config")
    wanted = {str(name): value for name, value in cast("Mapping[object, object]", changes).items()}
    secrets = _object(
        context.sealer.unseal(sealed, tenant=actor.organisation_id, purpose=_purpose(account_id))
    )
    stored = {**_object(shown), **secrets}
    kept = {name for name, value in wanted.items() if value == MASK and name in secrets}
    merged = stored | {name: value for name, value in wanted.items() if name not in kept}
    checked = _checked_config(adapter.manifest, merged)
    now = {**checked.public, **checked.secrets}
    return ChangedConfig(
        *_stored(context, actor, account_id, checked),
        changed=tuple(sorted(name for name in wanted if now.get(name) != stored.get(name))),
    )


def require_reachable(actor: Configuring, provider: str) -> None:
    """Raise `Forbidden` where a test key would reach a real provider."""
    if actor.environment is Environment.TEST and provider != SANDBOX:
        raise Forbidden("A test key only reaches connections of the provider sandbox.")


def _stored(
    context: TenancyContext, actor: Configuring, account_id: UUID, checked: CheckedConfig
) -> tuple[str, bytes]:
    shown = orjson.dumps(masked_config(checked)).decode()
    sealed = context.sealer.seal(
        orjson.dumps(checked.secrets), tenant=actor.organisation_id, purpose=_purpose(account_id)
    )
    return shown, sealed


def _purpose(account_id: UUID) -> str:
    return f"account {account_id}"


def _object(text: str | bytes) -> Mapping[str, object]:
    return cast("Mapping[str, object]", orjson.loads(text))


def _manifest(registry: Registry, channel: Channel, provider: str) -> Manifest:
    adapter = registry.get(provider)
    if adapter is None or channel not in adapter.manifest.channels:
        serving = ", ".join(registry.serving(channel)) or "none"
        is_default = provider == default_provider(channel)
        those = ", which is the default; name one of" if is_default else "; its providers are"
        raise ValidationError(
            f"There is no provider {provider[:100]!r} for {channel.value}{those}: {serving}.",
            path="provider",
        )
    return adapter.manifest


def _checked_config(manifest: Manifest, config: object) -> CheckedConfig:
    checked = check_config(manifest, {} if config is None else config)
    if isinstance(checked, CheckedConfig):
        return checked
    problems = [{"path": problem.path, "message": problem.message} for problem in checked]
    said = "; ".join(f"{problem.path} {problem.message}" for problem in checked)
    raise ValidationError(f"The config is not valid: {said}.", path="config", problems=problems)
