#!/bin/sh
# Makes the image that every recipe beside this file starts FROM: Debian 13 with a
# package configuration that works inside `docker build` on this machine.
#
#   specs/debian/base.sh            make it unless it is there and up to date
#   specs/debian/base.sh --force    make it again
#
# Taken from debian:SUITE-slim where the engine has it or a registry answers in time,
# otherwise bootstrapped from the distribution's packages (needs root).
#
#   MIDAZ_BASE_SUITE        Debian's suite                 (trixie)
#   MIDAZ_BASE_IMAGE        tag to make                    (midaz-debian/base:SUITE)
#   MIDAZ_DEBIAN_MIRROR     mirror to bootstrap from       (debootstrap's own choice)
#   MIDAZ_REGISTRY_TIMEOUT  seconds a registry may take, 0 never asks one  (40)
set -eu

suite=${MIDAZ_BASE_SUITE:-trixie}
image=${MIDAZ_BASE_IMAGE:-midaz-debian/base:$suite}
upstream=debian:$suite-slim
registry_timeout=${MIDAZ_REGISTRY_TIMEOUT:-40}
label=midaz.debian.base

say() { printf 'base: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

force=no
[ "${1:-}" != --force ] || force=yes

command -v docker >/dev/null 2>&1 || die "no docker client: install it from the distribution (docker.io, docker-cli)"
docker version >/dev/null 2>&1 || die "no Docker Engine answers: start one, or set DOCKER_HOST"

# What the image depends on: this script, and the machine's way to the packages.
package_access() {
	# Proxies and clock tolerance of this machine's apt, when it has one. Proxies that
	# carry a login stay out: an image is no place for it.
	if command -v apt-config >/dev/null 2>&1; then
		apt-config dump 2>/dev/null |
			grep -iE '^Acquire::((https?|ftp)::Proxy|Check-(Valid-Until|Date)) ' |
			grep -v '@' || true
	fi
	for scheme in http https; do
		value=$(eval "printf '%s' \"\${${scheme}_proxy:-}\"")
		case $value in
		'') ;;
		*@*) say "${scheme}_proxy carries a login and is not copied into the image" ;;
		*) printf 'Acquire::%s::Proxy "%s";\n' "$scheme" "$value" ;;
		esac
	done
}
access=$(package_access)
digest=$( (cat "$0"; printf '%s\n' "$access" "${MIDAZ_DEBIAN_MIRROR:-}") | sha256sum | cut -c1-16)

