#!/usr/bin/env bash
# Finds the external programs, or installs them with the system's package manager when run as root.
set -euo pipefail
programs=(plink1.9 plink2 shapeit4 minimac4 beagle bcftools tabix)
missing=()
found() {
  command -v "$1" >/dev/null 2>&1 && return 0
  [ "$1" = plink1.9 ] && plink --version 2>/dev/null | grep -q 'PLINK v1.9' # bioconda's name for it
}
for program in "${programs[@]}"; do
  found "$program" || missing+=("$program")
done
[ ${#missing[@]} -eq 0 ] && exit 0
# Debian's package of each program bears the program's name.
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing ${missing[*]} with apt-get ..."
  export DEBIAN_FRONTEND=noninteractive
  if apt-get update -qq >/dev/null && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; then
    exit 0
  fi
  echo "apt-get could not install them." >&2
fi
cat >&2 <<TXT
ERROR: programs not found: ${missing[*]}
  Debian or Ubuntu:  sudo apt-get install ${missing[*]}
  without root:      conda env create -f envs/gcamccl.yaml && conda activate gcamccl
TXT
exit 1
