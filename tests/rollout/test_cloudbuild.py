"""cloudbuild.yaml and cloudbuild-check.yaml: what can be known of them without Cloud Build."""

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
#: of https://cloud.google.com/build/docs/build-config-file-schema; the schema lets others pass
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
#: of https://cloud.google.com/build/docs/configuring-builds/substitute-variable-values; made by triggers
BUILT_IN = {"PROJECT_ID", "PROJECT_NUMBER", "BUILD_ID", "LOCATION", "SHORT_SHA", "COMMIT_SHA", "REVISION_ID"}
SUBSTITUTION = re.compile(r"(?<!\$)\$\{?([A-Z_][A-Z0-9_]*)\}?")


@pytest.fixture(params=[BUILD, CHECK])
def name(request: pytest.FixtureRequest) -> str:
    """Each build's file."""
    return str(request.param)


def test_the_schema_has_no_complaint(name: str) -> None:
    """A misspelt key of a step, or a value that no option has, would only be seen when it is needed."""
    said = subprocess.run(
        [TOOLS / "check-jsonschema", "--builtin-schema", "vendor.cloudbuild", ROOT / name],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert said.returncode == 0, said.stdout


def test_no_key_is_misspelt(name: str) -> None:
    """The schema takes any key at the top, and Cloud Build refuses it when it is too late."""
    assert document(name).keys() <= TOP_LEVEL


def test_every_substitution_is_defined_and_used() -> None:
    """MUST_MATCH refuses a build otherwise."""
    build = document(BUILD)
    texts = (
        [step["script"] for step in build["steps"]] + build["images"] + list(build["substitutions"].values())
    )
    # A script has variables of its own in lower case alone, but for these.
    own = {"GOOGLE_IMPERSONATE_SERVICE_ACCOUNT", "PATH"}
    used = {each for text in texts for each in SUBSTITUTION.findall(text)} - own
    assert used - BUILT_IN == set(build["substitutions"])
    assert build["options"]["automapSubstitutions"], "scripts see substitutions as variables only then"


def test_a_pull_request_is_checked_as_the_branch_is() -> None:
    """By the same steps; it builds both images too, and pushes nothing."""
    asked, rolled_out = steps(CHECK), steps(BUILD)
    for step in ("take-terraform", "check", "check-terraform"):
        assert asked[step] == rolled_out[step]
    assert asked.keys() == {"take-terraform", "check", "check-terraform", "build-dispatcher", "build-worker"}
    assert not re.search(r"push|apply|DEPLOYER", str(asked))


def before(step: str) -> set[str]:
    """Return what has ended when a step of the build begins."""
    waits = {each for each in steps(BUILD)[step]["waitFor"] if each != "-"}
    return waits.union(*(before(each) for each in waits))


def test_nothing_unchecked_leaves_the_build() -> None:
    """The checks gate the images, these the plan, the plan what is applied, and the smoke test comes last."""
    checks = {"take-terraform", "check", "check-terraform"}
    for service in ("dispatcher", "worker"):
        assert before(f"push-{service}") == checks | {f"build-{service}"}
        assert before(f"build-{service}") == set(), "both images are built beside the checks"
        assert before(f"sbom-{service}") >= {f"push-{service}"}
    assert before("plan") >= {"sbom-dispatcher", "sbom-worker"}
    assert before("apply") >= {"plan"}
    assert before("smoke-test") == steps(BUILD).keys() - {"smoke-test"}


def test_the_images_have_provenance_and_no_build_goes_unlogged() -> None:
    """Provenance is recorded of what `images` names; an account of one's own needs CLOUD_LOGGING_ONLY."""
    build = document(BUILD)
    assert build["options"]["requestedVerifyOption"] == "VERIFIED"
    assert {each.rsplit("/", 1)[1] for each in build["images"]} == {
        "dispatcher:$SHORT_SHA",
        "worker:$SHORT_SHA",
    }
    assert {document(each)["options"]["logging"] for each in (BUILD, CHECK)} == {"CLOUD_LOGGING_ONLY"}


def test_terraform_gives_what_the_build_takes() -> None:
    """The trigger's substitutions, files and variables are those that are there."""
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
def test_shellcheck_has_no_complaint(where: str, tmp_path: Path) -> None:
    """A variable that is not quoted, a failure that goes unseen: what is known to go wrong with shells."""
    shellcheck = TOOLS / "shellcheck"
    if not shellcheck.is_file():
        skip_or_fail("shellcheck has no build for this machine")
    script = tmp_path / "script.sh"
    script.write_text(scripts()[where], encoding="utf-8")
    assert script.read_text(encoding="utf-8").startswith("#!"), "whose shell it is"
    said = subprocess.run([shellcheck, script], capture_output=True, text=True, check=False, timeout=120)
    assert (said.returncode, said.stdout) == (0, "")


def test_the_images_reach_terraform_by_digest(tmp_path: Path) -> None:
    """The step's own lines up to Terraform, run here: what Terraform reads is JSON with both digests."""
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
