"""What the Mailgun provider is: mail both ways through a domain of the customer's, with receipts of every kind."""

from outrider.platforms.base import Capability, Channel, ConfigField, FieldKind, Manifest

DEFAULT_API_BASE_URL = "https://api.mailgun.net"

MANIFEST = Manifest(
    name="mailgun",
    label="Mailgun",
    channels=frozenset({Channel.EMAIL}),
    config_fields=(
        ConfigField(
            name="api_key", label="API key, or a sending key of the domain", is_secret=True, is_required=True
        ),
        ConfigField(name="domain", label="Sending domain as Mailgun knows it", is_required=True),
        ConfigField(name="from_email", label="Sender's address", is_required=True),
        ConfigField(name="from_name", label="Sender's name"),
        ConfigField(
            name="webhook_signing_secret",
            label="HTTP webhook signing key; without it every webhook is refused",
            is_secret=True,
        ),
        ConfigField(
            name="api_base_url",
            label="API server (https://api.eu.mailgun.net for domains in the EU)",
            kind=FieldKind.URL,
            default=DEFAULT_API_BASE_URL,
        ),
    ),
    capabilities=frozenset(
        {
            Capability.SEND_TEXT,
            Capability.SEND_HTML,
            Capability.SEND_MEDIA,
            Capability.SEND_REPLY,
            Capability.RECEIVE_MESSAGES,
            Capability.RECEIVE_RECEIPTS,
        }
    ),
    ordered_channels=frozenset(),
    text_limit=None,
    caption_limit=0,
    attachments_limit=18_000_000,  # Mailgun takes 25 MB of a mail as it travels, with base64
    attempt_seconds=60.0,
    lifetime_hours=48,
    documentation=(
        'Sends each message as one mail. Metadata: `subject`, and `content_type: "text/html"` for an HTML body, which '
        "goes out beside a text that is made from it. Give the connection's webhook URL to Mailgun for every kind of "
        "event, and as the address of a route with store(notify=…) for mail that comes in."
    ),
)
