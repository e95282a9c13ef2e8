"""The operations of alerts, as `table` has those of everything else."""

from typing import Final

from posthouse.model.limits import ALERTS_LISTED
from posthouse.model.words import Scope
from posthouse.web.api import alerts
from posthouse.web.api.operation import Operation, Parameter, Reply, Schema

_GROUP: Final = "Alerts"
_ID: Final[Schema] = {"type": "string", "format": "uuid"}
_LIST: Final = f"""\
One trouble is one alert for as long as it lasts: found again it keeps its `id` and takes the newer `sentence`. At most {ALERTS_LISTED} are
listed. Administrators are written to by mail, at most once a minute; programs hear of them by the webhook events `alert.raised` and
`alert.ended`."""

ALERT_OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        "GET",
        "/v1/alerts",
        "listAlerts",
        "What administrators have to know",
        Scope.READ,
        alerts.list_alerts,
        {200: Reply("The alerts.", (alerts.Alerts,))},
        problems=(422,),
        description=_LIST,
        query=(
            Parameter(
                "state",
                {"type": "string", "enum": ["open", "all"], "default": "open"},
                "only the open ones, or the ended ones too",
            ),
        ),
        group=_GROUP,
    ),
    Operation(
        "POST",
        "/v1/alerts/{id}/dismiss",
        "dismissAlert",
        "Dismiss an alert",
        Scope.MANAGE,
        alerts.dismiss,
        {204: Reply("Dismissed: it comes back if the trouble is found again.", media="")},
        problems=(404,),
        path_parameters={"id": _ID},
        group=_GROUP,
    ),
)
