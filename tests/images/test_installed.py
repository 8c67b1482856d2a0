"""What lies in the images, built by hand from the Dockerfiles' own lines."""

import subprocess
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.images.by_hand import APP, Image
from tests.images.test_dockerfiles import closure
from tests.repository.test_locks import locked, normal

pytestmark = pytest.mark.timeout(900)  # a slow index


def app(image: Image) -> Path:
    """Return the directory that holds everything of ours."""
    return image.root / APP.strip("/")


def packages(image: Image) -> Path:
    """Return the directory of the installed packages."""
    [found] = app(image).glob("venv/lib/python*/site-packages")
    return found


def size(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def test_the_services_lock_is_installed_and_nothing_else(
    image: Image, service: str, show: Callable[[str], None]
) -> None:
    """Also no pip: what is not there cannot be used by whoever gets in. Prints what it weighs."""
    installed = {normal(each.metadata["Name"]) for each in distributions(path=[str(packages(image))])}
    assert installed <= locked(service).keys()
    # What may be left out is left out by its marker.
    assert locked(service).keys() - installed <= {"pycparser"}
    sizes = {each.name: size(each) for each in packages(image).iterdir() if each.is_dir()}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:5]
    show(
        f"{service}: {size(packages(image)) / 2**20:.0f} MiB of packages"
        f" ({', '.join(f'{name} {sizes[name] / 2**20:.0f}' for name in largest)}),"
        f" {size(app(image) / 'code') / 2**10:.0f} KiB of ours"
    )


def test_only_the_services_code_is_there(image: Image, service: str) -> None:
    """Not the other service, and no lock of the developers."""
    assert {each.name for each in (app(image) / "code").iterdir()} == closure(service)
    assert sorted(each.name for each in app(image).iterdir()) == ["code", "venv"]


def test_anyone_may_read_it_and_all_of_it_is_compiled(image: Image) -> None:
    """It runs as a user that owns nothing, where nothing can be written, and starts without compiling."""
    files = [path for path in app(image).rglob("*") if path.is_file() and not path.is_symlink()]
    assert [path for path in files if not path.stat().st_mode & 0o004] == []
    code = [
        path for path in files if path.suffix == ".py" and "code" in path.relative_to(app(image)).parts[:1]
    ]
    compiled = {
        path.parent.parent / f"{path.name.split('.')[0]}.py" for path in files if path.suffix == ".pyc"
    }
    assert code
    assert set(code) - compiled == set()


@pytest.mark.parametrize("tool", ["pip", "setuptools"])
def test_no_installer_is_left(image: Image, tool: str) -> None:
    """The environment that runs cannot change itself."""
    said = subprocess.run(
        [app(image) / "venv/bin/python", "-c", f"import {tool}"], capture_output=True, check=False, timeout=60
    )
    assert said.returncode == 1
