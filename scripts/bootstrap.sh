#!/usr/bin/env bash
# Prepares a Google Cloud project for the first `terraform apply`: the project itself, its billing account, the APIs that Terraform
# needs, Google's service agents, the bucket of Terraform's state, the account that rolls out, and the connection to GitHub.
#
#   scripts/bootstrap.sh --project=my-scraper --region=europe-west1 --billing-account=000000-000000-000000
#   scripts/bootstrap.sh --project=my-scraper --region=europe-west1 --github=OWNER/REPOSITORY
#
#   --project=ID             the project; it is created if it does not exist
#   --region=REGION          the region of the state's bucket and of the connection
#   --billing-account=ID     the billing account that pays; needed only as long as the project has none
#   --github=OWNER/NAME      also connect this repository to Cloud Build
#   --dry-run                print the commands that would change something, and run none of them
#   --remove                 after `terraform destroy`: delete what this script has made and what builds have left, but not the project
#
# Each part is looked up before it is made, so the script may be run again at any time: after an error, after an interruption, or to
# see that nothing is missing. The script needs gcloud, logged in as an owner of the project, and no other program but grep, sed and cut.
set -euo pipefail
export CLOUDSDK_CORE_DISABLE_PROMPTS=1 # a question would wait forever

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project='' region='' billing_account='' github='' dry_run='' remove='' is_missing='' project_number=PROJECT_NUMBER changes=0

fail() {
  echo "bootstrap: $*" >&2
  exit 1
}

# announce COMMAND...: prints a command that changes something, so that it can be copied.
announce() {
  changes=$((changes + 1))
  printf '+'
  printf ' %q' "$@"
  printf '\n'
}

# change COMMAND...: prints a command that changes something, and runs it unless this is a dry run.
change() {
  announce "$@"
  [[ -n $dry_run ]] || "$@" > /dev/null
}

# change_soon COMMAND...: like change, but tries for up to two minutes, because a new account is not known everywhere at once:
# https://cloud.google.com/iam/docs/access-change-propagation
change_soon() {
  announce "$@"
  [[ -n $dry_run ]] || retry "$@" > /dev/null
}

# look_up COMMAND...: prints the output of a command that only reads, or nothing if the project does not exist yet.
look_up() {
  [[ -n $is_missing ]] || "$@"
}

retry() {
  local attempt pause=${BOOTSTRAP_PAUSE:-15}
  for attempt in 1 2 3 4 5 6 7 8; do
    "$@" && return
    [[ $attempt == 8 ]] || { echo "bootstrap: trying again in $pause s" >&2 && sleep "$pause"; }
  done
  fail "gave up; run the same command again, which continues here"
}

parse() {
  local argument
  for argument in "$@"; do
    case $argument in
      --project=*) project=${argument#*=} ;;
      --region=*) region=${argument#*=} ;;
      --billing-account=*) billing_account=${argument#*=} ;;
      --github=*) github=${argument#*=} ;;
      --dry-run) dry_run=yes ;;
      --remove) remove=yes ;;
      --help) sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && exit ;;
      *) fail "unknown argument: $argument; scripts/bootstrap.sh --help lists all" ;;
    esac
  done
  [[ $project =~ ^[a-z][a-z0-9-]{4,28}[a-z0-9]$ ]] || fail "--project=ID must be 6 to 30 lower-case letters, digits and hyphens"
  [[ $region =~ ^[a-z]+-[a-z]+[0-9]+$ ]] || fail "--region=REGION must be a region, for example europe-west1"
  [[ -z $billing_account || $billing_account =~ ^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$ ]] ||
    fail "--billing-account=ID must have the form 000000-000000-000000; \`gcloud billing accounts list\` shows it"
  [[ -z $github || $github =~ ^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$ ]] || fail "--github must have the form OWNER/NAME"
  command -v gcloud > /dev/null || fail "gcloud is not installed: https://cloud.google.com/sdk/docs/install"
  [[ -n $(gcloud auth list --filter=status:ACTIVE --format='value(account)') ]] || fail "run \`gcloud auth login\` first"
}

ensure_project() {
  local state
  # Google does not tell a project that does not exist from one of somebody else, so only the attempt to create it shows which it is.
  if state=$(gcloud projects describe "$project" --format='value(projectNumber,lifecycleState)' 2> /dev/null); then
    [[ $state == *ACTIVE ]] || fail "the project $project is being deleted; \`gcloud projects undelete $project\` keeps it"
  else
    change gcloud projects create "$project" ||
      fail "the project $project was not created. If its id is in use, choose another one: ids are global. If it is yours," \
        "\`gcloud auth list\` shows whether you are logged in as its owner."
    if [[ -n $dry_run ]]; then
      is_missing=yes
      return
    fi
    state=$(gcloud projects describe "$project" --format='value(projectNumber,lifecycleState)')
  fi
  project_number=${state%%[!0-9]*}
}

