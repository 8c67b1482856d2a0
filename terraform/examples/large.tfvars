# Millions of pages a day, watched and rolled out by a team.
project_id  = "my-project"
region      = "europe-west1"
environment = "prod"
contact_url = "https://example.com/about-our-crawler"
labels      = { team = "search" }

# Written by the build, which knows the digests.
images = {
  dispatcher = "europe-west1-docker.pkg.dev/my-project/scrapeq/dispatcher@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  worker     = "europe-west1-docker.pkg.dev/my-project/scrapeq/worker@sha256:0000000000000000000000000000000000000000000000000000000000000000"
}

# Pages take over a second, so Pub/Sub's push window stays at its floor: up to 3,000 pushes open at once, whatever the
# worker can take. 40 instances × 80 jobs = 3,200 slots, so each of them finds one, and none is turned away with 429.
# At 2 s a page that is 1,600 pages/s, and 138 million a day.
worker_max_instances = 40
worker_concurrency   = 80
worker_min_instances = 1
worker_cpu           = 2
worker_memory        = "2Gi"

# Failed pages do not slow down the others, and each host is asked one page at a time by all instances together.
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
  dispatch_silence_seconds = 84600 # something is dispatched every day
}

github = {
  connection = "github"
  repository = "scrapeq"
  deployer   = "scrapeq-deployer@my-project.iam.gserviceaccount.com"
}

schedules = {
  canary = { cron = "*/30 * * * *" }
}
