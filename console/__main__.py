"""Entry point of `scrapeq`. It imports only `sys` at its top, so that Ctrl-C works early."""

import sys


def main() -> None:
    """Run the command; the console script `scrapeq`."""
    try:
        from console.cli.commands import app  # noqa: PLC0415 - half a second of imports, inside the `try`

        app(prog_name="scrapeq")
    except KeyboardInterrupt:
        sys.exit(130)  # the shells' exit status for SIGINT: 128 + 2


if __name__ == "__main__":
    main()
