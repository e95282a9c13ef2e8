"""uvicorn's HTTP/1.1 protocol with the two bounds it lacks: how long a request's head may take, and how large it may be."""

import asyncio
from typing import Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from posthouse.model.limits import REQUEST_HEAD_OCTETS, REQUEST_HEAD_S

_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Connection(HttpToolsProtocol):
    """One client. A head that drips in is cut off after REQUEST_HEAD_S, one that does not end after REQUEST_HEAD_OCTETS.

    The read a head begins in is not counted, since it may be the end of a body: what is held of a head is at most one read more.
    """

    _in_head = True
    _head_octets = 0
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client called: it has REQUEST_HEAD_S for its first head."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Octets of heads and bodies; only those of heads count here."""
        if self._in_head:
            self._head_octets += len(data)
        super().data_received(data)
        # Empty lines before a request begin no head, but they end uvicorn's wait for one; they may not take longer than a head.
        if self._patience is None and self.timeout_keep_alive_task is None and self._is_idle():
            self._wait_for_head()
        # Data that ended a head left it; what is still a head after this may go on for as long as there is room.
        if self._in_head and self._head_octets > REQUEST_HEAD_OCTETS and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head = True
        self._head_octets = 0
        if self._patience is None:
            self._wait_for_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head has ended; how long the body may take is the application's business."""
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def _is_idle(self) -> bool:
        # None before the first request, whatever uvicorn's types say
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is None or cycle.response_complete

    def _wait_for_head(self) -> None:
        self._patience = self.loop.call_later(REQUEST_HEAD_S, self._lose_patience)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _lose_patience(self) -> None:
        self._patience = None
        if not self.transport.is_closing():
            self.transport.close()
