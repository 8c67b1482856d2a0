# Alphabetical. What is wrong with a value is said at plan, in a sentence that says what to change.

variable "ack_deadline_seconds" {
  description = "How long a delivery may take before Pub/Sub gives the job to another worker; the worker's request timeout and page budget follow from it."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.ack_deadline_seconds >= 10 && var.ack_deadline_seconds <= 600 && floor(var.ack_deadline_seconds) == var.ack_deadline_seconds
    error_message = "ack_deadline_seconds must be a whole number from 10 to 600: those are Pub/Sub's limits."
  }
}

variable "ack_policy" {
  description = "success: only a success is acknowledged, and failed jobs become dead letters by attempts. settled: the worker publishes a failed job to the dead-letter topic itself, and acknowledges it."
  type        = string
  default     = "success"
  nullable    = false

  validation {
    condition     = contains(["success", "settled"], var.ack_policy)
    error_message = "ack_policy must be success or settled."
  }
}

variable "alert_emails" {
  description = "Who is told of alerts. The policies exist also while this is empty."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for email in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", email))])
    error_message = "alert_emails must hold email addresses, as ops@example.com."
  }
}

variable "alert_thresholds" {
  description = "When alerts fire. dispatch_silence_seconds: alert where the dispatcher is asked nothing for so long; null for never."
  type = object({
    oldest_unacked_seconds   = optional(number, 3600)
    backlog_jobs             = optional(number, 100000)
    push_failure_ratio       = optional(number, 0.5)
    ledger_lag_seconds       = optional(number, 900)
    dispatch_silence_seconds = optional(number)
  })
  default  = {}
  nullable = false

  validation {
    condition = (
      var.alert_thresholds.oldest_unacked_seconds > var.ack_deadline_seconds
      && var.alert_thresholds.backlog_jobs > 0
      && var.alert_thresholds.ledger_lag_seconds > 0
    )
    error_message = "alert_thresholds: oldest_unacked_seconds must be above ack_deadline_seconds, and backlog_jobs and ledger_lag_seconds above 0; otherwise they always fire."
  }
  validation {
    condition     = var.alert_thresholds.push_failure_ratio > 0 && var.alert_thresholds.push_failure_ratio < 1
    error_message = "alert_thresholds.push_failure_ratio must be between 0 and 1: 0.5 is half of all pushes."
  }
  validation {
    condition     = try(var.alert_thresholds.dispatch_silence_seconds >= 120 && var.alert_thresholds.dispatch_silence_seconds <= 84600, var.alert_thresholds.dispatch_silence_seconds == null)
    error_message = "alert_thresholds.dispatch_silence_seconds must be null, or from 120 to 84600: Cloud Monitoring watches for absence up to 23.5 hours."
  }
}

variable "contact_url" {
  description = "A URL or an email address by which the owners of scraped sites reach you; part of the User-Agent."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^(https?://[[:alnum:]_-]+\\.[[:alnum:]_.-]+(/[!-~]*)?|[[:alnum:]_.+-]+@[[:alnum:]_-]+\\.[[:alnum:]_.-]+)$", var.contact_url)) && length(var.contact_url) <= 200
    error_message = "contact_url must be a URL with http:// or https://, or an email address, of at most 200 characters, as https://example.com/about-our-crawler."
  }
}

variable "crawls_directory" {
  description = "Where the crawls are, one YAML file each; relative to this directory."
  type        = string
  default     = "../crawls"
  nullable    = false

  validation {
    condition     = length(trimspace(var.crawls_directory)) > 0
    error_message = "crawls_directory must be a path, as ../crawls."
  }
}

variable "dead_letter_retention" {
  description = "How long a dead letter waits for somebody, in seconds, as 2678400s (31 days, the most)."
  type        = string
  default     = "2678400s"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+s$", var.dead_letter_retention)) && try(tonumber(trimsuffix(var.dead_letter_retention, "s")) > 604800 && tonumber(trimsuffix(var.dead_letter_retention, "s")) <= 2678400, false)
    error_message = "dead_letter_retention must be seconds with an s, above 604800s (the 7 days for which a job is kept) and at most 2678400s (31 days)."
  }
}

