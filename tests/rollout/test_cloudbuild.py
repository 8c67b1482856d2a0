"""Tests of cloudbuild.yaml and cloudbuild-check.yaml that need no Cloud Build."""

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
#: Keys that Cloud Build allows at the top level of a build; the JSON schema allows any key:
#: https://cloud.google.com/build/docs/build-config-file-schema
TOP_LEVEL_KEYS = {
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
    """File name of a build."""
    return str(request.param)


def test_build_file_matches_the_json_schema(name: str) -> None:
    """Each build file is valid against the JSON schema of Cloud Build, which finds misspelt keys of steps."""
    done = subprocess.run(
        [TOOLS / "check-jsonschema", "--builtin-schema", "vendor.cloudbuild", ROOT / name],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout


def test_top_level_keys_are_known(name: str) -> None:
    """Cloud Build documents each top-level key of a build file; the JSON schema would allow any key."""
    assert document(name).keys() <= TOP_LEVEL_KEYS


def test_substitutions_are_defined_and_used() -> None:
    """The build defines exactly the substitutions that it uses, as Cloud Build's MUST_MATCH requires."""
    build = document(BUILD)
    texts = (
        [step["script"] for step in build["steps"]] + build["images"] + list(build["substitutions"].values())
    )
    # Variables in upper case that the scripts set themselves; their other variables are in lower case.
    set_by_scripts = {"GOOGLE_IMPERSONATE_SERVICE_ACCOUNT", "PATH"}
    used = {name for text in texts for name in SUBSTITUTION.findall(text)} - set_by_scripts
    assert used - BUILT_IN == set(build["substitutions"])
    assert build["options"]["automapSubstitutions"], (
        "without automapSubstitutions, scripts do not see substitutions as variables"
    )


def test_pull_request_runs_the_same_checks_and_pushes_nothing() -> None:
    """A pull request's build runs the same checks and builds all images, but does not push or apply."""
    checked, rolled_out = steps(CHECK), steps(BUILD)
    for step in ("copy-terraform", "copy-gcloud", "check", "check-terraform"):
        assert checked[step] == rolled_out[step]
    assert checked.keys() == {
        "copy-terraform",
        "copy-gcloud",
        "check",
        "check-terraform",
        "build-dispatcher",
        "build-worker",
        "build-console",
    }
    assert not re.search(r"push|apply|DEPLOYER", str(checked))


def finished_before(step: str) -> set[str]:
    """Return the ids of all steps that have finished when `step` starts."""
    direct = {other for other in steps(BUILD)[step]["waitFor"] if other != "-"}
    return direct.union(*(finished_before(other) for other in direct))


def test_images_are_pushed_after_all_checks() -> None:
    """A roll-out runs in this order: checks, push of the images, plan, apply, smoke test and export."""
    checks = {"copy-terraform", "copy-gcloud", "check", "check-terraform"}
    for service in ("dispatcher", "worker", "console"):
        assert finished_before(f"push-{service}") == checks | {f"build-{service}"}
        assert finished_before(f"build-{service}") == set(), (
            "the images are built at the same time as the checks run"
        )
    assert finished_before("plan") >= {"push-dispatcher", "push-worker", "push-console"}
    assert finished_before("apply") >= {"plan"}
    last = {"smoke-test", "sbom"}
    for step in last:
        assert finished_before(step) == steps(BUILD).keys() - last


def test_missing_bill_of_materials_does_not_fail_a_build() -> None:
    """Only the export of the bills of materials, which needs a scan by Google, may fail without the build."""
    assert {name for name, step in steps(BUILD).items() if step.get("allowFailure")} == {"sbom"}


def test_images_have_provenance_and_builds_log_to_cloud_logging() -> None:
    """The build lists all images, so Cloud Build records their provenance; builds use Cloud Logging."""
    build = document(BUILD)
    assert build["options"]["requestedVerifyOption"] == "VERIFIED"
    assert {image.rsplit("/", 1)[1] for image in build["images"]} == {
        "dispatcher:$SHORT_SHA",
        "worker:$SHORT_SHA",
        "console:$SHORT_SHA",
    }
    assert {document(name)["options"]["logging"] for name in (BUILD, CHECK)} == {"CLOUD_LOGGING_ONLY"}


def test_names_in_terraform_match_the_build_and_the_smoke_test() -> None:
    """The trigger names existing substitutions and files; the smoke test reads the settings of its output."""
    trigger = ROOT / "terraform" / "build.tf"
    text = trigger.read_text(encoding="utf-8")
    assert set(re.findall(r"^\s+(_[A-Z_]+)\s*=", text, re.MULTILINE)) <= set(document(BUILD)["substitutions"])
    assert set(re.findall(r'filename\s*=\s*"([^"]+)"', text)) == {BUILD, CHECK}
    script = (ROOT / "scripts" / "smoke-test.sh").read_text(encoding="utf-8")
    settings = (ROOT / "terraform" / "smoke-test.tf").read_text(encoding="utf-8")
    (names,) = re.findall(r"^names=\(([^)]*)\)", script, re.MULTILINE)
    assert set(names.split()) == set(re.findall(r"^    (\w+) +=", settings, re.MULTILINE))
    outputs = (ROOT / "terraform" / "outputs.tf").read_text(encoding="utf-8")
    assert 'output "smoke_test"' in outputs
    assert "terraform output -raw smoke_test" in steps(BUILD)["apply"]["script"]


@pytest.mark.parametrize("where", sorted(scripts()))
def test_shellcheck_reports_nothing(where: str, tmp_path: Path) -> None:
    """ShellCheck, which finds mistakes such as unquoted variables, reports nothing for each script."""
    shellcheck = TOOLS / "shellcheck"
    if not shellcheck.is_file():
        skip_or_fail("shellcheck has no build for this machine")
    script = tmp_path / "script.sh"
    script.write_text(scripts()[where], encoding="utf-8")
    assert script.read_text(encoding="utf-8").startswith("#!"), "the script needs a #! line"
    done = subprocess.run([shellcheck, script], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (0, "")


def test_images_are_passed_to_terraform_by_digest(tmp_path: Path) -> None:
    """The lines of the step `plan` before Terraform write a variables file with all digests."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    for service in ("dispatcher", "worker", "console"):
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
        "console": f"sha256:{'0' * 64}",
    }
