"""What the tests of the developer contract share: its tables, its documents, and short ways to ask them."""

from typing import Any

from tests.clients import Client

BUILT_IN = {
    "file.inbound": ["file_id"],
    "link_code.activation": ["link_code_event_id"],
    "link_code.generated": ["code"],
    "message.inbound": ["type", "message", "platform"],
    "message.outbound": ["type", "message", "platform"],
    "user.merged": ["source_user_id", "target_user_id"],
}
PLATFORMS = ["WHATSAPP", "INSTAGRAM", "FACEBOOK", "TELEGRAM", "SLACK", "DISCORD", "SMS", "EMAIL", "IMESSAGE"]
TOKEN = "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"
NOWHERE = "550e8400-e29b-41d4-a716-446655440000"
CREATE = """mutation($type: String!, $payload: JSON = {}, $edges: [EdgeInput!]) {
  createEvent(eventType: $type, payload: $payload, edges: $edges) {
    id eventType payload createdAt edges { edgeType targetNodeType targetPlatformUser { externalId } } } }"""
PERSON = """mutation($connection: UUID!, $external: String!) {
  createPlatformUser(platformConnectionId: $connection, externalId: $external) { id user { id } } }"""
CODE = """mutation($person: UUID!, $minutes: Int, $uses: Int) {
  generateLinkCode(platformUserId: $person, expiryMinutes: $minutes, maxUses: $uses) {
    code expiresAt event { id eventType payload createdAt edges { edgeType targetPlatformUser { id } } } } }"""
FIND = """query($filters: EventFilters, $first: Int = 50, $after: String, $direction: OrderDirection = DESC) {
  events(filters: $filters, first: $first, after: $after, orderBy: { field: CREATED_AT, direction: $direction }) {
    edges { node { id eventType } cursor }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount } }"""


async def create(client: Client, event_type: str, **more: object) -> dict[str, Any]:
    made: dict[str, Any] = (await client.data(CREATE, type=event_type, **more))["createEvent"]
    return made


async def person(client: Client, connection: dict[str, Any], external: str) -> dict[str, Any]:
    made: dict[str, Any] = (await client.data(PERSON, connection=connection["id"], external=external))[
        "createPlatformUser"
    ]
    return made


async def found(client: Client, filters: object) -> list[str]:
    edges = (await client.data(FIND, filters=filters))["events"]["edges"]
    return [edge["node"]["eventType"] for edge in edges]
