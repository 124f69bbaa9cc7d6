"""What the Amazon SES provider is: mail out through a region of an AWS account, receipts of every kind by SNS."""

from outrider.platforms.base import Capability, Channel, ConfigField, FieldKind, Manifest

MANIFEST = Manifest(
    name="ses",
    label="Amazon SES",
    channels=frozenset({Channel.EMAIL}),
    config_fields=(
        ConfigField(name="access_key_id", label="Access key ID", is_required=True),
        ConfigField(name="secret_access_key", label="Secret access key", is_secret=True, is_required=True),
        ConfigField(name="region", label="Region, such as eu-central-1", is_required=True),
        ConfigField(name="from_email", label="Sender's address", is_required=True),
        ConfigField(name="from_name", label="Sender's name"),
        ConfigField(name="configuration_set", label="Configuration set that tells what becomes of mails"),
        ConfigField(
            name="topic_arn", label="SNS topic that may post here; without it every webhook is refused"
        ),
        ConfigField(name="api_base_url", label="API server, if not the region's own", kind=FieldKind.URL),
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
    attachments_limit=18_000_000,
    attempt_seconds=60.0,
    lifetime_hours=48,
    documentation=(
        'Sends each message as one mail. Metadata: `subject`, and `content_type: "text/html"` for an HTML body, which '
        "goes out beside a text that is made from it. For receipts give the configuration set an SNS topic, name the "
        "topic here, and subscribe the connection's webhook URL to it: the subscription is confirmed by itself."
    ),
)
