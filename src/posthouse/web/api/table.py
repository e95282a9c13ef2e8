"""Every operation of the API, in the order of the reference. Routing, scopes, checks and documentation come from these rows."""

from typing import Final

from posthouse.accounts.login_attempts import LoginDoor
from posthouse.model.limits import (
    IDEMPOTENCY_KEY_CHARS,
    LOGIN_FAILURES_A_DAY,
    LOGIN_FAILURES_KEPT_DAYS,
    MESSAGES_PER_CALL,
    PAGE_ROWS,
    PAGE_ROWS_DEFAULT,
    RECIPIENTS_PER_CALL,
    SEARCH_CHARS,
    STATISTICS_DAYS,
    STATISTICS_DAYS_DEFAULT,
    TAG_CHARS,
)
from posthouse.model.words import MailClass, Scope, Source, State
from posthouse.web.api import (
    credentials,
    login_failures,
    messages,
    queue,
    queue_actions,
    reputation,
    statistics,
    views,
)
from posthouse.web.api.alert_table import ALERT_OPERATIONS
from posthouse.web.api.domain_table import DOMAIN_OPERATIONS
from posthouse.web.api.export_table import EXPORT_OPERATIONS
from posthouse.web.api.message_schema import EXAMPLE, MESSAGE_BODY
from posthouse.web.api.operation import Operation, Parameter, Reply, Schema
from posthouse.web.api.report_table import REPORT_OPERATIONS
from posthouse.web.api.submit import MessageReceipt, Results, submit
from posthouse.web.api.suppression_table import SUPPRESSIONS
from posthouse.web.api.webhook_table import WEBHOOK_OPERATIONS

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
    Parameter("class", {"type": "string", "enum": [*MailClass]}, "only messages of this class"),
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
_ACT: Final = """\
The action is done to every recipient's mail that meets all conditions of the selection and is waiting, ready or held; what is being sent
at this moment is not touched. Bouncing ends the mail with your reason and leaves the address usable. Moving marketing to the transactional
pool has to be forced. Every action is in the audit log, and an event with each message."""
_SUSPEND: Final = """\
Suspended mail stays in the queue, keeps its own times, and says by whom and why it is held up. A new suspension takes the place of one
that stops the same mail. A mailing is marketing under one name: the first tag, or else the mailing type."""
_REPUTATION: Final = """\
Rates are of the last 24 hours, half a minute late. What reached a pause rate is suspended until somebody resumes it: delete the suspension
that is named. Older figures no longer count from the next quarter of an hour on."""
_LOGIN_FAILURES: Final = f"""\
Refused at the pages, by SMTP submission and by this API, where they name a person, an SMTP credential or a key of the workspace; what was
tried is not kept. Alike ones of a quarter of an hour are one row, which has come further when it is asked for again. At most
{LOGIN_FAILURES_A_DAY:,} rows a day are kept, for {LOGIN_FAILURES_KEPT_DAYS} days. As a file, on a schedule or posted: `POST /v1/exports`,
`POST /v1/export-schedules`."""
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
        problems=(400, 403, 408, 409, 413, 415, 422, 429),
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
        problems=(400, 404, 408, 409, 413, 415, 429),
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
        "POST",
        "/v1/queue/actions",
        "actOnQueue",
        "Retry, hold, release, cancel, bounce or move queued mail",
        Scope.MANAGE,
        queue_actions.act,
        {200: Reply("Done, or counted: how many mails it touches.", (queue_actions.Acted,))},
        problems=(400, 408, 413, 415, 422),
        description=_ACT,
        body=queue_actions.ACTION_BODY,
        example={
            "action": "bounce",
            "selection": {"domain": "example.org", "reply": "over quota", "attempts": 3},
            "reason": "The mailbox is given up.",
            "dry_run": True,
        },
        group="Queue",
    ),
    Operation(
        "GET",
        "/v1/queue/suspensions",
        "listSuspensions",
        "What is suspended",
        Scope.READ,
        queue_actions.list_suspensions,
        {200: Reply("What is in force.", (queue_actions.Suspensions,))},
        group="Queue",
    ),
    Operation(
        "POST",
        "/v1/queue/suspensions",
        "suspendMail",
        "Suspend or drain a destination, a pool or both, or a mailing",
        Scope.MANAGE,
        queue_actions.suspend,
        {201: Reply("In force.", (queue_actions.SuspensionView,))},
        problems=(400, 408, 413, 415, 422),
        description=_SUSPEND,
        body=queue_actions.SUSPENSION_BODY,
        example={"domain": "example.org", "reason": "They asked us to pause until their migration is over."},
        group="Queue",
    ),
    Operation(
        "DELETE",
        "/v1/queue/suspensions/{id}",
        "resumeMail",
        "Resume what was suspended",
        Scope.MANAGE,
        queue_actions.resume,
        {204: Reply("Resumed: the mail goes at its own time.", media="")},
        problems=(404,),
        path_parameters={"id": _ID},
        group="Queue",
    ),
    *SUPPRESSIONS,
    Operation(
        "GET",
        "/v1/statistics",
        "getStatistics",
        "What happened by day",
        Scope.READ,
        statistics.statistics,
        {200: Reply("The days.", (statistics.Statistics,))},
        problems=(422,),
        query=(
            Parameter("class", {"type": "string", "enum": [*MailClass]}, "only mail of this class"),
            Parameter(
                "days",
                {"type": "integer", "minimum": 1, "maximum": STATISTICS_DAYS, "default": STATISTICS_DAYS_DEFAULT},
                "how many, today included",
            ),
            Parameter("zone", {"type": "string", "maxLength": 64, "default": "UTC"}, "time zone in which days begin"),
        ),
        group="Statistics",
    ),
    Operation(
        "GET",
        "/v1/reputation",
        "getReputation",
        "Bounces and complaints of a day against the rates at which mail is paused",
        Scope.READ,
        reputation.show,
        {200: Reply("What mail went out of, and what is paused.", (reputation.ReputationList,))},
        description=_REPUTATION,
        group="Statistics",
    ),
    *REPORT_OPERATIONS,
    *DOMAIN_OPERATIONS,
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
    Operation(
        "GET",
        "/v1/login-failures",
        "listLoginFailures",
        "Logins and keys that were refused",
        Scope.MANAGE,
        login_failures.list_failures,
        {200: Reply("A page.", (login_failures.LoginFailures,))},
        problems=(422,),
        description=_LOGIN_FAILURES,
        query=(
            Parameter("since", _TIME, "of the quarter of an hour this time is in, or later"),
            Parameter("until", _TIME, "of quarters of an hour that begin before this time"),
            Parameter("door", {"type": "string", "enum": [*LoginDoor]}, "only at this door"),
            Parameter("cursor", _ID, "`next` of the page before"),
            Parameter(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": PAGE_ROWS, "default": PAGE_ROWS_DEFAULT},
                "rows per page",
            ),
        ),
        group="Credentials",
    ),
    *WEBHOOK_OPERATIONS,
    *ALERT_OPERATIONS,
    *EXPORT_OPERATIONS,
)
