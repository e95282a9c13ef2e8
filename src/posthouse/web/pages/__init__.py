"""The web pages: what a person sees. Parses forms and prints templates; decides nothing and owns no table.

A request walks through it like this: `session.provide_person` turns the cookie into a person or sends the reader to the sign-in
page; the handler of one noun (`home`, `message_list`, `message`, `resend_pages`, `send`, `domain_pages`, `report_pages`,
`reputation_pages`, `queue_pages`, `queue_acts`, `suspension_pages`, `suppression_pages`, `suppression_files`, `invalid_pages`,
`bounced_pages`, `list_pages`, `key_pages`, `webhook_pages`, `settings_pages`, `alert_pages`, `bounce_pages`,
`bounce_rule_pages`) reads what it needs from accounts, outbox, ledger and webhooks; `view.page` puts it into a template,
`view.part` into the piece of it that refreshes itself. A change is always a POST: `session.form` checks that it came from our
own page (Fetch Metadata and a token bound to the session), `session.need` checks the role, the room that owns the thing makes
the change and its audit entry, and a redirect (303) leads to what is to be seen next.

Every page is complete without scripts. With them htmx refreshes the live parts, and `static/posthouse.js` adds copying, keyboard
shortcuts and the reader's time zone. Every sentence goes through `web.text`; data is marked `translate="no"`. The HTML of mail is
only ever sent by `message.message_preview`, whose policy sandboxes it.
"""

from typing import Any, Final

from litestar import Router
from litestar.di import Provide

from posthouse.web.pages import (
    alert_pages,
    assets,
    bounce_pages,
    bounce_rule_pages,
    bounced_pages,
    domain_pages,
    home,
    invalid_pages,
    key_pages,
    list_pages,
    message,
    message_list,
    queue_acts,
    queue_pages,
    report_pages,
    reputation_pages,
    resend_pages,
    send,
    settings_pages,
    sign_in_pages,
    suppression_files,
    suppression_pages,
    suspension_pages,
    webhook_pages,
)
from posthouse.web.pages.session import provide_person
from posthouse.web.pages.trouble import exception_handlers

__all__ = ["exception_handlers", "middleware", "routes"]

_signed_in: Final = Router(
    "/",
    dependencies={"person": Provide(provide_person)},
    route_handlers=[
        home.home_page,
        message_list.message_list,
        message.message_page,
        message.message_preview,
        message.message_raw,
        message.message_act,
        resend_pages.resend_page,
        resend_pages.resend,
        send.send_page,
        send.send_road,
        send.send_check,
        send.send,
        domain_pages.domain_list,
        domain_pages.domain_add,
        domain_pages.domain_page,
        domain_pages.domain_verify,
        domain_pages.domain_rotate,
        domain_pages.domain_key_remove,
        domain_pages.domain_classes,
        domain_pages.domain_remove_page,
        domain_pages.domain_remove,
        report_pages.report_page,
        report_pages.report_upload,
        report_pages.source_page,
        reputation_pages.reputation_page,
        reputation_pages.resume,
        queue_pages.queue_page,
        queue_acts.queue_select_page,
        queue_acts.queue_act_page,
        queue_acts.queue_act,
        suspension_pages.suspend_page,
        suspension_pages.suspend,
        suspension_pages.resume,
        suppression_pages.suppression_list,
        suppression_pages.suppression_form,
        suppression_pages.suppression_add,
        suppression_pages.suppression_remove_page,
        suppression_pages.suppression_remove,
        suppression_files.import_page,
        suppression_files.import_file,
        suppression_files.export_file,
        bounced_pages.bounced_list,
        bounced_pages.bounced_export,
        invalid_pages.invalid_list,
        invalid_pages.invalid_export,
        invalid_pages.invalid_clear_page,
        invalid_pages.invalid_clear,
        key_pages.key_list,
        key_pages.key_form,
        key_pages.key_create,
        key_pages.key_revoke_page,
        key_pages.key_revoke,
        webhook_pages.webhook_list,
        webhook_pages.webhook_form,
        webhook_pages.webhook_add,
        webhook_pages.webhook_page,
        webhook_pages.webhook_rotate,
        webhook_pages.webhook_act,
        webhook_pages.webhook_delete_page,
        webhook_pages.webhook_delete,
        settings_pages.settings_page,
        settings_pages.settings_save,
        settings_pages.you_page,
        settings_pages.language_save,
        settings_pages.password_save,
        settings_pages.audit_page,
        list_pages.list_page,
        list_pages.list_file,
        list_pages.list_pasted,
        alert_pages.alert_list,
        alert_pages.alert_dismiss,
        bounce_pages.bounce_list,
        bounce_pages.bounce_add,
        bounce_pages.bounce_processing,
        bounce_pages.bounce_verify,
        bounce_pages.bounce_remove,
        bounce_pages.domain_alignment,
        bounce_rule_pages.bounce_rules_page,
        bounce_rule_pages.bounce_rules_save,
        sign_in_pages.sign_out,
    ],
)

routes: Final[list[Any]] = [
    assets.static_file,
    assets.favicon,
    sign_in_pages.sign_in_page,
    sign_in_pages.sign_in_by_password,
    sign_in_pages.sign_in_link_page,
    sign_in_pages.sign_in_by_link,
    _signed_in,
]
middleware: Final[list[Any]] = []
