"""What the topics and subscriptions are called: in Terraform, in the console and in gcloud alike."""

JOBS_TOPIC = "scrape-jobs"
OUTCOMES_TOPIC = "scrape-outcomes"
DEAD_TOPIC = "scrape-jobs-dead"

PUSH_SUBSCRIPTION = "scrape-jobs-push"  #: jobs → worker
DEAD_SUBSCRIPTION = "scrape-jobs-dead-pull"  #: dead letters, kept for the operator; never expires
