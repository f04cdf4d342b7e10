"""`python -m ragctl`."""

from ragctl.cli.main import run

if __name__ == "__main__":
    run()
