import json
import stat
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from outrider.cli.demo import CHANNELS, provide_demo
from outrider.tenancy.api_keys import ApiKeyDirectory
from outrider.tenancy.backends import list_default_backends
from outrider.tenancy.connection_directory import ConnectionDirectory
from tests.tenants import open_tenancy


async def test_a_demo_is_made_once_and_every_channel_of_it_works(dsn: str, tmp_path: Path) -> None:
    async with open_tenancy(dsn) as tenancy:
        demo = await provide_demo(tenancy, tmp_path / "demo.json")
        again = await provide_demo(tenancy, tmp_path / "demo.json")

        assert (demo.is_new, again.is_new) == (True, False)
        assert demo.values == again.values == json.loads((tmp_path / "demo.json").read_text())
        assert stat.S_IMODE((tmp_path / "demo.json").stat().st_mode) == 0o600
        actor = await ApiKeyDirectory(tenancy.database, tenancy.ids).authenticate(
            demo.values["developer_api_key"]
        )
        organisation_id = UUID(demo.values["organisation_id"])
        defaults = await list_default_backends(tenancy, organisation_id)
        assert {(row.channel, row.identifier) for row in defaults} == {
            (channel, f"demo-{channel}") for channel in CHANNELS
        }
        directory = ConnectionDirectory(tenancy.database, tenancy.sealer, tenancy.registry)
        for channel in CHANNELS:
            entry = await directory.get(actor.application_id, UUID(demo.values[f"{channel}_connection_id"]))
            assert entry is not None
            assert (entry.channel, entry.provider) == (channel, "sandbox")
            webhook_id = urlsplit(demo.values[f"{channel}_webhook_url"]).path.split("/")[2]
            webhook = await directory.by_webhook(UUID(webhook_id))
            assert webhook is not None
            assert webhook.connection == entry


@pytest.mark.parametrize(
    "kept", [{"application_id": "0190a000-0000-7000-8000-000000000000"}, {"colour": "green"}]
)
async def test_a_file_that_tells_of_nothing_here_is_replaced(
    dsn: str, tmp_path: Path, kept: dict[str, str]
) -> None:
    path = tmp_path / "demo.json"
    path.write_text(json.dumps(kept))

    async with open_tenancy(dsn) as tenancy:
        demo = await provide_demo(tenancy, path)

    assert demo.is_new
    assert json.loads(path.read_text()) == demo.values
