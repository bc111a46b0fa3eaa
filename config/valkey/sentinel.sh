#!/bin/sh
# Starts a Sentinel in a container. It keeps what it learns (who is the primary, who else watches) in its volume; only the
# password, which comes as a file in /run/secrets, is written anew at each start.
set -eu
umask 077
conf=/data/sentinel.conf

# A server that is silent for 5 s is down, when two of three say so.
[ -e $conf ] || cat >$conf <<CONF
port 26379
dir /tmp
sentinel monitor results $WARREN_STORE_ADDRESS 6379 2
sentinel down-after-milliseconds results 5000
sentinel failover-timeout results 15000
CONF
grep -v '^sentinel auth-' $conf >/tmp/sentinel.conf
cat >>/tmp/sentinel.conf <<CONF
sentinel auth-user results sentinel
sentinel auth-pass results $(cat /run/secrets/results_password)
CONF
cat /tmp/sentinel.conf >$conf
rm /tmp/sentinel.conf
exec valkey-server $conf --sentinel
