"""What a process remembers of the database, and forgets when it is told that it changed."""

from collections.abc import Mapping
from dataclasses import dataclass

from outrider.events.schema_directory import EventSchemaDirectory
from outrider.runtime.ground import Ground
from outrider.templates.directory import TemplateDirectory
from outrider.tenancy import callback_addresses
from outrider.tenancy.api_keys import ApiKeyDirectory
from outrider.tenancy.application_directory import ApplicationDirectory
from outrider.tenancy.backends import BackendDirectory
from outrider.tenancy.callback_addresses import CallbackAddresses
from outrider.tenancy.changes import Both, Directory
from outrider.tenancy.connection_directory import ConnectionDirectory
from outrider.tenancy.context import Changed
from outrider.tenancy.members.directory import MemberDirectory
from outrider.tenancy.members.signing_keys import SigningKeys
from outrider.tenancy.message_keys import MessageKeyDirectory
from outrider.tenancy.read_keys import ReadKeyDirectory
from outrider.webhooks.subscription_directory import SubscriptionDirectory


@dataclass(frozen=True, slots=True, kw_only=True)
class Directories:
    """All of them; each reads what it does not remember."""

    api_keys: ApiKeyDirectory
    message_keys: MessageKeyDirectory
    read_keys: ReadKeyDirectory
    members: MemberDirectory
    applications: ApplicationDirectory
    connections: ConnectionDirectory
    backends: BackendDirectory
    subscriptions: SubscriptionDirectory
    event_schemas: EventSchemaDirectory
    templates: TemplateDirectory

    def by_change(self) -> Mapping[Changed, Directory]:
        """Give what each change concerns."""
        return {
            Changed.API_KEY: self.api_keys,
            Changed.MESSAGE_KEY: self.message_keys,
            Changed.READ_KEY: self.read_keys,
            Changed.MEMBER: self.members,
            Changed.APPLICATION: Both(self.applications, self.backends),
            Changed.CONNECTION: Both(self.connections, self.backends),
            Changed.BACKENDS: self.backends,
            Changed.SUBSCRIPTION: self.subscriptions,
            Changed.EVENT_SCHEMAS: self.event_schemas,
            Changed.TEMPLATES: self.templates,
        }


def open_directories(ground: Ground, signing_keys: SigningKeys) -> Directories:
    """Make them, empty."""
    database, sealer, ids = ground.database, ground.sealer, ground.ids
    addresses = CallbackAddresses(ground.settings.public_url, sealer.derived_keys(callback_addresses.PURPOSE))
    return Directories(
        api_keys=ApiKeyDirectory(database, ids),
        message_keys=MessageKeyDirectory(database, sealer),
        read_keys=ReadKeyDirectory(database, ids),
        members=MemberDirectory(database, signing_keys, ids),
        applications=ApplicationDirectory(database),
        connections=ConnectionDirectory(database, sealer, ground.registry, addresses),
        backends=BackendDirectory(ground.tenancy),
        subscriptions=SubscriptionDirectory(database, sealer),
        event_schemas=EventSchemaDirectory(database),
        templates=TemplateDirectory(database),
    )
