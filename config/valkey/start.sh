#!/bin/sh
# Starts the result store in a container with one user, whose password comes as a file in /run/secrets. Neither the
# password nor its hash is in the process list: the server reads its users from a file.
set -eu
umask 077

hash=$(printf %s "$(cat /run/secrets/results_password)" | sha256sum | cut -d ' ' -f 1)
# Warren's keys and channels, and nothing that reads or empties the whole store. INFO is for the metrics.
cat >/tmp/users.acl <<ACL
user default off
user results on #$hash ~celery-task-meta-* ~warren-* &celery-task-meta-* &warren-replies-* &warren-control-* +@all -@admin -@dangerous +info
ACL

# A file beside it holds what differs in production.
more=
[ -e /etc/valkey/production.conf ] && more='--include /etc/valkey/production.conf'
# shellcheck disable=SC2086 # two words or none
exec valkey-server /etc/valkey/valkey.conf --dir /data --aclfile /tmp/users.acl $more
