terraform {
  required_version = ">= 1.9" # 1.9 allows validations that compare variables

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 7.45.0, < 8.0.0" # tested with 7.45.0; older releases overwrite grants on a dataset when they update it
    }
  }

  # terraform init -backend-config=bucket=BUCKET; give each environment its own bucket or prefix.
  backend "gcs" {
    prefix = "scrapeq"
  }
}
