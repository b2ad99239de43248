"""`asker.py VIP FLOWS`: asks over HTTP from as many ports, always the same, and prints who answered each."""

import socket
import sys

VIP, FLOWS = sys.argv[1], int(sys.argv[2])
FIRST = 20000

for port in range(FIRST, FIRST + FLOWS):
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
        )  # the port is free at once
        connection.settimeout(5)
        connection.bind(("", port))
        connection.connect((VIP, 8080))
        connection.sendall(b"GET / HTTP/1.1\r\nHost: vip\r\n\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer or answer.endswith(b"\r\n\r\n"):
            answer += connection.recv(1000)
        print(port, answer.rpartition(b"\r\n")[2].decode())
