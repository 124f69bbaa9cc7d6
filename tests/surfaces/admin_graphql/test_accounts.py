"""Accounts by themselves, and the connections that use them."""

import json
from urllib.parse import urlsplit

from tests.administrators import Administrator
from tests.clients import Server

CREATE = """mutation($config: JSON, $identifier: String) { createAccount(
  platformName: TELEGRAM, provider: "telegram", identifier: $identifier, config: $config) {
    id platformName provider identifier config webhookUrl } }"""
CONNECT = """mutation($app: UUID!, $account: UUID!) { createPlatformConnection(
  applicationId: $app, platformName: TELEGRAM, name: "Bot", accountId: $account) { id config webhookUrl } }"""
DELETE = "mutation($id: UUID!) { deleteAccount(id: $id) { id identifier } }"
TOKEN = "4711:a-secret-bot-token-of-thirty-five-chars"


async def test_an_account_is_used_changed_and_deleted(server: Server, owner: Administrator) -> None:
    account = (await owner.data(CREATE, config={"bot_token": TOKEN}, identifier="bot"))["createAccount"]
    application = str(owner.tenant.application_id)
    connection = (await owner.data(CONNECT, app=application, account=account["id"]))[
        "createPlatformConnection"
    ]

    assert account["config"] == {"bot_token": "********"}
    assert connection["config"] == account["config"]
    assert connection["webhookUrl"].endswith("/********")
    path = urlsplit(account["webhookUrl"]).path
    assert (await owner.request(b"{}", path=path, headers={"authorization": ""})).status != 401
    in_use = await owner.refused(DELETE, id=account["id"])
    assert (in_use["code"], in_use["http"], in_use["details"]) == (
        "ACCOUNT_IN_USE",
        {"status": 409},
        {"connections": 1},
    )

    changed = await owner.data(
        """mutation($id: UUID!, $config: JSON) { updateAccount(id: $id, identifier: "other", config: $config) {
          identifier config } }""",
        id=account["id"],
        config={"bot_token": "********"},
    )
    await owner.data(
        "mutation($id: UUID!) { deletePlatformConnection(id: $id) { id status } }", id=connection["id"]
    )
    deleted = await owner.data(DELETE, id=account["id"])

    assert changed["updateAccount"] == {"identifier": "other", "config": {"bot_token": "********"}}
    assert deleted["deleteAccount"] == {"id": account["id"], "identifier": "other"}
    assert await owner.data("{ accounts { id } connections { id } }") == {"accounts": [], "connections": []}
    kept = await server.runtime.database.system.fetchval(
        "select row_to_json(a)::text from accounts a where id = $1", account["id"]
    )
    assert json.loads(kept)["sealed_config"] == "\\x"
    # its address is nobody's, its identifier is free, and nothing can be connected with it
    assert (await owner.request(b"{}", path=path, headers={"authorization": ""})).status in {401, 404}
    await owner.data(CREATE, config={"bot_token": TOKEN}, identifier="other")
    assert (await owner.refused(CONNECT, app=application, account=account["id"]))["code"] == "NOT_FOUND"


async def test_what_is_wrong_with_a_config_is_named(owner: Administrator) -> None:
    refused = await owner.refused(CREATE, config={"bot_token": TOKEN, "colour": "red"})

    assert refused["code"] == "VALIDATION_ERROR"
    assert "config.colour" in refused["message"]
    assert TOKEN not in str(refused)


async def test_an_identifier_is_taken_once(owner: Administrator) -> None:
    await owner.data(CREATE, config={"bot_token": TOKEN}, identifier="bot")
    second = (await owner.data(CREATE, config={"bot_token": TOKEN}))["createAccount"]

    assert (await owner.refused(CREATE, config={"bot_token": TOKEN}, identifier="bot"))[
        "code"
    ] == "RESOURCE_EXISTS"
    rename = 'mutation($id: UUID!) { updateAccount(id: $id, identifier: "bot") { id } }'
    assert (await owner.refused(rename, id=second["id"]))["code"] == "RESOURCE_EXISTS"
