"""What a host publishes for DANE, under the name its records are to be found (RFC 7672 2.2.2 and 2.2.3)."""

from posthouse.delivery.courier import NoRoute
from posthouse.model.dns import Answer, TlsaRecord
from posthouse.model.outcome import Outcome, Reply, Stage
from posthouse.runtime.dns import Resolver
from posthouse.wire import dane
from posthouse.wire.dane import Tlsa


async def published(resolver: Resolver, host: str, addresses: Answer[str], port: int) -> Tlsa | NoRoute | None:
    """The records of an exchange whose name is authentic; None when there are none, NoRoute when that cannot be known.

    Where the addresses are not authentic nothing is asked: some name servers of unsigned zones never answer for TLSA.
    """
    if not addresses.authenticated or not addresses.records:
        return None
    for base in dict.fromkeys(filter(None, (addresses.name, host))):  # where the alias leads, else the alias
        answer = await resolver.tlsa(base, port)
        if not answer.is_final:
            return _unknown(base, port, answer)
        if answer.records and answer.authenticated:
            return Tlsa(base, dane.usable(answer.records))
    return None


def _unknown(base: str, port: int, answer: Answer[TlsaRecord]) -> NoRoute:
    text = f"whether {base} has TLSA records cannot be found out (_{port}._tcp): {answer.detail or answer.status}"
    return NoRoute(Outcome.TRANSIENT, Reply(451, "4.7.5", text), Stage.DNS)
