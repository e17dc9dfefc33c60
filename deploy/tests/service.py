"""The program, where KAFKA_OUTPUT_BIN names it; without it, what needs it is skipped and says so"""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("KAFKA_OUTPUT_BIN")


def run(test, *arguments):
    """What the program prints, and its exit code."""
    if not PROGRAM:
        test.skipTest("KAFKA_OUTPUT_BIN is not set")
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True,
                          check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def check_offline(test, file):
    """The job file is one that the service takes."""
    code, said = run(test, "check", "--offline", file)
    test.assertEqual(code, 0, said)
