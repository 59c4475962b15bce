#!/bin/sh
# Builds squad and installs it for the person who runs this: the binary, completions and manual pages.
#
#   ./install.sh               into $SQUAD_PREFIX (default ~/.local)
#   ./install.sh --demo        the same, then shows what squad does
#   ./install.sh --uninstall   stops the local platform and removes what was installed; what squad recorded stays
#
# It needs a Rust toolchain, never asks for more rights, and can be run again at any time.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
prefix=${SQUAD_PREFIX:-"$HOME/.local"}
data=${XDG_DATA_HOME:-"$HOME/.local/share"}
if [ -n "${SQUAD_PREFIX:-}" ]; then data=$prefix/share; fi
bin=$prefix/bin/squad
bash_completion=$data/bash-completion/completions/squad
zsh_completion=$data/zsh/site-functions/_squad
fish_completion=$data/fish/vendor_completions.d/squad.fish
pages=$data/man/man1

say() { printf '%s\n' "$*" >&2; }
fail() { say "install.sh: $*"; exit 1; }

usage() { sed -n '2,9s/^# \{0,1\}//p' "$0"; }

# Puts a file in place at once: whoever looks sees the old one or the new one. put <from> <to> <mode>
put() {
  mkdir -p "$(dirname "$2")" || fail "cannot make $(dirname "$2"): set SQUAD_PREFIX to a directory of yours"
  temporary=$2.new.$$
  cp "$1" "$temporary" || fail "cannot write $temporary"
  chmod "$3" "$temporary"
  mv -f "$temporary" "$2"
}

uninstall() {
  # What runs here would go on without anything to stop it with.
  if [ -x "$bin" ]; then
    if ! said=$("$bin" local stop --all 2>&1); then
      say "$said"
      fail "the local platform cannot be stopped, so nothing is removed (all the same: rm $bin)"
    fi
    case $said in
      *"nothing to stop"*) ;;
      *) say "stopped the local platform of all environments, with its services; what is deployed stays recorded" ;;
    esac
  fi
  removed=0
  for file in "$bin" "$bash_completion" "$zsh_completion" "$fish_completion" "$pages"/squad.1 "$pages"/squad-*.1; do
    if [ -e "$file" ]; then
      rm -f "$file"
      say "removed $file"
      removed=1
    fi
  done
  if [ $removed = 0 ]; then say "nothing is installed below $prefix"; fi
  say "kept: configuration and records (\${XDG_CONFIG_HOME:-~/.config}/squad, \${XDG_STATE_HOME:-~/.local/state}/squad)"
}

build() {
  command -v cargo >/dev/null 2>&1 || fail "a Rust toolchain is needed: see https://rustup.rs"
  say "building the release binary (a first build takes a few minutes)"
  cargo build --release --locked --bin squad --manifest-path "$here/Cargo.toml" >&2 \
    || fail "the build failed"
}

install_all() {
  target=${CARGO_TARGET_DIR:-"$here/target"}
  put "$target/release/squad" "$bin" 755
  say "installed $bin ($("$bin" --version))"
  put "$here/completions/squad.bash" "$bash_completion" 644
  put "$here/completions/_squad" "$zsh_completion" 644
  put "$here/completions/squad.fish" "$fish_completion" 644
  say "installed completions: $bash_completion"
  say "                       $zsh_completion"
  say "                       $fish_completion"
  # Pages of commands that are gone would stay for ever.
  rm -f "$pages"/squad.1 "$pages"/squad-*.1
  count=0
  for page in "$here"/docs/man/*.1; do
    put "$page" "$pages/$(basename "$page")" 644
    count=$((count + 1))
  done
  say "installed $count manual pages: $pages"
}

# What the person's shell does not know yet.
advise() {
  case :$PATH: in
    *":$prefix/bin:"*)
      found=$(command -v squad || true)
      if [ -n "$found" ] && [ "$found" != "$bin" ]; then
        say "note: another squad comes first on PATH: $found"
      fi
      ;;
    *) say "add it to PATH: export PATH=\"$prefix/bin:\$PATH\"" ;;
  esac
  case ${SHELL:-} in
    */zsh) say "zsh finds the completions with this before compinit: fpath=(\"$(dirname "$zsh_completion")\" \$fpath)" ;;
  esac
}

demo=0
case ${1:-} in
  '') ;;
  --demo) demo=1 ;;
  --uninstall) uninstall; exit 0 ;;
  -h | --help) usage; exit 0 ;;
  *) usage >&2; exit 2 ;;
esac
[ -n "${HOME:-}" ] || fail "HOME is not set"
build
install_all
advise
if [ $demo = 1 ]; then
  say ""
  exec "$bin" demo
fi
say "try it: squad demo"
