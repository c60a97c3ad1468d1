# Sitekeep: what a developer types. `make test` is all that a change has to pass.
.DEFAULT_GOAL := test
.PHONY: demo test check bench browser faults faults-report tools screenshots

# Only in target/: nothing of it is installed on the machine.
DENY := target/tools/bin/cargo-deny

## A panel on this machine with a site to try it on.
demo:
	cargo run --locked -- demo

## Everything but what takes long; installs what is missing when it runs as root.
test: tools
	cargo test --locked --no-fail-fast

## Form, lints, licences and known faults of dependencies. `make check OFFLINE=1` leaves out the list of known faults.
check: $(DENY)
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	$(DENY) --locked check bans licenses sources
	$(if $(OFFLINE),@echo "advisories were not checked: OFFLINE is set",$(DENY) --locked check advisories)
	cargo test --locked --test sitekeep house::

## How fast it is.
bench: tools
	cargo test --locked --release --test sitekeep -- --ignored --nocapture --test-threads=1 bench_

## Only the journeys in the browser: at a desk and on a phone, with scripts and without. `make test` has them, too.
browser: tools
	SITEKEEP_END2END=--workers=2 cargo test --locked --test sitekeep people_do -- --nocapture

## Every fault at every step: hours, not minutes. Not --release: that has no points to interrupt it at.
faults: tools
	cargo test --locked --no-fail-fast --lib --test sitekeep -- --ignored --nocapture --test-threads=1 faults_
	@$(MAKE) --no-print-directory faults-report

## What of that was run so far, into docs/reliability.md. A run that was stopped goes on where it stopped.
faults-report:
	cargo test --locked --test sitekeep -- --ignored --nocapture tell_what_was_run_in_docs_reliability

## The pictures of the README, from a demo that is started for it.
screenshots: tools
	cargo build --locked
	node end2end/screenshots.mjs

## The Debian packages that the tests need, and what the browser tests take from npm.
tools:
	@scripts/tools

$(DENY):
	cargo install --locked --root target/tools cargo-deny
