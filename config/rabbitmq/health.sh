#!/bin/bash
# Exits 0 when RabbitMQ's own health check says that the node takes AMQP connections. Asked over HTTP, with what the image
# has: rabbitmq-diagnostics would start an Erlang machine each time, which costs a second of CPU.
set -eu
user=$(printf 'admin:%s' "$(cat /run/secrets/admin_password)" | base64 -w 0)
exec 3<>/dev/tcp/127.0.0.1/15672
printf 'GET /rabbitmq/api/health/checks/protocol-listener/amqp091 HTTP/1.0\r\nAuthorization: Basic %s\r\n\r\n' "$user" >&3
read -r status <&3
case $status in 'HTTP/1.'?' 200'*) ;; *) echo "$status"; exit 1 ;; esac
