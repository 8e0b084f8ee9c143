#!/usr/bin/env bash
# Steps of envs/Dockerfile and envs/gcamccl.def, as root in Debian 12: packages | python
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
case ${1:-} in
  packages)
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends \
      python3 python3-venv git ca-certificates procps \
      plink1.9 plink2 shapeit4 minimac4 beagle bcftools tabix slurm-client munge
    rm -rf /var/lib/apt/lists/*
    ;;
  python)
    cd "$here/.."
    rm -rf .venv results .snakemake
    envs/install_python.sh .venv python3
    git config --system --add safe.directory "$PWD" # its commit goes into records, whoever runs it
    chmod -R a+rX .
    ;;
  *)
    echo "usage: envs/install_image.sh packages | python" >&2
    exit 2
    ;;
esac
