"""The door for other machines' workers to the private Redis, which listens here only and knows no TLS.

It passes bytes on and reads none: who may do what is for Redis to say. Without FARM_TLS it is a plain door,
for a proxy of yours that speaks TLS in front of it.
"""

import asyncio
import logging
import resource
import socket
import ssl
import sys
from asyncio import StreamReader, StreamReaderProtocol, StreamWriter
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from farm.addresses import for_us, is_loopback
from farm.errors import FarmError, Rejected
from farm.settings import Settings, settings
from farm.tls import client_context, identity, server_context

MOST = 1000  # connections; a worker has about five
MOST_OF_ONE = 250  # connections of one address: a machine with many cards, or many machines behind one router
HANDSHAKE_S = 10.0
FIRST_BYTE_S = 30.0  # who has passed the handshake says something, if only AUTH
LINGER_S = 10.0
CHUNK = 64 * 1024
BACKLOG = 128
DESCRIPTORS = 64  # that the process needs beside two for each connection
# A silent peer is asked after 15 s, three times; one that acknowledges nothing is given up as soon (ms).
ALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    host: str
    port: int


class Gate:
    """Passes each connection on to `inside`. Beyond its bounds the next ones wait, or are closed at once."""

    def __init__(self, inside: Place, context: ssl.SSLContext | None, most: int, most_of_one: int) -> None:
        self.inside = inside
        self.context = context
        self.most_of_one = most_of_one
        self.places = asyncio.Semaphore(most)
        self.of_address: Counter[str] = Counter()
        self.passing: set[asyncio.Task[None]] = set()

    async def serve(self, door: socket.socket) -> None:
        """Accept at `door`, a listening socket that does not block, until cancelled."""
        while True:
            await self.places.acquire()
            try:
                client, peer = await asyncio.get_running_loop().sock_accept(door)
            except OSError as e:  # it went while it waited, or there are no descriptors left
                self.places.release()
                log.warning("a connection could not be accepted: %s", e)
                await asyncio.sleep(0.1)
                continue
            passage = asyncio.create_task(self.admit(client, str(peer[0])))
            self.passing.add(passage)
            passage.add_done_callback(self.passing.discard)

    async def admit(self, client: socket.socket, address: str) -> None:
        self.of_address[address] += 1
        try:
            if self.of_address[address] > self.most_of_one:
                log.warning("%s has %d connections already", address, self.most_of_one)
                client.close()
                return
            with suppress(OSError):  # either end went, or was too slow: the worker comes again
                await self.connect(client)
        finally:
            self.places.release()
            self.of_address[address] -= 1
            if not self.of_address[address]:
                del self.of_address[address]

    async def connect(self, client: socket.socket) -> None:
        keep_alive(client)
        reader, writer = await streams(client, self.context)
        try:
            first = await asyncio.wait_for(reader.read(CHUNK), FIRST_BYTE_S)
            if first:
                await self.talk(reader, writer, first)
        finally:
            await close(writer)

    async def talk(self, reader: StreamReader, writer: StreamWriter, first: bytes) -> None:
        """Both ways until Redis closes, as it does soon after the client's end has come through."""
        up, down = await asyncio.open_connection(self.inside.host, self.inside.port)
        down.write(first)
        asking = asyncio.create_task(ask(reader, down))
        try:
            await pass_on(up, writer)
        finally:
            asking.cancel()
            await close(down)


async def ask(client: StreamReader, down: StreamWriter) -> None:
    """The client's end, or its death, is passed on as an end; what Redis still answers is not cut off."""
    try:
        with suppress(OSError):
            await pass_on(client, down)
    finally:
        down.write_eof()


async def pass_on(source: StreamReader, sink: StreamWriter) -> None:
    while chunk := await source.read(CHUNK):
        sink.write(chunk)
        await sink.drain()


async def close(writer: StreamWriter) -> None:
    """Let what was written leave, but not for ever."""
    writer.close()
    try:
        await asyncio.wait_for(writer.wait_closed(), LINGER_S)
    except OSError:
        writer.transport.abort()


async def streams(client: socket.socket, context: ssl.SSLContext | None) -> tuple[StreamReader, StreamWriter]:
    """Streams over an accepted socket, its handshake done."""
    loop = asyncio.get_running_loop()
    reader = StreamReader(limit=CHUNK)
    protocol = StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol, client, ssl=context, ssl_handshake_timeout=HANDSHAKE_S if context else None
    )
    return reader, StreamWriter(transport, protocol, reader, loop)


def keep_alive(connection: socket.socket) -> None:
    """Notice a machine that lost its power or its network: one may be silent for as long as it is well."""
    with suppress(OSError):  # gone already
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in ALIVE.items():
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def room() -> int:
    """How many connections the process may hold, two descriptors each; asks for what it may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST + DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return MOST if soft == resource.RLIM_INFINITY else max(1, min(MOST, (soft - DESCRIPTORS) // 2))


def allowed(config: Settings) -> None:
    """Raises Rejected where the door would be open in the clear and nobody asked for that by name."""
    if not (config.tls or is_loopback(config.host) or config.broker_in_clear):
        raise Rejected(
            "The broker would be open at {host} without TLS. Start the farm with `farm up --listen`, or "
            "allow it with FARM_BROKER_IN_CLEAR=yes.",
            host=config.host,
        )


def answers(config: Settings) -> bool:
    """Whether the door is open and Redis answers behind it, if only to ask who is there."""
    try:
        with socket.create_connection((for_us(config.host), config.broker_port), timeout=3) as plain:
            if not config.tls:
                return ping(plain)
            context = client_context(identity(config).certificate)
            with context.wrap_socket(plain) as connection:
                return ping(connection)
    except OSError:
        return False


def ping(connection: socket.socket) -> bool:
    connection.sendall(b"PING\r\n")
    return connection.recv(64).startswith((b"-NOAUTH", b"+PONG"))


def opened(config: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    door = socket.create_server((config.host, config.broker_port), family=family, backlog=BACKLOG)
    door.setblocking(False)
    return door


def gate_of(config: Settings) -> Gate:
    redis = urlsplit(config.broker_url)
    inside = Place(redis.hostname or "127.0.0.1", redis.port or 6379)
    most = room()
    if not config.tls:
        return Gate(inside, None, most, most)  # all come from the proxy's address
    return Gate(inside, server_context(identity(config)), most, MOST_OF_ONE)


async def serve(config: Settings, door: socket.socket) -> None:
    await gate_of(config).serve(door)


def main() -> None:
    config = settings()
    logging.basicConfig(level=config.log_level, format="%(asctime)s %(message)s")
    try:
        allowed(config)
        with opened(config) as door:
            asyncio.run(serve(config, door))
    except FarmError as e:
        sys.exit(str(e))


if __name__ == "__main__":
    main()
