# A stack for millions of pages a day, which a team operates.
project_id  = "my-project"
region      = "europe-west1"
environment = "prod"
contact_url = "https://example.com/about-our-crawler"
labels      = { team = "search" }

# A build sets the digests of the images that it has pushed.
images = {
  dispatcher = "europe-west1-docker.pkg.dev/my-project/scrapeq/dispatcher@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  worker     = "europe-west1-docker.pkg.dev/my-project/scrapeq/worker@sha256:0000000000000000000000000000000000000000000000000000000000000000"
}

# While pages take more than a second, Pub/Sub's push window stays at its lower limit: up to 3,000 pushes at the same time,
# regardless of the worker's capacity. 40 instances × 80 jobs = 3,200 slots, so Cloud Run rejects no push with 429.
# With pages of 2 s, these are 1,600 pages/s, or 138 million a day.
worker_max_instances = 40
worker_concurrency   = 80
worker_min_instances = 1
worker_cpu           = 2
worker_memory        = "2Gi"

# Failed pages do not slow down the others. All instances together fetch at most politeness.per_host pages of a host at the same
# time; each crawl file sets per_host, and its default is 1.
ack_policy            = "settled"
politeness            = "ordered"
max_delivery_attempts = 10

dispatcher_max_instances   = 5
dispatcher_timeout_seconds = 900

alert_emails          = ["on-call@example.com"]
notification_channels = ["projects/my-project/notificationChannels/1234567890"]
alert_thresholds = {
  backlog_jobs             = 5000000
  oldest_unacked_seconds   = 21600
  dispatch_silence_seconds = 84600 # the canary runs every 30 minutes
}

github = {
  connection = "github"
  repository = "scrapeq"
  deployer   = "scrapeq-deployer@my-project.iam.gserviceaccount.com"
}

schedules = {
  canary = { cron = "*/30 * * * *" }
}
