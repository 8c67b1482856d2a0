"""Tests that run Terraform's own checks: format, schema, `terraform test`, apply, second plan and destroy."""

import pytest

from tests.repository.tree import ROOT
from tests.terraform.lifecycle import CopyStack, Lifecycle
from tests.terraform.stack import Stack
from tests.terraform.stand_in import RELEASE


def test_configuration_is_formatted(stack: Stack) -> None:
    """`terraform fmt` reports that all files have the standard format."""
    done = stack.run("fmt", "-check", "-recursive", "-diff", "-no-color")
    assert done.returncode == 0, done.stdout


def test_configuration_is_valid(stack: Stack) -> None:
    """`terraform validate` accepts the configuration."""
    stack.succeed("validate", "-no-color")


def test_mistakes_are_rejected(copy_stack: CopyStack) -> None:
    """With the stand-in provider, `terraform validate` reports each mistake of the list in this test."""
    stack = copy_stack()
    mistakes = [
        (
            "jobs.tf",
            "  ack_deadline_seconds  ",
            "  ack_deadline_secs  ",
            '"ack_deadline_secs" is not expected',
        ),
        ("worker.tf", '"INGRESS_TRAFFIC_INTERNAL_ONLY"', '"INTERNAL"', "expected ingress to be one of"),
        ("outcomes.tf", ".outcomes.id", ".outcomes.uri", 'attribute named "uri"'),
    ]
    for file, right, wrong, expected in mistakes:
        path = stack.directory / file
        text = path.read_text(encoding="utf-8")
        assert right in text
        path.write_text(text.replace(right, wrong, 1), encoding="utf-8")
        errors = " ".join(stack.run("validate", "-no-color").stderr.replace("│", " ").split())
        assert expected in errors
        path.write_text(text, encoding="utf-8")


def test_oldest_provider_allowed_is_the_one_tested() -> None:
    """The lower bound in terraform.tf is the release that these tests run."""
    assert f'">= {RELEASE}, < 8.0.0"' in (ROOT / "terraform" / "terraform.tf").read_text(encoding="utf-8")


@pytest.mark.parametrize("letter", ["a", "é"])
def test_crawl_too_large_for_cloud_scheduler_is_rejected_at_plan(stack: Stack, letter: str) -> None:
    """`terraform plan` reports a crawl whose bytes, base64 included, are above Cloud Scheduler's limit."""
    crawl = stack.directory.parent / "crawls" / "large.yaml"
    url = f"https://example.com/{letter * (750_000 // len(letter.encode()))}"
    crawl.write_text(f"name: large\nsources: {{urls: ['{url}']}}\n", encoding="utf-8")
    done = stack.run(
        "plan",
        "-no-color",
        "-var-file=examples/small.tfvars",
        '-var=schedules={large={cron="0 6 * * *"}}',
    )
    assert done.returncode != 0
    assert "large.yaml is too large" in done.stderr


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "terraform" / "examples").iterdir()))
def test_example_is_planned_without_a_warning(stack: Stack, name: str) -> None:
    """No check warns about the capacity of an example."""
    assert "Warning" not in stack.succeed("plan", "-no-color", f"-var-file=examples/{name}")


def test_too_few_slots_are_planned_with_a_warning(stack: Stack) -> None:
    """A plan with fewer slots than the push window says how many jobs wait, and what to set."""
    arguments = (
        "-var-file=examples/small.tfvars",
        "-var=worker_concurrency=40",
        "-var=worker_max_instances=2",
    )
    output = " ".join(stack.succeed("plan", "-no-color", *arguments).replace("│", " ").split())
    assert "Warning: Check block assertion failed" in output
    assert "worker_max_instances × worker_concurrency is 80" in output
    assert "Set worker_max_instances = 3 and worker_concurrency = 1000" in output


@pytest.mark.long
def test_terraform_test_passes(stack: Stack) -> None:
    """`terraform test` plans the options with a mocked provider, and rejects each invalid value."""
    assert " 0 failed" in stack.succeed("test", "-no-color")


def test_applied_resources_refer_to_each_other(stack: Stack) -> None:
    """After an apply with the stand-in, the references between resources are as tests/applied requires."""
    assert " 0 failed" in stack.succeed("test", "-no-color", "-test-directory=tests/applied")


def test_second_plan_has_no_changes(lifecycle: Lifecycle) -> None:
    """After an apply, a second plan has no changes."""
    assert lifecycle.changes == 0, lifecycle.second_plan


def test_destroy_removes_every_resource(lifecycle: Lifecycle) -> None:
    """With deletion_protection = false, no resource remains after a destroy."""
    assert len(lifecycle.resources) > 50
    assert lifecycle.remaining == ""


def test_stack_has_at_most_175_resources(lifecycle: Lifecycle) -> None:
    """The stack with all its options has at most 175 resources, so that a plan can be reviewed.

    About 40 of them are the ledger's views, and the functions that bound their cost. About 30 are grants of
    the operators and of their page, each on the one topic or subscription that it is needed for.
    """
    assert len(lifecycle.resources) <= 175
