#!/usr/bin/env bash
# Exports the bill of materials (SBOM) of images to Cloud Storage. The export needs the scan that the push of an image started, so
# this script waits for the end of the scan, and tries the export again until it succeeds or the time is over.
#
#   scripts/export-sbom.sh PROJECT FILE...      each FILE contains the name of an image with its digest
#
# It needs gcloud, bash, cat and sleep.
set -euo pipefail

project=${1:?pass the project and files with the names of images}
max_wait=${EXPORT_SBOM_SECONDS:-900} # for all images together
pause=${EXPORT_SBOM_PAUSE:-20}

# export_sbom IMAGE: exports the bill of materials if the scan of the image has ended.
export_sbom() {
  local scan
  scan=$(gcloud artifacts docker images describe "$1" --project="$project" --show-package-vulnerability \
    --format='value(discovery_summary.discovery[0].discovery.analysisStatus)') || return 1
  [[ $scan == FINISHED_* ]] || {
    echo "the scan of $1 is ${scan:-not yet started}"
    return 1
  }
  gcloud artifacts sbom export --project="$project" --uri="$1"
}

for file in "${@:2}"; do
  image=$(cat "$file")
  until export_sbom "$image"; do
    ((SECONDS < max_wait)) || {
      echo "export-sbom: $image has no bill of materials after $max_wait s. Later: gcloud artifacts sbom export --uri=$image" >&2
      exit 1
    }
    sleep "$pause"
  done
done
