"""Starts `scrapeq`. Slow imports are inside the `try`, so that Ctrl-C during them prints no stack trace."""

import sys


def main() -> None:
    """Run the command line; the installed program `scrapeq` calls this function."""
    try:
        from console.cli.commands import app  # noqa: PLC0415 - must be inside the `try`

        app(prog_name="scrapeq")
    except KeyboardInterrupt:
        sys.exit(130)  # the shells' exit status for SIGINT: 128 + 2


if __name__ == "__main__":
    main()
