"""What systemd wants to know about a service of Type=notify (sd_notify(3)); silent under anything else."""

import asyncio
import os
import socket


def notify(state: str) -> None:
    """Send one line, as in READY=1, STOPPING=1 or WATCHDOG=1."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
            channel.send(state.encode())


async def beat() -> None:
    """Tell the watchdog that the event loop turns, twice per period, until cancelled."""
    if period_us := int(os.environ.get("WATCHDOG_USEC", "0")):
        while True:
            notify("WATCHDOG=1")
            await asyncio.sleep(period_us / 2_000_000)
