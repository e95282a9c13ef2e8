"""The operations of webhooks, as `table` has those of everything else."""

from typing import Final

from posthouse.model.limits import PAGE_ROWS, PAGE_ROWS_DEFAULT
from posthouse.model.words import Scope
from posthouse.web.api import webhooks
from posthouse.web.api.operation import Operation, Parameter, Reply, Schema
from posthouse.webhooks.schedule import State

_GROUP: Final = "Webhooks"
_ID: Final[Schema] = {"type": "string", "format": "uuid"}
_PATH: Final = {"id": _ID}
_CREATE: Final = """\
Every event is posted as `{"type": "message.delivered", "timestamp": ..., "data": {...}}` with the fields `webhook-id`, `webhook-timestamp`
and `webhook-signature` of Standard Webhooks: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body` under what follows `whsec_` in the
secret, decoded. Any 2xx within 15 seconds is success; redirects are not followed; 410 switches the webhook off. What fails is sent again
for 24 hours, after the pause a 429 or 503 asks for in `Retry-After`, three hours at most. The events of one message come in order; so do
those of one address (`address.invalid`, `address.cleared`) and of one trouble (`alert.raised`, `alert.ended`). An event may come twice,
with the same `webhook-id`.

The data of `message.*` name the message, its recipient, the reason and the reply. `address.invalid` has `address`, `reason`, `since`,
`message_id`, `external_id`; `address.cleared` has `address`, `new_address`, `reason`, `by`; `alert.raised` has `alert_id`, `kind`, `subject`,
`level`, `sentence`, `path`; `alert.ended` has `alert_id`, `kind`, `subject`, `by`."""
_REPLAY: Final = """\
Name one `event`, or a time in `since`, or set `failed` (alone, or with `since`). The same `webhook-id` is used again. At most 50,000 events
are sent at a time; `next_since` says where the next replay begins."""
_WEBHOOK: Final = "The webhook."

WEBHOOK_OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        "GET",
        "/v1/webhooks",
        "listWebhooks",
        "Webhooks",
        Scope.MANAGE,
        webhooks.list_webhooks,
        {200: Reply("The webhooks, without their secrets.", (webhooks.Webhooks,))},
        group=_GROUP,
    ),
    Operation(
        "POST",
        "/v1/webhooks",
        "createWebhook",
        "Add a webhook",
        Scope.MANAGE,
        webhooks.create,
        {201: Reply("The webhook: its secret is shown this once.", (webhooks.NewWebhook,))},
        problems=(400, 408, 413, 415, 422),
        description=_CREATE,
        body=webhooks.NEW_BODY,
        example={"url": "https://crm.example.com/hooks/mail", "events": ["message.bounced", "message.complained"]},
        group=_GROUP,
    ),
    Operation(
        "GET",
        "/v1/webhooks/{id}",
        "getWebhook",
        "One webhook",
        Scope.MANAGE,
        webhooks.show,
        {200: Reply(_WEBHOOK, (webhooks.WebhookView,))},
        problems=(404,),
        path_parameters=_PATH,
        group=_GROUP,
    ),
    Operation(
        "PATCH",
        "/v1/webhooks/{id}",
        "changeWebhook",
        "Change a webhook, switch it off or on",
        Scope.MANAGE,
        webhooks.alter,
        {200: Reply(_WEBHOOK, (webhooks.WebhookView,))},
        problems=(400, 404, 408, 413, 415, 422),
        body=webhooks.CHANGE_BODY,
        example={"enabled": False},
        path_parameters=_PATH,
        group=_GROUP,
    ),
    Operation(
        "DELETE",
        "/v1/webhooks/{id}",
        "deleteWebhook",
        "Delete a webhook",
        Scope.MANAGE,
        webhooks.delete,
        {204: Reply("Deleted: it is told of nothing more.", media="")},
        problems=(404,),
        path_parameters=_PATH,
        group=_GROUP,
    ),
    Operation(
        "POST",
        "/v1/webhooks/{id}/rotate",
        "rotateWebhookSecret",
        "Make a new secret",
        Scope.MANAGE,
        webhooks.rotate,
        {
            200: Reply(
                "The new secret, shown this once; the one before signs beside it for a day.", (webhooks.NewWebhook,)
            )
        },
        problems=(404,),
        path_parameters=_PATH,
        group=_GROUP,
    ),
    Operation(
        "POST",
        "/v1/webhooks/{id}/test",
        "testWebhook",
        "Send a test event",
        Scope.MANAGE,
        webhooks.send_test,
        {202: Reply("On its way, as `webhook.test`.", (webhooks.WebhookTest,))},
        problems=(404,),
        path_parameters=_PATH,
        group=_GROUP,
    ),
    Operation(
        "GET",
        "/v1/webhooks/{id}/deliveries",
        "listWebhookDeliveries",
        "What it was sent, with every attempt",
        Scope.MANAGE,
        webhooks.list_deliveries,
        {200: Reply("A page, newest event first; kept for seven days.", (webhooks.WebhookDeliveries,))},
        problems=(404, 422),
        query=(
            Parameter("state", {"type": "string", "enum": [*State]}, "only those in this state"),
            Parameter("cursor", _ID, "`next` of the page before"),
            Parameter(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": PAGE_ROWS, "default": PAGE_ROWS_DEFAULT},
                "deliveries per page",
            ),
        ),
        path_parameters=_PATH,
        group=_GROUP,
    ),
    Operation(
        "POST",
        "/v1/webhooks/{id}/replay",
        "replayWebhook",
        "Send events once more",
        Scope.MANAGE,
        webhooks.send_again,
        {202: Reply("On their way.", (webhooks.WebhookReplay,))},
        problems=(400, 404, 408, 413, 415, 422),
        description=_REPLAY,
        body=webhooks.REPLAY_BODY,
        example={"failed": True, "since": "2026-11-20T00:00:00Z"},
        path_parameters=_PATH,
        group=_GROUP,
    ),
)
