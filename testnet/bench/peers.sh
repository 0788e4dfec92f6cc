#!/bin/sh
# Installs the programs that testnet/bench compares with, from the distribution's own packages (Debian, Ubuntu), as root.
# None of them is left running: the benchmark starts its own in temporary folders and ends them.
set -eu
export DEBIAN_FRONTEND=noninteractive

# Services of the packages must not start with their installation.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi

apt-get update
for package in etcd-server postgresql orthanc syncthing iproute2; do
    apt-get install -y --no-install-recommends "$package" || echo "peers.sh: $package cannot be had here; its rows will be skipped" >&2
done
