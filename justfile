# `just check` is what a change has to pass; .ci/run does the same.

default:
    @just --list

# Everything below but the demo.
check: format clippy architecture deny test doc

format:
    cargo fmt --all --check

clippy:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# The direction of the arrows between the crates.
architecture:
    scripts/check-architecture

# Licences, bans, sources, and advisories where their database is at hand.
deny:
    scripts/deny

test *filter:
    scripts/test {{filter}}

# Looks for bytes that a parser does not stand. Without a target: lists them.
fuzz target="" seconds="60":
    scripts/fuzz {{target}} {{seconds}}

# Makes the pictures of docs/ anew, from rendered footage; SIGHTLINE_TOWN says where that is.
screenshots:
    scripts/console-page
    SIGHTLINE_SHOTS="$PWD/docs/images" SIGHTLINE_SPECS=shots cargo nextest run --workspace --test cli console::every

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

demo *arguments:
    scripts/demo {{arguments}}
