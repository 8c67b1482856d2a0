"""Runs Terraform in a copy of the configuration, so that it leaves no files in the checkout."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

from tests.repository.tree import ROOT

FOLDERS = ("terraform", "crawls", "contract/ledger")  #: folders that the configuration reads
TIMEOUT_SECONDS = 800.0  #: limit for one command, generous enough for a busy machine


@dataclass(frozen=True)
class Stack:
    """The configuration in a temporary directory, initialised with the stand-in provider.

    Attributes:
        directory: the directory in which Terraform runs.
        terraform: path of the terraform program.
        configuration: Terraform's CLI configuration file, which points to the stand-in provider.
    """

    directory: Path
    terraform: str
    configuration: Path

    @classmethod
    def copy(cls, scratch: Path, terraform: str, configuration: Path) -> Self:
        """Copy the configuration to `scratch` and initialise it with the stand-in provider."""
        for folder in FOLDERS:
            ignored = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.auto.tfvars", "offline")
            shutil.copytree(ROOT / folder, scratch / folder, symlinks=True, ignore=ignored)
        stack = cls(scratch / "terraform", terraform, configuration)
        override = stack.directory / "offline_override.tf"
        override.write_text('terraform {\n  backend "local" {}\n}\n', encoding="utf-8")
        stack.cloud.mkdir()
        (stack.directory / ".programs").mkdir()
        sleep = stack.directory / ".programs" / "sleep"
        sleep.write_text(f'#!/bin/sh\necho "$@" >> "{stack.sleeps}"\n', encoding="utf-8")
        sleep.chmod(0o755)
        stack.succeed("init", "-no-color")
        return stack

    @property
    def cloud(self) -> Path:
        """The directory in which the stand-in provider records what exists in the cloud."""
        return self.directory / ".cloud"

    @property
    def sleeps(self) -> Path:
        """The file that lists how many seconds each sleep would have taken."""
        return self.directory / ".sleeps"

    def in_cloud(self) -> list[str]:
        """Return what exists in the cloud, each resource as TYPE.ID."""
        return sorted(unquote(file.stem) for file in self.cloud.glob("*.json"))

    def run(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Run Terraform with `typed` as its standard input, and return the finished process."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TF_", "GOOGLE_"))},
            "TF_CLI_CONFIG_FILE": str(self.configuration),
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            "STAND_IN_CLOUD": str(self.cloud),
            "PATH": f"{self.directory / '.programs'}{os.pathsep}{os.environ['PATH']}",
        }
        return subprocess.run(
            [self.terraform, *arguments],
            cwd=self.directory,
            env=environment,
            input=typed,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    def succeed(self, *arguments: str) -> str:
        """Run Terraform and return its standard output; fail unless it exits with 0."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"terraform {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def evaluate(self, expression: str, *options: str) -> str:
        """Return the value of an expression of variables, as Terraform's console prints it."""
        done = self.run("console", *options, typed=f"{expression}\n")
        assert done.returncode == 0, f"{expression}:\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def resources(self) -> list[dict[str, Any]]:
        """Return the applied resources without data sources, each as `{address, type, name, values}`."""
        state = json.loads(self.succeed("show", "-json"))
        resources = state["values"]["root_module"]["resources"]
        return [resource for resource in resources if resource["mode"] == "managed"]

    def outputs(self) -> dict[str, Any]:
        """Return the outputs of the applied stack, by name."""
        return {name: output["value"] for name, output in json.loads(self.succeed("output", "-json")).items()}
