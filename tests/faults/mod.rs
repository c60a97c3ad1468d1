//! Faults by the hundred: `make faults`. Each file is a form or two; what they have in common (seeds, resuming, the lines of
//! which `docs/reliability.md` is made) is in `trials.rs`. The same faults, once or a few times each, are in `make test`.

mod commits;
mod damage;
mod disks;
mod errors;
mod kills;
mod machines;
mod oracle;
mod report;
mod restarts;
mod servers;
mod trials;
mod zombies;
