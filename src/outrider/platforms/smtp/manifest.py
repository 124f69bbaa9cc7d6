"""What the SMTP provider is: mail out through any mail server, and in from a mailbox."""

from outrider.platforms.base import Capability, Channel, ConfigField, FieldKind, Manifest

STARTTLS, TLS, NONE = "starttls", "tls", "none"

MANIFEST = Manifest(
    name="smtp",
    label="Mail server (SMTP)",
    channels=frozenset({Channel.EMAIL}),
    config_fields=(
        ConfigField(name="host", label="Host name of the mail server", is_required=True),
        ConfigField(
            name="port",
            label="Port (587 for STARTTLS, 465 for TLS)",
            kind=FieldKind.INTEGER,
            default=587,
            minimum=1,
            maximum=65535,
        ),
        ConfigField(name="security", label="Encryption", choices=(STARTTLS, TLS, NONE), default=STARTTLS),
        ConfigField(
            name="verify_certificates",
            label="Check the server's certificate",
            kind=FieldKind.BOOLEAN,
            default=True,
        ),
        ConfigField(name="username", label="User name, if the server wants one"),
        ConfigField(name="password", label="Password", is_secret=True),
        ConfigField(name="from_email", label="Sender's address", is_required=True),
        ConfigField(name="from_name", label="Sender's name"),
        ConfigField(
            name="imap_host", label="Host name of the mailbox that replies and bounces come to (IMAP)"
        ),
        ConfigField(
            name="imap_port",
            label="Port of the mailbox (993 for TLS, 143 for STARTTLS)",
            kind=FieldKind.INTEGER,
            default=993,
            minimum=1,
            maximum=65535,
        ),
        ConfigField(
            name="imap_security",
            label="Encryption of the mailbox",
            choices=(TLS, STARTTLS, NONE),
            default=TLS,
        ),
        ConfigField(name="imap_username", label="User name of the mailbox, if it is another one"),
        ConfigField(
            name="imap_password", label="Password of the mailbox, if it is another one", is_secret=True
        ),
        ConfigField(name="imap_mailbox", label="Folder to read", default="INBOX"),
        ConfigField(
            name="imap_poll_seconds",
            label="Seconds between two looks into the mailbox",
            kind=FieldKind.INTEGER,
            default=60,
            minimum=1,
            maximum=86_400,
        ),
        ConfigField(name="return_path", label="Address that bounces come to, if it is not the sender's"),
        ConfigField(
            name="verp_domain", label="Domain of which every address comes to the mailbox, for bounces"
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
    attachments_limit=18_000_000,  # with base64 25 MB, which most mail servers take
    attempt_seconds=60.0,
    lifetime_hours=48,
    documentation=(
        'Sends each message as one mail. Metadata: `subject`, and `content_type: "text/html"` for an HTML '
        "body, which goes out beside a text that is made from it. The external id is the Message-ID without "
        "its angle brackets; it is equal on every attempt, so that a mail which came twice can be told. With "
        "`imap_host` the mailbox is read, without changing it: replies, other mail, and bounces, which come to a "
        "return path of each mail's own (`return_path` with `+` and a token, or any name at `verp_domain`)."
    ),
)
