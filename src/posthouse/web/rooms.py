"""What the web's handlers work with: one value, made by `host.main` and handed to whatever answers a request."""

from dataclasses import dataclass

from posthouse.accounts.directory import Directory
from posthouse.intake.accept import Door
from posthouse.runtime.dns import Resolver
from posthouse.runtime.process import Process


@dataclass(frozen=True, slots=True)
class Rooms:
    """The process with its pool and clock, who may do what, and the door messages go in by."""

    process: Process
    directory: Directory
    door: Door

    def resolver(self) -> Resolver:
        """The DNS without a memory: who asks whether a record is there has just published it."""
        return Resolver(self.process.settings.delivery.resolvers, clock=self.process.clock)
