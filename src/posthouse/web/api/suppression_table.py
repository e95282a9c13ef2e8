"""The operations about who is not written to, as rows of the table."""

from typing import Final

from posthouse.ledger.bounced import BounceType
from posthouse.model import limits
from posthouse.model.words import Scope
from posthouse.web.api import bounced, invalid_addresses, suppressions
from posthouse.web.api.exchange import CSV
from posthouse.web.api.operation import Operation, Parameter, Reply, Schema

_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_CURSOR: Final[Schema] = {"type": "string", "maxLength": 2_000}
_FILTERS: Final = (
    Parameter("address", {"type": "string", "maxLength": limits.SEARCH_CHARS}, "an address or its beginning"),
    Parameter("scope", suppressions.SCOPE, "only entries of this scope"),
    Parameter("reason", suppressions.REASON, "only entries with this reason"),
    Parameter("since", _TIME, "added at or after this time"),
)
_INVALID_FILTERS: Final = (
    Parameter("cursor", {"type": "string", "maxLength": 18}, "`next` of the call before; from the beginning"),
    Parameter("since", _TIME, "only those that became invalid at or after this time"),
    Parameter(
        "limit",
        {
            "type": "integer",
            "minimum": 1,
            "maximum": limits.INVALID_PAGE,
            "default": limits.SUPPRESSIONS_PAGE,
        },
        "addresses per call",
    ),
)
_BOUNCED_FILTERS: Final = (
    Parameter(
        "type",
        {"type": "string", "enum": [bounced.ANY, *BounceType], "default": bounced.ANY},
        "hard, soft, or any of the two; blocked are refusals that say nothing of the address",
    ),
    Parameter("since", _TIME, "last bounced at or after this time"),
    Parameter("until", _TIME, "last bounced before this time"),
    Parameter(
        "on", {"type": "string", "minLength": 10, "maxLength": 10}, "last bounced on this day (UTC), as in 2026-01-31"
    ),
    Parameter("not", {"type": "boolean"}, "turns since, until and on around: at any other time"),
    Parameter("address", {"type": "string", "maxLength": limits.SEARCH_CHARS}, "an address or its beginning"),
)
_ADD: Final = """\
All of them are added, or none when one cannot be. An entry that is there already keeps its first cause and date, unless the new one lasts
longer. An entry that has expired blocks nothing."""
_IMPORT: Final = f"""\
The first line names the columns: `address` (or `email`), and if wanted `scope`, `reason`, `note` and `expires_at`; a file without such a line
is a list of addresses. Commas, semicolons and tabs divide. The file is read as it arrives and committed {limits.CSV_BATCH:,} lines at a time;
lines that cannot be read are passed over and named. One that breaks off can be sent again: what is there already changes nothing."""
_EXPORT: Final = """\
In order of address, sent as it is read. A cell that a spreadsheet would take for a formula begins with an apostrophe, which the import takes
away again."""
_INVALID: Final = """\
Call it with the `next` of the call before: every address that has become invalid comes once, whatever is added meanwhile, and `next` stays
good for ever. An address that was cleared and fails again comes again."""
_BOUNCED: Final = """\
Every address at which mail has bounced, by its last bounce, half a minute after it. Refusals of what we are or send (`blocked`) are kept
apart: they say nothing of the address. Page by `cursor`, which misses nothing while new ones come, or by `offset`."""
_CLEAR: Final = """\
With `new_address` the old address stays blocked and only leaves this list; without it, it is written to again. What people wished about it
(complaints, unsubscribes) stays."""

