"""`outrider dev`: the server on this machine with a demo organisation, for trying it out."""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from outrider.cli.arguments import Arguments
from outrider.cli.demo import Demo, provide_demo
from outrider.cli.kept_files import keep_text
from outrider.cli.opening import load_settings
from outrider.cli.serve import serve_logging

if TYPE_CHECKING:
    from outrider.runtime.parts import Runtime


async def run(arguments: Arguments) -> int:
    """Serve, and tell a newcomer what to use."""
    # A listener on this machine is what a newcomer has; a variable that is set wins.
    private = None if os.environ.get("OUTRIDER_ALLOW_PRIVATE_TARGETS") else "true"
    settings = load_settings(host=arguments.host, port=arguments.port, allow_private_targets=private)
    return await serve_logging(
        settings, role="all", migrate=True, on_ready=partial(_welcome, settings.data_dir)
    )


async def _welcome(data_dir: Path, runtime: "Runtime", port: int) -> None:
    demo = await provide_demo(runtime.tenancy, data_dir / "demo.json")
    url = runtime.settings.public_url
    if url.endswith(":0"):
        # any free port was asked for, and this is the one
        url = f"{url[:-1]}{port}"
    variables = {
        "BASE_URL": url,
        "API_KEY": demo.values["developer_api_key"],
        "CONNECTION_ID": demo.values["telegram_connection_id"],
        # the address or port may be another one than when the demo was made
        "WEBHOOK_URL": url + urlsplit(demo.values["telegram_webhook_url"]).path,
        "ADMIN_EMAIL": demo.values["admin_email"],
        "ADMIN_PASSWORD": demo.values["admin_password"],
    }
    shell = data_dir / "demo.env"
    keep_text(shell, "".join(f"{name}={shlex.quote(text)}\n" for name, text in variables.items()))
    print("\n".join(_lines(demo, variables, data_dir)), flush=True)


def _lines(demo: Demo, variables: Mapping[str, str], data_dir: Path) -> list[str]:
    lines = ["", f"Outrider answers on {variables['BASE_URL']}", "Ctrl-C stops it, and its database.", ""]
    if not demo.is_new:
        return [
            *lines,
            "The demo organisation is there from an earlier start. Its variables, for another terminal:",
            "",
            f"  . {shlex.quote(str(data_dir / 'demo.env'))}",
            "",
        ]
    return [
        *lines,
        "A demo organisation was created; its connections are sandboxes, which reach nobody.",
        "These lines are for another terminal:",
        "",
        *(f"  {name}={shlex.quote(text)}" for name, text in variables.items()),
        "",
        f"They are kept in {data_dir / 'demo.env'};",
        "demo.json beside it has the connections of all channels.",
        "",
        f"To receive webhooks on this machine, run beside it: {_program()} listen",
        "",
    ]


def _program() -> str:
    """How this program is called from here: by its name where that finds it, else by its path."""
    name = "outrider"
    program = Path(sys.executable).with_name(name)
    if not program.exists() or shutil.which(name) == str(program):
        return name
    here = Path.cwd()
    return shlex.quote(str(program.relative_to(here) if program.is_relative_to(here) else program))
