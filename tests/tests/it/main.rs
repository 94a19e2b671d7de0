//! Both programs, started for real. One crate, so that it is linked once.

mod api;
mod bench;
mod big;
mod conflicts;
mod deletion;
mod errors;
mod faults;
mod fuzz;
mod guards;
mod guessing;
mod impostors;
mod independent;
mod kills;
mod lies;
mod mail;
mod operator;
mod passwords;
mod prompts;
mod quiet;
mod resets;
mod rules;
mod snapshots;
mod steps;
mod timing;
mod whole_way;
mod zero_knowledge;
