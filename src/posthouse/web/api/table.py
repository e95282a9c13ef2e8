"""Every operation of the API, in the order of the reference. Routing, scopes, checks and documentation come from these rows."""

from typing import Final

from posthouse.model.limits import (
    IDEMPOTENCY_KEY_CHARS,
    MESSAGES_PER_CALL,
    PAGE_ROWS,
    PAGE_ROWS_DEFAULT,
    RECIPIENTS_PER_CALL,
    SEARCH_CHARS,
    TAG_CHARS,
)
from posthouse.model.words import Scope, Source, State
from posthouse.web.api import credentials, domains, messages, queue, views
from posthouse.web.api.message_schema import EXAMPLE, MESSAGE_BODY
from posthouse.web.api.operation import Operation, Parameter, Reply, Schema
from posthouse.web.api.submit import MessageReceipt, Results, submit

_ID: Final[Schema] = {"type": "string", "format": "uuid"}
_NAME: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 253}
_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_TEXT: Final[Schema] = {"type": "string", "maxLength": SEARCH_CHARS}

_FILTERS: Final = (
    Parameter("q", _TEXT, "words of subject or sender, an address or its beginning, or a Message-ID in angle brackets"),
    Parameter("state", {"type": "string", "enum": [*State]}, "only messages with a recipient in this state"),
    Parameter("domain", {"type": "string", "maxLength": 253}, "only messages to this recipient domain"),
    Parameter("tag", {"type": "string", "maxLength": TAG_CHARS}, "only messages with this tag"),
    Parameter("source", {"type": "string", "enum": [*Source]}, "only messages that came in this way"),
    Parameter("since", _TIME, "accepted at or after this time"),
    Parameter("until", _TIME, "accepted before this time"),
    Parameter("cursor", _ID, "`next` of the page before"),
    Parameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": PAGE_ROWS, "default": PAGE_ROWS_DEFAULT},
        "messages per page",
    ),
)
_SUBMIT: Final = f"""\
The body is one message, or an array of up to {MESSAGES_PER_CALL} with at most {RECIPIENTS_PER_CALL} recipients in all.
The answer comes after the commit: what is accepted survives any crash. Of a list, each message is accepted or refused on its own, and the
answer tells of each in its order; 422 means that none was accepted. A refused message leaves nothing behind.
With an `Idempotency-Key` a request that is repeated within 24 hours gets the first answer again, with `Idempotent-Replayed: true`."""

