#!/bin/sh
# Makes a certificate authority for trying TLS out, and with it one certificate for HAProxy and the nodes. For a test: a real
# authority keeps its key elsewhere. Usage: deploy/tls/make-test-ca.sh [FOLDER]
set -eu
folder=${1:-deploy/tls/certificates}
names='DNS:haproxy,DNS:rabbitmq-1,DNS:rabbitmq-2,DNS:rabbitmq-3,DNS:localhost,IP:127.0.0.1'
mkdir -p "$folder"
cd "$folder"
umask 077
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=Warren test authority' -keyout ca-key.pem -out ca.pem 2>/dev/null
openssl req -newkey rsa:2048 -nodes -subj '/CN=haproxy' -keyout key.pem -out request.pem 2>/dev/null
printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "$names" >extensions
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 30 -extfile extensions -out certificate.pem 2>/dev/null
rm -f request.pem extensions ca.srl
# Containers read these two as users of their own; the key is read by the nodes' entry point, as root.
chmod 644 ca.pem certificate.pem
echo "$folder: ca.pem, certificate.pem and key.pem"
