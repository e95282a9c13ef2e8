"""The DNS of the simulated world: exchanges and addresses of its domains, and the days on which nobody answers."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class Zone:
    """Answers what `dns.asyncquery.udp_with_fallback` asks."""

    def __init__(self, random: Random, trace: Callable[[str], None]) -> None:
        self._random = random
        self._trace = trace
        self._records: dict[tuple[str, str], list[str]] = {}
        self.failing = 0.0  # probability of SERVFAIL, and half as often of no answer at all

    def add(self, name: str, rdtype: str, *values: str) -> None:
        """Records of one name."""
        self._records[name, rdtype] = list(values)

    async def udp_with_fallback(self, query: Any, *_: object, **__: object) -> tuple[Any, bool]:
        """One question and its answer, after a while."""
        question = query.question[0]
        name, rdtype = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        luck = self._random.random()
        await asyncio.sleep(self._random.uniform(0.001, 0.03))
        if luck < self.failing / 2:
            self._trace(f"dns {name} {rdtype}: silence")
            await asyncio.sleep(30)
            raise dns.exception.Timeout
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if luck < self.failing:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif found := self._records.get((name, rdtype)):
            response.answer.append(dns.rrset.from_text_list(f"{name}.", 300, "IN", rdtype, found))
        elif not any(known == name for known, _ in self._records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        self._trace(f"dns {name} {rdtype}: {dns.rcode.to_text(response.rcode())}")
        return dns.message.from_wire(response.to_wire()), False
