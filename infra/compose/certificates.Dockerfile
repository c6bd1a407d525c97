FROM alpine:3.22
RUN apk add --no-cache openssl
COPY certificates.sh /certificates.sh
ENTRYPOINT ["/bin/sh", "/certificates.sh", "/certificates"]
