"""What each mutation calls and with what it answers: a read of what there is then, or what the operation said."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

from outrider.core.errors import ValidationError
from outrider.messaging.resolving import Resolution
from outrider.platforms.base import Channel
from outrider.surfaces.developer_graphql import decoding
from outrider.surfaces.developer_graphql.decoding import Arguments
from outrider.surfaces.developer_graphql.encoding import send_answer
from outrider.surfaces.developer_graphql.operations import Operations
from outrider.tenancy.actors import Actor, Scope

MOST_MESSAGES: Final = 500

# Any: what a mutation that is read answers is a mapping with the id; what is encoded may be anything.
Run = Callable[[Operations, Actor, Arguments], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Mutation:
    """One mutation. `run` gives what its type is read from, or what is encoded as its type."""

    type_name: str
    scope: Scope
    run: Run
    is_encoded: bool = False


async def _send(operations: Operations, actor: Actor, arguments: Arguments) -> object:
    return await operations.send(actor, decoding.send_request(arguments))


async def _send_many(operations: Operations, actor: Actor, arguments: Arguments) -> object:
    inputs = cast("list[Arguments]", arguments["inputs"])
    if not 1 <= len(inputs) <= MOST_MESSAGES:
        raise ValidationError(
            f"inputs must hold 1 to {MOST_MESSAGES} messages, not {len(inputs)}.", path="inputs"
        )
    requests = [decoding.send_request_or_refusal(one) for one in inputs]
    return [send_answer(answer) for answer in await operations.send_many(actor, requests)]


async def _cancel(operations: Operations, actor: Actor, arguments: Arguments) -> object:
    return await operations.cancel(actor, arguments["id"])


async def _resend(operations: Operations, actor: Actor, arguments: Arguments) -> object:
    return await operations.resend(actor, arguments["id"])


async def _resolve(operations: Operations, actor: Actor, arguments: Arguments) -> object:
    resolution = Resolution(arguments["outcome"].lower())
    external_id = arguments.get("externalMessageId")
    return await operations.resolve(actor, arguments["id"], resolution, external_id=external_id)


async def _check_connection(operations: Operations, actor: Actor, arguments: Arguments) -> object:
    return await operations.check_connection(actor, arguments["id"])


async def _mark_read(operations: Operations, actor: Actor, arguments: Arguments) -> Mapping[str, object]:
    await operations.mark_conversation_read(actor, arguments["id"], arguments.get("upToEventId"))
    return {"id": arguments["id"]}


async def _create_event(operations: Operations, actor: Actor, arguments: Arguments) -> Mapping[str, object]:
    return {"id": await operations.create_event(actor, decoding.custom_event(arguments))}


async def _create_schema(operations: Operations, actor: Actor, arguments: Arguments) -> Mapping[str, object]:
    return {"id": (await operations.create_event_schema(actor, decoding.new_schema(arguments))).id}


async def _update_schema(operations: Operations, actor: Actor, arguments: Arguments) -> Mapping[str, object]:
    return {"id": (await operations.update_event_schema(actor, decoding.schema_change(arguments))).id}


async def _create_log(operations: Operations, actor: Actor, arguments: Arguments) -> Mapping[str, object]:
    return {"id": (await operations.create_log(actor, decoding.new_log(arguments))).id}


async def _create_file(operations: Operations, actor: Actor, arguments: Arguments) -> Mapping[str, object]:
    created = await operations.create_file(
        actor, arguments["url"], filename=arguments.get("filename"), mime_type=arguments.get("mimeType")
    )
    return {"id": created.id}


async def _create_user(operations: Operations, actor: Actor, arguments: Arguments) -> Mapping[str, object]:
    return {"id": (await operations.create_user(actor, name=arguments.get("name"))).id}


async def _update_user(operations: Operations, actor: Actor, arguments: Arguments) -> Mapping[str, object]:
    changed = await operations.update_user(actor, arguments["id"], name=arguments.get("name"))
    return {"id": changed.id}


async def _create_platform_user(
    operations: Operations, actor: Actor, arguments: Arguments
) -> Mapping[str, object]:
    created = await operations.create_platform_user(actor, decoding.new_platform_user(arguments))
    return {"id": created.id}


async def _update_platform_user(
    operations: Operations, actor: Actor, arguments: Arguments
) -> Mapping[str, object]:
    changes = decoding.platform_user_changes(arguments)
    return {"id": (await operations.update_platform_user(actor, arguments["id"], changes)).id}


async def _merge_users(operations: Operations, actor: Actor, arguments: Arguments) -> Mapping[str, object]:
    merge = await operations.merge_users(actor, arguments["sourceUserId"], arguments["targetUserId"])
    return {
        "event_id": merge.event_id,
        "user_id": merge.user_id,
        "source_user_id": merge.source_user_id,
        "merged_platform_user_ids": list(merge.merged_platform_user_ids),
    }


async def _generate_code(operations: Operations, actor: Actor, arguments: Arguments) -> Mapping[str, object]:
    made = await operations.generate_link_code(
        actor,
        arguments["platformUserId"],
        expiry_minutes=decoding.number(arguments, "expiryMinutes", 15),
        max_uses=decoding.number(arguments, "maxUses", 1),
    )
    return {"event_id": made.event_id, "code": made.code, "expires_at": made.expires_at}


async def _activate_code(operations: Operations, actor: Actor, arguments: Arguments) -> Mapping[str, object]:
    found = await operations.activate_link_code(actor, arguments["code"], arguments["platformUserId"])
    return {
        "event_id": found.event_id,
        "merge_event_id": found.merge_event_id,
        "user_id": found.user_id,
        "absorbed_user_id": found.absorbed_user_id,
        "merged_platform_user_ids": list(found.merged_platform_user_ids),
        "source_platform_user_id": found.source_platform_user_id,
        "target_platform_user_id": found.target_platform_user_id,
    }


async def _add_suppression(
    operations: Operations, actor: Actor, arguments: Arguments
) -> Mapping[str, object]:
    channel = Channel(arguments["platformName"].lower())
    return {
        "id": await operations.add_suppression(
            actor, channel, arguments["address"], note=arguments.get("note")
        )
    }


async def _remove_suppression(
    operations: Operations, actor: Actor, arguments: Arguments
) -> Mapping[str, object]:
    return {"id": await operations.remove_suppression(actor, arguments["id"])}


async def _update_application(
    operations: Operations, actor: Actor, arguments: Arguments
) -> Mapping[str, object]:
    return {"id": (await operations.update_application(actor, decoding.application_changes(arguments))).id}


async def _create_connection(
    operations: Operations, actor: Actor, arguments: Arguments
) -> Mapping[str, object]:
    created = await operations.create_connection(actor, decoding.new_connection(arguments))
    return {"id": created.id, "webhook_url": created.webhook_url}


async def _update_connection(
    operations: Operations, actor: Actor, arguments: Arguments
) -> Mapping[str, object]:
    changes = decoding.connection_changes(arguments)
    return {"id": (await operations.update_connection(actor, arguments["id"], changes)).id}


async def _create_subscription(
    operations: Operations, actor: Actor, arguments: Arguments
) -> Mapping[str, object]:
    created = await operations.create_subscription(actor, decoding.new_subscription(arguments))
    return {"id": created.id, "secret": created.secret}


async def _update_subscription(
    operations: Operations, actor: Actor, arguments: Arguments
) -> Mapping[str, object]:
    changes = decoding.subscription_changes(arguments)
    return {"id": (await operations.update_subscription(actor, arguments["id"], changes)).id}


async def _rotate_secret(operations: Operations, actor: Actor, arguments: Arguments) -> Mapping[str, object]:
    secret = await operations.rotate_subscription_secret(actor, arguments["id"], arguments.get("secret"))
    return {"id": arguments["id"], "secret": secret}


async def _test_subscription(
    operations: Operations, actor: Actor, arguments: Arguments
) -> Mapping[str, object]:
    return {"id": (await operations.send_test_event(actor, arguments["id"])).delivery_id}


def _by_id(choose: Callable[[Operations], Callable[[Actor, UUID], Awaitable[None]]]) -> Run:
    """Do something to the thing that `id` names, and read it then."""

    async def run(operations: Operations, actor: Actor, arguments: Arguments) -> Mapping[str, object]:
        await choose(operations)(actor, arguments["id"])
        return {"id": arguments["id"]}

    return run


_EVENTS, _USERS, _ALL = Scope.EVENTS_WRITE, Scope.USERS_WRITE, Scope.ALL

MUTATIONS: Final[Mapping[str, Mutation]] = {
    "sendMessage": Mutation("SendMessageResult", _EVENTS, _send, is_encoded=True),
    "sendMessages": Mutation("SendMessageAnswer", _EVENTS, _send_many, is_encoded=True),
    "cancelMessage": Mutation("SendMessageResult", _EVENTS, _cancel, is_encoded=True),
    "resendMessage": Mutation("SendMessageResult", _EVENTS, _resend, is_encoded=True),
    "resolveMessage": Mutation("SendMessageResult", _EVENTS, _resolve, is_encoded=True),
    "markConversationRead": Mutation("Conversation", _EVENTS, _mark_read),
    "createEvent": Mutation("Event", _EVENTS, _create_event),
    "createEventSchema": Mutation("EventSchema", _EVENTS, _create_schema),
    "updateEventSchema": Mutation("EventSchema", _EVENTS, _update_schema),
    "createLog": Mutation("Log", Scope.LOGS_WRITE, _create_log),
    "createFile": Mutation("File", _EVENTS, _create_file),
    "createUser": Mutation("User", _USERS, _create_user),
    "updateUser": Mutation("User", _USERS, _update_user),
    "createPlatformUser": Mutation("PlatformUser", _USERS, _create_platform_user),
    "updatePlatformUser": Mutation("PlatformUser", _USERS, _update_platform_user),
    "mergeUsers": Mutation("UserMerge", _USERS, _merge_users),
    "generateLinkCode": Mutation("LinkCode", _USERS, _generate_code),
    "activateLinkCode": Mutation("LinkCodeActivation", _USERS, _activate_code),
    "addSuppression": Mutation("Suppression", _EVENTS, _add_suppression),
    "removeSuppression": Mutation("Event", _ALL, _remove_suppression),
    "updateApplication": Mutation("Application", _ALL, _update_application),
    "createPlatformConnection": Mutation("PlatformConnection", _ALL, _create_connection),
    "updatePlatformConnection": Mutation("PlatformConnection", _ALL, _update_connection),
    "deletePlatformConnection": Mutation(
        "PlatformConnection", _ALL, _by_id(lambda operations: operations.delete_connection)
    ),
    "testPlatformConnection": Mutation(
        "PlatformConnectionTestResult", _ALL, _check_connection, is_encoded=True
    ),
    "createWebhookSubscription": Mutation("WebhookSubscription", _ALL, _create_subscription),
    "updateWebhookSubscription": Mutation("WebhookSubscription", _ALL, _update_subscription),
    "pauseWebhookSubscription": Mutation(
        "WebhookSubscription", _ALL, _by_id(lambda operations: operations.pause_subscription)
    ),
    "resumeWebhookSubscription": Mutation(
        "WebhookSubscription", _ALL, _by_id(lambda operations: operations.resume_subscription)
    ),
    "deleteWebhookSubscription": Mutation(
        "WebhookSubscription", _ALL, _by_id(lambda operations: operations.delete_subscription)
    ),
    "rotateWebhookSubscriptionSecret": Mutation("WebhookSubscription", _ALL, _rotate_secret),
    "testWebhookSubscription": Mutation("WebhookDelivery", _ALL, _test_subscription),
    "retryWebhookDelivery": Mutation(
        "WebhookDelivery", _ALL, _by_id(lambda operations: operations.retry_delivery)
    ),
}
