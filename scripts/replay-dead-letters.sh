#!/usr/bin/env bash
# Replays dead letters with gcloud and Python, nothing else. docs/how-to/runbook.md#replay has the same by hand.
set -euo pipefail

usage() {
  cat <<'USAGE'
usage: scripts/replay-dead-letters.sh COMMAND [options]

  peek N         show N dead letters and leave them where they are (--json: one message a line)
  replay N       make jobs of N dead letters again: publish, wait for the id, then acknowledge
  replay-all     have Pub/Sub push all of them to the dispatcher's /replay, then go back to pull
                 needs --dispatcher URL and --service-account EMAIL, the account that it hears
  count          say how many there are, and who counted
  stop           go back to pull, after a replay-all that was killed

  --dry-run                change nothing, say what would be done
  --project ID             default: gcloud's
  --subscription NAME      of the dead letters (scrape-jobs-dead-pull)
  --topic NAME             of the jobs (scrape-jobs)
  --lease-seconds N        peek and replay: how long letters are kept from others, 10 to 600 (60)
  --audience TEXT          replay-all: the dispatcher's PUSH_AUDIENCE (its URL)
  --minutes N              replay-all: ends after so long, complete or not (45)
  --patience-seconds N     replay-all: ends when the letters grow no fewer for so long (600)
  --round-seconds N        replay-all: pushes so long between two looks, where nobody counts (60)
USAGE
}

fail() {
  echo "replay-dead-letters: $*" >&2
  exit 1
}

read_options() {
  project="" subscription=scrape-jobs-dead-pull topic=scrape-jobs lease_seconds=60 dispatcher="" account="" audience=""
  minutes=45 patience=600 round=60 dry_run="" json="" command="" count=""
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
          --patience-seconds) patience=$(number "$1" "$2" 1 3600) ;;
          --round-seconds) round=$(number "$1" "$2" 1 600) ;;
        esac
        shift
        ;;
      -*) fail "there is no option $1; try --help" ;;
      *)
        if [[ -z $command ]]; then command=$1; elif [[ -z $count ]]; then count=$1; else fail "what is $1? try --help"; fi
        ;;
    esac
    shift
  done
  case "$command" in
    peek | replay) count=$(number "$command" "${count:-none}" 1 10000000) ;;
    replay-all | count | stop) [[ -z $count ]] || fail "$command takes no number" ;;
    "") usage >&2 && exit 2 ;;
    *) fail "there is no command $command; try --help" ;;
  esac
}

