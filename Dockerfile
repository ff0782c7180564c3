# midaz as an image: one static program, an account without rights, nothing else.
#
#   docker build --build-arg VERSION=1.2.3 -t midaz .
#   docker run --rm -v "$PWD:/work" midaz validate
#   docker run --rm -v "$PWD:/work" -v /var/run/docker.sock:/var/run/docker.sock --group-add "$(stat -c %g /var/run/docker.sock)" midaz plan
#
# The program has no date, path or host in it: equal sources and toolchain give equal bytes. With
# SOURCE_DATE_EPOCH and --output type=oci,rewrite-timestamp=true so does the image.
# The target "ci" has a shell, git and ssh beside it, for pipelines and engines behind ssh.
ARG GO_IMAGE=golang:1.26.8-trixie
ARG CI_IMAGE=buildpack-deps:trixie-scm

FROM ${GO_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY cmd cmd
COPY engine engine
COPY resources resources
COPY schema schema
COPY specs specs
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report.Version=${VERSION}" -o /out/usr/local/bin/midaz ./cmd/midaz \
 && install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ca-certificates.crt \
 && printf 'midaz:x:65532:65532:midaz:/work:/usr/sbin/nologin\n' >/out/etc/passwd \
 && install -d -m 1777 /out/tmp \
 && install -d -m 0755 -o 65532 -g 65532 /out/work

FROM ${CI_IMAGE} AS ci
COPY --from=build /out/usr/local/bin/midaz /usr/local/bin/midaz
USER 65532:65532
WORKDIR /work

FROM scratch AS midaz
COPY --from=build /out/ /
ENV PATH=/usr/local/bin HOME=/work
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["midaz"]
