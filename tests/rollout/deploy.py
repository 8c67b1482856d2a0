"""Says how far the tests run each command of the deployment guide."""

from tests.repository.tree import ROOT
from tests.rollout.documented_commands import Extent, Guide, Rule

_FAKE = "a fake of gcloud that keeps the project's state, and refuses what Google refuses"
_CALLED = "the session calls a fake of gcloud, which changes nothing"
_STACK = "Terraform, with a stand-in of its provider"
_REGISTRY = "needs Terraform's registry, which the tests do not contact"

DEPLOY = Guide(
    ROOT / "docs" / "how-to" / "deploy.md",
    [
        Rule("export", Extent.RUN, "bash"),
        Rule(r"scripts/bootstrap\.sh", Extent.RUN, _FAKE),
        Rule("gcloud (auth|config)", Extent.PARSED, _CALLED),
        Rule(r"gcloud (beta builds submit|builds list|alpha builds approve)", Extent.PARSED, _CALLED),
        Rule(r"gcloud (scheduler jobs run|artifacts docker images list)", Extent.PARSED, _CALLED),
        Rule("for service in dispatcher worker", Extent.RUN, _FAKE),
        Rule("bq query", Extent.NOT_RUN, "needs rows; other tests let Google's analyzer check the SQL"),
        Rule("bq rm", Extent.RUN, "a fake of bq that deletes the ledger of the stand-in's cloud"),
        Rule("git ", Extent.RUN, "a new repository"),
        Rule("docker buildx", Extent.NOT_RUN, "needs the registry of the base image"),
        Rule(
            "terraform -chdir=terraform init",
            Extent.NOT_RUN,
            "needs a bucket; the tests keep the state in a file",
        ),
        Rule("terraform -chdir=terraform providers lock", Extent.NOT_RUN, _REGISTRY),
        Rule(
            r"terraform -chdir=terraform apply -var-file=prod\.tfvars \\",
            Extent.NOT_RUN,
            "the digests are those of your images",
        ),
        Rule(
            r"terraform -chdir=terraform apply -var-file=staging\.tfvars",
            Extent.NOT_RUN,
            "needs the state of another environment",
        ),
        Rule("terraform -chdir=terraform (apply|destroy)", Extent.RUN, _STACK),
    ],
    {"OWNER": "me"},
)