_RESEND: Final = """\
A new message with the content as it was accepted goes to all recipients of the old one, or to those in `to`. Only Message-ID and Date
are new; its metadata names the old message as `resent_from`. Sender, domain and suppressions are judged as of now. The body may be left
out. Repeating the request sends it once more, unless it has an `Idempotency-Key`."""
_IDEMPOTENCY: Final = Parameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_CHARS, "pattern": "^[!-~]+$"},
    "names this request, so that repeating it is safe for 24 hours",
)

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        "POST",
        "/v1/messages",
        "sendMessages",
        "Send one message or a list",
        Scope.SEND,
        submit,
        {
            202: Reply(
                "Accepted and committed: the receipt of a single message, or the results of a list.",
                (MessageReceipt, Results),
            ),
            200: Reply("Dry run: the same answer with nothing kept.", (MessageReceipt, Results)),
        },
        problems=(400, 403, 408, 409, 413, 415, 422),
        description=_SUBMIT,
        query=(Parameter("dry_run", {"type": "boolean", "default": False}, "decide and answer, but keep nothing"),),
        headers=(_IDEMPOTENCY,),
        body=MESSAGE_BODY,
        example=EXAMPLE,
    ),
    Operation(
        "GET",
        "/v1/messages",
        "listMessages",
        "Find messages",
        Scope.READ,
        messages.search,
        {200: Reply("A page, newest first.", (views.Page,))},
        problems=(422,),
        query=_FILTERS,
    ),
    Operation(
        "GET",
        "/v1/messages/{id}",
        "getMessage",
        "One message: where it is and why",
        Scope.READ,
        messages.show,
        {200: Reply("The message.", (views.MessageView,))},
        problems=(404,),
        path_parameters={"id": _ID},
    ),
    Operation(
        "GET",
        "/v1/messages/{id}/events",
        "getMessageEvents",
        "What happened to a message",
        Scope.READ,
        messages.events,
        {200: Reply("Its events, oldest first.", (views.Events,))},
        problems=(404,),
        path_parameters={"id": _ID},
    ),
    Operation(
        "GET",
        "/v1/messages/{id}/raw",
        "getMessageRaw",
        "A message as it was sent",
        Scope.READ,
        messages.raw,
        {200: Reply("The MIME, with the signatures of the last attempt.", media=messages.RFC822)},
        problems=(404,),
        path_parameters={"id": _ID},
    ),
    Operation(
        "POST",
        "/v1/messages/{id}/cancel",
        "cancelMessage",
        "Take back what has not left",
        Scope.SEND,
        messages.cancel,
        {200: Reply("How many recipients' mail was taken back.", (messages.Cancelled,))},
        problems=(404,),
        path_parameters={"id": _ID},
    ),
    Operation(
        "POST",
        "/v1/messages/{id}/resend",
        "resendMessage",
        "Send a message again",
        Scope.SEND,
        messages.resend,
        {202: Reply("Accepted and committed: the receipt of the new message.", (MessageReceipt,))},
        problems=(400, 404, 408, 409, 413, 415),
        description=_RESEND,
        headers=(_IDEMPOTENCY,),
        body=messages.RESEND_BODY,
        body_required=False,
        example={"to": ["anna@example.org"]},
        path_parameters={"id": _ID},
    ),
    Operation(
        "GET",
        "/v1/queue/shape",
        "getQueueShape",
        "Unsettled mail by destination and age",
        Scope.READ,
        queue.queue_shape,
        {200: Reply("The shape of the queue.", (queue.QueueShape,))},
        group="Queue",
    ),
    Operation(
        "GET",
        "/v1/domains",
        "listDomains",
        "Sending domains",
        Scope.READ,
        domains.list_domains,
        {200: Reply("The domains.", (domains.Domains,))},
        group="Domains",
    ),
    Operation(
        "POST",
        "/v1/domains",
        "addDomain",
        "Add a sending domain",
        Scope.MANAGE,
        domains.add_domain,
        {201: Reply("The domain with the DNS records to publish.", (domains.DomainView,))},
        problems=(400, 408, 413, 415, 422),
        body=domains.DOMAIN_BODY,
        example={"name": "example.com"},
        group="Domains",
    ),
    Operation(
        "GET",
        "/v1/domains/{name}",
        "getDomain",
        "One sending domain and its DNS records",
        Scope.READ,
        domains.show_domain,
        {200: Reply("The domain.", (domains.DomainView,))},
        problems=(404,),
        path_parameters={"name": _NAME},
        group="Domains",
    ),
    Operation(
        "POST",
        "/v1/domains/{name}/verify",
        "verifyDomain",
        "Look for the DNS records now",
        Scope.MANAGE,
        domains.verify_domain,
        {200: Reply("The domain with what the DNS said.", (domains.DomainView,))},
        problems=(404,),
        path_parameters={"name": _NAME},
        group="Domains",
    ),
    Operation(
        "GET",
        "/v1/keys",
        "listKeys",
        "API keys",
        Scope.MANAGE,
        credentials.list_keys,
        {200: Reply("The keys, without their secrets.", (credentials.Keys,))},
        group="Credentials",
    ),
    Operation(
        "POST",
        "/v1/keys",
        "createKey",
        "Make an API key",
        Scope.MANAGE,
        credentials.create_key,
        {201: Reply("The key: its secret is shown this once.", (credentials.NewKey,))},
        problems=(400, 408, 413, 415, 422),
        body=credentials.KEY_BODY,
        example={"name": "Web shop", "scopes": ["send"], "domains": ["example.com"]},
        group="Credentials",
    ),
    Operation(
        "DELETE",
        "/v1/keys/{id}",
        "revokeKey",
        "Revoke an API key",
        Scope.MANAGE,
        credentials.revoke_key,
        {204: Reply("Revoked: it no longer works.", media="")},
        problems=(404,),
        path_parameters={"id": _ID},
        group="Credentials",
    ),
    Operation(
        "GET",
        "/v1/smtp-credentials",
        "listSmtpCredentials",
        "SMTP credentials",
        Scope.MANAGE,
        credentials.list_smtp,
        {200: Reply("The credentials, without their passwords.", (credentials.SmtpCredentials,))},
        group="Credentials",
    ),
    Operation(
        "POST",
        "/v1/smtp-credentials",
        "createSmtpCredential",
        "Make an SMTP credential",
        Scope.MANAGE,
        credentials.create_smtp,
        {201: Reply("The credential: its password is shown this once.", (credentials.NewSmtp,))},
        problems=(400, 408, 413, 415, 422),
        body=credentials.SMTP_BODY,
        example={"name": "Accounting", "domains": ["example.com"]},
        group="Credentials",
    ),
    Operation(
        "DELETE",
        "/v1/smtp-credentials/{id}",
        "revokeSmtpCredential",
        "Revoke an SMTP credential",
        Scope.MANAGE,
        credentials.revoke_smtp,
        {204: Reply("Revoked: it no longer works.", media="")},
        problems=(404,),
        path_parameters={"id": _ID},
        group="Credentials",
    ),
)
