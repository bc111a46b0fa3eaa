#!/bin/sh
# Starts the result store in a container with one user, whose password comes as a file in /run/secrets. Neither the
# password nor its hash is in the process list: the server reads its users from a file.
#
# With WARREN_STORE_NAME it is one of two servers that Sentinels watch, and WARREN_REPLICA_OF is whose replica it is at first. Then it
# keeps its configuration, and in it its role, in its volume.
set -eu
umask 077

password=$(cat /run/secrets/results_password)
hash=$(printf %s "$password" | sha256sum | cut -d ' ' -f 1)
# Warren's keys and channels, and nothing that reads or empties the whole store. INFO is for the metrics.
cat >/tmp/users.acl <<ACL
user default off
user results on #$hash ~celery-task-meta-* ~warren-* &celery-task-meta-* &warren-replies-* &warren-control-* +@all -@admin -@dangerous +info
ACL

# A file beside it holds what differs in production.
more=
[ -e /etc/valkey/production.conf ] && more='--include /etc/valkey/production.conf'
conf=/data/server.conf

if [ -z "${WARREN_STORE_NAME:-}" ]; then
  if [ -e $conf ] && grep -q '^replicaof ' $conf; then
    echo 'The latest results are those of valkey-replica, which took the place of this server: start with deploy/store-replica/compose.yaml, or remove /data/server.conf to begin with what is here.' >&2
    exit 1
  fi
  # shellcheck disable=SC2086 # two words or none
  exec valkey-server /etc/valkey/valkey.conf --dir /data --aclfile /tmp/users.acl $more
fi

# What the other server and the Sentinels need of this one, and nothing else.
cat >>/tmp/users.acl <<ACL
user replica on #$hash +psync +replconf +ping
user sentinel on #$hash allchannels +multi +exec +replicaof +slaveof +failover +ping +subscribe +publish +info +role +config|rewrite +client|setname +client|kill +script|kill
ACL
role=${WARREN_REPLICA_OF:+replicaof $WARREN_REPLICA_OF 6379}
[ -e $conf ] && role=$(grep '^replicaof ' $conf || true)
cat >$conf <<CONF
include /etc/valkey/valkey.conf
${more#--}
port 6379
dir /data
aclfile /tmp/users.acl
masteruser replica
masterauth $password
$role
CONF
exec valkey-server $conf
