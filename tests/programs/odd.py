#!/usr/bin/env python3
"""Does unusual things with sockets and prints what came of each.

    odd.py HOST PORT

At HOST PORT an echo server must listen. What is printed must be the same with and
without rock: one line per deed, with the result or the error's name.
"""

import ctypes
import errno
import os
import socket
import sys
import tempfile
import threading

libc = ctypes.CDLL(None, use_errno=True)
MSG_FASTOPEN = 0x20000000
PR_SET_DUMPABLE = 4
CLONE_FILES = 0x400


def call(result):
    """Turns the result of a libc call into a value or an OSError."""
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def ask(s, text=b"hello"):
    s.sendall(text)
    got = b""
    while len(got) < len(text):
        data = s.recv(1000)
        if not data:
            break
        got += data
    return got.decode()


def tcp():
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM)


# ---- addresses and descriptors that are not right ----------------------------

def bad_descriptor(server):
    return call(libc.connect(-1, b"\2\0" + bytes(14), 16))


def not_a_socket(server):
    with open("/dev/null") as f:
        return call(libc.connect(f.fileno(), b"\2\0" + bytes(14), 16))


def bad_pointer(server):
    with tcp() as s:
        return call(libc.connect(s.fileno(), ctypes.c_void_p(8), 16))


def short_address(server):
    with tcp() as s:
        return call(libc.connect(s.fileno(), b"\2\0" + bytes(14), 8))


def long_address(server):
    with tcp() as s:
        return call(libc.connect(s.fileno(), b"\2\0" + bytes(200), 200))


def wrong_family(server):
    with tcp() as s:
        return call(libc.connect(s.fileno(), bytes([99, 0]) + bytes(14), 16))


def unspec(server):
    with tcp() as s:
        s.connect(server)
        call(libc.connect(s.fileno(), bytes(16), 16))
        return s.getpeername()


def twice(server):
    with tcp() as s:
        s.connect(server)
        s.connect(server)


def accept_unlistened(server):
    with tcp() as s:
        s.accept()


def listen_connected(server):
    with tcp() as s:
        s.connect(server)
        s.listen()


def peer_unconnected(server):
    with tcp() as s:
        return s.getpeername()


def port_zero(server):
    with tcp() as s:
        s.connect((server[0], 0))


def broadcast(server):
    with tcp() as s:
        s.connect(("255.255.255.255", 9))


# ---- other kinds of sockets --------------------------------------------------

def unix_stream(server):
    with tempfile.TemporaryDirectory() as d:
        with socket.socket(socket.AF_UNIX) as l, socket.socket(socket.AF_UNIX) as c:
            l.bind(d + "/s")
            l.listen()
            c.connect(d + "/s")
            conn, _ = l.accept()
            with conn:
                c.sendall(b"local")
                return conn.recv(100).decode()


def udp(server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as a, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as b:
        b.bind(("127.0.0.1", 0))
        a.connect(b.getsockname())
        a.send(b"datagram")
        return b.recv(100).decode()


def netlink(server):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.connect((0, 0))
        return s.getsockname()[1]


def socket_pair(server):
    a, b = socket.socketpair()
    with a, b:
        a.sendall(b"pair")
        return b.recv(100).decode()


def loopback_to_itself(server):
    """Listens and connects in one thread."""
    with tcp() as l, tcp() as c:
        l.bind(("127.0.0.1", 0))
        l.listen()
        c.connect(l.getsockname())
        conn, peer = l.accept()
        with conn:
            return peer == c.getsockname(), ask_back(c, conn)


def ask_back(c, conn):
    c.sendall(b"round")
    conn.sendall(conn.recv(100) + b" trip")
    return c.recv(100).decode()


# ---- ordinary sockets in unusual ways ----------------------------------------

def bound_source(server):
    with tcp() as s:
        port = 20000 + os.getpid() % 10000  # one that no earlier run has left in TIME_WAIT
        s.bind(("0.0.0.0", port))
        s.connect(server)
        return s.getsockname()[1] == port, ask(s)


def bound_to_device(server):
    with tcp() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth1")
        s.connect(server)
        return ask(s)


def duplicated(server):
    with tcp() as s:
        with s.dup() as d:
            s.connect(server)
            return d.getpeername() == server, ask(d)


def passed_on(server):
    """A child connects a socket that it has from us by SCM_RIGHTS."""
    a, b = socket.socketpair()
    with a, b, tcp() as s:
        if os.fork() == 0:
            _, fds, _, _ = socket.recv_fds(b, 1, 1)
            with socket.socket(fileno=fds[0]) as got:
                got.connect(server)
            b.send(b"done")
            os._exit(0)
        socket.send_fds(a, [b"x"], [s.fileno()])
        a.recv(10)
        os.wait()
        return s.getpeername() == server, ask(s)


def own_descriptor_table(server):
    """A thread with a descriptor table of its own connects."""
    out = []

    def run():
        call(libc.unshare(CLONE_FILES))
        with tcp() as s:
            s.connect(server)
            out.append(ask(s))

    t = threading.Thread(target=run)
    t.start()
    t.join()
    return out


def not_dumpable(server):
    if os.fork() == 0:
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        with tcp() as s:
            s.connect(server)
            print("  not dumpable:", ask(s), flush=True)
        os._exit(0)
    return os.wait()[1]


def fast_open(server):
    with tcp() as s:
        try:
            s.sendto(b"hello", MSG_FASTOPEN, server)
        except OSError as e:  # the program's own fallback
            if e.errno not in (errno.EOPNOTSUPP, errno.EINPROGRESS):
                raise
            s.connect(server)
            s.sendall(b"hello")
        return s.recv(100).decode()


def not_waiting(server):
    with tcp() as s:
        s.setblocking(False)
        first = s.connect_ex(server)
        s.setblocking(True)
        s.settimeout(10)
        while s.connect_ex(server) not in (0, errno.EISCONN):
            pass
        return errno.errorcode.get(first, first), ask(s)


def send_timeout(server):
    with tcp() as s:
        s.settimeout(5)
        s.connect(server)
        return ask(s)


def options(server):
    with tcp() as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        s.connect(server)
        ask(s)
        return (s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), s.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE))


def two_listeners(server):
    """Two sockets share one port."""
    with tcp() as a, tcp() as b, tcp() as c:
        for s in (a, b):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        a.bind(("127.0.0.1", 0))
        b.bind(a.getsockname())
        a.listen()
        b.listen()
        c.connect(a.getsockname())
        a.setblocking(False)
        b.setblocking(False)
        took = 0
        while took == 0:
            for s in (a, b):
                try:
                    s.accept()[0].close()
                    took += 1
                except BlockingIOError:
                    pass
        return took


def relisten(server):
    """The port is free at once when its listener is closed."""
    port = 0
    for _ in range(3):
        with tcp() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", port))
            s.listen()
            port = s.getsockname()[1]
    return "listened three times"


def main():
    server = (sys.argv[1], int(sys.argv[2]))
    for deed in (bad_descriptor, not_a_socket, bad_pointer, short_address, long_address, wrong_family, unspec, twice,
                 accept_unlistened, listen_connected, peer_unconnected, port_zero, broadcast,
                 unix_stream, udp, netlink, socket_pair, loopback_to_itself,
                 bound_source, bound_to_device, duplicated, passed_on, own_descriptor_table, not_dumpable,
                 fast_open, not_waiting, send_timeout, options, two_listeners, relisten):
        try:
            result = deed(server)
        except OSError as e:
            result = errno.errorcode.get(e.errno, str(e))
        print(f"{deed.__name__}: {result}", flush=True)


if __name__ == "__main__":
    main()
