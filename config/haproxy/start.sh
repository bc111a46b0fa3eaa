#!/bin/sh
# Starts HAProxy in a container. The administrator's password comes as a file; HAProxy takes it from its environment, which
# neither the process list nor the description of the container shows.
set -eu
WARREN_ADMIN_PASSWORD=$(cat /run/secrets/admin_password)
WARREN_HEALTH_USER=admin:$WARREN_ADMIN_PASSWORD
export WARREN_ADMIN_PASSWORD WARREN_HEALTH_USER
set -- -f /usr/local/etc/haproxy/haproxy.cfg
for extra in /usr/local/etc/haproxy/extra/*.cfg; do
  if [ -e "$extra" ]; then set -- "$@" -f "$extra"; fi
done
exec haproxy -W -db "$@"
