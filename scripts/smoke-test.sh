#!/usr/bin/env bash
# Shows after a roll-out that the whole of it works: the services are ready, a crawl's jobs go all the way and are all accounted
# for, and a job that cannot work becomes a dead letter. Nothing else would say that Pub/Sub's agent lacks one of the two grants
# that dead letters need: without them a message is tried again for ever, in silence.
#
#   terraform -chdir=terraform output -json > outputs.json
#   scripts/smoke-test.sh outputs.json
#
# Needs gcloud (of the right project), bq and python3. Takes as long as max_delivery_attempts with their backoffs, some minutes.
# SMOKE_TEST_SECONDS (1200): how long each wait may last. SMOKE_TEST_PAUSE (5): seconds between two looks.
set -euo pipefail

patience=${SMOKE_TEST_SECONDS:-1200}
pause=${SMOKE_TEST_PAUSE:-5}
outputs=${1:?name the file that holds what \`terraform output -json\` printed}
leased=() # letters of others that we have looked at

fail() {
  echo "smoke test: $*" >&2
  exit 1
}

# output NAME [KEY]: an output of Terraform, or an entry of one that is a map
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

# Others may want their letters before our leases end.
give_back() {
  local ack_id
  for ack_id in ${leased[@]+"${leased[@]}"}; do
    gcloud pubsub subscriptions modify-message-ack-deadline "$dead_letters" --ack-ids="$ack_id" --ack-deadline=0 \
      --format=none --quiet ||
      echo "smoke test: a dead letter that was only looked at is available again in ten minutes" >&2
  done
}

# The revision that was made last is the one that is ready.
await_ready() {
  local uri=$1 name region state
  read -r name region < <(python3 -c '
import re, sys
print(*re.fullmatch(r"https://(.+)-[0-9]+\.([a-z0-9-]+)\.run\.app/?", sys.argv[1]).groups())' "$uri") || fail "$uri is no URL of Cloud Run"
  state=$(gcloud run services describe "$name" --region="$region" \
    --format='csv[no-heading](status.latestCreatedRevisionName,status.latestReadyRevisionName)')
  [[ -n $state && ${state%,*} == "${state#*,}" ]] || fail "$name: the newest revision is not ready ($state); see its log"
  echo "$name is ready"
}

# A message that is no job: refused at every attempt, whatever the settings, until it is a dead letter.
send_a_job_that_cannot_work() {
  gcloud pubsub topics publish "$jobs_topic" --message="the smoke test's job that cannot work" \
    --attribute="job_id=$run_id,run_id=$run_id,crawl=smoke-test" --format=none
  echo "sent a job that cannot work: $run_id"
}

# accounting WHERE: the newest such run as "run_id dispatched succeeded dead in_flight missing"; nothing where there is none
accounting() {
  bq query --quiet --headless --nouse_legacy_sql --format=json --max_rows=1 \
    "SELECT run_id, dispatched, succeeded, dead, in_flight, missing FROM \`$ledger.run_accounting\` WHERE $1 ORDER BY started_at DESC LIMIT 1" |
    python3 -c '
import json, sys
for row in json.loads(sys.stdin.read() or "[]"):
    print(*(row[name] for name in ("run_id", "dispatched", "succeeded", "dead", "in_flight", "missing")))'
}

# await_accounting WHERE SUCCEEDED DEAD WHAT: until such a run has ended so, and every job of it is accounted for
await_accounting() {
  local where=$1 until=$((SECONDS + patience)) run dispatched succeeded dead in_flight missing seen="no such run yet"
  while ((SECONDS < until)); do
    if read -r run dispatched succeeded dead in_flight missing < <(accounting "$where"); then
      seen="$run: dispatched=$dispatched succeeded=$succeeded dead=$dead in_flight=$in_flight missing=$missing"
      if ((dispatched > 0 && in_flight == 0 && missing == 0)); then
        ((dispatched == succeeded + dead)) || fail "the accounting does not add up: $seen"
        if [[ $2 == all ]]; then ((dead == 0)); else ((dead == dispatched)); fi || fail "$3 did not end as it should: $seen"
        echo "$seen"
        return
      fi
    fi
    sleep "$pause"
  done
  fail "$3 is not accounted for after $patience s ($seen). Is the ledger behind? See the runbook."
}

# Ours is acknowledged: nobody need look at it. What else is seen is leased until the end, so that each pull shows others.
await_dead_letter() {
  local until=$((SECONDS + patience)) ack_id ours attempts
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
for letter in json.loads(sys.stdin.read() or "[]"):
    attributes = letter["message"].get("attributes", {})
    attempts = attributes.get("CloudPubSubDeadLetterSourceDeliveryCount", "its")
    print("yes" if attributes.get("job_id") == sys.argv[1] else "no", attempts, letter["ackId"])' "$run_id")
    sleep "$pause"
  done
  fail "no dead letter in $dead_letters after $patience s. Pub/Sub's agent may lack publisher on the dead-letter topic, or" \
    "subscriber on the push subscription (terraform/deadletters.tf, terraform/jobs.tf): without either a job is tried for ever."
}

jobs_topic=$(output jobs_topic)
dead_letters=$(output dead_letter_subscription)
ledger=$(output ledger_dataset)
read -r -a dispatch_canary < <(output dispatch_commands canary) || fail "Terraform's schedules have no canary"
run_id="smoke-test-$(date -u +%Y%m%dT%H%M%SZ)-$RANDOM"
began=$(date -u +%Y-%m-%dT%H:%M:%SZ)
trap give_back EXIT

await_ready "$(output dispatcher_uri)"
await_ready "$(output worker_uri)"
send_a_job_that_cannot_work
"${dispatch_canary[@]}" --quiet > /dev/null
echo "dispatched the canary"
await_accounting "run_id LIKE 'canary-%' AND started_at >= TIMESTAMP('$began')" all "the canary"
await_dead_letter
await_accounting "run_id = '$run_id'" none "the job that cannot work"
echo "smoke test: passed after $SECONDS s"
