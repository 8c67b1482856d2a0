# Settings of the services: images, environment variables, egress addresses.

variable "extra_settings" {
  description = "Further environment variables of the services, by the names in docs/reference/settings.md."
  type = object({
    dispatcher = optional(map(string), {})
    worker     = optional(map(string), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = length(setsubtract(keys(var.extra_settings.dispatcher), ["FETCH_ALLOW_NETWORKS", "SITEMAP_MAX_BYTES", "URLS_FILE_MAX_BYTES"])) == 0
    error_message = "extra_settings.dispatcher may contain only FETCH_ALLOW_NETWORKS, SITEMAP_MAX_BYTES and URLS_FILE_MAX_BYTES; other variables set the other settings."
  }
  validation {
    condition     = length(setsubtract(keys(var.extra_settings.worker), ["EXTRACTION_CPU_SECONDS", "EXTRACTION_MEMORY_MIB", "EXTRACTION_PROCESSES", "FETCH_ALLOW_NETWORKS", "FETCH_MAX_BYTES", "FETCH_MAX_REDIRECTS", "FETCH_PROXIES"])) == 0
    error_message = "extra_settings.worker may contain only EXTRACTION_CPU_SECONDS, EXTRACTION_MEMORY_MIB, EXTRACTION_PROCESSES, FETCH_ALLOW_NETWORKS, FETCH_MAX_BYTES, FETCH_MAX_REDIRECTS and FETCH_PROXIES; other variables set the other settings."
  }
}

variable "images" {
  description = "Images of the services, by digest or by an immutable tag; console is that of the operator's page. null (before the first build) deploys a placeholder that answers every request with 200."
  type = object({
    dispatcher = string
    worker     = string
    console    = optional(string)
  })
  default = null

  validation {
    condition = var.images == null || try(alltrue([
      for image in concat([var.images.dispatcher, var.images.worker], var.images.console == null ? [] : [var.images.console]) :
      can(regex("^[^@\\s]+@sha256:[0-9a-f]{64}$", image)) || (can(regex("^[^@\\s]+:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", image)) && !endswith(image, ":latest"))
    ]), false)
    error_message = "images must name the images by digest (NAME@sha256:…) or by a tag other than latest: with latest, Terraform's state would not show which image runs."
  }
}

variable "secrets" {
  description = "Secrets that crawls may name as {secret:NAME}: the id of each in Secret Manager (or projects/PROJECT/secrets/ID), its version, and the origins to which the worker may send it: api.shop.example (https), *.shop.example, or http://host:port."
  type = map(object({
    secret  = string
    version = number
    origins = list(string)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name in keys(var.secrets) : can(regex("^[A-Z][A-Z0-9_]{0,62}$", name))])
    error_message = "The names of secrets have at most 63 characters of A-Z, 0-9 and underscore, a letter first: crawls write them as {secret:NAME}."
  }
  validation {
    condition     = alltrue([for secret in values(var.secrets) : can(regex("^(projects/[a-z0-9:.-]+/secrets/)?[A-Za-z0-9_-]{1,255}$", secret.secret))])
    error_message = "secret must be the id of a secret in Secret Manager, or projects/PROJECT/secrets/ID."
  }
  validation {
    condition     = alltrue([for secret in values(var.secrets) : secret.version >= 1 && floor(secret.version) == secret.version])
    error_message = "version must be a whole number, at least 1: with latest, instances of one revision could have different values."
  }
  validation {
    condition     = alltrue([for secret in values(var.secrets) : length(secret.origins) > 0 && alltrue([for origin in secret.origins : can(regex("^((\\*\\.)?[a-z0-9_.-]+|https?://[^/,;=\\s]+)$", origin))])])
    error_message = "Each secret needs origins, for example api.shop.example, *.shop.example or http://10.0.0.7:8000: the worker sends it nowhere else."
  }
}

# The default of startup_hosts has two operators. Neither is Google, whose hosts are reached without the NAT.
variable "vpc" {
  description = "Static egress addresses: creates a network through which all traffic of both services leaves, and a NAT with this many static addresses. An instance starts once it has reached Pub/Sub and one of startup_hosts (host:port outside of Google; an empty list: immediately). null uses Cloud Run's own addresses, which change."
  type = object({
    subnet_range  = optional(string, "10.8.0.0/24")
    addresses     = optional(number, 1)
    startup_hosts = optional(list(string), ["one.one.one.one:443", "dns.quad9.net:443"])
  })
  default = null

  validation {
    condition     = var.vpc == null || try(can(cidrhost(var.vpc.subnet_range, 0)) && tonumber(split("/", var.vpc.subnet_range)[1]) <= 26, false)
    error_message = "vpc.subnet_range must be an IPv4 range of /26 or larger, for example 10.8.0.0/24: Cloud Run takes addresses from it for each instance."
  }
  # https://cloud.google.com/vpc/docs/subnets#ipv4-ranges
  validation {
    condition     = var.vpc == null || !can(cidrhost(var.vpc.subnet_range, 0)) || try(cidrhost(var.vpc.subnet_range, 0) == split("/", var.vpc.subnet_range)[0] && can(cidrnetmask(var.vpc.subnet_range)), false)
    error_message = "vpc.subnet_range must begin with the first IPv4 address of the range: 10.8.0.0/24, not 10.8.0.5/24."
  }
  validation {
    condition     = var.vpc == null || try(var.vpc.addresses >= 1 && var.vpc.addresses <= 16 && floor(var.vpc.addresses) == var.vpc.addresses, false)
    error_message = "vpc.addresses must be a whole number from 1 to 16."
  }
  validation {
    condition     = var.vpc == null || try(alltrue([for host in var.vpc.startup_hosts : can(regex("^[a-z0-9.-]+:[0-9]+$", host))]), false)
    error_message = "vpc.startup_hosts must be host:port, for example one.one.one.one:443."
  }
}
