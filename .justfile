# Short names for the usual things: https://just.systems

# List the recipes
default:
    @just --list

# Format, lints, and what compiles, in seconds
[group('dev')]
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    cargo test --lib --quiet

# All tests, or those whose name contains the filter
[group('test')]
test *filter:
    tests/run {{ filter }}

# All tests and every kill point
[group('test')]
full:
    tests/run --full

# Measure the figures and write docs/performance.md
[group('test')]
bench *names:
    tests/bench/run --write {{ names }}

# Rewrite what is generated: completions, manual pages, reference, tables, schemas, pinned renders
[group('dev')]
gen:
    SNAPSHOTS=overwrite cargo test --test it -- generated schema renders

# Build, install and try it
[group('dev')]
demo:
    ./install.sh --demo