SUPPRESSIONS: Final[tuple[Operation, ...]] = (
    Operation(
        "GET",
        "/v1/suppressions",
        "listSuppressions",
        "Who is not written to, and why",
        Scope.READ,
        suppressions.list_suppressions,
        {200: Reply("A page.", (suppressions.SuppressionPage,))},
        problems=(422,),
        query=(
            *_FILTERS,
            Parameter("cursor", _CURSOR, "`next` of the page before"),
            Parameter(
                "limit",
                {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": limits.SUPPRESSIONS_PAGE,
                    "default": limits.PAGE_ROWS,
                },
                "entries per page",
            ),
        ),
        group="Suppressions",
    ),
    Operation(
        "POST",
        "/v1/suppressions",
        "addSuppressions",
        "Stop writing to addresses",
        Scope.MANAGE,
        suppressions.add,
        {201: Reply("Added: from this moment nothing is sent to them that the scope stops.", (suppressions.Added,))},
        problems=(400, 408, 413, 415, 422),
        description=_ADD,
        body=suppressions.ADD_BODY,
        example={
            "suppressions": [
                {"address": "anna@example.org", "scope": "marketing", "reason": "unsubscribe", "note": "by telephone"}
            ]
        },
        group="Suppressions",
    ),
    Operation(
        "POST",
        "/v1/suppressions/remove",
        "removeSuppressions",
        "Write to addresses again",
        Scope.MANAGE,
        suppressions.remove,
        {200: Reply("What was lifted.", (suppressions.Removed,))},
        problems=(400, 404, 408, 409, 413, 415, 422),
        body=suppressions.REMOVE_BODY,
        example={"addresses": ["anna@example.org"], "reason": "She asked for it in person."},
        group="Suppressions",
    ),
    Operation(
        "DELETE",
        "/v1/suppressions/{address}",
        "removeSuppression",
        "Write to one address again",
        Scope.MANAGE,
        suppressions.remove_one,
        {200: Reply("What was lifted.", (suppressions.Removed,))},
        problems=(404, 409, 422),
        query=(
            Parameter("reason", suppressions.WHY, "why it is written to again; needed, and kept in the audit log"),
            Parameter("scope", suppressions.SCOPE, "lift this scope alone"),
        ),
        path_parameters={"address": {"type": "string"}},
        group="Suppressions",
    ),
    Operation(
        "POST",
        "/v1/suppressions/import",
        "importSuppressions",
        "Add the addresses of a CSV file",
        Scope.MANAGE,
        suppressions.import_csv,
        {200: Reply("What was added, and the lines that were not.", (suppressions.ImportResult,))},
        problems=(408, 413, 415, 422),
        description=_IMPORT,
        query=(
            Parameter("scope", suppressions.SCOPE, "of lines that name none"),
            Parameter("reason", {**suppressions.REASON, "default": "imported"}, "of lines that name none"),
        ),
        body=suppressions.CSV_BODY,
        media=CSV,
        example="address,reason,note\nanna@example.org,unsubscribe,from the old system\n",
        group="Suppressions",
    ),
    Operation(
        "GET",
        "/v1/suppressions/export",
        "exportSuppressions",
        "The list as CSV",
        Scope.READ,
        suppressions.export_csv,
        {200: Reply("The list.", media=CSV)},
        problems=(422,),
        description=_EXPORT,
        query=_FILTERS,
        group="Suppressions",
    ),
    Operation(
        "GET",
        "/v1/invalid-addresses",
        "listInvalidAddresses",
        "Addresses that do not exist, since the last time",
        Scope.READ,
        invalid_addresses.list_invalid,
        {200: Reply("The next ones, in the order in which they became known.", (invalid_addresses.InvalidPage,))},
        problems=(422,),
        description=_INVALID,
        query=_INVALID_FILTERS,
        group="Suppressions",
    ),
    Operation(
        "GET",
        "/v1/invalid-addresses/export",
        "exportInvalidAddresses",
        "The same as CSV",
        Scope.READ,
        invalid_addresses.export_invalid,
        {200: Reply("The next ones; the headers `Next-Cursor` and `More` say where to go on.", media=CSV)},
        problems=(422,),
        query=_INVALID_FILTERS,
        group="Suppressions",
    ),
    Operation(
        "POST",
        "/v1/invalid-addresses/clear",
        "clearInvalidAddress",
        "Take an address from the list of invalid ones",
        Scope.MANAGE,
        invalid_addresses.clear,
        {200: Reply("It is off the list.", (invalid_addresses.Cleared,))},
        problems=(400, 404, 408, 413, 415, 422),
        description=_CLEAR,
        body=invalid_addresses.CLEAR_BODY,
        example={"address": "anna@example.org", "new_address": "anna@example.net", "reason": "She called."},
        group="Suppressions",
    ),
    Operation(
        "GET",
        "/v1/bounced-addresses",
        "listBouncedAddresses",
        "Addresses mail bounced at, how, when last and why",
        Scope.READ,
        bounced.list_bounced,
        {200: Reply("A page, the last bounced first.", (bounced.BouncedPage,))},
        problems=(422,),
        description=_BOUNCED,
        query=(
            *_BOUNCED_FILTERS,
            Parameter("cursor", _CURSOR, "`next` of the page before"),
            Parameter(
                "offset",
                {"type": "integer", "minimum": 0, "maximum": limits.BOUNCED_OFFSET, "default": 0},
                "addresses to pass over",
            ),
            Parameter(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": limits.BOUNCED_PAGE, "default": limits.PAGE_ROWS},
                "addresses per page",
            ),
        ),
        group="Suppressions",
    ),
    Operation(
        "GET",
        "/v1/bounced-addresses/count",
        "countBouncedAddresses",
        "How many addresses mail bounced at",
        Scope.READ,
        bounced.count_bounced,
        {200: Reply("Their number.", (bounced.BouncedCount,))},
        problems=(422,),
        query=_BOUNCED_FILTERS,
        group="Suppressions",
    ),
    Operation(
        "GET",
        "/v1/bounced-addresses/export",
        "exportBouncedAddresses",
        "The addresses mail bounced at as CSV",
        Scope.READ,
        bounced.export_bounced,
        {200: Reply("The list.", media=CSV)},
        problems=(422,),
        query=_BOUNCED_FILTERS,
        group="Suppressions",
    ),
)
