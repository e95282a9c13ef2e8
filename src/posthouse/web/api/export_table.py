"""The operations about exports: part of the table of all."""

from typing import Final

from posthouse.model.limits import EXPORT_DAYS, EXPORT_PART_ROWS, PAGE_ROWS, PAGE_ROWS_DEFAULT
from posthouse.model.words import Scope
from posthouse.web.api import exports
from posthouse.web.api.exchange import CSV
from posthouse.web.api.operation import Operation, Parameter, Reply, Schema

_GROUP: Final = "Exports"
_ID: Final[Schema] = {"type": "string", "format": "uuid"}
_PATH: Final = {"id": _ID}
_SUBMIT: Final = f"""\
The answer comes at once; the file is made in the background and kept for seven days. Ask for it again until `finished_at` is set, then fetch
it, or name a webhook: its parts of at most {EXPORT_PART_ROWS:,} rows are posted there as `{{"type": "export.part", "timestamp": ..., "data":
{{"export_id", "part", "parts", "content", ...}}}}`, in order, signed as events are, each again for 24 hours until it is answered with 2xx. A period
has at most {EXPORT_DAYS} days and begins half a minute after it is over, so that everything in it is there. Of suppressions and invalid addresses
those added since `since` are exported, as the list is then; of login failures the quarters of an hour that begin in the period."""
_FETCH: Final = """\
Sent as it is read. For a page of your intranet that shows a file again and again, a schedule and a key that may only read are enough:
`GET /v1/exports?limit=1`, then this."""

EXPORT_OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        "POST",
        "/v1/exports",
        "submitExport",
        "Have an export made",
        Scope.READ,
        exports.submit,
        {202: Reply("It is promised.", (exports.ExportView,))},
        problems=(400, 408, 413, 415, 422),
        description=_SUBMIT,
        body=exports.NEW_BODY,
        example={"what": "bounces", "since": "2026-11-01T00:00:00Z", "format": "csv"},
        group=_GROUP,
    ),
    Operation(
        "GET",
        "/v1/exports",
        "listExports",
        "Exports, the newest first",
        Scope.READ,
        exports.list_exports,
        {200: Reply("A page.", (exports.Exports,))},
        problems=(422,),
        query=(
            Parameter("cursor", _ID, "`next` of the page before"),
            Parameter(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": PAGE_ROWS, "default": PAGE_ROWS_DEFAULT},
                "exports per page",
            ),
        ),
        group=_GROUP,
    ),
    Operation(
        "GET",
        "/v1/exports/{id}",
        "getExport",
        "How far an export is",
        Scope.READ,
        exports.show,
        {200: Reply("The export.", (exports.ExportView,))},
        problems=(404,),
        path_parameters=_PATH,
        group=_GROUP,
    ),
    Operation(
        "GET",
        "/v1/exports/{id}/file",
        "fetchExport",
        "The file",
        Scope.READ,
        exports.fetch,
        {200: Reply("The file: CSV, JSON lines (application/jsonl), or either packed (application/gzip).", media=CSV)},
        problems=(404, 409, 422),
        description=_FETCH,
        query=(Parameter("packed", {"type": "boolean"}, "as a .gz file"),),
        path_parameters=_PATH,
        group=_GROUP,
    ),
    Operation(
        "DELETE",
        "/v1/exports/{id}",
        "deleteExport",
        "End an export and delete its file",
        Scope.MANAGE,
        exports.delete,
        {204: Reply("It is gone.", media="")},
        problems=(404,),
        path_parameters=_PATH,
        group=_GROUP,
    ),
    Operation(
        "GET",
        "/v1/export-schedules",
        "listExportSchedules",
        "Exports that are made again and again",
        Scope.READ,
        exports.list_schedules,
        {200: Reply("All of them.", (exports.Schedules,))},
        group=_GROUP,
    ),
    Operation(
        "POST",
        "/v1/export-schedules",
        "addExportSchedule",
        "Have an export made every day, week or month",
        Scope.MANAGE,
        exports.schedule,
        {201: Reply("It begins with what happens from now on.", (exports.ScheduleView,))},
        problems=(400, 408, 413, 415, 422),
        body=exports.SCHEDULE_BODY,
        example={"what": "bounces", "every": "week", "on_day": 1, "hour": 6, "zone": "Europe/Copenhagen"},
        group=_GROUP,
    ),
    Operation(
        "DELETE",
        "/v1/export-schedules/{id}",
        "deleteExportSchedule",
        "End a schedule",
        Scope.MANAGE,
        exports.delete_schedule,
        {204: Reply("No more exports come of it; those made stay.", media="")},
        problems=(404,),
        path_parameters=_PATH,
        group=_GROUP,
    ),
)
