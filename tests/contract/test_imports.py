"""Checks that jobs and outcomes are decoded without importing a parser of pages, which would be slow."""

import json
import subprocess
import sys

from tests.contract.documents import JOB, OUTCOME
from tests.repository.tree import ROOT

PARSERS = {"cssselect", "jmespath", "lxml", "parsel"}
READER = """
import json, sys
from contract import crawl, dead_letter, schema
from contract.job import Job
from contract.outcome_record import OutcomeRecord
job, outcome = json.loads(sys.stdin.read())
Job.decode(json.dumps(job).encode())
OutcomeRecord.decode(json.dumps(outcome).encode())
print(json.dumps(sorted(name for name in sys.modules if "." not in name)))
"""


def test_reading_a_job_or_an_outcome_imports_no_parser() -> None:
    """Decoding a job and an outcome imports none of lxml, parsel, cssselect and jmespath."""
    done = subprocess.run(
        [sys.executable, "-c", READER],
        cwd=ROOT,
        input=json.dumps([JOB, OUTCOME]),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    loaded = set(json.loads(done.stdout))
    assert "pydantic" in loaded
    assert loaded & PARSERS == set()
