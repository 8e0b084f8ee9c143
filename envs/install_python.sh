#!/usr/bin/env bash
# Makes the virtual environment with the exact versions of requirements.lock.
# usage: envs/install_python.sh VENV_FOLDER [PYTHON]
set -euo pipefail
venv=$1
python=${2:-python3}
# scipy and antspyx of requirements.lock have wheels up to 3.13.
if ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
  echo "ERROR: $python is missing or not Python 3.11, 3.12 or 3.13; name another: make PYTHON=/path/to/python3.11" >&2
  exit 1
fi
version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
lacking=()
# Debian and Ubuntu ship venv and pip's bootstrap in a package of their own.
"$python" -c 'import ensurepip, venv' 2>/dev/null || lacking+=("$version-venv")
# pandas-plink has no wheel: it is compiled.
command -v gcc >/dev/null 2>&1 || command -v cc >/dev/null 2>&1 || lacking+=(gcc libc6-dev)
header=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h
[ -e "$header" ] || lacking+=("$version-dev")
if [ ${#lacking[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing ${lacking[*]} with apt-get ..."
    apt-get update -qq >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${lacking[@]}" >/dev/null
  else
    echo "ERROR: lacking on this machine; on Debian or Ubuntu: sudo apt-get install ${lacking[*]}" >&2
    exit 1
  fi
fi
[ -x "$venv/bin/pip" ] || "$python" -m venv "$venv"
pip=("$venv/bin/pip" --quiet --quiet --disable-pip-version-check)
"${pip[@]}" install --requirement requirements.lock
"${pip[@]}" install --no-deps --editable .
# Compiled once here, so that no job compiles again. Some packages ship files for other Python versions: not an error.
"$venv/bin/python" -m compileall -q "$venv/lib" src >/dev/null 2>&1 || true
