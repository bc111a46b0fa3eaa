#!/bin/sh
# Refuses to start a version of RabbitMQ that cannot read the existing data, with a sentence that explains the upgrade.
# RabbitMQ itself would start and lose the messages in the queues (seen from 4.0.5 to 4.3.6).
#
#   check-data.sh DATA VERSION       e.g. /var/lib/rabbitmq 4.3.6
#
# From 4.3 on RabbitMQ keeps its metadata in Khepri alone, and takes over only data of a node that had `khepri_db` on, which
# 4.2 can turn on. What a node has turned on is in the file <node>-feature_flags beside its data. The version that wrote the data
# is noted in a file, for the time when that flag is in no list any more.
set -eu
data=$1
version=$2
note=$data/.warren-rabbitmq-version

refuse() {
  echo "Not starting RabbitMQ $version on this volume: $1" >&2
  exit 1
}
# 4.3.6 → 4003, to compare.
number() {
  major=${1%%.*}
  rest=${1#*.}
  minor=${rest%%.*}
  case $major$minor in '' | *[!0-9]*) echo 0 ;; *) echo $((major * 1000 + minor)) ;; esac
}

now=$(number "$version")
[ "$now" -gt 0 ] || { echo "RabbitMQ's version is $version: its data is not checked" >&2; exit 0; }

flags=
for file in "$data"/mnesia/*-feature_flags; do
  [ -e "$file" ] && flags="$flags $(cat "$file")"
done
if [ -n "$flags" ]; then
  before=
  [ -e "$note" ] && before=$(cat "$note")
  was=$(number "${before:-0.0}")
  if [ "$was" -gt "$now" ]; then
    refuse "its data is of RabbitMQ $before, and RabbitMQ has no way back. Take the image of that version again, or start on new volumes (docker compose down -v)."
  fi
  case $flags in *khepri_db*) khepri=yes ;; *) khepri=no ;; esac
  if [ "$now" -ge 4003 ] && [ "$was" -lt 4003 ] && [ $khepri = no ]; then
    refuse "its data is of RabbitMQ ${before:-4.2 or older}, without the feature flag khepri_db, and would be lost. Start it with RabbitMQ 4.2 first, run rabbitmqctl enable_feature_flag all and rabbitmqctl enable_feature_flag khepri_db, then come back; or empty the queues and start on new volumes (docker compose down -v)."
  fi
fi
printf '%s\n' "$version" >"$note"
