"""What the topics and subscriptions are called: in Terraform, in the console and in gcloud alike."""

JOBS_TOPIC = "scrape-jobs"
OUTCOMES_TOPIC = "scrape-outcomes"
DEAD_LETTER_TOPIC = "scrape-jobs-dead"

PUSH_SUBSCRIPTION = "scrape-jobs-push"  #: jobs → worker
DEAD_LETTER_SUBSCRIPTION = "scrape-jobs-dead-pull"  #: dead letters, kept for the operator; never expires

LEDGER_DATASET = "scrapeq"  #: in BigQuery; of the local warehouse.db, where a table is called `scrapeq.jobs`
#: topic → the ledger's table, which has its rows (contract/ledger/TABLE.schema.json)
LEDGER_TABLES = {JOBS_TOPIC: "jobs", OUTCOMES_TOPIC: "outcomes", DEAD_LETTER_TOPIC: "dead_letters"}
#: topic → the subscription that writes the rows
LEDGER_SUBSCRIPTIONS = {topic: f"{topic}-ledger" for topic in LEDGER_TABLES}
