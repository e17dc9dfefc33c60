"""Runs a program in a terminal of its own, and tells what is on the screen.

Standard input has a command a line: `see TEXT` waits until the screen shows it, `key NAME` presses a
key, `size COLUMNS LINES` makes the screen another one, `end` waits for the program to end. Each is
answered by `ok`, `end` by its exit code. Where a wait is in vain, the screen is printed.
"""

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time

import pyte

DEADLINE_S = 60
KEYS = {"enter": "\r", "escape": "\x1b", "up": "\x1b[A", "down": "\x1b[B", "interrupt": "\x03"}


class Terminal:
    def __init__(self, program):
        self.screen = pyte.Screen(140, 24)
        self.stream = pyte.ByteStream(self.screen)
        self.child, self.end = pty.fork()
        if self.child == 0:
            os.execvp(program[0], program)
        self.resize(140, 24)

    def resize(self, columns, lines):
        self.screen.resize(lines, columns)
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display)

    def read(self):
        """Takes what comes within a moment; says whether the program still has its terminal."""
        if not select.select([self.end], [], [], 0.05)[0]:
            return True
        try:
            said = os.read(self.end, 65536)
        except OSError:
            return False
        self.stream.feed(said)
        return bool(said)

    def see(self, text):
        late = time.monotonic() + DEADLINE_S
        while text not in self.text():
            if time.monotonic() > late or not self.read():
                sys.exit(f"`{text}` is not on the screen:\n{self.text()}")

    def ended(self):
        late = time.monotonic() + DEADLINE_S
        while self.read():
            if time.monotonic() > late:
                sys.exit(f"the program does not end:\n{self.text()}")
        return os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])


def main():
    terminal = Terminal(sys.argv[1:])
    for line in sys.stdin:
        command, _, rest = line.rstrip("\n").partition(" ")
        answer = "ok"
        if command == "see":
            terminal.see(rest)
        elif command == "key":
            os.write(terminal.end, KEYS.get(rest, rest).encode())
        elif command == "size":
            terminal.resize(*map(int, rest.split()))
        elif command == "end":
            answer = terminal.ended()
            modes = termios.tcgetattr(terminal.end)[3]
            if not modes & termios.ICANON:
                sys.exit("the terminal stays without lines")
        print(answer, flush=True)


main()
