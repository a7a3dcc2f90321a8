# What all benchmarks begin with; they source it. It measures nothing.
cd "$(dirname "$0")/../.."

# Installs these with apt-get where they are missing.
need() {
    missing=
    for program; do
        PATH="$PATH:/usr/sbin" command -v "$program" >/dev/null || missing="$missing $program"
    done
    [ -z "$missing" ] || fetch $missing
}

# The same for a program that has another name than its package: the package, the program.
need_of() {
    PATH="$PATH:/usr/sbin" command -v "$2" >/dev/null || fetch "$1"
}

fetch() {
    as_root=
    [ "$(id -u)" = 0 ] || as_root=sudo
    $as_root apt-get update -qq
    # No service is to start with the packages: a benchmark runs its own processes.
    $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "$@" >&2
}

# Builds everything and becomes this program.
begin() {
    program="$1"
    shift
    # The host on its own: built with others it could get features that the shipped binary does not have.
    # As it is shipped: some minutes the first time.
    [ -n "${TRIMTAB_BIN:-}" ] || cargo build --profile dist --quiet --package trimtab
    cargo build --release --quiet --package trimtab-tests --bins
    folder="${CARGO_TARGET_DIR:-$PWD/target}"
    PATH="$PATH:/usr/sbin" TRIMTAB_BIN="${TRIMTAB_BIN:-$folder/dist/trimtab}" exec "$folder/release/$program" "$@"
}
