"""What the sandbox is: a provider for every channel whose outcomes the recipient's address provokes."""

from outrider.platforms.base import CHAT_CHANNELS, Capability, Channel, ConfigField, FieldKind, Manifest

DOCUMENTATION = """
The sandbox reaches nobody. What becomes of a message is read from the recipient's address: from a word that
stands in it between non-letters and before any `@` (`ada+rejected@example.com`, `deferred-2.bob`, `@slow`), or
from the last two digits of an address made of digits that ends in `55501NN` (`+12025550104`, `5550104`).

| Word | NN | What happens |
| --- | --- | --- |
| (none), `sent` | 00 | sent |
| `delivered` | 01 | sent, then a receipt: delivered |
| `read` | 02 | sent, then two receipts: delivered, read |
| `receipt-first` | 03 | the receipt (delivered) comes before the answer to the send |
| `rejected` | 04 | refused for good: RECIPIENT_NOT_FOUND |
| `deferred`, `deferred-N` | 05 | put off on the first (N) attempts, then sent |
| `doubt`, `doubt-N` | 06 | no answer on the first (N) attempts, asking tells nothing; then sent |
| `slow`, `slow-N` | 07 | sent after 3 (N) seconds; past the attempt's deadline it is in doubt |
| `doubt-found` | 08 | no answer on the first attempt; asking tells that it was sent |
| `throttled`, `throttled-N` | 09 | put off on the first (N) attempts for a second, which pauses the connection |
| `bounced` | 10 | sent, then a receipt: failed |
| `blocked` | 11 | refused for good: RECIPIENT_BLOCKED |
| `unacceptable` | 12 | refused for good: CONTENT_REJECTED |
| `window-closed` | 13 | refused for good: WINDOW_CLOSED |
| `doubt-refused` | 14 | no answer on the first attempt; asking tells that it was refused |

A word for the send and a word for the receipts may stand together: `slow-1.read`, `deferred-bounced`.

Incoming messages, reactions and receipts are posted to the connection's webhook URL as JSON:

    {"messages": [{"id": "m1", "from": "ada", "name": "Ada", "text": "Hello", "sent_at": "2026-11-20T10:00:00Z",
                   "conversation": "team", "reply_to": "sbx_..."},
                  {"from": "ada", "image": {"base64": "iVBORw0...", "filename": "a.png"}, "caption": "Look"},
                  {"from": "ada", "document": {}},
                  {"from": "ada", "location": {"latitude": 52.5, "longitude": 13.4, "name": "Office"}},
                  {"from": "ada", "contact": {"name": "Bob", "phone": "+12025550100"}}],
     "reactions": [{"id": "x1", "from": "ada", "message_id": "sbx_...", "emoji": "👍"}],
     "receipts": [{"id": "r1", "message_id": "sbx_...", "state": "delivered", "at": "2026-11-20T10:00:05Z",
                   "error": "mailbox full"}]}

A message needs `from`, and `text` or `image`, `video`, `audio`, `document`, `location` or `contact`; without `base64`
the sandbox makes bytes of its own, and with `"missing": true` it has none to give. A reaction needs `from`,
`message_id` and `emoji` (empty: taken back), a receipt `message_id` and `state` (sent, delivered, read or failed).
An `id` that comes again is a repeat and changes nothing; without `id` each message is a new one. With
`signing_secret` set, the header `X-Sandbox-Signature: sha256=<hex HMAC-SHA256 of the body>` is required.

With `api_base_url` set, every message that is not refused or put off is also posted to
`<api_base_url>/messages` as JSON with the header `Idempotency-Key`, equal on every attempt; the `id` of the
answer becomes the message's external id, and an error answer is treated as any vendor's would be.
""".strip()

MANIFEST = Manifest(
    name="sandbox",
    label="Sandbox",
    channels=frozenset(Channel),
    config_fields=(
        ConfigField(
            name="api_base_url",
            label="Sink: messages are also posted to <this URL>/messages",
            kind=FieldKind.URL,
        ),
        ConfigField(
            name="signing_secret",
            label="Signing secret: incoming webhooks must carry X-Sandbox-Signature",
            is_secret=True,
        ),
    ),
    capabilities=frozenset(Capability),
    ordered_channels=CHAT_CHANNELS,
    text_limit=None,
    attempt_seconds=20.0,
    documentation=DOCUMENTATION,
)
