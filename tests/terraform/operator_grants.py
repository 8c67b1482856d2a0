"""Lists what Terraform grants to operators and to their page, as (role, resource)."""

#: What acts of operators need. The page has the same permissions, with console.acts.
ACTS = {
    ("roles/pubsub.publisher", "scrape-operator"),
    ("roles/pubsub.editor", "scrape-jobs"),  # They cancel and pause by labels of the topic.
    ("roles/pubsub.editor", "scrape-jobs-push"),  # They pause everything by its push configuration.
    ("roles/iam.serviceAccountUser", "scrapeq-push"),  # The push configuration names this account.
    ("roles/pubsub.subscriber", "scrape-jobs-dead-pull"),
}
#: The subscriptions that the screen of the queue shows.
SUBSCRIPTIONS = (
    "scrape-jobs-push",
    "scrape-dispatch-push",
    "scrape-jobs-dead-pull",
    "scrape-jobs-ledger",
    "scrape-outcomes-ledger",
    "scrape-jobs-dead-ledger",
    "scrape-dispatch-ledger",
    "scrape-operator-ledger",
)
#: What the commands and the page need that show something.
READING = {
    ("roles/bigquery.dataViewer", "scrapeq"),
    ("roles/bigquery.jobUser", "my-project"),
    *(("roles/pubsub.viewer", name) for name in SUBSCRIPTIONS),
}
