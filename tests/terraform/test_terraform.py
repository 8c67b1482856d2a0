"""What Terraform itself says of the stack: format, schema, its own tests, and a whole life."""

import pytest

from tests.repository.tree import ROOT
from tests.terraform.life import CopyStack, Life
from tests.terraform.stack import Stack
from tests.terraform.stand_in import OLDEST

pytestmark = pytest.mark.timeout(600)  # half a minute of work; several times that on a busy machine


def test_it_is_formatted(stack: Stack) -> None:
    """As `terraform fmt` writes it."""
    done = stack.run("fmt", "-check", "-recursive", "-diff", "-no-color")
    assert done.returncode == 0, done.stdout


def test_it_is_valid(stack: Stack) -> None:
    """Every argument exists, with its type. What is applied below is so with the oldest release, too."""
    stack.succeed("validate", "-no-color")


def test_a_mistake_is_seen(copy_stack: CopyStack) -> None:
    """The check itself can fail: the provider's stand-in refuses what the provider would."""
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
    for file, right, wrong, complaint in mistakes:
        path = stack.directory / file
        text = path.read_text(encoding="utf-8")
        assert right in text
        path.write_text(text.replace(right, wrong, 1), encoding="utf-8")
        said = " ".join(stack.run("validate", "-no-color").stderr.replace("│", " ").split())
        assert complaint in said
        path.write_text(text, encoding="utf-8")


def test_the_oldest_provider_allowed_is_the_oldest_tried() -> None:
    """What terraform.tf promises is what runs here."""
    assert f'">= {OLDEST}, < 8.0.0"' in (ROOT / "terraform" / "terraform.tf").read_text(encoding="utf-8")


def test_a_crawl_too_large_for_cloud_scheduler_is_refused(copy_stack: CopyStack) -> None:
    """At plan, with a sentence; Cloud Scheduler would say so at apply."""
    stack = copy_stack()
    crawl = stack.directory.parent / "crawls" / "large.yaml"
    crawl.write_text(
        f"name: large\nsources: {{urls: [https://example.com/{'a' * 1_000_000}]}}\n", encoding="utf-8"
    )
    done = stack.run(
        "plan",
        "-no-color",
        "-var-file=examples/small.tfvars",
        '-var=schedules={large={cron="0 6 * * *"}}',
    )
    assert done.returncode != 0
    assert "large.yaml is too large" in done.stderr


def test_its_own_tests_pass(stack: Stack) -> None:
    """Options, mocked, and a rejecting run for each validation: what `terraform test` runs anywhere."""
    assert " 0 failed" in stack.succeed("test", "-no-color")


def test_what_was_applied_is_wired(stack: Stack) -> None:
    """What feeds into what, once it is applied; on the stand-in, where that makes nothing."""
    assert " 0 failed" in stack.succeed("test", "-no-color", "-test-directory=tests/applied")


def test_a_second_plan_is_empty(life: Life) -> None:
    """What was applied is what is wanted: nothing is changed back and forth."""
    assert life.changes == 0, life.second_plan


def test_it_is_taken_down(life: Life) -> None:
    """Nothing is left, and nothing refuses to go, once deletion_protection is off."""
    assert len(life.resources) > 50
    assert life.left == ""


def test_a_stack_stays_small(life: Life) -> None:
    """A plan of more than a hundred resources is read by nobody."""
    assert len(life.resources) <= 100
