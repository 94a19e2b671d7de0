//! The conformance suite: what the contract promises, tried on a fresh store each time. Every
//! backend runs it.

mod attempts;
mod commits;
mod fixtures;
mod others;
mod parts;
mod reads;
mod registration;
mod retention;
mod sessions;

use std::future::Future;

use super::{Store, StoreLimits};

/// The limits that a fresh store is to be made with.
pub(crate) const LIMITS: StoreLimits =
    StoreLimits { quota_bytes: 1_000_000, personas: 4, attempts_per_hour: 3 };

pub(crate) use fixtures::{NOW, User, blob, persona};

/// Runs the suite. `fresh` makes a store with [`LIMITS`], and what must outlive it.
pub(crate) async fn run<S, G, F>(fresh: impl Fn() -> F)
where
    S: Store,
    F: Future<Output = (S, G)>,
{
    macro_rules! on_fresh_stores {
        ($($module:ident: $($check:ident),*;)*) => {$($({
            let (store, _guard) = fresh().await;
            $module::$check(&store).await;
        })*)*};
    }
    on_fresh_stores! {
        registration: makes_an_account, is_the_same_when_repeated, refuses_what_is_taken,
            refuses_tickets_that_do_not_hold, refuses_epochs_that_are_incomplete,
            spends_invitations, counts_with_logins;
        attempts: finds_the_credential, knows_nothing_of_unknown_addresses,
            limits_strangers_and_not_the_owner, knows_a_device_whose_answer_was_lost, lets_finished_ones_go, finishes_once,
            refuses_a_replaced_record;
        sessions: hold_until_they_expire, end_when_idle, end_when_told, change_nothing_once_ended, are_few_on_a_device,
            carry_the_material_of_their_epoch;
        commits: start_and_continue_a_persona, compare_and_swap, refuse_what_is_stale,
            refuse_contradictions, leave_room_for_the_next, rename_and_restore_without_bytes, are_bounded_by_quota,
            change_nothing_when_refused, keep_accounts_apart;
        reads: list_one_snapshot, page_labels, cut_labels_at_a_mebibyte, give_ranges, are_gone_when_they_should_be,
            trash_and_take_out;
        parts: hold_large_blobs, become_uploads, check_lengths, count_to_the_quota, count_as_files,
            go_when_nobody_names_them;
        retention: keeps_the_newest_twenty, keeps_the_recent, keeps_what_a_label_names,
            drops_the_removed_after_thirty_days, drops_the_expired;
        others: devices_rise, devices_are_few, invitations_are_listed_and_revoked, is_healthy;
    }
}
