"""Defines the names of topics, subscriptions and tables, which Terraform and the local stack share."""

JOBS_TOPIC = "scrape-jobs"
OUTCOMES_TOPIC = "scrape-outcomes"
DEAD_LETTER_TOPIC = "scrape-jobs-dead"
DISPATCH_TOPIC = "scrape-dispatch"
OPERATOR_TOPIC = "scrape-operator"  #: the acts of operators (contract/operator_act.py)

PUSH_SUBSCRIPTION = "scrape-jobs-push"  #: delivers jobs to the worker
DISPATCH_SUBSCRIPTION = "scrape-dispatch-push"  #: delivers shards to the dispatcher
#: Filter of this subscription: the topic also has end records, which have no attribute `shard`.
#: Syntax: https://cloud.google.com/pubsub/docs/subscription-message-filter#filtering_syntax
DISPATCH_FILTER = "attributes:shard"
DEAD_LETTER_SUBSCRIPTION = "scrape-jobs-dead-pull"  #: keeps dead letters for the operator; never expires

#: BigQuery dataset of the ledger. In the local warehouse.db, table names contain it: `scrapeq.jobs`.
LEDGER_DATASET = "scrapeq"
#: For each topic, the ledger's table that stores its messages. The table's schema is
#: contract/ledger/TABLE.schema.json.
LEDGER_TABLES = {
    JOBS_TOPIC: "jobs",
    OUTCOMES_TOPIC: "outcomes",
    DEAD_LETTER_TOPIC: "dead_letters",
    DISPATCH_TOPIC: "dispatches",
    OPERATOR_TOPIC: "operator_log",
}
#: The table with the messages that the table of their topic does not accept. Only `scrapeq ledger` writes it:
#: Pub/Sub keeps such a message in its subscription.
REJECTED_TABLE = "rejected_messages"
#: Topics whose messages are written to a column for each field. Messages of the others are written as bytes
#: (contract/ledger/README.md explains why).
COLUMN_TOPICS = frozenset({OUTCOMES_TOPIC, OPERATOR_TOPIC})
#: For each topic, the BigQuery subscription that writes its messages to the table.
LEDGER_SUBSCRIPTIONS = {topic: f"{topic}-ledger" for topic in LEDGER_TABLES}
