# One person's crawls: some thousand pages a day, next to nothing while idle.
project_id  = "my-project"
contact_url = "https://example.com/about-our-crawler"
environment = "dev"

# 2 instances × 40 jobs = 80 pages at once. Pub/Sub may hold up to 3,000 pushes open while pages are slow, and what finds no
# slot is answered 429, which costs an attempt. So: many attempts, far apart. A job that finds no slot for 20 attempts
# waited for over an hour.
worker_max_instances  = 2
worker_concurrency    = 40
worker_memory         = "512Mi"
max_delivery_attempts = 20
retry_backoff         = { minimum = 30, maximum = 600 }

alert_emails     = ["you@example.com"]
alert_thresholds = { backlog_jobs = 10000 }

schedules = {
  canary = { cron = "0 6 * * *", paused = true } # runs when it is told to
}