number() { # name, value, least, most
  [[ $2 =~ ^[0-9]{1,8}$ ]] || fail "$1 needs a number from $3 to $4 (got $2)"
  ((10#$2 >= $3 && 10#$2 <= $4)) || fail "$1 needs a number from $3 to $4 (got $2)"
  echo "$((10#$2))"
}

# Everything that gcloud knows: the account, and where it is told that Pub/Sub is.
ask_gcloud() {
  command -v gcloud >/dev/null || fail "gcloud is not installed: https://cloud.google.com/sdk/docs/install"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || fail "python3 is not there, or older than 3.11"
  local known disabled
  known=$(gcloud config list --format='csv[no-heading,separator="|"](core.project,auth.disable_credentials,api_endpoint_overrides.pubsub,api_endpoint_overrides.monitoring)') \
    || fail "gcloud does not say how it is configured"
  IFS='|' read -r PUBSUB_PROJECT disabled PUBSUB_ENDPOINT MONITORING_ENDPOINT <<<"$known"
  PUBSUB_PROJECT=${project:-$PUBSUB_PROJECT}
  [[ -n $PUBSUB_PROJECT ]] || fail "which project? gcloud config set project ID, or --project ID"
  PUBSUB_TOKEN=""
  if ! [[ $disabled =~ ^([Tt]rue|1|[Yy]es|on)$ ]]; then
    PUBSUB_TOKEN=$(gcloud auth print-access-token --quiet) || fail "gcloud has no account: gcloud auth login"
  fi
  export PUBSUB_PROJECT PUBSUB_ENDPOINT MONITORING_ENDPOINT PUBSUB_TOKEN
}

letters() {
  python3 -P -m scripts.dead_letters "$@" --subscription "$subscription" --topic "$topic" --lease-seconds "$lease_seconds"
}

push_config() {
  gcloud pubsub subscriptions modify-push-config "$subscription" --project "$PUBSUB_PROJECT" --quiet "$@"
}

to_push() {
  push_config --push-endpoint="$dispatcher/replay" --push-auth-service-account="$account" --push-auth-token-audience="$audience"
}

to_pull() {
  local try
  for try in 1 2 3; do
    if push_config --push-endpoint=; then return 0; fi # a bare return in a trap returns what the trap interrupted
    sleep "$try"
  done
  fail "$subscription still pushes. Put it back: gcloud pubsub subscriptions modify-push-config $subscription --project $PUBSUB_PROJECT --push-endpoint="
}

# What must not be interrupted: whoever asked for the end waits for it.
put_back() {
  trap '' INT TERM HUP
  trap - EXIT
  [[ -z ${watching:-} ]] || kill "$watching" 2>/dev/null || true
  to_pull
  trap - INT TERM HUP
}

# In the background, so that a signal is heard at once.
watch_push() { # seconds
  local status=0
  letters watch --seconds "$1" --patience "$patience" --every "$([[ -n $PUBSUB_TOKEN ]] && echo 15 || echo 0.5)" &
  watching=$!
  wait "$watching" || status=$?
  watching=""
  return "$status"
}

# Returns 0 once none is left, 3 where some are, 4 where a pull has to tell.
push_once() { # seconds
  local status=0
  trap 'put_back; exit 130' INT TERM HUP
  trap put_back EXIT
  to_push || fail "$subscription was not made to push"
  echo "pushing to $dispatcher/replay" >&2
  watch_push "$1" || status=$?
  put_back
  return "$status"
}

replay_all() {
  [[ $dispatcher =~ ^https?://[^/]+ ]] || fail "replay-all needs --dispatcher URL (terraform output -raw dispatcher_uri)"
  [[ -n $account ]] || fail "replay-all needs --service-account EMAIL, the dispatcher's PUSH_SERVICE_ACCOUNT (terraform output service_accounts)"
  audience=${audience:-$dispatcher}
  echo "before: $(letters count || true)"
  if [[ -n $dry_run ]]; then
    echo "would be run: gcloud pubsub subscriptions modify-push-config $subscription --push-endpoint=$dispatcher/replay --push-auth-service-account=$account --push-auth-token-audience=$audience"
    echo "and, once none is left: gcloud pubsub subscriptions modify-push-config $subscription --push-endpoint="
    return
  fi
  local status=4 until=$((SECONDS + minutes * 60)) seconds=$((minutes * 60))
  # Where nobody counts, a pull tells whether any is left, and there is none while the subscription pushes.
  letters count >/dev/null || seconds=$round
  while ((status == 4 && SECONDS < until)); do
    status=0
    push_once "$seconds" || status=$?
    if ((status == 4)) && letters look; then status=0; fi
  done
  echo "after: $(letters count || true)"
  ((status == 0)) || fail "some letters are left; the dispatcher's log says why (\"replay_finished\"). Run it again to go on."
}

PYTHONPATH=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PYTHONPATH
read_options "$@"
ask_gcloud
case "$command" in
  peek | replay)
    letters check
    # In the place of this shell, so that signals reach it.
    exec python3 -P -m scripts.dead_letters "$command" "$count" ${dry_run:+"$dry_run"} ${json:+"$json"} \
      --subscription "$subscription" --topic "$topic" --lease-seconds "$lease_seconds"
    ;;
  count) letters count ;;
  stop) to_pull ;;
  replay-all)
    letters check --pushed
    replay_all
    ;;
esac
