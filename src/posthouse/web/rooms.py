"""What the web's handlers work with: one value, made by `host.main` and handed to whatever answers a request."""

from dataclasses import dataclass

from posthouse.accounts.directory import Directory
from posthouse.intake.accept import Door
from posthouse.intake.receiver_reports import ReportDesk
from posthouse.runtime.dns import Resolver
from posthouse.runtime.process import Process


@dataclass(frozen=True, slots=True)
class Rooms:
    """The process with its pool and clock, who may do what, the door messages go in by, and the desk for receivers' reports."""

    process: Process
    directory: Directory
    door: Door
    reports: ReportDesk

    def resolver(self) -> Resolver:
        """The DNS without a memory: who asks whether a record is there has just published it."""
        return Resolver(self.process.settings.delivery.resolvers, clock=self.process.clock)
