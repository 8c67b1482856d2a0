"""The images of the Cloud Build steps, and the programs that each of them contains.

A step may call only these programs. The comments cite the lines of each image's Dockerfile. The lists have
only those programs that a script may want to call.
"""

import os
import shutil
from pathlib import Path

STABLE = "gcr.io/google.com/cloudsdktool/google-cloud-cli:528.0.0-stable"
EMULATORS = "gcr.io/google.com/cloudsdktool/google-cloud-cli:528.0.0-emulators"
DEBIAN = "debian:bookworm-slim"
TERRAFORM = "hashicorp/terraform:1.11.4"
DOCKER = "gcr.io/cloud-builders/docker"

_FILES = (
    *(
        "basename",
        "cat",
        "cp",
        "cut",
        "date",
        "dirname",
        "echo",
        "env",
        "false",
        "find",
        "grep",
        "head",
        "id",
    ),
    *("ln", "ls", "mkdir", "mktemp", "mv", "printf", "pwd", "readlink", "rm", "rmdir", "sed", "seq", "sh"),
    *("sleep", "sort", "tail", "tar", "tee", "test", "touch", "tr", "true", "uname", "uniq", "wc", "xargs"),
)
#: Packages of the priority required, which every installation of Debian and Ubuntu has:
#: https://www.debian.org/doc/debian-policy/ch-archive.html#priorities
_DEBIAN = (*_FILES, "apt-get", "bash", "mount", "setpriv", "unshare")

#: For each image, its programs.
PROGRAMS: dict[str, tuple[str, ...]] = {
    # FROM marketplace.gcr.io/google/debian12:latest, and /usr/lib/google-cloud-sdk. It installs python3 only
    # if `uname -m` is not x86_64; gcloud and bq use the Python that is bundled with them:
    # https://github.com/GoogleCloudPlatform/cloud-sdk-docker/blob/03bf6f89dc744d9d7b092ad6a06efe33a0703e8f/stable/Dockerfile#L19-L31
    STABLE: (*_DEBIAN, "bq", "gcloud", "gsutil"),
    # FROM a release of Debian that changes (11 in the commit below, 12 since October 2024), so the table has
    # none of its packages but the required ones; with gcloud and the emulators in /google-cloud-sdk:
    # https://github.com/GoogleCloudPlatform/cloud-sdk-docker/blob/27fb9742e4ada958709e49a643d6f558068be715/emulators/Dockerfile#L2-L6
    EMULATORS: (*_DEBIAN, "bq", "gcloud", "gsutil"),
    # debootstrap's variant minbase: the required packages and apt.
    # https://github.com/debuerreotype/debuerreotype/blob/master/scripts/debuerreotype-init
    DEBIAN: _DEBIAN,
    # FROM alpine:latest, whose BusyBox has no bash; `apk add git openssh`; /bin/terraform:
    # https://github.com/hashicorp/terraform/blob/7c24c235ea6453df91bf1bb94ca792c2f1446156/.github/workflows/build-Dockerfile#L11-L43
    TERRAFORM: (*_FILES, "git", "ssh", "terraform", "wget"),
    # FROM ubuntu_20_0_4, with curl and make, and docker-ce:
    # https://github.com/GoogleCloudPlatform/cloud-builders/blob/0b072f8e6e3c3bf3ca27c15c7e19cf3799c3c653/docker/Dockerfile-base
    # https://github.com/GoogleCloudPlatform/cloud-builders/blob/0b072f8e6e3c3bf3ca27c15c7e19cf3799c3c653/docker/Dockerfile-versioned#L11
    DOCKER: (*_DEBIAN, "curl", "docker", "make"),
}
#: The programs of each package of Debian that a step installs. python3-venv depends on python3, which is
#: Python 3.11 in Debian 12, the oldest release that Scrapeq supports: https://packages.debian.org/bookworm/python3
PACKAGES: dict[str, tuple[str, ...]] = {
    "ca-certificates": (),
    "chromium": ("chromium",),
    "debian-handbook": (),
    "default-jre-headless": ("java",),
    "gcc": ("cc",),
    "git": ("git",),
    "libc6-dev": (),
    "libnginx-mod-http-echo": (),
    "make": ("make",),
    "nginx-light": ("nginx",),
    "nodejs": ("node",),
    "npm": ("npm",),
    "postgresql": (),
    "postgresql-doc-15": (),
    "procps": ("ps",),
    "python3-doc": (),
    "python3-venv": ("python3",),
    "rabbitmq-server": ("rabbitmq-server", "epmd"),  # the latter is in erlang-base, on which it depends
    "redis-server": ("redis-server",),
}
#: Programs that a script may run only as stubs: they would change this machine, or wait for the cloud.
_OUTSIDE = {"apt-get", "bq", "docker", "gcloud", "git", "gsutil", "make", "terraform"}
_STUB = """#!/bin/sh
case "$0 $*" in
  */apt-get*install*)
    for word in "$@"; do
      case "$word" in
        install | -*) ;;
        *) cp "{packages}/$word/"* "{folder}/" 2> /dev/null || test -d "{packages}/$word" || exit 100 ;;
      esac
    done ;;
  */docker*inspect*) echo "{digest}" ;;
esac
"""


def link_programs(image: str, folder: Path) -> Path:
    """Return a folder with links to those programs of this machine that the image contains."""
    folder.mkdir(parents=True)
    for name in PROGRAMS[image]:
        if found := shutil.which(name):
            (folder / name).symlink_to(os.path.realpath(found))
    return folder


def stub_programs(image: str, folder: Path) -> Path:
    """Return a folder with the image's programs; those that act on more than files do nothing.

    The stub of `apt-get install` adds the programs of the packages, and fails if it does not know a package.
    """
    link_programs(image, folder)
    packages = folder.with_name(f"{folder.name}-packages")
    text = _STUB.format(packages=packages, folder=folder, digest=f"registry.example/image@sha256:{'0' * 64}")
    for package, programs in PACKAGES.items():
        (packages / package).mkdir(parents=True)
        for name in programs:
            _write_stub(packages / package / name, text)
    for name in _OUTSIDE & set(PROGRAMS[image]):
        (folder / name).unlink(missing_ok=True)
        _write_stub(folder / name, text)
    return folder


def _write_stub(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
