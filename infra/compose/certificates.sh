#!/bin/sh
# Makes an authority, a certificate for Kafka and one for the Binnacle nodes in a folder, unless they are there. Each private key belongs to
# the one user who needs it: 1000 runs Kafka in its image, 65532 runs Binnacle in ours. The authority's own key is thrown away.
set -eu
cd "$1"
if [ -e complete ]; then exit 0; fi
umask 077

openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 -subj "/CN=Binnacle compose CA" \
  -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" \
  -keyout ca.key -out ca.crt

# issue <name> <subject alternative names>: <name>.key (PKCS #8) and <name>.crt
issue() {
  openssl req -new -newkey rsa:2048 -nodes -sha256 -subj "/CN=$1" -keyout "$1.key" -out "$1.csr"
  printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n' "$2" > "$1.ext"
  openssl x509 -req -sha256 -days 825 -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -extfile "$1.ext" -out "$1.crt"
  rm "$1.csr" "$1.ext"
}
issue kafka DNS:kafka,DNS:localhost,IP:127.0.0.1
issue binnacle DNS:binnacle

# Kafka reads its key, its certificate and the chain from one PEM file.
cat kafka.key kafka.crt ca.crt > kafka.pem
rm -f kafka.key ca.key ca.srl

chmod 755 .
chmod 444 ca.crt kafka.crt binnacle.crt
chmod 400 kafka.pem binnacle.key
chown 1000:1000 kafka.pem
chown 65532:65532 binnacle.key
touch complete
