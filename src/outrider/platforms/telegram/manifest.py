"""What the Telegram provider is: a bot's token, messages of every kind both ways, no receipts."""

from outrider.platforms.base import Capability, Channel, ConfigField, FieldKind, Manifest

DEFAULT_API_BASE_URL = "https://api.telegram.org"

MANIFEST = Manifest(
    name="telegram",
    label="Telegram bot",
    channels=frozenset({Channel.TELEGRAM}),
    config_fields=(
        ConfigField(name="bot_token", label="Bot token from @BotFather", is_secret=True, is_required=True),
        ConfigField(
            name="api_base_url",
            label="Bot API server",
            kind=FieldKind.URL,
            default=DEFAULT_API_BASE_URL,
        ),
        ConfigField(
            name="webhook_secret_token",
            label="secret_token given to setWebhook, if any: then every webhook must carry it",
            is_secret=True,
        ),
    ),
    capabilities=frozenset(
        {
            Capability.SEND_TEXT,
            Capability.SEND_MEDIA,
            Capability.SEND_LOCATION,
            Capability.SEND_CONTACT,
            Capability.SEND_REACTION,
            Capability.SEND_REPLY,
            Capability.RECEIVE_MESSAGES,
        }
    ),
    ordered_channels=frozenset({Channel.TELEGRAM}),
    text_limit=4096,
    caption_limit=1024,
    contact_fields=frozenset({"phone"}),
    attempt_seconds=20.0,
    documentation=(
        "Create a bot with @BotFather and give its token. Then call setWebhook with the connection's webhook "
        "URL; for reactions, `allowed_updates` must name `message_reaction`. "
        "A recipient is a chat id (a group's is negative) or the @name of a public channel. Telegram "
        "sends no receipts: a message that it took counts as sent."
    ),
)
