#!/usr/bin/env bash
# Checks a deployment after a roll-out: the services are ready, a crawl of one page passes through the whole system, and the
# permissions exist that nothing else reports if they are missing: those of Pub/Sub's service agent, without which it redelivers a
# failing job forever, and that of Cloud Scheduler, without which no crawl is dispatched.
#
#   terraform -chdir=terraform output -raw smoke_test > smoke-test.txt
#   scripts/smoke-test.sh smoke-test.txt
#
# It needs gcloud and bq, bash 3.2 or newer, date and sleep. It takes a minute or two; a working system is never slower than
# max_wait_seconds in the file, which Terraform calculates from the deadlines of the stack.
set -euo pipefail

names=(project region dispatcher worker jobs_topic dispatch_topic dead_letter_topic push_subscription ledger_dataset pubsub_agent
  scheduler canary_shard max_wait_seconds)
project="" region="" dispatcher="" worker="" jobs_topic="" dispatch_topic="" dead_letter_topic="" push_subscription=""
ledger_dataset="" pubsub_agent="" scheduler="" canary_shard="" max_wait_seconds=""
pause=${SMOKE_TEST_PAUSE:-10} # seconds between two queries of the ledger
# A query that would read more than this many bytes fails, and costs nothing. At $6.25 per TiB this is at most $0.57:
# https://cloud.google.com/bigquery/docs/best-practices-costs#restrict-bytes-billed
max_bytes=100000000000
# Limits each query to two partitions of a table. BigQuery's clock counts, not that of this machine.
recent="publish_time >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 6 HOUR)"

fail() {
  echo "smoke test: $*" >&2
  exit 1
}

# Reads the settings into variables of the same names.
read_settings() {
  local name value
  [[ -r $1 ]] || fail "$1 cannot be read; terraform output -raw smoke_test > $1 writes it"
  while IFS='=' read -r name value; do
    [[ " ${names[*]} " != *" $name "* ]] || printf -v "$name" '%s' "$value"
  done < "$1"
  for name in "${names[@]}"; do
    [[ -n ${!name} ]] || fail "$1 has no $name; terraform output -raw smoke_test prints it"
  done
}

# Checks that the newest revision of a service is the one that is ready.
check_ready() {
  local state
  state=$(gcloud run services describe "$1" --region="$region" \
    --format='csv[no-heading](status.latestCreatedRevisionName,status.latestReadyRevisionName)')
  [[ -n $state && ${state%,*} == "${state#*,}" ]] || fail "$1: the newest revision is not ready ($state); see its log"
  echo "$1 is ready"
}

# check_role MEMBER ROLE RESOURCE HELP COMMAND...: fails unless the policy that COMMAND reads gives the member the role.
check_role() {
  local member=$1 role=$2 resource=$3 help=$4 found
  found=$("${@:5}" --flatten='bindings[].members' --filter="bindings.role=$role AND bindings.members=\"$member\"" --format='value(bindings.role)')
  [[ -n $found ]] || fail "$member lacks $role on $resource, $help"
  echo "$member has $role on $resource"
}

# query SQL: prints the first row of the result as comma-separated values; nothing if there is none, or BigQuery did not answer.
query() {
  local result
  result=$(bq query --quiet --headless --nouse_legacy_sql --format=csv --max_rows=1 --maximum_bytes_billed="$max_bytes" \
    --parameter="run:STRING:$run_id" "$1") || {
    echo "smoke test: bq: $result" >&2
    return 0
  }
  [[ $result != *$'\n'* ]] || echo "${result#*$'\n'}" # without the names of the columns
}

# Waits for the first outcome of the canary. The table is clustered by run, so a query reads little.
await_outcome() {
  local seen="" outcome=""
  while ((SECONDS < until)); do
    outcome=$(query "SELECT outcome, reason, attempt FROM \`$ledger_dataset.outcomes\`
      WHERE $recent AND run_id = @run ORDER BY outcome = 'succeeded' DESC, attempt DESC LIMIT 1")
    [[ $outcome != succeeded,* ]] || return 0
    [[ $outcome == "$seen" ]] || echo "canary: $outcome (outcome, reason, attempt)"
    seen=$outcome
    sleep "$pause"
  done
  fail "the canary has not succeeded within $max_wait_seconds s (last outcome: ${seen:-none}). If other jobs wait in $push_subscription, it waits" \
    "behind them. See the section Smoke test of the runbook."
}

# Waits until the ledger has the job of the run, its outcome, and no dead letter.
await_accounting() {
  local counts=""
  while ((SECONDS < until)); do
    counts=$(query "SELECT
      (SELECT COUNT(DISTINCT JSON_VALUE(attributes, '\$.job_id')) FROM \`$ledger_dataset.jobs\`
        WHERE $recent AND JSON_VALUE(attributes, '\$.run_id') = @run) AS dispatched,
      (SELECT COUNT(DISTINCT job_id) FROM \`$ledger_dataset.outcomes\`
        WHERE $recent AND run_id = @run AND outcome = 'succeeded') AS succeeded,
      (SELECT COUNT(*) FROM \`$ledger_dataset.dead_letters\`
        WHERE $recent AND JSON_VALUE(attributes, '\$.run_id') = @run) AS dead,
      (SELECT COUNT(*) FROM \`$ledger_dataset.dispatches\`
        WHERE $recent AND JSON_VALUE(attributes, '\$.run_id') = @run
          AND JSON_VALUE(attributes, '\$.dispatch') = 'complete') AS complete")
    if [[ $counts == 1,1,0,[1-9]* ]]; then
      echo "$run_id: dispatched=1 succeeded=1 dead=0"
      return
    fi
    sleep "$pause"
  done
  fail "$run_id is not accounted for after $max_wait_seconds s (dispatched, succeeded, dead, complete dispatches: $counts). See the section" \
    "Smoke test of the runbook."
}

read_settings "${1:?pass the path of a file with the output of \`terraform output -raw smoke_test\`}"
export CLOUDSDK_CORE_PROJECT=$project
started_at=$(date -u +%Y-%m-%dT%H:%M:%SZ)
run_id="smoke-test-$started_at-$RANDOM"

check_ready "$dispatcher"
check_ready "$worker"
help="so no failing job becomes a dead letter. Apply terraform/deadletters.tf and terraform/jobs.tf."
check_role "$pubsub_agent" roles/pubsub.publisher "$dead_letter_topic" "$help" gcloud pubsub topics get-iam-policy "$dead_letter_topic"
check_role "$pubsub_agent" roles/pubsub.subscriber "$push_subscription" "$help" gcloud pubsub subscriptions get-iam-policy "$push_subscription"
check_role "$scheduler" roles/run.invoker "$dispatcher" "so no schedule dispatches a crawl. Apply terraform/schedule.tf." \
  gcloud run services get-iam-policy "$dispatcher" --region="$region"

shard=${canary_shard/RUN_ID/$run_id}
shard=${shard/STARTED_AT/$started_at}
shard=${shard/DISPATCH_ID/smoke-test}
gcloud pubsub topics publish "$dispatch_topic" --message="$shard" \
  --attribute="run_id=$run_id,crawl=canary,dispatch_id=smoke-test,shard=2" --format=none
echo "dispatched the canary as $run_id, which publishes one job to $jobs_topic"
until=$((SECONDS + max_wait_seconds))
await_outcome
await_accounting
echo "smoke test: passed after $SECONDS s"
