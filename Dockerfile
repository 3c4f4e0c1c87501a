# syntax=docker/dockerfile:1
# One static binary on an image that has certificates, time zones and no
# shell. Root may be read-only: all that is written is below /data.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
# .git is among it: the toolchain stamps `ragproxy version` from there.
COPY . .
ARG TARGETOS TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags '-s -w' -o /out/ragproxy ./cmd/ragproxy \
    && mkdir /out/data

FROM gcr.io/distroless/static-debian13:nonroot
COPY --from=build /out/ragproxy /usr/bin/ragproxy
COPY --from=build --chown=65532:65532 /out/data /data
# A file in /etc/ragproxy/ragproxy.yaml is read. The cache holds the PDF reader
# as machine code.
ENV RAGPROXY_DATA_DIR=/data RAGPROXY_LISTEN=0.0.0.0:8080 XDG_CONFIG_HOME=/etc XDG_CACHE_HOME=/data/cache
WORKDIR /data
VOLUME /data
EXPOSE 8080
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/usr/bin/ragproxy", "healthcheck"]
ENTRYPOINT ["/usr/bin/ragproxy"]
CMD ["serve"]
