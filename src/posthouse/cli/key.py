"""`posthouse key`: API keys and SMTP credentials."""

from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from posthouse.accounts import credentials
from posthouse.accounts.credentials import Credential, CredentialKind, Issued, Terms
from posthouse.cli import console
from posthouse.cli.console import HERE, Installation, Json, Number, Refused
from posthouse.cli.world import Where
from posthouse.model.words import MailClass, Scope

app: Final = App(name="key", help="API keys and SMTP credentials.")

_EMPTY: Final = "No keys yet. Make one: posthouse key create NAME"


@app.command(name="list")
def list_keys(
    *,
    revoked: Annotated[bool, Parameter(negative="", help="Revoked ones too.")] = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """List keys and credentials, newest first. Secrets are not shown: nobody has them any more.

    Exit status: 0 done, 2 wrong usage, 3 no database.

    For example:

        posthouse key list
        posthouse key list --revoked --json
    """
    found = console.run(_listing(where, workspace, revoked=revoked))
    console.show([_view(each) for each in found], lambda: _table(found), as_json=as_json)


@app.command
def create(
    name: str,
    /,
    *,
    smtp: Annotated[bool, Parameter(negative="", help="An SMTP user name and password instead of an API key.")] = False,
    scope: Annotated[tuple[Scope, ...], Parameter(negative="", help="What an API key may do; may be repeated.")] = (
        Scope.SEND,
    ),
    domain: Annotated[
        tuple[str, ...], Parameter(negative="", help="Only mail from this domain; may be repeated.")
    ] = (),
    network: Annotated[
        tuple[str, ...], Parameter(negative="", help="Only from this address or CIDR; may be repeated.")
    ] = (),
    without_auth: Annotated[bool, Parameter(negative="", help="SMTP from --network needs no password.")] = False,
    mail_class: Annotated[
        MailClass, Parameter(name="--class", help="Of mail that does not say.")
    ] = MailClass.TRANSACTIONAL,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Make an API key or an SMTP credential and print its secret, this once.

    Exit status: 0 done, 1 refused (with the reason), 2 wrong usage, 3 no database.

    For example:

        posthouse key create "Web shop"
        posthouse key create Reports --scope read --network 192.0.2.0/24
        posthouse key create "Mail of the shop" --smtp --domain shop.example
        posthouse key create Printers --smtp --without-auth --network 10.1.0.0/16
    """
    kind = CredentialKind.SMTP if smtp or without_auth else CredentialKind.API_KEY
    scopes = frozenset(scope) if kind is CredentialKind.API_KEY else frozenset({Scope.SEND})
    terms = Terms(name, scopes, domain, network, without_auth, mail_class)
    issued = console.run(_create(where, workspace, kind, terms))
    told = {**_view(issued.credential), "secret": issued.secret}
    console.show(told, lambda: _secret(issued), as_json=as_json)


@app.command
def revoke(key: str, /, *, as_json: Json = False, workspace: Number = None, where: Installation = HERE) -> None:
    """End a key or credential at once, in every process. KEY is its id, or its start or user name as `key list` shows it.

    Exit status: 0 done, 1 not found or revoked already, 2 wrong usage, 3 no database.

    For example:

        posthouse key revoke ph_1_ab3d
        posthouse key revoke ws1-k3x7q2ab
    """
    credential = console.run(_revoke(where, workspace, key))
    console.show(_view(credential), lambda: f"Revoked {credential.hint} ({credential.name}).", as_json=as_json)


async def _listing(where: Where, number: int | None, *, revoked: bool) -> list[Credential]:
    async with console.opened(where, number) as room:
        found = await credentials.listing(room.process.pool, room.workspace.workspace_id)
    return [each for each in found if revoked or each.revoked_at is None]


async def _create(where: Where, number: int | None, kind: CredentialKind, terms: Terms) -> Issued:
    async with console.opened(where, number) as room, room.changing() as change:
        return console.accepted(await credentials.create(change, kind, terms))


async def _revoke(where: Where, number: int | None, key: str) -> Credential:
    async with console.opened(where, number) as room, room.changing() as change:
        known = await credentials.listing(change.connection, room.workspace.workspace_id)
        meant = [each for each in known if not each.revoked_at and _is_meant(each, key)]
        if len(meant) != 1:
            raise Refused(
                f"{len(meant)} live keys are called {key}: give the id." if meant else f"There is no live key {key}."
            )
        await credentials.revoke(change, meant[0].credential_id)
        revoked = await credentials.find(change.connection, room.workspace.workspace_id, meant[0].credential_id)
    assert revoked is not None
    return revoked


def _is_meant(credential: Credential, key: str) -> bool:
    # A whole key may be given too: the one thing at hand when it has leaked.
    is_whole_key = credential.kind is CredentialKind.API_KEY and key.startswith(credential.hint)
    return key in {credential.hint, str(credential.credential_id)} or is_whole_key


def _view(credential: Credential) -> dict[str, Any]:
    return {
        "id": credential.credential_id,
        "kind": credential.kind,
        "name": credential.name,
        "hint": credential.hint,
        "scopes": sorted(credential.scopes),
        "domains": credential.domains,
        "networks": [str(network) for network in credential.networks],
        "without_auth": credential.without_auth,
        "class": credential.mail_class,
        "created_at": credential.created_at,
        "created_by": credential.created_by,
        "used_at": credential.used_at,
        "revoked_at": credential.revoked_at,
    }


def _table(found: list[Credential]) -> object:
    columns = ("key", "name", "kind", "may", "domains", "networks", "last used", "state")
    return console.table(columns, map(_row, found), _EMPTY)


def _row(each: Credential) -> tuple[object, ...]:
    domains = each.domains or ("any" if each.any_domain else "verified")
    key = each.credential_id if each.without_auth else each.hint
    state = "revoked" if each.revoked_at else "live"
    return key, each.name, each.kind, each.scopes, domains, each.networks or "anywhere", each.used_at or "never", state


def _secret(issued: Issued) -> str:
    credential = issued.credential
    if credential.without_auth:
        return f"SMTP from {', '.join(map(str, credential.networks))} needs no password now."
    if credential.kind is CredentialKind.API_KEY:
        return (
            f"API key:  {issued.secret}\nIt is shown only now. Send it as: Authorization: Bearer {credential.hint}..."
        )
    return f"User name:  {credential.hint}\nPassword:   {issued.secret}\nThe password is shown only now."
