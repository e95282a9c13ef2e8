"""Whether SPF will prove the domain in From, which a sender is told before anything is sent. Pure.

SPF proves the domain of the return path; for DMARC that counts only where it belongs to the organisation of From (RFC 9989). DKIM
can carry DMARC alone, until a forwarder or a list breaks the signature.
"""

from typing import Final

from posthouse.accounts import return_path
from posthouse.model.mail import Warned

NOT_ALIGNED: Final = "return_path_not_aligned"


def warning(from_domain: str, return_domain: str) -> Warned | None:
    """What to say of mail from one domain that returns to another; None where the two are aligned."""
    if from_domain == return_domain or return_path.is_aligned(return_domain, from_domain):
        return None
    detail = (
        f"Bounces return to {return_domain}, which is not aligned with {from_domain} in From: SPF does not count for DMARC, which"
        f" rests on DKIM alone. Add a bounce domain in {from_domain}."
    )
    return Warned(NOT_ALIGNED, detail, {"return_domain": return_domain, "from_domain": from_domain})
