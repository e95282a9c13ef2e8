"""The command `posthouse`: names every command, imports one only when it is used, so that a daemon loads no more than it runs."""

import os
import sys
from typing import Final

from cyclopts import App

from posthouse import __version__

_EXIT_PIPE: Final = 141  # as a shell says of whoever is ended by SIGPIPE
COMMANDS: Final = (
    ("up", "posthouse.cli.up:up_command", "Run everything on this machine."),
    ("run", "posthouse.cli.run:run_command", "Run one process of one role."),
    ("migrate", "posthouse.cli.migrate:migrate_command", "Bring an external database to this program's schema."),
    ("config", "posthouse.cli.config:app", "Print and check settings."),
    ("doctor", "posthouse.cli.doctor:doctor_command", "Say what is wrong with this machine."),
    ("message", "posthouse.cli.message:app", "Send, find and read messages."),
    ("queue", "posthouse.cli.queue:app", "See what waits and why; retry, hold, suspend, move, bounce."),
    ("shaping", "posthouse.cli.shaping:app", "How receivers are treated, and which rule says so."),
    ("tls", "posthouse.cli.tls:app", "Which encryption receivers ask for, and how sessions fared."),
    ("bounce", "posthouse.cli.bounce:app", "What mail that came back means, and which rule says so."),
    ("report", "posthouse.cli.report:app", "What receivers report about your domains: DMARC and TLS."),
    (
        "reputation",
        "posthouse.cli.reputation:reputation_command",
        "Bounces and complaints of a day, and what is paused.",
    ),
    ("suppression", "posthouse.cli.suppression:app", "Addresses that are not written to, and why."),
    ("list", "posthouse.cli.list_check:app", "Whether a list of addresses is fit to be written to."),
    ("domain", "posthouse.cli.domain:app", "Sending domains and the DNS records they need."),
    ("bounce-domain", "posthouse.cli.bounce_domain:app", "Domains of your own that bounces return to."),
    ("link-host", "posthouse.cli.link_host:app", "Hosts of your own that links in your mail lead to."),
    ("key", "posthouse.cli.key:app", "API keys and SMTP credentials."),
    ("webhook", "posthouse.cli.webhook:app", "Programs that are told of events; replay."),
    ("alert", "posthouse.cli.alert:app", "What administrators have to know."),
    ("user", "posthouse.cli.user:app", "People and their sign-in links."),
    ("backup", "posthouse.cli.backup:backup_command", "Write everything that is kept into one file."),
    ("restore", "posthouse.cli.restore:restore_command", "Bring a backup back."),
    ("lab", "posthouse.cli.lab:app", "The lab's addresses and mailbox."),
    ("bench", "posthouse.cli.bench:bench_command", "Measure rates, latencies, CPU and memory on this machine."),
)
"""Every command: its name, where it is, what it does."""


def build() -> App:
    """The application, with no command imported yet."""
    app = App(
        name="posthouse",
        help="One self-hosted platform for all the mail an organisation sends.\n\nStart with: posthouse up --lab",
        version=__version__,
        help_format="plaintext",  # examples keep their lines, and <anna@example.com> is no tag
    )
    for name, place, purpose in COMMANDS:
        app.command(place, name=name, help=None if name in sys.argv[1:2] else purpose)  # its own page says more
    return app


def main() -> None:
    """The entry point of the command `posthouse`."""
    try:
        build()()
    except BrokenPipeError:  # whoever reads has seen enough: posthouse ... | head
        # what is not written yet is not complained about
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_EXIT_PIPE)


if __name__ == "__main__":
    main()
