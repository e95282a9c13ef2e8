"""API keys and SMTP credentials: made, listed, revoked. A secret is in one answer and nowhere else."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from posthouse.accounts import changes, credentials
from posthouse.accounts.credentials import Credential, Issued
from posthouse.accounts.sign_in import SignedIn
from posthouse.accounts.terms import CredentialKind, Terms
from posthouse.model.words import MailClass, Role, Scope
from posthouse.runtime.settings import Settings
from posthouse.web.pages import words
from posthouse.web.pages.session import Page, Person, form, need, rooms, speech, text
from posthouse.web.pages.view import by_field, page, see

_EMPTY: Final = {
    "name": "",
    "scopes": [Scope.SEND],
    "domains": "",
    "networks": "",
    "without_auth": False,
    "mail_class": MailClass.TRANSACTIONAL,
}
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_CLASSES: Final = {word: words.CLASSES[word] for word in (MailClass.TRANSACTIONAL, MailClass.BUSINESS)}


@get("/keys", include_in_schema=False)
async def key_list(request: Page, person: Person) -> Response[str]:
    """Every credential of the workspace, and the SMTP settings."""
    return await _list(request, person, None)


@get("/keys/new", include_in_schema=False)
async def key_form(request: Page, person: Person) -> Response[str]:
    """The form for a new one; `kind` says which."""
    need(person, Role.ADMIN)
    return _form(request, person, _kind(request.query_params.get("kind", "")), _EMPTY)


@post("/keys", status_code=200, include_in_schema=False)
async def key_create(request: Page, person: Person) -> Response[str]:
    """Makes it and shows the secret in this answer: a reload asks again, so nothing is stored to show it a second time."""
    need(person, Role.ADMIN)
    fields = await form(request, person)
    kind, values = _kind(text(fields, "kind")), _values(fields)
    async with changes.making(rooms(request).process, person.workspace.workspace_id, person.actor) as change:
        outcome = await credentials.create(change, kind, _terms(values, kind))
    if isinstance(outcome, Issued):
        return await _list(request, person, outcome)
    return _form(request, person, kind, values, status=422, errors=by_field(outcome, speech(request, person)))


@get("/keys/{credential_id:uuid}/revoke", include_in_schema=False)
async def key_revoke_page(request: Page, person: Person, credential_id: FromPath[UUID]) -> Response[str]:
    """Says what revoking does, and asks."""
    need(person, Role.ADMIN)
    async with rooms(request).process.pool.acquire() as connection:
        found = await credentials.find(connection, person.workspace.workspace_id, credential_id)
    if found is None:
        raise NotFoundException
    return page(request, person, "sure.html", "keys", **_revoking(request, person, found))


@post("/keys/{credential_id:uuid}/revoke", include_in_schema=False)
async def key_revoke(request: Page, person: Person, credential_id: FromPath[UUID]) -> Redirect:
    """Revokes it in every process."""
    need(person, Role.ADMIN)
    await form(request, person)
    async with changes.making(rooms(request).process, person.workspace.workspace_id, person.actor) as change:
        revoked = await credentials.revoke(change, credential_id)
    return see(f"/keys?said={'revoked' if revoked else 'nothing'}")


def smtp_settings(settings: Settings) -> dict[str, Any]:
    """What a mail program is told."""
    here = settings.submission.host in _LOOPBACK  # the lab: the hostname may be another address of this machine
    host = settings.submission.host if here else settings.server.hostname
    return {"host": host, "port": settings.submission.port, "tls_port": settings.submission.tls_port}


async def _list(request: Page, person: SignedIn, issued: Issued | None) -> Response[str]:
    process = rooms(request).process
    async with process.pool.acquire() as connection:
        found = await credentials.listing(connection, person.workspace.workspace_id)
    return page(
        request,
        person,
        "keys.html",
        "keys",
        credentials=found,
        issued=issued,
        smtp=smtp_settings(process.settings),
        api_url=f"{process.settings.public_url}/v1/messages",
        scopes=words.SCOPES,
        classes=words.CLASSES,
    )


def _form(
    request: Page,
    person: SignedIn,
    kind: CredentialKind,
    values: dict[str, Any],
    **context: Any,  # noqa: ANN401
) -> Response[str]:
    return page(
        request,
        person,
        "key_new.html",
        "keys",
        kind=kind,
        form=values,
        scopes=words.SCOPES,
        classes=_CLASSES,
        **context,
    )


def _revoking(request: Page, person: SignedIn, credential: Credential) -> dict[str, Any]:
    spoken = speech(request, person)
    used = credential.used_at
    return {
        "heading": spoken.say("Revoke {name}?", name=credential.name),
        "back": "/keys",
        "back_label": spoken.say("Keys"),
        "touches": (
            spoken.say("Every program that uses it is refused from now on. This cannot be undone."),
            spoken.say("Last used {when}.", when=spoken.ago(used)) if used else spoken.say("It was never used."),
        ),
        "tone": "bad",
        "action": f"/keys/{credential.credential_id}/revoke",
        "fields": {},
        "label": spoken.say("Revoke"),
        "look": "danger sure",
        "possible": credential.revoked_at is None,
    }


def _kind(name: str) -> CredentialKind:
    return CredentialKind.SMTP if name == CredentialKind.SMTP else CredentialKind.API_KEY


def _values(fields: FormMultiDict) -> dict[str, Any]:
    mail_class = text(fields, "mail_class")
    return {
        "name": text(fields, "name"),
        "scopes": [Scope(word) for word in fields.getall("scopes", []) if word in set(Scope)],
        "domains": text(fields, "domains"),
        "networks": text(fields, "networks"),
        "without_auth": text(fields, "without_auth") == "1",
        "mail_class": MailClass(mail_class) if mail_class in set(MailClass) else MailClass.TRANSACTIONAL,
    }


def _terms(values: dict[str, Any], kind: CredentialKind) -> Terms:
    scopes = frozenset({Scope.SEND}) if kind is CredentialKind.SMTP else frozenset(values["scopes"])
    return Terms(
        values["name"],
        scopes,
        _listed(values["domains"]),
        _listed(values["networks"]),
        values["without_auth"],
        values["mail_class"],
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())
