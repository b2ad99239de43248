"""The far end of BFD with a speaker: `python -m bench.watcher REMOTE MS LOCAL ...`. It knows no vipd.

It keeps a session from each LOCAL address, at three times MS. It prints a line when it is ready, one when a
session comes up, and one whenever either end gives up the other. When a packet came is what the kernel noted:
being late itself, it blames nobody.
"""

import select
import socket
import struct
import sys
import time

PORT, SOURCE = 3784, 49152
DOWN, INIT, UP = 1, 2, 3
EXPIRED = 1
NEXT = {  # by our state and theirs: RFC 5880 section 6.8.6
    (DOWN, DOWN): INIT,
    (DOWN, INIT): UP,
    (DOWN, UP): DOWN,
    (INIT, DOWN): INIT,
    (INIT, INIT): UP,
    (INIT, UP): UP,
    (UP, DOWN): DOWN,
    (UP, INIT): UP,
    (UP, UP): UP,
}
SO_TIMESTAMPNS = 35


class End:
    """One session, as RFC 5880 section 6.8.6 has it, as far as two ends need that mean each other well."""

    def __init__(self, local: str, remote: str, interval: float, number: int) -> None:
        self.local, self._remote, self._interval, self._mine = local, remote, interval, number
        self.receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.receiver.bind((local, PORT))
        self._sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sender.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
        self._sender.bind((local, SOURCE + number))
        self._state, self._theirs, self._their_state, self._heard = DOWN, 0, DOWN, 0.0
        self._said = 0.0

    def due(self) -> float:
        return self._said + 0.8 * self._interval

    def say(self, *, final: bool = False) -> None:
        self._said = time.time()
        micros = int(self._interval * 1e6)
        flags = self._state << 6 | (0x10 if final else 0)
        packet = struct.pack("!4B5I", 0x20, flags, 3, 24, self._mine, self._theirs, micros, micros, 0)
        self._sender.sendto(packet, (self._remote, PORT))

    def hear(self) -> None:
        octets, ancillary, _, _ = self.receiver.recvmsg(256, 64)
        seconds, nanoseconds = struct.unpack("@qq", ancillary[0][2])
        at = seconds + nanoseconds / 1e9
        diagnostic, state = octets[0] & 0x1F, octets[1] >> 6
        self._theirs, polled = struct.unpack_from("!I", octets, 4)[0], octets[1] & 0x20
        if self._state == UP and at - self._heard > 3 * self._interval:
            self._tell(f"gives it up: nothing for {1000 * (at - self._heard):.0f} ms")
        if self._their_state == UP and state == DOWN and diagnostic == EXPIRED:
            self._tell("is given up by it")
        if self._their_state != UP and state == UP:
            self._tell("came up")
        self._heard, self._their_state = at, state
        self._state = NEXT[self._state, state]
        if polled:
            self.say(final=True)

    def _tell(self, what: str) -> None:
        print(f"{self.local} {what}", flush=True)


def main() -> None:
    remote, milliseconds, *locals_ = sys.argv[1:]
    ends = [End(local, remote, int(milliseconds) / 1000, number) for number, local in enumerate(locals_, 1)]
    print("ready", flush=True)
    while True:
        wait = max(0.0, min(end.due() for end in ends) - time.time())
        readable, _, _ = select.select([end.receiver for end in ends], [], [], wait)
        for end in ends:
            if end.receiver in readable:
                end.hear()
            if time.time() >= end.due():
                end.say()


if __name__ == "__main__":
    main()
