"""cloudbuild.yaml and cloudbuild-check.yaml, as far as they can be checked without Cloud Build."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.repository.tree import ROOT
from tests.rollout.cloudbuild import BUILD, CHECK, document, scripts, steps
from tests.servers.requirements import skip_or_fail

TOOLS = Path(sys.executable).parent
#: The keys of https://cloud.google.com/build/docs/build-config-file-schema; the JSON schema allows any other.
TOP_LEVEL = {
    *(
        "artifacts",
        "availableSecrets",
        "dependencies",
        "images",
        "logsBucket",
        "options",
        "queueTtl",
        "secrets",
    ),
    *("serviceAccount", "steps", "substitutions", "tags", "timeout"),
}
#: Substitutions that Cloud Build sets:
#: https://cloud.google.com/build/docs/configuring-builds/substitute-variable-values
BUILT_IN = {"PROJECT_ID", "PROJECT_NUMBER", "BUILD_ID", "LOCATION", "SHORT_SHA", "COMMIT_SHA", "REVISION_ID"}
SUBSTITUTION = re.compile(r"(?<!\$)\$\{?([A-Z_][A-Z0-9_]*)\}?")


@pytest.fixture(params=[BUILD, CHECK])
def name(request: pytest.FixtureRequest) -> str:
    """Each build's file."""
    return str(request.param)


def test_build_is_valid_by_its_schema(name: str) -> None:
    """Otherwise Cloud Build would report a misspelt key of a step only when the build runs."""
    said = subprocess.run(
        [TOOLS / "check-jsonschema", "--builtin-schema", "vendor.cloudbuild", ROOT / name],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert said.returncode == 0, said.stdout


def test_top_level_keys_are_known(name: str) -> None:
    """The schema allows any key at the top level, and Cloud Build rejects unknown ones."""
    assert document(name).keys() <= TOP_LEVEL


def test_substitutions_are_defined_and_used() -> None:
    """With MUST_MATCH, Cloud Build rejects a build otherwise."""
    build = document(BUILD)
    texts = (
        [step["script"] for step in build["steps"]] + build["images"] + list(build["substitutions"].values())
    )
    # All other variables of the scripts themselves are in lower case.
    own = {"GOOGLE_IMPERSONATE_SERVICE_ACCOUNT", "PATH"}
    used = {each for text in texts for each in SUBSTITUTION.findall(text)} - own
    assert used - BUILT_IN == set(build["substitutions"])
    assert build["options"]["automapSubstitutions"], "scripts need it to see substitutions as variables"


def test_pull_request_is_checked_by_the_same_steps() -> None:
    """The check of a pull request also builds both images, and pushes nothing."""
    checked, rolled_out = steps(CHECK), steps(BUILD)
    for step in ("take-terraform", "check", "check-terraform"):
        assert checked[step] == rolled_out[step]
    assert checked.keys() == {
        "take-terraform",
        "check",
        "check-terraform",
        "build-dispatcher",
        "build-worker",
    }
    assert not re.search(r"push|apply|DEPLOYER", str(checked))


def before(step: str) -> set[str]:
    """Return the steps that have ended when `step` begins."""
    waits = {each for each in steps(BUILD)[step]["waitFor"] if each != "-"}
    return waits.union(*(before(each) for each in waits))


def test_images_are_pushed_after_all_checks() -> None:
    """The order is: checks, pushed images, plan, apply, smoke test."""
    checks = {"take-terraform", "check", "check-terraform"}
    for service in ("dispatcher", "worker"):
        assert before(f"push-{service}") == checks | {f"build-{service}"}
        assert before(f"build-{service}") == set(), "both images are built beside the checks"
        assert before(f"sbom-{service}") >= {f"push-{service}"}
    assert before("plan") >= {"sbom-dispatcher", "sbom-worker"}
    assert before("apply") >= {"plan"}
    assert before("smoke-test") == steps(BUILD).keys() - {"smoke-test"}


def test_images_have_provenance_and_builds_are_logged() -> None:
    """Cloud Build records the provenance of `images`; an own account requires CLOUD_LOGGING_ONLY."""
    build = document(BUILD)
    assert build["options"]["requestedVerifyOption"] == "VERIFIED"
    assert {each.rsplit("/", 1)[1] for each in build["images"]} == {
        "dispatcher:$SHORT_SHA",
        "worker:$SHORT_SHA",
    }
    assert {document(each)["options"]["logging"] for each in (BUILD, CHECK)} == {"CLOUD_LOGGING_ONLY"}


def test_names_in_terraform_and_in_the_build_agree() -> None:
    """The trigger names existing substitutions and files; the smoke test reads existing outputs."""
    trigger = ROOT / "terraform" / "build.tf"
    text = trigger.read_text(encoding="utf-8")
    assert set(re.findall(r"^\s+(_[A-Z_]+)\s*=", text, re.MULTILINE)) <= set(document(BUILD)["substitutions"])
    assert set(re.findall(r'filename\s*=\s*"([^"]+)"', text)) == {BUILD, CHECK}
    outputs = (ROOT / "terraform" / "outputs.tf").read_text(encoding="utf-8")
    script = (ROOT / "scripts" / "smoke-test.sh").read_text(encoding="utf-8")
    read = set(re.findall(r"\$\(output ([a-z_]+)", script)) | set(
        re.findall(r"< <\(output ([a-z_]+)", script)
    )
    assert read <= set(re.findall(r'^output "([a-z_]+)"', outputs, re.MULTILINE))


@pytest.mark.parametrize("where", sorted(scripts()))
def test_shellcheck_reports_nothing(where: str, tmp_path: Path) -> None:
    """ShellCheck checks for known mistakes, such as unquoted variables."""
    shellcheck = TOOLS / "shellcheck"
    if not shellcheck.is_file():
        skip_or_fail("shellcheck has no build for this machine")
    script = tmp_path / "script.sh"
    script.write_text(scripts()[where], encoding="utf-8")
    assert script.read_text(encoding="utf-8").startswith("#!"), "the script needs a #! line"
    said = subprocess.run([shellcheck, script], capture_output=True, text=True, check=False, timeout=120)
    assert (said.returncode, said.stdout) == (0, "")


def test_images_are_passed_to_terraform_by_digest(tmp_path: Path) -> None:
    """The step's lines before Terraform write a JSON file with both digests."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    for service in ("dispatcher", "worker"):
        image = f"europe-west1-docker.pkg.dev/p/scrapeq/{service}@sha256:{'0' * 64}\n"
        (workspace / f"{service}.image").write_text(image, encoding="utf-8")
    lines = steps(BUILD)["plan"]["script"].partition("cd terraform")[0].replace("/workspace", str(workspace))
    subprocess.run(
        ["sh", "-c", lines], env={"_DEPLOYER": "deployer", "PATH": "/usr/bin:/bin"}, check=True, timeout=120
    )
    written = yaml.safe_load((workspace / "images.tfvars.json").read_text(encoding="utf-8"))
    assert {name: image.partition("@")[2] for name, image in written["images"].items()} == {
        "dispatcher": f"sha256:{'0' * 64}",
        "worker": f"sha256:{'0' * 64}",
    }