ensure_billing() {
  local state
  state=$(look_up gcloud billing projects describe "$project" --format='value(billingEnabled,billingAccountName)')
  if [[ $state == True* ]]; then
    [[ -z $billing_account || $state == *"/$billing_account" ]] ||
      fail "the project $project is linked to ${state##*/}, not to $billing_account; leave out --billing-account to keep it"
    return
  fi
  [[ -n $billing_account ]] || fail "the project $project has no billing account; pass --billing-account=ID"
  change gcloud billing projects link "$project" --billing-account="$billing_account" ||
    fail "the project $project was not linked to $billing_account. Your account needs roles/billing.user on the billing account," \
      "and the billing account must have room for one more project."
}

# The APIs that `terraform apply` enables too: the service agents appear only after their API is enabled, and Terraform needs some of
# the others before it can enable any.
ensure_apis() {
  local enabled api missing=()
  enabled=$(look_up gcloud services list --enabled --project="$project" --format='value(config.name)')
  for api in artifactregistry bigquery cloudbuild cloudresourcemanager cloudscheduler containeranalysis containerscanning iam \
    iamcredentials logging monitoring pubsub run secretmanager serviceusage; do
    grep -qx "$api.googleapis.com" <<< "$enabled" || missing+=("$api.googleapis.com")
  done
  # At most 20 APIs can be enabled with one request:
  # https://cloud.google.com/service-usage/docs/reference/rest/v1/services/batchEnable
  ((${#missing[@]} == 0)) || change gcloud services enable "${missing[@]}" --project="$project"
}

# Google creates these accounts some time after it enables their API. A grant to an account that does not exist fails with status 400,
# which the provider does not repeat. The request creates the account at once, and does nothing if it exists.
ensure_agents() {
  local service
  for service in cloudbuild cloudscheduler pubsub run; do
    if [[ -n $dry_run ]]; then
      echo "+ gcloud beta services identity create --service=$service.googleapis.com --project=$project # does nothing if it exists"
    else
      retry gcloud beta services identity create --service="$service.googleapis.com" --project="$project" > /dev/null
    fi
  done
}

# Buckets have global names, so only a bucket that is listed in this project is ours: the state contains everything that is deployed.
ensure_state_bucket() {
  local bucket=$project-terraform found
  found=$(look_up gcloud storage buckets list --project="$project" \
    --format='value(name,versioning_enabled,uniform_bucket_level_access,public_access_prevention)')
  found=$(grep "^$bucket"$'\t' <<< "$found" || true)
  if [[ -z $found ]]; then
    change gcloud storage buckets create "gs://$bucket" --project="$project" --location="$region" \
      --uniform-bucket-level-access --public-access-prevention ||
      fail "the bucket gs://$bucket was not created. If its name is in use elsewhere, choose another project id."
    found="$bucket"$'\t'$'\t'True$'\t'enforced
  fi
  if [[ $(cut -f 2 <<< "$found") != True ]]; then
    change gcloud storage buckets update "gs://$bucket" --versioning
  fi
  if [[ $(cut -f 3,4 <<< "$found") != True$'\t'enforced ]]; then
    change gcloud storage buckets update "gs://$bucket" --uniform-bucket-level-access --public-access-prevention
  fi
}

# grant ROLE MEMBER: grants a role on the project. $policy contains the grants that exist, as lines of role and member.
grant() {
  grep -qxF "$1"$'\t'"$2" <<< "$policy" ||
    change_soon gcloud projects add-iam-policy-binding "$project" --member="$2" --role="$1" --condition=None --format=none
}

ensure_deployer() {
  local email=scrapeq-deployer@$project.iam.gserviceaccount.com role accounts own=''
  accounts=$(look_up gcloud iam service-accounts list --project="$project" --format='value(email)')
  if ! grep -qxF "$email" <<< "$accounts"; then
    change gcloud iam service-accounts create scrapeq-deployer --project="$project" --display-name="Rolls out Scrapeq"
  else
    own=$(gcloud iam service-accounts get-iam-policy "$email" --project="$project" --flatten='bindings[].members' \
      --format='value(bindings.role,bindings.members)')
  fi
  while read -r role _; do
    [[ $role != roles/* ]] || grant "$role" "serviceAccount:$email"
  done < "$here/deployer-roles.txt"
  # With this permission on itself, the account may be impersonated in the builds that it runs as, which are submitted by hand.
  grep -qxF "roles/iam.serviceAccountTokenCreator"$'\t'"serviceAccount:$email" <<< "$own" ||
    change_soon gcloud iam service-accounts add-iam-policy-binding "$email" --project="$project" \
      --member="serviceAccount:$email" --role=roles/iam.serviceAccountTokenCreator --format=none
}

# Cloud Build stores GitHub's token in Secret Manager, for which its service agent needs this role:
# https://cloud.google.com/build/docs/automating-builds/github/connect-repo-github?generation=2nd-gen
ensure_github() {
  local name=${github#*/} connection repositories
  grant roles/secretmanager.admin "serviceAccount:service-$project_number@gcp-sa-cloudbuild.iam.gserviceaccount.com"
  connection=$(look_up find_connection)
  if [[ -z $connection ]]; then
    change_soon gcloud builds connections create github scrapeq --region="$region" --project="$project"
    [[ -z $dry_run ]] || return 0
    connection=$(find_connection)
  fi
  if [[ $(cut -f 2 <<< "$connection") != COMPLETE ]]; then
    echo "bootstrap: open this page, allow Cloud Build to read $github, and run the same command again:"
    cut -f 3 <<< "$connection"
    exit 3
  fi
  repositories=$(gcloud builds repositories list --connection=scrapeq --region="$region" --project="$project" \
    --format='value(name.basename())')
  grep -qxF "$name" <<< "$repositories" ||
    change gcloud builds repositories create "$name" --remote-uri="https://github.com/$github.git" --connection=scrapeq \
      --region="$region" --project="$project"
}

# Prints the name, the stage and the page of the connection, or nothing.
find_connection() {
  local connections
  connections=$(gcloud builds connections list --region="$region" --project="$project" \
    --format='value(name.basename(),installationState.stage,installationState.actionUri)')
  grep $'^scrapeq\t' <<< "$connections" || true
}

# Fails if a state in a bucket of this project still has resources: without it, nobody could destroy them any more.
check_states() {
  local name names state
  names=$(gcloud storage objects list "gs://$project-terraform/**" --format='value(name)')
  for name in $names; do
    [[ $name == *.tfstate ]] || continue
    state=$(gcloud storage cat "gs://$project-terraform/$name")
    ! grep -q '"mode": *"managed"' <<< "$state" ||
      fail "gs://$project-terraform/$name still has resources; run \`terraform destroy\` before"
  done
}

# Triggers are gone with the stack; a connection can be deleted only without repositories. GitHub's token is in a secret.
remove_github() {
  local name names
  if [[ -n $(find_connection) ]]; then
    names=$(gcloud builds repositories list --connection=scrapeq --region="$region" --project="$project" --format='value(name.basename())')
    for name in $names; do
      change gcloud builds repositories delete "$name" --connection=scrapeq --region="$region" --project="$project"
    done
    change gcloud builds connections delete scrapeq --region="$region" --project="$project"
  fi
  names=$(gcloud secrets list --project="$project" --filter='name~scrapeq-github-oauthtoken' --format='value(name.basename())')
  for name in $names; do
    change gcloud secrets delete "$name" --project="$project"
  done
}

remove_everything() {
  local email=scrapeq-deployer@$project.iam.gserviceaccount.com role member accounts buckets bucket
  project_number=$(gcloud projects describe "$project" --format='value(projectNumber)')
  buckets=$(gcloud storage buckets list --project="$project" --format='value(name)')
  ! grep -qxF "$project-terraform" <<< "$buckets" || check_states
  remove_github
  while IFS=$'\t' read -r role member; do
    case "$role $member" in
      *" serviceAccount:$email" | "roles/secretmanager.admin serviceAccount:service-$project_number@gcp-sa-cloudbuild.iam.gserviceaccount.com")
        change gcloud projects remove-iam-policy-binding "$project" --member="$member" --role="$role" --condition=None --format=none
        ;;
    esac
  done <<< "$(project_policy)"
  accounts=$(gcloud iam service-accounts list --project="$project" --format='value(email)')
  ! grep -qxF "$email" <<< "$accounts" || change gcloud iam service-accounts delete "$email" --project="$project"
  # The state; the sources of submitted builds; the bills of materials, which gcloud stores for each location.
  for bucket in $buckets; do
    case $bucket in
      "$project-terraform" | "${project}_cloudbuild" | "${project}_${region}_cloudbuild" | artifactanalysis-*-"$project_number"*)
        change gcloud storage rm --recursive "gs://$bucket"
        ;;
    esac
  done
}

project_policy() {
  gcloud projects get-iam-policy "$project" --flatten='bindings[].members' --format='value(bindings.role,bindings.members)'
}

parse "$@"
if [[ -n $remove ]]; then
  remove_everything
else
  ensure_project
  ensure_billing
  ensure_apis
  ensure_agents
  ensure_state_bucket
  policy=$(look_up project_policy)
  ensure_deployer
  [[ -z $github ]] || ensure_github
fi

if [[ -n $dry_run ]]; then
  echo "bootstrap: a dry run; $changes commands would change something"
elif ((changes == 0)); then
  echo "bootstrap: everything is as it should be; nothing was changed"
else
  echo "bootstrap: done, with $changes changes"
fi
