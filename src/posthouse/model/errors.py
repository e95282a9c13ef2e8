"""What can go wrong, as types: a peer's broken protocol and a submitter's bad field. Our own bugs are plain exceptions."""

from posthouse.model.values import dataclass


class RemoteProtocolError(Exception):
    """The peer broke the protocol. The connection cannot be used any more; the mail on it is not to blame."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One bad field of a submission.

    `pointer` is a JSON pointer (RFC 6901) into what was sent (`/to/0`), or a header name for SMTP submissions.
    `code` is a stable word for programs (`invalid_address`), `detail` one sentence for people.
    """

    pointer: str
    code: str
    detail: str
