"""What the Twilio provider is: SMS and MMS both ways through an account of the customer's, with receipts."""

from outrider.platforms.base import Capability, Channel, ConfigField, FieldKind, Manifest

DEFAULT_API_BASE_URL = "https://api.twilio.com"

MANIFEST = Manifest(
    name="twilio",
    label="Twilio SMS",
    channels=frozenset({Channel.SMS}),
    config_fields=(
        ConfigField(name="account_sid", label="Account SID", is_required=True),
        ConfigField(
            name="auth_token",
            label="Auth token; it also signs Twilio's webhooks",
            is_secret=True,
            is_required=True,
        ),
        ConfigField(name="phone_number", label="Sender: a number of the account, or an alphanumeric name"),
        ConfigField(name="messaging_service_sid", label="Messaging service that chooses the sender instead"),
        ConfigField(
            name="api_base_url", label="API server", kind=FieldKind.URL, default=DEFAULT_API_BASE_URL
        ),
    ),
    capabilities=frozenset(
        {
            Capability.SEND_TEXT,
            Capability.SEND_MEDIA,
            Capability.RECEIVE_MESSAGES,
            Capability.RECEIVE_RECEIPTS,
        }
    ),
    ordered_channels=frozenset(),
    text_limit=1600,
    caption_limit=1600,
    attachments_limit=5_000_000,
    attempt_seconds=20.0,
    documentation=(
        "Give the account's SID and auth token, and a sender: `phone_number` or `messaging_service_sid`. Set the "
        "connection's webhook URL as the number's address for incoming messages; where receipts go is told "
        "with every message. Files go out as MMS: Twilio fetches them from our public URL, at most ten and 5 MB in "
        "all. Recipients are numbers in international form."
    ),
)
