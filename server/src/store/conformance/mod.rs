//! The conformance suite: what the contract promises, tried on a fresh store each time. Every
//! backend runs it.

pub(crate) mod accounts;
pub(crate) mod addresses;
pub(crate) mod attempts;
pub(crate) mod commits;
pub(crate) mod deletion;
pub(crate) mod epochs;
mod fixtures;
pub(crate) mod mail;
pub(crate) mod others;
pub(crate) mod parts;
pub(crate) mod passwords;
pub(crate) mod reads;
pub(crate) mod registration;
pub(crate) mod resets;
pub(crate) mod retention;
pub(crate) mod sessions;
pub(crate) mod uploads;

use super::StoreLimits;

/// Starts an hour: enough for every check but those that use them up.
pub(crate) const STARTS: u64 = 1000;

/// The limits that a fresh store is to be made with.
pub(crate) const LIMITS: StoreLimits = StoreLimits {
    quota_bytes: 1_000_000,
    personas: 4,
    attempts_per_hour: 3,
    starts_per_hour: STARTS,
};

pub(crate) use fixtures::{
    NOW, User, blob, mail as letter, new_attempt, new_registration, persona,
};

/// The suite, a test for each check. `$fresh` is a function that makes a store with [`LIMITS`], and
/// what must outlive it.
macro_rules! conformance {
    ($fresh:path) => {
        $crate::store::conformance::conformance! { $fresh:
            registration: makes_an_account, is_the_same_when_repeated, refuses_what_is_taken,
                refuses_tickets_that_do_not_hold, refuses_epochs_that_are_incomplete,
                spends_invitations, counts_with_logins;
            attempts: finds_the_credential, knows_nothing_of_unknown_addresses,
                limits_strangers_and_not_the_owner, knows_a_device_whose_answer_was_lost,
                lets_finished_ones_go, finishes_once, refuses_a_replaced_record;
            accounts: are_listed_and_shown, let_nobody_in_while_disabled,
                lose_all_sessions_when_told;
            deletion: frees_the_address_and_ends_access, is_answered_alike_when_repeated,
                changes_nothing_when_refused, purges_after_thirty_days, purges_at_once_when_told;
            addresses: move_record_and_slot_and_end_sessions,
                are_nobody_elses_while_there_is_a_way_back, come_back_with_record_and_slot,
                can_be_taken_back_by_their_own_account, stay_while_something_is_locked,
                come_back_over_a_reset, change_nothing_when_refused, are_few,
                keep_what_can_be_undone_as_it_is, come_back_whatever_was_guessed,
                end_what_was_finished_before, wait_while_the_account_is_disabled,
                move_although_something_was_undone;
            sessions: hold_until_they_expire, end_when_idle, end_when_told,
                change_nothing_once_ended, are_few_on_a_device, are_listed_and_revoked, carry_the_material_of_their_epoch;
            passwords: replace_record_and_slot_and_end_sessions, are_the_same_when_repeated,
                change_nothing_when_refused, count_twice;
            resets: a_code_opens_a_reset_and_a_wrong_one_counts, a_phrase_gives_everything_back,
                mail_alone_appends_an_epoch_and_removes_nothing,
                of_two_resets_with_one_code_one_is_made, a_reset_that_began_can_be_finished,
                three_by_mail_alone_in_a_month, an_older_phrase_is_undo_and_new_password,
                a_phrase_replaced_meanwhile_resets_nothing;
            epochs: the_owner_goes_back_without_the_mailbox,
                an_epoch_that_was_undone_does_not_come_back,
                the_owner_goes_back_with_password_and_root, a_new_phrase_replaces_the_old_one,
                what_is_locked_moves_at_once, an_unlocking_that_is_refused_changes_nothing;
            commits: start_and_continue_a_persona, compare_and_swap, refuse_what_is_stale,
                refuse_contradictions, leave_room_for_the_next, rename_and_restore_without_bytes, are_bounded_by_quota,
                change_nothing_when_refused, keep_accounts_apart;
            reads: list_one_snapshot, look_up_session_and_blob_at_once, page_labels,
                cut_labels_at_a_mebibyte, give_ranges,
                are_gone_when_they_should_be, trash_and_take_out;
            parts: hold_large_blobs, check_lengths, count_to_the_quota, count_as_files,
                go_when_nobody_names_them;
            uploads: are_committed_once, grow_part_by_part, go_on_where_they_are,
                may_say_their_length_later, reserve_what_they_announce;
            retention: keeps_the_newest_twenty, keeps_the_recent, keeps_what_a_label_names,
                drops_the_removed_after_thirty_days, drops_the_expired;
            mail: goes_to_the_known_and_to_nobody, is_limited_for_an_address, is_limited_for_a_network,
                is_claimed_until_it_is_forgotten, tells_of_a_changed_password, confirms_an_address,
                confirmation_is_counted_and_used_once;
            others: devices_rise, devices_are_few, invitations_are_listed_and_revoked, is_healthy;
        }
    };
    ($fresh:path: $($module:ident: $($check:ident),*;)*) => {$(
        mod $module {$(
            #[tokio::test]
            async fn $check() {
                let (store, _guard) = $fresh();
                $crate::store::conformance::$module::$check(&store).await;
            }
        )*}
    )*};
}
pub(crate) use conformance;