variable "deletion_protection" {
  description = "Refuse to destroy the services and the ledger's tables. Before a teardown: set it to false and apply."
  type        = bool
  default     = true
  nullable    = false
}

variable "dispatcher_max_instances" {
  description = "How many dispatcher instances there may be."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.dispatcher_max_instances >= 1 && floor(var.dispatcher_max_instances) == var.dispatcher_max_instances
    error_message = "dispatcher_max_instances must be a whole number, at least 1."
  }
}

variable "dispatcher_timeout_seconds" {
  description = "How long a dispatch may take: half of it for the confirmations, a quarter for the sitemap. Cloud Scheduler waits as long."
  type        = number
  default     = 240
  nullable    = false

  validation {
    condition     = var.dispatcher_timeout_seconds >= 15 && var.dispatcher_timeout_seconds <= 1800 && floor(var.dispatcher_timeout_seconds) == var.dispatcher_timeout_seconds
    error_message = "dispatcher_timeout_seconds must be a whole number from 15 to 1800: those are Cloud Scheduler's limits for one attempt."
  }
}

variable "environment" {
  description = "dev, staging or prod: a label of everything. In dev the ledger may be destroyed with its rows; in prod a build waits for approval."
  type        = string
  default     = "dev"
  nullable    = false

  validation {
    condition     = contains(["dev", "staging", "prod"], var.environment)
    error_message = "environment must be dev, staging or prod."
  }
}

variable "extra_settings" {
  description = "Settings of the services that nothing else here sets, by their names in the README's table."
  type = object({
    dispatcher = optional(map(string), {})
    worker     = optional(map(string), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = length(setsubtract(keys(var.extra_settings.dispatcher), ["FETCH_ALLOW_NETWORKS", "SITEMAP_MAX_BYTES"])) == 0
    error_message = "extra_settings.dispatcher may hold FETCH_ALLOW_NETWORKS and SITEMAP_MAX_BYTES; its other settings follow from variables."
  }
  validation {
    condition     = length(setsubtract(keys(var.extra_settings.worker), ["FETCH_ALLOW_NETWORKS", "FETCH_MAX_BYTES", "FETCH_MAX_REDIRECTS"])) == 0
    error_message = "extra_settings.worker may hold FETCH_ALLOW_NETWORKS, FETCH_MAX_BYTES and FETCH_MAX_REDIRECTS; its other settings follow from variables."
  }
}

variable "github" {
  description = "Build on pushes and pull requests: a Cloud Build connection (2nd generation) in var.region, the repository's name in it, the branch that is rolled out, and the account that a roll-out impersonates, which must exist already. null for no triggers."
  type = object({
    connection = string
    repository = string
    branch     = optional(string, "main")
    deployer   = string
  })
  default = null

  validation {
    condition = var.github == null || try(alltrue([
      for name in [var.github.connection, var.github.repository] : can(regex("^[A-Za-z0-9][A-Za-z0-9_.-]*$", name))
    ]), false)
    error_message = "github.connection and github.repository must be the short names which `gcloud builds repositories list` shows."
  }
  validation {
    condition     = var.github == null || can(regex("^[A-Za-z0-9][A-Za-z0-9_./-]*$", var.github.branch))
    error_message = "github.branch must be a branch's name, as main."
  }
  validation {
    condition     = var.github == null || can(regex("^[a-z0-9-]+@[a-z0-9-]+\\.iam\\.gserviceaccount\\.com$", var.github.deployer))
    error_message = "github.deployer must be a service account's email, as deployer@PROJECT.iam.gserviceaccount.com."
  }
}

variable "images" {
  description = "The services' images, by digest or by a tag that stays. null, before there are any: a placeholder that answers every request."
  type = object({
    dispatcher = string
    worker     = string
  })
  default = null

  validation {
    condition = var.images == null || try(alltrue([
      for image in [var.images.dispatcher, var.images.worker] :
      can(regex("^[^@\\s]+@sha256:[0-9a-f]{64}$", image)) || (can(regex("^[^@\\s]+:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", image)) && !endswith(image, ":latest"))
    ]), false)
    error_message = "images must name both images by digest (NAME@sha256:…) or by a tag that is not latest: latest would not say what runs."
  }
}

variable "labels" {
  description = "Labels of everything, besides app and environment."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))
    ])
    error_message = "labels must have keys of lower case letters, digits, _ and -, beginning with a letter, and such values, each of at most 63 characters."
  }
  validation {
    condition     = length(setintersection(keys(var.labels), ["app", "environment"])) == 0
    error_message = "labels must not hold app or environment: app is name_prefix, and environment has a variable."
  }
}

