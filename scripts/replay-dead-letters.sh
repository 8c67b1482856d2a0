#!/usr/bin/env bash
# Replays dead letters; needs only gcloud and Python. docs/how-to/runbook.md#replay shows the same with gcloud alone.
set -euo pipefail

usage() {
  cat <<'USAGE'
usage: scripts/replay-dead-letters.sh COMMAND [options]

  peek N         show N dead letters and leave them in the subscription (--json: one message on each line)
  replay N       publish N dead letters as jobs again; acknowledge each after the publish of its job is confirmed
  replay-jobs F  replay only the dead letters of the jobs whose ids are in the file F, one on each line
  replay-all     let Pub/Sub push all dead letters to the dispatcher's /replay, then change the subscription back
                 to pull; needs --dispatcher URL and --service-account EMAIL, the dispatcher's PUSH_SERVICE_ACCOUNT
  count          print the number of dead letters, and the source of the number
  stop           change the subscription back to pull, after a replay-all that was killed

  --dry-run                change nothing; print what would be done
  --project ID             project (gcloud's default project)
  --subscription NAME      dead-letter subscription (scrape-jobs-dead-pull)
  --topic NAME             jobs topic (scrape-jobs)
  --lease-seconds N        peek, replay, replay-jobs: ack deadline of pulled dead letters, 10 to 600 (60; replay-jobs: 600)
  --audience TEXT          replay-all: the dispatcher's PUSH_AUDIENCE (its URL)
  --minutes N              replay-all: maximum duration in minutes, 1 to 50 (45)
  --patience-seconds N     replay-all: end if the number of dead letters has not fallen for N seconds (600)
  --round-seconds N        replay-all: if there is no count, seconds between two pulls that check for the end (60)
USAGE
}

fail() {
  echo "replay-dead-letters: $*" >&2
  exit 1
}

read_options() {
  project="" subscription=scrape-jobs-dead-pull topic=scrape-jobs lease_seconds="" dispatcher="" account="" audience=""
  minutes=45 stall_seconds=600 round=60 dry_run="" json="" command="" count=""
  while (($#)); do
    case "$1" in
      -h | --help) usage && exit ;;
      --dry-run) dry_run=--dry-run ;;
      --json) json=--json ;;
      --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
      --project | --subscription | --topic | --lease-seconds | --dispatcher | --service-account | --audience | --minutes | --patience-seconds | --round-seconds)
        (($# > 1)) || fail "$1 needs a value"
        case "$1" in
          --project) project=$2 ;;
          --subscription) subscription=$2 ;;
          --topic) topic=$2 ;;
          --lease-seconds) lease_seconds=$(number "$1" "$2" 10 600) ;;
          --dispatcher) dispatcher=${2%/} ;;
          --service-account) account=$2 ;;
          --audience) audience=$2 ;;
          --minutes) minutes=$(number "$1" "$2" 1 50) ;; # an access token lasts an hour
          --patience-seconds) stall_seconds=$(number "$1" "$2" 1 3600) ;;
          --round-seconds) round=$(number "$1" "$2" 1 600) ;;
        esac
        shift
        ;;
      -*) fail "unknown option $1; try --help" ;;
      *)
        if [[ -z $command ]]; then command=$1; elif [[ -z $count ]]; then count=$1; else fail "unexpected argument $1; try --help"; fi
        ;;
    esac
    shift
  done
  case "$command" in
    peek | replay) count=$(number "$command" "${count:-none}" 1 10000000) ;;
    replay-jobs) [[ -f $count && -r $count ]] || fail "replay-jobs needs a readable file of job ids (got ${count:-none})" ;;
    replay-all | count | stop) [[ -z $count ]] || fail "$command takes no number" ;;
    "") usage >&2 && exit 2 ;;
    *) fail "unknown command $command; try --help" ;;
  esac
  # replay-jobs leases all dead letters until it has found those of its jobs.
  [[ -n $lease_seconds ]] || if [[ $command == replay-jobs ]]; then lease_seconds=600; else lease_seconds=60; fi
}

