"""Joins each surface to the operations that it calls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from outrider.core.client_addresses import is_loopback
from outrider.events import schemas
from outrider.events.creating import create_event, create_events
from outrider.events.logs.creating import create_log
from outrider.files.storing import create_file_from_url, find_linked, store_file
from outrider.identity import users
from outrider.identity.activating import activate_link_code
from outrider.identity.link_codes import generate_link_code
from outrider.identity.merging import merge_users
from outrider.identity.platform_users import create_platform_user, update_platform_user
from outrider.messaging.administering_suppressions import AdministeringSuppressions
from outrider.messaging.marking import mark_conversation_read
from outrider.messaging.resending import resend_message
from outrider.messaging.resolving import resolve_message
from outrider.messaging.sending import cancel_message, send_message, send_messages
from outrider.messaging.submissions.finding import find_submitted, list_submitted
from outrider.messaging.submissions.submitting import submit_message
from outrider.messaging.suppressions import add_suppression, remove_suppression
from outrider.outreach.reading.finding import ReadingContext
from outrider.runtime.http import Endpoint, Endpoints
from outrider.runtime.parts import Runtime
from outrider.surfaces.admin_graphql.calling import Administration
from outrider.surfaces.admin_graphql.endpoint import AdminAccess, AdminGraphql
from outrider.surfaces.developer_access import DeveloperAccess
from outrider.surfaces.developer_graphql.endpoint import DeveloperGraphql
from outrider.surfaces.developer_graphql.operations import Operations
from outrider.surfaces.developer_graphql.reading import Reading
from outrider.surfaces.developer_rest.endpoint import DeveloperRest
from outrider.surfaces.files.endpoint import FilesEndpoint
from outrider.surfaces.inbound.routes import InboundEndpoint
from outrider.surfaces.outbound_rest.endpoint import OutboundRest, ReaderAccess
from outrider.surfaces.outbound_rest.openapi import DOCUMENT_PATH, PAGE_PATH
from outrider.surfaces.outbound_rest.pages import ERRORS_PATH, ReadPages
from outrider.surfaces.outbound_rest.routes import Library
from outrider.surfaces.outkit_rest.access import SubmitterAccess
from outrider.surfaces.outkit_rest.endpoint import MessageOperations, OutkitRest
from outrider.tenancy import managing_connections
from outrider.tenancy.application_settings import update_application
from outrider.tenancy.checking_connections import check_connection
from outrider.tenancy.connections import create_connection
from outrider.webhooks import managing, receiving, subscriptions


@dataclass(frozen=True, slots=True)
class Surfaces:
    """The endpoints of a process; `end_feeds` ends what is open for long."""

    endpoints: Endpoints
    end_feeds: Callable[[], None]


NO_SURFACES: Final = Surfaces(Endpoints({}, {}, {}), lambda: None)


def open_surfaces(runtime: Runtime) -> Surfaces:
    """Every way in which this process is spoken to."""
    developer, reads = developer_endpoint(runtime), reads_endpoint(runtime)
    pages = ReadPages(runtime.settings.public_url, runtime.metrics)
    exact: Mapping[str, Endpoint] = {
        "/": developer,
        "/admin/graphql": admin_endpoint(runtime),
        PAGE_PATH: pages,
        DOCUMENT_PATH: pages,
    }
    prefixed: Mapping[str, Endpoint] = {
        "/webhooks/": inbound_endpoint(runtime),
        "/files/": files_endpoint(runtime),
        "/v1/": rest_endpoint(runtime),
        "/api/": reads,
        ERRORS_PATH: pages,
    }
    return Surfaces(Endpoints(exact, prefixed, {"/api/": reads.refuse_all}), developer.end_feeds)


def developer_endpoint(runtime: Runtime) -> DeveloperGraphql:
    """`POST /`."""
    return DeveloperGraphql(
        access=developer_access(runtime),
        database=runtime.database,
        operations=_operations(runtime),
        public_url=runtime.settings.public_url,
        file_url=runtime.file_links.url,
        metrics=runtime.metrics,
        heads=runtime.heads,
    )


def rest_endpoint(runtime: Runtime) -> DeveloperRest:
    """`/v1`."""
    return DeveloperRest(
        access=developer_access(runtime),
        reading=Reading(runtime.database, runtime.settings.public_url, runtime.file_links.url),
        operations=_operations(runtime),
        metrics=runtime.metrics,
        submissions=submissions_endpoint(runtime),
    )


def submissions_endpoint(runtime: Runtime) -> OutkitRest:
    """`/v1/messages` with `Outkit-Access-*` headers."""
    return OutkitRest(
        access=SubmitterAccess(
            runtime.directories.message_keys.get,
            runtime.limits.check,
            runtime.sending.ids.now,
            runtime.settings.trusted_proxies,
            is_loopback(runtime.settings.host),
        ),
        operations=MessageOperations(
            submit=partial(submit_message, runtime.submitting),
            find=partial(find_submitted, runtime.submitting.finding),
            list=partial(list_submitted, runtime.submitting.finding),
        ),
        metrics=runtime.metrics,
    )


def reads_endpoint(runtime: Runtime) -> OutboundRest:
    """`/api/v1`."""
    return OutboundRest(
        access=ReaderAccess(
            runtime.directories.read_keys.authenticate, runtime.read_limits.check, runtime.key_uses.note
        ),
        library=Library(ReadingContext(runtime.database.reads, runtime.file_links.url), runtime.tenancy),
        metrics=runtime.metrics,
        errors_url=runtime.settings.errors_url,
    )


def developer_access(runtime: Runtime) -> DeveloperAccess:
    """The door of the developer API, whichever way it is spoken to."""
    return DeveloperAccess(
        runtime.directories.api_keys.authenticate,
        runtime.directories.members.authenticate,
        runtime.directories.applications.is_open_to,
        runtime.limits.check,
    )


def admin_endpoint(runtime: Runtime) -> AdminGraphql:
    """`POST /admin/graphql`."""
    return AdminGraphql(
        access=AdminAccess(
            runtime.directories.members.authenticate, runtime.limits.check, runtime.settings.trusted_proxies
        ),
        administration=Administration(
            runtime.access,
            runtime.checking,
            runtime.templates,
            runtime.drafts,
            AdministeringSuppressions(runtime.suppressions, runtime.tenancy),
            runtime.imports,
        ),
        metrics=runtime.metrics,
    )


def _operations(runtime: Runtime) -> Operations:
    tenancy, identity = runtime.tenancy, runtime.identity
    return Operations(
        send=partial(send_message, runtime.sending),
        send_many=partial(send_messages, runtime.sending),
        cancel=partial(cancel_message, runtime.sending),
        resend=partial(resend_message, runtime.sending),
        resolve=partial(resolve_message, runtime.sending),
        mark_conversation_read=partial(mark_conversation_read, runtime.creating),
        create_event=partial(create_event, runtime.creating),
        create_events=partial(create_events, runtime.creating),
        create_event_schema=partial(schemas.create_event_schema, runtime.event_schemas),
        update_event_schema=partial(schemas.update_event_schema, runtime.event_schemas),
        create_log=partial(create_log, runtime.logging),
        create_file=partial(create_file_from_url, runtime.files),
        store_file=partial(store_file, runtime.files),
        create_user=partial(users.create_user, identity),
        update_user=partial(users.update_user, identity),
        create_platform_user=partial(create_platform_user, identity),
        update_platform_user=partial(update_platform_user, identity),
        merge_users=partial(merge_users, identity),
        generate_link_code=partial(generate_link_code, identity),
        activate_link_code=partial(activate_link_code, identity),
        add_suppression=partial(add_suppression, runtime.suppressions),
        remove_suppression=partial(remove_suppression, runtime.suppressions),
        update_application=partial(update_application, tenancy),
        create_connection=partial(create_connection, tenancy),
        update_connection=partial(managing_connections.update_connection, tenancy),
        delete_connection=partial(managing_connections.delete_connection, tenancy),
        check_connection=partial(check_connection, runtime.checking),
        create_subscription=partial(subscriptions.create_subscription, tenancy),
        update_subscription=partial(managing.update_subscription, tenancy),
        pause_subscription=partial(subscriptions.pause_subscription, tenancy),
        resume_subscription=partial(subscriptions.resume_subscription, tenancy),
        delete_subscription=partial(managing.delete_subscription, tenancy),
        rotate_subscription_secret=partial(subscriptions.rotate_subscription_secret, tenancy),
        send_test_event=partial(managing.send_test_event, tenancy),
        retry_delivery=partial(managing.retry_delivery, tenancy),
    )


def files_endpoint(runtime: Runtime) -> FilesEndpoint:
    """`GET /files/{id}?…`."""
    return FilesEndpoint(
        links=runtime.file_links,
        storage=runtime.files.storage,
        find=partial(find_linked, runtime.files.pool),
        metrics=runtime.metrics,
    )


def inbound_endpoint(runtime: Runtime) -> InboundEndpoint:
    """`POST /webhooks/{id}/{secret}`."""
    return InboundEndpoint(
        recognise=partial(receiving.recognise, runtime.receiving),
        receive=partial(receiving.receive, runtime.receiving),
        metrics=runtime.metrics,
        public_url=runtime.settings.public_url,
    )