variable "ledger_dataset" {
  description = "The BigQuery dataset that holds the ledger."
  type        = string
  default     = "scrapeq"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z_][A-Za-z0-9_]*$", var.ledger_dataset)) && length(var.ledger_dataset) <= 1024
    error_message = "ledger_dataset must be letters, digits and underscores, not beginning with a digit."
  }
}

variable "ledger_expiration_days" {
  description = "After how many days the ledger's rows are deleted; null for never. Accounting of a run that lost rows no longer adds up."
  type        = number
  default     = null

  validation {
    condition     = try(var.ledger_expiration_days >= 31 && floor(var.ledger_expiration_days) == var.ledger_expiration_days, var.ledger_expiration_days == null)
    error_message = "ledger_expiration_days must be null or a whole number, at least 31: dead letters may wait that long for their replay."
  }
}

variable "ledger_location" {
  description = "Where BigQuery keeps the ledger: a region, EU or US; null for var.region."
  type        = string
  default     = null

  validation {
    condition     = var.ledger_location == null || can(regex("^(EU|US|[a-z]+-[a-z]+[0-9]+)$", var.ledger_location))
    error_message = "ledger_location must be null, EU, US or a region, as europe-west1."
  }
}

variable "max_delivery_attempts" {
  description = "After how many attempts a job becomes a dead letter."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.max_delivery_attempts >= 5 && var.max_delivery_attempts <= 100 && floor(var.max_delivery_attempts) == var.max_delivery_attempts
    error_message = "max_delivery_attempts must be a whole number from 5 to 100: those are Pub/Sub's limits."
  }
}

variable "name_prefix" {
  description = "Begins the names of services, accounts and schedules. For a second stack in one project change it, topic_prefix and ledger_dataset."
  type        = string
  default     = "scrapeq"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,17}$", var.name_prefix)) && !endswith(var.name_prefix, "-")
    error_message = "name_prefix must be 2 to 18 lower case letters, digits and hyphens, beginning with a letter and not ending with a hyphen: a service account's name has at most 30."
  }
}

variable "notification_channels" {
  description = "Channels of Cloud Monitoring that exist already and are told of alerts, as projects/PROJECT/notificationChannels/NUMBER."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for channel in var.notification_channels : can(regex("^projects/[^/]+/notificationChannels/[0-9]+$", channel))])
    error_message = "notification_channels must be full names, as projects/PROJECT/notificationChannels/123."
  }
}

variable "page_budget_seconds" {
  description = "Everything for one page; null for 15 below the worker's timeout."
  type        = number
  default     = null

  validation {
    condition     = coalesce(var.page_budget_seconds, coalesce(var.worker_timeout_seconds, var.ack_deadline_seconds - 5) - 15) >= 1
    error_message = "There is no time for a page: page_budget_seconds, or what ack_deadline_seconds leaves of it (20 less), must be at least 1. Raise ack_deadline_seconds, or set page_budget_seconds."
  }
  validation {
    condition     = var.page_budget_seconds == null || try(var.page_budget_seconds + 5 <= coalesce(var.worker_timeout_seconds, var.ack_deadline_seconds - 5), false)
    error_message = "page_budget_seconds must be at least 5 below the worker's timeout (worker_timeout_seconds, or ack_deadline_seconds - 5): the outcome's confirmation needs them."
  }
}

