"""Installs the stand-in for the google provider, which terraform/tests/offline/README.md describes."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.repository.tree import ROOT

SOURCE: Final = ROOT / "terraform" / "tests" / "offline"
#: Modules of the stand-in's program, which are installed together.
PROGRAM: Final = (
    "answers.py",
    "cloud.py",
    "json_arguments.py",
    "lifecycle.py",
    "plugin.py",
    "provider.py",
    "validation.py",
    "values.py",
    "wire.py",
)
#: The release of the provider that the stand-in replaces, which is also the oldest that terraform.tf allows.
RELEASE: Final = "7.45.0"
HOST: Final = "registry.terraform.io"  #: the registry that Terraform infers for `hashicorp/google`


class Unavailable(Exception):
    """The provider's bindings cannot be downloaded: no package index answers."""


def install(terraform: str) -> Path:
    """Return a Terraform CLI configuration that points to the stand-in; install it if it is missing.

    The stand-in is installed into the virtual environment, in a directory named after a hash of its sources.
    Several processes may call this function at the same time.

    Raises:
        Unavailable: if the provider's bindings cannot be downloaded.
    """
    platform = json.loads(_run([terraform, "version", "-json"]))["platform"]
    home = Path(sys.prefix) / "terraform-offline"
    home.mkdir(exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        finished = home / _fingerprint(platform) / "terraform.rc"
        if not finished.exists():
            shutil.rmtree(finished.parent, ignore_errors=True)
            _build(finished.parent, platform)
            finished.write_text(_configuration(finished.parent / "mirror"), encoding="utf-8")
    return finished


def _fingerprint(platform: str) -> str:
    files = sorted(path for path in SOURCE.iterdir() if path.is_file())
    parts = [path.read_bytes() for path in [*files, Path(__file__)]]
    return hashlib.sha256(b"\0".join([*parts, platform.encode(), sys.version.encode()])).hexdigest()[:16]


def _build(folder: Path, platform: str) -> None:
    plugin, download = folder / "plugin", folder / "download"
    plugin.mkdir(parents=True)
    for source in [*PROGRAM, "answers.json", "rules.json"]:
        shutil.copy(SOURCE / source, plugin)
    _python("-m", "grpc_tools.protoc", f"--proto_path={SOURCE}", f"--python_out={plugin}", "tfplugin5.proto")
    pip_download = ("-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes")
    try:
        _python(*pip_download, f"--dest={download}", f"--requirement={SOURCE / 'bindings.txt'}")
    except AssertionError as error:
        raise Unavailable(f"the provider's bindings cannot be downloaded: {error}") from None
    (wheel,) = download.glob("*.whl")
    derive = str(SOURCE / "derive_schema.py")
    bindings = download / "bindings.json"
    _python(derive, str(wheel), str(bindings))
    changes = str(SOURCE / f"overlay-{RELEASE}.json")
    _python(derive, "--overlay", str(bindings), changes, str(plugin / "schema.json"))
    shutil.rmtree(download)
    _publish(folder, platform)


def _publish(folder: Path, platform: str) -> None:
    """Install the program into the mirror directory in which Terraform looks for the provider."""
    provider = folder / "plugin" / "provider.py"
    _python(str(provider), "--pack")
    place = folder / "mirror" / HOST / "hashicorp" / "google" / RELEASE / platform
    place.mkdir(parents=True)
    program = place / f"terraform-provider-google_v{RELEASE}_x5"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -sE "{provider}"\n', encoding="utf-8")
    program.chmod(0o755)


def _configuration(mirror: Path) -> str:
    # Terraform uses this mirror only, so it never contacts a registry.
    return f"""provider_installation {{
  filesystem_mirror {{
    path = "{mirror}"
  }}
}}
disable_checkpoint = true
"""


def _python(*arguments: str) -> None:
    _run([sys.executable, *arguments])


def _run(command: list[str]) -> str:
    environment = {**os.environ, "TF_CLI_CONFIG_FILE": os.devnull}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, env=environment, cwd=SOURCE, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"
    return done.stdout
