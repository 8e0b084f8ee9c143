#!/usr/bin/env bash
# Installs what tests/e2e/cluster.py starts: SLURM's servers and commands and munge, of Debian or Ubuntu. Their services
# stay off: the tests start processes of their own.
set -euo pipefail
lacking=()
for name in slurmctld slurmd munged; do
  PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v "$name" >/dev/null || lacking+=("$name")
done
command -v sbatch >/dev/null || lacking+=(sbatch)
[ ${#lacking[@]} -gt 0 ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing SLURM with apt-get ..."
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq >/dev/null
  # policy-rc.d keeps a package from starting its service.
  policy=/usr/sbin/policy-rc.d
  [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' > "$policy"; chmod +x "$policy"; trap 'rm -f "$policy"' EXIT; }
  apt-get install -y -qq --no-install-recommends slurmctld slurmd slurm-client munge >/dev/null
else
  echo "ERROR: ${lacking[*]} not installed; on Debian or Ubuntu: sudo apt-get install slurmctld slurmd slurm-client munge" >&2
  exit 1
fi
