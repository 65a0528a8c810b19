#!/usr/bin/env python3
"""The program of tests/programs/stream with asyncio: non-blocking sockets and epoll.

    stream.py -listen [HOST]:PORT | -dial HOST:PORT [-bytes N] [-rate BYTES/S] [-tick D]
"""

import argparse
import asyncio
import hashlib
import json
import os
import struct
import sys
import time
import zlib

HEADER = struct.Struct(">QII")  # number, length, CRC of the payload
PAYLOAD = 64 * 1024 - HEADER.size


class Report:
    """Counts and hashes both directions and prints events as JSON lines."""

    def __init__(self):
        self.sent = self.received = 0
        self.sent_sha, self.received_sha = hashlib.sha256(), hashlib.sha256()
        self.last = self.arrived = 0.0

    def print(self, event, **more):
        print(json.dumps({"event": event, "time": time.time(), "sent": self.sent,
                          "received": self.received, **more}), flush=True)

    def progress(self):
        if time.time() - self.last > 0.05:
            self.last = time.time()
            self.print("progress")

    def did_send(self, block):
        self.sent += len(block)
        self.sent_sha.update(block)
        self.progress()

    def did_receive(self, block):
        self.received += len(block)
        self.received_sha.update(block)
        now = time.time()
        if self.arrived and now - self.arrived > 0.1:
            self.print("gap", since=self.arrived)
        self.arrived = now
        self.progress()


def seconds(text):
    """Reads a duration as Go prints it, as far as the tests use it."""
    for unit, factor in (("ms", 1e-3), ("s", 1.0)):
        if text.endswith(unit):
            return float(text[: -len(unit)]) * factor
    raise argparse.ArgumentTypeError(f"{text!r} is not a duration")


async def send(writer, options, report, stop):
    number = 0
    began = time.monotonic()

    async def block(size):
        nonlocal number
        payload = os.urandom(size)
        data = HEADER.pack(number, size, zlib.crc32(payload)) + payload
        number += 1
        writer.write(data)
        await writer.drain()
        report.did_send(data)

    if options.tick:
        while not stop.is_set():
            await block(16)
            await asyncio.sleep(options.tick)
    elif options.idle:
        await stop.wait()
    else:
        while report.sent < options.bytes:
            await block(min(PAYLOAD, max(0, options.bytes - report.sent - HEADER.size)))
            if options.rate:
                await asyncio.sleep(began + report.sent / options.rate - time.monotonic())
    writer.write_eof()


async def receive(reader, report):
    number = 0
    while True:
        try:
            header = await reader.readexactly(HEADER.size)
        except asyncio.IncompleteReadError as e:
            if e.partial:
                raise
            return
        got, size, crc = HEADER.unpack(header)
        if got != number or size > PAYLOAD:
            raise ValueError(f"block {got} of {size} bytes where block {number} should be")
        payload = await reader.readexactly(size)
        if zlib.crc32(payload) != crc:
            raise ValueError(f"block {number}: wrong checksum")
        number += 1
        report.did_receive(header + payload)


async def connection(options, report):
    host, _, port = (options.dial or options.listen).rpartition(":")
    host = host.strip("[]") or None
    if options.dial:
        return await asyncio.open_connection(host, int(port))
    first = asyncio.get_running_loop().create_future()
    server = await asyncio.start_server(lambda r, w: first.set_result((r, w)), host, int(port))
    report.print("listening")
    streams = await first
    server.close()
    return streams


async def run(options, report):
    reader, writer = await connection(options, report)
    report.print("connected", local=str(writer.get_extra_info("sockname")),
                 remote=str(writer.get_extra_info("peername")))
    stop = asyncio.Event()
    if options.tick or options.idle:
        loop = asyncio.get_running_loop()
        loop.run_in_executor(None, lambda: (sys.stdin.read(), loop.call_soon_threadsafe(stop.set)))
    await asyncio.gather(send(writer, options, report, stop), receive(reader, report))
    writer.close()
    await writer.wait_closed()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-listen")
    parser.add_argument("-dial")
    parser.add_argument("-bytes", type=int, default=0)
    parser.add_argument("-rate", type=int, default=0)
    parser.add_argument("-tick", type=seconds, default=0)
    parser.add_argument("-idle", action="store_true")
    options = parser.parse_args()
    report, error = Report(), ""
    try:
        asyncio.run(run(options, report))
    except (OSError, ValueError, asyncio.IncompleteReadError) as e:
        error = str(e)
        print("stream.py:", error, file=sys.stderr)
    report.print("end", sent_sha=report.sent_sha.hexdigest(),
                 received_sha=report.received_sha.hexdigest(), error=error)
    sys.exit(1 if error else 0)


if __name__ == "__main__":
    main()
