#!/usr/bin/env bash
# Run tests/containers with podman, as root, on a Debian machine that can pull no image.
#
#   apt-get install podman buildah runc iptables netavark aardvark-dns debootstrap && pip install podman-compose
#   tests/containers/podman.sh [FOLDER [OPTION OF PYTEST …]]
#
# debootstrap makes two small Debians: one with Python 3.11, which stands in for python:3.11-slim, and one for the images
# of PostgreSQL and Prometheus, which Debian's packages stand in for (stand-ins/). All images and containers lie below
# FOLDER (about 25 GB; podman's own stay untouched) and are removed at the end; KEEP=1 keeps the images. Where the kernel
# has no overlay file system, STORAGE_DRIVER=vfs does it with a whole copy of each layer: several times as much.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(realpath --canonicalize-missing "${1:-${TMPDIR:-/tmp}/dpr-podman}")
python=${PYTHON:-.venv/bin/python}
mkdir -p "$folder"

# Neither systemd nor user namespaces are needed: virtual machines often have none.
cat > "$folder/storage.conf" <<CONF
[storage]
driver = "${STORAGE_DRIVER:-overlay}"
graphroot = "$folder/storage"
runroot = "$folder/run"
CONF
cat > "$folder/containers.conf" <<CONF
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
network_config_dir = "$folder/networks"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
CONF
export CONTAINERS_STORAGE_CONF=$folder/storage.conf CONTAINERS_CONF=$folder/containers.conf
export BUILDAH_ISOLATION=chroot
export BUILDAH_FORMAT=docker # images of the OCI format have no HEALTHCHECK

clean_up() {
    podman rm --all --force --time 0 > /dev/null
    [ -n "${KEEP:-}" ] || rm -rf "$folder"
}
trap clean_up EXIT

# Make a base image: its name, the release of Debian, and packages.
make_base() {
    podman image exists "$1" && return
    debootstrap --variant=minbase --include="ca-certificates${3:+,$3}" "$2" "$folder/base"
    rm -rf "$folder"/base/var/cache/apt/* "$folder"/base/var/lib/apt/lists/*
    tar --create --directory "$folder/base" . | podman import - "$1"
    rm -rf "$folder/base"
}
make_base python:3.11-slim bookworm python3-venv,python-is-python3
make_base debian:trixie-slim trixie
stand_ins=tests/containers/stand-ins
for name in prom/prometheus:prometheus pgvector/pgvector:postgres; do
    image=$(sed -n "s|^ *image: \(${name%:*}:.*\)|docker.io/\1|p" docker-compose.yml)
    podman build --file "$stand_ins/${name#*:}.Dockerfile" --tag "$image" "$stand_ins"
done

# What pip knows here of package indexes and certificates it must know in the build too: its settings, what they name.
build_options=()
while read -r path; do
    [ ! -e "$path" ] || build_options+=("--volume=$path:$path:ro")
done < <(
    "$python" -m pip config debug | sed -n 's/^ *\(\/.*\), exists: True$/\1/p'
    "$python" -m pip config list | grep -oE "/[^' ]+" | sed 's|^//\(/.*\)/simple/*$|\1|' | sort --unique
)
# An index that cannot be reached would be asked in vain for every package, again and again.
if [ -n "${TORCH_INDEX:-}" ] || ! curl --silent --fail --output /dev/null https://download.pytorch.org/whl/cpu/; then
    build_options+=("--build-arg=TORCH_INDEX=${TORCH_INDEX:-https://pypi.org/simple}")
fi

# Beside a read-only root, podman gives each container a writable /run and /var/tmp, unless it is told not to.
export DPR_TEST_COMPOSE="podman-compose --podman-run-args=--read-only-tmpfs=false --podman-build-args='${build_options[*]}'"
"$python" -m pytest -m slow tests/containers -rA "${@:2}"
