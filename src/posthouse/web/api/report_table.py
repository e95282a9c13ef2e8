"""The operations about what receivers report: part of the table of all."""

from typing import Final

from posthouse.model.limits import REPORT_OCTETS, REPORT_SOURCES, REPORT_SOURCES_DEFAULT, REPORT_UNPACKED_OCTETS
from posthouse.model.words import Scope
from posthouse.web.api import reports
from posthouse.web.api.operation import ANY_MEDIA, Operation, Parameter, Reply, Schema

_NAME: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 253}
_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_REPORT_FILE: Final = f"""\
The body is the file: a DMARC aggregate report, a DMARC failure report or a TLS report, as XML, JSON or mail, packed with gzip or zip or
not, at most {REPORT_OCTETS} octets and {REPORT_UNPACKED_OCTETS} unpacked. What it is, is told by its content. A report is kept when it is
about a verified domain of the workspace or a name below one; what is here already changes nothing. 422 means that no report was kept."""
_PROVEN: Final = """\
A report can claim any name. One that comes by mail is taken only where SPF or DKIM proves the domain in From, one about TLS only where DKIM
does; whose domain that was stands here beside the name the report claims."""
_REPORTED: Final = (
    Parameter("domain", _NAME, "the verified domain", required=True),
    Parameter("since", _TIME, "only reports that begin at or after this time; 30 days unless said"),
    Parameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": REPORT_SOURCES, "default": REPORT_SOURCES_DEFAULT},
        "rows of the longest list",
    ),
)

REPORT_OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        "POST",
        "/v1/reports",
        "addReports",
        "Hand in the report of a receiver",
        Scope.MANAGE,
        reports.take,
        {
            201: Reply("Kept: what was in it.", (reports.ReportsTaken,)),
            200: Reply("Everything in it was here already.", (reports.ReportsTaken,)),
        },
        problems=(408, 413, 422),
        description=_REPORT_FILE,
        body=reports.FILE_BODY,
        media=ANY_MEDIA,
        group="Reports",
    ),
    Operation(
        "GET",
        "/v1/reports/dmarc",
        "getDmarcReports",
        "Who sends mail in the name of a domain, and whether it passes",
        Scope.READ,
        reports.dmarc,
        {200: Reply("The sums of all reports.", (reports.DmarcSummary,))},
        problems=(422,),
        query=_REPORTED,
        group="Reports",
    ),
    Operation(
        "GET",
        "/v1/reports/dmarc/failures",
        "getDmarcFailures",
        "Single messages that failed DMARC",
        Scope.READ,
        reports.failures,
        {200: Reply("The messages.", (reports.MessageFailures,))},
        problems=(422,),
        query=_REPORTED,
        group="Reports",
    ),
    Operation(
        "GET",
        "/v1/reports/tls",
        "getTlsReports",
        "How sessions with the hosts of a domain were encrypted",
        Scope.READ,
        reports.tls,
        {200: Reply("The sums of all reports.", (reports.TlsSummary,))},
        problems=(422,),
        query=_REPORTED,
        group="Reports",
    ),
    Operation(
        "GET",
        "/v1/reports/reporters",
        "getReporters",
        "Who reports about a domain, and who was proven to send it",
        Scope.READ,
        reports.reporters,
        {200: Reply("Everybody who sent reports.", (reports.Reporters,))},
        problems=(422,),
        description=_PROVEN,
        query=_REPORTED,
        group="Reports",
    ),
)
