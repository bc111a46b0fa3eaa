#!/bin/sh
# Starts a RabbitMQ node in a container with what must not stand in its environment: the Erlang cookie and the
# administrator's password. Both come as files in /run/secrets. Runs as root and hands over to the image's own entry
# point, which runs the server as the user rabbitmq.
set -eu
umask 077

cookie=/var/lib/rabbitmq/.erlang.cookie
rm -f "$cookie"
cp /run/secrets/erlang_cookie "$cookie"
chmod 400 "$cookie"
chown rabbitmq:rabbitmq "$cookie"

# The administrator alone, at each start, so that a changed password takes effect. The other users, the policies and the
# dead-letter queues follow once all nodes are there.
password=$(cat /run/secrets/admin_password)
case $password in
'' | *[!A-Za-z0-9._~-]*)
  echo 'admin_password must be one line of letters, digits, and . _ ~ -' >&2
  exit 1
  ;;
esac
admin=/tmp/admin.json
cat >"$admin" <<JSON
{"vhosts":[{"name":"/"}],
 "users":[{"name":"admin","password":"$password","tags":["administrator"]}],
 "permissions":[{"user":"admin","vhost":"/","configure":".*","write":".*","read":".*"}]}
JSON
chown rabbitmq:rabbitmq "$admin"

# The image says its version; Debian's package answers when asked.
sh /etc/warren/check-data.sh /var/lib/rabbitmq "${RABBITMQ_VERSION:-$(rabbitmqctl version 2>/dev/null || echo unknown)}"

# With TLS: the key is readable for nobody else on the host.
if [ -e /run/secrets/tls_key ]; then
  cp /run/secrets/tls_key /tmp/tls_key
  chmod 400 /tmp/tls_key
  chown rabbitmq:rabbitmq /tmp/tls_key
fi

exec docker-entrypoint.sh rabbitmq-server
