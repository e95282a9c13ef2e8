"""What the readers of mail come to: the links in it. Parses and prints; `intake.opt_out` decides.

No session, no cookie, no redirect, and no form token either: the signed token in the path is all there is to prove, and a mail program
that posts an opt-out (RFC 8058) has nothing else. GET changes nothing, since scanners open every link in a mail before its reader
does; `opt_out_pages` has the two handlers.
"""

from typing import Any, Final

from posthouse.web.track import opt_out_pages

__all__ = ["routes"]

routes: Final[list[Any]] = [opt_out_pages.opt_out_page, opt_out_pages.opt_out_answer]
