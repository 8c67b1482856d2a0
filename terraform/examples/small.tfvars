# A stack for one person: some thousand pages a day. It costs almost nothing while it is idle.
project_id  = "my-project"
contact_url = "https://example.com/about-our-crawler"
environment = "dev"

# 2 instances × 40 jobs = 80 slots. While pages are slow, Pub/Sub keeps up to 3,000 pushes open. Cloud Run answers a push without
# a slot with 429, which uses up a delivery attempt. Therefore this stack allows many attempts with long backoffs: 20 attempts
# take over an hour.
worker_max_instances  = 2
worker_concurrency    = 40
worker_memory         = "512Mi"
max_delivery_attempts = 20
retry_backoff         = { minimum = 30, maximum = 600 }

alert_emails     = ["you@example.com"]
alert_thresholds = { backlog_jobs = 10000 }

schedules = {
  canary = { cron = "0 6 * * *", paused = true } # runs only on demand
}
