# Recipes only call cargo and scripts of the project: nothing needs `just`.

# What a change must pass.
ci:
    .ci/run

tour:
    cargo run --release -- tour

test *ARGS:
    cargo test --workspace {{ARGS}}

# Sets up Wine and std for Windows, then builds and tests there: docs/platforms.md.
windows:
    scripts/windows-setup
    .ci/windows

macos:
    .ci/macos

check:
    scripts/check

fmt:
    cargo fmt --all
