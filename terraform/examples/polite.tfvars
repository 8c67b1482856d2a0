# A stack for a few sites that are crawled slowly and for days: every crawl sets politeness.per_host or politeness.delay_seconds.
project_id  = "my-project"
contact_url = "https://example.com/about-our-crawler"
environment = "prod"

# Jobs with such a limit wait in Pub/Sub behind the key of their host, and at most per_host of them are in a worker. So the stack can be small
# however many jobs wait: 3 instances × 1,000 pushes have a slot for every push.
worker_max_instances = 3
worker_concurrency   = 1000

# A page that is gone (404) is requested once and is a dead letter immediately. With ack_policy = "success" it would be requested 10 times, and
# the other pages of its host would wait for about 40 minutes.
ack_policy = "settled"

# One static address, which sites can recognise, and a page at contact_url that explains the crawler.
vpc = { addresses = 1 }

# It is normal that jobs wait for days: a host with delay_seconds = 10 takes 8,640 pages a day. Jobs are kept for 7 days, so a run may have
# 60,000 pages of such a host. The alert fires after 5 of the 7 days.
alert_emails = ["you@example.com"]
alert_thresholds = {
  oldest_unacked_seconds = 432000
  backlog_jobs           = 500000
}

schedules = {
  canary = { cron = "0 6 * * *" }
}
