"""An HTTPS server that answers with the octets it was told to, on loopback and an ephemeral port."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Files:
    """`answer` is the whole response, None for none at all; `heads` are the requests."""

    answer: bytes | None
    port: int = 0
    heads: list[str] = field(default_factory=list)

    def say(self, body: bytes, *, status: str = "200 OK", media_type: str = "text/plain") -> None:
        """A usual response."""
        head = f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.answer = head.encode() + body


@asynccontextmanager
async def serving(context: ssl.SSLContext) -> AsyncIterator[Files]:
    """The server for the time of the block."""
    files = Files(None)

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            files.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            if files.answer is None:
                await reader.read()
            else:
                writer.write(files.answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort() if files.answer is None else writer.close()

    server = await asyncio.start_server(visit, "127.0.0.1", 0, ssl=context)
    files.port = server.sockets[0].getsockname()[1]
    try:
        yield files
    finally:
        server.close()
        await asyncio.sleep(0)
