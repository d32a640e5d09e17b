"""The command ``duchenne``, as installed with the package."""

import signal
import sys

from ._duchenne import run


def main() -> int:
    """Runs the program on the arguments of this process; its exit code."""
    # The program stops by itself, and saves first.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return run(sys.argv[1:])


if __name__ == "__main__":
    raise SystemExit(main())
