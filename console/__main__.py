"""Starts the `scrapeq` command. Imports little at its top, so that Ctrl-C is answered from the start."""

import sys


def main() -> None:
    """Run the command; the console script `scrapeq`."""
    try:
        from console.cli.commands import app  # noqa: PLC0415 - half a second of imports, interruptible

        app(prog_name="scrapeq")
    except KeyboardInterrupt:
        sys.exit(130)  # 128 + SIGINT, as shells have it


if __name__ == "__main__":
    main()
