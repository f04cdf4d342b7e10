"""`python -m ragctl`, and the `ragctl` command."""

import sys


def run() -> None:
    """Loads the command line and runs it; Ctrl-C while it loads is an interruption, too."""
    try:
        from ragctl.cli.main import run as run_command_line
    except KeyboardInterrupt:
        sys.exit(130)
    run_command_line()


if __name__ == "__main__":
    run()