variable "persistence_regions" {
  description = "Regions in which Pub/Sub may store messages; empty for var.region alone."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for region in var.persistence_regions : can(regex("^[a-z]+-[a-z]+[0-9]+$", region))])
    error_message = "persistence_regions must hold regions, as europe-west1."
  }
}

variable "politeness" {
  description = "instance: each worker instance spaces its own requests to a host. ordered: Pub/Sub also delivers one job of a host at a time, to all instances together; changing it makes the subscription anew."
  type        = string
  default     = "instance"
  nullable    = false

  validation {
    condition     = contains(["instance", "ordered"], var.politeness)
    error_message = "politeness must be instance or ordered."
  }
  validation {
    condition     = var.politeness != "ordered" || var.ack_policy == "settled"
    error_message = "politeness = \"ordered\" needs ack_policy = \"settled\": with success one failing page would hold up all jobs of its host until it is a dead letter."
  }
}

variable "project_id" {
  description = "The project that holds everything."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be a project's id (not its name or number): 6 to 30 lower case letters, digits and hyphens."
  }
}

variable "region" {
  description = "Where the services run and messages are stored."
  type        = string
  default     = "europe-west1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region must be a region of Google Cloud, as europe-west1 (not a zone)."
  }
}

variable "retry_backoff" {
  description = "How long a job waits after a failed attempt, in seconds: from minimum, growing to maximum."
  type = object({
    minimum = optional(number, 10)
    maximum = optional(number, 600)
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for seconds in [var.retry_backoff.minimum, var.retry_backoff.maximum] : seconds >= 0 && seconds <= 600])
    error_message = "retry_backoff.minimum and .maximum must be from 0 to 600: those are Pub/Sub's limits."
  }
  validation {
    condition     = var.retry_backoff.minimum <= var.retry_backoff.maximum
    error_message = "retry_backoff.minimum must not be above retry_backoff.maximum."
  }
}

variable "runbook_url" {
  description = "The runbook to which alerts link."
  type        = string
  default     = "https://github.com/scrapeq/scrapeq/blob/main/docs/how-to/runbook.md"
  nullable    = false

  validation {
    condition     = can(regex("^https://[!-~]+$", var.runbook_url)) && !strcontains(var.runbook_url, "#")
    error_message = "runbook_url must begin with https:// and have no #: each alert adds its own."
  }
}

variable "schedules" {
  description = "When each crawl is dispatched, by the crawl's name: NAME is crawls/NAME.yaml, cron in five fields. A paused one runs only when it is told to."
  type = map(object({
    cron      = string
    time_zone = optional(string, "Etc/UTC")
    paused    = optional(bool, false)
  }))
  default  = { canary = { cron = "0 6 * * *", paused = true } }
  nullable = false

  validation {
    condition     = alltrue([for name, _ in var.schedules : can(regex("^[a-z][a-z0-9-]{0,62}$", name))])
    error_message = "schedules must have names of crawls: lower case letters, digits and hyphens, beginning with a letter."
  }
  validation {
    condition     = alltrue([for _, schedule in var.schedules : can(regex("^[0-9*/,A-Za-z-]+( [0-9*/,A-Za-z-]+){4}$", schedule.cron))])
    error_message = "schedules: each cron must have five fields, as \"0 6 * * 1-5\" (minute, hour, day, month, weekday)."
  }
  validation {
    condition     = alltrue([for _, schedule in var.schedules : can(regex("^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$", schedule.time_zone))])
    error_message = "schedules: each time_zone must be a name of the tz database, as Europe/Paris or Etc/UTC."
  }
}

variable "topic_prefix" {
  description = "Begins the names of topics and subscriptions: scrape-jobs, scrape-outcomes and so on."
  type        = string
  default     = "scrape"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,38}[a-z0-9]$", var.topic_prefix)) && !startswith(var.topic_prefix, "goog")
    error_message = "topic_prefix must be 2 to 40 lower case letters, digits and hyphens, beginning with a letter and not with goog, which Pub/Sub keeps for itself."
  }
}

