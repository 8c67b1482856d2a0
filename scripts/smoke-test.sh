#!/usr/bin/env bash
# Checks a deployment after a roll-out: the services are ready, all jobs of a crawl succeed and are accounted for, and Pub/Sub's
# service agent has the two permissions that dead lettering needs: without them Pub/Sub redelivers a failing message forever and
# reports no error.
#
#   terraform -chdir=terraform output -json > outputs.json
#   scripts/smoke-test.sh outputs.json
#
# The test needs gcloud (configured for the project), bq and python3. It takes some minutes. Environment variables, in seconds, with
# their defaults:
#
#   SMOKE_TEST_SECONDS (1200)             maximum duration of each other wait
#   SMOKE_TEST_DEAD_LETTER_SECONDS (0)    if not 0, also publish a message that is not a job, and wait so long for its dead letter;
#                                         with ack_policy = "success" and the default retry policy it takes 41 minutes
#   SMOKE_TEST_PAUSE (5)                  time between two polls
set -euo pipefail

max_wait=${SMOKE_TEST_SECONDS:-1200}
max_dead_letter_wait=${SMOKE_TEST_DEAD_LETTER_SECONDS:-0}
pause=${SMOKE_TEST_PAUSE:-5}
outputs=${1:?pass the path of a file with the output of \`terraform output -json\`}
leased=() # ack ids of dead letters that were pulled and are not the smoke test's own

fail() {
  echo "smoke test: $*" >&2
  exit 1
}

# output NAME [KEY]: prints an output of Terraform, or an entry of an output that is a map
output() {
  python3 - "$outputs" "$@" <<'PYTHON'
import json, sys
try:
    value = json.load(open(sys.argv[1]))[sys.argv[2]]["value"]
    for key in sys.argv[3:]:
        value = value[key]
except (OSError, ValueError, KeyError, TypeError):
    sys.exit(f"smoke test: {sys.argv[1]} has no output {' '.join(sys.argv[2:])}; terraform output -json prints them")
print(value)
PYTHON
}

# Makes the other dead letters available again before their ack deadline ends.
release_leased() {
  local ack_id
  for ack_id in ${leased[@]+"${leased[@]}"}; do
    gcloud pubsub subscriptions modify-message-ack-deadline "$dead_letters" --ack-ids="$ack_id" --ack-deadline=0 \
      --format=none --quiet ||
      echo "smoke test: a dead letter that was pulled could not be released; it is available again in ten minutes" >&2
  done
}

# Checks that the newest revision of a service is the one that is ready.
await_ready() {
  local uri=$1 name region state
  read -r name region < <(python3 -c '
import re, sys
print(*re.fullmatch(r"https://(.+)-[0-9]+\.([a-z0-9-]+)\.run\.app/?", sys.argv[1]).groups())' "$uri") || fail "$uri is not a URL of Cloud Run"
  state=$(gcloud run services describe "$name" --region="$region" \
    --format='csv[no-heading](status.latestCreatedRevisionName,status.latestReadyRevisionName)')
  [[ -n $state && ${state%,*} == "${state#*,}" ]] || fail "$name: the newest revision is not ready ($state); see its log"
  echo "$name is ready"
}

# Publishes a message that is not a job. With any settings the worker rejects every delivery of it, so it becomes a dead letter.
publish_failing_job() {
  gcloud pubsub topics publish "$jobs_topic" --message="the smoke test's failing job" \
    --attribute="job_id=$run_id,run_id=$run_id,crawl=smoke-test" --format=none
  echo "published a job that always fails: $run_id"
}

# accounting WHERE: prints the newest run that matches WHERE as "run_id dispatched succeeded dead in_flight missing", or nothing
accounting() {
  bq query --quiet --headless --nouse_legacy_sql --format=json --max_rows=1 \
    "SELECT run_id, dispatched, succeeded, dead, in_flight, missing FROM \`$ledger.run_accounting\` WHERE $1 ORDER BY started_at DESC LIMIT 1" |
    python3 -c '
import json, sys
for row in json.loads(sys.stdin.read() or "[]"):
    print(*(row[name] for name in ("run_id", "dispatched", "succeeded", "dead", "in_flight", "missing")))'
}

# await_accounting WHERE EXPECTED NAME: waits until a run that matches WHERE has ended; fails unless all jobs have succeeded
# (EXPECTED is "all") or all are dead ("none"). NAME describes the run in error messages.
await_accounting() {
  local where=$1 until=$((SECONDS + max_wait)) run dispatched succeeded dead in_flight missing seen="no such run"
  while ((SECONDS < until)); do
    if read -r run dispatched succeeded dead in_flight missing < <(accounting "$where"); then
      seen="$run: dispatched=$dispatched succeeded=$succeeded dead=$dead in_flight=$in_flight missing=$missing"
      if ((dispatched > 0 && in_flight == 0 && missing == 0)); then
        ((dispatched == succeeded + dead)) || fail "the accounting does not add up: $seen"
        if [[ $2 == all ]]; then ((dead == 0)); else ((dead == dispatched)); fi || fail "$3 did not end as expected: $seen"
        echo "$seen"
        return
      fi
    fi
    sleep "$pause"
  done
  fail "$3 is not accounted for after $max_wait s ($seen). Is the ledger behind? See the runbook."
}

# check_agent NAME ROLE: reads the IAM policy of NAME; fails unless Pub/Sub's service agent has the role.
check_agent() {
  python3 -c '
import json, sys
agents = [member for binding in json.load(sys.stdin).get("bindings", []) if binding["role"] == sys.argv[1]
          for member in binding["members"] if member.endswith("@gcp-sa-pubsub.iam.gserviceaccount.com")]
sys.exit(not agents)' "$2" || fail "Pub/Sub's service agent lacks $2 on $1, so no failing job becomes a dead letter. Apply" \
    "terraform/deadletters.tf and terraform/jobs.tf."
  echo "Pub/Sub's service agent has $2 on $1"
}

# Waits for the smoke test's dead letter and acknowledges it. Other dead letters stay leased until the end, so that each pull
# returns new ones.
await_dead_letter() {
  local until=$((SECONDS + max_dead_letter_wait)) ack_id ours attempts
  while ((SECONDS < until)); do
    while read -r ours attempts ack_id; do
      if [[ $ours != yes ]]; then
        leased+=("$ack_id")
        continue
      fi
      gcloud pubsub subscriptions ack "$dead_letters" --ack-ids="$ack_id" --format=none --quiet
      echo "$run_id is a dead letter after $attempts attempts"
      return
    done < <(gcloud pubsub subscriptions pull "$dead_letters" --limit=100 --format=json | python3 -c '
import json, sys
for received in json.loads(sys.stdin.read() or "[]"):
    attributes = received["message"].get("attributes", {})
    attempts = attributes.get("CloudPubSubDeadLetterSourceDeliveryCount", "its")
    print("yes" if attributes.get("job_id") == sys.argv[1] else "no", attempts, received["ackId"])' "$run_id")
    sleep "$pause"
  done
  fail "no dead letter in $dead_letters after $max_dead_letter_wait s"
}

jobs_topic=$(output jobs_topic)
push_subscription=$(output push_subscription)
dead_letter_topic=$(output dead_letter_topic)
dead_letters=$(output dead_letter_subscription)
ledger=$(output ledger_dataset)
read -r -a dispatch_canary < <(output dispatch_commands canary) || fail "the Terraform output dispatch_commands has no canary"
run_id="smoke-test-$(date -u +%Y%m%dT%H%M%SZ)-$RANDOM"
began=$(date -u +%Y-%m-%dT%H:%M:%SZ)
trap release_leased EXIT

await_ready "$(output dispatcher_uri)"
await_ready "$(output worker_uri)"
gcloud pubsub topics get-iam-policy "$dead_letter_topic" --format=json | check_agent "$dead_letter_topic" roles/pubsub.publisher
gcloud pubsub subscriptions get-iam-policy "$push_subscription" --format=json | check_agent "$push_subscription" roles/pubsub.subscriber
((max_dead_letter_wait == 0)) || publish_failing_job
"${dispatch_canary[@]}" --quiet > /dev/null
echo "dispatched the canary"
await_accounting "run_id LIKE 'canary-%' AND started_at >= TIMESTAMP('$began')" all "the canary"
if ((max_dead_letter_wait > 0)); then
  await_dead_letter
  await_accounting "run_id = '$run_id'" none "the job that always fails"
fi
echo "smoke test: passed after $SECONDS s"
