# The BigQuery dataset that records every job, outcome and dead letter.

variable "adopt_ledger" {
  description = "Take over the dataset, the tables and the views that a destroyed stack has left in BigQuery, instead of creating them. Set it for one apply; all of them must exist."
  type        = bool
  default     = false
  nullable    = false
}

variable "ledger_dataset" {
  description = "BigQuery dataset that contains the ledger."
  type        = string
  default     = "scrapeq"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z_][A-Za-z0-9_]*$", var.ledger_dataset)) && length(var.ledger_dataset) <= 1024
    error_message = "ledger_dataset must be letters, digits and underscores, not beginning with a digit."
  }
}

variable "ledger_deletion_protection" {
  description = "Keep the ledger in BigQuery when the stack is destroyed: dataset, tables, rows and views. Before a teardown that deletes the ledger too, set it to false and apply."
  type        = bool
  default     = true
  nullable    = false
}

variable "ledger_expiration_days" {
  description = "Number of days after which the ledger's rows are deleted; null keeps them. The accounting of a run whose rows were deleted no longer adds up."
  type        = number
  default     = null

  validation {
    condition     = try(var.ledger_expiration_days >= 31 && floor(var.ledger_expiration_days) == var.ledger_expiration_days, var.ledger_expiration_days == null)
    error_message = "ledger_expiration_days must be null or a whole number, at least 31: dead letters may wait that long for their replay."
  }
}

variable "ledger_location" {
  description = "BigQuery location of the ledger: a region, EU or US; null means var.region."
  type        = string
  default     = null

  validation {
    condition     = var.ledger_location == null || can(regex("^(EU|US|[a-z]+-[a-z]+[0-9]+)$", var.ledger_location))
    error_message = "ledger_location must be null, EU, US or a region, for example europe-west1."
  }
}
