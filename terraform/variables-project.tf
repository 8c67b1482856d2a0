# Settings of the whole stack: project, region, names, labels.

variable "contact_url" {
  description = "A URL or an email address at which the owners of scraped sites can reach you; it becomes part of the User-Agent."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^(https?://[[:alnum:]_-]+\\.[[:alnum:]_.-]+(/[!-~]*)?|[[:alnum:]_.+-]+@[[:alnum:]_-]+\\.[[:alnum:]_.-]+)$", var.contact_url)) && length(var.contact_url) <= 200
    error_message = "contact_url must be a URL with http:// or https://, or an email address, of at most 200 characters, for example https://example.com/about-our-crawler."
  }
}

variable "deletion_protection" {
  description = "Refuse a destroy of the stack before anything is removed, and a replacement of a service, a topic, a subscription or a table. Before a teardown, set it to false and apply."
  type        = bool
  default     = true
  nullable    = false
}

variable "environment" {
  description = "dev, staging or prod; every resource is labelled with it. In dev, a ledger that is not protected is destroyed together with tables that are not of the stack; in prod, a roll-out waits for approval."
  type        = string
  default     = "dev"
  nullable    = false

  validation {
    condition     = contains(["dev", "staging", "prod"], var.environment)
    error_message = "environment must be dev, staging or prod."
  }
}

variable "labels" {
  description = "Additional labels of every resource. The labels app and environment are always set."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))
    ])
    error_message = "labels: keys and values must consist of lower case letters, digits, _ and -, at most 63 characters each; a key must begin with a letter."
  }
  # Terraform adds three labels. https://cloud.google.com/resource-manager/docs/labels-overview#requirements
  validation {
    condition     = length(var.labels) <= 61 && alltrue([for key in keys(var.labels) : !startswith(key, "goog")])
    error_message = "labels may have at most 61 entries (Google's limit is 64, and the stack sets three), and no key may begin with goog, which Google reserves."
  }
  validation {
    condition     = length(setintersection(keys(var.labels), ["app", "environment"])) == 0
    error_message = "labels must not contain app or environment: the variables name_prefix and environment set these labels."
  }
}

variable "name_prefix" {
  description = "Prefix of the names of services, service accounts and schedules. For a second stack in one project, change it together with topic_prefix and ledger_dataset."
  type        = string
  default     = "scrapeq"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,17}$", var.name_prefix)) && !endswith(var.name_prefix, "-")
    error_message = "name_prefix must be 2 to 18 lower case letters, digits and hyphens, beginning with a letter and not ending with a hyphen: the maximum length of a service account's name is 30 characters."
  }
}

variable "persistence_regions" {
  description = "Regions in which Pub/Sub may store messages; an empty list means only var.region."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for region in var.persistence_regions : can(regex("^[a-z]+-[a-z]+[0-9]+$", region))])
    error_message = "persistence_regions must be a list of regions, for example [\"europe-west1\"]."
  }
}

variable "project_id" {
  description = "Id of the project in which the stack is created."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be a project's id (not its name or number): 6 to 30 lower case letters, digits and hyphens."
  }
}

variable "region" {
  description = "Region in which the services run and messages are stored."
  type        = string
  default     = "europe-west1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region must be a region of Google Cloud, for example europe-west1 (not a zone)."
  }
}

variable "topic_prefix" {
  description = "Prefix of the names of topics and subscriptions: scrape-jobs, scrape-outcomes and so on."
  type        = string
  default     = "scrape"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,38}[a-z0-9]$", var.topic_prefix)) && !startswith(var.topic_prefix, "goog")
    error_message = "topic_prefix must be 2 to 40 lower case letters, digits and hyphens, beginning with a letter and not with goog, which Pub/Sub reserves."
  }
}
