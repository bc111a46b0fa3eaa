#!/bin/bash
# Exits 0 when the node listens for AMQP, which it does last, and RabbitMQ's own health check says that its virtual hosts run.
# Asked over HTTP, with what the image has: rabbitmq-diagnostics would start an Erlang machine each time, for a second of CPU.
set -eu
exec 4<>/dev/tcp/127.0.0.1/5672
exec 4>&-
user=$(printf 'admin:%s' "$(cat /run/secrets/admin_password)" | base64 -w 0)
exec 3<>/dev/tcp/127.0.0.1/15672
printf 'GET /rabbitmq/api/health/checks/virtual-hosts HTTP/1.0\r\nAuthorization: Basic %s\r\n\r\n' "$user" >&3
read -r status <&3
case $status in 'HTTP/1.'?' 200'*) ;; *) echo "$status"; exit 1 ;; esac
