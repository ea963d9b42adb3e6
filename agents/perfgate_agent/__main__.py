"""`python -m perfgate_agent`: what a controller starts for itself on its own machine."""

from __future__ import annotations

import argparse
import sys

from perfgate.errors import PerfgateError
from perfgate_agent.command import EXAMPLE, add_arguments, serve_command


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="perfgate_agent", epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    try:
        return serve_command(parser.parse_args())
    except PerfgateError as error:
        print(f"perfgate: {error}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
