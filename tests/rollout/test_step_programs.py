"""Tests that each step of the Cloud Build files finds the programs that its script calls."""

import ast
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.repository.tree import ROOT, parsed, shown, sources
from tests.rollout.called_programs import called_programs
from tests.rollout.cloudbuild import BUILD, CHECK, steps
from tests.rollout.images import DEBIAN, PACKAGES, PROGRAMS, STABLE, stub_programs

#: Variables that the scripts read and Cloud Build sets.
VARIABLES = {
    "PROJECT_ID": "p",
    "SHORT_SHA": "abcdef0",
    "_DEPLOYER": "deployer@p.iam.gserviceaccount.com",
    "_REGION": "europe-west1",
    "_REPOSITORY": "registry.example/p/scrapeq",
    "_STATE_BUCKET": "p-terraform",
    "_VARIABLES": "prod.tfvars",
}
STEPS = [(name, step) for name in (BUILD, CHECK) for step in steps(name)]


def run_step(script: str, image: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a step's script, with only the programs of its image, in a copy of the files that it uses."""
    workspace = folder / "workspace"
    shutil.copytree(ROOT / ".ci", workspace / ".ci")
    (workspace / "scripts").mkdir()
    (workspace / "terraform").mkdir()
    # The smoke test has tests of its own, in which it has only the programs of the same image.
    (workspace / "scripts" / "smoke-test.sh").symlink_to("/bin/true")
    shutil.copy(ROOT / "scripts" / "export-sbom.sh", workspace / "scripts")
    for service in ("dispatcher", "worker", "console"):
        (workspace / f"{service}.image").write_text("registry.example/image@sha256:0\n", encoding="utf-8")
    programs = stub_programs(image, folder / "image" / "bin")
    shebang, _, _ = script.partition("\n")
    interpreter = re.fullmatch(r"#!(?:/bin/|/usr/bin/env )(\w+)", shebang)
    assert interpreter, f"the script begins with {shebang!r}, not with a shell"
    assert interpreter[1] in PROGRAMS[image], f"{image} has no {interpreter[1]}"
    file = folder / "script"
    file.write_text(script.replace("/workspace", str(workspace)), encoding="utf-8")
    limits = {"EXPORT_SBOM_SECONDS": "0", "EXPORT_SBOM_PAUSE": "0"}
    return subprocess.run(
        [shutil.which(interpreter[1]) or interpreter[1], file],
        cwd=workspace,
        env=VARIABLES | limits | {"PATH": str(programs), "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(("name", "step"), STEPS, ids=[f"{name}-{step}" for name, step in STEPS])
def test_a_step_calls_only_programs_of_its_image(name: str, step: str, tmp_path: Path) -> None:
    """The script of each step, and each script that it calls, finds all programs in the step's image."""
    described = steps(name)[step]
    done = run_step(described["script"], described["name"], tmp_path)
    assert "not found" not in done.stderr
    # The stub of gcloud knows no scan, so the export ends after its wait; it is allowed to fail.
    assert done.returncode == (1 if step == "sbom" else 0), done.stdout + done.stderr


@pytest.mark.parametrize(
    ("script", "missing"),
    [
        ("#!/usr/bin/env bash\nset -e\npython3 --version\n", "python3"),
        ("#!/usr/bin/env bash\nset -e\nx=$(jq .a file)\n", "jq"),
        ("#!/usr/bin/env bash\nset -e\napt-get install --yes make > /dev/null\nmake\nnode\n", "node"),
    ],
)
def test_a_program_that_an_image_lacks_is_reported(script: str, missing: str, tmp_path: Path) -> None:
    """A script that calls a program which its image does not contain, and that it did not install, fails."""
    done = run_step(script, STABLE, tmp_path)
    assert done.returncode == 127
    assert f"{missing}: command not found" in done.stderr


def test_a_package_that_is_not_in_the_table_is_reported(tmp_path: Path) -> None:
    """A script that installs a package whose programs the table does not list fails."""
    done = run_step("#!/usr/bin/env bash\nset -e\napt-get install --yes unknown-package\n", STABLE, tmp_path)
    assert done.returncode == 100


def test_a_shell_that_an_image_lacks_is_reported(tmp_path: Path) -> None:
    """A script for bash is rejected in the image of Terraform, which has none."""
    image = next(image for image in PROGRAMS if image.startswith("hashicorp/terraform"))
    with pytest.raises(AssertionError, match="has no bash"):
        run_step("#!/usr/bin/env bash\n", image, tmp_path)


def test_every_image_of_a_step_is_in_the_table() -> None:
    """The table lists exactly the images that the steps use."""
    assert {step["name"] for name in (BUILD, CHECK) for step in steps(name).values()} == set(PROGRAMS)


#: Programs that the tests call, and that the virtual environment contains.
OF_THE_ENVIRONMENT = {"functions_framework", "hadolint", "python"}
#: Programs for which there is another one: Chromium, and pip.
ALTERNATIVES = {"google-chrome", "uv"}


def programs_of_the_check() -> set[str]:
    """Return the programs that the tests find in the step `check`."""
    texts = [steps(CHECK)["check"]["script"], (ROOT / ".ci" / "run").read_text(encoding="utf-8")]
    script = "\n".join(texts).replace("\\\n", " ")
    installs = re.findall(r"apt-get install (.*)$", script, re.MULTILINE)
    installs += re.findall(r"^need \S+ (.*)$", script, re.MULTILINE)  # a function of .ci/run
    packages = {word for line in installs for word in line.split() if re.fullmatch(r"[a-z][\w.+-]+", word)}
    copied = {"gcloud", "terraform"}  # by the steps before
    return {*PROGRAMS[DEBIAN], *copied}.union(*(PACKAGES[package] for package in packages))


def test_the_check_has_every_program_that_the_tests_call() -> None:
    """The image of the check, and the packages that it installs, contain each program that a test starts."""
    called = {
        name: shown(path)
        for path in sources("tests", "console", "scripts")
        for name in called_programs(parsed(path))
    }
    assert len(called) >= 10
    known = programs_of_the_check() | OF_THE_ENVIRONMENT | ALTERNATIVES
    assert {name: path for name, path in called.items() if name not in known} == {}


def test_called_programs_are_found() -> None:
    """The search finds a program that is started, one that is looked for, and one at the start of a list."""
    text = (
        'subprocess.run(["ps", "-A"])\nshutil.which("jq")\ncommand = ["curl", url]\n'
        'subprocess.run(command)\nsite.run("path")\nsubprocess.run([sys.executable])\n'
    )
    assert set(called_programs(ast.parse(text))) == {"ps", "jq", "curl"}


def test_the_python_of_the_check_is_supported() -> None:
    """The distribution in which the checks run has a Python that the project supports."""
    assert os.fspath(steps(CHECK)["check"]["name"]) == "debian:bookworm-slim"
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'requires-python = ">=3.11"' in text, (
        "Debian 12 has Python 3.11: use a newer release for the checks"
    )
