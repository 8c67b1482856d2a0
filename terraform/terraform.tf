terraform {
  required_version = ">= 1.9" # validations that compare variables

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.50.0, < 8.0.0"
    }
  }

  # terraform init -backend-config=bucket=BUCKET; each environment has a bucket or a prefix of its own.
  backend "gcs" {
    prefix = "scrapeq"
  }
}
