# Settings of both services: images, environment variables, egress addresses.

variable "extra_settings" {
  description = "Further environment variables of the services, by the names in docs/reference/settings.md."
  type = object({
    dispatcher = optional(map(string), {})
    worker     = optional(map(string), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = length(setsubtract(keys(var.extra_settings.dispatcher), ["FETCH_ALLOW_NETWORKS", "SITEMAP_MAX_BYTES"])) == 0
    error_message = "extra_settings.dispatcher may contain only FETCH_ALLOW_NETWORKS and SITEMAP_MAX_BYTES; other variables set the other settings."
  }
  validation {
    condition     = length(setsubtract(keys(var.extra_settings.worker), ["EXTRACTION_CPU_SECONDS", "EXTRACTION_MEMORY_MIB", "EXTRACTION_PROCESSES", "FETCH_ALLOW_NETWORKS", "FETCH_MAX_BYTES", "FETCH_MAX_REDIRECTS"])) == 0
    error_message = "extra_settings.worker may contain only EXTRACTION_CPU_SECONDS, EXTRACTION_MEMORY_MIB, EXTRACTION_PROCESSES, FETCH_ALLOW_NETWORKS, FETCH_MAX_BYTES and FETCH_MAX_REDIRECTS; other variables set the other settings."
  }
}

variable "images" {
  description = "Images of the services, by digest or by an immutable tag. null (before the first build) deploys a placeholder that answers every request with 200."
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
    error_message = "images must name both images by digest (NAME@sha256:…) or by a tag other than latest: with latest, Terraform's state would not show which image runs."
  }
}

variable "vpc" {
  description = "Static egress addresses: creates a network through which all traffic of both services leaves, and a NAT with this many static addresses. null uses Cloud Run's own addresses, which change."
  type = object({
    subnet_range = optional(string, "10.8.0.0/24")
    addresses    = optional(number, 1)
  })
  default = null

  validation {
    condition     = var.vpc == null || try(can(cidrhost(var.vpc.subnet_range, 0)) && tonumber(split("/", var.vpc.subnet_range)[1]) <= 26, false)
    error_message = "vpc.subnet_range must be an IPv4 range of /26 or larger, for example 10.8.0.0/24: Cloud Run takes addresses from it for each instance."
  }
  validation {
    condition     = var.vpc == null || try(var.vpc.addresses >= 1 && var.vpc.addresses <= 16 && floor(var.vpc.addresses) == var.vpc.addresses, false)
    error_message = "vpc.addresses must be a whole number from 1 to 16."
  }
}