have=$(docker image inspect --format "{{ index .Config.Labels \"$label\" }}" "$image" 2>/dev/null || true)
if [ "$force" = no ] && [ "$have" = "$digest" ]; then
	say "$image is up to date"
	exit 0
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/midaz-base.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# configure ROOT: settings for packages and builds, the same on both ways.
configure() {
	mkdir -p "$1/etc/apt/apt.conf.d" "$1/etc/dpkg/dpkg.cfg.d" "$1/usr/sbin"
	printf '%s\n' "$access" >"$1/etc/apt/apt.conf.d/90midaz-access"
	cat >"$1/etc/apt/apt.conf.d/91midaz-lean" <<'CONF'
APT::Install-Recommends "false";
APT::Install-Suggests "false";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
CONF
	cat >"$1/etc/dpkg/dpkg.cfg.d/91midaz-lean" <<'CONF'
force-unsafe-io
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/lintian/*
CONF
	# Packages must not start their daemons while an image is built.
	printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
	chmod 0755 "$1/usr/sbin/policy-rc.d"
	# Authorities this machine trusts beside the usual ones, such as a proxy's.
	if ls /usr/local/share/ca-certificates/*.crt >/dev/null 2>&1; then
		mkdir -p "$1/usr/local/share/ca-certificates"
		cp /usr/local/share/ca-certificates/*.crt "$1/usr/local/share/ca-certificates/"
	fi
}

from_registry() {
	if ! docker image inspect "$upstream" >/dev/null 2>&1; then
		[ "$registry_timeout" -gt 0 ] || return 1
		say "asking a registry for $upstream (at most $registry_timeout s)"
		timeout "$registry_timeout" docker pull -q "$upstream" >/dev/null 2>&1 || return 1
	fi
	configure "$work/context/root"
	cat >"$work/context/Dockerfile" <<RECIPE
FROM $upstream
COPY root/ /
LABEL $label=$digest
RECIPE
	DOCKER_BUILDKIT=0 docker build -q -t "$image" "$work/context" >/dev/null
}

# from_packages [this script's arguments]
from_packages() {
	if [ "$(id -u)" != 0 ]; then
		sudo -n true 2>/dev/null || die "no registry answered, and bootstrapping Debian needs root: run this with sudo"
		rm -rf "$work"
		exec sudo -n -E MIDAZ_REGISTRY_TIMEOUT=0 "$0" "$@"
	fi
	if ! command -v debootstrap >/dev/null 2>&1; then
		command -v apt-get >/dev/null 2>&1 || die "no registry answered: install debootstrap"
		say "installing debootstrap"
		apt-get install -qq -y --no-install-recommends debootstrap >"$work/log" 2>&1 ||
			{ apt-get update -qq && apt-get install -qq -y --no-install-recommends debootstrap; } >"$work/log" 2>&1 ||
			{ cat "$work/log" >&2; die "debootstrap could not be installed"; }
	fi
	# An older debootstrap does not know this suite by name; all of them share one script.
	script=$suite
	[ -e "/usr/share/debootstrap/scripts/$suite" ] || script=/usr/share/debootstrap/scripts/sid
	set -- "$suite" "$work/root"
	[ -z "${MIDAZ_DEBIAN_MIRROR:-}" ] && [ "$script" = "$suite" ] || set -- "$@" "${MIDAZ_DEBIAN_MIRROR:-}"
	[ "$script" = "$suite" ] || set -- "$@" "$script"

	say "bootstrapping Debian $suite from packages (about half a minute)"
	debootstrap --variant=minbase --include=ca-certificates "$@" >"$work/log" 2>&1 ||
		{ tail -n 20 "$work/log" >&2; die "debootstrap did not finish"; }
	configure "$work/root"
	# Fixes published after the release, from the same mirror, where it has them.
	mirror=$(sed -n "s/^deb  *\\([^ ]*\\) *$suite .*/\\1/p" "$work/root/etc/apt/sources.list" | head -n 1)
	mirror=${mirror%/}
	for line in "$mirror $suite-updates" "$mirror-security $suite-security"; do
		if chroot "$work/root" /usr/lib/apt/apt-helper download-file \
			"${line% *}/dists/${line#* }/InRelease" /tmp/InRelease >/dev/null 2>&1; then
			printf 'deb %s main\n' "$line" >>"$work/root/etc/apt/sources.list"
		fi
		rm -f "$work/root/tmp/InRelease"
	done
	rm -rf "$work/root"/var/cache/apt/archives/*.deb "$work/root"/var/lib/apt/lists/* \
		"$work/root"/var/cache/apt/*.bin "$work/root"/usr/share/doc/*/changelog* \
		"$work/root"/usr/share/man/* "$work/root"/usr/share/locale/* "$work/root"/var/log/*.log
	: >"$work/root/etc/resolv.conf"
	rm -f "$work/root/etc/hostname"
	tar -C "$work/root" --numeric-owner --one-file-system -c . |
		docker import --change "LABEL $label=$digest" --change 'CMD ["/bin/bash"]' \
			--change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
			--message "Debian $suite by debootstrap" - "$image" >/dev/null
}

mkdir -p "$work/context"
if from_registry; then
	say "$image made from $upstream"
else
	from_packages "$@"
	say "$image made from the distribution's packages"
fi
