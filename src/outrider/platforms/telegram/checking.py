"""Whether a bot can be used: `getMe` answers for a token that is good."""

from outrider.core.outgoing import HttpFailure
from outrider.platforms.base import Healthy, Unhealthy
from outrider.platforms.telegram.client import Bot, call
from outrider.platforms.vendor_http import VendorHttp
from outrider.platforms.vendor_json import as_name, as_object, as_text, read

_MARGIN_SECONDS = 1.0
_LONGEST_DETAIL = 300


async def check_bot(http: VendorHttp, bot: Bot, attempt_seconds: float) -> Healthy | Unhealthy:
    """Ask the Bot API who the bot is."""
    answer = await call(http, bot, "getMe", {}, attempt_seconds - _MARGIN_SECONDS)
    if isinstance(answer, HttpFailure):
        return Unhealthy(f"The Bot API was not reached: {answer.kind}.")
    try:
        envelope = as_object(read(answer.body))
    except ValueError:
        envelope = {}
    if envelope.get("ok") is not True:
        said = bot.without_token(as_text(envelope.get("description")) or f"HTTP {answer.status}")
        return Unhealthy(f"The Bot API refuses the bot: {said}"[:_LONGEST_DETAIL])
    name = as_name(as_object(envelope.get("result")).get("username"))
    return Healthy(f"Connected as @{name}." if name else "Connected.")
