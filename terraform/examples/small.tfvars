# A stack for one person: some thousand pages a day. It costs almost nothing while it is idle.
project_id  = "my-project"
contact_url = "https://example.com/about-our-crawler"
environment = "dev"

# While pages are slow, Pub/Sub keeps up to 3,000 pushes open. 3 instances × 1,000 pushes have a slot for each of them, so that Cloud
# Run refuses none. Most of these pushes wait: an instance processes 80 pages at the same time (worker_page_concurrency). Even if each
# page takes its whole 40 s, the last of 1,000 pushes waits 480 s, and the wait budget is 520 s.
worker_max_instances = 3
worker_concurrency   = 1000

# A page that is gone (404) is requested 10 times within about 40 minutes, and then it is a dead letter. With
# ack_policy = "settled" it would be requested once, and be a dead letter immediately.

alert_emails     = ["you@example.com"]
alert_thresholds = { backlog_jobs = 10000 }

schedules = {
  canary = { cron = "0 6 * * *", paused = true } # runs only on demand
}
