#!/usr/bin/env python3
"""Servers of the classical designs with blocking sockets, and a client for them.

    servers.py threaded|forking|prefork|oneshot [--v6only] HOST PORT LABEL
    servers.py client COUNT SIZE HOST PORT

A server reads a connection to its end and answers "LABEL PEER SHA-256". The client
makes COUNT connections at once, sends SIZE random bytes on each and ends its side,
checks the answers and prints each label and peer once.
"""

import hashlib
import os
import signal
import socket
import sys
import threading


def serve(conn, peer, label):
    with conn:
        total = hashlib.sha256()
        while data := conn.recv(65536):
            total.update(data)
        conn.sendall(f"{label} {peer[0]} {total.hexdigest()}\n".encode())


def threaded(listener, label):
    while True:
        threading.Thread(target=serve, args=(*listener.accept(), label)).start()


def forking(listener, label):
    while True:
        conn, peer = listener.accept()
        if os.fork() == 0:
            listener.close()
            serve(conn, peer, label)
            os._exit(0)
        conn.close()
        reap()


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def prefork(listener, label):
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            while True:
                serve(*listener.accept(), label)
        children.append(child)

    def end(*_):
        for child in children:
            os.kill(child, signal.SIGTERM)
        sys.exit()

    signal.signal(signal.SIGTERM, end)
    os.wait()


def oneshot(listener, label):
    conn, peer = listener.accept()
    listener.close()
    serve(conn, peer, label)


def listen(host, port, v6only):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    s.bind((host, port))
    s.listen(64)
    print("listening", flush=True)
    return s


def ask(host, port, size, answers):
    data = os.urandom(size)
    with socket.create_connection((host, port)) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        answer = s.makefile().read().split()
    if len(answer) != 3 or answer[2] != hashlib.sha256(data).hexdigest():
        answer = ["WRONG", repr(answer)]
    answers.append(" ".join(answer[:2]))


def client(count, size, host, port):
    answers = []
    threads = [threading.Thread(target=ask, args=(host, port, size, answers)) for _ in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for answer in sorted(set(answers)):
        print(answers.count(answer), "x", answer)


def main():
    args = [a for a in sys.argv[1:] if a != "--v6only"]
    v6only = "--v6only" in sys.argv
    if args[0] == "client":
        client(int(args[1]), int(args[2]), args[3], int(args[4]))
        return
    model = {"threaded": threaded, "forking": forking, "prefork": prefork, "oneshot": oneshot}[args[0]]
    model(listen(args[1], int(args[2]), v6only), args[3])


if __name__ == "__main__":
    main()
