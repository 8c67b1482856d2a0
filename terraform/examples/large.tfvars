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
  console    = "europe-west1-docker.pkg.dev/my-project/scrapeq/console@sha256:0000000000000000000000000000000000000000000000000000000000000000"
}

# While pages are slow, Pub/Sub keeps up to 3,000 pushes open, regardless of the worker's capacity. 40 instances × 80 pushes = 3,200
# slots, so Cloud Run refuses no push with 429, and each push has a page slot immediately. With pages of 2 s, these are
# 1,500 pages/s, or 130 million a day.
worker_max_instances = 40
worker_concurrency   = 80
worker_min_instances = 1
worker_cpu           = 2
worker_memory        = "2Gi"

# A page that is gone (404) is requested once and is a dead letter immediately, so it does not slow down the others. A page that
# always fails with a server error is requested 10 times (max_delivery_attempts) within about 40 minutes. With
# ack_policy = "success", both would be requested 10 times within about 40 minutes.
ack_policy = "settled"

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
approvers = ["group:on-call@example.com"]

# These people may cancel, pause, resume and replay with scrapeq, and read the ledger.
operators = ["group:operators@example.com"]

# The same people use the operator's page in a browser, through the Identity-Aware Proxy.
console = {
  members = ["group:operators@example.com"]
  iap     = true
  acts    = true
}

schedules = {
  canary = { cron = "*/30 * * * *" }
}
