//! Counts of the events in a simulation.

macro_rules! counts {
    ($($count:ident,)*) => {
        /// Number of events of each kind, to detect scenarios that do not cover every event.
        #[derive(Debug, Default)]
        pub(super) struct EventCounts { $(pub(super) $count: u64,)* }

        impl EventCounts {
            pub(super) fn add(&mut self, other: &Self) {
                $(self.$count += other.$count;)*
            }

            pub(super) fn each(&self, mut check: impl FnMut(&str, u64)) {
                $(check(stringify!($count), self.$count);)*
            }
        }
    };
}

counts! {
    fast_path,
    at_once,
    queued,
    resubmitted,
    queued_again,
    reported_late,
    assigned,
    full,
    would_wait,
    dropped,
    broken,
    gone,
    none_left,
    closed,
    cancelled,
    started,
    start_failed,
    crashed,
    ended,
    overran,
    lost,
    left,
    retired,
    replaced,
    reloaded,
    reload_failed,
    given_up,
    given_up_ended,
    hung,
    killed,
    killed_late,
    exhausted,
    spare_started,
    spare_failed,
    spare_used,
    spare_used_early,
    spare_exchanged,
    spare_ended,
    spare_left,
    spare_retired,
    abandoned,
    checked_out_at_once,
    checked_out,
    reserved,
    reserved_in_vain,
    given_back,
    unused,
    session_dropped,
    session_late,
    discarded,
    given_up_in_session,
}