variable "vpc" {
  description = "Fixed addresses towards the sites: a network of our own, through which all traffic of both services leaves, and a NAT with so many static addresses. null for Cloud Run's own, changing addresses."
  type = object({
    subnet_range = optional(string, "10.8.0.0/24")
    addresses    = optional(number, 1)
  })
  default = null

  validation {
    condition     = var.vpc == null || try(can(cidrhost(var.vpc.subnet_range, 0)) && tonumber(split("/", var.vpc.subnet_range)[1]) <= 26, false)
    error_message = "vpc.subnet_range must be an IPv4 range of /26 or larger, as 10.8.0.0/24: Cloud Run takes addresses from it for each instance."
  }
  validation {
    condition     = var.vpc == null || try(var.vpc.addresses >= 1 && var.vpc.addresses <= 16 && floor(var.vpc.addresses) == var.vpc.addresses, false)
    error_message = "vpc.addresses must be a whole number from 1 to 16."
  }
}

variable "worker_concurrency" {
  description = "Jobs at once in one worker instance."
  type        = number
  default     = 80
  nullable    = false

  validation {
    condition     = var.worker_concurrency >= 1 && var.worker_concurrency <= 1000 && floor(var.worker_concurrency) == var.worker_concurrency
    error_message = "worker_concurrency must be a whole number from 1 to 1000: those are Cloud Run's limits."
  }
}

variable "worker_cpu" {
  description = "Processors of a worker instance: 1, 2, 4 or 8; as many processes share its jobs."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = contains([1, 2, 4, 8], var.worker_cpu)
    error_message = "worker_cpu must be 1, 2, 4 or 8."
  }
}

variable "worker_max_instances" {
  description = "How many worker instances there may be; times worker_concurrency, the pages fetched at once."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.worker_max_instances >= 1 && floor(var.worker_max_instances) == var.worker_max_instances
    error_message = "worker_max_instances must be a whole number, at least 1."
  }
}

variable "worker_memory" {
  description = "Memory of a worker instance, as 1Gi; its pages and their trees are in it."
  type        = string
  default     = "1Gi"
  nullable    = false

  validation {
    condition     = can(regex("^([0-9]+Mi|[0-9]+Gi)$", var.worker_memory)) && try(tonumber(regex("^[0-9]+", var.worker_memory)) * (endswith(var.worker_memory, "Gi") ? 1024 : 1) >= 512, false)
    error_message = "worker_memory must be in Mi or Gi and at least 512Mi, as 1Gi."
  }
  validation {
    condition     = var.worker_cpu < 4 || try(tonumber(regex("^[0-9]+", var.worker_memory)) * (endswith(var.worker_memory, "Gi") ? 1024 : 1) >= var.worker_cpu * 512, false)
    error_message = "worker_memory must be at least 2Gi for 4 processors and 4Gi for 8: Cloud Run gives no less."
  }
}

variable "worker_min_instances" {
  description = "How many worker instances wait for jobs; 0 costs nothing while there are none."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.worker_min_instances >= 0 && floor(var.worker_min_instances) == var.worker_min_instances
    error_message = "worker_min_instances must be a whole number, at least 0."
  }
  validation {
    condition     = var.worker_min_instances <= var.worker_max_instances
    error_message = "worker_min_instances must not be above worker_max_instances."
  }
}

variable "worker_timeout_seconds" {
  description = "Cloud Run's request timeout of the worker; null for 5 below the ack deadline."
  type        = number
  default     = null

  validation {
    condition     = try(var.worker_timeout_seconds >= 6 && floor(var.worker_timeout_seconds) == var.worker_timeout_seconds, var.worker_timeout_seconds == null)
    error_message = "worker_timeout_seconds must be null or a whole number, at least 6."
  }
  validation {
    condition     = try(var.worker_timeout_seconds <= var.ack_deadline_seconds, var.worker_timeout_seconds == null)
    error_message = "worker_timeout_seconds must not be above ack_deadline_seconds: Pub/Sub would give a job that runs to another worker."
  }
}
