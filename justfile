# Recipes only call cargo and scripts of the project: nothing needs `just`.

# What a change must pass.
ci:
    .ci/run

tour:
    cargo run --release -- tour

test *ARGS:
    cargo test --workspace {{ARGS}}

check:
    scripts/check

fmt:
    cargo fmt --all
