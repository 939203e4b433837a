#!/bin/sh
# Makes this machine a worker of a farm; run again, it brings the farm's code here up to date.
# VOICEFARM_HOME: where everything lands. VOICEFARM_PYTHON: the Python to use. pip heeds its own variables.
set -eu

FARM={{ url | shell }}
PIN={{ pin | shell }}
WHEEL={{ wheel | shell }}

say() {
    printf 'voicefarm: %s\n' "$*"
}

fail() {
    printf 'voicefarm: %s\n' "$*" >&2
    exit 1
}

fetch() {
    say "fetching $1 from $FARM"
    if [ -n "$PIN" ]; then
        curl -fsSk --pinnedpubkey "sha256//$PIN" -o "$2/$1" "$FARM/join/$1"
    else
        curl -fsS -o "$2/$1" "$FARM/join/$1"
    fi
}

fits() {
    "$1" -I -c 'import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null
}

# The first that runs: a shim may be on PATH without its Python, and Debian splits off venv.
find_python() {
    for python in "${VOICEFARM_PYTHON:-python3.12}" python3.12 python3.11 python3; do
        if command -v "$python" >/dev/null 2>&1 && fits "$python"; then
            printf '%s\n' "$python"
            return
        fi
    done
    fail "Python 3.11 or 3.12 with venv is missing. $(remedy)"
}

remedy() {
    case "$(uname -s) $(sed -n 's/^ID\(_LIKE\)\{0,1\}=//p' /etc/os-release 2>/dev/null | tr '\n"' '  ')" in
        Darwin*) echo "Run: brew install python@3.12" ;;
        *debian* | *ubuntu*) echo "Run: apt-get install python3 python3-venv; where that is another version: uv python install 3.12" ;;
        *fedora* | *rhel* | *centos*) echo "Run: dnf install python3.12" ;;
        *suse*) echo "Run: zypper install python312" ;;
        *) echo "Run: uv python install 3.12; then set VOICEFARM_PYTHON to what 'uv python find 3.12' says" ;;
    esac
}

home_folder() {
    if [ -n "${VOICEFARM_HOME:-}" ]; then
        printf '%s\n' "$VOICEFARM_HOME"
    elif [ "$(id -u)" = 0 ]; then
        echo /var/lib/voicefarm-worker
    else
        printf '%s\n' "$HOME/.local/share/voicefarm-worker"
    fi
}

# What people type there: it knows its home, and needs no environment to be entered.
write_command() {
    quoted=$(printf '%s\n' "$home" | sed "s/'/'\\\\''/g")
    cat >"$home/farm" <<END
#!/bin/sh
FARM_HOME='$quoted'
export FARM_HOME
exec '$quoted/venv/bin/farm' "\$@"
END
    chmod 755 "$home/farm"
}

pip() {
    "$home/venv/bin/python" -I -m pip --disable-pip-version-check "$@" </dev/null
}

join() {
    case "${1:-}" in
        fj1.*) token=$1 ;;
        *) fail "The token is missing. Copy the whole line from the dashboard's page of workers." ;;
    esac
    shift
    command -v curl >/dev/null 2>&1 || fail "curl is missing. Install it with your system's packages."
    python=$(find_python)
    home=$(home_folder)
    mkdir -p "$home"
    home=$(cd "$home" && pwd)
    say "this machine's farm lives in $home"

    if ! { fits "$home/venv/bin/python" && pip --version >/dev/null 2>&1; }; then
        say "making an environment with $python"
        "$python" -m venv --clear "$home/venv"
    fi
    fetched=$(mktemp -d "$home/fetched.XXXXXX")
    trap 'rm -rf "$fetched"' EXIT
    trap 'exit 130' INT TERM
    fetch "$WHEEL" "$fetched"
    fetch constraints.txt "$fetched"

    if nvidia-smi >/dev/null 2>&1; then
        extra=gpu,preview
        say "there is an NVIDIA card: installing PyTorch too, some 3 GB, which takes minutes"
    else
        extra=preview
        say "there is no NVIDIA card: installing the preview engine"
    fi
    pip install --quiet -c "$fetched/constraints.txt" "$fetched/${WHEEL}[$extra]"
    # Again, because pip keeps other code where the version is the same.
    pip install --quiet --no-deps --force-reinstall "$fetched/$WHEEL"
    rm -rf "$fetched"
    trap - EXIT INT TERM

    write_command
    say "joining; for this machine's workers there is $home/farm from now on"
    exec "$home/farm" join "$FARM" "$token" "$@"
}

umask 077
join "$@"
