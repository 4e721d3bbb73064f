# Everything that CI checks.
check:
    bash .ci/test

# The quick part of it.
quick:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    cargo nextest run --workspace --locked

# Writes the schemas in docs/reference/ again.
reference:
    UPDATE_REFERENCE=1 cargo test -p researchgym --test reference

# A first run: no key, no container engine.
demo:
    cargo run --release -- run blotto tuner
