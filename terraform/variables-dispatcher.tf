# The dispatcher service and the schedules that call it.

variable "crawls_directory" {
  description = "Directory of the crawl files, one YAML file for each crawl; relative to this directory."
  type        = string
  default     = "../crawls"
  nullable    = false

  validation {
    condition     = length(trimspace(var.crawls_directory)) > 0
    error_message = "crawls_directory must be a path, for example ../crawls."
  }
}

variable "dispatcher_max_instances" {
  description = "Maximum number of dispatcher instances."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.dispatcher_max_instances >= 1 && floor(var.dispatcher_max_instances) == var.dispatcher_max_instances
    error_message = "dispatcher_max_instances must be a whole number, at least 1."
  }
}

variable "dispatcher_timeout_seconds" {
  description = "Time limit of one dispatch in seconds: half of it is for Pub/Sub's confirmations, a quarter for reading the sources. What does not fit is dispatched by a further request. It is also Cloud Scheduler's attempt deadline."
  type        = number
  default     = 240
  nullable    = false

  validation {
    condition     = var.dispatcher_timeout_seconds >= 15 && var.dispatcher_timeout_seconds <= 1800 && floor(var.dispatcher_timeout_seconds) == var.dispatcher_timeout_seconds
    error_message = "dispatcher_timeout_seconds must be a whole number from 15 to 1800, Cloud Scheduler's limits for one attempt."
  }
}

variable "schedules" {
  description = "When each crawl is dispatched, by the crawl's name: NAME refers to the file crawls/NAME.yaml, and cron has five fields. A paused schedule runs only on demand."
  type = map(object({
    cron      = string
    time_zone = optional(string, "Etc/UTC")
    paused    = optional(bool, false)
  }))
  default  = { canary = { cron = "0 6 * * *", paused = true } }
  nullable = false

  validation {
    condition     = alltrue([for name, _ in var.schedules : can(regex("^[a-z][a-z0-9-]{0,62}$", name))])
    error_message = "the keys of schedules must be names of crawls: lower case letters, digits and hyphens, beginning with a letter."
  }
  validation {
    condition     = alltrue([for _, schedule in var.schedules : can(regex("^[0-9*/,A-Za-z-]+( [0-9*/,A-Za-z-]+){4}$", schedule.cron))])
    error_message = "schedules: each cron must have five fields, for example \"0 6 * * 1-5\" (minute, hour, day, month, weekday)."
  }
  # https://cloud.google.com/scheduler/docs/configuring/cron-job-schedules
  validation {
    condition = alltrue(flatten([
      for schedule in values(var.schedules) : [
        for place, field in slice(concat(split(" ", schedule.cron), ["", "", "", "", ""]), 0, 5) : [
          for number in regexall("[0-9]+", replace(field, "//[0-9]+/", "")) :
          tonumber(number) >= [0, 0, 1, 1, 0][place] && tonumber(number) <= [59, 23, 31, 12, 7][place]
        ]
      ]
    ]))
    error_message = "schedules: a number in a cron is out of range: minutes are 0 to 59, hours 0 to 23, days 1 to 31, months 1 to 12, and weekdays 0 to 7."
  }
  validation {
    condition     = alltrue([for _, schedule in var.schedules : can(regex("^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$", schedule.time_zone))])
    error_message = "schedules: each time_zone must be a name of the tz database, for example Europe/Paris or Etc/UTC."
  }
}

variable "urls_file_buckets" {
  description = "Names of the buckets in Cloud Storage whose objects a crawl may name as urls_file: the dispatcher gets roles/storage.objectViewer on each."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for bucket in var.urls_file_buckets : can(regex("^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$", bucket))])
    error_message = "urls_file_buckets must be names of buckets, without gs:// and without a path."
  }
}
