# syntax=docker/dockerfile:1
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o /ragproxy ./cmd/ragproxy && mkdir /data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /ragproxy /usr/bin/ragproxy
COPY --from=build --chown=nonroot:nonroot /data /data
ENV RAGPROXY_DATA_DIR=/data RAGPROXY_LISTEN=0.0.0.0:8080
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/usr/bin/ragproxy", "healthcheck"]
ENTRYPOINT ["/usr/bin/ragproxy"]
CMD ["serve"]