number() { # name, value, minimum, maximum
  [[ $2 =~ ^[0-9]{1,8}$ ]] || fail "$1 needs a number from $3 to $4 (got $2)"
  ((10#$2 >= $3 && 10#$2 <= $4)) || fail "$1 needs a number from $3 to $4 (got $2)"
  echo "$((10#$2))"
}

# Reads gcloud's configuration: the project, the access token, and the addresses of the APIs.
read_gcloud_config() {
  command -v gcloud >/dev/null || fail "gcloud is not installed: https://cloud.google.com/sdk/docs/install"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || fail "python3 is missing or older than 3.11"
  local config disabled
  config=$(gcloud config list --format='csv[no-heading,separator="|"](core.project,auth.disable_credentials,api_endpoint_overrides.pubsub,api_endpoint_overrides.monitoring)') \
    || fail "gcloud cannot print its configuration"
  IFS='|' read -r PUBSUB_PROJECT disabled PUBSUB_ENDPOINT MONITORING_ENDPOINT <<<"$config"
  PUBSUB_PROJECT=${project:-$PUBSUB_PROJECT}
  [[ -n $PUBSUB_PROJECT ]] || fail "no project is set: gcloud config set project ID, or --project ID"
  PUBSUB_TOKEN=""
  if ! [[ $disabled =~ ^([Tt]rue|1|[Yy]es|on)$ ]]; then
    PUBSUB_TOKEN=$(gcloud auth print-access-token --quiet) || fail "gcloud has no account: gcloud auth login"
  fi
  export PUBSUB_PROJECT PUBSUB_ENDPOINT MONITORING_ENDPOINT PUBSUB_TOKEN
}

dead_letters() {
  python3 -P -m scripts.dead_letters "$@" --subscription "$subscription" --topic "$topic" --lease-seconds "$lease_seconds"
}

push_config() {
  gcloud pubsub subscriptions modify-push-config "$subscription" --project "$PUBSUB_PROJECT" --quiet "$@"
}

set_push() {
  push_config --push-endpoint="$dispatcher/replay" --push-auth-service-account="$account" --push-auth-token-audience="$audience"
}

set_pull() {
  local try
  for try in 1 2 3; do
    if push_config --push-endpoint=; then return 0; fi # in a trap, `return` without a number returns the status of the interrupted command
    sleep "$try"
  done
  fail "$subscription still pushes. Change it back to pull: gcloud pubsub subscriptions modify-push-config $subscription --project $PUBSUB_PROJECT --push-endpoint="
}

# Changes the subscription back to pull, with signals ignored until that is done.
restore_pull() {
  trap '' INT TERM HUP
  trap - EXIT
  [[ -z ${watching:-} ]] || kill "$watching" 2>/dev/null || true
  set_pull
  trap - INT TERM HUP
}

# Runs the check in the background, so that the shell handles a signal immediately.
watch_push() { # seconds
  local status=0
  dead_letters watch --seconds "$1" --stall-seconds "$stall_seconds" --every "$([[ -n $PUBSUB_TOKEN ]] && echo 15 || echo 0.5)" &
  watching=$!
  wait "$watching" || status=$?
  watching=""
  return "$status"
}

# Returns 0 if no dead letter is left, 3 if some are left, 4 if the number is unknown and a pull must check.
push_once() { # seconds
  local status=0
  trap 'restore_pull; exit 130' INT TERM HUP
  trap restore_pull EXIT
  set_push || fail "$subscription could not be changed to push"
  echo "pushing to $dispatcher/replay" >&2
  watch_push "$1" || status=$?
  restore_pull
  return "$status"
}

replay_all() {
  [[ $dispatcher =~ ^https?://[^/]+ ]] || fail "replay-all needs --dispatcher URL (terraform output -raw dispatcher_uri)"
  [[ -n $account ]] || fail "replay-all needs --service-account EMAIL, the dispatcher's PUSH_SERVICE_ACCOUNT (terraform output service_accounts)"
  audience=${audience:-$dispatcher}
  echo "before: $(dead_letters count || true)"
  if [[ -n $dry_run ]]; then
    echo "would be run: gcloud pubsub subscriptions modify-push-config $subscription --push-endpoint=$dispatcher/replay --push-auth-service-account=$account --push-auth-token-audience=$audience"
    echo "and afterwards: gcloud pubsub subscriptions modify-push-config $subscription --push-endpoint="
    return
  fi
  local status=4 until=$((SECONDS + minutes * 60)) seconds=$((minutes * 60))
  # If there is no count, only a pull shows whether a dead letter is left. A push subscription cannot be pulled, so the
  # script changes it back to pull for each check.
  dead_letters count >/dev/null || seconds=$round
  while ((status == 4 && SECONDS < until)); do
    status=0
    push_once "$seconds" || status=$?
    if ((status == 4)) && dead_letters probe; then status=0; fi
  done
  echo "after: $(dead_letters count || true)"
  ((status == 0)) || fail "some dead letters are left; see \"replay_finished\" in the dispatcher's log. Run the command again to continue."
}

PYTHONPATH=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PYTHONPATH
read_options "$@"
read_gcloud_config
case "$command" in
  peek | replay | replay-jobs)
    dead_letters check
    # exec replaces this shell, so that signals reach Python.
    exec python3 -P -m scripts.dead_letters "$command" "$count" ${dry_run:+"$dry_run"} ${json:+"$json"} \
      --subscription "$subscription" --topic "$topic" --lease-seconds "$lease_seconds"
    ;;
  count) dead_letters count ;;
  stop) set_pull ;;
  replay-all)
    dead_letters check --pushed
    replay_all
    ;;
esac
