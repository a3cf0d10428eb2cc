//! Checks that `docs/guides/errors.md` and `docs/guides/troubleshooting.md` show the real error
//! texts.

mod errors;
mod page;
mod service;
mod troubleshooting;

use std::collections::BTreeSet;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use isolated_workers::{Error, ErrorKind};
use isolated_workers_test_support::HANG_TIMEOUT;
use page::{ERRORS, TROUBLESHOOTING};

/// Futures that produce an error, each with the label of its block on the page.
type Cases = Vec<(&'static str, LocalBoxFuture<'static, Error>)>;

macro_rules! cases {
    ($from:ident: $($case:ident)*) => { Cases::from([$((stringify!($case), $from::$case().boxed_local())),*]) };
}

fn errors() -> Cases {
    cases! {
        errors:
        config_limit config_timeout config_detach spawn_program spawn_folder startup_exit startup_silent
        sandbox_processes sandbox_thread handshake_codec handshake_service handshake_missing closed_in_flight closed_before closed_disconnected crashed
        crashed_each_time timeout timeout_starting cancelled remote panicked unknown_message unknown_service encode
        decode_message decode_reply too_large_to_send too_large_to_decode protocol duplicate_id overloaded
        would_deadlock unsupported denied invalid nameless middleware
    }
}

fn troubleshooting() -> Cases {
    cases! {
        troubleshooting:
        not_executable not_in_path never_serves alone no_init not_a_worker other_transport no_startup_data
        startup_data_declined startup_data_of_another_type startup_data_unread config_pool config_heartbeat
        no_frames hangs overran stubborn disconnected_twice never_disconnected queue_full
        queue_too_long keeps_crashing pool_closed rate
    }
}

/// Blocks that are missing on the page, or have a different text there.
async fn missing(page: &str, cases: Cases, is_placed: fn(&page::Shown, &Error) -> bool) -> String {
    let shown = page::shown(page);
    let mut missing = String::new();
    for (label, error) in cases {
        let error =
            tokio::time::timeout(HANG_TIMEOUT, error).await.unwrap_or_else(|_| panic!("{label} hangs"));
        let (text, executed) = (format!("{error:?}"), page::named(error.executed()));
        let is_shown = shown.iter().any(|shown| {
            shown.label == label
                && is_placed(shown, &error)
                && shown.executed == executed
                && page::masked(&shown.text) == page::masked(&text)
        });
        if !is_shown {
            missing += &format!("\n```text {label} {executed}\n{text}\n```\n");
        }
    }
    missing
}

#[tokio::test]
async fn the_errors_page_shows_each_error_in_the_section_of_its_kind() {
    let missing =
        missing(ERRORS, errors(), |shown, error| shown.section == format!("{:?}", error.kind())).await;
    assert!(missing.is_empty(), "the page does not show:\n{missing}");
}

#[tokio::test]
async fn the_troubleshooting_page_shows_each_error() {
    let missing = missing(TROUBLESHOOTING, troubleshooting(), |_, _| true).await;
    assert!(missing.is_empty(), "the page does not show:\n{missing}");
}

#[test]
fn no_page_shows_an_error_that_no_case_makes() {
    for (page, cases) in [(ERRORS, errors()), (TROUBLESHOOTING, troubleshooting())] {
        let cases: BTreeSet<_> = cases.into_iter().map(|(label, _)| label.to_owned()).collect();
        let labels: Vec<_> = page::shown(page).into_iter().map(|shown| shown.label).collect();
        assert_eq!(labels.len(), cases.len(), "a label is not unique: {labels:?}");
        assert_eq!(labels.into_iter().collect::<BTreeSet<_>>(), cases);
    }
}

#[test]
fn the_errors_page_lists_every_kind_with_its_executed_value() {
    assert_eq!(page::table(), page::kinds());
    for &kind in ErrorKind::ALL {
        let kind = format!("{kind:?}");
        assert!(
            page::shown(ERRORS).iter().any(|shown| shown.section == kind),
            "the page shows no error of {kind}"
        );
    }
}

#[test]
fn masking_hides_only_what_differs_between_runs() {
    let one = "the worker /a/b (pid 17) at /a/b.rs:1:2: of Calculator (00000000000000aa); exited with code 3";
    let other =
        "the worker ./b (pid 4711) at b.rs:34:5: of Calculator (0123456789abcdef); exited with code 3";
    assert_eq!(page::masked(one), page::masked(other));
    for differs in [one.replace("code 3", "code 4"), one.replace("/b", "/c"), one.replace("Calc", "calc")] {
        assert_ne!(page::masked(&differs), page::masked(other), "{differs}");
    }
}
