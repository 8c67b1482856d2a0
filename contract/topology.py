"""Names of the topics, subscriptions and tables: the same in Terraform, in the console and in gcloud."""

JOBS_TOPIC = "scrape-jobs"
OUTCOMES_TOPIC = "scrape-outcomes"
DEAD_LETTER_TOPIC = "scrape-jobs-dead"

PUSH_SUBSCRIPTION = "scrape-jobs-push"  #: delivers jobs to the worker
DEAD_LETTER_SUBSCRIPTION = "scrape-jobs-dead-pull"  #: keeps dead letters for the operator; never expires

#: BigQuery dataset of the ledger. In the local warehouse.db it is part of a table's name: `scrapeq.jobs`.
LEDGER_DATASET = "scrapeq"
#: Topic → the ledger's table for its messages (contract/ledger/TABLE.schema.json).
LEDGER_TABLES = {JOBS_TOPIC: "jobs", OUTCOMES_TOPIC: "outcomes", DEAD_LETTER_TOPIC: "dead_letters"}
#: Topic → the BigQuery subscription that writes its messages to the table.
LEDGER_SUBSCRIPTIONS = {topic: f"{topic}-ledger" for topic in LEDGER_TABLES}
