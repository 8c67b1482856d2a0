# Settings of scripts/smoke-test.sh. The script runs in images without Python or jq, so the output is text that bash reads.
locals {
  # A crawl of one URL in sources.urls, so that the script knows how many jobs it has.
  canary = yamldecode(file("${path.module}/../crawls/canary.yaml"))

  # Time for Pub/Sub and BigQuery to write a row: one failed attempt of a ledger subscription, and its first retry.
  ledger_row_seconds = 60 + 10

  # A working system is done within this time even if one push of the shard, or one delivery of the job, is lost and ends at its
  # ack deadline, for example because an instance stopped.
  smoke_test_seconds = local.shard_ack_deadline_seconds + 2 * var.ack_deadline_seconds + var.retry_backoff.minimum + local.ledger_row_seconds

  smoke_test = {
    jobs_topic        = google_pubsub_topic.jobs.name
    dispatch_topic    = google_pubsub_topic.shards.name
    dead_letter_topic = google_pubsub_topic.dead.name
    push_subscription = google_pubsub_subscription.push.name
    ledger_dataset    = "${var.project_id}.${google_bigquery_dataset.ledger.dataset_id}"
    project           = var.project_id
    region            = var.region
    dispatcher        = google_cloud_run_v2_service.dispatcher.name
    worker            = google_cloud_run_v2_service.worker.name
    pubsub_agent      = local.pubsub_agent
    scheduler         = google_service_account.scheduler.member
    max_wait_seconds  = tostring(local.smoke_test_seconds)

    # A shard (docs/reference/messages.md) that dispatches the canary. Cloud Run accepts requests to the dispatcher only from inside, so
    # a build cannot post a crawl, but anyone with the permission can publish a shard, which Pub/Sub pushes to the dispatcher. The script
    # replaces RUN_ID, DISPATCH_ID and STARTED_AT.
    canary_shard = jsonencode({
      version     = 1
      crawl       = merge(local.canary, { run_id = "RUN_ID" })
      number      = 2
      source      = "sources.urls"
      position    = null
      started_at  = "STARTED_AT"
      dispatch_id = "DISPATCH_ID"
      report      = {}
    })
  }
}
